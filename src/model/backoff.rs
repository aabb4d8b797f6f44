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
