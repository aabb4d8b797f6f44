//! Runs, newest first.

use crate::model::RunState;
use crate::store::RunRow;
use crate::tui::columns::{Cell, Column, cell, headings, row};
use crate::tui::filter::Subject;
use crate::tui::paint::Pen;
use crate::tui::screens::listing;
use crate::tui::state::{RowId, State};
use crate::tui::theme::{self, Role};
use crate::tui::words::on_clock;
use crate::view::items::{late_ms, took_ms};
use crate::view::time::span;
use crate::view::words::{detail, state as word_of};

const COLUMNS: [Column; 9] = [
    Column::new("RUN", 7, 9, 0),
    Column::new("JOB", 12, 28, 0),
    Column::new("STATE", 9, 13, 0),
    Column::new("STARTED", 12, 19, 3),
    Column::new("LATE", 6, 8, 5).right(),
    Column::new("TOOK", 6, 8, 2).right(),
    Column::new("TRY", 4, 5, 6),
    Column::new("BY", 8, 9, 7),
    Column::new("DETAIL", 8, 60, 4),
];

/// Columns it can be sorted by.
pub const SORTED: usize = 6;

/// The runs that were read, in order; they were filtered as they were read.
pub fn ids(state: &State) -> Vec<RowId> {
    let mut runs: Vec<&RunRow> = state.data.runs.iter().collect();
    let list = state.list();
    match list.sort {
        1 => runs.sort_by(|a, b| a.job.cmp(&b.job)),
        2 => runs.sort_by_key(|run| run.state.as_str()),
        3 => runs.sort_by_key(|run| std::cmp::Reverse(run.started_at)),
        4 => runs.sort_by_key(|run| std::cmp::Reverse(late_ms(run))),
        5 => runs.sort_by_key(|run| std::cmp::Reverse(length_ms(run, state.now))),
        _ => {}
    }
    if list.reverse {
        runs.reverse();
    }
    runs.into_iter().map(|run| RowId::Run(run.run)).collect()
}

/// How long a run took, or has taken so far.
pub fn length_ms(run: &RunRow, now: i64) -> Option<i64> {
    match (run.state, run.started_at) {
        (RunState::Running, Some(from)) => Some((now - from).max(0)),
        _ => took_ms(run),
    }
}

/// What a filter sees of a run.
pub fn subject<'a>(run: &'a RunRow, tags: &'a [String], now: i64) -> Subject<'a> {
    Subject {
        name: &run.job,
        state: Some(run.state),
        words: &[],
        tags,
        queue: Some(&run.queue),
        by: Some(run.origin.as_str()),
        at: run.started_at.or(run.queued_at),
        took_ms: length_ms(run, now),
    }
}

/// A run that was read, by its number.
pub fn find<'a>(state: &'a State, id: &RowId) -> Option<&'a RunRow> {
    let RowId::Run(number) = id else {
        return None;
    };
    let data = &state.data;
    let live = data.live.iter().map(|live| &live.run);
    let detail = data.run.iter().map(|detail| &detail.run);
    let of_job = data.job.iter().flat_map(|job| &job.runs);
    let mut all = live
        .chain(detail)
        .chain(of_job)
        .chain(&data.runs)
        .chain(&data.recent);
    all.find(|run| run.run == *number)
}

/// Paints it.
pub fn draw(state: &State, pen: &mut Pen<'_>) {
    let list = state.list();
    let more = if state.data.more_runs { "+" } else { "" };
    let head = format!("RUNS {}{more} newest first", list.ids.len());
    let narrowed = format!(" - {}", listing::narrowed(state));
    pen.rule(0, &[(&head, Role::Head), (&narrowed, Role::Plain)], "");
    headings(pen, 2, 1, &COLUMNS, Some((list.sort, list.reverse)));
    listing::rows(state, pen, 2, &mut |pen, y, id| {
        if let Some(run) = find(state, id) {
            row(pen, 2, y, &COLUMNS, &cells(state, run));
        }
    });
}

fn cells(state: &State, run: &RunRow) -> Vec<Cell> {
    let (sign, role) = theme::state(run.state);
    let length = |ms: Option<i64>| ms.map_or("-".to_owned(), span);
    vec![
        cell(format!("#{}", run.run), Role::Plain),
        cell(&run.job, Role::Plain),
        cell(format!("{sign} {}", word_of(run.state)), role),
        cell(
            run.started_at
                .map_or("-".to_owned(), |at| on_clock(state, at)),
            Role::Plain,
        ),
        cell(length(late_ms(run)), Role::Dim),
        cell(length(length_ms(run, state.now)), Role::Plain),
        cell(format!("{}/{}", run.attempt, run.max_attempts), Role::Dim),
        cell(run.origin.as_str(), Role::Dim),
        cell(detail(run), Role::Dim),
    ]
}
