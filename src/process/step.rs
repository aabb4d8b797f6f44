//! What is done to end a run, step by step, and what is noticed of it, for those who ask afterwards.

use serde::{Deserialize, Serialize};

use crate::model::Level;
use crate::schedule::UnixMs;

/// One step of ending a run, or something noticed about it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Step {
    /// When.
    pub at: UnixMs,
    /// How much it matters.
    pub level: Level,
    /// One word for its kind: `kill`, or the word for what was noticed.
    #[serde(default = "kill")]
    pub kind: String,
    /// What was done or seen, in words.
    pub text: String,
}

/// The kind of a step of ending a run; a worker of an older version names none.
pub(in crate::process) fn kill() -> String {
    "kill".to_owned()
}

/// A number of processes in words.
pub(in crate::process) fn processes(count: usize) -> String {
    match count {
        1 => "1 process".to_owned(),
        n => format!("{n} processes"),
    }
}

/// A span in words people read at a glance: `0.2 s`, `10 s`.
pub(in crate::process) fn seconds(ms: i64) -> String {
    match ms {
        ..10_000 if ms % 1000 != 0 => format!("{}.{} s", ms / 1000, ms % 1000 / 100),
        _ => format!("{} s", ms / 1000),
    }
}
