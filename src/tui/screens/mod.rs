//! The screens: each paints the state and nothing else. No screen reads a file or a clock.

mod chrome;
pub mod lanes;
pub mod overview;
mod tiny;
mod why;

use ratatui::Frame;

use crate::tui::paint::{Pen, rows};
use crate::tui::state::{Page, State, Tab};
use crate::tui::theme::to_ascii;

/// Fewer columns than this, or fewer rows, get two lines of counts.
pub const SMALLEST: (u16, u16) = (40, 8);

/// Rows that are not the screen's own: header and tabs above, hints below.
pub const CHROME: usize = 3;

/// Paints the state.
pub fn draw(state: &State, frame: &mut Frame<'_>) {
    let theme = state.setting.theme;
    let buffer = frame.buffer_mut();
    let mut pen = Pen::new(buffer, theme);
    let (width, height) = (pen.area().width, pen.area().height);
    if width < SMALLEST.0 || height < SMALLEST.1 {
        tiny::draw(state, &mut pen);
    } else {
        chrome::header(state, &mut pen);
        chrome::tabs(state, &mut pen);
        let body = rows(pen.area(), 2, pen.height() - 1);
        draw_page(state, &mut pen.on(body));
        chrome::footer(state, &mut pen);
    }
    if theme.ascii {
        to_ascii(buffer);
    }
}

fn draw_page(state: &State, pen: &mut Pen<'_>) {
    match state.page() {
        Page::Tab(Tab::Overview) => overview::draw(state, pen),
        _ => {}
    }
}
