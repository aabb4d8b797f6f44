//! What the dashboard is given by those who may: facts from other layers, and the way to act.
//!
//! The dashboard names neither processes nor commands; who starts it passes in functions.

use crate::model::RunId;
use crate::schedule::UnixMs;
use crate::store::Store;
use crate::tui::data::{LogPage, Worker};
use crate::view::Daemon;

/// What came of a command.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Outcome {
    /// Its exit code.
    pub code: i32,
    /// What it wrote: the answer, then what it said beside it.
    pub text: String,
}

/// Where in the output of an attempt a window is wanted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Place {
    /// The last lines.
    End,
    /// From this line on, counted from 0.
    From(usize),
}

/// Asks the daemon, within a second.
pub type Heard<'a> = Box<dyn Fn() -> Daemon + Send + 'a>;
/// Lists the workers with what is known of what they carry.
pub type Workers<'a> =
    Box<dyn Fn(&Store, &Daemon, UnixMs) -> Result<Vec<Worker>, String> + Send + 'a>;
/// Reads a window of the output of an attempt.
pub type Logs<'a> = Box<dyn FnMut(&Store, RunId, u32, Place) -> LogPage + Send + 'a>;
/// Writes the definition of a job as the editor shows it.
pub type Definition<'a> = Box<dyn Fn(&Store, &str) -> Result<String, String> + Send + 'a>;
/// Carries out a command line of crake in a process of its own and waits for its end.
pub type Act<'a> = Box<dyn Fn(&[String]) -> Outcome + Send + Sync + 'a>;
/// Carries out a command line on the terminal, which is its own meanwhile.
pub type OnTerminal<'a> = Box<dyn Fn(&[String]) -> Outcome + 'a>;

/// What the feed is given.
pub struct Facts<'a> {
    /// The daemon.
    pub heard: Heard<'a>,
    /// The workers.
    pub workers: Workers<'a>,
    /// Output.
    pub logs: Logs<'a>,
    /// Definitions.
    pub definition: Definition<'a>,
}

/// How the dashboard acts.
pub struct Hands<'a> {
    /// In a process whose words are shown when it has ended.
    pub act: Act<'a>,
    /// On the terminal: the editor, and what goes on until it is ended.
    pub on_terminal: OnTerminal<'a>,
}
