//! What a dashboard reads: small windows by index, never a count over all runs.

use rusqlite::{OptionalExtension, params};

use crate::model::RunId;
use crate::schedule::UnixMs;
use crate::store::events::{EVENT, read_event};
use crate::store::runs::{COLUMNS, FROM, read};
use crate::store::{EventRow, Result, RunRow, Store};

/// What ended, or was missed, in one cell of a span of time.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct CellCount {
    /// The number of the cell, from 0.
    pub cell: i64,
    /// Runs that succeeded.
    pub good: i64,
    /// Runs that ended in a way somebody should look at.
    pub bad: i64,
    /// Fires missed and not made up for.
    pub missed: i64,
}

/// Events looked through for those of one run, from the latest back.
const EVENTS_BACK: i64 = 20_000;

/// Runs of one job looked through for those of a day: two a minute.
const DAY_BACK: i64 = 3_000;

impl Store {
    /// A number that grows with every change of a definition or a pause made by commands.
    ///
    /// # Errors
    /// Those of reading.
    pub fn definitions_version(&self) -> Result<i64> {
        let mut statement = self
            .conn
            .prepare_cached("SELECT coalesce(max(id), 0) FROM history")?;
        Ok(statement.query_row([], |row| row.get(0))?)
    }

    /// The next instant of each job that has one, by job.
    ///
    /// # Errors
    /// Those of reading.
    pub fn next_by_job(&self) -> Result<Vec<(String, UnixMs)>> {
        let mut statement = self.conn.prepare_cached(
            "SELECT s.job, min(d.next_at) FROM due d CROSS JOIN schedule s ON s.id = d.schedule
             WHERE d.next_at > 0 AND (s.until_at IS NULL OR d.next_at <= s.until_at) GROUP BY s.job",
        )?;
        let rows = statement.query_map([], |row| Ok((row.get(0)?, row.get(1)?)))?;
        Ok(rows.collect::<rusqlite::Result<_>>()?)
    }

    /// The runs that ended last, newest first.
    ///
    /// # Errors
    /// Those of reading.
    pub fn ended_last(&self, limit: usize) -> Result<Vec<RunRow>> {
        let sql = format!(
            "SELECT {COLUMNS} {FROM}
             WHERE r.ended_at IS NOT NULL ORDER BY r.ended_at DESC LIMIT ?1"
        );
        let mut statement = self.conn.prepare_cached(&sql)?;
        let limit = i64::try_from(limit).unwrap_or(i64::MAX);
        let rows = statement.query_map([limit], read)?;
        Ok(rows.collect::<rusqlite::Result<_>>()?)
    }

    /// What ended and what was missed from an instant on, in cells of `cell_ms` milliseconds.
    /// Runs are counted where they started, or in the first cell.
    ///
    /// # Errors
    /// Those of reading.
    pub fn cells(&self, from: UnixMs, cell_ms: i64) -> Result<Vec<CellCount>> {
        let mut statement = self.conn.prepare_cached(
            "SELECT max(0, coalesce(started_at, ended_at) - ?1) / ?2 AS cell,
               sum(state = 'succeeded'),
               sum(state NOT IN('succeeded', 'cancelled', 'killed'))
             FROM run WHERE ended_at >= ?1 GROUP BY cell",
        )?;
        let rows = statement.query_map([from, cell_ms], |row| {
            Ok(CellCount {
                cell: row.get(0)?,
                good: row.get(1)?,
                bad: row.get(2)?,
                missed: 0,
            })
        })?;
        let mut cells: Vec<CellCount> = rows.collect::<rusqlite::Result<_>>()?;
        let mut statement = self.conn.prepare_cached(
            "SELECT (planned_at - ?1) / ?2 AS cell, sum(count) FROM fire
             WHERE planned_at >= ?1 AND verdict = 'missed' AND run IS NULL GROUP BY cell",
        )?;
        let rows = statement.query_map([from, cell_ms], |row| {
            Ok(CellCount {
                cell: row.get(0)?,
                missed: row.get(1)?,
                ..CellCount::default()
            })
        })?;
        for row in rows {
            cells.push(row?);
        }
        Ok(cells)
    }

    /// What ended of one job from an instant on, in cells, among its last 3,000 runs.
    ///
    /// # Errors
    /// Those of reading.
    pub fn cells_of(&self, job: &str, from: UnixMs, cell_ms: i64) -> Result<Vec<CellCount>> {
        let mut statement = self.conn.prepare_cached(
            "SELECT max(0, coalesce(started_at, ended_at) - ?2) / ?3 AS cell,
               sum(state = 'succeeded'),
               sum(state NOT IN('succeeded', 'cancelled', 'killed'))
             FROM (SELECT state, started_at, ended_at FROM run WHERE job = ?1 ORDER BY id DESC LIMIT ?4)
             WHERE ended_at >= ?2 GROUP BY cell",
        )?;
        let rows = statement.query_map(params![job, from, cell_ms, DAY_BACK], |row| {
            Ok(CellCount {
                cell: row.get(0)?,
                good: row.get(1)?,
                bad: row.get(2)?,
                missed: 0,
            })
        })?;
        Ok(rows.collect::<rusqlite::Result<_>>()?)
    }

    /// The latest run of a job below a number that succeeded.
    ///
    /// # Errors
    /// Those of reading.
    pub fn last_good(&self, job: &str, before: RunId) -> Result<Option<RunRow>> {
        let sql = format!(
            "SELECT {COLUMNS} {FROM} WHERE r.id = (SELECT g.id FROM run g
               WHERE g.state = 'succeeded' AND g.job = ?1 AND g.id < ?2 ORDER BY g.id DESC LIMIT 1)"
        );
        let mut statement = self.conn.prepare_cached(&sql)?;
        let row = statement
            .query_row(params![job, before.0], read)
            .optional()?;
        Ok(row)
    }

    /// Jobs of which a run ended badly between two instants, the latest first, without one of them.
    ///
    /// # Errors
    /// Those of reading.
    pub fn failed_between(
        &self,
        from: UnixMs,
        until: UnixMs,
        but: &str,
        limit: usize,
    ) -> Result<Vec<String>> {
        let mut statement = self.conn.prepare_cached(
            "SELECT job FROM run WHERE ended_at BETWEEN ?1 AND ?2 AND job <> ?3
               AND state NOT IN('succeeded', 'cancelled', 'killed')
             GROUP BY job ORDER BY max(ended_at) DESC LIMIT ?4",
        )?;
        let limit = i64::try_from(limit).unwrap_or(i64::MAX);
        let rows = statement.query_map(params![from, until, but, limit], |row| row.get(0))?;
        Ok(rows.collect::<rusqlite::Result<_>>()?)
    }

    /// What was told of a run among the latest events, oldest first.
    ///
    /// # Errors
    /// Those of reading.
    pub fn events_of(&self, run: RunId) -> Result<Vec<EventRow>> {
        let mut statement = self.conn.prepare_cached(&format!(
            "SELECT {EVENT} FROM event
             WHERE id > (SELECT coalesce(max(id), 0) - ?2 FROM event) AND run = ?1 ORDER BY id"
        ))?;
        let rows = statement.query_map(params![run.0, EVENTS_BACK], read_event)?;
        Ok(rows.collect::<rusqlite::Result<_>>()?)
    }
}
