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
pub fn until<T>(what: &str, mut look: impl FnMut() -> Option<T>) -> T {
    let last = mono() + PATIENCE_MS;
    loop {
        if let Some(found) = look() {
            return found;
        }
        assert!(mono() < last, "waited in vain: {what}");
        std::thread::sleep(Duration::from_millis(2));
    }
}
