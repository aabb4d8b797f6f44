//! The watches: how each stands, and what its polls asked and found.

use crate::model::{Mode, RunId, WatchState};
use crate::tui::columns::{Cell, Column, cell, headings, row};
use crate::tui::filter::{Filter, Subject};
use crate::tui::paint::{Pen, rows};
use crate::tui::screens::listing;
use crate::tui::screens::polls::{newest, poll, polls};
use crate::tui::state::{RowId, State};
use crate::tui::theme::Role;
use crate::tui::words::{coming, height, past};
use crate::view::time::{short, span};
use crate::view::watch_items::in_short;
use crate::view::watches::WatchView;

const COLUMNS: [Column; 12] = [
    Column::new("WATCH", 12, 28, 0),
    Column::new("STATE", 11, 11, 0),
    Column::new("NEXT", 7, 9, 3),
    Column::new("LAST", 5, 8, 1).right(),
    Column::new("TOOK", 6, 8, 6).right(),
    Column::new("ROWS", 5, 7, 4).right(),
    Column::new("LAST HOUR", 12, 12, 2),
    Column::new("RUNS", 4, 6, 3).right(),
    Column::new("FAILS", 5, 5, 5).right(),
    Column::new("CURSOR", 8, 24, 5),
    Column::new("SOURCE", 8, 14, 7),
    Column::new("JOB", 8, 20, 8),
];

/// States in which a watch does what is expected of it.
fn is_usual(state: WatchState) -> bool {
    use WatchState::{Active, Idle, Paused, Running};
    matches!(state, Running | Idle | Active | Paused)
}

/// The watches that pass.
pub fn ids(state: &State) -> Vec<RowId> {
    let filter = Filter::parse(state.filter()).unwrap_or_default();
    let passes = |view: &&WatchView| {
        let words = [view.health.state.as_str()];
        let subject = Subject {
            name: &view.row.watch.name,
            words: &words,
            took_ms: view.ended.as_ref().and_then(|p| p.took_ms),
            ..Subject::default()
        };
        (!state.problems || !is_usual(view.health.state)) && filter.passes(&subject, state.now)
    };
    let watches = state.data.watches.iter().filter(passes);
    watches
        .map(|view| RowId::Watch(view.row.watch.name.clone()))
        .collect()
}

/// A watch that was read.
pub fn find<'a>(state: &'a State, name: &str) -> Option<&'a WatchView> {
    let named = |view: &&WatchView| view.row.watch.name == name;
    state.data.watches.iter().find(named)
}

/// The run that a row leads to: of a poll its first, of a watch that of its last poll that made one.
pub fn run_of(state: &State, id: &RowId) -> Option<RunId> {
    match id {
        RowId::Poll(_) => poll(state, id)?.runs.first().copied(),
        RowId::Watch(name) | RowId::WatchAlert(_, name) => {
            let lines = polls(state, name);
            let made = lines.iter().find_map(|line| line.runs.last().copied());
            find(state, name).and_then(|view| view.blocking).or(made)
        }
        _ => None,
    }
}

/// Rows below the list.
fn below(state: &State, body: usize) -> usize {
    if state.height() >= 16 {
        body / 2 + 1
    } else {
        0
    }
}

/// Rows of the list that are shown.
pub fn shown(state: &State, body: usize) -> usize {
    body.saturating_sub(2 + below(state, body)).max(1)
}

/// Paints the list.
pub fn draw(state: &State, pen: &mut Pen<'_>) {
    let watches = &state.data.watches;
    let odd = watches.iter().filter(|w| !is_usual(w.health.state));
    let odd = odd.count();
    let head = format!("WATCHES {}", watches.len());
    let unusual = format!(", {odd} to look at");
    let rest = format!(" - {}", listing::narrowed(state));
    let mut pieces = vec![(head.as_str(), Role::Head)];
    if odd > 0 {
        pieces.push((&unusual, Role::Warn));
    }
    pieces.push((&rest, Role::Plain));
    pen.rule(0, &pieces, "");
    let body = pen.height();
    let shown = shown(state, body);
    let mut upper = pen.on(rows(pen.area(), 1, 2 + shown));
    if watches.is_empty() && state.data.status.is_some() {
        return none(&mut upper);
    }
    headings(&mut upper, 2, 0, &COLUMNS, None);
    listing::rows(state, &mut upper, 1, &mut |pen, y, id| {
        let RowId::Watch(name) = id else {
            return;
        };
        if let Some(view) = find(state, name) {
            row(pen, 2, y, &COLUMNS, &cells(state, view));
        }
    });
    if below(state, body) == 0 {
        return;
    }
    let list = state.list();
    if let Some(RowId::Watch(name)) = list.selected() {
        let area = rows(pen.area(), 2 + shown, pen.height());
        detail(state, name, &mut pen.on(area));
    }
}

fn none(pen: &mut Pen<'_>) {
    let room = pen.width().saturating_sub(2);
    pen.text(2, 0, room, "There are no watches yet.", Role::Plain);
    let text = "A watch asks a database at intervals and starts a job for what it finds.";
    pen.text(2, 1, room, text, Role::Dim);
    let text = ":watch add --help shows how to make one";
    pen.text(2, 2, room, text, Role::Dim);
}

fn detail(state: &State, name: &str, pen: &mut Pen<'_>) {
    let from = about(state, name, pen);
    let lines = polls(state, name);
    if lines.is_empty() {
        let text = "it was not asked yet";
        pen.text(2, from, pen.width(), text, Role::Dim);
        return;
    }
    let area = rows(pen.area(), from, pen.height());
    newest(state, lines, &mut pen.on(area));
}

