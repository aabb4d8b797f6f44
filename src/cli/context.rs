//! What every command is given: where, who, when, and how to speak.

use std::io::{IsTerminal, Write};

use serde_json::{Value, json};

use crate::cli::alive;
use crate::cli::error::CliError;
use crate::clock::{Clock, SystemClock};
use crate::config::{Paths, User};
use crate::model::TroubleKind;
use crate::schedule::{UnixMs, Zone};
use crate::store::Store;
use crate::view::text::clean_all;

/// How a command's answer is written.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Form {
    /// For people.
    #[default]
    Text,
    /// One JSON object.
    Json,
    /// One JSON object a line.
    JsonLines,
}

/// What every command is given.
pub struct Context {
    /// The files of the instance.
    pub paths: Paths,
    /// Who asks.
    pub user: User,
    /// The clock.
    pub clock: SystemClock,
    /// The zone times are shown in.
    pub zone: Zone,
    /// How the answer is written.
    pub form: Form,
    /// Whether colours may be used on standard output.
    pub color: bool,
    /// Whether questions may be asked.
    pub ask: bool,
}

impl Context {
    /// The time now, Unix milliseconds.
    pub fn now(&self) -> UnixMs {
        self.clock.now().wall
    }

    /// The store, to read.
    ///
    /// # Errors
    /// Those of opening it.
    pub fn read(&self) -> Result<Store, CliError> {
        let opened = Store::open_to_read(&self.paths.store).or_else(|e| match e.trouble() {
            // Opened like this nothing is written, not even the index of the log.
            TroubleKind::Full | TroubleKind::Io | TroubleKind::ReadOnly | TroubleKind::Quota => {
                let alone = Store::open_alone(&self.paths.store);
                alone.map_err(|_| e).inspect(|_| {
                    self.say("warning: the disk takes nothing; the store is only read");
                })
            }
            _ => Err(e),
        });
        opened.map_err(|e| {
            let error = CliError::from(e);
            match alive::trouble(self) {
                Some(told) => error.detail(format!("  the daemon keeps time without it: {told}")),
                None => error,
            }
        })
    }

    /// The store, to write.
    ///
    /// # Errors
    /// Those of opening it.
    pub fn write(&self) -> Result<Store, CliError> {
        Ok(Store::open(&self.paths.store)?)
    }

    /// Tells the daemon that something changed.
    pub fn nudge(&self) {
        crate::control::nudge(&self.paths.socket);
    }

    /// Whether standard output is a terminal.
    pub fn on_terminal(&self) -> bool {
        std::io::stdout().is_terminal()
    }

    /// Writes the items of an answer in JSON, or calls `text` to write it for people.
    ///
    /// # Errors
    /// Those of writing.
    pub fn answer(
        &self,
        items: impl FnOnce() -> Vec<Value>,
        text: impl FnOnce(&mut dyn Write) -> std::io::Result<()>,
    ) -> Result<(), CliError> {
        let mut out = std::io::stdout().lock();
        match self.form {
            Form::Text => text(&mut out)?,
            Form::Json => writeln!(out, "{}", json!({"v": 1, "items": items()}))?,
            Form::JsonLines => {
                for item in items() {
                    writeln!(out, "{item}")?;
                }
            }
        }
        out.flush()?;
        Ok(())
    }

    /// Writes an answer that is one item.
    ///
    /// # Errors
    /// Those of writing.
    pub fn answer_one(
        &self,
        item: impl FnOnce() -> Value,
        text: impl FnOnce(&mut dyn Write) -> std::io::Result<()>,
    ) -> Result<(), CliError> {
        let mut out = std::io::stdout().lock();
        match self.form {
            Form::Text => text(&mut out)?,
            Form::Json => writeln!(out, "{}", json!({"v": 1, "item": item()}))?,
            Form::JsonLines => writeln!(out, "{}", item())?,
        }
        out.flush()?;
        Ok(())
    }

    /// Says something that is not the answer, on standard error. Names and commands in it are not
    /// ours, and a terminal obeys what it is shown.
    pub fn say(&self, text: &str) {
        let lines: Vec<String> = text.split('\n').map(clean_all).collect();
        // Whoever closed standard error does not want to hear it.
        let _ = writeln!(std::io::stderr(), "{}", lines.join("\n"));
    }
}
