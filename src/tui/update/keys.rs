//! What a key does.

use ratatui::crossterm::event::KeyEvent;

use crate::tui::keymap::{Wish, wish};
use crate::tui::message::Effect;
use crate::tui::state::{Modal, State, Tab, Times};

/// Takes a key in.
pub fn key(state: &mut State, key: &KeyEvent) -> Vec<Effect> {
    state.flash = None;
    let Some(wish) = wish(key) else {
        return Vec::new();
    };
    if wish == Wish::Quit {
        return vec![Effect::Quit];
    }
    if state.modal.take().is_some() {
        return Vec::new();
    }
    carry_out(state, wish)
}

fn carry_out(state: &mut State, wish: Wish) -> Vec<Effect> {
    match wish {
        Wish::Move(by) => go_by(state, i64::from(by)),
        Wish::First => go_by(state, i64::MIN / 2),
        Wish::Last => go_by(state, i64::MAX / 2),
        Wish::Go(tab) => go(state, tab),
        Wish::Step(by) => {
            let count = Tab::ALL.len() as i32;
            let here = Tab::ALL.iter().position(|t| *t == state.tab).unwrap_or(0) as i32;
            go(state, Tab::ALL[(here + by).rem_euclid(count) as usize]);
        }
        Wish::Back => drop(state.stack.pop()),
        Wish::Freeze => {
            state.frozen = !state.frozen;
            if let Some(newer) = state.newer.take() {
                state.data = *newer;
            }
        }
        Wish::Times => {
            state.times = match state.times {
                Times::Relative => Times::Local,
                Times::Local => Times::Utc,
                Times::Utc => Times::Relative,
            };
        }
        Wish::Help => state.modal = Some(Modal::Help),
        Wish::Redraw => return vec![Effect::Clear],
        Wish::Suspend => return vec![Effect::Suspend],
        _ => {}
    }
    Vec::new()
}

fn go(state: &mut State, tab: Tab) {
    state.tab = tab;
    state.stack.clear();
}

fn go_by(state: &mut State, by: i64) {
    let list = state.list_mut();
    let last = list.ids.len().saturating_sub(1);
    let at = (list.at as i64).saturating_add(by);
    list.at = usize::try_from(at.max(0)).unwrap_or(0).min(last);
}