/// Paints what there is to say of a watch besides its row. Gives the row after it.
pub(in crate::tui::screens) fn about(state: &State, name: &str, pen: &mut Pen<'_>) -> usize {
    let Some(view) = find(state, name) else {
        let text = format!("{name} is not there");
        pen.rule(0, &[(&text, Role::Warn)], "");
        return 1;
    };
    let head = format!("POLLS OF {}", name.to_uppercase());
    let (_, word, role) = sign(view.health.state);
    let role = if is_usual(view.health.state) {
        Role::Plain
    } else {
        role
    };
    let since = view.health.since;
    let for_long = since.map_or(String::new(), |at| format!(" {}", short(state.now - at)));
    let stands = format!(" - {word}{for_long}");
    pen.rule(0, &[(&head, Role::Head), (&stands, role)], "");
    let lines = about_lines(state, view);
    for (y, (text, role)) in lines.iter().enumerate() {
        pen.text(2, y + 1, pen.width().saturating_sub(2), text, *role);
    }
    1 + lines.len()
}

pub(in crate::tui::screens) fn about_lines(state: &State, view: &WatchView) -> Vec<(String, Role)> {
    let watch = &view.row.watch;
    let next = next(state, view);
    let every = crate::model::format_duration(watch.every_ms);
    let push = watch.listen.as_ref();
    let push = push.map_or(String::new(), |c| format!(" and on {c}"));
    let key = match (watch.mode, watch.key.is_empty()) {
        (Mode::Rows | Mode::Threshold, _) | (_, true) => String::new(),
        _ => format!(" by {}", watch.key.join(", ")),
    };
    let mut lines = vec![(
        format!(
            "every {every}{push}, next {next}; {}{key}, starts {}",
            watch.mode, watch.job
        ),
        Role::Plain,
    )];
    let mut asks = format!("asks {}, {}", watch.source, pool(view));
    if !view.cursor().is_null() {
        asks.push_str(&format!(", cursor {}", in_short(&view.cursor())));
    }
    lines.push((asks, Role::Dim));
    if let Some(error) = view.error() {
        let role = match view.health.state {
            WatchState::Blocked => Role::Warn,
            _ => Role::Bad,
        };
        lines.push((error, role));
    }
    lines
}

/// When it is asked next; nothing where that hangs on something else.
fn next(state: &State, view: &WatchView) -> String {
    use WatchState::{Blocked, NoSource, Paused, Running, Stalled};
    let past = view.row.next_at.is_some_and(|at| at <= state.now);
    match view.health.state {
        Running | Blocked | NoSource | Paused => "-".to_owned(),
        Stalled if past => "OVERDUE".to_owned(),
        _ if past => "now".to_owned(),
        _ => coming(state, view.row.next_at),
    }
}

fn pool(view: &WatchView) -> String {
    let Some(gauge) = &view.gauge else {
        return "no connection is open".to_owned();
    };
    let figure = |name: &str| gauge.figure(name).unwrap_or(0);
    let max = view.pool_max.map_or_else(|| figure("size"), i64::from);
    let push = match (gauge.listening, gauge.lost_at) {
        (_, Some(_)) => ", LISTENER LOST",
        (true, None) => ", listening",
        (false, None) => "",
    };
    format!(
        "pool in use {}/{max} waiters {} leaks {}{push}",
        figure("in_use"),
        figure("waiters"),
        figure("leaks")
    )
}

/// Sign, word and role of a state.
fn sign(state: WatchState) -> (&'static str, String, Role) {
    let word = state.as_str().replace('_', " ");
    let loud = word.to_uppercase();
    match state {
        WatchState::Running => ("●", word, Role::Alive),
        WatchState::Active => ("✓", word, Role::Good),
        WatchState::Idle => ("✓", word, Role::Dim),
        WatchState::Paused => ("=", word, Role::Dim),
        WatchState::Lagging => ("~", word, Role::Warn),
        WatchState::Blocked => ("○", loud, Role::Warn),
        WatchState::Failing => ("✗", loud, Role::Bad),
        WatchState::Stalled => ("!", loud, Role::Bad),
        WatchState::NoSource => ("?", loud, Role::Bad),
    }
}

fn cells(state: &State, view: &WatchView) -> Vec<Cell> {
    let (sign, word, role) = sign(view.health.state);
    let ended = view.ended.as_ref();
    let none = || "-".to_owned();
    let last = view
        .last
        .as_ref()
        .map(|p| p.last_at.unwrap_or(p.started_at));
    let fails = view.fails();
    vec![
        cell(&view.row.watch.name, Role::Plain),
        cell(format!("{sign} {word}"), role),
        cell(next(state, view), Role::Plain),
        cell(past(state, last), Role::Plain),
        cell(
            ended.and_then(|p| p.took_ms).map_or_else(none, span),
            Role::Dim,
        ),
        cell(
            ended
                .and_then(|p| p.rows)
                .map_or_else(none, |n| n.to_string()),
            Role::Plain,
        ),
        cell(hour(&view.hour), Role::Alive),
        cell(view.runs_1h.to_string(), Role::Plain),
        cell(
            fails.to_string(),
            if fails > 0 { Role::Bad } else { Role::Dim },
        ),
        cell(in_short(&view.cursor()), Role::Dim),
        cell(&view.row.watch.source, Role::Dim),
        cell(&view.row.watch.job, Role::Dim),
    ]
}

/// A bar for each cell; nothing in a cell is a dot, so that it is seen.
fn hour(cells: &[i64]) -> String {
    let number = |n: &i64| u64::try_from(*n).unwrap_or(0);
    let most = cells.iter().map(number).max().unwrap_or(0);
    let bar = |n: &i64| match number(n) {
        0 => "·",
        n => height(n, most),
    };
    cells.iter().map(bar).collect()
}
