//! Named sets of days and hours on which a schedule is not to run.

use serde::{Deserialize, Serialize};

use crate::schedule::UnixMs;
use crate::schedule::calendar_event::Event;
use crate::schedule::civil::{Civil, DAY, civil_from_days, days_from_civil, weekday};
use crate::schedule::zone::Zone;

/// A named set of civil days and hours that are excluded, or that alone are included.
///
/// An instant is excluded if a rule of `exclude` or an event matches it, unless a rule of `include`
/// matches it too: what is included wins. A calendar that only includes excludes everything else.
/// Days and hours are those of the zone asked with.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Calendar {
    /// What people call it, such as `holidays`; may be empty.
    pub name: String,
    pub(crate) exclude: Rules,
    pub(crate) include: Rules,
    /// What was read of an iCalendar file; each excludes the time it takes.
    pub(crate) events: Vec<Event>,
}

/// Why an instant is excluded.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Exclusion {
    /// The rule in words, such as `Saturday`, `2026-12-24` or the summary of an event.
    pub why: String,
}

/// A calendar file that was refused.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("line {line}, column {column}: {message}")]
pub struct CalendarError {
    /// Counted from 1.
    pub line: usize,
    /// Characters from the start of the line, counted from 1.
    pub column: usize,
    pub message: String,
    /// What to write instead.
    pub hint: Option<String>,
}

/// Rules over days and hours of the day.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub(crate) struct Rules {
    /// Bit 0 = Sunday.
    pub weekdays: u8,
    /// First and last day, in days from 1970-01-01.
    pub days: Vec<(i64, i64)>,
    /// Month and day of every year.
    pub yearly: Vec<(u32, u32)>,
    /// First second after midnight, and the first that no longer belongs.
    pub hours: Vec<(u32, u32)>,
}

const WEEKDAYS: [&str; 7] = [
    "Sunday",
    "Monday",
    "Tuesday",
    "Wednesday",
    "Thursday",
    "Friday",
    "Saturday",
];

impl Rules {
    fn has_days(&self) -> bool {
        self.weekdays != 0 || !self.days.is_empty() || !self.yearly.is_empty()
    }

    fn is_empty(&self) -> bool {
        !self.has_days() && self.hours.is_empty()
    }

    /// Returns the rule that names a day, in words.
    fn of_day(&self, day: i64) -> Option<String> {
        let (_, month, of_month) = civil_from_days(day);
        if let Some((first, last)) = self
            .days
            .iter()
            .find(|(first, last)| (first..=last).contains(&&day))
        {
            return Some(match first == last {
                true => date(*first),
                false => format!("{} to {}", date(*first), date(*last)),
            });
        }
        if self.yearly.contains(&(month, of_month)) {
            return Some(format!("{month:02}-{of_month:02} of every year"));
        }
        let weekday = weekday(day);
        (self.weekdays >> weekday & 1 == 1).then(|| WEEKDAYS[weekday as usize % 7].to_owned())
    }

    /// Returns the rule that names a time of day, in words.
    fn of_time(&self, second: u32) -> Option<String> {
        let (open, close) = self
            .hours
            .iter()
            .find(|(open, close)| (open..close).contains(&&second))?;
        Some(format!("{} to {}", time(*open), time(*close)))
    }

    /// Says whether an `include` takes an instant: one of its days, within its hours.
    fn takes(&self, day: i64, second: u32) -> bool {
        !self.is_empty()
            && (!self.has_days() || self.of_day(day).is_some())
            && (self.hours.is_empty() || self.of_time(second).is_some())
    }
}

impl Calendar {
    /// Returns the same calendar under another name.
    pub fn with_name(mut self, name: impl Into<String>) -> Calendar {
        self.name = name.into();
        self
    }

    /// Says why an instant is excluded, on the clock of `zone`; none if it is not.
    pub fn excludes(&self, at: UnixMs, zone: &Zone) -> Option<Exclusion> {
        let (day, second) = day_and_second(zone.to_local(at));
        if self.include.takes(day, second) {
            return None;
        }
        if self.only_includes() {
            let why = "none of the days and hours it includes".to_owned();
            return Some(Exclusion { why });
        }
        let of_rules = self.exclude.of_day(day);
        let of_events = || {
            let event = self.events.iter().find(|event| event.covers(at, zone))?;
            Some(event.why.clone())
        };
        // The name of a holiday says more than the day of the week it happens to fall on.
        of_events()
            .or(of_rules)
            .or_else(|| self.exclude.of_time(second))
            .map(|why| Exclusion { why })
    }

    fn only_includes(&self) -> bool {
        self.exclude.is_empty() && self.events.is_empty() && !self.include.is_empty()
    }

    /// Says whether the rules, events apart, exclude what a clock on the wall shows.
    pub(crate) fn excludes_wall(&self, day: i64, second: u32) -> bool {
        let excluded = self.exclude.of_day(day).is_some() || self.exclude.of_time(second).is_some();
        (excluded || self.only_includes()) && !self.include.takes(day, second)
    }

    /// Says whether a day of the zone has no excluded times but those [`Calendar::never_allows`]
    /// names. `false` is no answer.
    pub(crate) fn leaves_alone(&self, day: i64) -> bool {
        let included = self.include.has_days() && self.include.of_day(day).is_some();
        if self.only_includes() {
            return included || !self.include.has_days();
        }
        if included && self.include.hours.is_empty() {
            return true;
        }
        let by_hours = !self.exclude.hours.is_empty() && self.include.has_days();
        !by_hours
            && self.exclude.of_day(day).is_none()
            && !self.events.iter().any(|event| event.touches(day))
    }

    /// Says whether a day may take what is moved off another: Saturdays and Sundays do not, unless
    /// the calendar itself says something of weekdays or includes the day.
    pub(crate) fn works_on(&self, day: i64) -> bool {
        let named = self.exclude.weekdays | self.include.weekdays != 0;
        let weekend = matches!(weekday(day), 0 | 6);
        named || !weekend || self.include.of_day(day).is_some()
    }

    /// Says whether a time of day is excluded on every day there is. `false` is no answer.
    pub(crate) fn never_allows(&self, second: u32) -> bool {
        if self.only_includes() {
            let hours = &self.include.hours;
            return !hours.is_empty() && self.include.of_time(second).is_none();
        }
        let included = self.include.has_days() || self.include.of_time(second).is_some();
        self.exclude.of_time(second).is_some() && !included
    }
}

pub(crate) fn day_and_second(civil: Civil) -> (i64, u32) {
    let wall = civil.to_wall();
    (wall.div_euclid(DAY), wall.rem_euclid(DAY) as u32)
}

fn date(day: i64) -> String {
    let (year, month, day) = civil_from_days(day);
    format!("{year:04}-{month:02}-{day:02}")
}

fn time(second: u32) -> String {
    format!("{:02}:{:02}", second / 3600, second / 60 % 60)
}

/// Returns the days from 1970-01-01 to a date that must exist, of a year with four digits.
pub(crate) fn day_of(year: i32, month: u32, day: u32) -> Option<i64> {
    let valid = (1..=9999).contains(&year)
        && (1..=12).contains(&month)
        && (1..=crate::schedule::civil::days_in_month(year, month)).contains(&day);
    valid.then(|| days_from_civil(year, month, day))
}
