//! What is around every screen: header, tabs, and the row of hints or words at the bottom.

use crate::schedule::Zone;
use crate::tui::paint::{Pen, Piece};
use crate::tui::state::{self, Modal, Page, State, Tab, Times};
use crate::tui::theme::Role;
use crate::tui::words::of_day;
use crate::view::attention::Kind;
use crate::view::text::columns;
use crate::view::time::{short, span, weekday};

/// How old what is known may be before that is said, milliseconds.
const SILENT_MS: i64 = 5_000;

/// Fewer columns than this leave no room for the day and the zone.
const NARROW: usize = 60;

/// Host, daemon, alerts, clock.
pub fn header(state: &State, pen: &mut Pen<'_>) {
    let clock = clock(state);
    let from = pen.right(pen.width().saturating_sub(1), 0, &clock, Role::Dim);
    let mut left = pen_until(pen, from);
    let mut said = Vec::new();
    let (words, role) = daemon(state);
    said.push((words, role));
    let host = format!("{} ", state.setting.host);
    // A daemon that does not answer stands before everything else, its name and its host as well.
    let at = if role == Role::Bad {
        1
    } else {
        left.pieces(1, 0, &[("crake  ", Role::Head), (&host, Role::Plain)])
    };
    if state.frozen {
        said.push(("FROZEN".to_owned(), Role::Warn));
    }
    if state.setting.read_only {
        said.push(("read-only".to_owned(), Role::Dim));
    }
    if let Some(error) = &state.data.error {
        said.push((format!("store: {error}"), Role::Bad));
    }
    if let Some(status) = &state.data.status {
        said.push(alerts(status.attention.len()));
    }
    let mut at = at;
    for (text, role) in &said {
        at = left.pieces(at, 0, &[(text, *role), ("  ", Role::Plain)]);
    }
}

/// The same row, up to a column.
fn pen_until<'a>(pen: &'a mut Pen<'_>, end: usize) -> Pen<'a> {
    let area = crate::tui::paint::strip(pen.area(), 0, end.saturating_sub(1));
    pen.on(area)
}

fn alerts(count: usize) -> (String, Role) {
    match count {
        0 => ("all is well".to_owned(), Role::Good),
        1 => ("1 needs attention".to_owned(), Role::Warn),
        n => (format!("{n} need attention"), Role::Warn),
    }
}

fn clock(state: &State) -> String {
    let zone = match state.times {
        Times::Utc => Zone::utc(),
        _ => state.setting.zone.clone(),
    };
    if state.width() < NARROW {
        return of_day(state, state.now);
    }
    format!(
        "{} {} {}",
        weekday(zone.to_local(state.now)),
        of_day(state, state.now),
        zone.abbreviation_at(state.now)
    )
}

/// The daemon in a few words.
fn daemon(state: &State) -> (String, Role) {
    let Some(daemon) = &state.daemon else {
        return ("asking the daemon".to_owned(), Role::Dim);
    };
    let silence = state.now - state.asked_at;
    if silence > SILENT_MS {
        // Whatever it hangs on, a disk as a rule, what is on the screen is not how things are.
        let text = format!("NO NEWS FOR {} - what is shown is old", short(silence));
        return (text, Role::Bad);
    }
    if !daemon.up {
        let since = daemon.since.map_or(String::new(), |at| {
            format!(" {}", short((state.now - at).max(0)))
        });
        return (
            format!("DAEMON NOT ANSWERING{since} - showing the store, read-only"),
            Role::Bad,
        );
    }
    let up = daemon
        .since
        .map_or(String::new(), |at| format!(" {}", short(state.now - at)));
    if daemon.degraded.is_some() {
        return (format!("daemon up{up} DEGRADED"), Role::Bad);
    }
    let beat = daemon.beat_age_ms.map_or("?".to_owned(), span);
    let pid = match daemon.pid {
        Some(pid) if state.width() >= 110 => format!(" (pid {pid})"),
        _ => String::new(),
    };
    let slow = daemon.beat_age_ms.is_some_and(|ms| ms > 10_000);
    (
        format!("daemon up{up}{pid} beat {beat}"),
        if slow { Role::Bad } else { Role::Plain },
    )
}

/// The screens by number, with counts.
pub fn tabs(state: &State, pen: &mut Pen<'_>) {
    let mut at = 1;
    let wide = state.width() >= 110;
    for (i, tab) in Tab::ALL.into_iter().enumerate() {
        let count = count(state, tab);
        let number = format!("{} ", i + 1);
        let here = state.tab == tab;
        let role = if here { Role::Head } else { Role::Dim };
        let begin = at;
        at = pen.pieces(at, 1, &[(&number, Role::Dim), (tab.title(), role)]);
        if let Some((text, role)) = count {
            at = pen.pieces(at, 1, &[(" ", Role::Plain), (&text, role)]);
        }
        if here {
            let area = crate::tui::paint::strip(pen.area(), begin, at);
            pen.on(area).select(1);
        }
        at += if wide { 2 } else { 1 };
    }
}

