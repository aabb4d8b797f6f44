//! One frame as text.

use ratatui::Terminal;
use ratatui::backend::TestBackend;
use ratatui::buffer::Buffer;

use crate::schedule::UnixMs;
use crate::tui::feed::Feed;
use crate::tui::message::Message;
use crate::tui::screens::draw;
use crate::tui::state::State;
use crate::tui::update::update;
use crate::tui::want::want;

/// The frame a state paints.
pub fn frame(state: &State) -> Buffer {
    let (width, height) = state.size;
    // A backend in memory fails at nothing.
    let painted = Terminal::new(TestBackend::new(width, height)).and_then(|mut terminal| {
        terminal
            .draw(|frame| draw(state, frame))
            .map(|done| done.buffer.clone())
    });
    painted.unwrap_or_default()
}

/// The frame of a screen, read once and for all.
pub fn once(state: &mut State, feed: &mut Feed<'_>, now: UnixMs) -> Buffer {
    // What a screen needs can hang on what stands on it, so it is read until nothing more is
    // needed, and no more than a few times.
    let mut read = None;
    for _ in 0..4 {
        let wanted = want(state);
        if read.as_ref() == Some(&wanted) {
            break;
        }
        let (data, daemon) = feed.once(wanted.clone());
        read = Some(wanted);
        update(state, Message::Daemon(Box::new(daemon), now));
        update(state, Message::Data(Box::new(data)));
    }
    frame(state)
}

/// A frame as lines of text, blanks at their ends cut off.
pub fn text(buffer: &Buffer) -> String {
    let mut text = String::new();
    for y in 0..buffer.area.height {
        let mut line = String::new();
        let mut skip = 0;
        for x in 0..buffer.area.width {
            let symbol = buffer[(x, y)].symbol();
            if skip == 0 {
                line.push_str(symbol);
                skip = crate::view::text::columns(symbol).max(1);
            }
            skip -= 1;
        }
        text.push_str(line.trim_end());
        text.push('\n');
    }
    text
}
