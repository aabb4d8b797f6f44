//! What was worth telling.

use rusqlite::params;

use crate::model::{Level, Note, RunId};
use crate::schedule::UnixMs;
use crate::store::error::word;
use crate::store::{Result, Store};

/// An event as the views show it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct EventRow {
    /// Its number; grows with time.
    pub id: i64,
    /// When.
    pub at: UnixMs,
    /// How much it matters.
    pub level: Level,
    /// One word for its kind.
    pub kind: String,
    /// The job it concerns.
    pub job: Option<String>,
    /// The run it concerns.
    pub run: Option<RunId>,
    /// In words.
    pub text: String,
}

impl Store {
    /// Writes an event.
    ///
    /// # Errors
    /// Those of writing.
    pub fn note(&mut self, note: &Note) -> Result<()> {
        self.write(|tx| crate::store::ledger::record_note(tx, note))
    }

    /// The last `limit` events numbered above `after`, oldest first.
    ///
    /// # Errors
    /// Those of reading.
    pub fn events(&self, after: i64, limit: usize) -> Result<Vec<EventRow>> {
        let mut statement = self.conn.prepare_cached(
            "SELECT id, at, level, kind, job, run, text FROM event WHERE id > ?1
             ORDER BY id DESC LIMIT ?2",
        )?;
        let limit = i64::try_from(limit).unwrap_or(i64::MAX);
        let rows = statement.query_map(params![after, limit], |row| {
            Ok(EventRow {
                id: row.get("id")?,
                at: row.get("at")?,
                level: word(row, "level")?,
                kind: row.get("kind")?,
                job: row.get("job")?,
                run: row.get::<_, Option<i64>>("run")?.map(RunId),
                text: row.get("text")?,
            })
        })?;
        let mut events: Vec<EventRow> = rows.collect::<rusqlite::Result<_>>()?;
        events.reverse();
        Ok(events)
    }
}
