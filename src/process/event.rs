//! What the pool tells.

use std::io;
use std::path::PathBuf;

use crate::model::{Fence, Report};
use crate::process::step::Step;
use crate::schedule::UnixMs;

/// Why the pool could not do what was asked.
#[derive(Debug, thiserror::Error)]
pub enum PoolError {
    /// The slots directory cannot be used.
    #[error("the slots directory {}: {error}", path.display())]
    Slots {
        /// The directory.
        path: PathBuf,
        /// What is wrong with it.
        error: io::Error,
    },
    /// A worker could not be started.
    #[error("a worker could not be started: {0}")]
    Spawn(io::Error),
    /// Every slot is in use.
    #[error("all {0} slots are in use")]
    Full(u32),
    /// The order is longer than a message may be.
    #[error("the order cannot be sent: {0}")]
    Unsendable(String),
    /// The pool has this claim already.
    #[error("claim {0} was given before")]
    Known(Fence),
    /// [`Pool::survey`] comes first: without it a run could be started twice.
    #[error("the slots have not been surveyed")]
    NotSurveyed,
}

/// What a worker did.
#[derive(Clone, Debug, PartialEq)]
pub enum Event {
    /// The job's first process is alive.
    Started {
        /// The claim.
        fence: Fence,
        /// The process.
        pid: i32,
        /// The slot.
        slot: u32,
        /// When, Unix milliseconds.
        at: UnixMs,
    },
    /// The attempt is over; its slot is kept until [`Pool::collected`].
    Ended {
        /// The claim.
        fence: Fence,
        /// What there is to say of it.
        report: Report,
    },
    /// Something was done to end an attempt.
    Step {
        /// The claim.
        fence: Fence,
        /// What.
        step: Step,
    },
    /// The worker vanished, and what was left of the run was ended; its slot is kept until
    /// [`Pool::collected`].
    Lost {
        /// The claim.
        fence: Fence,
        /// How that was seen, in words.
        reason: String,
    },
}

/// How many slots are in which use.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counts {
    /// Workers waiting for an order.
    pub idle: usize,
    /// Workers with an order, and orders between two workers.
    pub busy: usize,
    /// Ends of runs not yet collected.
    pub holding: usize,
}
