//! Who changed which definition when.

use rusqlite::params;

use crate::schedule::UnixMs;
use crate::store::{Result, Store};

/// One change of a definition.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HistoryRow {
    /// When.
    pub at: UnixMs,
    /// Who.
    pub by: String,
    /// The job.
    pub job: String,
    /// `added`, `changed`, `applied` (by a jobs file), `removed`, `paused` or `resumed`.
    pub what: String,
    /// The version it led to.
    pub version: i64,
    /// The definition after it, as JSON text.
    pub definition: Option<String>,
}

impl Store {
    /// The changes of one job's definition, newest first.
    ///
    /// # Errors
    /// Those of reading.
    pub fn history(&self, job: &str, limit: usize) -> Result<Vec<HistoryRow>> {
        let mut statement = self.conn.prepare_cached(
            "SELECT at, changed_by, job, what, version, definition FROM history WHERE job = ?1
             ORDER BY id DESC LIMIT ?2",
        )?;
        let limit = i64::try_from(limit).unwrap_or(i64::MAX);
        let rows = statement.query_map(params![job, limit], |row| {
            Ok(HistoryRow {
                at: row.get(0)?,
                by: row.get(1)?,
                job: row.get(2)?,
                what: row.get(3)?,
                version: row.get(4)?,
                definition: row.get(5)?,
            })
        })?;
        Ok(rows.collect::<rusqlite::Result<_>>()?)
    }
}
