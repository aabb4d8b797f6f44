//! What is known of schedules, live runs and jobs.

use std::collections::BTreeSet;
use std::sync::Arc;

use crate::model::{Job, Outcome, Planned, QueuedRun, Report, RunId, ScheduleId, StopCause};
use crate::schedule::{Schedule, UnixMs};

/// A schedule version with its next instant not yet decided.
#[derive(Clone, Debug)]
pub struct Armed {
    /// The version.
    pub planned: Planned,
    /// The same, ready to be asked; or why it cannot be.
    pub schedule: Arc<Schedule>,
    /// Its next instant not yet decided.
    pub next_at: UnixMs,
    /// How often the clock had been set back when this was read.
    pub epoch: u64,
}

/// How far a live run has come.
#[derive(Clone, Debug, PartialEq)]
pub enum Phase {
    /// Claimed, its process not yet reported.
    Starting,
    /// Its process is alive.
    Running,
    /// Its process is gone and what follows is still to be decided.
    Over(Over),
}

/// How an attempt came to its end.
#[derive(Clone, Debug, PartialEq)]
pub struct Over {
    /// The outcome that follows from it.
    pub outcome: Outcome,
    /// What the worker reported.
    pub report: Option<Report>,
    /// In words.
    pub reason: Option<String>,
    /// When.
    pub at: UnixMs,
}

/// A run of which an attempt is claimed.
#[derive(Clone, Debug, PartialEq)]
pub struct LiveRun {
    /// What it was while it was queued; its attempt and its fence are those of the claim.
    pub run: QueuedRun,
    /// How far it has come.
    pub phase: Phase,
    /// Why it is to be ended, once somebody said so, and whether its worker was told.
    pub stop: Option<(StopCause, bool)>,
    /// How many fires of its job have come since it is alive.
    pub outlived: u32,
}

/// What is known of one job.
#[derive(Clone, Debug, Default)]
pub(in crate::engine) struct JobState {
    pub job: Option<Arc<Job>>,
    pub live: Vec<RunId>,
    pub queued: BTreeSet<RunId>,
    pub armed: BTreeSet<ScheduleId>,
}
