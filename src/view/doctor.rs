//! What is wrong, or about to be, with an instance and its host: one judgement for each check.
//!
//! The facts are passed in; nothing here looks at the host.

use std::io::{self, Write};

use serde_json::{Value, json};

use crate::model::Command;
use crate::schedule::UnixMs;
use crate::view::Daemon;
use crate::view::attention::{Attention, Level};
use crate::view::attention_daemon::BEAT_MS;
use crate::view::findings::{Findings, some};
use crate::view::text::clean_all;
use crate::view::time::{short, span};
use crate::view::words::count;

pub use crate::view::findings::{Check, State};

const MIB: u64 = 1 << 20;

/// A write-ahead log larger than this is not being taken back into the store, bytes.
const WAL_BYTES: u64 = 64 * MIB;

/// A copy of the store older than this was not renewed when it should have been, milliseconds.
const COPY_MS: i64 = 3 * 86_400_000;

/// Free space below which it gets tight: bytes, and percent of the file system.
const FREE_BYTES: u64 = 100 * MIB;
const FREE_PERCENT: u64 = 5;

/// How far the clock may stand before what the daemon wrote last, milliseconds.
const BACK_MS: i64 = 300_000;

/// A pause longer than this may have been forgotten, milliseconds.
const PAUSED_MS: i64 = 7 * 86_400_000;

/// What the checks go by.
#[derive(Clone, Debug, Default)]
pub struct Facts {
    /// The time now.
    pub now: UnixMs,
    /// The daemon.
    pub daemon: Daemon,
    /// Jobs, and runs that are queued or running.
    pub waiting: i64,
    /// The store's file.
    pub store: StoreFacts,
    /// When the last session of the daemon was known to be there.
    pub alive_at: Option<UnixMs>,
    /// The edition of the system's tzdata; none where the bundled one is used.
    pub tzdata: Option<String>,
    /// All jobs; none where the store cannot be read.
    pub jobs: Option<Vec<JobFacts>>,
    /// What somebody should look at among the watches; none where the store cannot be read.
    pub watches: Option<Vec<Attention>>,
    /// Bytes free for this user and bytes in all, on the file system of the store.
    pub space: Option<(u64, u64)>,
    /// The processes of other crons.
    pub crons: Vec<i32>,
    /// Jobs whose entries cron runs as well.
    pub live_twice: Vec<String>,
    /// Jobs whose entries nobody runs.
    pub live_nowhere: Vec<String>,
    /// Tables of which a change was begun, and whose files are neither old nor new, or cannot be read.
    pub unsettled: Vec<String>,
}

/// What is known of the store's file.
#[derive(Clone, Debug, Default)]
pub struct StoreFacts {
    /// The file.
    pub path: String,
    /// The directory that holds it.
    pub dir: String,
    /// Its version; none where nothing was stored yet.
    pub version: Option<i64>,
    /// Why it cannot be read, and what to do about it.
    pub unreadable: Option<(String, Option<String>)>,
    /// What SQLite finds wrong with it.
    pub faults: Vec<String>,
    /// Size of the write-ahead log, bytes.
    pub wal: u64,
    /// Permission bits of the directory, where a store is in it.
    pub mode: Option<u32>,
    /// How old the latest copy is, milliseconds; none where there is no copy.
    pub copy_age_ms: Option<i64>,
    /// Where damaged stores were put aside, and how many files are there.
    pub aside: Option<(String, usize)>,
}

/// What is known of one job.
#[derive(Clone, Debug, Default)]
pub struct JobFacts {
    /// Its name.
    pub name: String,
    /// Whether it came from a crontab.
    pub imported: bool,
    /// Whether a schedule of it is in force and no pause is.
    pub in_force: bool,
    /// How long it has been paused, milliseconds.
    pub paused_ms: Option<i64>,
    /// Names of zones its schedules ask for and nobody knows.
    pub unknown_zones: Vec<String>,
    /// Why its schedules cannot be planned, but for their zone.
    pub unplanned: Vec<String>,
    /// Expressions in force that never fire again.
    pub dead: Vec<String>,
    /// The program of its command that is not to be found.
    pub missing: Option<String>,
}

/// Makes all checks, always the same ones in the same order.
pub fn examine(facts: &Facts) -> Vec<Check> {
    let mut checks = vec![daemon(facts), store(facts)];
    match &facts.jobs {
        Some(jobs) => checks.extend([tzdata(facts, jobs), schedules(jobs)]),
        None => checks.extend(["tzdata", "schedules"].map(not_looked_at)),
    }
    checks.extend([clock(facts), space(facts)]);
    match &facts.jobs {
        Some(jobs) => checks.extend([cron(facts, jobs), path(jobs)]),
        None => checks.extend(["cron", "path"].map(not_looked_at)),
    }
    checks.push(match &facts.watches {
        Some(found) => watches(found),
        None => not_looked_at("watches"),
    });
    checks
}

/// The checks as items.
pub fn items(checks: &[Check]) -> Vec<Value> {
    let item = |check: &Check| {
        let fix = (!check.fix.is_empty()).then(|| check.fix.join("\n"));
        json!({"check": check.name, "state": check.state.as_str(), "what": check.what, "fix": fix})
    };
    checks.iter().map(item).collect()
}

