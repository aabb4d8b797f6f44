//! The daemon's socket: asking whether it keeps time, and telling it to look again.
//!
//! Work is never sent here; it stands in the store, and a nudge only wakes the daemon.

mod client;
mod client_line;
mod door;
mod server;

use serde::{Deserialize, Serialize};

use crate::model::Trouble;
use crate::schedule::UnixMs;

pub use client::{ControlError, PATIENCE, ask, ask_within, nudge};
pub use client_line::read_request;
pub use door::{Door, Peer};
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
    /// The user who asks may not ask that.
    Denied,
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
    pub trouble: Option<Box<Trouble>>,
    /// Schedules in memory.
    pub armed: usize,
    /// Runs alive.
    pub live: usize,
    /// How its guardian stands to it.
    #[serde(default)]
    pub watched: Watched,
}

/// How a guardian stands to the daemon's core.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Watched {
    /// The guardian's process.
    pub guardian: Option<i32>,
    /// How many cores died in a row before this one, while that matters.
    pub deaths: u32,
    /// How the last of them ended.
    pub ending: Option<String>,
    /// Why a new program was not taken the last time one was to be.
    pub refused: Option<String>,
    /// How often that happened under this core.
    pub refusals: u32,
}

/// What stands in [`Alive::degraded`] where the disk does not answer, before the time since when:
/// whoever touches its files then waits and cannot be interrupted.
pub const SILENT: &str = "does not answer since";

/// Longest line either side reads.
pub(in crate::control) const LINE_MAX: usize = 64 * 1024;
