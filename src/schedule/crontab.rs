//! The five fields of a crontab line, as the parsers of cronie and Debian's cron read them.
//!
//! Stricter than those where they do nothing without a word: a backwards range, junk after an item
//! and numbers beyond 32 bits are refused.

use crate::schedule::ParseOptions;
use crate::schedule::error::{Cursor, FieldName, ScheduleError, Word};
use crate::schedule::fields::Fields;
use crate::schedule::spread::draw;

/// What may stand in one field.
pub(crate) struct FieldRule {
    pub name: FieldName,
    pub low: u32,
    pub high: u32,
    /// Three-letter names, the first of them meaning `low`.
    pub names: &'static [&'static str],
}

pub(crate) const MONTH_NAMES: &[&str] = &[
    "jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec",
];
pub(crate) const DOW_NAMES: &[&str] = &["sun", "mon", "tue", "wed", "thu", "fri", "sat"];

const RULES: [FieldRule; 5] = [
    FieldRule {
        name: FieldName::Minute,
        low: 0,
        high: 59,
        names: &[],
    },
    FieldRule {
        name: FieldName::Hour,
        low: 0,
        high: 23,
        names: &[],
    },
    FieldRule {
        name: FieldName::DayOfMonth,
        low: 1,
        high: 31,
        names: &[],
    },
    FieldRule {
        name: FieldName::Month,
        low: 1,
        high: 12,
        names: MONTH_NAMES,
    },
    FieldRule {
        name: FieldName::DayOfWeek,
        low: 0,
        high: 7,
        names: DOW_NAMES,
    },
];

