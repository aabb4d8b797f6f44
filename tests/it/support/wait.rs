//! Waiting for a condition instead of for a time.

use std::time::Duration;

use crake::clock::{Clock, SystemClock};

/// Milliseconds any condition may take on a busy machine before the test has failed.
pub const PATIENCE_MS: i64 = 30_000;

/// Milliseconds on a clock that only goes forward.
pub fn mono() -> i64 {
    SystemClock.now().mono
}

/// Looks until `look` gives something; fails the test with `what` when it takes too long.
#[track_caller]
pub fn until<T>(what: &str, look: impl FnMut() -> Option<T>) -> T {
    within(PATIENCE_MS, what, look)
}

/// The same with another deadline, where the time it takes is part of what is promised.
#[track_caller]
pub fn within<T>(ms: i64, what: &str, mut look: impl FnMut() -> Option<T>) -> T {
    let last = mono() + ms;
    loop {
        if let Some(found) = look() {
            return found;
        }
        assert!(mono() < last, "waited {ms} ms in vain: {what}");
        std::thread::sleep(Duration::from_millis(2));
    }
}

/// Lets a span pass in which something is to happen or to fall due.
pub fn pass(ms: i64) {
    let end = mono() + ms;
    within(ms + PATIENCE_MS, "the clock goes on", || {
        (mono() >= end).then_some(())
    });
}
