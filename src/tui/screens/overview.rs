//! What needs attention, what runs, how the day goes, what comes next and what was last.

use crate::tui::data::Live;
use crate::tui::paint::{Pen, Piece, rows, strip};
use crate::tui::screens::{CHROME, SMALLEST};
use crate::tui::state::{List, RowId, State};
use crate::tui::theme::{self, Role};
use crate::tui::words::{age_ms, bar, coming, of_day, of_pace, past};
use crate::view::attention::Attention;
use crate::view::items::worker;
use crate::view::time::{short, span};
use crate::view::words::{detail, state as word_of};
use crate::view::workers::Pace;

/// Rows from which on there is room to say why.
const TALL: usize = 40;

/// Rows that say why.
const WHY: usize = 11;

/// The rows of each part of the screen, its heading among them; 0 where it has no room.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Parts {
    /// What needs attention.
    pub attention: usize,
    /// What is alive or waits.
    pub live: usize,
    /// The day.
    pub day: usize,
    /// What comes next, and what was last.
    pub lists: usize,
    /// Why.
    pub why: usize,
}

/// Shares the rows out.
pub fn parts(state: &State) -> Parts {
    let height = state.height().saturating_sub(CHROME);
    let alerts = state.data.status.as_ref().map_or(0, |s| s.attention.len());
    let cap = (height / 4).max(3);
    let mut left = height;
    let mut take = |wanted: usize, least: usize| {
        let given = if wanted.min(left) >= least {
            wanted.min(left)
        } else {
            0
        };
        left -= given;
        given
    };
    let attention = take(1 + alerts.clamp(1, cap + 1), 2);
    let live = take(1 + state.data.live.len().clamp(1, cap), 2);
    let day = take(3, 3);
    let why = match state.height() >= TALL && state.data.why.is_some() {
        true => take(WHY, 4),
        false => 0,
    };
    let longest = state.data.next.len().max(state.data.recent.len());
    let lists = take(1 + longest.max(1), 2);
    Parts {
        attention,
        live,
        day,
        lists,
        why,
    }
}

/// What the cursor can stand on, from top to bottom.
pub fn ids(state: &State) -> Vec<RowId> {
    let tiny = state.size.0 < SMALLEST.0 || state.size.1 < SMALLEST.1;
    if tiny {
        return Vec::new();
    }
    let parts = parts(state);
    let mut ids: Vec<RowId> = alerts(state).iter().map(alert_id).collect();
    if parts.live > 0 {
        ids.extend(state.data.live.iter().map(|live| RowId::Run(live.run.run)));
    }
    if parts.lists > 0 {
        let shown = parts.lists - 1;
        let next = state.data.next.iter().take(shown);
        ids.extend(next.map(|next| RowId::Next(next.job.clone(), next.at)));
        let recent = state.data.recent.iter().take(shown);
        ids.extend(recent.map(|run| RowId::Run(run.run)));
    }
    ids
}

/// What an alert is called.
pub fn alert_id(alert: &Attention) -> RowId {
    match &alert.watch {
        Some(watch) => RowId::WatchAlert(alert.what, watch.clone()),
        None => RowId::Alert(alert.what, alert.job.clone(), alert.run),
    }
}

fn alerts(state: &State) -> &[Attention] {
    state.data.status.as_ref().map_or(&[], |s| &s.attention)
}

/// Paints it.
pub fn draw(state: &State, pen: &mut Pen<'_>) {
    let parts = parts(state);
    let list = state.list();
    let mut at = 0;
    let mut part = |pen: &mut Pen<'_>, height: usize, draw: &mut dyn FnMut(&mut Pen<'_>)| {
        if height > 0 {
            let area = rows(pen.area(), at, at + height);
            draw(&mut pen.on(area));
            at += height;
        }
    };
    let first_live = alerts(state).len();
    part(pen, parts.attention, &mut |pen| {
        attention(state, &list, pen)
    });
    part(pen, parts.live, &mut |pen| {
        live(state, &list, first_live, pen)
    });
    part(pen, parts.day, &mut |pen| day(state, pen));
    part(pen, parts.lists, &mut |pen| lists(state, &list, pen));
    part(pen, parts.why, &mut |pen| why(state, pen));
}

/// The first row of a part to be shown, so that the cursor is in sight.
fn first_shown(cursor: Option<usize>, shown: usize) -> usize {
    cursor.map_or(0, |at| (at + 1).saturating_sub(shown))
}

