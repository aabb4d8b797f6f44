//! Whose turn it is: the order in which waiting runs start.
//!
//! A run's turn is an instant: when it began to wait, later by what its priority and its queue cost
//! it. The earlier turn goes first. So a higher queue and a higher priority go first among runs that
//! came together, and a run that has waited long is overtaken by none that came after its turn,
//! whatever theirs: nothing starves. A turn does not change with time, so nothing has to be sorted
//! again.
//!
//! | costs | milliseconds |
//! |---|---|
//! | each step of priority (0 to 9) | 30,000 |
//! | each queue that stands before its own in rank | 300,000 |
//! | making up for what was missed or late | 1,800,000 |
//!
//! Ten steps of priority are one queue, so that no priority makes a run of one queue overtake those
//! of the queue before it that came with it. Among the three queues there are from the start a run
//! is overtaken only by runs that came less than [`BOUND_MS`] after it.

use crate::model::{Origin, QueuedRun};
use crate::schedule::UnixMs;

/// What one step of priority costs, milliseconds.
pub const PRIORITY_MS: i64 = 30_000;

/// What one place in the order of the queues costs, milliseconds.
pub const QUEUE_MS: i64 = 10 * PRIORITY_MS;

/// What making up costs, so that what is on time goes before a storm of what is not, milliseconds.
pub const MAKING_UP_MS: i64 = 1_800_000;

/// How much later the last of `low` may be served than the first of `high` that came with it,
/// milliseconds; runs that make up for others come [`MAKING_UP_MS`] after that.
pub const BOUND_MS: i64 = 2 * QUEUE_MS + 9 * PRIORITY_MS;

/// A fire decided later than this after its instant is one of many that nobody was there for,
/// milliseconds.
const LATE_MS: i64 = 10_000;

/// When a run began to wait: when it was due, but not before it was made, so that what makes up for
/// the past does not go before what is on time.
pub fn since(run: &QueuedRun) -> UnixMs {
    run.run_at.max(run.queued_at)
}

/// A run's turn among those of its own queue.
pub(in crate::engine) fn turn(run: &QueuedRun) -> UnixMs {
    let making_up = if makes_up(run) { MAKING_UP_MS } else { 0 };
    since(run)
        .saturating_add(i64::from(run.priority) * PRIORITY_MS)
        .saturating_add(making_up)
}

/// Whether a run was made because nobody was there for a while: at a boot, after a sleep, after the
/// daemon was away. Such runs come many at once.
pub(in crate::engine) fn makes_up(run: &QueuedRun) -> bool {
    match run.origin {
        Origin::CatchUp | Origin::Boot => true,
        Origin::Schedule => run
            .planned_at
            .is_some_and(|at| run.queued_at - at > LATE_MS),
        Origin::Manual
        | Origin::Enqueue
        | Origin::Retry
        | Origin::Sql
        | Origin::Run
        | Origin::Watch => false,
    }
}
