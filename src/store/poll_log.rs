//! What the polls of watches left behind, and how the connections to sources stand, for whoever looks.

use std::collections::HashSet;

use rusqlite::{OptionalExtension, Row, params};
use serde_json::Value;

use crate::model::{PollId, PollOutcome, RunId, Trigger};
use crate::schedule::UnixMs;
use crate::store::error::word;
use crate::store::{Result, Store};

/// A poll.
#[derive(Clone, Debug, PartialEq)]
pub struct PollRow {
    /// Its number.
    pub poll: PollId,
    /// The watch.
    pub watch: String,
    /// What caused it.
    pub trigger: Trigger,
    /// When it was due.
    pub due_at: UnixMs,
    /// When it began.
    pub started_at: UnixMs,
    /// How long it took, milliseconds.
    pub took_ms: Option<i64>,
    /// How long it waited for a connection, milliseconds.
    pub pool_wait_ms: Option<i64>,
    /// The server's number for the connection.
    pub connection: Option<String>,
    /// The statement, where that is kept.
    pub query: Option<String>,
    /// The values it was asked with, as JSON, where they are kept.
    pub params: Option<Value>,
    /// How it ended.
    pub outcome: PollOutcome,
    /// Rows it gave.
    pub rows: Option<i64>,
    /// Rows of them that were delivered.
    pub fresh_rows: Option<i64>,
    /// How many runs it made.
    pub runs: i64,
    /// Where the cursor was, as JSON.
    pub cursor_before: Option<Value>,
    /// Where it is since then, as JSON.
    pub cursor_after: Option<Value>,
    /// What went wrong.
    pub error: Option<String>,
    /// What is worth saying besides.
    pub note: Option<String>,
    /// How many polls in a row went wrong, this one among them.
    pub fails: i64,
    /// The rows that were delivered, as JSON, where they are kept.
    pub delivered: Option<Value>,
    /// Whether it waits for its runs before the watch goes on.
    pub held: bool,
    /// For how many equal polls it stands.
    pub repeats: i64,
    /// When the last of them began.
    pub last_at: Option<UnixMs>,
}

/// Which polls to list.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct PollFilter {
    /// Of this watch only.
    pub watch: Option<String>,
    /// Only those that went wrong.
    pub failed: bool,
    /// Begun at or after this instant.
    pub since: Option<UnixMs>,
    /// Numbered above this one.
    pub after: Option<PollId>,
    /// Numbered below this one.
    pub before: Option<PollId>,
    /// At most so many, the newest.
    pub limit: usize,
}

/// How the connections to a source stand, as the process that holds them last said.
#[derive(Clone, Debug, PartialEq)]
pub struct GaugeRow {
    /// The source.
    pub source: String,
    /// When it was said.
    pub at: UnixMs,
    /// The figures of the pool, as a JSON object.
    pub pool: Value,
    /// Whether somebody listens there.
    pub listening: bool,
    /// Since when nobody does who should.
    pub lost_at: Option<UnixMs>,
    /// Since when the process has said nothing.
    pub silent_since: Option<UnixMs>,
    /// The process.
    pub pid: Option<i32>,
}

impl GaugeRow {
    /// A figure of the pool.
    pub fn figure(&self, name: &str) -> Option<i64> {
        self.pool.get(name).and_then(Value::as_i64)
    }
}

const COLUMNS: &str = "id, watch, trigger, due_at, started_at, took_ms, pool_wait_ms, connection,
  query, params, outcome, rows, fresh_rows, runs, cursor_before, cursor_after, error, note, fails,
  delivered, held IS NOT NULL AS held, repeats, last_at";

/// Outcomes of polls that went wrong.
const WRONG: &str = "outcome IN('error', 'timeout', 'no_connection', 'lost')";

impl Store {
    /// Polls, the newest first.
    ///
    /// # Errors
    /// Those of reading.
    pub fn polls(&self, filter: &PollFilter) -> Result<Vec<PollRow>> {
        let wrong = if filter.failed { WRONG } else { "1" };
        let of = match &filter.watch {
            Some(_) => "watch = ?1",
            None => "?1 IS NULL",
        };
        let sql = format!(
            "SELECT {COLUMNS} FROM poll WHERE {of} AND {wrong} AND id > ?2 AND id < ?3
               AND started_at >= ?4 ORDER BY id DESC LIMIT ?5"
        );
        let mut statement = self.conn.prepare_cached(&sql)?;
        let rows = statement.query_map(
            params![
                filter.watch,
                filter.after.map_or(-1, |p| p.0),
                filter.before.map_or(i64::MAX, |p| p.0),
                filter.since.unwrap_or(i64::MIN),
                i64::try_from(filter.limit).unwrap_or(i64::MAX),
            ],
            read,
        )?;
        Ok(rows.collect::<rusqlite::Result<_>>()?)
    }

    /// A poll.
    ///
    /// # Errors
    /// Those of reading.
    pub fn poll(&self, poll: PollId) -> Result<Option<PollRow>> {
        let sql = format!("SELECT {COLUMNS} FROM poll WHERE id = ?1");
        let mut statement = self.conn.prepare_cached(&sql)?;
        Ok(statement.query_row([poll.0], read).optional()?)
    }

