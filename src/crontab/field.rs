//! The five time fields: what each may hold, and the sets an entry ends up with.

use std::fmt;

/// One of the five time fields, in the order they are written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Field {
    Minute,
    Hour,
    DayOfMonth,
    Month,
    DayOfWeek,
}

const MONTHS: [&str; 12] = [
    "jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec",
];
const WEEKDAYS: [&str; 7] = ["sun", "mon", "tue", "wed", "thu", "fri", "sat"];

impl Field {
    /// The fields in the order they are written.
    pub const ALL: [Field; 5] = [
        Field::Minute,
        Field::Hour,
        Field::DayOfMonth,
        Field::Month,
        Field::DayOfWeek,
    ];

    /// Lowest value of the field.
    pub fn low(self) -> i32 {
        match self {
            Field::DayOfMonth | Field::Month => 1,
            Field::Minute | Field::Hour | Field::DayOfWeek => 0,
        }
    }

    /// Highest value of the field; 7 is a second Sunday.
    pub fn high(self) -> i32 {
        match self {
            Field::Minute => 59,
            Field::Hour => 23,
            Field::DayOfMonth => 31,
            Field::Month => 12,
            Field::DayOfWeek => 7,
        }
    }

    /// Three-letter names, the first standing for the lowest value.
    pub(crate) fn names(self) -> &'static [&'static str] {
        match self {
            Field::Month => &MONTHS,
            Field::DayOfWeek => &WEEKDAYS,
            Field::Minute | Field::Hour | Field::DayOfMonth => &[],
        }
    }

    /// The name in cron's own messages.
    pub fn as_str(self) -> &'static str {
        match self {
            Field::Minute => "minute",
            Field::Hour => "hour",
            Field::DayOfMonth => "day-of-month",
            Field::Month => "month",
            Field::DayOfWeek => "day-of-week",
        }
    }
}

impl fmt::Display for Field {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str(self.as_str())
    }
}

/// What an entry matches: bit `n` of a set stands for the value `n`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct FieldSets {
    pub minute: u64,
    pub hour: u32,
    pub dom: u32,
    pub month: u32,
    /// Bits 0 to 7; 0 and 7 are both set when either is, as the originals do.
    pub dow: u8,
    /// The field's first character is `*` (so `*/2` and `*,5` count, `1-31` and `5,*` do not).
    pub minute_star: bool,
    pub hour_star: bool,
    pub dom_star: bool,
    pub dow_star: bool,
}

/// February can have 29 days, so a 29th of February does come.
const LONGEST: [u32; 12] = [31, 29, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31];

impl FieldSets {
    /// The set of one field, bit `n` for the value `n`.
    pub fn get(&self, field: Field) -> u64 {
        match field {
            Field::Minute => self.minute,
            Field::Hour => u64::from(self.hour),
            Field::DayOfMonth => u64::from(self.dom),
            Field::Month => u64::from(self.month),
            Field::DayOfWeek => u64::from(self.dow),
        }
    }

    /// Replaces the set of one field; a Sunday sets both its bits.
    pub(crate) fn put(&mut self, field: Field, bits: u64) {
        match field {
            Field::Minute => self.minute = bits,
            Field::Hour => self.hour = bits as u32,
            Field::DayOfMonth => self.dom = bits as u32,
            Field::Month => self.month = bits as u32,
            Field::DayOfWeek => {
                let sunday = if bits & 0x81 == 0 { 0 } else { 0x81 };
                self.dow = (bits as u8) | sunday;
            }
        }
    }

    pub(crate) fn mark_star(&mut self, field: Field) {
        match field {
            Field::Minute => self.minute_star = true,
            Field::Hour => self.hour_star = true,
            Field::DayOfMonth => self.dom_star = true,
            // The originals keep no such flag for months: nothing depends on it.
            Field::Month => {}
            Field::DayOfWeek => self.dow_star = true,
        }
    }

    /// The values of one field in rising order (weekday 7 follows when 0 is there).
    pub fn values(&self, field: Field) -> Vec<u8> {
        let bits = self.get(field);
        (0..64).filter(|&n| bits & (1 << n) != 0).collect()
    }

    /// Whether either day field is enough (`true`) or both must match: the rule of crontab(5), by
    /// the first character of the fields, as measured in both crons.
    pub fn either_day_matches(&self) -> bool {
        !self.dom_star && !self.dow_star
    }

    /// Whether any minute of any year matches.
    pub fn can_fire(&self) -> bool {
        if self.minute == 0 || self.hour == 0 || self.month == 0 {
            return false;
        }
        let date_comes = (1..=12u32).zip(LONGEST).any(|(month, days)| {
            // Bits 1 to `days`.
            let in_month = (u32::MAX >> (31 - days)) & !1;
            self.month & (1 << month) != 0 && self.dom & in_month != 0
        });
        if self.either_day_matches() {
            date_comes || self.dow != 0
        } else {
            date_comes && self.dow != 0
        }
    }
}

/// All values of a field, bit `n` for the value `n`.
pub(crate) fn all_bits(field: Field) -> u64 {
    (field.low()..=field.high()).fold(0, |bits, value| bits | (1 << value))
}
