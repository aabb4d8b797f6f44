//! Acknowledged ends: runs that ended badly and that somebody has seen.

use rusqlite::params;

use crate::model::RunId;
use crate::schedule::UnixMs;
use crate::store::{Result, Store};

/// What somebody said of a run that ended badly.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Ack {
    /// When.
    pub at: UnixMs,
    /// Who.
    pub by: String,
    /// In words.
    pub note: Option<String>,
    /// Until when it holds; open where there is none.
    pub until: Option<UnixMs>,
}

impl Ack {
    /// Whether it holds at an instant.
    pub fn holds(&self, now: UnixMs) -> bool {
        self.until.is_none_or(|until| now < until)
    }
}

impl Store {
    /// Takes note that somebody has seen how a run ended; a later word takes the place of an
    /// earlier one.
    ///
    /// # Errors
    /// Those of writing.
    pub fn acknowledge_run(&mut self, run: RunId, ack: &Ack) -> Result<()> {
        self.write(|tx| {
            tx.execute(
                "INSERT OR REPLACE INTO ack(run, at, acked_by, note, until_at) VALUES(?1, ?2, ?3, ?4, ?5)",
                params![run.0, ack.at, ack.by, ack.note, ack.until],
            )?;
            Ok(())
        })
    }
}
