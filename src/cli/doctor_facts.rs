//! What `crake doctor` goes by, gathered from the store and the host.

use std::collections::{BTreeMap, BTreeSet};
use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use crate::cli::alive;
use crate::cli::context::Context;
use crate::cli::cutover_state;
use crate::cli::error::CliError;
use crate::daemon::mend::{aside_of, copy_of};
use crate::daemon::order::Host;
use crate::model::{Command, Spec, UnreadableSchedule};
use crate::process::{is_executable, plain_words};
use crate::schedule::{Dialect, UnixMs, Zone};
use crate::store::{Armed, JobRow, Store, VERSION};
use crate::view::attention_watches::of_watches;
use crate::view::doctor::{Facts, JobFacts, StoreFacts};
use crate::view::timetable::Timetable;

/// What other crons are called.
const CRONS: [&str; 2] = ["cron", "crond"];

/// Looks at the store and the host. A store that cannot be read is a fact like others.
///
/// # Errors
/// None that is expected.
pub fn gather(ctx: &Context) -> Result<Facts, CliError> {
    let now = ctx.now();
    let path = &ctx.paths.store;
    let dir = path.parent().unwrap_or(Path::new("/"));
    let mut facts = Facts {
        now,
        store: StoreFacts {
            path: path.display().to_string(),
            dir: dir.display().to_string(),
            wal: wal_size(path),
            mode: path.exists().then(|| mode(dir)).flatten(),
            copy_age_ms: copy_age(&copy_of(&ctx.paths), now),
            aside: aside(&aside_of(path)),
            ..StoreFacts::default()
        },
        tzdata: edition(),
        space: space(dir),
        crons: crons(),
        ..Facts::default()
    };
    if let Err(e) = from_store(ctx, &mut facts) {
        // The daemon can be asked all the same.
        facts.daemon = alive::daemon(ctx, &Store::in_memory()?)?;
        facts.store.unreadable = Some((e.message, e.hint));
    }
    Ok(facts)
}

fn from_store(ctx: &Context, facts: &mut Facts) -> Result<(), CliError> {
    let store = ctx.read()?;
    facts.store.version = store.path().map(|_| VERSION);
    facts.store.faults = store.quick_check()?;
    facts.daemon = alive::daemon(ctx, &store)?;
    facts.alive_at = store.last_session()?.map(|session| session.alive_at);
    let astray = cutover_state::astray(ctx, &store)?;
    (facts.live_twice, facts.live_nowhere) = (astray.both, astray.neither);
    facts.unsettled = [astray.unsettled, astray.unreadable].concat();
    facts.watches = Some(of_watches(&store, &facts.daemon, facts.now)?);
    let counts = store.counts(facts.now)?;
    facts.waiting = counts.jobs + counts.running + counts.queued;
    let mut in_force: BTreeMap<String, Vec<Armed>> = BTreeMap::new();
    for armed in store.every_schedule()? {
        if armed.ended.is_none() && !armed.done {
            let of_job = in_force.entry(armed.planned.job.clone());
            of_job.or_default().push(armed);
        }
    }
    let errors = store.schedule_errors()?;
    let jobs = store.jobs()?.into_iter().map(|row| {
        let armed = in_force.remove(&row.job.name).unwrap_or_default();
        let mut job = judge(&row, &armed, &ctx.zone, facts.now);
        // What the daemon could not plan and this process can: they do not see the same.
        if job.unknown_zones.is_empty() && job.unplanned.is_empty() {
            let own = errors.iter().filter(|(name, ..)| *name == row.job.name);
            let told = own.map(|(_, expr, error)| format!("\"{expr}\": {error}"));
            job.unplanned.extend(told);
        }
        job
    });
    facts.jobs = Some(jobs.collect());
    Ok(())
}

/// What is known of a job with these schedules in force.
fn judge(row: &JobRow, armed: &[Armed], zone: &Zone, now: UnixMs) -> JobFacts {
    let job = &row.job;
    let pause = job.pauses.iter().find(|pause| pause.covers(now));
    let origin = job.spec.origin.as_deref().unwrap_or_default();
    let mut facts = JobFacts {
        name: job.name.clone(),
        imported: origin.starts_with("crontab:"),
        in_force: pause.is_none() && !armed.is_empty(),
        paused_ms: pause.map(|pause| now - pause.from),
        missing: missing(&job.spec),
        ..JobFacts::default()
    };
    let mut zones = BTreeSet::new();
    for Armed { planned, .. } in armed {
        let expr = &planned.expr;
        match planned.schedule(zone) {
            Err(UnreadableSchedule::Zone(_)) => {
                zones.insert(planned.zone.clone().unwrap_or_default());
            }
            Err(e) => facts.unplanned.push(format!("\"{expr}\": {e}")),
            Ok(schedule) if schedule.is_reboot() => {}
            Ok(schedule) => {
                // What came to the end it was given is done, not dead.
                let given = schedule.dialect() == Dialect::At || planned.until.is_some();
                let over = given
                    && schedule
                        .next_after(planned.from)
                        .is_some_and(|at| at <= now);
                let table = Timetable::new(schedule, &planned.terms, planned.fired);
                if !over && table.fires(now, now).next().is_none() {
                    facts.dead.push(format!("\"{expr}\""));
                }
            }
        }
    }
    facts.unknown_zones.extend(zones);
    facts
}