fn count(state: &State, tab: Tab) -> Option<(String, Role)> {
    let status = state.data.status.as_ref()?;
    let number = |n: i64| Some((n.to_string(), Role::Plain));
    match tab {
        Tab::Overview | Tab::Logs => None,
        Tab::Watches => {
            let odd = status.attention.iter().filter(|a| a.watch.is_some());
            match odd.count() {
                0 => None,
                n => Some((n.to_string(), Role::Warn)),
            }
        }
        Tab::Jobs => number(status.counts.jobs),
        Tab::Runs => number(status.counts.running + status.counts.queued),
        Tab::Missed => {
            let open = status.attention.iter().filter(|a| a.kind == Kind::Missed);
            match open.count() {
                0 => number(0),
                n => Some((n.to_string(), Role::Warn)),
            }
        }
        Tab::Workers => {
            let busy = state.data.workers.iter().filter(|w| w.run.is_some());
            Some((
                format!("{}/{}", busy.count(), state.data.workers.len()),
                Role::Plain,
            ))
        }
    }
}

/// Hints, or what is to be said.
pub fn footer(state: &State, pen: &mut Pen<'_>) {
    let y = pen.height() - 1;
    match &state.modal {
        Some(Modal::Filter(input)) => {
            let head = if state.kind() == state::Kind::Log {
                "search: "
            } else {
                "filter: "
            };
            return field(pen, y, head, &input.text, input.error.as_deref());
        }
        Some(Modal::Palette(input)) => {
            return field(pen, y, ": crake ", &input.text, input.error.as_deref());
        }
        _ => {}
    }
    if let Some(flash) = &state.flash {
        let role = if flash.bad { Role::Bad } else { Role::Head };
        pen.pieces(1, y, &[(&flash.text, role)]);
        return;
    }
    let hints = hints(state);
    let help = ("?", "help");
    let wide = |(key, what): &(&str, &str)| columns(key) + columns(what) + 3;
    let mut room = pen.width().saturating_sub(wide(&help) + 1);
    let mut pieces: Vec<Piece<'_>> = Vec::new();
    // Whole hints are dropped, help never is.
    for hint in hints.iter().take_while(|hint| {
        let fits = wide(hint) <= room;
        room = room.saturating_sub(wide(hint));
        fits
    }) {
        pieces.extend([
            (hint.0, Role::Key),
            (" ", Role::Dim),
            (hint.1, Role::Dim),
            ("  ", Role::Dim),
        ]);
    }
    pieces.extend([(help.0, Role::Key), (" ", Role::Dim), (help.1, Role::Dim)]);
    pen.pieces(1, y, &pieces);
}

fn field(pen: &mut Pen<'_>, y: usize, head: &str, text: &str, error: Option<&str>) {
    let at = pen.pieces(
        1,
        y,
        &[(head, Role::Head), (text, Role::Plain), ("_", Role::Key)],
    );
    if let Some(error) = error {
        pen.pieces(at + 2, y, &[(error, Role::Bad)]);
    }
}

/// The keys that do something here, the most useful first.
fn hints(state: &State) -> Vec<(&'static str, &'static str)> {
    let mut hints = of_page(state);
    if state.is_read_only() {
        let acts = ["a", "c", "C", "R", "K", "r", "p", "e", "D", "Space"];
        hints.retain(|(key, _)| !acts.contains(key));
    }
    if !state.stack.is_empty() {
        hints.push(("Esc", "back"));
    }
    hints.extend([("/", "filter"), (":", "cmd"), ("q", "quit")]);
    hints
}

fn on_watches(enter: &'static str) -> Vec<(&'static str, &'static str)> {
    vec![
        ("Enter", enter),
        ("p", "poll now"),
        ("d", "dry run"),
        ("Space", "pause"),
        ("R", "reset"),
    ]
}

fn of_page(state: &State) -> Vec<(&'static str, &'static str)> {
    match state.page() {
        Page::Tab(Tab::Overview) => vec![
            ("Enter", "open"),
            ("a", "ack"),
            ("c", "catch up"),
            ("R", "retry"),
            ("K", "kill"),
            ("l", "log"),
        ],
        Page::Tab(Tab::Jobs) => vec![
            ("Enter", "open"),
            ("r", "run"),
            ("p", "pause"),
            ("e", "edit"),
            ("l", "log"),
            ("v", "lanes"),
            ("s", "sort"),
        ],
        Page::Tab(Tab::Runs) => vec![
            ("Enter", "open"),
            ("l", "log"),
            ("K", "kill"),
            ("R", "retry"),
        ],
        Page::Tab(Tab::Missed) => vec![
            ("c", "catch up"),
            ("C", "all"),
            ("a", "ack"),
            ("Enter", "job"),
        ],
        Page::Tab(Tab::Workers) => vec![
            ("Enter", "run"),
            ("l", "log"),
            ("K", "kill"),
            ("D", "drain"),
        ],
        Page::Tab(Tab::Watches) => on_watches("polls"),
        Page::Watch(_) => on_watches("run"),
        Page::Tab(Tab::Logs) => vec![],
        Page::Job(_) => vec![
            ("r", "run"),
            ("R", "retry"),
            ("p", "pause"),
            ("e", "edit"),
            ("l", "log"),
            ("v", "definition"),
            ("y", "copy"),
        ],
        Page::Run(_) => vec![
            ("l", "log"),
            ("K", "kill"),
            ("R", "retry"),
            ("Enter", "job"),
            ("Y", "copy incident"),
        ],
        Page::Log(..) => vec![("f", "follow"), ("w", "wrap"), ("|", "pager")],
    }
}
