//! All jobs: a list with the last runs as bars, or the day of each as a lane.

use crate::model::{Outcome, RunState};
use crate::tui::columns::{Cell, Column, cell, headings, row};
use crate::tui::data::{Bar, JobLine};
use crate::tui::filter::{Filter, Subject};
use crate::tui::paint::Pen;
use crate::tui::screens::{lanes, listing};
use crate::tui::state::{RowId, State};
use crate::tui::theme::{self, Role};
use crate::tui::words::{HEIGHTS, coming, past};
use crate::view::words::{is_failure, outcome as word_of};

const COLUMNS: [Column; 7] = [
    Column::new("JOB", 12, 28, 0),
    Column::new("SCHEDULE", 12, 34, 4),
    Column::new("LAST", 10, 14, 1),
    Column::new("AGO", 6, 12, 3).right(),
    Column::new("NEXT", 8, 14, 2).right(),
    Column::new("RUN TIMES", 12, 24, 5),
    Column::new("OK%", 4, 4, 6).right(),
];

/// Columns it can be sorted by.
pub const SORTED: usize = 5;

/// The jobs that pass, in order.
pub fn ids(state: &State) -> Vec<RowId> {
    let filter = Filter::parse(state.filter()).unwrap_or_default();
    let mut jobs: Vec<&JobLine> = state
        .data
        .jobs
        .iter()
        .filter(|job| !state.problems || is_problem(job))
        .filter(|job| filter.is_empty() || filter.passes(&subject(job, &words(job)), state.now))
        .collect();
    let list = state.list();
    match list.sort {
        1 => jobs.sort_by(|a, b| a.schedule.cmp(&b.schedule)),
        2 => jobs.sort_by_key(|job| rank(job)),
        3 => jobs.sort_by_key(|job| std::cmp::Reverse(job.last.map(|end| end.ended_at))),
        4 => jobs.sort_by_key(|job| job.next_at.unwrap_or(i64::MAX)),
        _ => {}
    }
    if list.reverse {
        jobs.reverse();
    }
    jobs.into_iter()
        .map(|job| RowId::Job(job.name.clone()))
        .collect()
}

fn words(job: &JobLine) -> Vec<&'static str> {
    let mut words = Vec::new();
    if job.pause.is_some() {
        words.push("paused");
    }
    if job.running > 0 {
        words.extend(["run", "running"]);
    }
    if job.missed > 0 {
        words.push("missed");
    }
    words
}

fn subject<'a>(job: &'a JobLine, words: &'a [&'a str]) -> Subject<'a> {
    let last = job.last.as_ref();
    Subject {
        name: &job.name,
        state: last.map(|end| RunState::Ended(end.outcome)),
        words,
        tags: &job.tags,
        queue: Some(&job.queue),
        by: last.map(|end| end.origin.as_str()),
        at: last.map(|end| end.ended_at),
        took_ms: last.and_then(|end| Some((end.ended_at - end.started_at?).max(0))),
    }
}

/// Whether somebody should look at it.
pub fn is_problem(job: &JobLine) -> bool {
    let failed = job.last.map(|end| end.outcome);
    job.error.is_some() || job.missed > 0 || failed.is_some_and(is_failure)
}

fn rank(job: &JobLine) -> u8 {
    match () {
        () if is_problem(job) => 0,
        () if job.running > 0 => 1,
        () if job.pause.is_some() => 3,
        () if job.last.is_none() => 4,
        () => 2,
    }
}

/// The job of a name.
pub fn find<'a>(state: &'a State, name: &str) -> Option<&'a JobLine> {
    let jobs = &state.data.jobs;
    let place = jobs.binary_search_by(|job| job.name.as_str().cmp(name));
    match place {
        Ok(at) => jobs.get(at),
        // The store sorts by bytes as well; nothing hangs on it.
        Err(_) => jobs.iter().find(|job| job.name == name),
    }
}

