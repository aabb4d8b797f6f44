//! The workers, and why one is called what it is called.

use crate::tui::columns::{Cell, Column, cell, headings, row};
use crate::tui::data::Worker;
use crate::tui::filter::{Filter, Subject};
use crate::tui::paint::{Pen, rows};
use crate::tui::screens::listing;
use crate::tui::state::{RowId, State};
use crate::tui::theme::Role;
use crate::view::time::short;

const COLUMNS: [Column; 10] = [
    Column::new("SLOT", 5, 6, 0),
    Column::new("STATE", 10, 12, 0),
    Column::new("QUEUE", 7, 10, 6),
    Column::new("RUN", 7, 9, 1),
    Column::new("JOB", 12, 28, 0),
    Column::new("PID", 7, 8, 5).right(),
    Column::new("BUSY", 6, 8, 2).right(),
    Column::new("CPU", 5, 6, 3).right(),
    Column::new("MEM", 6, 8, 4).right(),
    Column::new("QUIET", 6, 8, 3).right(),
];

/// Rows below the list that say why.
const WHY: usize = 8;

/// States in which a worker does what is expected of it.
const USUAL: [&str; 4] = ["idle", "starting", "running", "waiting"];

/// The workers that pass.
pub fn ids(state: &State) -> Vec<RowId> {
    let filter = Filter::parse(state.filter()).unwrap_or_default();
    let passes = |worker: &&Worker| {
        let words = [worker.state.as_str()];
        let subject = Subject {
            name: worker.job.as_deref().unwrap_or(&worker.name),
            words: &words,
            queue: worker.queue.as_deref(),
            took_ms: worker.busy_ms,
            ..Subject::default()
        };
        (!state.problems || !USUAL.contains(&words[0])) && filter.passes(&subject, state.now)
    };
    let workers = state.data.workers.iter().filter(passes);
    workers
        .map(|worker| RowId::Worker(worker.name.clone()))
        .collect()
}

/// The worker of a row.
pub fn find<'a>(state: &'a State, id: &RowId) -> Option<&'a Worker> {
    let RowId::Worker(name) = id else {
        return None;
    };
    state
        .data
        .workers
        .iter()
        .find(|worker| worker.name == *name)
}

/// Rows of the list that are shown.
pub fn shown(state: &State, body: usize) -> usize {
    let why = if state.height() >= 16 { WHY } else { 0 };
    body.saturating_sub(2 + why).max(1)
}

/// Paints it.
pub fn draw(state: &State, pen: &mut Pen<'_>) {
    let workers = &state.data.workers;
    let busy = workers.iter().filter(|w| w.run.is_some()).count();
    let odd = workers
        .iter()
        .filter(|w| !USUAL.contains(&w.state.as_str()))
        .count();
    let head = format!("WORKERS {}", workers.len());
    let rest = format!(" - {busy} busy");
    let unusual = format!(", {odd} to look at");
    let mut pieces = vec![(head.as_str(), Role::Head), (rest.as_str(), Role::Plain)];
    if odd > 0 {
        pieces.push((&unusual, Role::Warn));
    }
    pen.rule(0, &pieces, "");
    let shown = shown(state, pen.height());
    let area = rows(pen.area(), 1, 2 + shown);
    let mut upper = pen.on(area);
    headings(&mut upper, 2, 0, &COLUMNS, None);
    if workers.is_empty() {
        let text = "no worker carries a run; they are started when there is something to run";
        upper.text(2, 1, upper.width(), text, Role::Dim);
    } else {
        listing::rows(state, &mut upper, 1, &mut |pen, y, id| {
            if let Some(worker) = find(state, id) {
                row(pen, 2, y, &COLUMNS, &cells(worker));
            }
        });
    }
    let list = state.list();
    if let Some(worker) = list.selected().and_then(|id| find(state, id)) {
        let area = rows(pen.area(), 2 + shown, pen.height());
        why(worker, &mut pen.on(area));
    }
}

fn role_of(state: &str) -> Role {
    match state {
        "idle" => Role::Dim,
        "starting" | "running" | "waiting" => Role::Alive,
        "overrun" | "stopped" => Role::Warn,
        _ => Role::Bad,
    }
}

fn cells(worker: &Worker) -> Vec<Cell> {
    let or = |text: Option<String>| text.unwrap_or_else(|| "-".to_owned());
    let role = role_of(&worker.state);
    let word = match role {
        Role::Bad | Role::Warn => worker.state.to_uppercase(),
        _ => worker.state.clone(),
    };
    vec![
        cell(&worker.name, Role::Plain),
        cell(word, role),
        cell(or(worker.queue.clone()), Role::Dim),
        cell(or(worker.run.map(|run| format!("#{run}"))), Role::Plain),
        cell(or(worker.job.clone()), Role::Plain),
        cell(or(worker.pid.map(|pid| pid.to_string())), Role::Dim),
        cell(or(worker.busy_ms.map(short)), Role::Plain),
        cell(
            or(worker.cpu_percent.map(|share| format!("{share}%"))),
            Role::Plain,
        ),
        cell(or(worker.rss_bytes.map(bytes)), Role::Plain),
        cell(or(worker.quiet_ms.map(short)), Role::Plain),
    ]
}

/// A size in at most five columns.
pub fn bytes(bytes: i64) -> String {
    let mut size = bytes.max(0) as f64;
    for unit in ["B", "K", "M", "G", "T"] {
        if size < 1000.0 {
            return match unit {
                "B" => format!("{size:.0}{unit}"),
                _ if size < 10.0 => format!("{size:.1}{unit}"),
                _ => format!("{size:.0}{unit}"),
            };
        }
        size /= 1024.0;
    }
    format!("{size:.0}P")
}

fn why(worker: &Worker, pen: &mut Pen<'_>) {
    let role = role_of(&worker.state);
    let head = format!(
        "WHY {} IS CALLED {}",
        worker.name,
        worker.state.to_uppercase()
    );
    pen.rule(
        0,
        &[(
            &head,
            if role == Role::Alive {
                Role::Head
            } else {
                role
            },
        )],
        "",
    );
    if worker.evidence.is_empty() {
        let text = match worker.run {
            Some(_) => "it carries a run, and nothing about it is unusual",
            None => "it carries nothing",
        };
        pen.text(2, 1, pen.width().saturating_sub(2), text, Role::Dim);
    }
    for (y, clause) in worker.evidence.iter().enumerate() {
        pen.text(2, y + 1, pen.width().saturating_sub(2), clause, Role::Plain);
    }
}
