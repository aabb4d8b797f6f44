//! Listings: an upper-case header, two blanks between columns, no borders.

use std::io::{self, Write};

use crate::view::text::{clean, clean_all, columns};

/// The narrowest a column is made.
const NARROWEST: usize = 6;

/// A listing. Cells are made safe to be shown as they are put in.
pub struct Table {
    header: Vec<&'static str>,
    rows: Vec<Vec<String>>,
}

impl Table {
    /// A listing with these columns.
    pub fn new(header: &[&'static str]) -> Table {
        Table {
            header: header.to_vec(),
            rows: Vec::new(),
        }
    }

    /// Adds a row. An empty cell shows as a hyphen, so that columns can be told apart by scripts.
    pub fn row<const N: usize>(&mut self, cells: [String; N]) {
        let shown = cells.iter().map(|cell| match clean_all(cell) {
            cell if cell.trim().is_empty() => "-".to_owned(),
            cell => cell,
        });
        self.rows.push(shown.collect());
    }

    /// Whether there is no row.
    pub fn is_empty(&self) -> bool {
        self.rows.is_empty()
    }

    /// Writes it; where a width is given, the widest columns are cut until it fits.
    ///
    /// # Errors
    /// Those of writing.
    pub fn write(&self, out: &mut dyn Write, width: Option<usize>) -> io::Result<()> {
        let widths = self.widths(width);
        let header = self.header.iter().map(|h| (*h).to_owned()).collect();
        for row in std::iter::once(&header).chain(&self.rows) {
            writeln!(out, "{}", line(row, &widths))?;
        }
        Ok(())
    }

    fn widths(&self, limit: Option<usize>) -> Vec<usize> {
        let mut widths: Vec<usize> = self.header.iter().map(|h| columns(h)).collect();
        for row in &self.rows {
            for (width, cell) in widths.iter_mut().zip(row) {
                *width = (*width).max(columns(cell));
            }
        }
        let Some(limit) = limit else {
            return widths;
        };
        let gaps = 2 * widths.len().saturating_sub(1);
        while widths.iter().sum::<usize>() + gaps > limit {
            match widths.iter_mut().max() {
                Some(widest) if *widest > NARROWEST => *widest -= 1,
                _ => break,
            }
        }
        widths
    }
}

fn line(row: &[String], widths: &[usize]) -> String {
    let mut text = String::new();
    for (cell, width) in row.iter().zip(widths) {
        let cell = clean(cell, *width);
        text.push_str(&cell);
        text.push_str(&" ".repeat(width.saturating_sub(columns(&cell)) + 2));
    }
    text.truncate(text.trim_end().len());
    text
}
