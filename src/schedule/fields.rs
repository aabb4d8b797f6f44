//! The one internal form of every cron dialect: bit sets, and the rule that makes days of them.

use crate::schedule::civil::days_in_month;

/// The field sets of a cron expression, whichever dialect they were written in.
///
/// A bit set holds value `n` in bit `n`. An empty set is allowed and never matches: some crons
/// read `22-2` so.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Fields {
    /// Seconds, bits 0 to 59; five-field dialects have only bit 0.
    pub second: u64,
    /// Minutes, bits 0 to 59.
    pub minute: u64,
    /// Hours, bits 0 to 23.
    pub hour: u32,
    /// Days of the month, bits 1 to 31.
    pub dom: u32,
    /// Months, bits 1 to 12.
    pub month: u16,
    /// Days of the week, bit 0 = Sunday to bit 6 = Saturday; 7 is folded to 0.
    pub dow: u8,
    /// The years that match; `None` means all of them.
    pub years: Option<Years>,
    /// The field text starts with `*`: what crontab(5) of Vixie's line calls unrestricted.
    pub minute_star: bool,
    /// As `minute_star`, for the hour.
    pub hour_star: bool,
    /// As `minute_star`, for the day of the month.
    pub dom_star: bool,
    /// As `minute_star`, for the day of the week.
    pub dow_star: bool,
    /// A day must satisfy both day fields even when neither starts with a star. The seconds
    /// dialect reads them so, crontabs do not.
    pub both_days: bool,
    /// `L`, `W` and `#`, which only the seconds dialect has.
    pub specials: Option<Specials>,
}

/// The days that depend on the shape of a month.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Specials {
    /// Bit `n` is `L-n`: `n` days before the last day of the month; bit 0 is `L`.
    pub from_last: u32,
    /// `LW`: the last Monday-to-Friday day of the month.
    pub last_weekday: bool,
    /// Bit `n` is `nW`: the Monday-to-Friday day nearest to day `n` within the month.
    pub nearest_weekday: u32,
    /// Bit `d` is `dL`: the last weekday `d` of the month (0 = Sunday).
    pub last_dow: u8,
    /// `nth_dow[k - 1]` bit `d` is `d#k`: the `k`-th weekday `d` of the month.
    pub nth_dow: [u8; 5],
}

/// A set of years from 1970 to 2161, of which the seconds dialect uses 1970 to 2100.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Years {
    bits: [u64; 3],
}

const FIRST_YEAR: i32 = 1970;

impl Years {
    /// Adds a year; one outside 1970 to 2161 is not kept.
    pub fn insert(&mut self, year: i32) {
        let index = year - FIRST_YEAR;
        if (0..192).contains(&index) {
            self.bits[index as usize / 64] |= 1 << (index % 64);
        }
    }

    /// Says whether a year is in the set.
    pub fn contains(&self, year: i32) -> bool {
        let index = year - FIRST_YEAR;
        (0..192).contains(&index) && self.bits[index as usize / 64] >> (index % 64) & 1 == 1
    }

    /// Returns the years of the set, in order.
    pub fn iter(&self) -> impl DoubleEndedIterator<Item = i32> + '_ {
        (FIRST_YEAR..FIRST_YEAR + 192).filter(|year| self.contains(*year))
    }
}

/// All seconds or minutes.
pub const ALL_SIXTY: u64 = (1 << 60) - 1;
/// All hours.
pub const ALL_HOURS: u32 = (1 << 24) - 1;
/// All days of a month.
pub const ALL_DOM: u32 = !1;
/// All months.
pub const ALL_MONTHS: u16 = 0b1_1111_1111_1110;
/// All days of the week.
pub const ALL_DOW: u8 = 0x7f;

impl Default for Fields {
    /// Returns what `* * * * *` means: second 0 of every minute.
    fn default() -> Fields {
        Fields {
            second: 1,
            minute: ALL_SIXTY,
            hour: ALL_HOURS,
            dom: ALL_DOM,
            month: ALL_MONTHS,
            dow: ALL_DOW,
            years: None,
            minute_star: true,
            hour_star: true,
            dom_star: true,
            dow_star: true,
            both_days: false,
            specials: None,
        }
    }
}

