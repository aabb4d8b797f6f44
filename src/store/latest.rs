//! How the runs of many jobs ended last, by indexes that hold only what is asked for here.

use rusqlite::params;

use crate::model::{Origin, Outcome, RunId, RunState, ScheduleId};
use crate::schedule::UnixMs;
use crate::store::error::word;
use crate::store::runs::{COLUMNS, read};
use crate::store::usual::RUNS;
use crate::store::{Result, RunRow, Store, StoreError};

/// The runs that somebody has to look at; the words of the index `run_bad`, without which it is
/// not used.
const BAD: &str = "b.ended_at IS NOT NULL
  AND (b.state NOT IN('succeeded', 'cancelled') OR instr(b.reason, 'unkillable: ') > 0)";

/// How a run ended, in the few values that a list of many jobs needs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LastEnd {
    /// The run.
    pub run: RunId,
    /// How.
    pub outcome: Outcome,
    /// What made it.
    pub origin: Origin,
    /// When its first attempt started.
    pub started_at: Option<UnixMs>,
    /// When it ended.
    pub ended_at: UnixMs,
}

impl Store {
    /// Of each job the latest run that is over and was not taken back, where it ended badly or was
    /// ended by somebody: of listed jobs whenever it was, of one-off commands where it ended at or
    /// after `since`.
    ///
    /// # Errors
    /// Those of reading.
    pub fn ended_badly(&self, since: UnixMs) -> Result<Vec<RunRow>> {
        let sql = format!(
            "SELECT {COLUMNS} FROM job j CROSS JOIN run r ON r.id = (SELECT b.id FROM run b
               WHERE b.job = j.name AND {BAD} ORDER BY b.id DESC LIMIT 1)
             LEFT JOIN attempt a ON a.run = r.id AND a.n = r.attempt
             LEFT JOIN ack k ON k.run = r.id
             WHERE (j.listed = 1 OR r.ended_at >= ?1) AND NOT EXISTS(SELECT 1 FROM run g
               WHERE g.state = 'succeeded' AND g.job = r.job AND g.id > r.id)"
        );
        let mut statement = self.conn.prepare_cached(&sql)?;
        let rows = statement.query_map([since], read)?;
        Ok(rows.collect::<rusqlite::Result<_>>()?)
    }

    /// Runs that succeeded and may have done so far too early: each the latest end of its job, with
    /// one among the good runs before it that took more than ten times as long and at least
    /// `least_ms` milliseconds.
    ///
    /// # Errors
    /// Those of reading.
    pub fn ended_early(&self, since: UnixMs, least_ms: i64) -> Result<Vec<RunRow>> {
        let sql = format!(
            "SELECT {COLUMNS} FROM job j CROSS JOIN run r ON r.id = (SELECT g.id FROM run g
               WHERE g.state = 'succeeded' AND g.job = j.name ORDER BY g.id DESC LIMIT 1)
             LEFT JOIN attempt a ON a.run = r.id AND a.n = r.attempt
             LEFT JOIN ack k ON k.run = r.id
             WHERE (j.listed = 1 OR r.ended_at >= ?1)
               AND EXISTS(SELECT 1 FROM (SELECT g.ended_at - g.started_at AS took FROM run g
                   WHERE g.state = 'succeeded' AND g.job = r.job AND g.id < r.id
                   ORDER BY g.id DESC LIMIT ?3)
                 WHERE took >= ?2 AND took > 10 * (r.ended_at - r.started_at))
               AND NOT EXISTS(SELECT 1 FROM run b WHERE b.job = r.job AND b.id > r.id AND {BAD})"
        );
        let mut statement = self.conn.prepare_cached(&sql)?;
        let rows = statement.query_map(params![since, least_ms, RUNS as i64], read)?;
        Ok(rows.collect::<rusqlite::Result<_>>()?)
    }

    /// How the latest run of each listed job ended that is over and was not taken back, by job.
    ///
    /// # Errors
    /// Those of reading.
    pub fn last_ends(&self) -> Result<Vec<(String, LastEnd)>> {
        let sql = format!(
            "SELECT r.job, r.id, r.state, r.origin, r.started_at, r.ended_at
             FROM job j CROSS JOIN run r ON r.id = max(
               ifnull((SELECT g.id FROM run g WHERE g.state = 'succeeded' AND g.job = j.name
                 ORDER BY g.id DESC LIMIT 1), 0),
               ifnull((SELECT b.id FROM run b WHERE b.job = j.name AND {BAD}
                 ORDER BY b.id DESC LIMIT 1), 0))
             WHERE j.listed = 1"
        );
        let mut statement = self.conn.prepare_cached(&sql)?;
        let mut rows = statement.query([])?;
        let mut found = Vec::new();
        while let Some(row) = rows.next()? {
            let state: RunState = word(row, "state")?;
            let outcome = state.outcome().ok_or_else(|| {
                StoreError::Unreadable(format!("a run is over and its state is {}", state.as_str()))
            })?;
            let end = LastEnd {
                run: RunId(row.get("id")?),
                outcome,
                origin: word(row, "origin")?,
                started_at: row.get("started_at")?,
                ended_at: row.get("ended_at")?,
            };
            found.push((row.get("job")?, end));
        }
        Ok(found)
    }

    /// The schedules in force of listed jobs whose fires ever found an earlier run in the way, with
    /// their jobs.
    ///
    /// # Errors
    /// Those of reading.
    pub fn overlapping(&self) -> Result<Vec<(String, ScheduleId)>> {
        let mut statement = self.conn.prepare_cached(
            "SELECT s.job, s.id FROM job j CROSS JOIN schedule s ON s.job = j.name
             WHERE j.listed = 1 AND (s.until_at IS NULL OR s.done = 1)
               AND EXISTS(SELECT 1 FROM fire f WHERE f.schedule = s.id AND f.verdict = 'overlap')
             ORDER BY j.name, s.id",
        )?;
        let rows = statement.query_map([], |row| Ok((row.get(0)?, ScheduleId(row.get(1)?))))?;
        Ok(rows.collect::<rusqlite::Result<_>>()?)
    }
}
