//! What somebody should look at: one set of rules for `status`, `check` and the screens.
//!
//! An empty list means that everything that was planned happened or is about to. Each entry says
//! what is wrong, since when, and which command to type.

use std::cmp::Reverse;
use std::collections::BTreeMap;

use crate::model::{Outcome, RunId, WatchState, WorkerState};
use crate::schedule::{UnixMs, Zone};
use crate::store::{MissedGroup, Result, RunRow, Store};
use crate::view::attention_alerts::of_receivers;
use crate::view::attention_daemon::of_daemon;
use crate::view::attention_runs::{draining, live, too_short, unkillable};
use crate::view::attention_watches::of_watches;
use crate::view::items::missed_state;
use crate::view::time::clock;
use crate::view::words::{count, detail, is_failure, reason};
use crate::view::workers::SHORT_MS;
use crate::view::{Daemon, standing, words};

/// How far past its instant a schedule may be before it is overdue, milliseconds.
const OVERDUE_MS: i64 = 60_000;

/// How long the failure of a one-off command is shown, milliseconds.
const ONE_OFF_MS: i64 = 86_400_000;

/// How much something matters.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Level {
    /// Act.
    Urgent,
    /// Look.
    Warning,
}

impl Level {
    /// The word.
    pub fn as_str(self) -> &'static str {
        match self {
            Level::Urgent => "urgent",
            Level::Warning => "warning",
        }
    }

    /// The sign.
    pub fn sign(self) -> char {
        match self {
            Level::Urgent => '!',
            Level::Warning => '~',
        }
    }
}

/// Which rule found it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Kind {
    /// No daemon answers while there are jobs or runs that wait.
    Daemon,
    /// The firing loop does not come round.
    Beat,
    /// The daemon works without its store.
    Degraded,
    /// The daemon dies and is started again, over and over.
    Flapping,
    /// A schedule that cannot be planned.
    Schedule,
    /// A schedule whose instant passed and got no verdict.
    Overdue,
    /// A run alive and its worker in a state out of the ordinary.
    Worker(WorkerState),
    /// A run that takes far longer than its job usually does.
    Long,
    /// A run that succeeded far too early for its job.
    Short,
    /// No run may start.
    Drain,
    /// The latest run of a job ended badly; the outcome says how.
    Ended(Outcome),
    /// Fires that nobody was there for and nothing was made up for.
    Missed,
    /// Fires that found an earlier run in the way, several in a row.
    Flood,
    /// A queue that is paused.
    Queue,
    /// A job that is to follow another, or to be followed, and is not there.
    Follower,
    /// A watch that does not do what it should.
    Watch(WatchState),
    /// Connections to a source that were held too long.
    Leak,
    /// A channel nobody listens on any more.
    Listener,
    /// A receiver that does not get its alerts.
    Alert,
}

impl Kind {
    /// The word.
    pub fn as_str(self) -> &'static str {
        match self {
            Kind::Daemon => "daemon",
            Kind::Beat => "beat",
            Kind::Degraded => "degraded",
            Kind::Flapping => "flapping",
            Kind::Schedule => "schedule",
            Kind::Overdue => "overdue",
            Kind::Worker(state) => state.as_str(),
            Kind::Long => "long",
            Kind::Short => "short",
            Kind::Drain => "drain",
            Kind::Ended(outcome) => outcome.as_str(),
            Kind::Missed => "missed",
            Kind::Flood => "flood",
            Kind::Queue => "queue",
            Kind::Follower => "follower",
            Kind::Watch(state) => state.as_str(),
            Kind::Leak => "leak",
            Kind::Listener => "listener",
            Kind::Alert => "alert",
        }
    }
}

/// One thing somebody should look at.
#[derive(Clone, Debug, PartialEq)]
pub struct Attention {
    /// How much it matters.
    pub level: Level,
    /// Which rule found it.
    pub kind: Kind,
    /// Its word in listings.
    pub what: &'static str,
    /// The job it is about.
    pub job: Option<String>,
    /// The run it is about.
    pub run: Option<RunId>,
    /// The watch it is about.
    pub watch: Option<String>,
    /// Since when.
    pub since: Option<UnixMs>,
    /// In words.
    pub text: String,
    /// The command to type.
    pub hint: String,
}

impl Attention {
    /// What it is about: the watch, else the job.
    pub fn subject(&self) -> Option<&str> {
        self.watch.as_deref().or(self.job.as_deref())
    }
}

/// Applies all rules: urgent before warning, the newest first.
///
/// # Errors
/// Those of reading.
pub fn attention(
    store: &Store,
    daemon: &Daemon,
    zone: &Zone,
    now: UnixMs,
) -> Result<Vec<Attention>> {
    attention_beside(recorded(store, now)?, store, daemon, zone, now)
}

/// What the rules find in what is recorded. It changes only with the store, but for what holds
/// until an instant; who looks again and again need not look for it each time.
///
/// # Errors
/// Those of reading.
pub fn recorded(store: &Store, now: UnixMs) -> Result<Vec<Attention>> {
    let mut list = schedules(store)?;
    list.extend(ended(store, now)?);
    list.extend(missed(store)?);
    list.extend(standing::floods(store)?);
    list.extend(standing::unknown_follows(store)?);
    Ok(list)
}

