//! Why an alert stands where it stands: the run, the end of its output, what is different.

use crate::tui::columns::Cell;
use crate::tui::data::Why;
use crate::tui::state::State;
use crate::tui::theme::Role;
use crate::tui::words::{coming, of_day, on_clock};
use crate::view::items::took_ms;
use crate::view::time::span;
use crate::view::words::{detail, state as word_of};

/// The lines that say why.
pub fn lines(state: &State, why: &Why) -> Vec<Cell> {
    let mut lines: Vec<Cell> = Vec::new();
    if let Some(run) = &why.run {
        let times = match (run.started_at, run.ended_at) {
            (Some(from), Some(to)) => format!("{} - {}", on_clock(state, from), of_day(state, to)),
            (Some(from), None) => format!("since {}", on_clock(state, from)),
            _ => "not started".to_owned(),
        };
        let text = format!(
            "#{} {}  {times}  {}",
            run.run,
            word_of(run.state),
            detail(run)
        );
        let mut line = vec![(text, Role::Plain)];
        if let Some(runbook) = &why.runbook {
            line.push((format!("   runbook {runbook}"), Role::Dim));
        }
        if let Some(owner) = &why.owner {
            line.push((format!("   owner {owner}"), Role::Dim));
        }
        lines.push(line);
    }
    for line in &why.tail {
        let (mark, role) = if line.err {
            ("E", Role::Bad)
        } else {
            (" ", Role::Plain)
        };
        let time = of_day(state, line.at);
        lines.push(vec![
            (format!("{mark} "), role),
            (format!("{time} "), Role::Dim),
            (line.text.clone(), Role::Plain),
        ]);
    }
    if let (Some(run), Some(good)) = (&why.run, &why.last_good) {
        let took = |run| took_ms(run).map_or("?".to_owned(), span);
        let when = good
            .ended_at
            .map_or("?".to_owned(), |at| on_clock(state, at));
        lines.push(vec![(
            format!(
                "last good run #{}, {when}, took {}; this one {}",
                good.run,
                took(good),
                took(run)
            ),
            Role::Dim,
        )]);
    }
    if !why.also.is_empty() {
        lines.push(vec![(
            format!("also failing around then: {}", why.also.join(", ")),
            Role::Warn,
        )]);
    }
    if why.next_at.is_some() {
        let next = coming(state, why.next_at);
        lines.push(vec![(
            format!("R does the run again now; next fire {next}"),
            Role::Dim,
        )]);
    }
    lines
}
