//! After every message: lists are made anew from what is known, and the cursor stays on its row.

use crate::tui::screens::{CHROME, overview};
use crate::tui::state::{List, Modal, Page, RowId, State, Tab};

/// Brings the list on the screen up to date.
pub fn settle(state: &mut State) {
    // Nothing moves under a question.
    if matches!(state.modal, Some(Modal::Confirm(_) | Modal::PauseFor(_))) {
        return;
    }
    if let Some(ids) = ids(state) {
        let shown = shown(state);
        let list = state.list_mut();
        keep_cursor(list, ids);
        keep_in_sight(list, shown);
    }
}

fn ids(state: &State) -> Option<Vec<RowId>> {
    Some(match state.page() {
        Page::Tab(Tab::Overview) => overview::ids(state),
        _ => return None,
    })
}

/// Rows of the list that are shown.
fn shown(state: &State) -> usize {
    state.height().saturating_sub(CHROME + 2).max(1)
}

/// Puts new rows into a list; the cursor stays on what it is on. Where that is gone it stays at
/// its height.
pub fn keep_cursor(list: &mut List, ids: Vec<RowId>) {
    let on = list.selected().cloned();
    list.ids = ids;
    let found = on.and_then(|on| list.ids.iter().position(|id| *id == on));
    list.at = found
        .unwrap_or(list.at)
        .min(list.ids.len().saturating_sub(1));
}

/// Moves the window so that the cursor is in it.
pub fn keep_in_sight(list: &mut List, shown: usize) {
    list.offset = list
        .offset
        .clamp((list.at + 1).saturating_sub(shown), list.at)
        .min(list.ids.len().saturating_sub(shown));
}
