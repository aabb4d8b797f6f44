//! Workers and the runs they carry: one judgement for `worker ls`, `ps`, `explain` and the list of
//! what needs attention.

use crate::model::{
    BEAT_LOST_MS, Condition, Evidence, QUIET_MS, RunId, RunState, SlotLook, WorkerState,
};
use crate::schedule::{Schedule, UnixMs, Zone};
use crate::store::{Result, RunFilter, RunRow, Store, Usual};
use crate::view::Daemon;
use crate::view::time::span;

/// Good runs that make a history; of fewer nothing follows.
const HISTORY: usize = 3;
/// A job whose runs usually take less than this can hardly be too short, milliseconds.
pub(in crate::view) const SHORT_MS: i64 = 10_000;

/// A run is long when it takes more than so many times what nearly all take.
const LONG: i64 = 3;

/// No run is long before this, milliseconds.
const LONG_MS: i64 = 60_000;

/// How long a process may take to come to life before that is worth a word, milliseconds.
const STARTING_MS: i64 = 10_000;

/// How a live run stands to the fires of its own job that came after its start.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Pace {
    /// None came, or its job has no schedule.
    #[default]
    Usual,
    /// One came.
    Overrun,
    /// Two or more came.
    Stuck,
}

/// Judges a live run by its job's schedules.
///
/// # Errors
/// Those of reading.
pub fn pace(store: &Store, run: &RunRow, zone: &Zone, now: UnixMs) -> Result<Pace> {
    let (RunState::Running, Some(started)) = (run.state, run.started_at) else {
        return Ok(Pace::Usual);
    };
    let Some(job) = store.job(&run.job)? else {
        return Ok(Pace::Usual);
    };
    let schedules: Vec<Schedule> = job
        .schedules
        .iter()
        .filter_map(|(planned, _)| planned.schedule(zone).ok())
        .collect();
    let next = |after| schedules.iter().filter_map(|s| s.next_after(after)).min();
    let first = next(started).filter(|at| *at < now);
    let second = first.and_then(next).filter(|at| *at < now);
    Ok(match (first, second) {
        (_, Some(_)) => Pace::Stuck,
        (Some(_), None) => Pace::Overrun,
        (None, None) => Pace::Usual,
    })
}

/// Everything a judgement depends on.
#[derive(Clone, Copy, Debug, Default)]
pub struct Case<'a> {
    /// The slot, where one carries the run.
    pub look: Option<&'a SlotLook>,
    /// How the run stands to its job's schedules.
    pub pace: Pace,
    /// What is usual for the job.
    pub usual: Option<Usual>,
    /// How long the run is alive, milliseconds; absent where it has not started.
    pub age_ms: Option<i64>,
    /// Whether a daemon is there to hand it out.
    pub daemon_up: bool,
}

/// A state and why.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Judged {
    /// The state.
    pub state: WorkerState,
    /// What it follows from, in words.
    pub why: String,
}

impl Case<'_> {
    /// The state that follows, and why.
    pub fn judge(&self) -> Judged {
        let judged = |state, why: &str| Judged {
            state,
            why: why.to_owned(),
        };
        let Some(look) = self.look else {
            // Its slot may also be one that we may not look into.
            return match (self.daemon_up, self.pace) {
                (false, _) => judged(WorkerState::Lost, "no worker carries it"),
                (true, Pace::Stuck) => judged(WorkerState::Stuck, "past two of its next fires"),
                (true, Pace::Overrun) => judged(WorkerState::Overrun, "past its next fire"),
                (true, Pace::Usual) => judged(WorkerState::Starting, "on its way to a worker"),
            };
        };
        let Some(carried) = &look.carried else {
            return judged(WorkerState::Idle, "waits for an order");
        };
        if let Some(report) = &carried.ended {
            let reason = report.reason.as_deref().unwrap_or_default();
            return match reason.contains("unkillable: ") {
                true => judged(WorkerState::Unkillable, reason),
                false => judged(WorkerState::Idle, "its run ended; not yet recorded"),
            };
        }
        if !look.alive {
            return judged(
                WorkerState::Lost,
                "the worker is gone and its run has no end",
            );
        }
        if let Some(age) = look.beat_age_ms.filter(|age| *age > BEAT_LOST_MS) {
            let why = format!("the worker is there, but last came round {} ago", span(age));
            return judged(WorkerState::Lost, &why);
        }
        let Some(evidence) = &look.evidence else {
            let age = self.age_ms.unwrap_or(0);
            return match carried.pid {
                None if age > STARTING_MS => judged(
                    WorkerState::Starting,
                    &format!("no process after {}", span(age)),
                ),
                None => judged(WorkerState::Starting, "no process yet"),
                Some(pid) => judged(
                    WorkerState::Running,
                    &format!("process {pid}, not yet looked at"),
                ),
            };
        };
        self.of_evidence(evidence)
    }

    fn of_evidence(&self, evidence: &Evidence) -> Judged {
        let age = self.age_ms.unwrap_or(evidence.busy_ms);
        let long = self.usual.filter(|u| is_long(u, age));
        let idle_too_long = long.is_some() && evidence.quiet_ms >= QUIET_MS;
        let state = match (evidence.condition(), self.pace) {
            (Some(Condition::DiskWait), _) => WorkerState::DiskWait,
            (Some(Condition::Stopped), _) => WorkerState::Stopped,
            (_, Pace::Stuck) => WorkerState::Stuck,
            (Some(Condition::Spinning), _) => WorkerState::Spinning,
            _ if idle_too_long => WorkerState::Stuck,
            (_, Pace::Overrun) => WorkerState::Overrun,
            (Some(Condition::Waiting), _) => WorkerState::Waiting,
            (Some(Condition::Quiet) | None, Pace::Usual) => WorkerState::Running,
        };
        let mut why = Vec::new();
        match self.pace {
            Pace::Stuck => why.push("past two of its next fires".to_owned()),
            Pace::Overrun => why.push("past its next fire".to_owned()),
            Pace::Usual => {}
        }
        if let Some(usual) = long {
            let (age, usual) = (span(age), span(usual.median_ms));
            why.push(format!("runs {age}, usually {usual}"));
        }
        why.push(evidence.words());
        Judged {
            state,
            why: why.join("; "),
        }
    }
}

