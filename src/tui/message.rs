//! What comes in and what goes out: the messages that change the state, and the effects wanted.

use ratatui::crossterm::event::{KeyEvent, MouseEvent};

use crate::schedule::UnixMs;
use crate::tui::data::Data;
use crate::tui::sources::Outcome;
use crate::view::Daemon;

/// Something that happened.
#[derive(Clone, Debug)]
pub enum Message {
    /// A key was pressed.
    Key(KeyEvent),
    /// The mouse did something.
    Mouse(MouseEvent),
    /// The terminal has this many columns and rows.
    Size(u16, u16),
    /// It is this late.
    Tick(UnixMs),
    /// The store was read.
    Data(Box<Data>),
    /// The daemon was asked.
    Daemon(Box<Daemon>, UnixMs),
    /// A command that was wanted has ended.
    Done(Vec<String>, Outcome),
    /// Somebody else wrote on the terminal, or it was left and entered again.
    Redraw,
    /// The process is to end.
    Quit,
}

/// Something to be done outside.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Effect {
    /// End.
    Quit,
    /// Carry out a command line of crake, without its first word.
    Act(Vec<String>),
    /// The same on the terminal.
    OnTerminal(Vec<String>),
    /// Put text into the clipboard.
    Copy(String),
    /// Stop as Ctrl-Z does.
    Suspend,
    /// Paint everything anew.
    Clear,
}
