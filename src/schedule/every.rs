//! `every …`: elapsed intervals, calendar intervals, and intervals within hours of the day.

use crate::schedule::UnixMs;
use crate::schedule::civil::{
    Civil, DAY, WallSecond, civil_from_days, days_from_civil, days_in_month, weekday,
};
use crate::schedule::crontab::parse_weekdays;
use crate::schedule::error::{Cursor, ScheduleError, Word};
use crate::schedule::fields::ALL_DOW;
use crate::schedule::search::WallPattern;

/// What stands after `every`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Every {
    /// Milliseconds of elapsed time.
    Elapsed(i64),
    /// Days of the calendar, at the time of day of the anchor.
    Days(i64),
    /// Months of the calendar, at the day and time of day of the anchor.
    Months(i64),
    /// Steps from the opening of a window of the day.
    Hours(DailyHours),
}

/// A step counted anew each day from the opening of a window; both its ends belong to it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct DailyHours {
    pub step: u32,
    /// Seconds after midnight.
    pub open: u32,
    /// Seconds after midnight.
    pub close: u32,
    /// Bit 0 = Sunday.
    pub weekdays: u8,
}

/// Calendar steps counted from an anchor; the anchor itself is the first.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct CalendarSteps {
    pub anchor: WallSecond,
    /// Days in a step, or months if `months`.
    pub step: i64,
    pub months: bool,
}

/// Longest interval: 400 years, beyond which no calendar question is answered.
const LONGEST_MS: i64 = 146_097 * DAY * 1000;

#[derive(Clone, Copy, PartialEq, Eq)]
enum Unit {
    Milliseconds(i64),
    Days(i64),
    Months(i64),
}

fn unit(word: &str) -> Option<Unit> {
    Some(match word {
        "ms" => Unit::Milliseconds(1),
        "s" | "sec" | "second" | "seconds" => Unit::Milliseconds(1000),
        "m" | "min" | "minute" | "minutes" => Unit::Milliseconds(60_000),
        "h" | "hr" | "hour" | "hours" => Unit::Milliseconds(3_600_000),
        "d" | "day" | "days" => Unit::Days(1),
        "w" | "week" | "weeks" => Unit::Days(7),
        "mo" | "month" | "months" => Unit::Months(1),
        "y" | "year" | "years" => Unit::Months(12),
        _ => return None,
    })
}

/// Reads what follows the word `every`.
///
/// `15m`, `1h30m` and `24h` are elapsed time, `1d`, `2w`, `1mo` and `1y` follow the calendar, and
/// `15m 09:00-17:30 mon-fri` restricts elapsed time to hours and weekdays. The shortest interval
/// is one second.
pub(crate) fn parse(text: &str, words: &[Word<'_>]) -> Result<Every, ScheduleError> {
    let is_length = |word: &Word<'_>| {
        let digits = word.text.trim_start_matches(|c: char| c.is_ascii_digit());
        let all_digits = digits.is_empty();
        let has_digits = digits.len() < word.text.len();
        all_digits || (has_digits && !digits.starts_with([':', '-'])) || unit(digits).is_some()
    };
    let count = words.iter().take_while(|word| is_length(word)).count();
    let (lengths, window) = words.split_at(count);
    let every = interval(text, lengths, window.first())?;
    if window.is_empty() {
        return Ok(every);
    }
    daily(text, every, lengths, window)
}

