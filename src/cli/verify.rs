//! `crake verify`: what cron did, by its log, beside what crake would have done.

use std::collections::BTreeMap;
use std::io::Read;
use std::path::{Path, PathBuf};

use crate::cli::context::Context;
use crate::cli::draft::Draft;
use crate::cli::error::{CliError, Kind};
use crate::cli::import_said::said;
use crate::cli::verify_answer::{Findings, Fire, answer};
use crate::cli::{import_source, moment, read_schedule};
use crate::crontab::{CronLog, Started, log_text};
use crate::schedule::{UnixMs, Zone};
use crate::store::{JobRow, Store};

/// Compare cron's log with when crake would have fired
///
/// Every start of an imported entry that the log shows is matched with a fire that crake plans, by
/// minute, user and command. What is left over on either side is listed. Exit code 8 if anything is.
#[derive(clap::Args)]
#[command(after_help = "\
Examples:
  crake verify                                     the logs of this host
  crake verify --log /var/log/syslog --log /var/log/syslog.1.gz --since 7d
  journalctl -t CRON -o export | crake verify --log -")]
pub struct VerifyArgs {
    /// Imported tables; all if not given
    #[arg(value_name = "TABLE")]
    tables: Vec<String>,
    /// A log: lines of syslog, journalctl -o export or -o json, also compressed with gzip; - for
    /// standard input
    #[arg(long, value_name = "FILE")]
    log: Vec<PathBuf>,
    /// From this instant on; from the first line of the log if not given
    #[arg(long, value_name = "T")]
    since: Option<String>,
    /// Up to this instant; to the last line of the log if not given
    #[arg(long, value_name = "T")]
    until: Option<String>,
    /// The year of the last line, where lines name none
    #[arg(long, value_name = "YEAR")]
    year: Option<i32>,
    /// Time zone of the log; the host's if not given
    #[arg(long, value_name = "ZONE")]
    tz: Option<String>,
    /// Look for the logs under DIR instead of / (also: CRAKE_CRON_ROOT=DIR)
    #[arg(long, value_name = "DIR")]
    root: Option<PathBuf>,
}

const MINUTE: i64 = 60_000;

/// Fires in a row that left no trace, and nothing else of cron either, are a gap of the log.
const GAP: usize = 3;

/// An imported entry as the log would show it.
struct Watched {
    job: String,
    user: String,
    command: String,
    fires: Vec<UnixMs>,
    exact: bool,
}

/// Compares the log of cron with our fires.
///
/// # Errors
/// A log that cannot be read; nothing imported; no line with a time.
pub fn verify(ctx: &Context, args: VerifyArgs) -> Result<u8, CliError> {
    let root = import_source::root(args.root.as_deref());
    let zone = match &args.tz {
        Some(name) => Zone::named(name)?,
        None => ctx.zone.clone(),
    };
    let year = args.year.unwrap_or_else(|| zone.to_local(ctx.now()).year);
    let paths = if args.log.is_empty() {
        usual_logs(&root)
    } else {
        args.log.clone()
    };
    if paths.is_empty() {
        return Err(
            CliError::new(Kind::Failed, "there is no log of cron in /var/log")
                .hint("journalctl -t CRON -t CROND -o export | crake verify --log -"),
        );
    }
    let mut log = CronLog::default();
    for path in &paths {
        log.read(&content(path)?, &zone, year);
    }
    log.started.sort_by_key(|started| started.at);
    let Some((first, last)) = log.span else {
        return Err(CliError::new(
            Kind::Invalid,
            "no line of the log has a time that can be read",
        ));
    };
    let instant = |text: &Option<String>, otherwise: UnixMs| match text {
        Some(text) => moment::instant(text, &zone, ctx.now(), -1),
        None => Ok(otherwise),
    };
    let since = instant(&args.since, first)?.div_euclid(MINUTE) * MINUTE;
    let until = instant(&args.until, last)?.div_euclid(MINUTE) * MINUTE;
    let store = ctx.read()?;
    let mut findings = Findings::default();
    let watched = watched(ctx, &store, &args.tables, (since, until), &mut findings)?;
    if watched.is_empty() && findings.not_observable.is_empty() {
        return Err(
            CliError::new(Kind::NotFound, "nothing was imported from a crontab")
                .hint("`crake import` first"),
        );
    }
    compare(&watched, &log, (since, until), &mut findings);
    answer(ctx, &zone, (since, until), &findings)?;
    Ok(if findings.differs() {
        Kind::Differs.code()
    } else {
        0
    })
}

