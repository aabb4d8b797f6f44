//! The screens: each paints the state and nothing else. No screen reads a file or a clock.

mod chrome;
pub mod job;
pub mod jobs;
mod lanes;
mod listing;
pub mod log;
pub mod missed;
mod modal;
pub mod overview;
pub mod polls;
pub mod run;
pub mod runs;
pub mod text;
mod tiny;
pub mod watches;
mod why;
pub mod workers;

use ratatui::Frame;

use crate::tui::paint::{Pen, rows};
use crate::tui::state::{Page, State, Tab};
use crate::tui::theme::{Role, to_ascii};

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
    if let Some(modal) = &state.modal {
        modal::draw(modal, &mut pen);
    }
    if theme.ascii {
        to_ascii(buffer);
    }
}

fn draw_page(state: &State, pen: &mut Pen<'_>) {
    match state.page() {
        Page::Tab(Tab::Overview) => overview::draw(state, pen),
        Page::Tab(Tab::Jobs) => jobs::draw(state, pen),
        Page::Tab(Tab::Runs) => runs::draw(state, pen),
        Page::Tab(Tab::Missed) => missed::draw(state, pen),
        Page::Tab(Tab::Workers) => workers::draw(state, pen),
        Page::Tab(Tab::Watches) => watches::draw(state, pen),
        Page::Tab(Tab::Logs) => {
            pen.rule(0, &[("LOGS", Role::Head)], "");
            let text = "no run is chosen: go to one and press l";
            pen.text(2, 1, 60, text, Role::Dim);
        }
        Page::Log(run, _) => log::draw(state, run, pen),
        Page::Watch(watch) => polls::draw(state, &watch, pen),
        Page::Job(_) | Page::Run(_) => text::draw(pen, &lines(state), state.list().offset),
    }
}

/// The lines of a page that is a text; none of others.
pub fn lines(state: &State) -> Vec<text::Line> {
    match state.page() {
        Page::Job(job) => job::lines(state, &job),
        Page::Run(run) => run::lines(state, run),
        Page::Tab(_) | Page::Log(..) | Page::Watch(_) => Vec::new(),
    }
}
