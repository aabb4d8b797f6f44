//! The rows of a list: those in sight, the cursor, and marks.

use crate::tui::paint::Pen;
use crate::tui::state::{RowId, State};
use crate::tui::theme::Role;

/// Paints the rows in sight below `from`, each by `one`.
pub fn rows(
    state: &State,
    pen: &mut Pen<'_>,
    from: usize,
    one: &mut dyn FnMut(&mut Pen<'_>, usize, &RowId),
) {
    let list = state.list();
    let shown = pen.height().saturating_sub(from);
    if list.ids.is_empty() {
        empty(state, pen, from);
        return;
    }
    for (y, (i, id)) in list
        .ids
        .iter()
        .enumerate()
        .skip(list.offset)
        .take(shown)
        .enumerate()
    {
        let y = from + y;
        one(pen, y, id);
        if state.marks.contains(id) {
            pen.text(1, y, 1, "*", Role::Warn);
        }
        if i == list.at {
            pen.text(0, y, 1, ">", Role::Head);
            pen.select(y);
        }
    }
}

fn empty(state: &State, pen: &mut Pen<'_>, from: usize) {
    let text = match (state.filter().is_empty(), state.problems) {
        (false, _) => format!(
            "nothing passes the filter {}; Esc clears it",
            state.filter()
        ),
        (true, true) => "no problems here; * shows all".to_owned(),
        (true, false) => "nothing here yet".to_owned(),
    };
    pen.text(2, from, pen.width().saturating_sub(2), &text, Role::Dim);
}

/// What is said in the heading of a list of how it is narrowed.
pub fn narrowed(state: &State) -> String {
    let problems = if state.problems {
        "only problems, "
    } else {
        ""
    };
    match state.filter() {
        "" => format!("{problems}filter: none"),
        filter => format!("{problems}filter: {filter}"),
    }
}
