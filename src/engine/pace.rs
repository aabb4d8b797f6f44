//! How fast the runs start that make up for what was missed.
//!
//! After a boot, a sleep or an outage very many runs may be due at once. As many as may be alive
//! start at once, the others at a bounded rate: a token bucket, kept as the instant at which it is
//! full again. Runs that are on time pass it by.

use crate::schedule::UnixMs;

/// Starts a second where nothing else is said: 10,000 missed fires take eight minutes, and a shell
/// that starts in 50 ms keeps one processor busy, not all of them.
pub const START_RATE: u32 = 20;

/// The bucket.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::engine) struct Pace {
    per_second: u32,
    /// When it is full again, microseconds.
    full_at: i64,
}

impl Default for Pace {
    fn default() -> Pace {
        Pace {
            per_second: START_RATE,
            full_at: i64::MIN,
        }
    }
}

impl Pace {
    pub fn of(per_second: u32) -> Pace {
        Pace {
            per_second: per_second.max(1),
            ..Pace::default()
        }
    }

    fn interval(&self) -> i64 {
        1_000_000 / i64::from(self.per_second)
    }

    /// How far from full it is, microseconds. It never lacks more than it holds: where it seems to,
    /// the clock was set back, and the bucket is taken for full.
    fn lacks(&self, burst: u32, now: UnixMs) -> i64 {
        let most = i64::from(burst) * self.interval();
        let lacks = self.full_at.saturating_sub(now.saturating_mul(1_000));
        if lacks > most { 0 } else { lacks.max(0) }
    }

    /// Whether a start may be made out of a bucket that holds `burst` of them.
    pub fn allows(&self, burst: u32, now: UnixMs) -> bool {
        self.lacks(burst, now) <= i64::from(burst.max(1) - 1) * self.interval()
    }

    /// A start is made.
    pub fn take(&mut self, burst: u32, now: UnixMs) {
        let lacks = self.lacks(burst, now) + self.interval();
        self.full_at = now.saturating_mul(1_000).saturating_add(lacks);
    }

    /// When the next start may be made.
    pub fn next_at(&self, burst: u32, now: UnixMs) -> UnixMs {
        let room = i64::from(burst.max(1) - 1) * self.interval();
        let wait = (self.lacks(burst, now) - room).max(0);
        now + (wait + 999) / 1_000
    }
}

#[cfg(test)]
mod tests {
    use super::Pace;

    /// Starts made in `span` milliseconds by somebody who asks as often as told to.
    fn starts(pace: &mut Pace, burst: u32, from: i64, span: i64) -> u32 {
        let (mut now, mut made) = (from, 0);
        while now < from + span {
            if pace.allows(burst, now) {
                pace.take(burst, now);
                made += 1;
            } else {
                now = pace.next_at(burst, now);
            }
        }
        made
    }

    #[test]
    fn a_burst_and_then_the_rate() {
        let mut pace = Pace::of(20);
        assert_eq!(starts(&mut pace, 5, 0, 1), 5);
        // What was taken at once is not given again, and a rest fills the bucket no further.
        assert_eq!(starts(&mut pace, 5, 1, 10_000), 200);
        assert_eq!(starts(&mut pace, 5, 1_000_000, 1), 5);
    }

    #[test]
    fn a_clock_set_back_does_not_stop_it() {
        let mut pace = Pace::of(20);
        assert_eq!(starts(&mut pace, 5, 9_000_000, 1), 5);
        assert_eq!(starts(&mut pace, 5, 0, 1_001), 5 + 20);
    }
}
