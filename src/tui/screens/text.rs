//! Screens that are a text: lines that are scrolled, no cursor.

use crate::tui::columns::Cell;
use crate::tui::paint::{Pen, Piece};
use crate::tui::theme::Role;

/// A line of a text, or a heading on a rule.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Line {
    /// Pieces one after the other.
    Text(Cell),
    /// A heading.
    Rule(String, Role),
}

impl Line {
    /// A line of one piece.
    pub fn plain(text: impl Into<String>) -> Line {
        Line::Text(vec![(text.into(), Role::Plain)])
    }

    /// A line of what belongs to a word before it.
    pub fn of(word: &str, text: impl Into<String>) -> Line {
        Line::Text(vec![
            (format!("{word:<10} "), Role::Dim),
            (text.into(), Role::Plain),
        ])
    }

    /// A heading.
    pub fn head(text: impl Into<String>) -> Line {
        Line::Rule(text.into(), Role::Head)
    }
}

/// Paints lines from an offset on.
pub fn draw(pen: &mut Pen<'_>, lines: &[Line], offset: usize) {
    let offset = offset.min(lines.len().saturating_sub(pen.height()));
    for (y, line) in lines.iter().skip(offset).take(pen.height()).enumerate() {
        match line {
            Line::Text(cell) => {
                let pieces: Vec<Piece<'_>> = cell
                    .iter()
                    .map(|(text, role)| (text.as_str(), *role))
                    .collect();
                pen.pieces(2, y, &pieces);
            }
            Line::Rule(text, role) => pen.rule(y, &[(text, *role)], ""),
        }
    }
}
