//! What is done to end a run, step by step, for those who ask afterwards.

use serde::{Deserialize, Serialize};

use crate::model::Level;
use crate::schedule::UnixMs;

/// One step of ending a run.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Step {
    /// When.
    pub at: UnixMs,
    /// How much it matters.
    pub level: Level,
    /// What was done or seen, in words.
    pub text: String,
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
