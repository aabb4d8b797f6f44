//! Instants and lengths of time as they are written for programs and for people, and as people
//! write them.

use chrono::{DateTime, NaiveDate, NaiveDateTime, NaiveTime};

use crate::cli::error::{CliError, Kind};
use crate::model::parse_duration;
use crate::schedule::{Civil, Resolved, UnixMs, Zone};

const DAY: i64 = 86_400_000;
const WEEKDAYS: [&str; 7] = ["Sun", "Mon", "Tue", "Wed", "Thu", "Fri", "Sat"];

/// An instant in the form of RFC 3339 with the offset the zone has then; milliseconds where there
/// are any.
pub fn rfc3339(at: UnixMs, zone: &Zone) -> String {
    // RFC 3339 has no seconds of offset, as local mean times have them.
    let minutes = zone.offset_seconds_at(at).div_euclid(60);
    let wall = at.div_euclid(1000) + i64::from(minutes) * 60;
    let civil = Civil::from_wall(wall);
    let fraction = match at.rem_euclid(1000) {
        0 => String::new(),
        ms => format!(".{ms:03}"),
    };
    let sign = if minutes < 0 { '-' } else { '+' };
    format!(
        "{:04}-{:02}-{:02}T{:02}:{:02}:{:02}{fraction}{sign}{:02}:{:02}",
        civil.year,
        civil.month,
        civil.day,
        civil.hour,
        civil.minute,
        civil.second,
        minutes.abs() / 60,
        minutes.abs() % 60
    )
}

/// An instant in full for people, such as `Tue 2026-09-22 02:30:00 CEST`.
pub fn in_full(at: UnixMs, zone: &Zone) -> String {
    let civil = zone.to_local(at);
    format!(
        "{} {:04}-{:02}-{:02} {:02}:{:02}:{:02} {}",
        weekday(civil),
        civil.year,
        civil.month,
        civil.day,
        civil.hour,
        civil.minute,
        civil.second,
        zone.abbreviation_at(at)
    )
}

/// An instant in a table: the time alone on the same day, with the weekday within six days, with
/// the date beyond.
pub fn in_short(at: UnixMs, now: UnixMs, zone: &Zone) -> String {
    let (civil, today) = (zone.to_local(at), zone.to_local(now));
    let time = match civil.second {
        0 => format!("{:02}:{:02}", civil.hour, civil.minute),
        second => format!("{:02}:{:02}:{second:02}", civil.hour, civil.minute),
    };
    let date = |c: Civil| (c.year, c.month, c.day);
    if date(civil) == date(today) {
        time
    } else if (at - now).abs() < 6 * DAY {
        format!("{} {time}", weekday(civil))
    } else {
        format!(
            "{:04}-{:02}-{:02} {time}",
            civil.year, civil.month, civil.day
        )
    }
}

fn weekday(civil: Civil) -> &'static str {
    WEEKDAYS[civil.weekday() as usize % 7]
}

/// A length of time, roughly: `16s`, `42m`, `1h48m`, `23h`, `3d`.
pub fn roughly(ms: i64) -> String {
    let seconds = ms.max(0) / 1000;
    let (minutes, hours, days) = (seconds / 60, seconds / 3600, seconds / 86_400);
    if minutes == 0 {
        format!("{seconds}s")
    } else if hours == 0 {
        format!("{minutes}m")
    } else if hours < 10 && minutes % 60 != 0 {
        format!("{hours}h{:02}m", minutes % 60)
    } else if days < 3 {
        format!("{hours}h")
    } else {
        format!("{days}d")
    }
}

/// How far away an instant is: `in 23h`, `42m ago`, `now`.
pub fn distance(at: UnixMs, now: UnixMs) -> String {
    match at - now {
        -999..=999 => "now".to_owned(),
        ahead @ 1.. => format!("in {}", roughly(ahead)),
        behind => format!("{} ago", roughly(-behind)),
    }
}

/// Reads an instant: RFC 3339, `YYYY-MM-DD [HH:MM[:SS]]` on the clock of `zone`, `now`, or a length
/// of time from now such as `2h` or `-2h`.
///
/// # Errors
/// Anything else.
pub fn parse_instant(text: &str, zone: &Zone, now: UnixMs) -> Result<UnixMs, CliError> {
    let text = text.trim();
    let fail = || {
        CliError::new(Kind::Usage, format!("\"{text}\" is no instant")).hint(
            "write 2027-01-31T08:00:00+01:00, \"2027-01-31 08:00\", 2027-01-31, 2h from now or -2h",
        )
    };
    if text == "now" {
        return Ok(now);
    }
    if let Ok(at) = DateTime::parse_from_rfc3339(text) {
        return Ok(at.timestamp_millis());
    }
    if let Some(wall) = local(text) {
        let civil = Civil::from_wall(wall.and_utc().timestamp());
        return Ok(match zone.resolve(civil) {
            Resolved::Unambiguous(at) | Resolved::Gap { at, .. } => at,
            Resolved::Fold { first, .. } => first,
        });
    }
    let (sign, length) = match text.strip_prefix('-') {
        Some(length) => (-1, length),
        None => (1, text.strip_prefix('+').unwrap_or(text)),
    };
    // A bare number would be taken for seconds, and may as well be meant as a year or a Unix time.
    if length.bytes().all(|b| b.is_ascii_digit()) {
        return Err(fail());
    }
    let length = parse_duration(length).map_err(|_| fail())?;
    Ok(now + sign * length)
}

fn local(text: &str) -> Option<NaiveDateTime> {
    // Four digits of year, as RFC 3339 has it: chrono alone would take any number.
    if text.as_bytes().get(4) != Some(&b'-') {
        return None;
    }
    let forms = [
        "%Y-%m-%d %H:%M",
        "%Y-%m-%d %H:%M:%S",
        "%Y-%m-%dT%H:%M",
        "%Y-%m-%dT%H:%M:%S",
    ];
    forms
        .iter()
        .find_map(|form| NaiveDateTime::parse_from_str(text, form).ok())
        .or_else(|| {
            let date = NaiveDate::parse_from_str(text, "%Y-%m-%d").ok()?;
            Some(date.and_time(NaiveTime::MIN))
        })
}