/// Whether a run of this age is far beyond what is usual.
pub fn is_long(usual: &Usual, age_ms: i64) -> bool {
    let limit = usual.p95_ms.saturating_mul(LONG).max(LONG_MS);
    usual.runs >= HISTORY && age_ms > limit
}

/// Whether a run of this length ended far too early for its job.
pub fn is_short(usual: &Usual, took_ms: i64) -> bool {
    usual.runs >= HISTORY && usual.median_ms >= SHORT_MS && took_ms < usual.median_ms / 10
}

/// A line of `worker ls`.
#[derive(Clone, Debug, PartialEq)]
pub struct WorkerRow {
    /// The worker; none where a run is not, or no longer, with one.
    pub worker: Option<String>,
    /// Its state and why.
    pub judged: Judged,
    /// The run it carries.
    pub run: Option<RunId>,
    /// The run's job.
    pub job: Option<String>,
    /// The run's queue.
    pub queue: Option<String>,
    /// The worker's process, while it lives.
    pub pid: Option<i32>,
    /// How long ago its loop came round, milliseconds.
    pub beat_age_ms: Option<i64>,
    /// How long it is busy with the run, milliseconds.
    pub busy_ms: Option<i64>,
    /// What it last saw of its job.
    pub evidence: Option<Evidence>,
    /// What is usual for the job.
    pub usual: Option<Usual>,
}

impl WorkerRow {
    /// Since when nothing has happened in its job, milliseconds.
    pub fn quiet_ms(&self) -> Option<i64> {
        let quiet = self.evidence.as_ref()?.quiet_ms;
        Some(quiet + self.beat_age_ms.unwrap_or(0))
    }
}

/// All workers, and runs without one, the worst first.
///
/// # Errors
/// Those of reading.
pub fn workers(store: &Store, daemon: &Daemon, zone: &Zone, now: UnixMs) -> Result<Vec<WorkerRow>> {
    let filter = RunFilter {
        states: vec![RunState::Running],
        ..RunFilter::default()
    };
    let mut live = store.runs(&filter)?;
    let mut rows = Vec::new();
    for look in &daemon.workers {
        let mut run = None;
        if let Some(carried) = &look.carried {
            let number = store.number_of(carried.run)?;
            let at = live.iter().position(|r| r.run == number);
            run = match at {
                Some(at) => Some(live.swap_remove(at)),
                None => store.run(number)?,
            };
        }
        rows.push(row(store, daemon, Some(look), run.as_ref(), zone, now)?);
    }
    for run in &live {
        rows.push(row(store, daemon, None, Some(run), zone, now)?);
    }
    rows.sort_by_key(|r| (r.judged.state, std::cmp::Reverse(r.busy_ms), r.run));
    Ok(rows)
}

fn row(
    store: &Store,
    daemon: &Daemon,
    look: Option<&SlotLook>,
    run: Option<&RunRow>,
    zone: &Zone,
    now: UnixMs,
) -> Result<WorkerRow> {
    let carried = look.and_then(|l| l.carried.as_ref());
    let job = run.map(|r| r.job.clone());
    let job = job.or_else(|| carried.map(|c| c.job.clone()));
    let alive = carried.is_none_or(|c| c.ended.is_none());
    let started = carried.map(|c| c.taken_at);
    let started = started.or_else(|| run.and_then(|r| r.started_at));
    let busy_ms = started.filter(|_| alive).map(|at| (now - at).max(0));
    let usual = match &job {
        Some(job) if alive => store.usual(job, None)?,
        _ => None,
    };
    let case = Case {
        look,
        pace: match run {
            Some(run) if alive => pace(store, run, zone, now)?,
            _ => Pace::Usual,
        },
        usual,
        age_ms: busy_ms,
        daemon_up: daemon.up,
    };
    Ok(WorkerRow {
        worker: look.map(|l| format!("w{}", l.slot)),
        judged: case.judge(),
        run: run.map(|r| r.run).or_else(|| carried.map(|c| c.run)),
        job,
        queue: run.map(|r| r.queue.clone()),
        pid: look.and_then(|l| l.pid),
        beat_age_ms: look.and_then(|l| l.beat_age_ms).filter(|_| alive),
        busy_ms,
        evidence: look.and_then(|l| l.evidence.clone()).filter(|_| alive),
        usual,
    })
}