impl Fields {
    /// Says whether the job follows real time over a change of the clock.
    ///
    /// Vixie's line calls a job wild when its minute or hour field starts with `*`; all others are
    /// fixed-time jobs, which a clock change must neither lose nor repeat.
    pub fn is_wild(&self) -> bool {
        self.minute_star || self.hour_star
    }

    /// Says whether a day needs only one of the two day fields to match.
    ///
    /// That is so when neither of them starts with `*`; crontab(5): "If both fields are
    /// restricted (i.e., do not contain the "*" character), the command will be run when either
    /// field matches". The code looks at the first character only.
    pub fn either_day(&self) -> bool {
        !self.dom_star && !self.dow_star && !self.both_days
    }

    /// Returns the same sets without bits that no value of the field has.
    pub(crate) fn within_bounds(mut self) -> Fields {
        self.second &= ALL_SIXTY;
        self.minute &= ALL_SIXTY;
        self.hour &= ALL_HOURS;
        self.dom &= ALL_DOM;
        self.month &= ALL_MONTHS;
        self.dow &= ALL_DOW;
        self
    }

    /// Returns the matching days of a month as bits 1 to 31.
    ///
    /// `first_weekday` is the weekday of its first day, 0 = Sunday.
    pub(crate) fn day_mask(&self, year: i32, month: u32, first_weekday: u32) -> u32 {
        let length = days_in_month(year, month);
        let mut dom = self.dom;
        let mut dow = weekday_days(self.dow, first_weekday);
        if let Some(specials) = &self.specials {
            dom |= specials.dom_days(first_weekday, length);
            dow |= specials.dow_days(first_weekday, length);
        }
        let days = if self.either_day() {
            dom | dow
        } else {
            dom & dow
        };
        days & month_days(length)
    }

    /// Says whether a month of a year is one of those the expression names.
    pub(crate) fn has_month(&self, year: i32, month: u32) -> bool {
        self.month >> month & 1 == 1 && self.years.is_none_or(|years| years.contains(year))
    }
}

impl Specials {
    fn dom_days(&self, first_weekday: u32, length: u32) -> u32 {
        let mut days = 0;
        for back in bits_of(self.from_last).filter(|back| *back < length) {
            days |= 1 << (length - back);
        }
        if self.last_weekday {
            days |= 1 << nearest_weekday(length, first_weekday, length);
        }
        for day in bits_of(self.nearest_weekday).filter(|day| (1..=length).contains(day)) {
            days |= 1 << nearest_weekday(day, first_weekday, length);
        }
        days
    }

    fn dow_days(&self, first_weekday: u32, length: u32) -> u32 {
        let mut days = weekday_days(self.last_dow, first_weekday) & last_week(length);
        for (week, weekdays) in self.nth_dow.iter().enumerate() {
            // The k-th of a weekday falls into the k-th run of seven days, whatever day it is.
            let run = 0b1111_1110_u64 << (7 * week);
            days |= weekday_days(*weekdays, first_weekday) & run as u32;
        }
        days
    }
}

/// Returns the bits of a set as numbers, lowest first.
pub fn bits_of(set: u32) -> impl Iterator<Item = u32> {
    (0..32).filter(move |bit| set >> bit & 1 == 1)
}

fn month_days(length: u32) -> u32 {
    ((2_u64 << length) - 2) as u32
}

fn last_week(length: u32) -> u32 {
    month_days(length) & !month_days(length - 7)
}

/// Spreads a set of weekdays over the days 1 to 31 of a month that begins on `first_weekday`.
fn weekday_days(weekdays: u8, first_weekday: u32) -> u32 {
    let doubled = u32::from(weekdays) | u32::from(weekdays) << 7;
    let week = u64::from(doubled >> first_weekday & 0x7f);
    // The factor repeats the week at bits 0, 7, 14, 21 and 28; day 1 is bit 1.
    ((week * 0x1020_4081) << 1) as u32
}

/// Returns the Monday-to-Friday day nearest to `day`, never leaving the month (Quartz `W`).
fn nearest_weekday(day: u32, first_weekday: u32, length: u32) -> u32 {
    match (first_weekday + day - 1) % 7 {
        6 if day == 1 => 3,
        6 => day - 1,
        0 if day == length => day - 2,
        0 => day + 1,
        _ => day,
    }
}
