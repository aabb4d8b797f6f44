//! What an audit reads: the ledger row by row, and what it cannot be held against.

use std::collections::HashSet;

use rusqlite::params;

use crate::model::ScheduleId;
use crate::schedule::UnixMs;
use crate::store::{Result, Store};

/// An instant of one schedule version that has more than one run of its own.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Duplicate {
    /// The job.
    pub job: String,
    /// The schedule version.
    pub schedule: ScheduleId,
    /// The instant.
    pub planned_at: UnixMs,
    /// How many runs it has.
    pub runs: i64,
}

impl Store {
    /// Calls `f` with each row of one schedule version between two instants, in order: planned
    /// instant, last instant, how many it stands for. Nothing is gathered, so a ledger of any
    /// length takes the same memory.
    ///
    /// # Errors
    /// Those of reading.
    pub fn walk_fires(
        &self,
        schedule: ScheduleId,
        since: UnixMs,
        until: UnixMs,
        mut f: impl FnMut(UnixMs, UnixMs, i64),
    ) -> Result<()> {
        let mut statement = self.conn.prepare_cached(
            "SELECT planned_at, until_at, count FROM fire
             WHERE schedule = ?1 AND until_at > ?2 AND planned_at <= ?3 ORDER BY planned_at",
        )?;
        let mut rows = statement.query(params![schedule.0, since, until])?;
        while let Some(row) = rows.next()? {
            f(row.get(0)?, row.get(1)?, row.get(2)?);
        }
        Ok(())
    }

    /// The schedule versions that the daemon has still to plan.
    ///
    /// # Errors
    /// Those of reading.
    pub fn unplanned(&self) -> Result<HashSet<ScheduleId>> {
        let mut statement = self
            .conn
            .prepare_cached("SELECT schedule FROM due WHERE next_at = 0")?;
        let rows = statement.query_map([], |row| Ok(ScheduleId(row.get(0)?)))?;
        Ok(rows.collect::<rusqlite::Result<_>>()?)
    }

    /// The instants later than `since` that have more than one run of their own, of one job or of
    /// all.
    ///
    /// # Errors
    /// Those of reading.
    pub fn duplicates(&self, job: Option<&str>, since: UnixMs) -> Result<Vec<Duplicate>> {
        let mut statement = self.conn.prepare(
            "SELECT min(job), schedule, planned_at, count(*) FROM run
             WHERE schedule IS NOT NULL AND planned_at > ?2 AND (?1 IS NULL OR job = ?1)
             GROUP BY schedule, planned_at HAVING count(*) > 1 ORDER BY planned_at",
        )?;
        let rows = statement.query_map(params![job, since], |row| {
            Ok(Duplicate {
                job: row.get(0)?,
                schedule: ScheduleId(row.get(1)?),
                planned_at: row.get(2)?,
                runs: row.get(3)?,
            })
        })?;
        Ok(rows.collect::<rusqlite::Result<_>>()?)
    }
}
