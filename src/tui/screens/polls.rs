//! The polls of a watch: what each asked with, how it ended, what it found and started.

use serde_json::Value;

use crate::model::PollOutcome;
use crate::store::PollRow;
use crate::tui::columns::{Cell, Column, cell, headings, row};
use crate::tui::data::PollLine;
use crate::tui::paint::{Pen, rows};
use crate::tui::screens::listing;
use crate::tui::screens::watches::{about, about_lines, find};
use crate::tui::state::{RowId, State};
use crate::tui::theme::Role;
use crate::tui::words::of_day;
use crate::view::time::span;
use crate::view::watch_items::{in_short, params_in_short};
use crate::view::watches::is_wrong;

const POLLS: [Column; 9] = [
    Column::new("POLL", 7, 9, 6),
    Column::new("BEGAN", 8, 8, 0),
    Column::new("BY", 6, 9, 5),
    Column::new("OUTCOME", 9, 13, 0),
    Column::new("TOOK", 6, 7, 3).right(),
    Column::new("ROWS", 5, 6, 2).right(),
    Column::new("NEW", 5, 6, 2).right(),
    Column::new("RUNS", 8, 14, 1),
    Column::new("WITH", 20, 120, 0),
];

/// The polls of the watch a page is about.
pub fn ids(state: &State, watch: &str) -> Vec<RowId> {
    let wrong = |line: &&PollLine| !state.problems || is_wrong(line.poll.outcome);
    let lines = polls(state, watch).iter().filter(wrong);
    lines.map(|line| RowId::Poll(line.poll.poll.0)).collect()
}

/// The polls that were read of a watch, the newest first.
pub fn polls<'a>(state: &'a State, watch: &str) -> &'a [PollLine] {
    match &state.data.polls {
        Some((of, lines)) if of == watch => lines,
        _ => &[],
    }
}

/// The poll of a row.
pub fn poll<'a>(state: &'a State, id: &RowId) -> Option<&'a PollLine> {
    let (RowId::Poll(number), Some((_, lines))) = (id, &state.data.polls) else {
        return None;
    };
    lines.iter().find(|line| line.poll.poll.0 == *number)
}

/// Paints the page of one watch: all its polls.
pub fn draw(state: &State, name: &str, pen: &mut Pen<'_>) {
    let from = about(state, name, pen);
    let lines = polls(state, name);
    if lines.is_empty() {
        pen.text(2, from, pen.width(), "it was not asked yet", Role::Dim);
        return;
    }
    let area = rows(pen.area(), from, pen.height());
    let mut lower = pen.on(area);
    headings(&mut lower, 2, 0, &POLLS, None);
    listing::rows(state, &mut lower, 1, &mut |pen, y, id| {
        if let Some(line) = poll(state, id) {
            row(pen, 2, y, &POLLS, &poll_cells(state, line));
        }
    });
}

/// Rows of polls on the page of one watch.
pub fn shown(state: &State, name: &str, body: usize) -> usize {
    let above = find(state, name).map_or(1, |view| 1 + about_lines(state, view).len());
    body.saturating_sub(above + 1).max(1)
}

/// Paints the newest polls, as many as there is room for.
pub fn newest(state: &State, lines: &[PollLine], pen: &mut Pen<'_>) {
    headings(pen, 2, 0, &POLLS, None);
    let room = pen.height().saturating_sub(1);
    for (y, line) in lines.iter().take(room).enumerate() {
        row(pen, 2, 1 + y, &POLLS, &poll_cells(state, line));
    }
}

fn poll_cells(state: &State, line: &PollLine) -> Vec<Cell> {
    let poll = &line.poll;
    let role = match poll.outcome {
        PollOutcome::Running => Role::Alive,
        PollOutcome::Ok => Role::Good,
        PollOutcome::Empty | PollOutcome::Skipped => Role::Dim,
        _ => Role::Bad,
    };
    let outcome = match poll.repeats {
        0 | 1 => poll.outcome.to_string(),
        times => format!("{} x{times}", poll.outcome),
    };
    let number = |n: Option<i64>| n.map_or("-".to_owned(), |n| n.to_string());
    let runs = match line.runs.as_slice() {
        [] => String::new(),
        [one] => format!("#{one}"),
        [first, .., last] => format!("#{first}..{last}"),
    };
    vec![
        cell(poll.poll.to_string(), Role::Dim),
        cell(of_day(state, poll.started_at), Role::Plain),
        cell(poll.trigger.as_str(), Role::Dim),
        cell(outcome, role),
        cell(poll.took_ms.map_or("-".to_owned(), span), Role::Dim),
        cell(number(poll.rows), Role::Plain),
        cell(number(poll.fresh_rows), Role::Plain),
        cell(runs, Role::Plain),
        with(poll),
    ]
}

/// What went wrong, or what it was asked with.
fn with(poll: &PollRow) -> Cell {
    if let Some(error) = &poll.error {
        return cell(error, Role::Bad);
    }
    if let Some(note) = &poll.note {
        return cell(note, Role::Warn);
    }
    let params = poll.params.as_ref().map_or(String::new(), params_in_short);
    let moved = poll
        .cursor_after
        .as_ref()
        .filter(|after| **after != Value::Null && poll.cursor_before.as_ref() != Some(*after));
    match moved {
        Some(after) => vec![
            (format!("-> {}  ", in_short(after)), Role::Plain),
            (params, Role::Dim),
        ],
        None => cell(params, Role::Dim),
    }
}
