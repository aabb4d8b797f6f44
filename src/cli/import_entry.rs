//! What one entry of a crontab means as a job.

use std::collections::BTreeMap;

use crate::cli::context::Context;
use crate::cli::draft::Draft;
use crate::cli::import_preview::{Preview, Previews};
use crate::cli::{read_schedule, run_as};
use crate::crontab::{
    Dialect, Entry, Field, Line, LineKind, Refusal, Table, Verdict, split_command, suggest_names,
};
use crate::model::{Command, Engine, Policy, Raw, Spec, Terms, check_name};
use crate::schedule::{Fields, ParseOptions, Schedule};
use crate::store::NewSchedule;

/// A table with what is known of it.
pub struct Source<'a> {
    /// The file's name in origins.
    pub label: &'a str,
    /// Its bytes.
    pub bytes: &'a [u8],
    /// What its cron makes of them.
    pub table: &'a Table,
    /// Whose table it is, where the lines name no user.
    pub owner: &'a str,
    /// The zone its schedules are read in; the host's where none is given.
    pub zone: Option<&'a str>,
    /// The lines that were taken over, with the ids in their marks.
    pub marks: &'a BTreeMap<usize, String>,
    /// Where the lines start that are commented out and taken as entries.
    pub disabled: &'a [usize],
}

/// An entry of a crontab on its way to be a job.
pub struct TableEntry {
    /// The number of its line.
    pub line: usize,
    /// The line itself, without the line feed.
    pub text: Vec<u8>,
    /// The id of the job that took it over, from the mark on its line.
    pub mark: Option<String>,
    /// It stands there commented out.
    pub disabled: bool,
    /// The options of cronie: not logged, and mail on failure only.
    pub options: (bool, bool),
    /// `MAILTO` as it holds for it.
    pub mail_to: Option<Raw>,
    /// The schedule as written.
    pub schedule: String,
    /// The user column.
    pub user: Option<String>,
    /// A name for it, not yet unique in the store.
    pub name: String,
    /// The job it makes, or why it makes none.
    pub job: Result<Draft, NotMade>,
    /// When it fires, by its cron and by us.
    pub preview: Preview,
    /// What is to be said of it.
    pub notes: Vec<String>,
}

/// Why an entry makes no job.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum NotMade {
    /// Its cron does not run it either.
    Ignored(String),
    /// No instant matches.
    NeverFires,
    /// It cannot be done yet.
    Refused(String),
}

impl NotMade {
    /// The word for it in answers.
    pub fn as_str(&self) -> &'static str {
        match self {
            NotMade::Ignored(_) => "ignored",
            NotMade::NeverFires => "never",
            NotMade::Refused(_) => "refused",
        }
    }

    /// Why, in words.
    pub fn why(&self) -> &str {
        match self {
            NotMade::Ignored(why) | NotMade::Refused(why) => why,
            NotMade::NeverFires => "never fires",
        }
    }
}

/// The entries of a table in order.
pub fn entries(ctx: &Context, source: &Source<'_>, previews: &mut Previews<'_>) -> Vec<TableEntry> {
    let names = suggest_names(source.table, source.bytes);
    let live: Vec<usize> = source
        .table
        .live_entries()
        .map(|(line, _)| line.span.start)
        .collect();
    source
        .table
        .entries()
        .zip(names)
        .map(|((line, entry), suggested)| {
            let is_live = live.contains(&line.span.start);
            one(
                ctx,
                source,
                (line, entry),
                is_live,
                &suggested.name,
                previews,
            )
        })
        .collect()
}

