//! Events of an iCalendar file: when they happen, once or again and again.

use serde::{Deserialize, Serialize};

use crate::schedule::UnixMs;
use crate::schedule::civil::{
    DAY, LAST_SECOND, WallSecond, civil_from_days, days_in_month, weekday,
};
use crate::schedule::zone::Zone;

/// Longest time an event may take; longer ones are no days off.
pub(crate) const LONGEST: i64 = 3 * 366 * DAY;

/// A span of wall time, on its own clock or on that of whoever asks.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Event {
    /// The first occurrence.
    pub start: WallSecond,
    /// Seconds it takes; 0 excludes nothing.
    pub length: i64,
    /// The zone its times are written in; `None` is that of the schedule.
    pub zone: Option<String>,
    pub repeat: Option<Repeat>,
    /// Days, from 1970-01-01, on which it does not begin though the repetition says so.
    pub except: Vec<i64>,
    /// The summary.
    pub why: String,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Frequency {
    Daily,
    Weekly,
    Monthly,
    Yearly,
}

/// A recurrence rule of RFC 5545, 3.3.10, as far as it names days.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Repeat {
    pub frequency: Frequency,
    /// At least 1.
    pub interval: i64,
    /// Bit 1 = January; 0 leaves it to the frequency.
    pub months: u16,
    /// 1 to 31, or -1 to -31 from the end.
    pub month_days: Vec<i32>,
    /// `(2, 1)` is the second Monday of the month, `(-1, 5)` the last Friday, `(0, 0)` every Sunday.
    pub weekdays: Vec<(i32, u32)>,
    /// The last day it may begin on, in days from 1970-01-01.
    pub until: Option<i64>,
}

impl Repeat {
    /// Says whether a day is one of those the rule names, counted from the day of `start`.
    fn names(&self, day: i64, start: i64) -> bool {
        if day < start || self.until.is_some_and(|until| day > until) {
            return false;
        }
        let (year, month, of_month) = civil_from_days(day);
        let (first_year, first_month, first_of_month) = civil_from_days(start);
        // Weeks begin on Monday, as RFC 5545 has it without WKST; 1970-01-05 was one.
        let week = |day: i64| (day - 4).div_euclid(7);
        let months = i64::from(year - first_year) * 12 + i64::from(month) - i64::from(first_month);
        let periods = match self.frequency {
            Frequency::Daily => day - start,
            Frequency::Weekly => week(day) - week(start),
            Frequency::Monthly => months,
            Frequency::Yearly => i64::from(year - first_year),
        };
        let month_fits = match (self.frequency, self.months) {
            (Frequency::Yearly, 0) => month == first_month,
            (_, 0) => true,
            (_, months) => months >> month & 1 == 1,
        };
        let length = days_in_month(year, month);
        let of_month = of_month as i32;
        let day_fits = if !self.month_days.is_empty() {
            let from_end = of_month - length as i32 - 1;
            self.month_days.contains(&of_month) || self.month_days.contains(&from_end)
        } else if !self.weekdays.is_empty() || self.frequency == Frequency::Daily {
            true
        } else if self.frequency == Frequency::Weekly {
            weekday(day) == weekday(start)
        } else {
            of_month == first_of_month as i32
        };
        let nth = (of_month - 1) / 7 + 1;
        let nth_from_end = -((length as i32 - of_month) / 7 + 1);
        let weekday_fits = self.weekdays.is_empty()
            || self.weekdays.iter().any(|(which, named)| {
                *named == weekday(day) && (*which == 0 || *which == nth || *which == nth_from_end)
            });
        periods % self.interval == 0 && month_fits && day_fits && weekday_fits
    }

    /// Turns a number of occurrences into the last day; `None` if so many never come.
    pub fn day_of_count(&self, start: i64, count: usize) -> Option<i64> {
        let days = start..(start + 146_097).min(LAST_SECOND / DAY);
        // The first occurrence counts even where the rule does not name it.
        days.filter(|day| *day == start || self.names(*day, start))
            .nth(count.saturating_sub(1))
    }
}

impl Event {
    fn begins_on(&self, day: i64) -> bool {
        let first = self.start.div_euclid(DAY);
        let named = day == first
            || self
                .repeat
                .as_ref()
                .is_some_and(|repeat| repeat.names(day, first));
        named && !self.except.contains(&day)
    }

    /// Says whether the event is going on at an instant, for one who lives by the clock of `zone`.
    pub fn covers(&self, at: UnixMs, zone: &Zone) -> bool {
        let own = self.zone.as_deref().and_then(|name| Zone::named(name).ok());
        let wall = own.as_ref().unwrap_or(zone).to_local(at).to_wall();
        let time = self.start.rem_euclid(DAY);
        let earliest = (wall - self.length).div_euclid(DAY);
        (earliest..=wall.div_euclid(DAY)).any(|day| {
            let begins = day * DAY + time;
            (begins..begins + self.length).contains(&wall) && self.begins_on(day)
        })
    }

    /// Says whether the event may take a part of a day of any zone.
    pub fn touches(&self, day: i64) -> bool {
        // Clocks differ by a day at most, so one day either side is enough for foreign times.
        let slack = i64::from(self.zone.is_some()) * 2;
        let earliest = day - slack - self.length.div_euclid(DAY) - 1;
        (earliest..=day + slack).any(|begin| {
            let ends = begin * DAY + self.start.rem_euclid(DAY) + self.length;
            self.length > 0 && ends > (day - slack) * DAY && self.begins_on(begin)
        })
    }
}
