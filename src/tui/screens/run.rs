//! One run: where it stands, each attempt of it, and what was told of it.

use crate::model::{Level, RunId, RunState};
use crate::store::{AttemptRow, EventRow};
use crate::tui::data::RunDetail;
use crate::tui::screens::runs::length_ms;
use crate::tui::screens::text::Line;
use crate::tui::screens::workers::bytes;
use crate::tui::state::State;
use crate::tui::theme::{self, Role};
use crate::tui::words::{bar, coming, of_day, of_pace, on_clock};
use crate::view::items::{late_ms, took_ms, worker};
use crate::view::time::{in_full, span};
use crate::view::words::{detail, made_by, state as word_of};

/// The lines of it.
pub fn lines(state: &State, run: RunId) -> Vec<Line> {
    let Some(detail) = state.data.run.as_ref().filter(|d| d.run.run == run) else {
        return vec![Line::plain(format!("reading #{run}"))];
    };
    let mut lines = head(state, detail);
    lines.push(Line::head(format!(
        "ATTEMPTS {} of {}",
        detail.run.attempt, detail.run.max_attempts
    )));
    for attempt in &detail.attempts {
        lines.push(one_attempt(state, attempt));
    }
    if detail.attempts.is_empty() {
        lines.push(Line::plain("none yet: it waits for a slot"));
    }
    evidence(state, run, &mut lines);
    lines.push(Line::head("EVENTS"));
    for event in &detail.events {
        lines.push(one_event(state, event));
    }
    if detail.events.is_empty() {
        lines.push(Line::Text(vec![(
            "nothing unusual was told of it".to_owned(),
            Role::Dim,
        )]));
    }
    lines
}

fn head(state: &State, of: &RunDetail) -> Vec<Line> {
    let run = &of.run;
    let (sign, role) = theme::state(run.state);
    let mut lines = vec![
        Line::head(format!("RUN #{} {}", run.run, run.job)),
        Line::Text(vec![
            (format!("{:<10} ", "state"), Role::Dim),
            (format!("{sign} {} ", word_of(run.state)), role),
            (detail(run), Role::Plain),
        ]),
    ];
    let by = match (&run.origin_ref, &of.requested_by) {
        (Some(of), _) if run.watch.is_some() => format!("{}, poll {of}", made_by(run)),
        (Some(of), _) => format!("{} of {of}", run.origin),
        (None, Some(by)) => format!("{}, asked for by {by}", run.origin),
        (None, None) => run.origin.to_string(),
    };
    lines.push(Line::of("made by", by));
    if let Some(at) = run.planned_at {
        lines.push(Line::of("planned", in_full(at, &state.setting.zone)));
    }
    if let Some(at) = run.started_at {
        let late = late_ms(run).map_or(String::new(), |ms| format!(", {} late", span(ms)));
        lines.push(Line::of(
            "started",
            format!("{}{late}", on_clock(state, at)),
        ));
    }
    if let Some(at) = run.ended_at {
        let took = took_ms(run).map_or(String::new(), |ms| format!(", took {}", span(ms)));
        lines.push(Line::of("ended", format!("{}{took}", on_clock(state, at))));
    }
    let length = length_ms(run, state.now);
    if run.state == RunState::Running
        && let Some(ms) = length
    {
        let usual = of
            .usual_ms
            .map_or(String::new(), |usual| format!(" usually {}", span(usual)));
        let text = format!(
            "{} {}{usual}  {}",
            span(ms),
            bar(ms, of.usual_ms, 16),
            of_pace(of.pace)
        );
        lines.push(Line::of("alive for", text));
        let pid = run.pid.map_or("?".to_owned(), |pid| pid.to_string());
        let carrier = worker(run).unwrap_or_else(|| "?".to_owned());
        lines.push(Line::of("process", format!("{pid}, carried by {carrier}")));
    }
    lines.push(Line::of(
        "queue",
        format!("{}, priority {}", run.queue, run.priority),
    ));
    if let Some(good) = &of.last_good {
        let took = took_ms(good).map_or("?".to_owned(), span);
        let when = good
            .ended_at
            .map_or("?".to_owned(), |at| on_clock(state, at));
        lines.push(Line::of(
            "last good",
            format!("#{}, {when}, took {took}", good.run),
        ));
    }
    lines.push(Line::of("next fire", coming(state, of.next_at)));
    lines
}