fn one(
    ctx: &Context,
    source: &Source<'_>,
    (line, entry): (&Line, &Entry),
    is_live: bool,
    suggested: &str,
    previews: &mut Previews<'_>,
) -> TableEntry {
    let user = entry
        .user
        .as_deref()
        .map(|b| String::from_utf8_lossy(b).into_owned());
    let mut notes = Vec::new();
    if entry.no_log {
        notes.push("the leading `-` (do not log) is kept, and has no effect here".to_owned());
    }
    if entry.mail_on_failure_only {
        notes.push("`-n` (mail on failure only) is kept".to_owned());
    }
    let other = Some(user.as_deref().unwrap_or(source.owner));
    let other = other.filter(|user| *user != ctx.user.name);
    let made = draft(source, line, entry, &mut notes);
    let drawn = entry.random.is_empty().then_some(&entry.sets);
    let preview = match &made {
        Ok(draft) => previews.of(source.table.dialect, drawn, draft),
        Err(_) => Preview::default(),
    };
    let made = match is_live {
        true => made,
        false => Err(NotMade::Ignored(ignored(source.table))),
    };
    let made = match (made, other) {
        (Ok(draft), Some(other)) => of_user(ctx, draft, other),
        (made, _) => made,
    };
    let ready = made.as_ref().ok().and_then(|draft| draft.schedules.first());
    let job = match ready.map(|new| read_schedule::read(ctx, new)) {
        Some(Err(error)) => Err(NotMade::Refused(error.message)),
        _ => made,
    };
    let text = source.bytes.get(line.span.clone()).unwrap_or_default();
    let settings = source.table.environment_of(line);
    let mail_to = settings.into_iter().find(|(name, _)| name == b"MAILTO");
    TableEntry {
        line: line.number,
        text: text.strip_suffix(b"\n").unwrap_or(text).to_vec(),
        mark: source.marks.get(&line.number).cloned(),
        disabled: source.disabled.contains(&line.span.start),
        options: (entry.no_log, entry.mail_on_failure_only),
        mail_to: mail_to.map(|(_, value)| Raw(value)),
        schedule: entry.schedule_text.clone(),
        user,
        name: usable(suggested),
        job,
        preview,
        notes,
    }
}

/// The same job for the user its line names.
fn of_user(ctx: &Context, mut draft: Draft, user: &str) -> Result<Draft, NotMade> {
    draft.spec.limits.user = Some(user.to_owned());
    match run_as::checked(ctx, &draft.spec.limits) {
        Ok(_) => Ok(draft),
        Err(error) => Err(NotMade::Refused(error.message)),
    }
}

/// Why the cron of a table does not run an entry that can be read.
fn ignored(table: &Table) -> String {
    let dialect = table.dialect;
    match table.verdict {
        Verdict::Refused(Refusal::BadLine { line }) => {
            format!("{dialect} ignores the whole file: line {line} cannot be read")
        }
        Verdict::Refused(Refusal::NoFinalNewline { line }) if table.is_ignored() => {
            format!("{dialect} ignores the whole file: line {line} has no line feed")
        }
        Verdict::Refused(Refusal::NoFinalNewline { .. }) => {
            format!("{dialect} ignores this line: it has no line feed")
        }
        _ => format!("{dialect} ignores the whole file: it has too many lines"),
    }
}

/// A suggested name that a job may have.
fn usable(suggested: &str) -> String {
    let prefixed = format!("job-{suggested}");
    match (check_name(suggested), check_name(&prefixed)) {
        (Ok(()), _) => suggested.to_owned(),
        (Err(_), Ok(())) => prefixed,
        (Err(_), Err(_)) => "job".to_owned(),
    }
}

fn draft(
    source: &Source<'_>,
    line: &Line,
    entry: &Entry,
    notes: &mut Vec<String>,
) -> Result<Draft, NotMade> {
    if !entry.reboot && !entry.sets.can_fire() {
        return Err(NotMade::NeverFires);
    }
    let expr = match &entry.effective {
        Some(text) => text.clone(),
        None if entry.random.is_empty() => return Err(NotMade::NeverFires),
        None => {
            let drawn = drawn(source, entry)?;
            notes.push(format!("`~` is drawn once: {drawn}"));
            drawn
        }
    };
    let dialect = source.table.dialect;
    let settings = source.table.environment_of(line);
    let setting = |wanted: &str| {
        let found = settings.iter().find(|(name, _)| name == wanted.as_bytes());
        found.map(|(_, value)| String::from_utf8_lossy(value).into_owned())
    };
    let own_zone = setting("CRON_TZ").filter(|_| dialect == Dialect::Cronie);
    // Under CRON_TZ cronie looks at that zone's clock alone, and knows no rule for its changes.
    let (zone, dst) = match own_zone {
        Some(zone) => (Some(zone), "both"),
        None => (source.zone.map(str::to_owned), "vixie"),
    };
    let delay = random_delay(dialect, setting("RANDOM_DELAY"), notes);
    let split = split_command(&entry.raw_command, dialect);
    let mut spec = Spec::of(Command::Line(Raw(split.command)));
    spec.stdin = split.stdin.map(Raw);
    spec.engine = Engine::Cron(dialect.as_str().to_owned());
    spec.shell = setting("SHELL");
    spec.env = settings
        .iter()
        .map(|(name, value)| {
            let name = String::from_utf8_lossy(name).into_owned();
            (name, Raw(value.clone()))
        })
        .collect();
    spec.description = comment(source, line);
    spec.origin = Some(origin(source.label, line.number));
    Ok(Draft {
        spec,
        policy: Policy::cron(),
        schedules: vec![NewSchedule {
            expr,
            zone,
            dst: dst.to_owned(),
            anchor: None,
            terms: Terms {
                jitter_ms: delay,
                seed: i64::from(seed(source, entry)),
                ..Terms::default()
            },
        }],
        seed: i64::from(seed(source, entry)),
    })
}