fn attention(state: &State, list: &List, pen: &mut Pen<'_>) {
    let alerts = alerts(state);
    let shown = pen.height() - 1;
    let title = match alerts.len() > shown {
        true => format!("NEEDS ATTENTION {}", alerts.len()),
        false => "NEEDS ATTENTION".to_owned(),
    };
    pen.rule(0, &[(&title, Role::Head)], "");
    if state.data.status.is_none() {
        pen.text(4, 1, pen.width(), "reading the store", Role::Dim);
        return;
    }
    if alerts.is_empty() {
        let text = match state.data.jobs.is_empty() {
            true => "no jobs yet: `crake import` reads your crontab, `crake add` makes one",
            false => "nothing: every planned fire is accounted for",
        };
        pen.text(4, 1, pen.width().saturating_sub(4), text, Role::Good);
        return;
    }
    let cursor = Some(list.at).filter(|at| *at < alerts.len());
    let first = first_shown(cursor, shown);
    let widest = pen.width() / 4;
    let name_of = |a: &Attention| a.subject().unwrap_or("-").to_owned();
    let names = alerts
        .iter()
        .map(|a| crate::view::text::columns(&name_of(a)));
    let name_width = names.max().unwrap_or(1).clamp(4, widest.max(12));
    for (y, (i, alert)) in alerts
        .iter()
        .enumerate()
        .skip(first)
        .take(shown)
        .enumerate()
    {
        let y = y + 1;
        let role = theme::level(alert.level);
        let since = past(state, alert.since);
        let end = pen.width().saturating_sub(1);
        let from = pen.right(end, y, &since, Role::Dim);
        let sign = alert.level.sign().to_string();
        pen.text(2, y, 1, &sign, role);
        pen.text(4, y, 8, alert.what, role);
        pen.text(13, y, name_width, &name_of(alert), Role::Plain);
        let x = 13 + name_width + 2;
        pen.text(x, y, from.saturating_sub(x + 2), &alert.text, Role::Plain);
        if cursor == Some(i) {
            point(pen, y);
        }
    }
}

/// Marks the row under the cursor: a sign as well as reversed colours.
fn point(pen: &mut Pen<'_>, y: usize) {
    pen.text(0, y, 1, ">", Role::Head);
    pen.select(y);
}

fn live(state: &State, list: &List, first_live: usize, pen: &mut Pen<'_>) {
    let counts = state
        .data
        .status
        .as_ref()
        .map(|s| s.counts)
        .unwrap_or_default();
    let workers = &state.data.workers;
    let busy = workers.iter().filter(|w| w.run.is_some()).count();
    let head = format!("RUNNING {}  QUEUED {}", counts.running, counts.queued);
    let rest = format!("  WORKERS {busy}/{} busy", workers.len());
    let mut pieces: Vec<Piece<'_>> = vec![(&head, Role::Head)];
    if !workers.is_empty() {
        pieces.push((&rest, Role::Plain));
    }
    pen.rule(0, &pieces, "");
    if state.data.live.is_empty() {
        pen.text(4, 1, pen.width(), "nothing runs", Role::Dim);
        return;
    }
    let shown = pen.height() - 1;
    let cursor = list
        .at
        .checked_sub(first_live)
        .filter(|at| *at < state.data.live.len());
    let first = first_shown(cursor, shown);
    for (y, (i, live)) in state
        .data
        .live
        .iter()
        .enumerate()
        .skip(first)
        .take(shown)
        .enumerate()
    {
        one_live(state, live, pen, y + 1);
        if cursor == Some(i) {
            point(pen, y + 1);
        }
    }
}

fn one_live(state: &State, live: &Live, pen: &mut Pen<'_>, y: usize) {
    let (sign, role) = theme::state(live.run.state);
    let age = age_ms(state, live);
    let wide = pen.width() >= 110;
    let name = if wide { 20 } else { 14 };
    let long = if wide { 16 } else { 8 };
    pen.text(2, y, 1, sign, role);
    pen.text(4, y, 7, &format!("#{}", live.run.run), Role::Plain);
    pen.text(12, y, name, &live.run.job, Role::Plain);
    let mut x = 12 + name + 1;
    pen.right(x + 6, y, &short(age), Role::Plain);
    x += 7;
    pen.text(x, y, long, &bar(age, live.usual_ms, long), role);
    x += long + 1;
    if let Some(usual) = live.usual_ms {
        pen.text(x, y, 7, &format!("~{}", short(usual)), Role::Dim);
    }
    x += 8;
    pen.text(
        x,
        y,
        4,
        worker(&live.run).as_deref().unwrap_or("-"),
        Role::Dim,
    );
    x += 5;
    let mut said = detail(&live.run);
    if said.is_empty() {
        said = of_pace(live.pace).to_owned();
    }
    let room = pen.width().saturating_sub(x + 1);
    let role = match live.pace {
        Pace::Stuck => Role::Bad,
        _ => Role::Dim,
    };
    pen.text(x, y, room, &said, role);
}

