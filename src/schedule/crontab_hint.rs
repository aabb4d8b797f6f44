//! What is said about crontab fields that are refused: what was perhaps meant, and what crons that
//! take them do.

use crate::schedule::crontab::{DOW_NAMES, FieldParser, FieldRule, MONTH_NAMES};
use crate::schedule::error::{FieldName, ScheduleError};

impl FieldParser<'_, '_> {
    pub fn bounds(&self) -> String {
        let FieldRule {
            low, high, names, ..
        } = *self.rule;
        match (names.first(), names.last()) {
            (Some(first), Some(last)) => format!("{low}-{high} or {first}-{last}"),
            _ => format!("{low}-{high}"),
        }
    }

    pub fn junk(&self, expected: &str) -> ScheduleError {
        let error = self.cursor.wrong_here(expected);
        let hint = match self.cursor.peek() {
            None | Some(',') if self.cursor.since(0).ends_with(['-', '~']) => {
                Some("the range has no end, as in 0-30".to_owned())
            }
            None | Some(',') => Some("a list item is empty; leave the comma out".to_owned()),
            Some('-') if self.cursor.at() == 0 && self.rule.name == FieldName::Minute => Some(
                "a leading - is cronie's flag against logging, not a part of the schedule"
                    .to_owned(),
            ),
            Some('+' | '-') => Some("numbers have no sign".to_owned()),
            Some('$') => Some("for the last day of the month write 0 0 0 L * ?".to_owned()),
            Some(sign @ ('#' | '?')) => Some(quartz_hint(sign)),
            Some('/') => Some("a step follows * or a range, as in */5 or 0-30/5".to_owned()),
            Some(c) if c.is_ascii_alphabetic() => {
                self.word_hint(self.cursor.clone().take_while(|c| c.is_ascii_alphabetic()))
            }
            _ => None,
        };
        match hint {
            Some(hint) => error.with_hint(hint),
            None => error,
        }
    }

    /// Makes an error about what follows an item that began at byte `from`.
    pub fn left_over(&self, from: usize) -> ScheduleError {
        const EXPECTED: &str = "a comma or the end of the field";
        let read = &self.cursor.since(from);
        let Some(next) = self.cursor.peek() else {
            return self.junk(EXPECTED);
        };
        if let Some(hint) = self.unit_hint(read) {
            return self.cursor.wrong_here(EXPECTED).with_hint(hint);
        }
        // Its parser reads letters and digits as one word, so only other characters end one.
        if next.is_ascii_alphanumeric() && *read != "*" {
            return self.junk(EXPECTED);
        }
        let meant = match next {
            '#' => format!("; {}", quartz_hint('#')),
            '.' => "; there are whole numbers only".to_owned(),
            '/' => "; there is one step".to_owned(),
            _ => String::new(),
        };
        self.cursor.wrong_here(EXPECTED).with_hint(format!(
            "Debian's cron drops the rest of such a field without a word and reads {}{meant}",
            self.as_debian_reads(read)
        ))
    }

