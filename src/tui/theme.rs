//! How things look: sixteen named colours and attributes, so that the user's palette decides; a
//! word and a sign for each state, so that nothing hangs on colour alone.

use ratatui::buffer::Buffer;
use ratatui::style::{Color, Modifier, Style};

use crate::model::{Outcome, RunState};
use crate::view::attention::Level;

/// What a piece of text is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Role {
    /// Ordinary.
    Plain,
    /// Secondary.
    Dim,
    /// A heading.
    Head,
    /// A rule or a frame.
    Rule,
    /// Alive.
    Alive,
    /// It went well.
    Good,
    /// It did not.
    Bad,
    /// Somebody should look.
    Warn,
    /// Waiting for another attempt.
    Again,
    /// A key in a hint.
    Key,
}

/// How things look.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Theme {
    /// Whether colours may be used; attributes always are.
    pub color: bool,
    /// Whether only ASCII may be used.
    pub ascii: bool,
}

impl Theme {
    /// The style of a role.
    pub fn style(self, role: Role) -> Style {
        let style = match role {
            Role::Plain => Style::new(),
            Role::Dim | Role::Rule => Style::new().add_modifier(Modifier::DIM),
            Role::Head => Style::new().add_modifier(Modifier::BOLD),
            Role::Alive => Style::new().fg(Color::Cyan),
            Role::Good => Style::new().fg(Color::Green),
            Role::Bad => Style::new().fg(Color::Red).add_modifier(Modifier::BOLD),
            Role::Warn => Style::new().fg(Color::Yellow).add_modifier(Modifier::BOLD),
            Role::Again => Style::new().fg(Color::Magenta),
            Role::Key => Style::new().add_modifier(Modifier::BOLD),
        };
        if self.color {
            style
        } else {
            Style { fg: None, ..style }
        }
    }
}

/// What stands under the cursor.
pub fn selected(style: Style) -> Style {
    style
        .remove_modifier(Modifier::DIM)
        .add_modifier(Modifier::REVERSED)
}

/// Sign and role of a state.
pub fn state(state: RunState) -> (&'static str, Role) {
    match state {
        RunState::Queued => ("○", Role::Dim),
        RunState::Running => ("●", Role::Alive),
        RunState::Ended(outcome) => self::outcome(outcome),
    }
}

/// Sign and role of an outcome.
pub fn outcome(outcome: Outcome) -> (&'static str, Role) {
    match outcome {
        Outcome::Succeeded => ("✓", Role::Good),
        Outcome::Lost | Outcome::Interrupted => ("?", Role::Bad),
        Outcome::Cancelled | Outcome::Killed => ("-", Role::Dim),
        Outcome::Failed
        | Outcome::Signaled
        | Outcome::TimedOut
        | Outcome::Expired
        | Outcome::Unspawnable => ("✗", Role::Bad),
    }
}

/// The role of a level.
pub fn level(level: Level) -> Role {
    match level {
        Level::Urgent => Role::Bad,
        Level::Warning => Role::Warn,
    }
}

/// The signs that are no ASCII, and what stands for each where only that may be used.
const ASCII: &[(&str, &str)] = &[
    ("●", ">"),
    ("○", "o"),
    ("✓", "+"),
    ("✗", "x"),
    ("↻", "r"),
    ("─", "-"),
    ("━", "="),
    ("│", "|"),
    ("┃", "|"),
    ("█", "#"),
    ("░", "."),
    ("▁", "_"),
    ("▂", "_"),
    ("▃", "-"),
    ("▄", "-"),
    ("▅", "="),
    ("▆", "="),
    ("▇", "#"),
    ("·", "."),
    ("∷", "*"),
    ("…", "~"),
    ("╭", "+"),
    ("╮", "+"),
    ("╰", "+"),
    ("╯", "+"),
    ("→", ">"),
];

/// Replaces what is no ASCII in a finished frame; what has no stand-in becomes a question mark.
pub fn to_ascii(buffer: &mut Buffer) {
    for cell in &mut buffer.content {
        let symbol = cell.symbol();
        if symbol.is_ascii() {
            continue;
        }
        let known = ASCII.iter().find(|(sign, _)| *sign == symbol);
        cell.set_symbol(known.map_or("?", |(_, stand_in)| stand_in));
    }
}
