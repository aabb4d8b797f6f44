//! Hostile text: whatever a job, a crontab or an SQL client wrote, made safe to be shown.
//!
//! A terminal obeys what is printed on it. Text that is not ours passes through [`clean`] before
//! it is shown to people: no escape sequence, no control character, nothing that turns the
//! direction of writing around and nothing invisible gets through.

use std::iter::Peekable;
use std::str::Chars;

use unicode_width::UnicodeWidthChar;

/// Columns between two stops of a tab.
const TAB: usize = 8;

/// Shows that something was cut off.
const ELLIPSIS: char = '…';

/// Makes text safe to be shown on one line of at most `width` columns.
///
/// Escape sequences are removed whole (CSI, and the strings of OSC, DCS, SOS, PM and APC), and so
/// are C0 and C1 controls, DEL, bidirectional controls and characters without a shape. A tab
/// becomes blanks, a line break one blank. What is too long is cut and ends with an ellipsis.
pub fn clean(text: &str, width: usize) -> String {
    let mut out = Cut::new(width);
    let mut chars = text.chars().peekable();
    while let Some(c) = chars.next() {
        match c {
            '\x1b' => skip_escape(&mut chars),
            '\u{9b}' => skip_csi(&mut chars),
            '\u{90}' | '\u{98}' | '\u{9d}' | '\u{9e}' | '\u{9f}' => skip_string(&mut chars),
            '\t' => out.push_blanks(TAB - out.column % TAB),
            '\n' | '\u{2028}' | '\u{2029}' => out.push(' '),
            c if is_hidden(c) => {}
            c => out.push(c),
        }
    }
    out.finish()
}

/// Text safe to be shown, however long.
pub fn clean_all(text: &str) -> String {
    clean(text, usize::MAX)
}

/// How many columns text takes.
pub fn columns(text: &str) -> usize {
    text.chars().map(width_of).sum()
}

/// Whether a character must not reach a terminal or a reader's eye.
fn is_hidden(c: char) -> bool {
    c.is_control()
        || matches!(c,
            '\u{ad}' | '\u{61c}' | '\u{115f}'..='\u{1160}' | '\u{17b4}'..='\u{17b5}'
            | '\u{180b}'..='\u{180f}' | '\u{200b}'..='\u{200f}' | '\u{202a}'..='\u{202e}'
            | '\u{2060}'..='\u{206f}' | '\u{3164}' | '\u{fe00}'..='\u{fe0f}' | '\u{feff}'
            | '\u{ffa0}' | '\u{fff0}'..='\u{fffb}' | '\u{1bca0}'..='\u{1bca3}'
            | '\u{1d173}'..='\u{1d17a}' | '\u{e0000}'..='\u{e0fff}')
}

fn width_of(c: char) -> usize {
    c.width().unwrap_or(0)
}

/// After ESC: a sequence of its own, or intermediates and one final character.
fn skip_escape(chars: &mut Peekable<Chars<'_>>) {
    match chars.peek() {
        Some('[') => {
            chars.next();
            skip_csi(chars);
        }
        Some(']' | 'P' | 'X' | '^' | '_') => {
            chars.next();
            skip_string(chars);
        }
        Some(' '..='/') => {
            while chars.next_if(|c| (' '..='/').contains(c)).is_some() {}
            chars.next_if(|c| ('0'..='~').contains(c));
        }
        Some('0'..='~') => {
            chars.next();
        }
        _ => {}
    }
}

/// Parameters, intermediates, and a final character (ECMA-48, 5.4).
fn skip_csi(chars: &mut Peekable<Chars<'_>>) {
    while chars.next_if(|c| (' '..='?').contains(c)).is_some() {}
    chars.next_if(|c| ('@'..='~').contains(c));
}

/// A control string: up to ST, or BEL as xterm has it. One that is never ended hides no more than
/// the rest of its line.
fn skip_string(chars: &mut Peekable<Chars<'_>>) {
    while let Some(c) = chars.next_if(|c| *c != '\n') {
        match c {
            '\x07' | '\u{9c}' => return,
            '\x1b' => {
                chars.next_if_eq(&'\\');
                return;
            }
            _ => {}
        }
    }
}

/// Gathers characters up to a width.
struct Cut {
    text: String,
    width: usize,
    column: usize,
    /// Where to cut, should more come than fits: bytes and columns that leave room for the mark.
    room: usize,
    full: bool,
}

impl Cut {
    fn new(width: usize) -> Cut {
        Cut {
            text: String::new(),
            width,
            column: 0,
            room: 0,
            full: width == 0,
        }
    }

    fn push(&mut self, c: char) {
        if self.full {
            return;
        }
        let wide = width_of(c);
        if self.column + wide > self.width {
            self.text.truncate(self.room);
            self.text.push(ELLIPSIS);
            self.full = true;
            return;
        }
        self.text.push(c);
        self.column += wide;
        if self.column < self.width {
            self.room = self.text.len();
        }
    }

    fn push_blanks(&mut self, count: usize) {
        for _ in 0..count {
            self.push(' ');
        }
    }

    fn finish(self) -> String {
        self.text
    }
}

/// A number of bytes in a few digits: `812B`, `4.2M`, `120M`.
pub fn size(bytes: i64) -> String {
    let bytes = bytes.max(0);
    let units = [
        ("T", 1 << 40),
        ("G", 1 << 30),
        ("M", 1 << 20),
        ("K", 1_i64 << 10),
    ];
    match units.into_iter().find(|(_, unit)| bytes >= *unit) {
        Some((name, unit)) if bytes < 10 * unit => {
            format!("{}.{}{name}", bytes / unit, bytes % unit * 10 / unit)
        }
        Some((name, unit)) => format!("{}{name}", bytes / unit),
        None => format!("{bytes}B"),
    }
}
