//! The search for the next and the previous wall second that a pattern matches.

use crate::schedule::civil::{
    DAY, FIRST_SECOND, LAST_SECOND, WallSecond, civil_from_days, days_from_civil, is_leap, weekday,
};
use crate::schedule::fields::Fields;

/// The Gregorian calendar repeats after this many years, so a pattern without a match in them has
/// none at all.
const CYCLE_YEARS: i32 = 400;

/// Something that matches wall seconds: the part of a schedule that knows nothing of zones.
pub trait WallPattern {
    /// Returns the first matching wall second at or after `from`.
    fn next_wall(&self, from: WallSecond) -> Option<WallSecond>;
    /// Returns the last matching wall second at or before `to`.
    fn prev_wall(&self, to: WallSecond) -> Option<WallSecond>;
}

impl WallPattern for Fields {
    fn next_wall(&self, from: WallSecond) -> Option<WallSecond> {
        if from > LAST_SECOND {
            return None;
        }
        let from = from.max(FIRST_SECOND);
        let opening = self.first_time()?;
        let today = from.div_euclid(DAY);
        let (year, month, day) = civil_from_days(today);
        let days = self.days_from(year, month, today - i64::from(day) + 1);
        if days >> day & 1 == 1
            && let Some(time) = self.time_from(from.rem_euclid(DAY) as u32)
        {
            return Some(today * DAY + i64::from(time));
        }
        let later = days & (u32::MAX - 1) << day;
        if later != 0 {
            let ahead = later.trailing_zeros() - day;
            return Some((today + i64::from(ahead)) * DAY + i64::from(opening));
        }
        self.next_month(year, month, opening)
    }

    fn prev_wall(&self, to: WallSecond) -> Option<WallSecond> {
        if to < FIRST_SECOND {
            return None;
        }
        let to = to.min(LAST_SECOND);
        let closing = self.last_time()?;
        let today = to.div_euclid(DAY);
        let (year, month, day) = civil_from_days(today);
        let days = self.days_from(year, month, today - i64::from(day) + 1);
        if days >> day & 1 == 1
            && let Some(time) = self.time_until(to.rem_euclid(DAY) as u32)
        {
            return Some(today * DAY + i64::from(time));
        }
        let earlier = days & ((1 << day) - 1);
        if earlier != 0 {
            let back = day - earlier.ilog2();
            return Some((today - i64::from(back)) * DAY + i64::from(closing));
        }
        self.prev_month(year, month, closing)
    }
}

impl Fields {
    /// Returns the matching days of a month, none if the month itself does not match.
    fn days_from(&self, year: i32, month: u32, first_day: i64) -> u32 {
        if !self.has_month(year, month) {
            return 0;
        }
        self.day_mask(year, month, weekday(first_day))
    }

    /// Returns the months in which some year has a matching day, as far as their lengths tell.
    ///
    /// It answers `0 0 30 2 *` without a look at 400 years.
    fn possible_months(&self) -> u32 {
        let months = u32::from(self.month);
        if self.either_day() || self.specials.is_some() {
            return months;
        }
        let earliest = self.dom.trailing_zeros();
        let long_enough = match earliest {
            0..=29 => !0,
            30 => !(1 << 2),
            31 => !(1 << 2 | 1 << 4 | 1 << 6 | 1 << 9 | 1 << 11),
            _ => 0,
        };
        months & long_enough
    }

    fn next_month(&self, year: i32, month: u32, opening: u32) -> Option<WallSecond> {
        let last_year = (year + CYCLE_YEARS).min(9999);
        let months = self.possible_months();
        if months == 0 {
            return None;
        }
        let mut rest = months & (u32::MAX - 1) << month;
        let mut new_year = days_from_civil(year, 1, 1);
        for year in year..=last_year {
            let leap = is_leap(year);
            if rest != 0 && self.years.is_none_or(|years| years.contains(year)) {
                while rest != 0 {
                    let month = rest.trailing_zeros();
                    rest &= rest - 1;
                    let first_day = new_year + days_before(month, leap);
                    let days = self.day_mask(year, month, weekday(first_day));
                    if days != 0 {
                        let day = first_day + i64::from(days.trailing_zeros()) - 1;
                        return Some(day * DAY + i64::from(opening));
                    }
                }
            }
            new_year += 365 + i64::from(leap);
            rest = months;
        }
        None
    }