/// The logs in which a cron of this host writes, with those that were rotated, the oldest first.
fn usual_logs(root: &Path) -> Vec<PathBuf> {
    let Ok(entries) = std::fs::read_dir(root.join("var/log")) else {
        return Vec::new();
    };
    let mut found: Vec<PathBuf> = entries.flatten().map(|entry| entry.path()).collect();
    found.retain(|path| {
        let name = path
            .file_name()
            .unwrap_or_default()
            .to_string_lossy()
            .into_owned();
        ["syslog", "cron.log", "cron"].iter().any(|base| {
            let tail = name.strip_prefix(base);
            tail.is_some_and(|tail| tail.is_empty() || tail.starts_with(['.', '-']))
        }) && path.is_file()
    });
    found.sort_by_key(|path| std::fs::metadata(path).and_then(|m| m.modified()).ok());
    found
}

fn content(path: &Path) -> Result<Vec<u8>, CliError> {
    let mut bytes = import_source::content(&path.display().to_string())?;
    if bytes.starts_with(&[0x1f, 0x8b]) {
        let mut plain = Vec::new();
        flate2::read::MultiGzDecoder::new(bytes.as_slice())
            .read_to_end(&mut plain)
            .map_err(|e| CliError::new(Kind::Invalid, format!("{}: {e}", path.display())))?;
        bytes = plain;
    }
    Ok(bytes)
}

fn watched(
    ctx: &Context,
    store: &Store,
    tables: &[String],
    (since, until): (UnixMs, UnixMs),
    findings: &mut Findings,
) -> Result<Vec<Watched>, CliError> {
    let mut owners = BTreeMap::new();
    for table in store.crontabs()? {
        owners.insert(
            table.source.clone(),
            (table.owner, table.format == "system"),
        );
    }
    let mut wanted = Vec::new();
    for table in tables {
        wanted.push(std::path::absolute(table)?.display().to_string());
    }
    let mut all = Vec::new();
    for row in store.jobs()? {
        let Some(imported) = row.job.spec.imported.as_deref() else {
            continue;
        };
        let chosen = wanted.is_empty()
            || wanted.contains(&imported.source)
            || tables.contains(&imported.source);
        if !chosen || imported.disabled {
            continue;
        }
        let now = said(&Draft::of(&row));
        let owner = owners.get(&imported.source).filter(|(_, system)| !system);
        let user = now
            .user
            .clone()
            .or_else(|| owner.map(|(owner, _)| owner.clone()));
        let (fires, exact, reboot) = fires(ctx, &row, since, until)?;
        if imported.no_log || reboot {
            findings.not_observable.push(row.job.name.clone());
        } else if fires.is_empty() {
            findings.not_seen.push(row.job.name.clone());
        }
        all.push(Watched {
            job: row.job.name.clone(),
            user: user.unwrap_or_else(|| ctx.user.name.clone()),
            command: log_text(&now.command.0).trim().to_owned(),
            fires: if imported.no_log { Vec::new() } else { fires },
            exact: exact && !reboot && !imported.no_log,
        });
    }
    Ok(all)
}

