//! What is wrong at the moment, for whoever asks.

use std::sync::atomic::{AtomicI64, Ordering};
use std::sync::{Mutex, PoisonError};

use crate::clock::Now;
use crate::control::SILENT;

/// A step of the store side that takes longer than this waits for the disk: locks are waited for in
/// much shorter steps, milliseconds.
const STUCK_MS: i64 = 2_000;

/// What the firing side and the store side say of themselves. Neither waits for the other: one may
/// be held by the disk while it is asked.
#[derive(Debug, Default)]
pub struct Condition {
    firing: Mutex<Option<String>>,
    /// Since when (monotonic clock) the store side is in a step; 0 where it is in none.
    in_step_since: AtomicI64,
}

impl Condition {
    /// What is wrong with the ring.
    pub fn firing_is(&self, trouble: Option<String>) {
        *self.firing.lock().unwrap_or_else(PoisonError::into_inner) = trouble;
    }

    /// The store side begins a step.
    pub fn step_begins(&self, now: Now) {
        self.in_step_since.store(now.mono.max(1), Ordering::Relaxed);
    }

    /// The store side came back from its step.
    pub fn step_ended(&self) {
        self.in_step_since.store(0, Ordering::Relaxed);
    }

    /// Everything that is wrong, with what the store side says of its last step; nothing where all
    /// is well.
    pub fn degraded(&self, store: Option<String>, now: Now) -> Option<String> {
        let firing = self.firing.lock().unwrap_or_else(PoisonError::into_inner);
        let since = self.in_step_since.load(Ordering::Relaxed);
        let stuck = (since > 0 && now.mono - since >= STUCK_MS)
            .then(|| format!("the store {SILENT} {} s", (now.mono - since) / 1000));
        let all: Vec<String> = [firing.clone(), stuck, store]
            .into_iter()
            .flatten()
            .collect();
        (!all.is_empty()).then(|| all.join("; "))
    }
}

#[cfg(test)]
mod tests {
    use crate::clock::{Clock, ManualClock};
    use crate::daemon::condition::Condition;

    #[test]
    fn a_store_side_that_does_not_come_back_is_told_of() {
        let clock = ManualClock::at(1_000_000);
        let condition = Condition::default();
        condition.step_begins(clock.now());
        assert_eq!(condition.degraded(None, clock.now()), None);
        clock.advance(5_000);
        let told = condition.degraded(None, clock.now()).unwrap();
        assert!(told.contains("5 s"), "{told}");
        condition.step_ended();
        assert_eq!(condition.degraded(None, clock.now()), None);
    }

    #[test]
    fn everything_that_is_wrong_is_told() {
        let condition = Condition::default();
        condition.firing_is(Some("a".to_owned()));
        let now = ManualClock::at(1).now();
        assert_eq!(
            condition.degraded(Some("b".to_owned()), now).unwrap(),
            "a; b"
        );
        condition.firing_is(None);
        assert_eq!(condition.degraded(None, now), None);
    }
}