/// Reads exactly five words as the fields of a crontab line.
pub(crate) fn parse(
    text: &str,
    words: &[Word<'_>; 5],
    options: &ParseOptions,
) -> Result<Fields, ScheduleError> {
    let mut sets = [0; 5];
    for ((set, word), rule) in sets.iter_mut().zip(words).zip(&RULES) {
        *set = FieldParser {
            cursor: Cursor::new(text, *word, Some(rule.name)),
            rule,
            options,
        }
        .list()?;
    }
    let [minute, hour, dom, month, dow] = sets;
    let [minute_star, hour_star, dom_star, _, dow_star] =
        words.map(|word| word.text.starts_with('*'));
    Ok(Fields {
        minute,
        hour: hour as u32,
        dom: dom as u32,
        month: month as u16,
        dow: fold_sunday(dow),
        minute_star,
        hour_star,
        dom_star,
        dow_star,
        ..Fields::default()
    })
}

/// Reads one word as a day-of-week field; bit 0 is Sunday.
pub(crate) fn parse_weekdays(text: &str, word: Word<'_>) -> Result<u8, ScheduleError> {
    let [.., rule] = &RULES;
    let options = ParseOptions::default();
    let cursor = Cursor::new(text, word, Some(rule.name));
    FieldParser {
        cursor,
        rule,
        options: &options,
    }
    .list()
    .map(fold_sunday)
}

/// Reads one list item that begins with `H`, in a field that is not a crontab's, as a set.
pub(crate) fn parse_hash(
    text: &str,
    item: Word<'_>,
    rule: &'static FieldRule,
    options: &ParseOptions,
) -> Result<u64, ScheduleError> {
    FieldParser {
        cursor: Cursor::new(text, item, Some(rule.name)),
        rule,
        options,
    }
    .list()
}

/// Returns the field that a line of `count` words lacks first.
pub(crate) fn missing_field(count: usize) -> FieldName {
    RULES[count.min(RULES.len() - 1)].name
}

/// Sunday may be written 0 or 7; both are bit 0 from here on.
fn fold_sunday(set: u64) -> u8 {
    (set & 0x7f | set >> 7 & 1) as u8
}

pub(crate) struct FieldParser<'t, 'o> {
    pub cursor: Cursor<'t>,
    pub rule: &'static FieldRule,
    options: &'o ParseOptions,
}

impl FieldParser<'_, '_> {
    fn list(mut self) -> Result<u64, ScheduleError> {
        let mut set = 0;
        let mut position = 0;
        loop {
            let from = self.cursor.at();
            set |= self.item(position)?;
            position += 1;
            if self.cursor.rest().is_empty() {
                return Ok(set);
            }
            if !self.cursor.take(',') {
                return Err(self.left_over(from));
            }
        }
    }

    fn item(&mut self, position: usize) -> Result<u64, ScheduleError> {
        let from = self.cursor.at();
        let FieldRule { low, high, .. } = *self.rule;
        if self.cursor.take('*') {
            return Ok(stepped(low, high, self.step()?.unwrap_or(1)));
        }
        if self.options.allow_hash && self.cursor.take('H') {
            return self.hashed(position);
        }
        if self.cursor.take('~') {
            return self.drawn(from, None, position);
        }
        let first = self.value()?;
        if self.cursor.take('~') {
            return self.drawn(from, Some(first), position);
        }
        if !self.cursor.take('-') {
            if self.cursor.peek() == Some('/') {
                return Err(self.step_without_range(from, first));
            }
            return Ok(1 << first);
        }
        let mut last = self.value()?;
        let sunday_end = self.rule.name == FieldName::DayOfWeek && last == 0 && first > 0;
        if sunday_end && self.cursor.peek() != Some('/') {
            // cronie reads a weekday range that ends in Sunday as one that ends in 7.
            last = 7;
        }
        if first > last {
            return Err(self.backwards(from, first, last));
        }
        Ok(stepped(first, last, self.step()?.unwrap_or(1)))
    }

    /// Reads a number or a name and checks it against the bounds of the field.
    fn value(&mut self) -> Result<u32, ScheduleError> {
        let from = self.cursor.at();
        let digits = self.cursor.take_while(|c| c.is_ascii_digit());
        if !digits.is_empty() {
            let value = digits.parse::<u32>().ok();
            return value
                .filter(|value| (self.rule.low..=self.rule.high).contains(value))
                .ok_or_else(|| self.out_of_bounds(from, digits));
        }
        let word = self.cursor.take_while(|c| c.is_ascii_alphabetic());
        if word.is_empty() {
            return Err(self.junk(&format!("{}, a list or *", self.bounds())));
        }
        let named = self
            .rule
            .names
            .iter()
            .position(|name| name.eq_ignore_ascii_case(word));
        match named {
            Some(index) => Ok(self.rule.low + index as u32),
            None => {
                let error = self.cursor.wrong_since(from, self.bounds());
                Err(match self.word_hint(word) {
                    Some(hint) => error.with_hint(hint),
                    None => error,
                })
            }
        }
    }

    /// Reads `/n` if it stands here.
    fn step(&mut self) -> Result<Option<u32>, ScheduleError> {
        if !self.cursor.take('/') {
            return Ok(None);
        }
        let from = self.cursor.at();
        let digits = self.cursor.take_while(|c| c.is_ascii_digit());
        if digits.is_empty() {
            let error = self.cursor.wrong_here("a step, a whole number from 1");
            return Err(error.with_hint("a step is written in digits, as in */5 or 0-30/5"));
        }
        match digits.parse() {
            Ok(step) if step > 0 => Ok(Some(step)),
            _ => Err(self.bad_step(from, digits)),
        }
    }

    /// Draws a number for cronie's `a~b`, `a~`, `~b` and `~`; the bound is checked here.
    fn drawn(
        &mut self,
        from: usize,
        first: Option<u32>,
        position: usize,
    ) -> Result<u64, ScheduleError> {
        let FieldRule {
            name, low, high, ..
        } = *self.rule;
        // Without bounds Sunday would be drawn twice as often, as 0 and as 7.
        let open_end = if name == FieldName::DayOfWeek && first.is_none() {
            6
        } else {
            high
        };
        let first = first.unwrap_or(low);
        let last = match self.cursor.peek() {
            None | Some(',') => open_end,
            Some(_) => self
                .value()
                .map_err(|error| self.drawn_too_far(from, error))?,
        };
        if first > last {
            let error = self
                .cursor
                .wrong_since(from, "a random range from low to high");
            return Err(error.with_hint(format!(
                "write {last}~{first}; Debian's cron knows no ~ and reads {first} alone"
            )));
        }
        Ok(1 << draw(self.options.seed, name, position, first, last))
    }

    /// Reads what follows a Jenkins `H`: nothing, `/n`, `(a-b)` or `(a-b)/n`.
    fn hashed(&mut self, position: usize) -> Result<u64, ScheduleError> {
        let seed = self.options.seed;
        let FieldRule { name, low, .. } = *self.rule;
        let (mut first, mut last) = match name {
            // As in Jenkins: days that every month has, and Sunday only once.
            FieldName::DayOfMonth => (low, 28),
            FieldName::DayOfWeek => (low, low + 6),
            _ => (low, self.rule.high),
        };
        if self.cursor.take('(') {
            let from = self.cursor.at();
            first = self.value()?;
            if !self.cursor.take('-') {
                return Err(self.cursor.wrong_here("a range such as H(0-29)"));
            }
            last = self.value()?;
            if first > last {
                return Err(self.cursor.wrong_since(from, "a range from low to high"));
            }
            if !self.cursor.take(')') {
                return Err(self.cursor.wrong_here("a closing parenthesis"));
            }
        }
        match self.step()? {
            None => Ok(1 << draw(seed, name, position, first, last)),
            Some(step) => {
                let latest = last.min(first.saturating_add(step - 1));
                Ok(stepped(
                    draw(seed, name, position, first, latest),
                    last,
                    step,
                ))
            }
        }
    }
}

/// Returns the values from `first` to `last` in steps; a step beyond the end leaves `first` alone.
fn stepped(first: u32, last: u32, step: u32) -> u64 {
    (first..=last)
        .step_by(step as usize)
        .fold(0, |set, value| set | 1 << value)
}
