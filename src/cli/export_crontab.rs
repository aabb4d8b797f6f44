//! Jobs as a crontab: the table they came from where nothing changed, lines made anew elsewhere.

use std::collections::BTreeMap;

use crate::cli::context::Context;
use crate::cli::draft::Draft;
use crate::cli::error::{CliError, Kind};
use crate::cli::export::{Exported, beyond_cron};
use crate::cli::import_preview::Previews;
use crate::cli::import_said::said;
use crate::cli::read_schedule;
use crate::crontab::{Dialect, Format, Table, join_command, setting_line, split_command, unmark};
use crate::model::{Engine, Raw};
use crate::schedule::Dialect as ScheduleDialect;
use crate::store::{CrontabRow, JobRow, NewSchedule, Store};

/// Days over which fires are compared before a line is written.
const DAYS: i64 = 400;

/// What is asked for.
pub struct Wanted<'a> {
    /// With a user column.
    pub system: bool,
    /// The cron that will read it.
    pub dialect: Option<Dialect>,
    /// Though something is lost.
    pub lossy: bool,
    /// One imported table.
    pub source: Option<&'a str>,
    /// Not only jobs that were named.
    pub everything: bool,
}

/// Settings that hold from a line on.
type Settings = Vec<(String, Raw)>;

/// A line made anew, with the settings it needs.
struct Made {
    env: Settings,
    line: Vec<u8>,
    /// The line of the table it takes the place of.
    instead_of: Option<usize>,
}

/// Writes jobs as a crontab.
///
/// # Errors
/// Several tables of which none was named.
pub fn table(
    ctx: &Context,
    store: &Store,
    rows: &[JobRow],
    wanted: &Wanted<'_>,
) -> Result<Exported, CliError> {
    let kept = match wanted.everything {
        true => own_table(store, rows, wanted)?,
        false => None,
    };
    let dialect = wanted.dialect.unwrap_or_else(|| {
        kept.as_ref()
            .and_then(|table| table.dialect.parse().ok())
            .unwrap_or(Dialect::Debian)
    });
    let system = kept
        .as_ref()
        .map_or(wanted.system, |table| table.format == "system");
    let mut previews = Previews::new(ctx, ctx.now(), DAYS);
    let mut exported = Exported::default();
    let mut made: Vec<Made> = Vec::new();
    let mut in_place: BTreeMap<usize, Vec<u8>> = BTreeMap::new();
    let (mut bytes, mut at_end) = match &kept {
        Some(table) => parted(table, dialect),
        None => (Vec::new(), Settings::new()),
    };
    for row in rows {
        let own = kept.as_ref().and_then(|table| {
            let imported = row.job.spec.imported.as_deref()?;
            (imported.source == table.source).then_some(imported)
        });
        let now = said(&Draft::of(row));
        if own.is_some_and(|imported| imported.said == now) {
            continue;
        }
        let mut lost = beyond_cron(row);
        let line = make(ctx, row, dialect, system, &mut previews, &mut lost);
        match line {
            Ok(line) if lost.is_empty() || wanted.lossy => {
                exported
                    .lost
                    .extend(lost.into_iter().map(|what| (row.job.name.clone(), what)));
                match own.filter(|imported| imported.said.env == now.env) {
                    Some(imported) => {
                        in_place.insert(imported.line, line.line);
                    }
                    None => made.push(Made {
                        instead_of: own.map(|imported| imported.line),
                        ..line
                    }),
                }
            }
            Ok(_) => exported
                .refused
                .push((row.job.name.clone(), lost.join(", "))),
            Err(why) => exported.refused.push((row.job.name.clone(), why)),
        }
    }
    if let Some(table) = &kept {
        bytes = with_changes(table, &bytes, rows, dialect, &in_place, &made);
    }
    append(&mut bytes, &mut at_end, made, dialect, &mut exported);
    exported.files.push((String::new(), bytes));
    Ok(exported)
}

