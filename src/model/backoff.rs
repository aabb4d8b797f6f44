//! How long to wait before the next attempt.

use std::fmt;
use std::str::FromStr;

use crate::model::{DurationError, format_duration, parse_duration};

/// `30s` (always the same), `exp:1s` (doubling, up to an hour) or `exp:1s..5m`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Backoff {
    /// The wait before the second attempt, milliseconds.
    pub first_ms: i64,
    /// Whether each wait is twice the one before.
    pub doubling: bool,
    /// The longest wait, milliseconds.
    pub longest_ms: i64,
}

impl Default for Backoff {
    fn default() -> Backoff {
        Backoff {
            first_ms: 10_000,
            doubling: true,
            longest_ms: 3_600_000,
        }
    }
}

impl Backoff {
    /// Milliseconds to wait after attempt `ended` (counted from 1) has failed.
    pub fn wait_ms(&self, ended: u32) -> i64 {
        if !self.doubling {
            return self.first_ms;
        }
        let doublings = ended.saturating_sub(1).min(40);
        self.first_ms
            .saturating_mul(1_i64 << doublings)
            .min(self.longest_ms)
    }
}

impl Backoff {
    /// The same, up to a tenth less where waits grow, drawn from a seed: what failed together is not
    /// tried again together, and the longest wait stays the longest.
    pub fn spread_ms(&self, ended: u32, seed: u64) -> i64 {
        let wait = self.wait_ms(ended);
        if !self.doubling {
            return wait;
        }
        // splitmix64, so that neighbouring seeds lie apart.
        let mut z = seed.wrapping_add(u64::from(ended).wrapping_mul(0x9e37_79b9_7f4a_7c15));
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        let most = (wait / 10 + 1).cast_unsigned();
        wait - ((z ^ (z >> 31)) % most).cast_signed()
    }
}

impl FromStr for Backoff {
    type Err = DurationError;
    fn from_str(text: &str) -> Result<Backoff, DurationError> {
        let Some(rest) = text.strip_prefix("exp:") else {
            let first_ms = parse_duration(text)?;
            return Ok(Backoff {
                first_ms,
                doubling: false,
                longest_ms: first_ms,
            });
        };
        let (first, longest) = match rest.split_once("..") {
            Some((first, longest)) => (parse_duration(first)?, parse_duration(longest)?),
            None => (parse_duration(rest)?, Backoff::default().longest_ms),
        };
        Ok(Backoff {
            first_ms: first,
            doubling: true,
            longest_ms: longest.max(first),
        })
    }
}

impl fmt::Display for Backoff {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.doubling {
            let (first, longest) = (
                format_duration(self.first_ms),
                format_duration(self.longest_ms),
            );
            write!(f, "exp:{first}..{longest}")
        } else {
            f.write_str(&format_duration(self.first_ms))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::Backoff;

    #[test]
    fn waits_double_up_to_the_longest_and_are_spread() {
        let backoff: Backoff = "exp:1s..1m".parse().unwrap();
        let waits: Vec<i64> = (1..9).map(|ended| backoff.wait_ms(ended)).collect();
        let whole = [1, 2, 4, 8, 16, 32, 60, 60].map(|s| s * 1_000);
        assert_eq!(waits, whole);
        for (ended, whole) in (1..9).zip(whole) {
            let waits: Vec<i64> = (0..200).map(|run| backoff.spread_ms(ended, run)).collect();
            assert!(
                waits
                    .iter()
                    .all(|w| *w <= whole && *w >= whole - whole / 10)
            );
            let apart = waits.iter().collect::<std::collections::HashSet<_>>().len();
            assert!(apart > 50, "{apart}");
        }
        let fixed: Backoff = "30s".parse().unwrap();
        assert_eq!(
            (fixed.spread_ms(1, 7), fixed.spread_ms(9, 8)),
            (30_000, 30_000)
        );
    }
}
