//! What a message changes, and what is to be done outside because of it. Pure.

mod copying;
mod deeds;
mod keys;
mod modals;
mod mouse;
mod palette;
mod settle;
mod watch_deeds;

use ratatui::crossterm::event::KeyEventKind;

use crate::tui::message::{Effect, Message};
use crate::tui::sources::Outcome;
use crate::tui::state::{Modal, State};

/// Takes a message in.
pub fn update(state: &mut State, message: Message) -> Vec<Effect> {
    state.dirty = true;
    let effects = match message {
        Message::Key(key) if key.kind == KeyEventKind::Release => Vec::new(),
        Message::Key(key) => keys::key(state, &key),
        Message::Mouse(mouse) => mouse::mouse(state, &mouse),
        Message::Size(width, height) => {
            state.size = (width, height);
            Vec::new()
        }
        Message::Tick(now) => {
            state.now = now;
            Vec::new()
        }
        Message::Data(data) => {
            if state.frozen {
                state.newer = Some(data);
            } else {
                state.data = *data;
            }
            Vec::new()
        }
        Message::Daemon(daemon, at) => {
            state.daemon = Some(*daemon);
            state.asked_at = at;
            Vec::new()
        }
        Message::Done(argv, outcome) => {
            state.busy = state.busy.saturating_sub(1);
            done(state, &argv, &outcome);
            Vec::new()
        }
        Message::Redraw => vec![Effect::Clear],
        Message::Quit => vec![Effect::Quit],
    };
    settle::settle(state);
    effects
}

/// Shows what came of a command: a word on the last row, or all of it where that is much.
fn done(state: &mut State, argv: &[String], outcome: &Outcome) {
    let line = format!("crake {}", argv.join(" "));
    let lines: Vec<String> = outcome.text.lines().map(str::to_owned).collect();
    if lines.len() > 1 && state.modal.is_none() {
        state.modal = Some(Modal::Said(line, lines, 0));
        return;
    }
    let said = lines.first().map_or("done", String::as_str);
    state.say(format!("{line}: {said}"), outcome.code != 0);
}
