//! The daemon's socket: asking whether it keeps time, and telling it to look again.
//!
//! Work is never sent here; it stands in the store, and a nudge only wakes the daemon.

mod client;
mod server;

use serde::{Deserialize, Serialize};

use crate::model::Trouble;
use crate::schedule::UnixMs;

pub use client::{ControlError, ask, nudge};
pub use server::{Handler, Server};

/// What can be asked. One JSON object on one line.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Request {
    /// Whether it keeps time: the firing loop itself has to answer.
    Ping,
    /// Something in the store changed.
    Nudge,
}

/// What is answered. One JSON object on one line.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Reply {
    /// The daemon is there.
    Alive(Alive),
    /// Done.
    Done,
    /// The request was not understood.
    Refused(String),
}

/// What the daemon says of itself.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Alive {
    /// The process that keeps time.
    pub pid: i32,
    /// Its version.
    pub version: String,
    /// When it started.
    pub since: UnixMs,
    /// How long ago the firing loop last came round, milliseconds.
    pub beat_age_ms: i64,
    /// Why it works without its store, where it does.
    pub degraded: Option<String>,
    /// The same as a value.
    #[serde(default)]
    pub trouble: Option<Trouble>,
    /// Schedules in memory.
    pub armed: usize,
    /// Runs alive.
    pub live: usize,
}

/// Longest line either side reads.
pub(in crate::control) const LINE_MAX: usize = 64 * 1024;