fn one_attempt(state: &State, attempt: &AttemptRow) -> Line {
    let (sign, role) = match attempt.outcome {
        Some(outcome) => theme::outcome(outcome),
        None => ("●", Role::Alive),
    };
    let word = attempt.outcome.map_or("run", |outcome| outcome.as_str());
    let started = attempt
        .started_at
        .map_or("-".to_owned(), |at| on_clock(state, at));
    let took = match (attempt.started_at, attempt.ended_at) {
        (Some(from), Some(to)) => span(to - from),
        (Some(from), None) => span(state.now - from),
        _ => "-".to_owned(),
    };
    let mut said = vec![format!("{started}  took {took}")];
    let mut add = |what: Option<String>| said.extend(what);
    add(attempt.exit_code.map(|code| format!("exit {code}")));
    add(attempt.signal.map(|signal| format!("signal {signal}")));
    add(attempt.pid.map(|pid| format!("pid {pid}")));
    add(attempt.slot.map(|slot| format!("w{slot}")));
    add(attempt.cpu_ms.map(|ms| format!("cpu {}", span(ms))));
    add(attempt
        .max_rss
        .filter(|b| *b > 0)
        .map(|b| format!("max rss {}", bytes(b))));
    add(attempt.out_bytes.map(|b| format!("wrote {}", bytes(b))));
    add(attempt
        .out_dropped
        .filter(|b| *b > 0)
        .map(|b| format!("{} of it not kept", bytes(b))));
    add(attempt.reason.clone());
    Line::Text(vec![
        (format!("{} ", attempt.n), Role::Plain),
        (format!("{sign} {word:<10} "), role),
        (said.join("  "), Role::Plain),
    ])
}

fn evidence(state: &State, run: RunId, lines: &mut Vec<Line>) {
    let worker = state.data.workers.iter().find(|w| w.run == Some(run));
    let Some(worker) = worker.filter(|w| !w.evidence.is_empty()) else {
        return;
    };
    lines.push(Line::head(format!(
        "WHY IT IS CALLED {}",
        worker.state.to_uppercase()
    )));
    lines.extend(worker.evidence.iter().map(Line::plain));
}

fn one_event(state: &State, event: &EventRow) -> Line {
    let role = match event.level {
        Level::Error => Role::Bad,
        Level::Warn => Role::Warn,
        Level::Info => Role::Plain,
    };
    Line::Text(vec![
        (format!("{} ", of_day(state, event.at)), Role::Dim),
        (format!("{:<12} ", event.kind), role),
        (event.text.clone(), Role::Plain),
    ])
}

/// What somebody who is told of it needs to know, as text.
pub fn incident(state: &State, of: &RunDetail, tail: &[String]) -> String {
    let run = &of.run;
    let zone = &state.setting.zone;
    let full = |at: Option<i64>| {
        at.map_or("-".to_owned(), |at| {
            format!(
                "{} ({})",
                in_full(at, zone),
                crate::view::time::rfc3339(at, &crate::schedule::Zone::utc())
            )
        })
    };
    let mut text = format!(
        "job      {}\nrun      #{} attempt {}/{}\nhost     {}\nstate    {} {}\nplanned  {}\nstarted  {}\nended    {}\n",
        run.job,
        run.run,
        run.attempt,
        run.max_attempts,
        state.setting.host,
        word_of(run.state),
        detail(run),
        full(run.planned_at),
        full(run.started_at),
        full(run.ended_at),
    );
    if let Some(good) = &of.last_good {
        text.push_str(&format!("last ok  #{} {}\n", good.run, full(good.ended_at)));
    }
    for line in tail {
        text.push_str(&format!("  {line}\n"));
    }
    text
}
