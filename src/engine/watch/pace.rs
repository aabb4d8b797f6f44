//! When a watch is asked next.

use crate::model::{NextPoll, Trigger, Watch};
use crate::schedule::UnixMs;

/// The longest pause between two polls of a watch that fails, milliseconds, unless its own interval
/// is longer.
const LONGEST_MS: i64 = 60_000;
/// The pause after the first failure, milliseconds.
const FIRST_MS: i64 = 1_000;

/// How a watch stands between two polls.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Standing {
    /// When the last poll was due, or the watch was made.
    pub due_at: UnixMs,
    /// When the last poll ended.
    pub ended_at: UnixMs,
    /// How many polls in a row went wrong.
    pub fails: u32,
    /// Whether the last poll left something behind.
    pub more: bool,
    /// Whether it waits for a run.
    pub blocked: bool,
}

/// When the watch is asked next of its own accord; nothing while it is paused or blocked.
///
/// Polls keep the beat of the interval: a slow one delays none but those that fell due while it
/// was under way. After a failure the source is tried again sooner than a long interval would have
/// it, and later and later up to a minute where the interval is short.
pub fn next_poll(watch: &Watch, standing: &Standing) -> Option<NextPoll> {
    if watch.paused.is_some() || standing.blocked {
        return None;
    }
    if standing.more {
        return Some(NextPoll {
            at: standing.ended_at,
            trigger: Trigger::More,
        });
    }
    if standing.fails > 0 {
        let doubled = FIRST_MS.saturating_mul(1 << standing.fails.saturating_sub(1).min(20));
        let pause = doubled.clamp(watch.every_ms.min(FIRST_MS), LONGEST_MS);
        return Some(NextPoll {
            at: standing.ended_at.saturating_add(pause),
            trigger: Trigger::Timer,
        });
    }
    let passed = standing.ended_at.saturating_sub(standing.due_at).max(0);
    let beats = passed / watch.every_ms.max(1) + 1;
    Some(NextPoll {
        at: standing
            .due_at
            .saturating_add(beats.saturating_mul(watch.every_ms.max(1))),
        trigger: Trigger::Timer,
    })
}