/// Writes the checks for people.
///
/// # Errors
/// Those of writing.
pub fn write(checks: &[Check], out: &mut dyn Write) -> io::Result<()> {
    for check in checks {
        let (state, what) = (check.state.as_str(), clean_all(&check.what));
        writeln!(out, "{state:<4}  {:<9}  {what}", check.name)?;
        for step in &check.fix {
            writeln!(out, "      fix: {}", clean_all(step))?;
        }
    }
    Ok(())
}

fn watches(found: &[Attention]) -> Check {
    let mut findings = Findings::of("watches");
    for alert in found {
        let state = match alert.level {
            Level::Urgent => State::Fail,
            Level::Warning => State::Warn,
        };
        let name = alert.subject().unwrap_or("-");
        let what = format!("{name} {}: {}", alert.what, alert.text);
        findings.add(state, what, vec![alert.hint.clone()]);
    }
    findings.check(|| "none needs attention".to_owned())
}

fn not_looked_at(name: &'static str) -> Check {
    let mut findings = Findings::of(name);
    let what = "not looked at: the store cannot be read".to_owned();
    findings.add(State::Warn, what, Vec::new());
    findings.check(String::new)
}

fn command(words: &[&str]) -> String {
    Command::Argv(words.iter().map(|word| (*word).into()).collect()).display()
}

fn daemon(facts: &Facts) -> Check {
    let mut findings = Findings::of("daemon");
    let daemon = &facts.daemon;
    if !daemon.up {
        // The same rule as in the list of what needs attention: nothing to keep time for, no harm.
        let state = match (facts.waiting, &daemon.silent) {
            (0, None) if facts.store.unreadable.is_none() => State::Warn,
            _ => State::Fail,
        };
        let what = match &daemon.silent {
            Some(why) => format!("does not answer: {why}"),
            None => "none is there to keep time".to_owned(),
        };
        findings.add(state, what, vec!["crake daemon".to_owned()]);
    }
    let events = || vec!["crake events".to_owned()];
    if let Some(why) = &daemon.degraded {
        let what = format!("works without its store: {why}");
        findings.add(State::Fail, what, events());
    }
    if let Some(age) = daemon.beat_age_ms.filter(|age| *age > BEAT_MS) {
        let what = format!("the firing loop last came round {} ago", span(age));
        findings.add(State::Fail, what, events());
    }
    findings.check(|| {
        let since = daemon.since.map_or(0, |at| facts.now - at);
        let beat = daemon.beat_age_ms.map_or("?".to_owned(), span);
        format!("up {}, beat {beat}", short(since))
    })
}

fn store(facts: &Facts) -> Check {
    let mut findings = Findings::of("store");
    let store = &facts.store;
    if let Some((why, fix)) = &store.unreadable {
        findings.add(State::Fail, why.clone(), fix.iter().cloned().collect());
    }
    if !store.faults.is_empty() {
        let faults: Vec<&str> = store.faults.iter().map(String::as_str).collect();
        let what = format!("damaged: {}", some(&faults));
        let copy = format!("{}.saved", store.path);
        let (from, to) = (
            command(&["sqlite3", &store.path]),
            command(&["sqlite3", &copy]),
        );
        findings.add(State::Fail, what, vec![format!("{from} .recover | {to}")]);
    }
    if store.wal > WAL_BYTES {
        let what = format!(
            "the write-ahead log has {} MiB: a reader holds it back",
            store.wal / MIB
        );
        let fix = command(&["fuser", "-v", &store.path]);
        findings.add(State::Warn, what, vec![fix]);
    }
    if let Some(age) = store.copy_age_ms.filter(|age| *age > COPY_MS) {
        let what = format!("the latest copy of it is {} old", short(age));
        findings.add(State::Warn, what, vec!["crake events".to_owned()]);
    }
    if let Some((dir, count)) = &store.aside {
        let what = format!("{count} damaged stores were put aside in {dir}");
        let fix = command(&["ls", "-l", dir]);
        findings.add(State::Warn, what, vec![fix]);
    }
    if let Some(mode) = store.mode.filter(|mode| *mode != 0o700) {
        let what = format!("the directory has mode {mode:04o}, not 0700");
        let fix = command(&["chmod", "700", &store.dir]);
        findings.add(State::Warn, what, vec![fix]);
    }
    findings.check(|| match store.version {
        Some(version) => format!("{}, version {version}, sound", store.path),
        None => format!("{}, nothing stored yet", store.path),
    })
}

fn tzdata(facts: &Facts, jobs: &[JobFacts]) -> Check {
    let mut findings = Findings::of("tzdata");
    let unknown: Vec<(&str, String)> = jobs
        .iter()
        .flat_map(|job| job.unknown_zones.iter().map(move |zone| (job, zone)))
        .map(|(job, zone)| (job.name.as_str(), format!("{} ({zone})", job.name)))
        .collect();
    let edition = match &facts.tzdata {
        Some(edition) => format!("edition {edition} of the system"),
        None => "the edition bundled with crake; the system has none".to_owned(),
    };
    let what = format!("{edition}; unknown zone of");
    findings.jobs(State::Fail, &what, &unknown, "edit");
    findings.check(|| edition)
}