/// Where a job came from, as it stands in its definition.
pub fn origin(label: &str, line: usize) -> String {
    format!("crontab:{label}:{line}")
}

/// The entry's schedule with a value in the place of each `~`, the same each time the same entry
/// is read; cronie draws one each time it loads the table.
fn drawn(source: &Source<'_>, entry: &Entry) -> Result<String, NotMade> {
    let options = ParseOptions {
        seed: u64::from(seed(source, entry)),
        ..ParseOptions::default()
    };
    let schedule = Schedule::parse(&entry.schedule_text, &options)
        .map_err(|e| NotMade::Refused(e.to_string()))?;
    let fields = schedule.fields().ok_or(NotMade::NeverFires)?;
    let words: Vec<String> = entry
        .schedule_text
        .split([' ', '\t'])
        .filter(|word| !word.is_empty())
        .zip(Field::ALL)
        .map(|(word, field)| match entry.random.contains(&field) {
            true => values(fields, field),
            false => word.to_owned(),
        })
        .collect();
    Ok(words.join(" "))
}

/// The delay of each start that `RANDOM_DELAY` asks for, milliseconds. cronie alone knows it, and
/// scales every delay of a table by one factor that it draws when it starts (crontab(5)).
fn random_delay(dialect: Dialect, setting: Option<String>, notes: &mut Vec<String>) -> i64 {
    let minutes = setting
        .filter(|_| dialect == Dialect::Cronie)
        .and_then(|minutes| minutes.trim().parse::<i64>().ok())
        .filter(|minutes| (1..=1440).contains(minutes));
    if let Some(minutes) = minutes {
        notes.push(format!(
            "RANDOM_DELAY: each start is up to {minutes} minutes late, by its own draw"
        ));
    }
    minutes.unwrap_or(0) * 60_000
}

/// What is drawn for an entry depends on nothing but where it stands and what it says.
fn seed(source: &Source<'_>, entry: &Entry) -> u32 {
    let mut hash = crc32fast::Hasher::new();
    for part in [
        source.label.as_bytes(),
        entry.schedule_text.as_bytes(),
        &entry.raw_command,
    ] {
        hash.update(part);
    }
    hash.finalize()
}

fn values(fields: &Fields, field: Field) -> String {
    let bits = match field {
        Field::Minute => fields.minute,
        Field::Hour => u64::from(fields.hour),
        Field::DayOfMonth => u64::from(fields.dom),
        Field::Month => u64::from(fields.month),
        Field::DayOfWeek => u64::from(fields.dow),
    };
    let numbers: Vec<String> = (0..64)
        .filter(|n| bits >> n & 1 == 1)
        .map(|n: u32| n.to_string())
        .collect();
    numbers.join(",")
}

/// Longest description taken from a comment.
const DESCRIPTION: usize = 200;

/// The comment directly above an entry.
fn comment(source: &Source<'_>, line: &Line) -> Option<String> {
    let above: Vec<&Line> = source
        .table
        .lines
        .iter()
        .take_while(|other| other.span.start < line.span.start)
        .collect();
    let mut block: Vec<String> = above
        .iter()
        .rev()
        .take_while(|other| other.kind == LineKind::Comment)
        .filter_map(|other| source.bytes.get(other.span.clone()))
        .map(|bytes| {
            let text = String::from_utf8_lossy(bytes).into_owned();
            text.trim().trim_start_matches('#').trim().to_owned()
        })
        .filter(|text| !text.is_empty())
        .collect();
    block.reverse();
    let text: String = block.join(" ").chars().take(DESCRIPTION).collect();
    Some(text).filter(|text| !text.is_empty())
}
