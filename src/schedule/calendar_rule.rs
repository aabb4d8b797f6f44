//! `RRULE` of iCalendar files (RFC 5545, 3.3.10), as far as it names days.

use crate::schedule::calendar::CalendarError;
use crate::schedule::calendar_event::{Frequency, Repeat};
use crate::schedule::calendar_ics::{Line, Stamp, stamp, wrong};
use crate::schedule::civil::DAY;
use crate::schedule::zone::Zone;

const WEEKDAYS: [&str; 7] = ["SU", "MO", "TU", "WE", "TH", "FR", "SA"];
/// Most occurrences a `COUNT` may ask for.
const MOST: usize = 100_000;

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
    check(&repeat).map_err(|why| refuse(why))?;
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
