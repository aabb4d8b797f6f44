//! After every message: lists are made anew from what is known, and the cursor stays on its row.

use crate::model::RunId;
use crate::tui::screens::{
    CHROME, jobs, lines, log, missed, overview, polls, runs, watches, workers,
};
use crate::tui::sources::Place;
use crate::tui::state::{List, Modal, Page, RowId, State, Tab};

/// Brings the list on the screen up to date.
pub fn settle(state: &mut State) {
    // Nothing moves under a question.
    if matches!(state.modal, Some(Modal::Confirm(_) | Modal::PauseFor(_))) {
        return;
    }
    let body = state.height().saturating_sub(CHROME);
    let (ids, shown) = match state.page() {
        Page::Tab(Tab::Overview) => {
            // Its parts scroll for themselves.
            let ids = overview::ids(state);
            let all = ids.len().max(1);
            (ids, all)
        }
        Page::Tab(Tab::Jobs) => (jobs::ids(state), body.saturating_sub(1).max(1)),
        Page::Tab(Tab::Runs) => (runs::ids(state), body.saturating_sub(2).max(1)),
        Page::Tab(Tab::Missed) => (missed::ids(state), missed::shown(state, body)),
        Page::Tab(Tab::Workers) => (workers::ids(state), workers::shown(state, body)),
        Page::Tab(Tab::Watches) => (watches::ids(state), watches::shown(state, body)),
        Page::Tab(Tab::Logs) => (Vec::new(), 1),
        Page::Watch(watch) => (polls::ids(state, &watch), polls::shown(state, &watch, body)),
        Page::Job(_) | Page::Run(_) => {
            let last = lines(state).len().saturating_sub(body);
            let list = state.list_mut();
            list.offset = list.offset.min(last);
            return;
        }
        Page::Log(run, _) => return settle_log(state, run),
    };
    let list = state.list_mut();
    keep_cursor(list, ids);
    keep_in_sight(list, shown);
}

/// Keeps the end of output in sight where it is followed, and asks for the window that is needed.
fn settle_log(state: &mut State, run: RunId) {
    let shown = log::shown(state);
    let Some(page) = log::page(state, run).cloned() else {
        return;
    };
    let last = page.total.saturating_sub(shown);
    if state.log.follow {
        state.log.top = last;
        state.log.place = Place::End;
        return;
    }
    state.log.top = state.log.top.min(last);
    let (from, to) = (page.first, page.first + page.lines.len());
    let wanted = state.log.top..(state.log.top + shown).min(page.total);
    if wanted.start < from || wanted.end > to {
        state.log.place = Place::From(state.log.top.saturating_sub(BEFORE));
    }
}

/// Lines above the first in sight that are read with it.
const BEFORE: usize = 800;

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
