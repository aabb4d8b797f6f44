//! What a slot and its worker look like from outside.

use crate::model::words::words;
use crate::model::{Evidence, Fence, Report, RunId};
use crate::schedule::UnixMs;

/// A worker whose loop has not come round for so long is not believed to be there, milliseconds.
pub const BEAT_LOST_MS: i64 = 5_000;

words! {
    /// Where a worker stands, the worst first.
    WorkerState, "worker state" {
        /// It is gone, or does not come round, and its run has no end.
        Lost => "lost",
        /// The kernel lets something of its run not die.
        Unkillable => "unkillable",
        /// Its job is in uninterruptible sleep.
        DiskWait => "disk_wait",
        /// Its job is stopped.
        Stopped => "stopped",
        /// Its job outlived two of its next fires, or is quiet far beyond its own history.
        Stuck => "stuck",
        /// Its job keeps a core busy and nothing comes of it.
        Spinning => "spinning",
        /// Its job outlived its next fire.
        Overrun => "overrun",
        /// Its job waits for something outside.
        Waiting => "waiting",
        /// It has an order, and the job has no process yet.
        Starting => "starting",
        /// Its job runs.
        Running => "running",
        /// It waits for an order.
        Idle => "idle",
    }
}

/// The attempt that a slot's ledger names.
#[derive(Clone, Debug, PartialEq)]
pub struct Carried {
    /// The run, under the number its job was given.
    pub run: RunId,
    /// The job.
    pub job: String,
    /// The claim.
    pub fence: Fence,
    /// When the worker took it.
    pub taken_at: UnixMs,
    /// The job's first process, once there is one.
    pub pid: Option<i32>,
    /// How it ended, where it did and nobody has collected that yet.
    pub ended: Option<Report>,
}

/// What a slot directory shows to whoever looks into it, with or without a daemon.
#[derive(Clone, Debug, PartialEq)]
pub struct SlotLook {
    /// The slot.
    pub slot: u32,
    /// Whether a living worker holds it.
    pub alive: bool,
    /// The worker's process, while it lives.
    pub pid: Option<i32>,
    /// What it carries, or carried when it died.
    pub carried: Option<Carried>,
    /// What the worker last saw of that attempt.
    pub evidence: Option<Evidence>,
    /// How long ago its loop came round, milliseconds, where it carries something.
    pub beat_age_ms: Option<i64>,
}
