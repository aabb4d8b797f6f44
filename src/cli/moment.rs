//! Instants and lengths of time as they are given on the command line.

use chrono::{DateTime, NaiveDate, NaiveTime};

use crate::cli::context::Context;
use crate::cli::error::{CliError, Kind};
use crate::model::parse_duration;
use crate::schedule::{Civil, Resolved, UnixMs, Zone};

const DAY_MS: i64 = 86_400_000;

/// Reads an instant that lies back: `2h` ago, `yesterday 14:00`, `2026-01-31`, RFC 3339.
///
/// # Errors
/// What is none of these; asked wrongly.
pub fn past(ctx: &Context, text: &str) -> Result<UnixMs, CliError> {
    instant(text, &ctx.zone, ctx.now(), -1)
}

/// Reads an instant that lies ahead: `2h` from now, `tomorrow 14:00`, `2026-01-31`, RFC 3339.
///
/// # Errors
/// What is none of these; asked wrongly.
pub fn future(ctx: &Context, text: &str) -> Result<UnixMs, CliError> {
    instant(text, &ctx.zone, ctx.now(), 1)
}

/// Reads an instant. A length of time counts from now, in the given direction unless it has a sign
/// of its own; days and times stand on the clock of `zone`.
///
/// # Errors
/// What is no instant; asked wrongly.
pub fn instant(text: &str, zone: &Zone, now: UnixMs, direction: i64) -> Result<UnixMs, CliError> {
    let text = text.trim();
    if text == "now" {
        return Ok(now);
    }
    if let Ok(time) = DateTime::parse_from_rfc3339(text) {
        return Ok(time.timestamp_millis());
    }
    let (direction, length) = match (text.strip_prefix('-'), text.strip_prefix('+')) {
        (Some(length), _) => (-1, length),
        (_, Some(length)) => (1, length),
        _ => (direction, text),
    };
    // A bare number would be taken for seconds, and may as well be meant as a year or a Unix time.
    let bare = length.bytes().all(|b| b.is_ascii_digit());
    if !bare && let Ok(ms) = parse_duration(length) {
        return Ok(now.saturating_add(direction * ms));
    }
    local(text, zone, now).ok_or_else(|| {
        CliError::new(Kind::Usage, format!("\"{text}\" is no instant")).hint(
            "write 2h, yesterday 14:00, 2027-01-31, \"2027-01-31 08:00\" or 2027-01-31T08:00:00+01:00",
        )
    })
}

/// Reads a time on the clock of a zone.
fn local(text: &str, zone: &Zone, now: UnixMs) -> Option<UnixMs> {
    let (day, time) = match text.split_once(['T', ' ']) {
        Some((day, time)) => (day, time.trim()),
        None if text.contains(':') => ("today", text),
        None => (text, "00:00"),
    };
    let shifted = |days: i64| {
        let c = zone.to_local(now + days * DAY_MS);
        NaiveDate::from_ymd_opt(c.year, c.month, c.day)
    };
    let date = match day {
        "today" => shifted(0)?,
        "yesterday" => shifted(-1)?,
        "tomorrow" => shifted(1)?,
        // Four digits of year, as RFC 3339 has it: chrono alone would take any number.
        other if other.as_bytes().get(4) == Some(&b'-') => {
            NaiveDate::parse_from_str(other, "%Y-%m-%d").ok()?
        }
        _ => return None,
    };
    let time = NaiveTime::parse_from_str(time, "%H:%M:%S")
        .or_else(|_| NaiveTime::parse_from_str(time, "%H:%M"))
        .ok()?;
    let civil = Civil::from_wall(date.and_time(time).and_utc().timestamp());
    Some(match zone.resolve(civil) {
        Resolved::Unambiguous(at) | Resolved::Gap { at, .. } => at,
        Resolved::Fold { first, .. } => first,
    })
}

/// Reads a length of time, for the command line's own use.
///
/// # Errors
/// Says what a length of time looks like.
pub fn duration(text: &str) -> Result<i64, crate::model::DurationError> {
    parse_duration(text)
}
