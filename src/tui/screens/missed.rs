//! Fires nobody was there for, and the gaps in which that was so.

use crate::store::MissedGroup;
use crate::tui::columns::{Cell, Column, cell, headings, row};
use crate::tui::filter::{Filter, Subject};
use crate::tui::paint::{Pen, rows};
use crate::tui::screens::listing;
use crate::tui::state::{RowId, State};
use crate::tui::theme::Role;
use crate::tui::words::on_clock;
use crate::view::items::missed_state;
use crate::view::time::{short, span};
use crate::view::words;

const COLUMNS: [Column; 7] = [
    Column::new("JOB", 12, 28, 0),
    Column::new("FIRES", 5, 7, 1).right(),
    Column::new("FROM", 9, 19, 2),
    Column::new("TO", 9, 19, 4),
    Column::new("WHY", 11, 20, 3),
    Column::new("POLICY", 6, 6, 5),
    Column::new("STATE", 9, 40, 0),
];

/// What a group is called.
pub fn id_of(group: &MissedGroup) -> RowId {
    RowId::Missed(group.job.clone(), group.schedule.0, group.to)
}

/// The groups that pass, latest first.
pub fn ids(state: &State) -> Vec<RowId> {
    let filter = Filter::parse(state.filter()).unwrap_or_default();
    let passes = |group: &&MissedGroup| {
        let words = [missed_state(group), words::reason(group.reason)];
        let subject = Subject {
            name: &group.job,
            words: &words,
            at: Some(group.to),
            ..Subject::default()
        };
        (!state.problems || words[0] == "open") && filter.passes(&subject, state.now)
    };
    state.data.missed.iter().filter(passes).map(id_of).collect()
}

/// The group of a row.
pub fn find<'a>(state: &'a State, id: &RowId) -> Option<&'a MissedGroup> {
    state.data.missed.iter().find(|group| id_of(group) == *id)
}

/// Rows that gaps and the hint take.
fn below(state: &State) -> usize {
    let gaps = state.data.gaps.len().clamp(1, 6);
    if state.height() >= 16 { gaps + 3 } else { 0 }
}

/// Rows of the list that are shown.
pub fn shown(state: &State, body: usize) -> usize {
    body.saturating_sub(2 + below(state)).max(1)
}

/// Paints it.
pub fn draw(state: &State, pen: &mut Pen<'_>) {
    let open = state
        .data
        .missed
        .iter()
        .filter(|g| missed_state(g) == "open")
        .count();
    let gaps = i64::try_from(state.data.gaps.len()).unwrap_or(i64::MAX);
    let gaps = words::count(gaps, "gap");
    let head = format!("MISSED {open} open");
    let rest = format!(", {gaps} in 7 days - {}", listing::narrowed(state));
    let role = if open > 0 { Role::Warn } else { Role::Head };
    pen.rule(0, &[(&head, role), (&rest, Role::Plain)], "");
    let shown = shown(state, pen.height());
    let area = rows(pen.area(), 1, 2 + shown);
    let mut upper = pen.on(area);
    headings(&mut upper, 2, 0, &COLUMNS, None);
    if state.data.missed.is_empty() {
        upper.text(2, 1, 70, "no fire was missed", Role::Good);
    } else {
        listing::rows(state, &mut upper, 1, &mut |pen, y, id| {
            if let Some(group) = find(state, id) {
                row(pen, 2, y, &COLUMNS, &cells(state, group));
            }
        });
    }
    if below(state) > 0 {
        let rest = rows(pen.area(), 2 + shown, pen.height());
        lower(state, &mut pen.on(rest));
    }
}

fn cells(state: &State, group: &MissedGroup) -> Vec<Cell> {
    let word = missed_state(group);
    let said = match (group.run, &group.ack_note) {
        (Some(run), _) => format!("{word} #{run}"),
        (None, Some(note)) => format!("{word} {note}"),
        (None, None) => word.to_owned(),
    };
    let policy = group.policy.map_or("-", |policy| policy.as_str());
    let role = if word == "open" {
        Role::Warn
    } else {
        Role::Dim
    };
    vec![
        cell(&group.job, Role::Plain),
        cell(group.count.to_string(), Role::Plain),
        cell(on_clock(state, group.from), Role::Plain),
        cell(on_clock(state, group.to), Role::Plain),
        cell(words::reason(group.reason), Role::Plain),
        cell(policy, Role::Dim),
        cell(said, role),
    ]
}

fn lower(state: &State, pen: &mut Pen<'_>) {
    pen.rule(
        0,
        &[
            ("GAPS, LAST 7 DAYS", Role::Head),
            (": nobody was there to fire", Role::Plain),
        ],
        "",
    );
    if state.data.gaps.is_empty() {
        pen.text(
            2,
            1,
            60,
            "none: somebody was there all the time",
            Role::Good,
        );
    }
    let room = pen.height().saturating_sub(2);
    for (y, gap) in state.data.gaps.iter().take(room).enumerate() {
        let (from, until) = (on_clock(state, gap.from), on_clock(state, gap.until));
        let length = span(gap.until - gap.from);
        let text = format!("{from} - {until}  {length}  {}", words::reason(gap.reason));
        pen.text(2, y + 1, pen.width().saturating_sub(2), &text, Role::Plain);
    }
    let list = state.list();
    if let Some(group) = list.selected().and_then(|id| find(state, id)) {
        let text = match missed_state(group) {
            "open" => format!(
                "c makes one run of {} now, recorded for the fire of {} ({} ago); a takes note",
                group.job,
                on_clock(state, group.to),
                short(state.now - group.to)
            ),
            word => format!("{}: {word}", group.job),
        };
        let y = pen.height().saturating_sub(1);
        pen.text(2, y, pen.width().saturating_sub(2), &text, Role::Dim);
    }
}
