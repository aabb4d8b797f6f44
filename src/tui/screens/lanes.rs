//! A day as a row of cells: what ran, what failed, what was missed, and what is planned.

use crate::tui::data::{Cell, Day};
use crate::tui::paint::Pen;
use crate::tui::state::State;
use crate::tui::theme::Role;
use crate::tui::words::height;

/// Paints the whole instance's day with its hours below, from a column on.
pub fn strip(state: &State, pen: &mut Pen<'_>, x: usize, y: usize) {
    let day = fit(&state.data.day, pen.width().saturating_sub(x + 1));
    let most = day.cells.iter().map(|c| c.good).max().unwrap_or(0);
    for (i, cell) in day.cells.iter().enumerate() {
        let (sign, role) = sign(&day, i, *cell, u64::from(most), state.now);
        pen.text(x + i, y, 1, sign, role);
    }
    hours(state, pen, &day, x, y + 1);
}

/// Paints the day of one job.
pub fn lane(state: &State, pen: &mut Pen<'_>, day: &Day, x: usize, y: usize) {
    let most = day.cells.iter().map(|c| c.good).max().unwrap_or(0);
    for (i, cell) in day.cells.iter().enumerate() {
        let (sign, role) = match sign(day, i, *cell, u64::from(most), state.now) {
            (" " | "┃", _) if cell.alive > 0 => ("━", Role::Alive),
            (sign, role) => (sign, role),
        };
        pen.text(x + i, y, 1, sign, role);
    }
}

/// Writes the hours under, or over, the cells of a day.
pub fn hours(state: &State, pen: &mut Pen<'_>, day: &Day, x: usize, y: usize) {
    let zone = &state.setting.zone;
    let mut free = 0;
    for i in 0..day.cells.len() {
        let local = zone.to_local(start(day, i));
        let whole = local.minute == 0 && local.hour.is_multiple_of(3);
        if whole && i >= free {
            pen.text(x + i, y, 3, &format!("{:02}h", local.hour), Role::Dim);
            free = i + 4;
        }
    }
}

fn start(day: &Day, cell: usize) -> i64 {
    day.from + day.cell_ms * i64::try_from(cell).unwrap_or(0)
}

/// The sign of a cell.
pub fn sign(day: &Day, i: usize, cell: Cell, most: u64, now: i64) -> (&'static str, Role) {
    let (from, to) = (start(day, i), start(day, i + 1));
    if cell.bad > 0 {
        return ("✗", Role::Bad);
    }
    if cell.missed > 0 {
        return ("!", Role::Warn);
    }
    if (from..to).contains(&now) {
        return ("┃", Role::Head);
    }
    if cell.good > 0 {
        return (height(u64::from(cell.good), most), Role::Good);
    }
    if to <= now {
        return (" ", Role::Plain);
    }
    match cell.planned {
        0 => (" ", Role::Plain),
        1..=2 => ("·", Role::Dim),
        3..=9 => (":", Role::Dim),
        _ => ("∷", Role::Dim),
    }
}

/// Joins cells until the day fits into so many columns.
pub fn fit(day: &Day, width: usize) -> Day {
    let join = day.cells.len().div_ceil(width.max(1)).max(1);
    // Cells are joined to halves, hours and so on, so that the hours stand at their beginnings.
    let join = [1, 2, 4, 8, 12, 24, 48, 96]
        .into_iter()
        .find(|n| *n >= join)
        .unwrap_or(96);
    let cells = day.cells.chunks(join).map(|chunk| {
        chunk.iter().fold(Cell::default(), |sum, cell| Cell {
            good: sum.good + cell.good,
            bad: sum.bad + cell.bad,
            missed: sum.missed + cell.missed,
            planned: sum.planned.max(cell.planned),
            alive: sum.alive.max(cell.alive),
        })
    });
    Day {
        from: day.from,
        cell_ms: day.cell_ms * i64::try_from(join).unwrap_or(1),
        cells: cells.collect(),
    }
}
