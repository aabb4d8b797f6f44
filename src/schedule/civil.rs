//! The proleptic Gregorian calendar in plain integers.
//!
//! A *wall second* is what a clock on the wall shows, counted from 1970-01-01T00:00:00 as if that
//! clock never changed its offset. Matching is done on wall seconds; zones turn them into instants.

/// Seconds since 1970-01-01T00:00:00 on a wall clock, with no zone applied.
pub type WallSecond = i64;

/// Seconds in a day of the wall clock.
pub const DAY: i64 = 86_400;

/// First wall second the searches look at: 0001-01-01T00:00:00.
pub const FIRST_SECOND: WallSecond = -62_135_596_800;

/// Last wall second the searches look at: 9999-12-31T23:59:59.
pub const LAST_SECOND: WallSecond = 253_402_300_799;

/// A date and a time of day as a wall clock shows them.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Civil {
    pub year: i32,
    /// 1 to 12.
    pub month: u32,
    /// 1 to 31.
    pub day: u32,
    pub hour: u32,
    pub minute: u32,
    pub second: u32,
    pub millisecond: u32,
}

impl Civil {
    /// Returns the date and time a wall second stands for, at its first millisecond.
    pub fn from_wall(wall: WallSecond) -> Civil {
        let days = wall.div_euclid(DAY);
        let time = wall.rem_euclid(DAY) as u32;
        let (year, month, day) = civil_from_days(days);
        let (hour, minute, second) = (time / 3600, time / 60 % 60, time % 60);
        Civil {
            year,
            month,
            day,
            hour,
            minute,
            second,
            millisecond: 0,
        }
    }

    /// Returns the wall second of this date and time; the millisecond is dropped.
    pub fn to_wall(self) -> WallSecond {
        let time = self.hour * 3600 + self.minute * 60 + self.second;
        days_from_civil(self.year, self.month, self.day) * DAY + i64::from(time)
    }

    /// Returns the day of the week, 0 = Sunday to 6 = Saturday.
    pub fn weekday(self) -> u32 {
        weekday(days_from_civil(self.year, self.month, self.day))
    }
}

/// Returns the days from 1970-01-01 to a date.
///
/// The algorithm is Howard Hinnant's `days_from_civil`: years start in March, so that the leap day
/// is the last day of a year and month lengths follow one linear formula.
pub fn days_from_civil(year: i32, month: u32, day: u32) -> i64 {
    let year = i64::from(year) - i64::from(month <= 2);
    let era = year.div_euclid(400);
    let year_of_era = year.rem_euclid(400);
    let shifted_month = i64::from((month + 9) % 12);
    let day_of_year = (153 * shifted_month + 2) / 5 + i64::from(day) - 1;
    let day_of_era = year_of_era * 365 + year_of_era / 4 - year_of_era / 100 + day_of_year;
    era * 146_097 + day_of_era - 719_468
}

/// Returns year, month and day of a count of days from 1970-01-01; the inverse of
/// [`days_from_civil`].
pub fn civil_from_days(days: i64) -> (i32, u32, u32) {
    let shifted = days + 719_468;
    let era = shifted.div_euclid(146_097);
    let day_of_era = shifted.rem_euclid(146_097) as u32;
    let year_of_era =
        (day_of_era - day_of_era / 1_460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let shifted_month = (5 * day_of_year + 2) / 153;
    let day = day_of_year - (153 * shifted_month + 2) / 5 + 1;
    let month = if shifted_month < 10 {
        shifted_month + 3
    } else {
        shifted_month - 9
    };
    let year = i64::from(year_of_era) + era * 400 + i64::from(month <= 2);
    (year as i32, month, day)
}

/// Returns the weekday of a count of days from 1970-01-01, 0 = Sunday to 6 = Saturday.
pub fn weekday(days: i64) -> u32 {
    // 1970-01-01 was a Thursday.
    (days + 4).rem_euclid(7) as u32
}

/// Returns the number of days of a month, 28 to 31.
pub fn days_in_month(year: i32, month: u32) -> u32 {
    match month {
        2 if is_leap(year) => 29,
        2 => 28,
        4 | 6 | 9 | 11 => 30,
        _ => 31,
    }
}

/// Says whether a year has 366 days.
pub fn is_leap(year: i32) -> bool {
    year % 4 == 0 && (year % 100 != 0 || year % 400 == 0)
}

/// Month, day of the month and weekday (Sunday is 0) of a day counted from 1970-01-01.
pub fn civil_of_day(days: i64) -> (u32, u32, u32) {
    let (_, month, day) = civil_from_days(days);
    (month, day, weekday(days))
}
