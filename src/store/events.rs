//! What was worth telling.

use rusqlite::{Row, Transaction, params};

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
    /// The watch it concerns.
    pub watch: Option<String>,
    /// In words.
    pub text: String,
}

/// What is read of an event.
pub(in crate::store) const EVENT: &str = "id, at, level, kind, job, run, watch, text";

impl Store {
    /// Writes an event.
    ///
    /// # Errors
    /// Those of writing.
    pub fn note(&mut self, note: &Note) -> Result<()> {
        self.write(|tx| crate::store::ledger::record_note(tx, note))
    }

    /// Writes an event about a watch.
    ///
    /// # Errors
    /// Those of writing.
    pub fn note_of_watch(&mut self, watch: &str, note: &Note) -> Result<()> {
        self.write(|tx| record_of_watch(tx, watch, note))
    }

    /// The last `limit` events numbered above `after`, oldest first.
    ///
    /// # Errors
    /// Those of reading.
    pub fn events(&self, after: i64, limit: usize) -> Result<Vec<EventRow>> {
        let mut statement = self.conn.prepare_cached(&format!(
            "SELECT {EVENT} FROM event WHERE id > ?1 ORDER BY id DESC LIMIT ?2"
        ))?;
        let limit = i64::try_from(limit).unwrap_or(i64::MAX);
        let rows = statement.query_map(params![after, limit], read_event)?;
        let mut events: Vec<EventRow> = rows.collect::<rusqlite::Result<_>>()?;
        events.reverse();
        Ok(events)
    }

    /// How often something of a kind was told of a watch since an instant, and when last.
    ///
    /// # Errors
    /// Those of reading.
    pub fn told_of_watch(&self, watch: &str, kind: &str, since: UnixMs) -> Result<(i64, UnixMs)> {
        let mut statement = self.conn.prepare_cached(
            "SELECT count(*), coalesce(max(at), 0) FROM event
             WHERE watch = ?1 AND kind = ?2 AND at >= ?3",
        )?;
        Ok(statement.query_row(params![watch, kind, since], |row| {
            Ok((row.get(0)?, row.get(1)?))
        })?)
    }

    /// The same about one watch.
    ///
    /// # Errors
    /// Those of reading.
    pub fn events_of_watch(&self, watch: &str, after: i64, limit: usize) -> Result<Vec<EventRow>> {
        let mut statement = self.conn.prepare_cached(&format!(
            "SELECT {EVENT} FROM event WHERE watch = ?1 AND id > ?2 ORDER BY id DESC LIMIT ?3"
        ))?;
        let limit = i64::try_from(limit).unwrap_or(i64::MAX);
        let rows = statement.query_map(params![watch, after, limit], read_event)?;
        let mut events: Vec<EventRow> = rows.collect::<rusqlite::Result<_>>()?;
        events.reverse();
        Ok(events)
    }
}

/// Writes an event about a watch, in a transaction that may hold more.
pub(in crate::store) fn record_of_watch(
    tx: &Transaction<'_>,
    watch: &str,
    note: &Note,
) -> Result<()> {
    tx.prepare_cached(
        "INSERT INTO event(at, level, kind, job, run, watch, text)
         VALUES(?1, ?2, ?3, ?4, ?5, ?6, ?7)",
    )?
    .execute(params![
        note.at,
        note.level.as_str(),
        note.kind,
        note.job,
        note.run.map(|r| r.0),
        watch,
        note.text
    ])?;
    Ok(())
}

pub(in crate::store) fn read_event(row: &Row<'_>) -> rusqlite::Result<EventRow> {
    Ok(EventRow {
        id: row.get("id")?,
        at: row.get("at")?,
        level: word(row, "level")?,
        kind: row.get("kind")?,
        job: row.get("job")?,
        run: row.get::<_, Option<i64>>("run")?.map(RunId),
        watch: row.get("watch")?,
        text: row.get("text")?,
    })
}