    /// Returns the part of an item that a cron without `~` takes.
    fn as_debian_reads<'r>(&self, read: &'r str) -> &'r str {
        read.split('~')
            .next()
            .filter(|read| !read.is_empty())
            .unwrap_or(read)
    }

    /// Guesses what letters after a number mean: `5pm`, `1st`, `10s`.
    fn unit_hint(&self, read: &str) -> Option<String> {
        let number: u32 = read.parse().ok()?;
        let letters = self.cursor.clone().take_while(|c| c.is_ascii_alphabetic());
        let name = self.rule.name;
        Some(match (letters.to_ascii_lowercase().as_str(), name) {
            ("am" | "pm", FieldName::Hour) if (1..=12).contains(&number) => {
                let afternoon = letters.eq_ignore_ascii_case("pm");
                let hour = number % 12 + 12 * u32::from(afternoon);
                format!("hours count from 0 to 23; write {hour}")
            }
            ("st" | "nd" | "rd" | "th", _) => format!("write {number}"),
            ("s" | "sec", _) => format!("for every {number} seconds write every {number}s"),
            ("m" | "min", FieldName::Minute) | ("h", FieldName::Hour) => {
                format!("fields have no units; write {number}, or */{number} for every {number}")
            }
            _ => return None,
        })
    }

    /// Makes an error about a number of the field that is too low or too high.
    pub fn out_of_bounds(&self, from: usize, digits: &str) -> ScheduleError {
        let error = self.cursor.wrong_since(from, self.bounds());
        let hint = match (digits.trim_start_matches('0'), self.rule.name) {
            _ if digits.parse::<u32>().is_err() => wrapped(digits),
            ("60", FieldName::Minute) => "the minute after 59 is 0 of the next hour".to_owned(),
            ("24", FieldName::Hour) => "midnight is hour 0".to_owned(),
            ("", FieldName::DayOfMonth) => "days of the month count from 1".to_owned(),
            ("", FieldName::Month) => "months count from 1 = jan".to_owned(),
            (_, FieldName::DayOfWeek) => "0 and 7 are Sunday, 6 is Saturday".to_owned(),
            _ => return error,
        };
        error.with_hint(hint)
    }

    /// Makes an error about a step of zero or one too large for any number.
    pub fn bad_step(&self, from: usize, digits: &str) -> ScheduleError {
        let error = self
            .cursor
            .wrong_since(from, "a step, a whole number from 1");
        error.with_hint(match digits.trim_start_matches('0') {
            "" => "a step of 0 never gets on; leave it out for every value".to_owned(),
            _ => wrapped(digits),
        })
    }

    /// Adds what cronie does with an upper end of `~` that the field does not have.
    pub fn drawn_too_far(&self, from: usize, error: ScheduleError) -> ScheduleError {
        let Ok(last) = error.found.parse::<u32>() else {
            let first = self.as_debian_reads(self.cursor.since(from));
            return error.with_hint(format!(
                "cronie wants a number on either side of ~; Debian's cron knows no ~ and reads \
                 {first} alone"
            ));
        };
        error.with_hint(format!(
            "cronie does not check the upper end: whenever it draws more than {} it drops the \
             whole line, and it draws anew at each load; write {}",
            self.rule.high,
            self.rule.high.min(last)
        ))
    }

    pub fn word_hint(&self, word: &str) -> Option<String> {
        let upper = word.to_ascii_uppercase();
        if let "L" | "LW" | "W" = upper.as_str() {
            return Some(quartz_hint(word));
        }
        if upper == "H" {
            return Some("H needs the name of a job to spread by; write a number or ~".to_owned());
        }
        let short = self.rule.names.iter().find(|name| {
            word.get(..3)
                .is_some_and(|start| start.eq_ignore_ascii_case(name))
        });
        if let Some(name) = short {
            return Some(format!("names have three letters here: {name}"));
        }
        if upper == "R" {
            return Some("for a number drawn once write ~".to_owned());
        }
        let known = |names: &[&str]| names.iter().any(|name| name.eq_ignore_ascii_case(word));
        if known(MONTH_NAMES) {
            return Some(format!(
                "{word} is a month; that is the fourth field of five"
            ));
        }
        if known(DOW_NAMES) {
            return Some(format!(
                "{word} is a day of the week; that is the fifth field of five"
            ));
        }
        if self.rule.names.is_empty() {
            return Some(format!("the {} field has no names", self.rule.name));
        }
        None
    }

    pub fn step_without_range(&mut self, from: usize, first: u32) -> ScheduleError {
        let high = self
            .rule
            .high
            .min(if self.rule.name == FieldName::DayOfWeek {
                6
            } else {
                99
            });
        let step = self.cursor.rest().trim_start_matches('/');
        let step = step.split(',').next().unwrap_or(step).to_owned();
        self.cursor.take_while(|c| c != ',');
        let error = self.cursor.wrong_since(from, "a range before the step");
        error.with_hint(format!(
            "crons refuse a step on one value; write {first}-{high}/{step}"
        ))
    }

    pub fn backwards(&mut self, from: usize, first: u32, last: u32) -> ScheduleError {
        let FieldRule {
            name, low, high, ..
        } = *self.rule;
        let error = self.cursor.wrong_since(from, "a range from low to high");
        let found = error.found.clone();
        if name == FieldName::DayOfWeek && last == 0 {
            return error.with_hint(format!(
                "{found} before a step is empty in every cron; end the range in 7: {first}-7"
            ));
        }
        let span = |a: u32, b: u32| {
            if a == b {
                b.to_string()
            } else {
                format!("{a}-{b}")
            }
        };
        let forwards = match name {
            FieldName::DayOfWeek if first == 7 => span(low, last),
            FieldName::DayOfWeek => format!("{},{}", span(first, 6), span(low, last)),
            _ => format!("{},{}", span(first, high), span(low, last)),
        };
        error.with_hint(format!(
            "{found} is backwards; cronie and Debian's cron accept it and run at none of its values. \
             Write {forwards}"
        ))
    }
}

/// Says what crons make of a number that does not fit.
fn wrapped(digits: &str) -> String {
    let low = digits.bytes().fold(0_u32, |low, digit| {
        low.wrapping_mul(10).wrapping_add(u32::from(digit - b'0'))
    });
    format!("cronie and Debian's cron keep the low 32 bits of a number and read this as {low}")
}

fn quartz_hint(token: impl std::fmt::Display) -> String {
    format!("{token} belongs to the form with seconds, as in 0 0 12 L * ? or 0 0 12 ? * FRI#2")
}
