//! What the mouse does, where it is taken at all: the wheel moves, a click chooses.

use ratatui::crossterm::event::{MouseButton, MouseEvent, MouseEventKind};

use crate::tui::message::Effect;
use crate::tui::state::{Kind, State, Tab};
use crate::tui::update::keys::go_by;

/// Rows the wheel moves by.
const WHEEL: i64 = 3;

/// Takes it in.
pub fn mouse(state: &mut State, mouse: &MouseEvent) -> Vec<Effect> {
    if state.modal.is_some() {
        return Vec::new();
    }
    match mouse.kind {
        MouseEventKind::ScrollDown => go_by(state, WHEEL),
        MouseEventKind::ScrollUp => go_by(state, -WHEEL),
        MouseEventKind::Down(MouseButton::Left) => click(state, usize::from(mouse.row)),
        _ => {}
    }
    Vec::new()
}

fn click(state: &mut State, row: usize) {
    // Rows above the first of the list: header, tabs, and headings of its own.
    let above = match state.kind() {
        Kind::Tab(Tab::Jobs) => 3,
        Kind::Tab(Tab::Runs | Tab::Missed | Tab::Workers) => 4,
        _ => return,
    };
    let list = state.list_mut();
    if let Some(row) = row.checked_sub(above)
        && list.offset + row < list.ids.len()
    {
        list.at = list.offset + row;
    }
}
