//! Proof that the firing loop comes round.

use std::sync::Arc;
use std::sync::atomic::{AtomicI64, AtomicU64, AtomicUsize, Ordering};

use crate::clock::Now;
use crate::daemon::link::{BEAT, Link};
use crate::schedule::UnixMs;

/// What the firing loop says of itself each time it comes round; others only read it.
#[derive(Debug, Default)]
pub struct Pulse {
    rounds: AtomicU64,
    at: AtomicI64,
    wall: AtomicI64,
    armed: AtomicUsize,
    live: AtomicUsize,
    to_guardian: Arc<Link>,
}

impl Pulse {
    /// A pulse that is also written to the guardian, one byte a round.
    pub fn new(to_guardian: Arc<Link>) -> Pulse {
        Pulse {
            to_guardian,
            ..Pulse::default()
        }
    }

    /// The loop came round.
    pub fn beat(&self, now: Now, armed: usize, live: usize) {
        self.at.store(now.mono, Ordering::Relaxed);
        self.wall.store(now.wall, Ordering::Relaxed);
        self.armed.store(armed, Ordering::Relaxed);
        self.live.store(live, Ordering::Relaxed);
        self.rounds.fetch_add(1, Ordering::Release);
        self.to_guardian.say(BEAT);
    }

    /// How often it came round.
    pub fn rounds(&self) -> u64 {
        self.rounds.load(Ordering::Acquire)
    }

    /// How long ago it last came round, milliseconds.
    pub fn age_ms(&self, now: Now) -> i64 {
        (now.mono - self.at.load(Ordering::Relaxed)).max(0)
    }

    /// The instant of the last round: what was due up to then is decided.
    pub fn wall(&self) -> UnixMs {
        self.wall.load(Ordering::Relaxed)
    }

    /// Schedules in memory and runs alive, as of the last round.
    pub fn counts(&self) -> (usize, usize) {
        (
            self.armed.load(Ordering::Relaxed),
            self.live.load(Ordering::Relaxed),
        )
    }
}
