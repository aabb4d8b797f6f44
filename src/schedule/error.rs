//! What is wrong with a schedule expression, and where.

use std::fmt;

/// A field of a cron expression.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum FieldName {
    Second,
    Minute,
    Hour,
    DayOfMonth,
    Month,
    DayOfWeek,
    Year,
}

impl FieldName {
    /// Returns the name in words.
    pub fn as_str(self) -> &'static str {
        match self {
            FieldName::Second => "second",
            FieldName::Minute => "minute",
            FieldName::Hour => "hour",
            FieldName::DayOfMonth => "day of month",
            FieldName::Month => "month",
            FieldName::DayOfWeek => "day of week",
            FieldName::Year => "year",
        }
    }
}

impl fmt::Display for FieldName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// A schedule expression that was refused.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ScheduleError {
    /// The expression as it was given.
    pub text: String,
    /// The field at fault, if the expression has fields.
    pub field: Option<FieldName>,
    /// Where the fault is: characters from the start of the text, counted from 1.
    pub column: usize,
    /// What stands there; empty at the end of the text.
    pub found: String,
    /// What may stand there.
    pub expected: String,
    /// What to write instead, or why other programs take it.
    pub hint: Option<String>,
}

impl ScheduleError {
    /// Returns two lines: the expression, and carets under what was found.
    pub fn caret(&self) -> String {
        let line: String = self
            .text
            .chars()
            .map(|c| if c.is_control() { ' ' } else { c })
            .collect();
        let marks = "^".repeat(self.found.chars().count().max(1));
        format!(
            "{line}\n{}{marks}",
            " ".repeat(self.column.saturating_sub(1))
        )
    }

    pub(crate) fn with_hint(mut self, hint: impl Into<String>) -> ScheduleError {
        self.hint = Some(hint.into());
        self
    }
}

impl fmt::Display for ScheduleError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(field) = self.field {
            write!(f, "{field} field, ")?;
        }
        write!(
            f,
            "column {}: expected {}, found ",
            self.column, self.expected
        )?;
        if self.found.is_empty() {
            return f.write_str("nothing");
        }
        write!(f, "{:?}", self.found)
    }
}

impl std::error::Error for ScheduleError {}

/// A word of an expression and where it begins.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Word<'t> {
    pub text: &'t str,
    /// Characters from the start of the expression, counted from 1.
    pub column: usize,
}

/// Splits an expression at runs of blanks and tabs, which are all that separates fields.
pub(crate) fn split_words(text: &str) -> Vec<Word<'_>> {
    let mut words = Vec::new();
    let mut column = 1;
    for piece in text.split([' ', '\t']) {
        if !piece.is_empty() {
            words.push(Word {
                text: piece,
                column,
            });
        }
        column += piece.chars().count() + 1;
    }
    words
}

/// Where in an expression a parser stands, with what it needs to complain.
#[derive(Clone, Debug)]
pub(crate) struct Cursor<'t> {
    /// The whole expression, for errors.
    whole: &'t str,
    word: Word<'t>,
    field: Option<FieldName>,
    /// Bytes of the word already read.
    at: usize,
}

impl<'t> Cursor<'t> {
    pub fn new(whole: &'t str, word: Word<'t>, field: Option<FieldName>) -> Cursor<'t> {
        Cursor {
            whole,
            word,
            field,
            at: 0,
        }
    }

    pub fn at(&self) -> usize {
        self.at
    }

    pub fn rest(&self) -> &'t str {
        &self.word.text[self.at..]
    }

    /// Returns what was read since byte `from` of the word.
    pub fn since(&self, from: usize) -> &'t str {
        &self.word.text[from..self.at]
    }

    pub fn peek(&self) -> Option<char> {
        self.rest().chars().next()
    }

    /// Moves past `expected` if it stands here.
    pub fn take(&mut self, expected: char) -> bool {
        let there = self.peek() == Some(expected);
        if there {
            self.at += expected.len_utf8();
        }
        there
    }

    /// Moves past all characters that belong to a class and returns them.
    pub fn take_while(&mut self, belongs: impl Fn(char) -> bool) -> &'t str {
        let rest = self.rest();
        let length = rest.find(|c| !belongs(c)).unwrap_or(rest.len());
        self.at += length;
        &rest[..length]
    }

    /// Makes an error about what was read since byte `from` of the word.
    pub fn wrong_since(&self, from: usize, expected: impl Into<String>) -> ScheduleError {
        self.wrong(from, &self.word.text[from..self.at], expected)
    }

    /// Makes an error about what stands here, up to the next comma.
    pub fn wrong_here(&self, expected: impl Into<String>) -> ScheduleError {
        let rest = self.rest();
        let found = match rest.find(',') {
            Some(0) => ",",
            Some(end) => &rest[..end],
            None => rest,
        };
        self.wrong(self.at, found, expected)
    }

    fn wrong(&self, from: usize, found: &str, expected: impl Into<String>) -> ScheduleError {
        ScheduleError {
            text: self.whole.to_owned(),
            field: self.field,
            column: self.word.column + self.word.text[..from].chars().count(),
            found: found.to_owned(),
            expected: expected.into(),
            hint: None,
        }
    }
}