/// The table whose bytes the answer begins with.
fn own_table(
    store: &Store,
    rows: &[JobRow],
    wanted: &Wanted<'_>,
) -> Result<Option<CrontabRow>, CliError> {
    let mut tables = store.crontabs()?;
    tables.retain(|table| match wanted.source {
        Some(source) => table.source == source,
        None => !wanted.system || table.format == "system",
    });
    let of_cron = |table: &CrontabRow| !matches!(table.format.as_str(), "anacron" | "seconds");
    tables.retain(of_cron);
    if wanted.source.is_none() {
        // A table of which no job is left is nobody's any more, unless it is all there is.
        let many = tables.len() > 1;
        let from = |table: &CrontabRow, row: &JobRow| {
            row.job
                .spec
                .imported
                .as_ref()
                .is_some_and(|i| i.source == table.source)
        };
        tables.retain(|table| !many || rows.iter().any(|row| from(table, row)));
    }
    if tables.len() > 1 {
        let names: Vec<&str> = tables.iter().map(|table| table.source.as_str()).collect();
        let text = "several tables were imported, and the settings of one would hold for the next";
        return Err(CliError::new(Kind::Usage, text)
            .hint(format!("write --source with one of {}", names.join(", "))));
    }
    Ok(tables.pop())
}

/// The bytes of a table without marks, and the settings at its end.
fn parted(table: &CrontabRow, dialect: Dialect) -> (Vec<u8>, Settings) {
    let bytes = unmark(&table.bytes, |_| true).bytes;
    let format: Format = table.format.parse().unwrap_or(Format::User);
    let read = Table::parse(&bytes, table.dialect.parse().unwrap_or(dialect), format);
    let end = crate::crontab::Line {
        number: 0,
        span: bytes.len()..bytes.len(),
        kind: crate::crontab::LineKind::Blank,
    };
    let settings = read
        .environment_of(&end)
        .into_iter()
        .map(|(name, value)| (String::from_utf8_lossy(&name).into_owned(), Raw(value)))
        .collect();
    (bytes, settings)
}

/// A table with the lines that were changed here; those of jobs that were removed, or that moved to
/// the end because their settings changed, go.
fn with_changes(
    table: &CrontabRow,
    bytes: &[u8],
    rows: &[JobRow],
    dialect: Dialect,
    in_place: &BTreeMap<usize, Vec<u8>>,
    moved: &[Made],
) -> Vec<u8> {
    let format: Format = table.format.parse().unwrap_or(Format::User);
    let read = Table::parse(bytes, table.dialect.parse().unwrap_or(dialect), format);
    let removed = |number: usize| {
        let mut made = table.entries.iter().filter(|(line, _)| *line == number);
        made.any(|(_, id)| {
            let has = |row: &&JobRow| row.job.spec.imported.as_ref().is_some_and(|i| i.id == *id);
            rows.iter().find(has).is_none()
        })
    };
    let elsewhere = |number: usize| moved.iter().any(|made| made.instead_of == Some(number));
    let mut out = Vec::with_capacity(bytes.len());
    for line in &read.lines {
        let text = bytes.get(line.span.clone()).unwrap_or_default();
        match in_place.get(&line.number) {
            Some(new) => out.extend_from_slice(new),
            // A refused entry stays as it was.
            None if removed(line.number) || elsewhere(line.number) => {}
            None => out.extend_from_slice(text),
        }
    }
    out
}

/// Adds lines made anew; a setting that was made above cannot be taken back, only changed.
fn append(
    bytes: &mut Vec<u8>,
    holds: &mut Settings,
    mut made: Vec<Made>,
    dialect: Dialect,
    exported: &mut Exported,
) {
    made.sort_by_key(|one| one.env.len());
    if !made.is_empty() && !bytes.is_empty() && !bytes.ends_with(b"\n") {
        bytes.push(b'\n');
    }
    for one in made {
        let unset = holds
            .iter()
            .find(|(name, _)| one.env.iter().all(|(known, _)| known != name));
        let shown = String::from_utf8_lossy(&one.line).trim_end().to_owned();
        if let Some((name, _)) = unset {
            let why = format!("{name} is set above it, and a crontab cannot unset it");
            exported.refused.push((shown, why));
            continue;
        }
        let mut lines = Vec::new();
        for (name, value) in &one.env {
            if holds.iter().any(|pair| pair.0 == *name && pair.1 == *value) {
                continue;
            }
            match setting_line(name, &value.0, dialect) {
                Some(line) => lines.extend_from_slice(&line),
                None => {
                    let why = format!("{dialect} cannot be told the value of {name}");
                    exported.refused.push((shown.clone(), why));
                    lines.clear();
                    break;
                }
            }
            holds.retain(|(known, _)| known != name);
            holds.push((name.clone(), value.clone()));
        }
        bytes.extend_from_slice(&lines);
        bytes.extend_from_slice(&one.line);
    }
}