/// Our fires in a span; whether their minute is known beforehand; whether it fires at boots alone.
fn fires(
    ctx: &Context,
    row: &JobRow,
    since: UnixMs,
    until: UnixMs,
) -> Result<(Vec<UnixMs>, bool, bool), CliError> {
    let (mut fires, mut exact, mut reboot) = (Vec::new(), true, false);
    for new in Draft::of(row).schedules {
        let schedule = read_schedule::read(ctx, &new)?;
        exact &= new.terms.jitter_ms == 0;
        reboot |= schedule.is_reboot();
        fires.extend(schedule.upcoming(since - 1).take_while(|at| *at <= until));
    }
    fires.sort_unstable();
    Ok((fires, exact, reboot))
}

type Key<'a> = (UnixMs, &'a str, &'a str);

fn compare<'a>(
    watched: &'a [Watched],
    log: &CronLog,
    (since, until): (UnixMs, UnixMs),
    findings: &mut Findings,
) {
    let mut planned: BTreeMap<Key<'a>, Vec<&'a str>> = BTreeMap::new();
    for one in watched.iter().filter(|one| one.exact) {
        for at in &one.fires {
            let key = (
                at.div_euclid(MINUTE) * MINUTE,
                one.user.as_str(),
                one.command.as_str(),
            );
            planned.entry(key).or_default().push(&one.job);
        }
    }
    findings.expected = planned.values().map(Vec::len).sum();
    for started in &log.started {
        let minute = started.at.div_euclid(MINUTE) * MINUTE;
        if (since..=until).contains(&minute) {
            started_at(minute, started, watched, &mut planned, findings);
        }
    }
    let mut missing: Vec<Fire> = Vec::new();
    for ((at, user, command), jobs) in planned {
        missing.extend(jobs.into_iter().map(|job| Fire {
            at,
            job: job.to_owned(),
            user: user.to_owned(),
            command: command.to_owned(),
        }));
    }
    gaps(missing, log, findings);
}

/// Finds the planned fire of a start.
fn started_at<'a>(
    minute: UnixMs,
    started: &Started,
    watched: &'a [Watched],
    planned: &mut BTreeMap<Key<'a>, Vec<&'a str>>,
    findings: &mut Findings,
) {
    let command = started.command.trim();
    let same: Vec<&'a Watched> = watched
        .iter()
        .filter(|one| one.user == started.user && one.command == command)
        .collect();
    let Some(first) = same.first() else {
        let key = (started.user.clone(), started.command.clone());
        *findings.unknown.entry(key).or_default() += 1;
        return;
    };
    let key = (minute, first.user.as_str(), first.command.as_str());
    match planned.get_mut(&key).and_then(Vec::pop) {
        Some(_) => findings.matched += 1,
        None if same.iter().all(|one| one.exact) => findings.extra.push(Fire {
            at: minute,
            job: first.job.clone(),
            user: started.user.clone(),
            command: started.command.clone(),
        }),
        None => findings.matched += 1,
    }
}

/// Fires missing in a row, without a word of cron between them, are a gap: cron was down or the log
/// is not whole, and nothing can be said.
fn gaps(mut missing: Vec<Fire>, log: &CronLog, findings: &mut Findings) {
    missing.sort();
    let mut alive = log.alive.clone();
    alive.sort_unstable();
    let words_after = |at: UnixMs| alive.partition_point(|word| *word < at);
    let mut run: Vec<Fire> = Vec::new();
    let mut close = |run: &mut Vec<Fire>| {
        let minutes: std::collections::BTreeSet<UnixMs> = run.iter().map(|fire| fire.at).collect();
        match (minutes.first(), minutes.last()) {
            (Some(from), Some(to)) if minutes.len() >= GAP => {
                findings.gaps.push((*from, *to, run.len()));
                run.clear();
            }
            _ => findings.missing.append(run),
        }
    };
    for fire in missing {
        let goes_on = run
            .first()
            .is_some_and(|first| words_after(first.at) == words_after(fire.at + MINUTE));
        if !goes_on {
            close(&mut run);
        }
        run.push(fire);
    }
    close(&mut run);
}
