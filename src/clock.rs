//! The only reader of time.
//!
//! Everything else is told what time it is: deciding code takes an instant as an argument, and the
//! loops at the edge take a [`Clock`]. Three clocks matter. The wall clock is what schedules are
//! written in and may jump. The boot clock never jumps and goes on while the host sleeps. The
//! monotonic clock stands still while the host sleeps, so boot minus monotonic is the time slept.

#![expect(
    clippy::disallowed_methods,
    reason = "this is the one module that reads the time"
)]

use std::sync::Mutex;

use rustix::time::{ClockId, clock_gettime};

use crate::schedule::UnixMs;

/// One reading of all three clocks, in milliseconds.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub struct Now {
    /// Wall clock, Unix milliseconds.
    pub wall: UnixMs,
    /// Milliseconds since boot, sleep included (`CLOCK_BOOTTIME`).
    pub boot: i64,
    /// Milliseconds since boot, sleep excluded (`CLOCK_MONOTONIC`).
    pub mono: i64,
}

/// Where a loop gets the time from.
pub trait Clock: Send + Sync {
    /// Reads all three clocks.
    fn now(&self) -> Now;
}

/// The clocks of this host.
#[derive(Clone, Copy, Debug, Default)]
pub struct SystemClock;

impl Clock for SystemClock {
    fn now(&self) -> Now {
        Now {
            wall: read(ClockId::Realtime),
            boot: read(ClockId::Boottime),
            mono: read(ClockId::Monotonic),
        }
    }
}

fn read(id: ClockId) -> i64 {
    let t = clock_gettime(id);
    t.tv_sec * 1000 + t.tv_nsec / 1_000_000
}

/// A clock that moves only when told to; it can step, drift and sleep.
#[derive(Debug, Default)]
pub struct ManualClock(Mutex<Now>);

impl ManualClock {
    /// A clock that reads `wall` and has been up for an hour.
    pub fn at(wall: UnixMs) -> ManualClock {
        ManualClock(Mutex::new(Now {
            wall,
            boot: 3_600_000,
            mono: 3_600_000,
        }))
    }

    /// Lets `ms` milliseconds pass on all three clocks.
    pub fn advance(&self, ms: i64) {
        self.change(|now| {
            now.wall += ms;
            now.boot += ms;
            now.mono += ms;
        });
    }

    /// Sets the wall clock forward or back by `ms` while no time passes.
    pub fn step(&self, ms: i64) {
        self.change(|now| now.wall += ms);
    }

    /// The host sleeps for `ms`: wall and boot clock go on, the monotonic one does not.
    pub fn suspend(&self, ms: i64) {
        self.change(|now| {
            now.wall += ms;
            now.boot += ms;
        });
    }

    /// The host was off for `ms` and has just booted.
    pub fn reboot(&self, ms: i64) {
        self.change(|now| {
            now.wall += ms;
            now.boot = 1_000;
            now.mono = 1_000;
        });
    }

    fn change(&self, f: impl FnOnce(&mut Now)) {
        f(&mut self.0.lock().unwrap_or_else(|e| e.into_inner()));
    }
}

impl Clock for ManualClock {
    fn now(&self) -> Now {
        *self.0.lock().unwrap_or_else(|e| e.into_inner())
    }
}
