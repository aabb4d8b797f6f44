//! Putting text on a frame: only what is clean, only where there is room.

use ratatui::buffer::Buffer;
use ratatui::layout::Rect;
use ratatui::style::Style;

use crate::tui::theme::{Role, Theme, selected};
use crate::view::text::{clean, columns};

/// A piece of text and what it is.
pub type Piece<'a> = (&'a str, Role);

/// Paints on one area of a frame; nothing it is told to paint outside of it is painted.
pub struct Pen<'a> {
    buffer: &'a mut Buffer,
    theme: Theme,
    area: Rect,
}

impl<'a> Pen<'a> {
    /// For the whole of a frame.
    pub fn new(buffer: &'a mut Buffer, theme: Theme) -> Pen<'a> {
        let area = buffer.area;
        Pen {
            buffer,
            theme,
            area,
        }
    }

    /// The same frame, another area of it.
    pub fn on(&mut self, area: Rect) -> Pen<'_> {
        Pen {
            area: area.intersection(self.area),
            theme: self.theme,
            buffer: self.buffer,
        }
    }

    /// Columns there are.
    pub fn width(&self) -> usize {
        usize::from(self.area.width)
    }

    /// Rows there are.
    pub fn height(&self) -> usize {
        usize::from(self.area.height)
    }

    /// The area it paints on.
    pub fn area(&self) -> Rect {
        self.area
    }

    /// The theme.
    pub fn theme(&self) -> Theme {
        self.theme
    }

    /// Writes text at a column and row of the area, at most `width` columns of it. Gives the
    /// columns it took.
    pub fn text(&mut self, x: usize, y: usize, width: usize, text: &str, role: Role) -> usize {
        self.styled(x, y, width, text, self.theme.style(role))
    }

    fn styled(&mut self, x: usize, y: usize, width: usize, text: &str, style: Style) -> usize {
        if x >= self.width() || y >= self.height() {
            return 0;
        }
        let room = width.min(self.width() - x);
        let text = clean(text, room);
        let (x, y) = (self.area.x + narrow(x), self.area.y + narrow(y));
        self.buffer.set_stringn(x, y, &text, room, style);
        columns(&text)
    }

    /// Writes text so that it ends before a column. Gives where it begins.
    pub fn right(&mut self, end: usize, y: usize, text: &str, role: Role) -> usize {
        let end = end.min(self.width());
        let text = clean(text, end);
        let x = end - columns(&text);
        self.text(x, y, end - x, &text, role);
        x
    }

    /// Writes pieces one after the other. Gives the column after them.
    pub fn pieces(&mut self, x: usize, y: usize, pieces: &[Piece<'_>]) -> usize {
        let mut at = x;
        for (text, role) in pieces {
            let room = self.width().saturating_sub(at);
            at += self.text(at, y, room, text, *role);
        }
        at
    }

    /// A heading on a rule across the area.
    pub fn rule(&mut self, y: usize, left: &[Piece<'_>], right: &str) {
        let line = "─".repeat(self.width());
        self.text(0, y, self.width(), &line, Role::Rule);
        let mut at = 2;
        for (text, role) in left {
            let room = self.width().saturating_sub(at + 1);
            at += self.text(at, y, room, text, *role);
        }
        if !left.is_empty() {
            self.text(1, y, 1, " ", Role::Plain);
            self.text(at, y, 1, " ", Role::Plain);
        }
        let wide = columns(right);
        if wide > 0 && at + wide + 5 < self.width() {
            let text = format!("  {right}");
            self.right(self.width(), y, &text, Role::Dim);
        }
    }

    /// Marks a row as the one under the cursor.
    pub fn select(&mut self, y: usize) {
        if y >= self.height() {
            return;
        }
        let row = Rect {
            y: self.area.y + narrow(y),
            height: 1,
            ..self.area
        };
        for position in row.positions() {
            if let Some(cell) = self.buffer.cell_mut(position) {
                let style = selected(cell.style());
                cell.set_style(style);
            }
        }
    }

    /// Empties the area, whatever is under it.
    pub fn wipe(&mut self) {
        for position in self.area.positions() {
            if let Some(cell) = self.buffer.cell_mut(position) {
                cell.reset();
            }
        }
        // A wide character that began left of the area would reach into it.
        if self.area.x > 0 {
            for y in self.area.top()..self.area.bottom() {
                if let Some(cell) = self.buffer.cell_mut((self.area.x - 1, y))
                    && columns(cell.symbol()) > 1
                {
                    cell.set_symbol(" ");
                }
            }
        }
    }

    /// A frame around the area, with a title; gives what is inside.
    pub fn frame(&mut self, title: &str) -> Rect {
        self.wipe();
        let (width, height) = (self.width(), self.height());
        if width < 4 || height < 3 {
            return self.area;
        }
        let line = "─".repeat(width - 2);
        self.text(0, 0, width, &format!("╭{line}╮"), Role::Rule);
        self.text(0, height - 1, width, &format!("╰{line}╯"), Role::Rule);
        for y in 1..height - 1 {
            self.text(0, y, 1, "│", Role::Rule);
            self.text(width - 1, y, 1, "│", Role::Rule);
        }
        self.text(2, 0, width - 4, &format!(" {title} "), Role::Head);
        Rect {
            x: self.area.x + 2,
            y: self.area.y + 1,
            width: self.area.width - 4,
            height: self.area.height - 2,
        }
    }
}

/// A number that fits, since it was measured on a terminal.
fn narrow(number: usize) -> u16 {
    u16::try_from(number).unwrap_or(u16::MAX)
}

/// Rows `from..to` of an area.
pub fn rows(area: Rect, from: usize, to: usize) -> Rect {
    let from = narrow(from).min(area.height);
    let to = narrow(to).clamp(from, area.height);
    Rect {
        y: area.y + from,
        height: to - from,
        ..area
    }
}

/// Columns `from..to` of an area.
pub fn strip(area: Rect, from: usize, to: usize) -> Rect {
    let from = narrow(from).min(area.width);
    let to = narrow(to).clamp(from, area.width);
    Rect {
        x: area.x + from,
        width: to - from,
        ..area
    }
}