fn make(
    ctx: &Context,
    row: &JobRow,
    dialect: Dialect,
    system: bool,
    previews: &mut Previews<'_>,
    lost: &mut Vec<String>,
) -> Result<Made, String> {
    let draft = Draft::of(row);
    let now = said(&draft);
    let raw = join_command(
        &now.command.0,
        now.stdin.as_ref().map(|s| s.0.as_slice()),
        dialect,
    )
    .ok_or_else(|| format!("{dialect} cannot be told this command or its input"))?;
    let [new] = draft.schedules.as_slice() else {
        return Err(format!(
            "it has {} schedules, and a line has one",
            draft.schedules.len()
        ));
    };
    let schedule = read_schedule::read(ctx, new).map_err(|error| error.message)?;
    let plain = matches!(
        schedule.dialect(),
        ScheduleDialect::Crontab | ScheduleDialect::Nickname
    );
    if !plain || new.expr.contains(['H', '~']) {
        return Err(format!("no crontab can say `{}`", new.expr));
    }
    let mut env = draft.spec.env.clone();
    if let Some(shell) = draft
        .spec
        .shell
        .as_ref()
        .filter(|_| env.iter().all(|(k, _)| k != "SHELL"))
    {
        env.push(("SHELL".to_owned(), shell.as_str().into()));
    }
    zone(ctx, new, dialect, &mut env, lost);
    if let Engine::Cron(was) = &draft.spec.engine
        && was != dialect.as_str()
    {
        lost.push(format!("the environment of {was}"));
    }
    let owner = now.user.as_deref().unwrap_or(&ctx.user.name);
    let mut line = new.expr.clone().into_bytes();
    line.push(b' ');
    if system {
        line.extend_from_slice(owner.as_bytes());
        line.push(b' ');
    } else if owner != ctx.user.name {
        lost.push(format!("user {owner}"));
    }
    line.extend_from_slice(&raw);
    line.push(b'\n');
    check(&line, &draft, dialect, system, previews)?;
    Ok(Made {
        env,
        line,
        instead_of: None,
    })
}

/// The zone a line is read in, as a setting where this cron knows one.
fn zone(
    ctx: &Context,
    new: &NewSchedule,
    dialect: Dialect,
    env: &mut Settings,
    lost: &mut Vec<String>,
) {
    if let Some(zone) = &new.zone {
        if dialect == Dialect::Cronie && new.dst == "both" {
            env.retain(|(name, _)| name != "CRON_TZ");
            env.push(("CRON_TZ".to_owned(), zone.as_str().into()));
        } else if zone != ctx.zone.name() {
            lost.push(format!("zone {zone}"));
        }
    } else if new.dst != "vixie" {
        lost.push(format!("clock-change rule {}", new.dst));
    }
}

/// Reads a line back and compares its command and its fires.
fn check(
    line: &[u8],
    draft: &Draft,
    dialect: Dialect,
    system: bool,
    previews: &mut Previews<'_>,
) -> Result<(), String> {
    let format = if system { Format::System } else { Format::Root };
    let table = Table::parse(line, dialect, format);
    let Some((_, entry)) = table
        .entries()
        .next()
        .filter(|_| table.verdict.is_accepted())
    else {
        return Err(format!("{dialect} would not read the line"));
    };
    let split = split_command(&entry.raw_command, dialect);
    let wanted = said(draft);
    if split.command != wanted.command.0 || split.stdin != wanted.stdin.map(|s| s.0) {
        return Err(format!("{dialect} would read another command"));
    }
    let preview = previews.of(dialect, Some(&entry.sets), draft);
    match preview.differs {
        Some(at) => Err(format!("{dialect} would fire otherwise at {at} ms")),
        None => Ok(()),
    }
}
