//! The daemon's socket: asking whether it keeps time, telling it to look again, and petitions.
//!
//! Whoever may open the store puts work there, and a nudge only wakes the daemon. Where the store is
//! root's, other users send *petitions*: the daemon reads and writes the store for them, as far as it
//! is about their own jobs.

mod client;
mod client_line;
mod door;
mod server;

use serde::{Deserialize, Serialize};

use crate::model::{Raw, RunId, Trouble};
use crate::schedule::UnixMs;

pub use client::{ControlError, PATIENCE, ask, ask_within, nudge};
pub use client_line::read_request;
pub use door::{Door, Peer};
pub use server::{Asker, Handler, Late, Server};

/// What can be asked. One JSON object on one line.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Request {
    /// Whether it keeps time: the firing loop itself has to answer.
    Ping,
    /// Something in the store changed.
    Nudge,
    /// A petition.
    #[serde(untagged)]
    Petition(Petition),
}

/// What a user who may not open the store has the daemon do with it: only ever with jobs that run as
/// that user.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Petition {
    /// All jobs, those after a name.
    List {
        /// The last name known already.
        after: Option<String>,
    },
    /// One job.
    Show {
        /// Its name.
        job: String,
        /// With who changed it when.
        history: bool,
    },
    /// Runs, the newest first.
    Runs {
        /// Of this job only.
        job: Option<String>,
        /// In one of these states only; all where empty.
        states: Vec<String>,
        /// Made at or after this instant.
        since: Option<UnixMs>,
        /// Numbered below this one.
        before: Option<RunId>,
        /// At most so many.
        limit: u32,
        /// With the definitions of their jobs.
        with_jobs: bool,
    },
    /// One run.
    Look {
        /// Its number.
        run: RunId,
    },
    /// A run of a job, now.
    Run {
        /// The job.
        job: String,
        /// Variables for this run only.
        env: Vec<(String, Raw)>,
    },
    /// To end runs.
    Kill {
        /// Their numbers.
        runs: Vec<RunId>,
    },
    /// To take back runs that have not started.
    Cancel {
        /// Their numbers.
        runs: Vec<RunId>,
    },
    /// What an attempt wrote.
    Output {
        /// The run.
        run: RunId,
        /// Which attempt.
        attempt: u32,
        /// How many bytes of it are known already.
        from: u64,
    },
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
    /// There is no such job or run, or it is not the asking user's.
    NotFound,
    /// Rows of the store, to be put into one in memory.
    Rows {
        /// The version of the store they are of.
        version: i64,
        /// The rows.
        rows: serde_json::Value,
        /// Where the next part begins, where there is one.
        more: Option<String>,
    },
    /// The run that was asked for.
    Asked(RunId),
    /// A piece of what an attempt wrote.
    Output {
        /// What was written, in order.
        pieces: Vec<Written>,
        /// Bytes that were written and not kept.
        dropped: u64,
        /// How many bytes are known with it.
        next: u64,
        /// Whether nothing more will come.
        done: bool,
    },
}

/// Bytes a job wrote.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Written {
    /// Whether to standard error.
    pub err: bool,
    /// When.
    pub at: UnixMs,
    /// How many bytes came before.
    pub offset: u64,
    /// The bytes.
    pub bytes: Raw,
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

/// Longest request.
pub const LINE_MAX: usize = 64 * 1024;

/// Longest answer.
pub const ANSWER_MAX: usize = 4 << 20;
