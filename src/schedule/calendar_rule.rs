//! Dates and `RRULE` of iCalendar files (RFC 5545, 3.3.10), as far as it names days.

use crate::schedule::calendar::{CalendarError, day_of};
use crate::schedule::calendar_event::{Frequency, Repeat};
use crate::schedule::calendar_ics::{Line, wrong};
use crate::schedule::civil::{DAY, WallSecond};
use crate::schedule::zone::Zone;

const WEEKDAYS: [&str; 7] = ["SU", "MO", "TU", "WE", "TH", "FR", "SA"];
/// Most occurrences a `COUNT` may ask for.
const MOST: usize = 100_000;

/// A date or a date and time of a line.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Stamp {
    pub wall: WallSecond,
    pub has_time: bool,
    pub utc: bool,
}

/// Reads the rule of an event that starts at `start`.
///
/// `FREQ` from `DAILY` to `YEARLY` with `INTERVAL`, `COUNT`, `UNTIL`, `BYMONTH`, `BYMONTHDAY` and
/// `BYDAY` are understood; all else is refused with the line.
pub(crate) fn read(line: &Line, start: Stamp, zone: Option<&str>) -> Result<Repeat, CalendarError> {
    let refuse = |what: &str| wrong(line.number, &format!("RRULE: {what}"));
    let mut frequency = None;
    let mut count = None;
    let mut repeat = Repeat {
        frequency: Frequency::Daily,
        interval: 1,
        months: 0,
        month_days: Vec::new(),
        weekdays: Vec::new(),
        until: None,
    };
    for part in line.value.trim().split(';').filter(|part| !part.is_empty()) {
        let (name, value) = part
            .split_once('=')
            .ok_or_else(|| refuse(&format!("{part:?} is not NAME=value")))?;
        let unreadable = || refuse(&format!("{part} is not understood"));
        match name.to_ascii_uppercase().as_str() {
            "FREQ" => frequency = Some(self::frequency(value).ok_or_else(unreadable)?),
            "INTERVAL" => {
                let interval = value
                    .parse()
                    .ok()
                    .filter(|step| (1..=10_000).contains(step));
                repeat.interval = interval.ok_or_else(unreadable)?;
            }
            "COUNT" => {
                let number = value
                    .parse()
                    .ok()
                    .filter(|count| (1..=MOST).contains(count));
                count = Some(number.ok_or_else(unreadable)?);
            }
            "UNTIL" => {
                let until = stamp(value).ok_or_else(unreadable)?;
                repeat.until = Some(last_day(until, start, zone));
            }
            "BYMONTH" => {
                for month in numbers(value, 12).ok_or_else(unreadable)? {
                    let month = u32::try_from(month).map_err(|_| unreadable())?;
                    repeat.months |= 1 << month;
                }
            }
            "BYMONTHDAY" => repeat.month_days = numbers(value, 31).ok_or_else(unreadable)?,
            "BYDAY" => {
                let days = value.split(',').map(by_day).collect::<Option<_>>();
                repeat.weekdays = days.ok_or_else(unreadable)?;
            }
            // Where the week begins matters only to every second week and longer.
            "WKST" if value.eq_ignore_ascii_case("MO") => {}
            "WKST" if !line.value.contains("INTERVAL") => {}
            _ => return Err(unreadable()),
        }
    }
    repeat.frequency = frequency.ok_or_else(|| refuse("FREQ is missing"))?;
    check(&repeat).map_err(refuse)?;
    if let Some(count) = count {
        let last = repeat.day_of_count(start.wall.div_euclid(DAY), count);
        repeat.until = last.or(repeat.until);
    }
    Ok(repeat)
}

fn check(repeat: &Repeat) -> Result<(), &'static str> {
    let numbered = repeat.weekdays.iter().any(|(which, _)| *which != 0);
    match repeat.frequency {
        Frequency::Yearly if !repeat.weekdays.is_empty() && repeat.months == 0 => {
            Err("BYDAY of a whole year is not understood; add BYMONTH")
        }
        Frequency::Daily | Frequency::Weekly if numbered => {
            Err("a numbered weekday goes with FREQ=MONTHLY or YEARLY")
        }
        Frequency::Weekly if !repeat.month_days.is_empty() => {
            Err("BYMONTHDAY does not go with FREQ=WEEKLY")
        }
        _ => Ok(()),
    }
}

/// Returns the last day that may begin by `until`, which is mostly written in UTC.
fn last_day(until: Stamp, start: Stamp, zone: Option<&str>) -> i64 {
    let own = zone.filter(|_| until.utc && !start.utc);
    let wall = match own.and_then(|name| Zone::named(name).ok()) {
        Some(zone) => zone.to_local(until.wall * 1000).to_wall(),
        None => until.wall,
    };
    let timed = until.has_time && start.has_time;
    let too_late = timed && wall.rem_euclid(DAY) < start.wall.rem_euclid(DAY);
    wall.div_euclid(DAY) - i64::from(too_late)
}

fn frequency(word: &str) -> Option<Frequency> {
    Some(match word.to_ascii_uppercase().as_str() {
        "DAILY" => Frequency::Daily,
        "WEEKLY" => Frequency::Weekly,
        "MONTHLY" => Frequency::Monthly,
        "YEARLY" => Frequency::Yearly,
        _ => return None,
    })
}

fn numbers(list: &str, most: i32) -> Option<Vec<i32>> {
    let number = |text: &str| {
        let number: i32 = text.trim().parse().ok()?;
        (number != 0 && (-most..=most).contains(&number)).then_some(number)
    };
    list.split(',').map(number).collect()
}

/// Reads `MO`, `4TH` or `-1FR`.
fn by_day(text: &str) -> Option<(i32, u32)> {
    let upper = text.trim().to_ascii_uppercase();
    let split = upper.find(|c: char| c.is_ascii_alphabetic())?;
    let (number, name) = upper.split_at(split);
    let which = match number {
        "" => 0,
        number => number
            .parse()
            .ok()
            .filter(|which| (1..=5).contains(which) || (-5..=-1).contains(which))?,
    };
    let weekday = WEEKDAYS.iter().position(|short| *short == name)?;
    Some((which, weekday as u32))
}

/// Reads `20261224`, `20261224T180000` or that with a `Z`.
pub(crate) fn stamp(value: &str) -> Option<Stamp> {
    let value = value.trim();
    let (value, utc) = match value.strip_suffix('Z') {
        Some(value) => (value, true),
        None => (value, false),
    };
    let (date, time) = match value.split_once('T') {
        Some((date, time)) => (date, Some(time)),
        None => (value, None),
    };
    let number = |text: &str, from: usize, to: usize| text.get(from..to)?.parse::<u32>().ok();
    let all_digits =
        |text: &str, length| text.len() == length && text.bytes().all(|byte| byte.is_ascii_digit());
    if !all_digits(date, 8) || (utc && time.is_none()) {
        return None;
    }
    let day = day_of(
        number(date, 0, 4)? as i32,
        number(date, 4, 6)?,
        number(date, 6, 8)?,
    )?;
    let second = match time {
        None => 0,
        Some(time) if all_digits(time, 6) => {
            let (hour, minute) = (number(time, 0, 2)?, number(time, 2, 4)?);
            // A leap second is taken for the second before it.
            let second = number(time, 4, 6).filter(|second| *second <= 60)?.min(59);
            (hour < 24 && minute < 60).then_some(hour * 3600 + minute * 60 + second)?
        }
        Some(_) => return None,
    };
    Some(Stamp {
        wall: day * DAY + i64::from(second),
        has_time: time.is_some(),
        utc,
    })
}
