//! Keys that act on a watch: which command lines they mean, and what is asked before.

use crate::model::Mode;
use crate::tui::keymap::Deed;
use crate::tui::message::Effect;
use crate::tui::screens::watches::find;
use crate::tui::state::{Confirm, Modal, State};
use crate::tui::want::watch_of;

/// Does it, or asks.
pub fn deed(state: &mut State, deed: Deed) -> Vec<Effect> {
    let Some(name) = watch_of(state) else {
        state.say("no watch is chosen", false);
        return Vec::new();
    };
    let act = |words: &[&str]| {
        let words = ["watch"].iter().chain(words);
        vec![Effect::Act(words.map(|w| (*w).to_owned()).collect())]
    };
    match deed {
        Deed::Try => act(&["test", &name]),
        Deed::PauseWatch => {
            let view = find(state, &name);
            match view.is_some_and(|view| view.row.is_paused(state.now)) {
                true => act(&["resume", &name]),
                false => act(&["pause", &name]),
            }
        }
        Deed::Reset => reset(state, &name),
        _ => act(&["poll", &name, "--wait"]),
    }
}

fn reset(state: &mut State, name: &str) -> Vec<Effect> {
    let mode = find(state, name).map(|view| view.row.watch.mode);
    let (what, lines) = match mode {
        Some(Mode::Cursor) => (
            vec!["--to", "now"],
            vec![
                "Its cursor goes to what is there now; rows before that are not delivered."
                    .to_owned(),
                format!("`:watch reset {name} --cursor VALUES` lets it go on elsewhere."),
            ],
        ),
        _ => (
            vec!["--forget-seen"],
            vec!["It forgets what it has seen: what is there now is delivered again.".to_owned()],
        ),
    };
    let command = ["watch", "reset", name].into_iter().chain(what);
    state.modal = Some(Modal::Confirm(Confirm {
        title: format!("Let the watch {name} begin anew?"),
        lines,
        commands: vec![command.map(str::to_owned).collect()],
        yes: "begin anew".to_owned(),
    }));
    Vec::new()
}
