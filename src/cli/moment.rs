//! Instants and lengths of time as they are given on the command line.

use chrono::{DateTime, NaiveDate, NaiveDateTime, NaiveTime};

use crate::cli::context::Context;
use crate::cli::error::{CliError, Kind};
use crate::model::parse_duration;
use crate::schedule::{Civil, Resolved, UnixMs};

const DAY_MS: i64 = 86_400_000;

/// Reads an instant that lies back: `2h` ago, `yesterday 14:00`, `2026-01-31`, RFC 3339.
///
/// # Errors
/// What is none of these; asked wrongly.
pub fn past(ctx: &Context, text: &str) -> Result<UnixMs, CliError> {
    instant(ctx, text, -1)
}

/// Reads an instant that lies ahead: `2h` from now, `tomorrow 14:00`, `2026-01-31`, RFC 3339.
///
/// # Errors
/// What is none of these; asked wrongly.
pub fn future(ctx: &Context, text: &str) -> Result<UnixMs, CliError> {
    instant(ctx, text, 1)
}

fn instant(ctx: &Context, text: &str, direction: i64) -> Result<UnixMs, CliError> {
    let text = text.trim();
    let now = ctx.now();
    if text == "now" {
        return Ok(now);
    }
    if let Ok(ms) = parse_duration(text) {
        return Ok(now + direction * ms);
    }
    if let Ok(time) = DateTime::parse_from_rfc3339(text) {
        return Ok(time.timestamp_millis());
    }
    local(ctx, text, now).ok_or_else(|| {
        CliError::new(Kind::Usage, format!("\"{text}\" is no time"))
            .hint("write 2h, yesterday 14:00, 2026-01-31, 2026-01-31T14:00 or RFC 3339")
    })
}

/// Reads a time on the clock of the zone times are shown in.
fn local(ctx: &Context, text: &str, now: UnixMs) -> Option<UnixMs> {
    let (day, time) = match text.split_once(['T', ' ']) {
        Some((day, time)) => (day, time.trim()),
        None if text.contains(':') => ("today", text),
        None => (text, "00:00"),
    };
    let shifted = |days: i64| {
        let c = ctx.zone.to_local(now + days * DAY_MS);
        NaiveDate::from_ymd_opt(c.year, c.month, c.day)
    };
    let date = match day {
        "today" => shifted(0)?,
        "yesterday" => shifted(-1)?,
        "tomorrow" => shifted(1)?,
        other => NaiveDate::parse_from_str(other, "%Y-%m-%d").ok()?,
    };
    let time = NaiveTime::parse_from_str(time, "%H:%M:%S")
        .or_else(|_| NaiveTime::parse_from_str(time, "%H:%M"))
        .ok()?;
    Some(match ctx.zone.resolve(civil(date.and_time(time))) {
        Resolved::Unambiguous(at) | Resolved::Gap { at, .. } => at,
        Resolved::Fold { first, .. } => first,
    })
}

fn civil(time: NaiveDateTime) -> Civil {
    // The wall clock's reading counted as if it were UTC is what a wall second is.
    let mut civil = crate::schedule::Zone::utc().to_local(time.and_utc().timestamp_millis());
    civil.millisecond = 0;
    civil
}

/// Reads a length of time, for the command line's own use.
///
/// # Errors
/// Says what a length of time looks like.
pub fn duration(text: &str) -> Result<i64, crate::model::DurationError> {
    parse_duration(text)
}