fn schedules(jobs: &[JobFacts]) -> Check {
    let mut findings = Findings::of("schedules");
    let each = |texts: fn(&JobFacts) -> &Vec<String>| -> Vec<(&str, String)> {
        let of = |job| texts(job).iter().map(move |text| (job, text));
        jobs.iter()
            .flat_map(of)
            .map(|(job, text)| (job.name.as_str(), format!("{} ({text})", job.name)))
            .collect()
    };
    let unplanned = each(|job| &job.unplanned);
    findings.jobs(State::Fail, "cannot be planned", &unplanned, "edit");
    let dead = each(|job| &job.dead);
    findings.jobs(State::Warn, "never fires again", &dead, "edit");
    let paused: Vec<(&str, String)> = jobs
        .iter()
        .filter_map(|job| Some((job, job.paused_ms.filter(|ms| *ms > PAUSED_MS)?)))
        .map(|(job, ms)| (job.name.as_str(), format!("{} ({})", job.name, short(ms))))
        .collect();
    findings.jobs(State::Warn, "paused for long", &paused, "resume");
    findings.check(|| {
        let jobs = i64::try_from(jobs.len()).unwrap_or(i64::MAX);
        format!("{}, nothing wrong with a schedule", count(jobs, "job"))
    })
}

fn clock(facts: &Facts) -> Check {
    if facts.alive_at.is_none() && facts.store.unreadable.is_some() {
        return not_looked_at("clock");
    }
    let mut findings = Findings::of("clock");
    let back = facts.alive_at.map_or(0, |at| at - facts.now);
    if back > BACK_MS {
        let what = format!("stands {} before what the daemon wrote last", short(back));
        let fix = vec!["timedatectl set-ntp true".to_owned()];
        findings.add(State::Fail, what, fix);
    }
    findings.check(|| match facts.alive_at {
        Some(_) => "after all that the daemon wrote".to_owned(),
        None => "no daemon wrote yet what it could be held against".to_owned(),
    })
}

fn space(facts: &Facts) -> Check {
    let mut findings = Findings::of("space");
    let Some((free, all)) = facts.space else {
        let what = "the file system does not say how much is free".to_owned();
        findings.add(State::Warn, what, Vec::new());
        return findings.check(String::new);
    };
    let percent = free.saturating_mul(100) / all.max(1);
    let what = format!("{} MiB free of {} MiB", free / MIB, all / MIB);
    if free < FREE_BYTES || percent < FREE_PERCENT {
        let fix = command(&["df", "-h", &facts.store.dir]);
        findings.add(State::Warn, format!("{what} ({percent} %)"), vec![fix]);
    }
    findings.check(|| what)
}

fn cron(facts: &Facts, jobs: &[JobFacts]) -> Check {
    let mut findings = Findings::of("cron");
    entries(facts, &mut findings);
    let mut imported = jobs.iter().filter(|job| job.imported && job.in_force);
    let pids: Vec<String> = facts.crons.iter().map(i32::to_string).collect();
    let pids: Vec<&str> = pids.iter().map(String::as_str).collect();
    if !pids.is_empty() {
        let named: Vec<(&str, String)> = imported
            .by_ref()
            .map(|job| (job.name.as_str(), job.name.clone()))
            .collect();
        let what = format!(
            "a cron is alive (pid {}), and both may run what was imported",
            some(&pids)
        );
        findings.jobs(State::Warn, &what, &named, "pause");
    }
    findings.check(|| match pids.is_empty() {
        true => "no other cron is alive".to_owned(),
        false => format!(
            "a cron is alive (pid {}), nothing imported is in force",
            some(&pids)
        ),
    })
}

/// Imported entries that are not live in exactly one place.
fn entries(facts: &Facts, findings: &mut Findings) {
    fn named(jobs: &[String]) -> Vec<(&str, String)> {
        jobs.iter().map(|job| (job.as_str(), job.clone())).collect()
    }
    let twice = named(&facts.live_twice);
    findings.jobs(State::Fail, "cron runs it as well", &twice, "pause");
    let nowhere = named(&facts.live_nowhere);
    findings.jobs(
        State::Fail,
        "neither cron nor crake runs it",
        &nowhere,
        "resume",
    );
    for table in &facts.unsettled {
        let what = format!("a change of {table} was begun and not ended");
        findings.add(State::Fail, what, vec![format!("crake rollback {table}")]);
    }
}

fn path(jobs: &[JobFacts]) -> Check {
    let mut findings = Findings::of("path");
    let missing: Vec<(&str, String)> = jobs
        .iter()
        .filter_map(|job| Some((job, job.missing.as_ref()?)))
        .map(|(job, program)| (job.name.as_str(), format!("{} ({program})", job.name)))
        .collect();
    findings.jobs(State::Warn, "program not found", &missing, "edit");
    findings.check(|| "no program is known to be missing".to_owned())
}
