//! Dates and times of PostgreSQL in its binary form, as ISO 8601 text.

/// Days from 1970-01-01 to 2000-01-01, the day PostgreSQL counts from.
const EPOCH_DAYS: i64 = 10_957;

const DAY_US: i64 = 86_400_000_000;

/// The civil date of a day counted from 1970-01-01, in the calendar of ISO 8601, which has a year 0.
/// Integer arithmetic over eras of 400 years, after Howard Hinnant's `civil_from_days`.
fn civil(days: i64) -> (i64, i64, i64) {
    let z = days + 719_468;
    let era = z.div_euclid(146_097);
    let doe = z.rem_euclid(146_097);
    let yoe = (doe - doe / 1_460 + doe / 36_524 - doe / 146_096) / 365;
    let doy = doe - (365 * yoe + yoe / 4 - yoe / 100);
    let mp = (5 * doy + 2) / 153;
    let day = doy - (153 * mp + 2) / 5 + 1;
    let month = if mp < 10 { mp + 3 } else { mp - 9 };
    let year = yoe + era * 400 + i64::from(month <= 2);
    (year, month, day)
}

fn year(year: i64) -> String {
    match year {
        0..=9_999 => format!("{year:04}"),
        y if y < 0 => format!("-{:04}", -y),
        y => format!("+{y}"),
    }
}

/// A `date`: days from 2000-01-01.
pub(in crate::source) fn date(days: i32) -> String {
    match days {
        i32::MAX => "infinity".to_owned(),
        i32::MIN => "-infinity".to_owned(),
        days => day(i64::from(days)),
    }
}

fn day(days: i64) -> String {
    let (y, m, d) = civil(days + EPOCH_DAYS);
    format!("{}-{m:02}-{d:02}", year(y))
}

/// A `time`: microseconds from midnight.
pub(in crate::source) fn time(us: i64) -> String {
    let (seconds, fraction) = (us.div_euclid(1_000_000), us.rem_euclid(1_000_000));
    let (hour, minute, second) = (seconds / 3_600, seconds / 60 % 60, seconds % 60);
    let mut text = format!("{hour:02}:{minute:02}:{second:02}");
    if fraction > 0 {
        let digits = format!("{fraction:06}");
        text.push_str(&format!(".{}", digits.trim_end_matches('0')));
    }
    text
}

/// A `timetz`: microseconds from midnight and seconds west of Greenwich.
pub(in crate::source) fn time_zoned(us: i64, west: i32) -> String {
    let sign = if west > 0 { '-' } else { '+' };
    let offset = west.unsigned_abs();
    let (hours, minutes, seconds) = (offset / 3_600, offset / 60 % 60, offset % 60);
    let seconds = match seconds {
        0 => String::new(),
        s => format!(":{s:02}"),
    };
    format!("{}{sign}{hours:02}:{minutes:02}{seconds}", time(us))
}

/// A `timestamp`, or with `utc` a `timestamptz`: microseconds from 2000-01-01.
pub(in crate::source) fn timestamp(us: i64, utc: bool) -> String {
    match us {
        i64::MAX => return "infinity".to_owned(),
        i64::MIN => return "-infinity".to_owned(),
        _ => {}
    }
    let date = day(us.div_euclid(DAY_US));
    let zone = if utc { "+00:00" } else { "" };
    format!("{date}T{}{zone}", time(us.rem_euclid(DAY_US)))
}
