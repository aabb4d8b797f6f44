//! Lengths of time as people write them: `90s`, `1h30m`, `2d`.

use std::fmt;

/// A length of time that cannot be read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DurationError(pub String);

impl fmt::Display for DurationError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "\"{}\" is no length of time: write a number with ms, s, m, h, d or w, such as 90s or 1h30m",
            self.0
        )
    }
}

impl std::error::Error for DurationError {}

const UNITS: [(&str, i64); 6] = [
    ("ms", 1),
    ("s", 1_000),
    ("m", 60_000),
    ("h", 3_600_000),
    ("d", 86_400_000),
    ("w", 604_800_000),
];

/// Reads `90s`, `1h30m`, `500ms` or a bare number of seconds; gives milliseconds.
///
/// # Errors
/// Anything else, a negative length, and lengths beyond 100 years.
pub fn parse_duration(text: &str) -> Result<i64, DurationError> {
    let fail = || DurationError(text.to_owned());
    let text_trimmed = text.trim();
    if let Ok(seconds) = text_trimmed.parse::<u32>() {
        return Ok(i64::from(seconds) * 1_000);
    }
    let mut rest = text_trimmed;
    let mut total: i64 = 0;
    if rest.is_empty() {
        return Err(fail());
    }
    while !rest.is_empty() {
        let digits = rest.find(|c: char| !c.is_ascii_digit()).ok_or_else(fail)?;
        let (number, tail) = rest.split_at(digits);
        let letters = tail
            .find(|c: char| !c.is_ascii_alphabetic())
            .unwrap_or(tail.len());
        let (unit, tail) = tail.split_at(letters);
        let number: i64 = number.parse().map_err(|_| fail())?;
        let scale = UNITS
            .iter()
            .find(|(name, _)| *name == unit)
            .ok_or_else(fail)?
            .1;
        total = number
            .checked_mul(scale)
            .and_then(|ms| total.checked_add(ms))
            .filter(|ms| *ms <= 100 * 366 * 86_400_000)
            .ok_or_else(fail)?;
        rest = tail.trim_start();
    }
    Ok(total)
}

/// Writes milliseconds so that [`parse_duration`] reads the same length back.
pub fn format_duration(ms: i64) -> String {
    if ms == 0 {
        return "0s".to_owned();
    }
    let mut left = ms;
    let mut text = String::new();
    for (unit, scale) in [UNITS[4], UNITS[3], UNITS[2], UNITS[1], UNITS[0]] {
        let count = left / scale;
        if count > 0 {
            text.push_str(&format!("{count}{unit}"));
            left -= count * scale;
        }
    }
    text
}