    /// The last poll of a watch that was not skipped and began at or after an instant; with `ended`
    /// the last of those that are over.
    ///
    /// # Errors
    /// Those of reading.
    pub fn last_poll(&self, watch: &str, ended: bool, since: UnixMs) -> Result<Option<PollRow>> {
        let over = if ended {
            "AND outcome <> 'running'"
        } else {
            ""
        };
        let sql = format!(
            "SELECT {COLUMNS} FROM poll WHERE watch = ?1 AND outcome <> 'skipped' {over}
               AND started_at >= ?2 ORDER BY id DESC LIMIT 1"
        );
        let mut statement = self.conn.prepare_cached(&sql)?;
        Ok(statement
            .query_row(params![watch, since], read)
            .optional()?)
    }

    /// The polls of a watch that wait for their runs, the oldest first.
    ///
    /// # Errors
    /// Those of reading.
    pub fn held_polls(&self, watch: &str) -> Result<Vec<PollRow>> {
        let sql =
            format!("SELECT {COLUMNS} FROM poll WHERE watch = ?1 AND held IS NOT NULL ORDER BY id");
        let mut statement = self.conn.prepare_cached(&sql)?;
        let rows = statement.query_map([watch], read)?;
        Ok(rows.collect::<rusqlite::Result<_>>()?)
    }

    /// The runs that a poll made, in order, at most so many.
    ///
    /// # Errors
    /// Those of reading.
    pub fn runs_of_poll(&self, poll: PollId, limit: usize) -> Result<Vec<RunId>> {
        let mut statement = self.conn.prepare_cached(
            "SELECT id FROM run WHERE origin = 'watch' AND origin_ref = ?1 ORDER BY id LIMIT ?2",
        )?;
        let limit = i64::try_from(limit).unwrap_or(i64::MAX);
        let rows = statement.query_map(params![poll.to_string(), limit], |row| {
            Ok(RunId(row.get(0)?))
        })?;
        Ok(rows.collect::<rusqlite::Result<_>>()?)
    }

    /// Fresh rows and runs of a watch in cells of equal length since an instant: the number of the
    /// cell, fresh rows, runs.
    ///
    /// # Errors
    /// Those of reading.
    pub fn poll_cells(
        &self,
        watch: &str,
        from: UnixMs,
        cell_ms: i64,
    ) -> Result<Vec<(usize, i64, i64)>> {
        let mut statement = self.conn.prepare_cached(
            "SELECT (started_at - ?2) / ?3, sum(coalesce(fresh_rows, 0)), sum(runs) FROM poll
             WHERE watch = ?1 AND started_at >= ?2 GROUP BY 1 ORDER BY 1",
        )?;
        let rows = statement.query_map(params![watch, from, cell_ms.max(1)], |row| {
            let cell: i64 = row.get(0)?;
            Ok((usize::try_from(cell).unwrap_or(0), row.get(1)?, row.get(2)?))
        })?;
        Ok(rows.collect::<rusqlite::Result<_>>()?)
    }

    /// Those of these keys that a watch has seen.
    ///
    /// # Errors
    /// Those of reading.
    pub fn seen_among(&self, watch: &str, keys: &[String]) -> Result<HashSet<String>> {
        let mut statement = self
            .conn
            .prepare_cached("SELECT 1 FROM seen WHERE watch = ?1 AND key = ?2")?;
        let mut seen = HashSet::new();
        for key in keys {
            if statement.exists([watch, key])? {
                seen.insert(key.clone());
            }
        }
        Ok(seen)
    }

    /// How the connections to the sources stand.
    ///
    /// # Errors
    /// Those of reading.
    pub fn gauges(&self) -> Result<Vec<GaugeRow>> {
        let mut statement = self.conn.prepare_cached(
            "SELECT source, at, pool, listening, lost_at, silent_since, pid FROM gauge ORDER BY source",
        )?;
        let rows = statement.query_map([], |row| {
            let pool: String = row.get("pool")?;
            Ok(GaugeRow {
                source: row.get("source")?,
                at: row.get("at")?,
                pool: serde_json::from_str(&pool).unwrap_or(Value::Null),
                listening: row.get("listening")?,
                lost_at: row.get("lost_at")?,
                silent_since: row.get("silent_since")?,
                pid: row.get("pid")?,
            })
        })?;
        Ok(rows.collect::<rusqlite::Result<_>>()?)
    }
}

/// What is kept as JSON; other text as it is.
fn value(row: &Row<'_>, column: &str) -> rusqlite::Result<Option<Value>> {
    let text: Option<String> = row.get(column)?;
    Ok(text.map(|text| serde_json::from_str(&text).unwrap_or(Value::String(text))))
}

fn read(row: &Row<'_>) -> rusqlite::Result<PollRow> {
    Ok(PollRow {
        poll: PollId(row.get("id")?),
        watch: row.get("watch")?,
        trigger: word(row, "trigger")?,
        due_at: row.get("due_at")?,
        started_at: row.get("started_at")?,
        took_ms: row.get("took_ms")?,
        pool_wait_ms: row.get("pool_wait_ms")?,
        connection: row.get("connection")?,
        query: row.get("query")?,
        params: value(row, "params")?,
        outcome: word(row, "outcome")?,
        rows: row.get("rows")?,
        fresh_rows: row.get("fresh_rows")?,
        runs: row.get("runs")?,
        cursor_before: value(row, "cursor_before")?,
        cursor_after: value(row, "cursor_after")?,
        error: row.get("error")?,
        note: row.get("note")?,
        fails: row.get("fails")?,
        delivered: value(row, "delivered")?,
        held: row.get("held")?,
        repeats: row.get("repeats")?,
        last_at: row.get("last_at")?,
    })
}
