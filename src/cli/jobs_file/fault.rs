//! What is wrong in jobs files, and where.

use std::ops::Range;

use serde_json::{Value, json};

use crate::cli::error::CliError;
use crate::view::text::{clean_all, columns};

/// A file as it was read.
#[derive(Clone, Debug, Default)]
pub struct Source {
    /// Its path as people are shown it.
    pub name: String,
    /// Its text.
    pub text: String,
}

/// A place in one of the files.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Spot {
    /// Which file, counted from 0.
    pub file: usize,
    /// Its bytes.
    pub span: Range<usize>,
}

/// Something wrong at a place.
#[derive(Clone, Debug)]
pub struct Fault {
    /// Where.
    pub spot: Spot,
    /// What.
    pub message: String,
    /// What to do.
    pub hint: Option<String>,
}

/// Columns of a line that are shown.
const WIDEST: usize = 160;

impl Fault {
    /// A fault without a hint.
    pub fn new(spot: &Spot, message: impl Into<String>) -> Fault {
        Fault {
            spot: spot.clone(),
            message: message.into(),
            hint: None,
        }
    }

    /// The same with a hint.
    pub fn hint(mut self, hint: impl Into<String>) -> Fault {
        self.hint = Some(hint.into());
        self
    }

    /// What another command would say, at a place in a file. Flags it names are keys here.
    pub fn of(spot: &Spot, error: CliError) -> Fault {
        let as_keys = |hint: String| {
            hint.replace("--jitter ", "jitter = ")
                .replace("--calendar NAME", "calendar = \"NAME\"")
        };
        Fault {
            spot: spot.clone(),
            message: error.message,
            hint: error.hint.map(as_keys),
        }
    }

    /// For people: file, line and column as editors read them, and the line with a caret.
    pub fn in_words(&self, sources: &[Source]) -> String {
        let source = &sources[self.spot.file];
        let place = place(source, &self.spot.span);
        let number = place.line.to_string();
        let margin = " ".repeat(number.len());
        let before: String = place.text.chars().take(place.column - 1).collect();
        let mut words = format!(
            "{}:{}:{}: {}\n",
            clean_all(&source.name),
            place.line,
            place.column,
            clean_all(&self.message)
        );
        if columns(&before) + place.width <= WIDEST {
            let shown: String = clean_all(&place.text).chars().take(WIDEST).collect();
            words.push_str(&format!(
                "  {number} | {shown}\n  {margin} | {}{}\n",
                " ".repeat(columns(&clean_all(&before))),
                "^".repeat(place.width.max(1))
            ));
        }
        if let Some(hint) = &self.hint {
            words.push_str(&format!("  tip: {}\n", clean_all(hint)));
        }
        words
    }

    /// For programs.
    pub fn item(&self, sources: &[Source]) -> Value {
        let source = &sources[self.spot.file];
        let place = place(source, &self.spot.span);
        json!({
            "file": source.name,
            "line": place.line,
            "column": place.column,
            "message": self.message,
            "hint": self.hint,
        })
    }
}

/// Where bytes of a text are.
struct Place {
    /// Counted from 1.
    line: usize,
    /// Characters, counted from 1.
    column: usize,
    /// Columns of the screen they take on that line.
    width: usize,
    /// The line.
    text: String,
}

fn place(source: &Source, span: &Range<usize>) -> Place {
    let text = &source.text;
    let start = floor(text, span.start);
    let head = &text[..start];
    let begins = head.rfind('\n').map_or(0, |at| at + 1);
    let rest = &text[begins..];
    let line = rest.lines().next().unwrap_or("");
    let ends = floor(text, span.end.max(start)).min(begins + line.len());
    Place {
        line: head.matches('\n').count() + 1,
        column: text[begins..start].chars().count() + 1,
        width: columns(text.get(start..ends).unwrap_or("")),
        // A tab takes one column here, so that the caret stands under what it means.
        text: line.replace('\t', " "),
    }
}

/// The line of a place, counted from 1.
pub fn line_of(sources: &[Source], spot: &Spot) -> usize {
    let text = &sources[spot.file].text;
    text[..floor(text, spot.span.start)].matches('\n').count() + 1
}

/// The nearest boundary of a character at or before a byte.
fn floor(text: &str, byte: usize) -> usize {
    let mut at = byte.min(text.len());
    while !text.is_char_boundary(at) {
        at -= 1;
    }
    at
}
