//! Tables for people, as wide as the terminal at most.

use std::io::{self, IsTerminal, Write};

use unicode_width::{UnicodeWidthChar, UnicodeWidthStr};

/// A table with a line of headings.
pub struct Table {
    heads: Vec<&'static str>,
    rows: Vec<Vec<String>>,
    gives_way: usize,
}

/// Columns narrower than this are not cut any further.
const NARROWEST: usize = 8;

impl Table {
    /// An empty table; where the terminal is too narrow, the column numbered `gives_way` is cut.
    pub fn new(heads: &[&'static str], gives_way: usize) -> Table {
        Table {
            heads: heads.to_vec(),
            rows: Vec::new(),
            gives_way,
        }
    }

    /// Adds a row.
    pub fn row(&mut self, cells: Vec<String>) {
        self.rows.push(cells.iter().map(|c| clean(c)).collect());
    }

    /// Writes the table.
    ///
    /// # Errors
    /// Those of writing.
    pub fn write(&self, out: &mut dyn Write) -> io::Result<()> {
        let mut widths: Vec<usize> = self.heads.iter().map(|h| h.width()).collect();
        for row in &self.rows {
            for (width, cell) in widths.iter_mut().zip(row) {
                *width = (*width).max(cell.width());
            }
        }
        if let Some(limit) = terminal_width() {
            let total: usize = widths.iter().sum::<usize>() + 2 * widths.len().saturating_sub(1);
            if let Some(width) = widths.get_mut(self.gives_way) {
                *width = width
                    .saturating_sub(total.saturating_sub(limit))
                    .max(NARROWEST);
            }
        }
        let heads: Vec<String> = self.heads.iter().map(|h| (*h).to_owned()).collect();
        for row in std::iter::once(&heads).chain(&self.rows) {
            let mut line = String::new();
            for (cell, width) in row.iter().zip(&widths) {
                let cell = cut(cell, *width);
                let gap = " ".repeat(width.saturating_sub(cell.width()) + 2);
                line.push_str(&cell);
                line.push_str(&gap);
            }
            writeln!(out, "{}", line.trim_end())?;
        }
        Ok(())
    }
}

/// Columns of the terminal standard output is, if it is one.
fn terminal_width() -> Option<usize> {
    if !io::stdout().is_terminal() {
        return None;
    }
    crossterm::terminal::size()
        .ok()
        .map(|(columns, _)| usize::from(columns))
        .filter(|columns| *columns > 0)
}

/// The text in at most `width` columns, with an ellipsis where something is missing.
fn cut(text: &str, width: usize) -> String {
    if text.width() <= width {
        return text.to_owned();
    }
    let mut short = String::new();
    let mut used = 0;
    for c in text.chars() {
        let wide = c.width().unwrap_or(0);
        if used + wide + 1 > width {
            break;
        }
        used += wide;
        short.push(c);
    }
    short.push('…');
    short
}

/// The text without what would move the cursor or turn its direction: names and commands are not
/// ours, and a terminal obeys what it is shown.
pub fn clean(text: &str) -> String {
    let harmful = |c: char| {
        c.is_control()
            || matches!(c, '\u{200b}'..='\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
    };
    text.chars()
        .map(|c| if harmful(c) { ' ' } else { c })
        .collect()
}
