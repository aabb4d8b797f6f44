//! How long what was is kept.

use serde::{Deserialize, Serialize};

use crate::schedule::UnixMs;

const DAY_MS: i64 = 86_400_000;

/// What a job's definition says of how long its runs are kept; what it leaves out is as everywhere.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Keep {
    /// At most so many runs that are over.
    pub runs: Option<u32>,
    /// Runs, and their output, not longer than this, milliseconds.
    pub for_ms: Option<i64>,
    /// At most so many bytes of output in all.
    pub output: Option<u64>,
}

impl Keep {
    /// Whether it says nothing.
    pub fn is_none(&self) -> bool {
        *self == Keep::default()
    }
}

/// How long things are kept where a job says nothing else.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Retention {
    /// Runs, rows of the ledger and events, milliseconds.
    pub runs_ms: i64,
    /// The newest runs of each job that are kept however old they are.
    pub least: u32,
    /// Output, milliseconds.
    pub output_ms: i64,
    /// Output of all jobs together, bytes.
    pub output_bytes: u64,
}

impl Default for Retention {
    fn default() -> Retention {
        Retention {
            runs_ms: 400 * DAY_MS,
            least: 20,
            output_ms: 30 * DAY_MS,
            output_bytes: 1 << 30,
        }
    }
}

/// What holds for the runs of one job.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RunLimits {
    /// Those that ended before this are too old.
    pub before: UnixMs,
    /// The newest so many are kept though they are too old.
    pub least: u32,
    /// No more than so many are kept.
    pub most: Option<u32>,
}

impl Retention {
    /// What holds for the runs of a job. The one-off commands of `enqueue` have one run each, so
    /// none of them is kept for being the newest.
    pub fn runs_of(&self, keep: &Keep, listed: bool, now: UnixMs) -> RunLimits {
        let least = if listed { self.least } else { 0 };
        RunLimits {
            before: now - keep.for_ms.unwrap_or(self.runs_ms),
            least: keep.runs.map_or(least, |most| most.min(least)),
            most: keep.runs,
        }
    }

    /// Output of a job that ended before this is too old.
    pub fn output_before(&self, keep: &Keep, now: UnixMs) -> UnixMs {
        let longest = keep
            .for_ms
            .map_or(self.output_ms, |own| own.min(self.output_ms));
        now - longest
    }

    /// The ledger is kept from this instant on.
    pub fn ledger_since(&self, now: UnixMs) -> UnixMs {
        now - self.runs_ms
    }
}
