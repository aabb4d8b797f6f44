//! Tables of two programs that are no cron: supercronic's, with seconds, and anacron's.
//!
//! Their lines become jobs of our own engine; what does not come out the same is said of each.

use crate::cli::context::Context;
use crate::cli::draft::Draft;
use crate::cli::error::CliError;
use crate::cli::import::{How, TableRead};
use crate::cli::import_entry::{NotMade, TableEntry, origin};
use crate::cli::import_other_line::{Kind, Read, Settings, entry_of, kind_of};
use crate::cli::import_preview::{Preview, Previews};
use crate::cli::import_source::{Form, Found};
use crate::cli::{read_schedule, run_as};
use crate::crontab::{
    Dialect, Format, Line, LineKind, Problem, Refusal, Table, Verdict, suggest_names, unmark,
};
use crate::model::{CatchUp, Command, Overlap, Policy, Raw, Spec, Terms};
use crate::schedule::seed_of;
use crate::store::NewSchedule;

/// Reads a table of supercronic or anacron.
///
/// # Errors
/// None that is expected: a line that cannot be read is a line of its own kind.
pub fn read(
    ctx: &Context,
    found: Found,
    bytes: Vec<u8>,
    observed: bool,
    how: &How<'_>,
    previews: &mut Previews<'_>,
) -> Result<(TableRead, Vec<TableEntry>), CliError> {
    let unmarked = unmark(&bytes, |_| true);
    let anacron = found.form == Form::Anacron;
    let (lines, drafts, settings) = lines_of(&unmarked.bytes, anacron);
    let bad = lines.iter().find(|l| matches!(l.kind, LineKind::Error(_)));
    let verdict = match bad {
        Some(line) => Verdict::Refused(Refusal::BadLine { line: line.number }),
        None => Verdict::Accepted,
    };
    let table = Table {
        // Both end at the first line they cannot read, as Debian's cron does.
        dialect: Dialect::Debian,
        format: Format::User,
        lines,
        verdict,
    };
    let names = suggest_names(&table, &unmarked.bytes);
    let last = settings;
    let entries = drafts
        .into_iter()
        .zip(names)
        .map(|((number, text, read, above), suggested)| {
            // supercronic hands every job what the whole file sets.
            let settings = if anacron { &above } else { &last };
            let place = Place {
                found: &found,
                number,
                ignored: table.is_ignored(),
                zone: how.zone,
            };
            let mut entry = one(ctx, &place, read, settings, &suggested.name, previews);
            entry.text = text;
            entry.mark = unmarked.marks.get(&number).cloned();
            entry
        })
        .collect();
    let read = TableRead {
        dialect_word: if anacron { "anacron" } else { "supercronic" },
        found,
        bytes,
        table,
        warnings: Vec::new(),
        observed,
        disabled: 0,
        zone: how.zone.map(str::to_owned),
    };
    Ok((read, entries))
}

/// An entry with the number and text of its line and the settings above it.
type Drafted = (usize, Vec<u8>, Read, Settings);

/// The lines of a table, its entries, and what the whole file sets.
fn lines_of(bytes: &[u8], anacron: bool) -> (Vec<Line>, Vec<Drafted>, Settings) {
    let mut settings: Settings = Vec::new();
    let mut lines = Vec::new();
    let mut drafts = Vec::new();
    let mut start = 0;
    for (index, text) in bytes.split_inclusive(|b| *b == b'\n').enumerate() {
        let line = text.strip_suffix(b"\n").unwrap_or(text);
        let kind = match kind_of(line, anacron, &settings) {
            Kind::Blank => LineKind::Blank,
            Kind::Comment => LineKind::Comment,
            Kind::Env(name, value) => {
                settings.retain(|(known, _)| *known != name);
                settings.push((name.clone(), value.clone()));
                LineKind::Env {
                    name: name.into_bytes(),
                    value,
                    truncated: false,
                }
            }
            Kind::Entry(read) => {
                let entry = entry_of(&read);
                drafts.push((index + 1, line.to_vec(), read, settings.clone()));
                LineKind::Entry(Box::new(entry))
            }
            Kind::Bad(why) => LineKind::Error(Problem {
                reason: "bad crontab line",
                field: None,
                column: 1,
                explanation: why,
            }),
        };
        let span = start..start + text.len();
        start = span.end;
        lines.push(Line {
            number: index + 1,
            span,
            kind,
        });
    }
    (lines, drafts, settings)
}

struct Place<'a> {
    found: &'a Found,
    number: usize,
    ignored: bool,
    zone: Option<&'a str>,
}

fn one(
    ctx: &Context,
    place: &Place<'_>,
    read: Read,
    settings: &Settings,
    suggested: &str,
    previews: &mut Previews<'_>,
) -> TableEntry {
    let draft = draft(place, &read, settings);
    let schedule = draft
        .schedules
        .first()
        .map(|new| read_schedule::read(ctx, new));
    let preview = match &schedule {
        // There is no main loop of a cron to compare with.
        Some(Ok(schedule)) => previews.listed(schedule),
        _ => Preview::default(),
    };
    let job = match schedule {
        _ if place.ignored => Err(NotMade::Ignored(
            "the whole file is refused: a line cannot be read".to_owned(),
        )),
        Some(Err(error)) => Err(NotMade::Refused(error.message)),
        _ => of_user(ctx, draft, &place.found.owner),
    };
    TableEntry {
        line: place.number,
        text: Vec::new(),
        mark: None,
        disabled: false,
        options: (false, false),
        mail_to: setting(settings, "MAILTO").map(Raw::from),
        schedule: read.written,
        user: None,
        name: read.name.unwrap_or_else(|| suggested.to_owned()),
        job,
        preview,
        notes: read.notes,
    }
}

fn setting(settings: &Settings, wanted: &str) -> Option<String> {
    let found = settings.iter().find(|(name, _)| name == wanted);
    found.map(|(_, value)| String::from_utf8_lossy(value).into_owned())
}

fn draft(place: &Place<'_>, read: &Read, settings: &Settings) -> Draft {
    let label = &place.found.label;
    let mut spec = Spec::of(Command::Line(Raw(read.command.clone())));
    spec.shell = setting(settings, "SHELL");
    spec.env = settings
        .iter()
        .map(|(name, value)| (name.clone(), Raw(value.clone())))
        .collect();
    spec.origin = Some(origin(label, place.number));
    let mut policy = Policy::cron();
    if place.found.form == Form::Anacron {
        (policy.catch_up, policy.overlap) = (CatchUp::Last, Overlap::Skip);
    }
    let seconds = place.found.form == Form::Seconds;
    let own_zone = seconds.then(|| setting(settings, "CRON_TZ")).flatten();
    let seed = seed_of(&format!("{label} {}", read.expr)).cast_signed();
    Draft {
        spec,
        policy,
        schedules: vec![NewSchedule {
            expr: read.expr.clone(),
            zone: own_zone.or(place.zone.map(str::to_owned)),
            dst: "vixie".to_owned(),
            anchor: None,
            terms: Terms {
                jitter_ms: read.jitter_ms,
                seed,
                ..Terms::default()
            },
        }],
        seed,
    }
}

fn of_user(ctx: &Context, mut draft: Draft, owner: &str) -> Result<Draft, NotMade> {
    if owner != ctx.user.name {
        draft.spec.limits.user = Some(owner.to_owned());
        draft.spec.limits = run_as::checked(ctx, &draft.spec.limits)
            .map_err(|error| NotMade::Refused(error.message))?;
    }
    Ok(draft)
}