/// The program of a command, where it is beyond doubt which one that is and that it is not there.
fn missing(spec: &Spec) -> Option<String> {
    let program = match &spec.command {
        Command::Argv(argv) => argv.first()?.0.clone(),
        Command::Line(line) => {
            let shell = spec.shell.as_deref().unwrap_or("sh").rsplit('/').next()?;
            let functions = |(name, _): &(String, _)| name.starts_with("BASH_FUNC_");
            // Another shell may know other words, and a function may have any name.
            if !["sh", "dash", "bash"].contains(&shell) || spec.env.iter().any(functions) {
                return None;
            }
            plain_words(&line.0)?.first()?.as_bytes().to_vec()
        }
    };
    let name = Path::new(OsStr::from_bytes(&program));
    let shown = name.display().to_string();
    if name.is_absolute() {
        return (!is_executable(name)).then_some(shown);
    }
    let path = Host::search_path(spec).0;
    let entries: Vec<&[u8]> = path.split(|b| *b == b':').collect();
    // A relative name or entry depends on where the job stands.
    if program.contains(&b'/') || entries.iter().any(|entry| !entry.starts_with(b"/")) {
        return None;
    }
    let there = |entry: &&[u8]| is_executable(&Path::new(OsStr::from_bytes(entry)).join(name));
    (!entries.iter().any(there)).then_some(shown)
}

fn edition() -> Option<String> {
    Zone::system_has_tzdata().then(|| match Zone::edition() {
        // There are zone files, and none that tells their edition.
        edition if edition == "bundled" => "unknown".to_owned(),
        edition => edition,
    })
}

fn mode(dir: &Path) -> Option<u32> {
    let found = std::fs::metadata(dir).ok()?;
    Some(found.permissions().mode() & 0o7777)
}

fn copy_age(copy: &Path, now: UnixMs) -> Option<i64> {
    let made = std::fs::metadata(copy).ok()?.modified().ok()?;
    let made = made.duration_since(std::time::UNIX_EPOCH).ok()?;
    Some(now - i64::try_from(made.as_millis()).ok()?)
}

/// How many stores were put aside in a directory, where there are any.
fn aside(dir: &Path) -> Option<(String, usize)> {
    let entries = std::fs::read_dir(dir).ok()?.flatten();
    let part = |name: &std::ffi::OsString| {
        let name = name.to_string_lossy();
        name.ends_with("-wal") || name.ends_with("-shm")
    };
    let count = entries.filter(|e| !part(&e.file_name())).count();
    (count > 0).then(|| (dir.display().to_string(), count))
}

fn wal_size(store: &Path) -> u64 {
    let mut name = store.as_os_str().to_owned();
    name.push("-wal");
    std::fs::metadata(name).map_or(0, |found| found.len())
}

/// Bytes free and bytes in all where a directory is, or would be made.
fn space(dir: &Path) -> Option<(u64, u64)> {
    let there = dir.ancestors().find(|dir| dir.exists())?;
    let found = rustix::fs::statvfs(there).ok()?;
    let bytes = |blocks: u64| blocks.saturating_mul(found.f_frsize);
    // A file system without a size, such as /proc, has nothing to say.
    (found.f_blocks > 0).then(|| (bytes(found.f_bavail), bytes(found.f_blocks)))
}

/// The processes of other crons that are alive.
fn crons() -> Vec<i32> {
    let Ok(entries) = std::fs::read_dir("/proc") else {
        return Vec::new();
    };
    let mut found: Vec<i32> = entries
        .filter_map(|entry| {
            let entry = entry.ok()?;
            let pid = entry.file_name().to_str()?.parse().ok()?;
            // A process that ends meanwhile is none that is alive.
            let name = std::fs::read_to_string(entry.path().join("comm")).ok()?;
            CRONS.contains(&name.trim_end()).then_some(pid)
        })
        .collect();
    found.sort_unstable();
    found
}
