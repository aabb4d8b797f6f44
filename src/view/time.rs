//! Instants and lengths of time, as JSON and people read them.

use chrono::{DateTime, FixedOffset, SecondsFormat};

use crate::schedule::{Civil, Resolved, UnixMs, Zone};

const SECOND: i64 = 1_000;
const MINUTE: i64 = 60 * SECOND;
const HOUR: i64 = 60 * MINUTE;
const DAY: i64 = 24 * HOUR;

const WEEKDAYS: [&str; 7] = ["Sun", "Mon", "Tue", "Wed", "Thu", "Fri", "Sat"];

/// An instant as RFC 3339 with the zone's offset at that instant; milliseconds where there are any.
pub fn rfc3339(at: UnixMs, zone: &Zone) -> String {
    // RFC 3339 knows no seconds of offset, as local mean times have them.
    let seconds = zone.offset_seconds_at(at).div_euclid(60) * 60;
    let offset = FixedOffset::east_opt(seconds)
        .or_else(|| FixedOffset::east_opt(0))
        .and_then(|offset| {
            let utc = DateTime::from_timestamp_millis(at)?;
            Some(utc.with_timezone(&offset))
        });
    match offset {
        Some(time) => time.to_rfc3339_opts(SecondsFormat::AutoSi, false),
        // Beyond the years chrono knows; nothing of ours is planned there.
        None => format!("{at}ms"),
    }
}

/// The time of day on the zone's clock.
pub fn clock(at: UnixMs, zone: &Zone) -> String {
    let c = zone.to_local(at);
    format!("{:02}:{:02}:{:02}", c.hour, c.minute, c.second)
}

/// The time of day, with the date where that is not today's.
pub fn stamp(at: UnixMs, zone: &Zone, now: UnixMs) -> String {
    let (c, today) = (zone.to_local(at), zone.to_local(now));
    let time = clock(at, zone);
    if (c.year, c.month, c.day) == (today.year, today.month, today.day) {
        return time;
    }
    format!("{:04}-{:02}-{:02} {time}", c.year, c.month, c.day)
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

/// The weekday in three letters.
pub fn weekday(civil: Civil) -> &'static str {
    WEEKDAYS[civil.weekday() as usize % 7]
}

/// The first instant of the day on the zone's clock; a day may begin late where its clock jumps
/// over midnight.
pub fn day_start(now: UnixMs, zone: &Zone) -> UnixMs {
    let midnight = Civil {
        hour: 0,
        minute: 0,
        second: 0,
        millisecond: 0,
        ..zone.to_local(now)
    };
    match zone.resolve(midnight) {
        Resolved::Unambiguous(at) | Resolved::Gap { at, .. } => at,
        Resolved::Fold { first, .. } => first,
    }
}

/// A length of time in two units at most: `212ms`, `0.4s`, `12.0s`, `1m31s`, `1h48m`, `6d`.
pub fn span(ms: i64) -> String {
    let ms = ms.max(0);
    let two = |big: i64, unit: &str, small: i64, of: &str| {
        let (whole, rest) = (ms / big, ms % big / small);
        if rest == 0 {
            format!("{whole}{unit}")
        } else {
            format!("{whole}{unit}{rest:02}{of}")
        }
    };
    match ms {
        0..=999 => format!("{ms}ms"),
        1_000..MINUTE => format!("{}.{}s", ms / SECOND, ms % SECOND / 100),
        MINUTE..HOUR => two(MINUTE, "m", SECOND, "s"),
        HOUR..DAY => two(HOUR, "h", MINUTE, "m"),
        _ => two(DAY, "d", HOUR, "h"),
    }
}

/// A length of time, roughly: `16s`, `42m`, `1h48m`, `23h`, `6d`.
pub fn short(ms: i64) -> String {
    let ms = ms.max(0);
    let (hours, minutes) = (ms / HOUR, ms % HOUR / MINUTE);
    match ms {
        0..MINUTE => format!("{}s", ms / SECOND),
        MINUTE..HOUR => format!("{minutes}m"),
        _ if hours < 10 && minutes > 0 => format!("{hours}h{minutes:02}m"),
        _ if hours < 72 => format!("{hours}h"),
        _ => format!("{}d", ms / DAY),
    }
}

/// An instant seen from now: `42m ago`, `in 16s`, `now`.
pub fn relative(at: UnixMs, now: UnixMs) -> String {
    match at - now {
        d if d.abs() < SECOND => "now".to_owned(),
        d if d > 0 => format!("in {}", short(d)),
        d => format!("{} ago", short(-d)),
    }
}