    fn prev_month(&self, year: i32, month: u32, closing: u32) -> Option<WallSecond> {
        let first_year = (year - CYCLE_YEARS).max(1);
        let months = self.possible_months();
        if months == 0 {
            return None;
        }
        let mut rest = months & ((1 << month) - 1);
        for year in (first_year..=year).rev() {
            if self.years.is_none_or(|years| years.contains(year)) {
                while rest != 0 {
                    let month = rest.ilog2();
                    rest &= !(1 << month);
                    let first_day = days_from_civil(year, month, 1);
                    let days = self.day_mask(year, month, weekday(first_day));
                    if days != 0 {
                        let day = first_day + i64::from(days.ilog2()) - 1;
                        return Some(day * DAY + i64::from(closing));
                    }
                }
            }
            rest = months;
        }
        None
    }

    /// Returns the first matching second of a day, none if one of the time sets is empty.
    fn first_time(&self) -> Option<u32> {
        let filled = self.hour != 0 && self.minute != 0 && self.second != 0;
        filled.then(|| {
            clock(
                self.hour.trailing_zeros(),
                first(self.minute),
                first(self.second),
            )
        })
    }

    /// Returns the last matching second of a day, none if one of the time sets is empty.
    fn last_time(&self) -> Option<u32> {
        let filled = self.hour != 0 && self.minute != 0 && self.second != 0;
        filled.then(|| clock(self.hour.ilog2(), self.minute.ilog2(), self.second.ilog2()))
    }

    /// Returns the first matching second of a day at or after `time`. No set may be empty.
    fn time_from(&self, time: u32) -> Option<u32> {
        let (hour, minute, second) = (time / 3600, time / 60 % 60, time % 60);
        if self.hour >> hour & 1 == 1 {
            let seconds = self.second & u64::MAX << second;
            if self.minute >> minute & 1 == 1 && seconds != 0 {
                return Some(clock(hour, minute, first(seconds)));
            }
            let minutes = self.minute & (u64::MAX - 1) << minute;
            if minutes != 0 {
                return Some(clock(hour, first(minutes), first(self.second)));
            }
        }
        let hours = self.hour & (u32::MAX - 1) << hour;
        (hours != 0).then(|| {
            clock(
                hours.trailing_zeros(),
                first(self.minute),
                first(self.second),
            )
        })
    }

    /// Returns the last matching second of a day at or before `time`. No set may be empty.
    fn time_until(&self, time: u32) -> Option<u32> {
        let (hour, minute, second) = (time / 3600, time / 60 % 60, time % 60);
        if self.hour >> hour & 1 == 1 {
            let seconds = self.second & ((2 << second) - 1);
            if self.minute >> minute & 1 == 1 && seconds != 0 {
                return Some(clock(hour, minute, seconds.ilog2()));
            }
            let minutes = self.minute & ((1 << minute) - 1);
            if minutes != 0 {
                return Some(clock(hour, minutes.ilog2(), self.second.ilog2()));
            }
        }
        let hours = self.hour & ((1 << hour) - 1);
        (hours != 0).then(|| clock(hours.ilog2(), self.minute.ilog2(), self.second.ilog2()))
    }
}

/// Returns the days of a year before the first of a month.
fn days_before(month: u32, leap: bool) -> i64 {
    const BEFORE: [i64; 13] = [0, 0, 31, 59, 90, 120, 151, 181, 212, 243, 273, 304, 334];
    BEFORE[month as usize % 13] + i64::from(leap && month > 2)
}

fn clock(hour: u32, minute: u32, second: u32) -> u32 {
    hour * 3600 + minute * 60 + second
}

fn first(set: u64) -> u32 {
    set.trailing_zeros()
}
