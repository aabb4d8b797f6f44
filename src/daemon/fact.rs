//! What passes between the sides: facts in, batches of decisions and orders out.

use std::sync::Arc;

use crate::engine::Armed;
use crate::model::{Fence, Job, Order, Queue, QueuedRun, Record, Report, RunId, StopCause};
use crate::process::Step;
use crate::schedule::UnixMs;

/// What the firing side is told.
#[derive(Clone, Debug)]
pub enum Fact {
    /// A job as it is now defined, and its schedules that owe instants; no job where it was
    /// removed.
    Defined {
        /// Its name.
        name: String,
        /// Its definition.
        job: Option<Arc<Job>>,
        /// Its schedules.
        owing: Vec<Armed>,
    },
    /// Schedules that are due soon, with their jobs.
    Due(Vec<(Arc<Job>, Vec<Armed>)>),
    /// Schedules whose job was removed while they still owe instants.
    Orphaned(Vec<Armed>),
    /// The queues.
    Queues(Vec<Queue>),
    /// Queued runs that could start, with the jobs they belong to.
    Queued(Vec<Arc<Job>>, Vec<QueuedRun>),
    /// Waiting runs that were given another priority, queue or time.
    Moved(Vec<QueuedRun>),
    /// Runs somebody wants ended, and who.
    Cancelled(Vec<(RunId, Option<String>)>),
    /// Numbers put aside for new runs: the first, and the one after the last.
    Numbers(RunId, RunId),
    /// The store has everything up to this batch.
    Committed(u64),
    /// The process of an attempt is alive.
    Spawned {
        /// Its claim.
        fence: Fence,
        /// Its process.
        pid: i32,
        /// The slot of its worker.
        slot: u32,
        /// When it started.
        at: UnixMs,
    },
    /// An attempt ended.
    Ended {
        /// Its claim.
        fence: Fence,
        /// What its worker says.
        report: Report,
    },
    /// Whether no run may start.
    Draining(bool),
    /// Something was done or noticed about an attempt.
    Step {
        /// Its claim.
        fence: Fence,
        /// What.
        step: Step,
    },
    /// A worker vanished.
    Lost {
        /// The claim it carried.
        fence: Fence,
        /// In words.
        reason: String,
    },
}

/// Who carries out what was decided.
pub trait Carrier {
    /// Starts an attempt.
    fn start(&mut self, order: Order);
    /// Ends an attempt.
    fn stop(&mut self, fence: Fence, cause: StopCause, grace_ms: i64);
    /// Throws away what is left of an attempt that nobody knows.
    fn discard(&mut self, fence: Fence);
    /// The end of an attempt is safe: its worker may take another.
    fn collected(&mut self, fence: Fence);
    /// Whether what starts from now on must not touch the disk of the slots, which does not take
    /// what it is given.
    fn cut_off(&mut self, cut_off: bool);
}

/// Records in the order in which they were decided, for the store.
#[derive(Clone, Debug, PartialEq)]
pub struct Batch {
    /// Its number, from 1.
    pub number: u64,
    /// The records.
    pub records: Vec<Record>,
    /// Up to which place of the ring they reach.
    pub ring_seq: i64,
}