/// Paints it.
pub fn draw(state: &State, pen: &mut Pen<'_>) {
    let list = state.list();
    if state.data.jobs.is_empty() {
        let text = "No jobs yet. `crake import` reads your crontab, `crake add` makes one.";
        pen.text(2, 1, pen.width().saturating_sub(2), text, Role::Plain);
        return;
    }
    if state.is_other() {
        return draw_lanes(state, pen);
    }
    let sorted = Some((list.sort, list.reverse));
    headings(pen, 2, 0, &COLUMNS, sorted);
    listing::rows(state, pen, 1, &mut |pen, y, id| {
        if let RowId::Job(name) = id
            && let Some(job) = find(state, name)
        {
            row(pen, 2, y, &COLUMNS, &cells(state, job));
        }
    });
}

fn cells(state: &State, job: &JobLine) -> Vec<Cell> {
    let bars = state
        .data
        .bars
        .get(&job.name)
        .map_or(&[][..], Vec::as_slice);
    let places = crate::tui::columns::fit(&COLUMNS, state.width().saturating_sub(2));
    let room = places[5].map_or(0, |(_, width)| width);
    let shown = &bars[bars.len().saturating_sub(room)..];
    vec![
        cell(&job.name, Role::Plain),
        cell(&job.schedule, Role::Dim),
        last(job),
        cell(past(state, job.last.map(|end| end.ended_at)), Role::Dim),
        next(state, job),
        times(shown),
        percent(bars),
    ]
}

fn last(job: &JobLine) -> Cell {
    if let Some(error) = &job.error {
        return vec![
            ("! ERROR ".to_owned(), Role::Bad),
            (error.clone(), Role::Dim),
        ];
    }
    if job.running > 0 {
        return cell("● run", Role::Alive);
    }
    if job.missed > 0 {
        return cell("! MISSED", Role::Warn);
    }
    match job.last.map(|end| end.outcome) {
        Some(outcome) => {
            let (sign, role) = theme::outcome(outcome);
            cell(format!("{sign} {}", word_of(outcome)), role)
        }
        None if job.pause.is_some() => cell("= paused", Role::Dim),
        None => cell("-", Role::Dim),
    }
}

fn next(state: &State, job: &JobLine) -> Cell {
    match &job.pause {
        Some(_) => cell("= paused", Role::Dim),
        None => {
            let text = coming(state, job.next_at);
            let role = if text == "OVERDUE" {
                Role::Bad
            } else {
                Role::Plain
            };
            cell(text, role)
        }
    }
}

/// The last runs as bars: the height is the length against the longest; what failed shows its
/// sign instead.
pub fn times(bars: &[Bar]) -> Cell {
    let most = bars.iter().map(|bar| bar.took_ms).max().unwrap_or(0).max(1);
    let sign = |bar: &Bar| match bar.outcome {
        None => ("●".to_owned(), Role::Alive),
        Some(Outcome::Succeeded) => {
            let step = usize::try_from(bar.took_ms * 7 / most).unwrap_or(0).min(7);
            (HEIGHTS[step].to_owned(), Role::Good)
        }
        Some(outcome) => {
            let (sign, role) = theme::outcome(outcome);
            (sign.to_owned(), role)
        }
    };
    bars.iter().map(sign).collect()
}

/// How many of the last runs went well; what was taken back is not counted.
fn percent(bars: &[Bar]) -> Cell {
    let counted = bars
        .iter()
        .filter_map(|bar| bar.outcome)
        .filter(|outcome| *outcome == Outcome::Succeeded || is_failure(*outcome));
    let (good, all) = counted.fold((0usize, 0usize), |(good, all), outcome| {
        (good + usize::from(outcome == Outcome::Succeeded), all + 1)
    });
    match (good * 100).checked_div(all) {
        Some(100) => cell("100%", Role::Good),
        Some(share) => cell(format!("{share}%"), Role::Warn),
        None => cell("-", Role::Dim),
    }
}

fn draw_lanes(state: &State, pen: &mut Pen<'_>) {
    let name = if pen.width() >= 110 { 24 } else { 14 };
    let x = 2 + name + 1;
    let room = pen.width().saturating_sub(x + 1);
    pen.text(2, 0, name, "JOB", Role::Head);
    lanes::hours(state, pen, &lanes::fit(&state.data.day, room), x, 0);
    listing::rows(state, pen, 1, &mut |pen, y, id| {
        let RowId::Job(job) = id else {
            return;
        };
        pen.text(2, y, name, job, Role::Plain);
        if let Some(day) = state.data.lanes.get(job) {
            lanes::lane(state, pen, &lanes::fit(day, room), x, y);
        }
    });
}