fn day(state: &State, pen: &mut Pen<'_>) {
    let today = state
        .data
        .status
        .as_ref()
        .map(|s| s.today)
        .unwrap_or_default();
    let good = format!("TODAY {} ok", today.succeeded);
    let failed = format!("  {} failed", today.failed);
    let missed = format!("  {} missed", today.missed);
    let skipped = format!("  {} skipped", today.skipped);
    let some = |n: i64, role| if n > 0 { role } else { Role::Dim };
    let pieces = [
        (good.as_str(), Role::Head),
        (failed.as_str(), some(today.failed, Role::Bad)),
        (missed.as_str(), some(today.missed, Role::Warn)),
        (skipped.as_str(), Role::Dim),
    ];
    pen.rule(0, &pieces, "✗ fail ! missed · planned");
    crate::tui::screens::lanes::strip(state, pen, 4, 1);
}

fn lists(state: &State, list: &List, pen: &mut Pen<'_>) {
    let (width, shown) = (pen.width(), pen.height() - 1);
    let before = alerts(state).len() + state.data.live.len();
    let next = state.data.next.iter().take(shown);
    let half = if width >= 76 { width * 46 / 100 } else { width };
    let mut left = pen.on(strip(pen.area(), 0, half));
    left.rule(0, &[("NEXT", Role::Head)], "");
    let mut count = 0;
    for (y, fire) in next.enumerate() {
        let y = y + 1;
        let time = of_day(state, fire.at);
        let time = time.strip_suffix(":00").unwrap_or(&time);
        left.text(2, y, 8, time, Role::Plain);
        left.right(18, y, &coming(state, Some(fire.at)), Role::Dim);
        left.text(19, y, 14, &fire.job, Role::Plain);
        let end = left.width().saturating_sub(35);
        left.text(34, y, end, &fire.expr, Role::Dim);
        if list.at == before + y - 1 {
            point(&mut left, y);
        }
        count += 1;
    }
    if count == 0 {
        left.text(4, 1, 30, "nothing is planned", Role::Dim);
    }
    if half == width {
        return;
    }
    let mut right = pen.on(strip(pen.area(), half + 1, width));
    right.rule(0, &[("RECENT", Role::Head)], "");
    for (y, run) in state.data.recent.iter().take(shown).enumerate() {
        let y = y + 1;
        let (sign, role) = theme::state(run.state);
        let took = crate::view::items::took_ms(run).map_or("-".to_owned(), span);
        let name = (right.width() / 3).clamp(12, 24);
        right.text(1, y, 1, sign, role);
        right.text(3, y, 7, word_of(run.state), role);
        right.text(11, y, name, &run.job, Role::Plain);
        right.right(11 + name + 7, y, &took, Role::Plain);
        right.right(11 + name + 13, y, &past(state, run.ended_at), Role::Dim);
        let x = 11 + name + 14;
        let room = right.width().saturating_sub(x);
        right.text(x, y, room, &detail(run), Role::Dim);
        if list.at == before + count + y - 1 {
            point(&mut right, y);
        }
    }
}

fn why(state: &State, pen: &mut Pen<'_>) {
    let Some(why) = &state.data.why else {
        return;
    };
    let lines = crate::tui::screens::why::lines(state, why);
    let head = format!("WHY: {}", why.job.as_deref().unwrap_or("the daemon"));
    pen.rule(0, &[(&head, Role::Head)], "");
    for (y, line) in lines.iter().take(pen.height() - 1).enumerate() {
        let pieces: Vec<Piece<'_>> = line
            .iter()
            .map(|(text, role)| (text.as_str(), *role))
            .collect();
        pen.pieces(2, y + 1, &pieces);
    }
}
