//! What an overview reads: counts, the latest end of each job, skips in a row.

use rusqlite::params;

use crate::model::{RunId, ScheduleId, Verdict};
use crate::schedule::UnixMs;
use crate::store::error::word;
use crate::store::{Result, Store};

/// How many of what there are.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counts {
    /// Listed jobs.
    pub jobs: i64,
    /// Of them, those paused at the instant asked for.
    pub paused: i64,
    /// Runs alive.
    pub running: i64,
    /// Runs that wait.
    pub queued: i64,
}

/// Fires of one schedule version that found an earlier run in the way, up to the latest fire.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Skips {
    /// How many in a row.
    pub count: i64,
    /// The first of them.
    pub since: UnixMs,
    /// The run the latest of them found in its way.
    pub blocked_by: Option<RunId>,
}

/// How far back skips in a row are counted.
const SKIPS_COUNTED: i64 = 1_000;

impl Store {
    /// Counts jobs and live runs.
    ///
    /// # Errors
    /// Those of reading.
    pub fn counts(&self, now: UnixMs) -> Result<Counts> {
        Ok(self.conn.query_row(
            "SELECT (SELECT count(*) FROM job WHERE listed = 1),
               (SELECT count(DISTINCT p.job) FROM pause p JOIN job j ON j.name = p.job AND j.listed = 1
                WHERE p.from_at <= ?1 AND (p.until_at IS NULL OR p.until_at > ?1)),
               (SELECT count(*) FROM run WHERE state = 'running'),
               (SELECT count(*) FROM run WHERE state = 'queued')",
            [now],
            |row| {
                Ok(Counts {
                    jobs: row.get(0)?,
                    paused: row.get(1)?,
                    running: row.get(2)?,
                    queued: row.get(3)?,
                })
            },
        )?)
    }

    /// The overlap skips that a schedule version's ledger ends with; nothing where its latest
    /// verdict is another.
    ///
    /// # Errors
    /// Those of reading.
    pub fn skips_in_a_row(&self, schedule: ScheduleId) -> Result<Option<Skips>> {
        let mut statement = self.conn.prepare_cached(
            "SELECT planned_at, count, verdict, blocked_by FROM fire WHERE schedule = ?1
             ORDER BY planned_at DESC LIMIT ?2",
        )?;
        let mut rows = statement.query(params![schedule.0, SKIPS_COUNTED])?;
        let mut found: Option<Skips> = None;
        while let Some(row) = rows.next()? {
            let verdict: Verdict = word(row, "verdict")?;
            if verdict != Verdict::Overlap {
                break;
            }
            let blocked_by = row.get::<_, Option<i64>>("blocked_by")?.map(RunId);
            let before = found.map_or(0, |s| s.count);
            found = Some(Skips {
                count: before + row.get::<_, i64>("count")?,
                since: row.get("planned_at")?,
                blocked_by: found.map_or(blocked_by, |s| s.blocked_by),
            });
        }
        Ok(found)
    }

    /// The next planned instant of any schedule that is still in force, after `now`.
    ///
    /// # Errors
    /// Those of reading.
    pub fn next_planned(&self, now: UnixMs) -> Result<Option<UnixMs>> {
        let mut statement = self.conn.prepare_cached(
            "SELECT min(d.next_at) FROM due d JOIN schedule s ON s.id = d.schedule
             WHERE d.next_at > ?1 AND (s.until_at IS NULL OR d.next_at <= s.until_at)
               AND NOT EXISTS(SELECT 1 FROM pause p WHERE p.job = s.job
                 AND p.from_at <= d.next_at AND (p.until_at IS NULL OR p.until_at > d.next_at))",
        )?;
        Ok(statement.query_row([now.max(0)], |row| row.get(0))?)
    }
}

impl Store {
    /// Whether a job of that name ever had a schedule or a run.
    ///
    /// # Errors
    /// Those of reading.
    pub fn knew_job(&self, name: &str) -> Result<bool> {
        let mut statement = self.conn.prepare_cached(
            "SELECT EXISTS(SELECT 1 FROM schedule WHERE job = ?1)
               OR EXISTS(SELECT 1 FROM run WHERE job = ?1)",
        )?;
        Ok(statement.query_row(params![name], |row| row.get(0))?)
    }
}
