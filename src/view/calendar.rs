//! A calendar as people are shown it: its rules in words, and the days of a year it excludes.

use crate::schedule::{Calendar, Civil, Resolved, UnixMs, Zone};

const MINUTE: i64 = 60_000;
const DAY: i64 = 86_400_000;
const WEEKDAYS: [&str; 7] = ["sun", "mon", "tue", "wed", "thu", "fri", "sat"];

/// Times of a day are looked at so far apart: finer than any opening hours.
const GRAIN: i64 = 15 * MINUTE;

/// A day of which a calendar excludes something.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Day {
    /// Year, month and day.
    pub date: (i32, u32, u32),
    /// 0 = Sunday.
    pub weekday: u32,
    /// Why.
    pub why: String,
    /// Whether all of it is excluded.
    pub whole: bool,
    /// Whether it is excluded for nothing but its day of the week.
    pub of_week: bool,
}

impl Day {
    /// The date, such as `2026-12-24`.
    pub fn date(&self) -> String {
        let (year, month, day) = self.date;
        format!("{year:04}-{month:02}-{day:02}")
    }

    /// The weekday, such as `Thu`.
    pub fn weekday(&self) -> &'static str {
        ["Sun", "Mon", "Tue", "Wed", "Thu", "Fri", "Sat"][self.weekday as usize % 7]
    }
}

/// What a calendar says, one rule a line.
pub fn rules(calendar: &Calendar) -> Vec<String> {
    let mut lines = Vec::new();
    for (verb, rules) in [
        ("excludes", &calendar.exclude),
        ("includes", &calendar.include),
    ] {
        let named = (0..7).filter(|day| rules.weekdays >> day & 1 == 1);
        let weekdays: Vec<&str> = named.map(|day: usize| WEEKDAYS[day]).collect();
        let days = rules.days.iter().map(|(first, last)| match first == last {
            true => date(*first),
            false => format!("{}..{}", date(*first), date(*last)),
        });
        let days: Vec<String> = days.collect();
        let yearly = rules.yearly.iter().map(|(m, d)| format!("{m:02}-{d:02}"));
        let yearly: Vec<String> = yearly.collect();
        let hours = rules.hours.iter();
        let hours = hours.map(|(open, close)| format!("{}-{}", time(*open), time(*close)));
        let hours: Vec<String> = hours.collect();
        for (what, list) in [
            ("weekdays", weekdays.join(", ")),
            ("dates", days.join(", ")),
            ("every year", yearly.join(", ")),
            ("hours", hours.join(", ")),
        ] {
            if !list.is_empty() {
                lines.push(format!("{verb} {what} {list}"));
            }
        }
    }
    match calendar.events.len() {
        0 => {}
        1 => lines.push("excludes 1 event of an iCalendar file".to_owned()),
        n => lines.push(format!("excludes {n} events of an iCalendar file")),
    }
    lines
}

/// The days of a year of which a calendar excludes something, on the clock of a zone.
pub fn days(calendar: &Calendar, year: i32, zone: &Zone) -> Vec<Day> {
    let first = midnight(zone, year, 1, 1);
    let mut found = Vec::new();
    let mut at = first;
    loop {
        let civil = zone.to_local(at);
        if civil.year > year {
            return found;
        }
        let next = following(zone, at);
        found.extend(day(calendar, zone, civil, at, next));
        at = next;
    }
}

fn day(calendar: &Calendar, zone: &Zone, civil: Civil, from: UnixMs, until: UnixMs) -> Option<Day> {
    let days = civil.to_wall().div_euclid(86_400);
    let hours = &[&calendar.exclude.hours, &calendar.include.hours];
    if calendar.leaves_alone(days) && hours.iter().all(|hours| hours.is_empty()) {
        return None;
    }
    let span = usize::try_from((until - from + GRAIN - 1) / GRAIN).unwrap_or(0);
    let instants = (0..span as i64).map(|n| from + n * GRAIN);
    let excluded: Vec<String> = instants
        .filter_map(|at| calendar.excludes(at, zone))
        .map(|exclusion| exclusion.why)
        .collect();
    let why = excluded.get(excluded.len() / 2)?.clone();
    let mut words: Vec<&String> = Vec::new();
    for word in &excluded {
        if !words.contains(&word) {
            words.push(word);
        }
    }
    let of_week = calendar.exclude.weekdays >> civil.weekday() & 1 == 1
        && words.len() == 1
        && why == LONG[civil.weekday() as usize % 7];
    Some(Day {
        date: (civil.year, civil.month, civil.day),
        weekday: civil.weekday(),
        why: match words.len() {
            1 => why,
            _ => words
                .iter()
                .map(|w| w.as_str())
                .collect::<Vec<_>>()
                .join(", "),
        },
        whole: excluded.len() == span,
        of_week,
    })
}

const LONG: [&str; 7] = [
    "Sunday",
    "Monday",
    "Tuesday",
    "Wednesday",
    "Thursday",
    "Friday",
    "Saturday",
];

/// The first instant of a day; where the clock skips midnight, the first after the gap.
fn midnight(zone: &Zone, year: i32, month: u32, day: u32) -> UnixMs {
    let civil = Civil {
        year,
        month,
        day,
        hour: 0,
        minute: 0,
        second: 0,
        millisecond: 0,
    };
    match zone.resolve(civil) {
        Resolved::Unambiguous(at) | Resolved::Gap { at, .. } => at,
        Resolved::Fold { first, .. } => first,
    }
}

/// The first instant of the day after the one an instant lies in.
fn following(zone: &Zone, at: UnixMs) -> UnixMs {
    // A day and a half on is the next day, or, where the clock skips that, the one after it.
    let next = zone.to_local(at + DAY + DAY / 2);
    let begin = midnight(zone, next.year, next.month, next.day);
    if begin > at { begin } else { at + DAY }
}

fn date(days: i64) -> String {
    let civil = Civil::from_wall(days * 86_400);
    format!("{:04}-{:02}-{:02}", civil.year, civil.month, civil.day)
}

fn time(second: u32) -> String {
    format!("{:02}:{:02}", second / 3600, second / 60 % 60)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_days_of_a_year_are_found_in_zones_with_odd_midnights() {
        let text = "exclude.weekdays = [\"sun\"]\nexclude.yearly = [\"12-25\"]";
        let calendar = Calendar::from_toml(text).unwrap();
        // Sao Paulo skipped midnight in spring, Apia all of 2011-12-30.
        for (zone, year) in [("America/Sao_Paulo", 2018), ("Pacific/Apia", 2011)] {
            let zone = Zone::named(zone).unwrap();
            let found = days(&calendar, year, &zone);
            assert!(found.iter().all(|day| day.whole), "{found:?}");
            assert_eq!(found.iter().filter(|d| d.weekday == 0).count(), 52);
            assert!(found.iter().any(|d| d.date() == format!("{year}-12-25")));
        }
    }

    #[test]
    fn hours_exclude_a_part_of_a_day() {
        let calendar = Calendar::from_toml("exclude.hours = [\"22:00-06:00\"]").unwrap();
        let found = days(&calendar, 2027, &Zone::utc());
        assert_eq!(found.len(), 365);
        assert!(found.iter().all(|day| !day.whole && !day.of_week));
    }
}
