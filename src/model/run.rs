//! A run and the states it passes through.

use serde::{Deserialize, Serialize};

use crate::model::words::words;
use crate::model::{Fence, Raw, RunId};
use crate::schedule::UnixMs;

words! {
    /// How a run or an attempt ended.
    Outcome, "outcome" {
        /// Exit code 0.
        Succeeded => "succeeded",
        /// Another exit code.
        Failed => "failed",
        /// Ended by a signal that was not ours.
        Signaled => "signaled",
        /// Ended by us because it outlived its time limit or its silence limit.
        TimedOut => "timed_out",
        /// Ended by us because somebody asked, because a newer run replaced it, or because it passed
        /// its limit of memory or CPU time.
        Killed => "killed",
        /// Taken back before it started.
        Cancelled => "cancelled",
        /// Its start deadline passed before it could start.
        Expired => "expired",
        /// Its worker vanished; what it did is not known.
        Lost => "lost",
        /// The host went down under it.
        Interrupted => "interrupted",
        /// The command could not be executed.
        Unspawnable => "unspawnable",
    }
}

impl Outcome {
    /// Whether a retry may follow. What somebody took back or killed is not tried again.
    pub fn retryable(self) -> bool {
        matches!(
            self,
            Outcome::Failed | Outcome::Signaled | Outcome::TimedOut | Outcome::Unspawnable
        )
    }
}

/// Where a run stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum RunState {
    /// Due, or due later, and not started.
    Queued,
    /// An attempt was claimed.
    Running,
    /// Over.
    Ended(Outcome),
}

impl RunState {
    /// The word as it stands in columns and JSON.
    pub fn as_str(self) -> &'static str {
        match self {
            RunState::Queued => "queued",
            RunState::Running => "running",
            RunState::Ended(outcome) => outcome.as_str(),
        }
    }

    /// The outcome, once ended.
    pub fn outcome(self) -> Option<Outcome> {
        match self {
            RunState::Ended(outcome) => Some(outcome),
            RunState::Queued | RunState::Running => None,
        }
    }
}

impl std::str::FromStr for RunState {
    type Err = crate::model::UnknownWord;
    fn from_str(word: &str) -> Result<RunState, Self::Err> {
        match word {
            "queued" => Ok(RunState::Queued),
            "running" => Ok(RunState::Running),
            other => other.parse().map(RunState::Ended),
        }
    }
}

words! {
    /// What made a run.
    Origin, "origin" {
        /// A fire of a schedule, on time.
        Schedule => "schedule",
        /// A missed fire, run later because the job's catch-up rule says so.
        CatchUp => "catch_up",
        /// Somebody asked for it by name.
        Manual => "manual",
        /// A one-off command put into a queue.
        Enqueue => "enqueue",
        /// Somebody asked to have an ended run done again.
        Retry => "retry",
        /// The host booted.
        Boot => "boot",
        /// A row inserted by an SQL client.
        Sql => "sql",
        /// The outcome of another run.
        Run => "run",
        /// Rows found by a watch.
        Watch => "watch",
    }
}

/// A run that waits for a slot, as the daemon keeps it in memory.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct QueuedRun {
    /// Its number.
    pub run: RunId,
    /// The job it belongs to.
    pub job: String,
    /// The queue it waits in.
    pub queue: String,
    /// 0 goes first, 9 last.
    pub priority: u8,
    /// Not to be started before this instant.
    pub run_at: UnixMs,
    /// When it was put into the queue.
    pub queued_at: UnixMs,
    /// The instant it was planned for; of a run without a schedule, when it was asked for.
    pub planned_at: Option<UnixMs>,
    /// What made it.
    pub origin: Origin,
    /// Attempts already made.
    pub attempt: u32,
    /// Attempts allowed in all.
    pub max_attempts: u32,
    /// The claim of the last attempt.
    pub fence: Fence,
    /// How the last attempt ended.
    #[serde(default)]
    pub after: Option<Outcome>,
    /// Arguments an SQL client gave, JSON text.
    pub args: Option<String>,
    /// Environment that holds for this run only.
    pub env: Vec<(String, Raw)>,
    /// What its job reads on standard input, in the place of what the job's definition gives.
    #[serde(default)]
    pub input: Option<String>,
    /// The file with what it reads there, where that is long.
    #[serde(default)]
    pub input_path: Option<String>,
    /// Not to be started after this instant.
    pub deadline: Option<UnixMs>,
}
