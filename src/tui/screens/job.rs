//! One job: what it is, how its last runs went, when it fires; or its definition.

use crate::model::Outcome;
use crate::schedule::Civil;
use crate::tui::columns::Cell;
use crate::tui::data::{Bar, JobDetail};
use crate::tui::screens::jobs::times;
use crate::tui::screens::text::Line;
use crate::tui::state::State;
use crate::tui::theme::{self, Role};
use crate::tui::words::{coming, on_clock, past};
use crate::view::items::{late_ms, took_ms};
use crate::view::time::{in_full, span, weekday};
use crate::view::week::dates;
use crate::view::words::{detail, is_failure, state as word_of};

/// Runs listed one by one.
const RUNS: usize = 8;

/// The lines of it.
pub fn lines(state: &State, name: &str) -> Vec<Line> {
    let Some(job) = state.data.job.as_ref().filter(|job| job.name == name) else {
        return vec![Line::plain(format!("reading {name}"))];
    };
    if state.is_other() {
        return definition(job);
    }
    let mut lines = head(state, job);
    runs(state, job, &mut lines);
    week(state, job, &mut lines);
    changes(state, job, &mut lines);
    lines
}

fn head(state: &State, job: &JobDetail) -> Vec<Line> {
    let mut lines = vec![
        Line::head(format!("JOB {}", job.name)),
        Line::of("command", &job.command),
    ];
    for (expr, means, zone) in &job.schedules {
        lines.push(Line::of(
            "schedule",
            format!("{expr}   \"{means}\"   {zone}"),
        ));
    }
    if job.schedules.is_empty() {
        lines.push(Line::of("schedule", "none: it runs when somebody asks"));
    }
    lines.extend(job.rules.iter().map(|rule| match rule.split_once(": ") {
        Some((word, text)) => Line::of(word, text),
        None => Line::plain(rule),
    }));
    let next = match job.next_at {
        Some(at) => format!(
            "{} ({})",
            in_full(at, &state.setting.zone),
            coming(state, Some(at))
        ),
        None => "not planned".to_owned(),
    };
    lines.push(Line::of("next", next));
    lines
}

fn runs(state: &State, job: &JobDetail, lines: &mut Vec<Line>) {
    let bars: Vec<Bar> = job
        .runs
        .iter()
        .rev()
        .filter_map(|run| {
            let at = run.started_at.or(run.ended_at)?;
            Some(Bar {
                at,
                outcome: run.state.outcome(),
                took_ms: took_ms(run).unwrap_or(state.now - at).max(0),
            })
        })
        .collect();
    let good = |bar: &&Bar| bar.outcome == Some(Outcome::Succeeded);
    let mut lengths: Vec<i64> = bars.iter().filter(good).map(|bar| bar.took_ms).collect();
    lengths.sort_unstable();
    let median = lengths
        .get(lengths.len() / 2)
        .map_or("-".to_owned(), |ms| span(*ms));
    let failed = bars
        .iter()
        .filter(|b| b.outcome.is_some_and(is_failure))
        .count();
    lines.push(Line::head(format!(
        "LAST {} RUNS - height: time it took, median {median}",
        bars.len()
    )));
    if bars.is_empty() {
        lines.push(Line::plain("it has not run yet"));
        return;
    }
    let mut line: Cell = times(&bars);
    line.push((
        format!("   {} ok {failed} fail", lengths.len()),
        Role::Plain,
    ));
    lines.push(Line::Text(line));
    for run in job.runs.iter().take(RUNS) {
        let (sign, role) = theme::state(run.state);
        let started = run
            .started_at
            .map_or("-".to_owned(), |at| on_clock(state, at));
        let took = took_ms(run).map_or("-".to_owned(), span);
        let late = late_ms(run).map_or("-".to_owned(), span);
        lines.push(Line::Text(vec![
            (format!("#{:<7}", run.run), Role::Plain),
            (format!("{sign} {:<10}", word_of(run.state)), role),
            (
                format!("{started:<18} took {took:<7} late {late:<7} "),
                Role::Plain,
            ),
            (detail(run), Role::Dim),
        ]));
    }
}

fn week(state: &State, job: &JobDetail, lines: &mut Vec<Line>) {
    let change = match job.changes.first() {
        Some(change) => format!("; {change}"),
        None => String::new(),
    };
    lines.push(Line::head(format!(
        "FIRES, 7 DAYS (an hour a column{change})"
    )));
    let hours: String = (0..24)
        .map(|hour| {
            if hour % 3 == 0 {
                format!("{hour:<3}")
            } else {
                ".  ".to_owned()
            }
        })
        .collect();
    lines.push(Line::Text(vec![(format!("       {hours}"), Role::Dim)]));
    let days: Vec<Civil> = dates(state.now, &state.setting.zone);
    for (day, hours) in days.iter().zip(&job.week.hours) {
        let mut line: Cell = vec![(format!("{} {:02} ", weekday(*day), day.day), Role::Plain)];
        line.extend(hours.iter().map(|count| match count {
            0 => ("  ·".to_owned(), Role::Dim),
            n if *n > 99 => (" ++".to_owned(), Role::Plain),
            n => (format!("{n:>3}"), Role::Plain),
        }));
        lines.push(Line::Text(line));
    }
}

fn changes(state: &State, job: &JobDetail, lines: &mut Vec<Line>) {
    lines.push(Line::head("DEFINITION (v shows it) CHANGED"));
    for row in &job.history {
        lines.push(Line::plain(format!(
            "{:>6}  {}  version {}  by {}",
            past(state, Some(row.at)),
            row.what,
            row.version,
            row.by
        )));
    }
}

fn definition(job: &JobDetail) -> Vec<Line> {
    let mut lines = vec![Line::head(format!(
        "DEFINITION OF {} (e edits it, v goes back)",
        job.name
    ))];
    match &job.toml {
        Ok(text) => lines.extend(text.lines().map(|line| match line.split_once(" = ") {
            Some((key, value)) => Line::Text(vec![
                (key.to_owned(), Role::Head),
                (" = ".to_owned(), Role::Dim),
                (value.to_owned(), Role::Plain),
            ]),
            None => Line::plain(line),
        })),
        Err(error) => lines.push(Line::Text(vec![(error.clone(), Role::Bad)])),
    }
    lines
}