/// Adds up a row of numbers with units, which must be all elapsed, all days or all months.
fn interval(
    text: &str,
    words: &[Word<'_>],
    next: Option<&Word<'_>>,
) -> Result<Every, ScheduleError> {
    let end = Word {
        text: "",
        column: text.chars().count() + 1,
    };
    let Some(first) = words.first() else {
        let error = Cursor::new(text, *next.unwrap_or(&end), None).wrong_here("a length of time");
        return Err(error.with_hint("write every 90s, every 15m, every 1d or every 1month"));
    };
    let mut sum: Option<Unit> = None;
    let mut waiting: Option<(Word<'_>, i64)> = None;
    for word in words {
        let mut cursor = Cursor::new(text, *word, None);
        while !cursor.rest().is_empty() {
            let from = cursor.at();
            let digits = cursor.take_while(|c| c.is_ascii_digit());
            let name = cursor.take_while(|c| c.is_ascii_alphabetic());
            let number = match (digits, waiting.take()) {
                ("", Some((_, number))) => number,
                // A unit alone means one of it: every day.
                ("", None) if sum.is_none() && words.len() == 1 => 1,
                (_, None) => parse_count(&cursor, from, digits)?,
                _ => return Err(cursor.wrong_since(from, "a unit such as s, m, h, d, w or month")),
            };
            if name.is_empty() && cursor.rest().is_empty() {
                waiting = Some((*word, number));
                continue;
            }
            let Some(unit) = unit(name) else {
                let error = cursor.wrong_since(from, "a unit: s, m, h, d, w, mo or y");
                return Err(error.with_hint("lengths look like 90s, 15m, 1h30m, 1d, 2w, 1month"));
            };
            sum = Some(add(sum, unit, number).map_err(|why| cursor.wrong_since(from, why))?);
        }
    }
    if let Some((word, _)) = waiting {
        let error = Cursor::new(text, word, None).wrong_here("a number with a unit");
        return Err(error.with_hint("write every 15m for minutes, every 15s for seconds"));
    }
    match sum {
        Some(Unit::Milliseconds(step)) if step >= 1000 => Ok(Every::Elapsed(step)),
        Some(Unit::Days(step)) if step > 0 => Ok(Every::Days(step)),
        Some(Unit::Months(step)) if step > 0 => Ok(Every::Months(step)),
        _ => {
            let error = Cursor::new(text, *first, None).wrong_here("an interval of at least 1s");
            Err(error.with_hint("the shortest interval is one second"))
        }
    }
}

fn parse_count(cursor: &Cursor<'_>, from: usize, digits: &str) -> Result<i64, ScheduleError> {
    if digits.is_empty() {
        return Err(cursor.wrong_since(from, "a number"));
    }
    let number = digits
        .parse::<i64>()
        .ok()
        .filter(|number| *number <= LONGEST_MS);
    number.ok_or_else(|| cursor.wrong_since(from, "an interval of at most 400 years"))
}

fn add(sum: Option<Unit>, unit: Unit, number: i64) -> Result<Unit, &'static str> {
    const MIXED: &str = "either elapsed time (s, m, h), days (d, w) or months (mo, y)";
    const LONG: &str = "an interval of at most 400 years";
    let total = |sum: i64, size: i64, most: i64| {
        let total = number
            .checked_mul(size)
            .and_then(|part| part.checked_add(sum));
        total.filter(|total| *total <= most).ok_or(LONG)
    };
    match (sum, unit) {
        (None, Unit::Milliseconds(size)) => total(0, size, LONGEST_MS).map(Unit::Milliseconds),
        (Some(Unit::Milliseconds(sum)), Unit::Milliseconds(size)) => {
            total(sum, size, LONGEST_MS).map(Unit::Milliseconds)
        }
        (None, Unit::Days(size)) => total(0, size, 146_097).map(Unit::Days),
        (Some(Unit::Days(sum)), Unit::Days(size)) => total(sum, size, 146_097).map(Unit::Days),
        (None, Unit::Months(size)) => total(0, size, 4800).map(Unit::Months),
        (Some(Unit::Months(sum)), Unit::Months(size)) => total(sum, size, 4800).map(Unit::Months),
        _ => Err(MIXED),
    }
}

/// Reads the window `09:00-17:30` and the weekdays, either of which may be missing.
fn daily(
    text: &str,
    every: Every,
    lengths: &[Word<'_>],
    words: &[Word<'_>],
) -> Result<Every, ScheduleError> {
    let step = match every {
        Every::Elapsed(step) if step % 1000 == 0 && step <= DAY * 1000 => (step / 1000) as u32,
        _ => {
            let error = Cursor::new(text, lengths[0], None).wrong_here("whole seconds up to 24h");
            return Err(error.with_hint("hours of the day go with s, m and h only"));
        }
    };
    let mut rest = words;
    let (mut open, mut close) = (0, DAY as u32 - 1);
    if let [word, after @ ..] = rest
        && word.text.starts_with(|c: char| c.is_ascii_digit())
    {
        let mut cursor = Cursor::new(text, *word, None);
        open = time_of_day(&mut cursor)?;
        if !cursor.take('-') {
            return Err(cursor.wrong_here("a window such as 09:00-17:30"));
        }
        close = time_of_day(&mut cursor)?.min(DAY as u32 - 1);
        if !cursor.rest().is_empty() {
            return Err(cursor.wrong_here("the end of the window"));
        }
        if open > close {
            let error = cursor.wrong_since(0, "a window within one day");
            return Err(error.with_hint("for a night write two schedules, one for each day"));
        }
        rest = after;
    }
    let weekdays = match rest {
        [] => ALL_DOW,
        [word] => parse_weekdays(text, *word)?,
        [_, more, ..] => {
            return Err(Cursor::new(text, *more, None).wrong_here("the end of the schedule"));
        }
    };
    Ok(Every::Hours(DailyHours {
        step,
        open,
        close,
        weekdays,
    }))
}

/// Reads `HH:MM` or `HH:MM:SS`; `24:00` is the end of the day. Returns seconds after midnight.
fn time_of_day(cursor: &mut Cursor<'_>) -> Result<u32, ScheduleError> {
    const EXPECTED: &str = "a time of day, HH:MM";
    let from = cursor.at();
    let written = cursor.take_while(|c| c.is_ascii_digit() || c == ':');
    let mut parts = [0; 3];
    let mut count = 0;
    for part in written.split(':') {
        let value = part
            .parse::<u32>()
            .ok()
            .filter(|_| part.len() <= 2 && count < 3);
        parts[count.min(2)] = value.ok_or_else(|| cursor.wrong_since(from, EXPECTED))?;
        count += 1;
    }
    let [hour, minute, second] = parts;
    let time = hour * 3600 + minute * 60 + second;
    let valid = count >= 2 && minute < 60 && second < 60 && time <= DAY as u32;
    if valid {
        Ok(time)
    } else {
        Err(cursor.wrong_since(from, EXPECTED))
    }
}

/// Returns the first instant strictly after `after` on the grid of `step` from `anchor`, whose
/// first point is the anchor. All in milliseconds.
pub(crate) fn next_elapsed(step: i64, anchor: UnixMs, after: UnixMs) -> Option<UnixMs> {
    if after < anchor {
        return Some(anchor);
    }
    let steps = (i128::from(after) - i128::from(anchor)) / i128::from(step) + 1;
    i64::try_from(i128::from(anchor) + steps * i128::from(step)).ok()
}

/// Mirror of [`next_elapsed`].
pub(crate) fn prev_elapsed(step: i64, anchor: UnixMs, before: UnixMs) -> Option<UnixMs> {
    if before <= anchor {
        return None;
    }
    let steps = (i128::from(before) - 1 - i128::from(anchor)) / i128::from(step);
    i64::try_from(i128::from(anchor) + steps * i128::from(step)).ok()
}

impl CalendarSteps {
    /// Returns the wall second of the step with this number, or none before the anchor.
    ///
    /// A day the month does not have becomes its last; the count is always from the anchor, so
    /// that January 31 gives February 28 and then March 31.
    fn wall(&self, number: i64) -> Option<WallSecond> {
        if number < 0 {
            return None;
        }
        if !self.months {
            return Some(self.anchor + number * self.step * DAY);
        }
        let anchor = Civil::from_wall(self.anchor);
        let months = i64::from(anchor.year) * 12 + i64::from(anchor.month) - 1 + number * self.step;
        let (year, month) = (
            months.div_euclid(12) as i32,
            months.rem_euclid(12) as u32 + 1,
        );
        let day = anchor.day.min(days_in_month(year, month));
        Some(days_from_civil(year, month, day) * DAY + self.anchor.rem_euclid(DAY))
    }

    /// Returns the number of a step not after `wall`, at most two short of the last such.
    fn number_before(&self, wall: WallSecond) -> i64 {
        if !self.months {
            return (wall - self.anchor).div_euclid(self.step * DAY) - 1;
        }
        let months_of = |wall: WallSecond| {
            let (year, month, _) = civil_from_days(wall.div_euclid(DAY));
            i64::from(year) * 12 + i64::from(month)
        };
        (months_of(wall) - months_of(self.anchor)).div_euclid(self.step) - 1
    }
}

impl WallPattern for CalendarSteps {
    fn next_wall(&self, from: WallSecond) -> Option<WallSecond> {
        let first = self.number_before(from).max(0);
        (first..first + 4)
            .filter_map(|number| self.wall(number))
            .find(|wall| *wall >= from)
    }

    fn prev_wall(&self, to: WallSecond) -> Option<WallSecond> {
        let first = self.number_before(to);
        (first..first + 4)
            .rev()
            .filter_map(|number| self.wall(number))
            .find(|wall| *wall <= to)
    }
}

impl DailyHours {
    fn opens_on(&self, day: i64) -> bool {
        self.weekdays >> weekday(day) & 1 == 1
    }
}

impl WallPattern for DailyHours {
    fn next_wall(&self, from: WallSecond) -> Option<WallSecond> {
        let today = from.div_euclid(DAY);
        let time = from.rem_euclid(DAY) as u32;
        let steps = time.saturating_sub(self.open).div_ceil(self.step);
        let at = self.open + steps * self.step;
        if self.opens_on(today) && at <= self.close {
            return Some(today * DAY + i64::from(at));
        }
        let day = (today + 1..=today + 7).find(|day| self.opens_on(*day))?;
        Some(day * DAY + i64::from(self.open))
    }

    fn prev_wall(&self, to: WallSecond) -> Option<WallSecond> {
        let today = to.div_euclid(DAY);
        let time = (to.rem_euclid(DAY) as u32).min(self.close);
        let last = |time: u32| self.open + (time - self.open) / self.step * self.step;
        if self.opens_on(today) && time >= self.open {
            return Some(today * DAY + i64::from(last(time)));
        }
        let day = (today - 7..today).rev().find(|day| self.opens_on(*day))?;
        Some(day * DAY + i64::from(last(self.close)))
    }
}