/// Adds to what is recorded what comes and goes with time alone.
///
/// # Errors
/// Those of reading.
pub fn attention_beside(
    recorded: Vec<Attention>,
    store: &Store,
    daemon: &Daemon,
    zone: &Zone,
    now: UnixMs,
) -> Result<Vec<Attention>> {
    let mut list = recorded;
    list.extend(of_daemon(daemon, &store.counts(now)?, now));
    list.extend(overdue(store, daemon, zone, now)?);
    list.extend(live(store, daemon, zone, now)?);
    list.extend(standing::paused_queues(store, now)?);
    list.extend(draining(store)?);
    list.extend(of_watches(store, daemon, now)?);
    list.extend(of_receivers(store)?);
    // What concerns the whole instance stands before what concerns one job.
    list.sort_by_key(|a| (a.level, a.job.is_some(), Reverse(a.since)));
    Ok(list)
}

fn schedules(store: &Store) -> Result<Vec<Attention>> {
    let errors = store.schedule_errors()?.into_iter();
    Ok(errors
        .map(|(job, expr, error)| Attention {
            level: Level::Urgent,
            kind: Kind::Schedule,
            what: "SCHEDULE",
            run: None,
            watch: None,
            since: None,
            text: format!("\"{expr}\" cannot be planned: {error}"),
            hint: format!("crake edit {job}"),
            job: Some(job),
        })
        .collect())
}

fn overdue(store: &Store, daemon: &Daemon, zone: &Zone, now: UnixMs) -> Result<Vec<Attention>> {
    // Without a daemon everything is overdue, and that one fact is on the list already.
    if !daemon.up {
        return Ok(Vec::new());
    }
    let by = now - OVERDUE_MS;
    let mut oldest: BTreeMap<String, UnixMs> = BTreeMap::new();
    for armed in store.due_soonest(by, 1)?.0 {
        if (1..by).contains(&armed.next_at) {
            let since = oldest.entry(armed.planned.job).or_insert(armed.next_at);
            *since = armed.next_at.min(*since);
        }
    }
    Ok(oldest
        .into_iter()
        .map(|(job, since)| Attention {
            level: Level::Urgent,
            kind: Kind::Overdue,
            what: "OVERDUE",
            run: None,
            watch: None,
            since: Some(since),
            text: format!("due {} and not decided", clock(since, zone)),
            hint: format!("crake fires {job}"),
            job: Some(job),
        })
        .collect())
}

fn ended(store: &Store, now: UnixMs) -> Result<Vec<Attention>> {
    let unseen = |run: &RunRow| !run.ack.as_ref().is_some_and(|a| a.holds(now));
    let since = now - ONE_OFF_MS;
    let mut found = Vec::new();
    for run in store.ended_badly(since)?.into_iter().filter(unseen) {
        found.extend(unkillable(&run).or_else(|| ended_badly(run)));
    }
    for run in store
        .ended_early(since, SHORT_MS)?
        .iter()
        .filter(|r| unseen(r))
    {
        found.extend(too_short(store, run)?);
    }
    Ok(found)
}

fn missed(store: &Store) -> Result<Vec<Attention>> {
    let mut jobs: BTreeMap<String, Vec<MissedGroup>> = BTreeMap::new();
    for group in store.missed(None, i64::MIN)? {
        if missed_state(&group) == "open" {
            jobs.entry(group.job.clone()).or_default().push(group);
        }
    }
    Ok(jobs
        .into_iter()
        .map(|(job, groups)| {
            let fires: i64 = groups.iter().map(|g| g.count).sum();
            let since = groups.iter().map(|g| g.from).min();
            let why = groups.first().map_or("", |g| reason(g.reason));
            Attention {
                level: Level::Warning,
                kind: Kind::Missed,
                what: "MISSED",
                run: None,
                watch: None,
                since,
                text: format!("{}, {why}", count(fires, "fire")),
                hint: format!("crake missed {job}"),
                job: Some(job),
            }
        })
        .collect())
}

/// The latest run of a job that is over, where it ended badly.
fn ended_badly(run: RunRow) -> Option<Attention> {
    let outcome = run.state.outcome().filter(|o| is_failure(*o))?;
    let unknown = matches!(outcome, Outcome::Lost | Outcome::Interrupted);
    let verb = if unknown { "retry" } else { "logs" };
    Some(Attention {
        level: match outcome {
            Outcome::Expired => Level::Warning,
            _ => Level::Urgent,
        },
        kind: Kind::Ended(outcome),
        what: words::outcome(outcome),
        watch: None,
        since: run.ended_at,
        text: match detail(&run) {
            text if text.is_empty() => outcome.as_str().to_owned(),
            text => text,
        },
        hint: format!("crake {verb} {}", run.run),
        run: Some(run.run),
        job: Some(run.job),
    })
}
