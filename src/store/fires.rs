//! Looking at the ledger.

use rusqlite::{Row, ToSql, params};

use crate::model::{CatchUp, MissReason, RunId, ScheduleId, Verdict};
use crate::schedule::UnixMs;
use crate::store::error::{maybe_word, word};
use crate::store::{Result, Store};

/// A row of the ledger as the views show it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FireRow {
    /// The job.
    pub job: String,
    /// The schedule version that planned it.
    pub schedule: ScheduleId,
    /// Its expression.
    pub expr: String,
    /// The instant.
    pub planned_at: UnixMs,
    /// What became of it.
    pub verdict: Verdict,
    /// The run made for it, or the one that stands for it as well.
    pub run: Option<RunId>,
    /// The run in whose way it came.
    pub blocked_by: Option<RunId>,
    /// From the instant to the decision, milliseconds.
    pub late_ms: i64,
    /// Why nobody was there.
    pub reason: Option<MissReason>,
    /// In words.
    pub note: Option<String>,
    /// When it was decided.
    pub decided_at: UnixMs,
    /// How many instants the row stands for.
    pub count: i64,
    /// The last of them.
    pub until: UnixMs,
}

/// Which rows of the ledger to list.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct FireFilter {
    /// Of this job only.
    pub job: Option<String>,
    /// With this verdict only.
    pub verdict: Option<Verdict>,
    /// Planned at or after this instant.
    pub since: Option<UnixMs>,
    /// At most so many, the latest.
    pub limit: Option<usize>,
}

/// Missed fires of one schedule that belong together.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MissedGroup {
    /// The job.
    pub job: String,
    /// The schedule version.
    pub schedule: ScheduleId,
    /// How many.
    pub count: i64,
    /// The first of them.
    pub from: UnixMs,
    /// The last of them.
    pub to: UnixMs,
    /// Why.
    pub reason: MissReason,
    /// The job's catch-up rule; none where the job is gone.
    pub policy: Option<CatchUp>,
    /// A run that was made up for them.
    pub run: Option<RunId>,
    /// When somebody took note of them.
    pub acked_at: Option<UnixMs>,
    /// What they noted.
    pub ack_note: Option<String>,
}

/// Counts over a span of time.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Totals {
    /// Runs that succeeded.
    pub succeeded: i64,
    /// Runs that ended otherwise.
    pub failed: i64,
    /// Fires missed and not made up for.
    pub missed: i64,
    /// Fires that got no run for another reason.
    pub skipped: i64,
}

impl Store {
    /// The rows of the ledger that pass a filter, latest first.
    ///
    /// # Errors
    /// Those of reading.
    pub fn fires(&self, filter: &FireFilter) -> Result<Vec<FireRow>> {
        let mut sql = String::from(
            "SELECT s.job, s.expr, f.* FROM fire f JOIN schedule s ON s.id = f.schedule WHERE 1 = 1",
        );
        let mut values: Vec<Box<dyn ToSql>> = Vec::new();
        if let Some(job) = &filter.job {
            sql.push_str(" AND s.job = ?");
            values.push(Box::new(job.clone()));
        }
        if let Some(verdict) = filter.verdict {
            sql.push_str(" AND f.verdict = ?");
            values.push(Box::new(verdict.as_str()));
        }
        if let Some(since) = filter.since {
            sql.push_str(" AND f.until_at >= ?");
            values.push(Box::new(since));
        }
        sql.push_str(" ORDER BY f.planned_at DESC, f.schedule DESC LIMIT ?");
        values.push(Box::new(
            filter
                .limit
                .map_or(-1, |n| i64::try_from(n).unwrap_or(i64::MAX)),
        ));
        let mut statement = self.conn.prepare(&sql)?;
        let rows = statement.query_map(rusqlite::params_from_iter(values.iter()), read)?;
        Ok(rows.collect::<rusqlite::Result<_>>()?)
    }

    /// The rows of a job that stand for an instant from `from` to `until`, in order.
    ///
    /// # Errors
    /// Those of reading.
    pub fn fires_between(&self, job: &str, from: UnixMs, until: UnixMs) -> Result<Vec<FireRow>> {
        let mut statement = self.conn.prepare(
            "SELECT s.job, s.expr, f.* FROM fire f JOIN schedule s ON s.id = f.schedule
             WHERE s.job = ?1 AND f.until_at >= ?2 AND f.planned_at <= ?3
             ORDER BY f.planned_at, f.schedule",
        )?;
        let rows = statement.query_map(params![job, from, until], read)?;
        Ok(rows.collect::<rusqlite::Result<_>>()?)
    }

    /// The rows of one schedule version from an instant on, in order: planned instant, last
    /// instant, how many it stands for.
    ///
    /// # Errors
    /// Those of reading.
    pub fn fires_of(
        &self,
        schedule: ScheduleId,
        since: UnixMs,
        until: UnixMs,
    ) -> Result<Vec<(UnixMs, UnixMs, i64)>> {
        let mut statement = self.conn.prepare_cached(
            "SELECT planned_at, until_at, count FROM fire
             WHERE schedule = ?1 AND until_at >= ?2 AND planned_at <= ?3 ORDER BY planned_at",
        )?;
        let rows = statement.query_map(params![schedule.0, since, until], |row| {
            Ok((row.get(0)?, row.get(1)?, row.get(2)?))
        })?;
        Ok(rows.collect::<rusqlite::Result<_>>()?)
    }

    /// How many instants have more than one run of their own, since an instant.
    ///
    /// # Errors
    /// Those of reading.
    pub fn duplicate_runs(&self, since: UnixMs) -> Result<i64> {
        Ok(self.conn.query_row(
            "SELECT count(*) FROM (SELECT 1 FROM run WHERE schedule IS NOT NULL AND planned_at >= ?1
             GROUP BY schedule, planned_at HAVING count(*) > 1)",
            [since],
            |row| row.get(0),
        )?)
    }

    /// The missed fires, those that belong together as one, latest first.
    ///
    /// # Errors
    /// Those of reading.
    pub fn missed(&self, job: Option<&str>, since: UnixMs) -> Result<Vec<MissedGroup>> {
        let mut statement = self.conn.prepare(
            "SELECT s.job, f.schedule, sum(f.count), min(f.planned_at), max(f.until_at), f.reason,
               j.catch_up, max(f.run), max(f.acked_at), max(f.ack_note), f.decided_at
             FROM fire f JOIN schedule s ON s.id = f.schedule LEFT JOIN job j ON j.name = s.job
             WHERE f.verdict = 'missed' AND f.until_at >= ?2 AND (?1 IS NULL OR s.job = ?1)
             GROUP BY f.schedule, f.reason, f.decided_at, f.acked_at, f.run IS NULL
             ORDER BY max(f.until_at) DESC, s.job",
        )?;
        let rows = statement.query_map(params![job, since], |row| {
            Ok(MissedGroup {
                job: row.get(0)?,
                schedule: ScheduleId(row.get(1)?),
                count: row.get(2)?,
                from: row.get(3)?,
                to: row.get(4)?,
                reason: word(row, "reason")?,
                policy: maybe_word(row, "catch_up")?,
                run: row.get::<_, Option<i64>>(7)?.map(RunId),
                acked_at: row.get(8)?,
                ack_note: row.get(9)?,
            })
        })?;
        Ok(rows.collect::<rusqlite::Result<_>>()?)
    }

    /// Takes note of the missed fires that nothing was made up for. Says how many rows.
    ///
    /// # Errors
    /// Those of writing.
    pub fn acknowledge_missed(
        &mut self,
        job: Option<&str>,
        by: &str,
        note: Option<&str>,
        now: UnixMs,
    ) -> Result<usize> {
        self.write(|tx| {
            Ok(tx.execute(
                "UPDATE fire SET acked_at = ?2, acked_by = ?3, ack_note = ?4
                 WHERE verdict = 'missed' AND acked_at IS NULL AND run IS NULL
                   AND (?1 IS NULL OR schedule IN(SELECT id FROM schedule WHERE job = ?1))",
                params![job, now, by, note],
            )?)
        })
    }

    /// Counts since an instant.
    ///
    /// # Errors
    /// Those of reading.
    pub fn totals(&self, since: UnixMs) -> Result<Totals> {
        let (succeeded, failed) = self.conn.query_row(
            "SELECT coalesce(sum(state = 'succeeded'), 0),
               coalesce(sum(state NOT IN('succeeded', 'cancelled', 'queued', 'running')), 0)
             FROM run WHERE ended_at >= ?1",
            [since],
            |row| Ok((row.get(0)?, row.get(1)?)),
        )?;
        let (missed, skipped) = self.conn.query_row(
            "SELECT coalesce(sum(CASE WHEN verdict = 'missed' AND run IS NULL THEN count END), 0),
               coalesce(sum(CASE WHEN verdict IN('overlap', 'calendar', 'paused', 'expired') THEN count END), 0)
             FROM fire WHERE planned_at >= ?1",
            [since],
            |row| Ok((row.get(0)?, row.get(1)?)),
        )?;
        Ok(Totals {
            succeeded,
            failed,
            missed,
            skipped,
        })
    }
}

fn read(row: &Row<'_>) -> rusqlite::Result<FireRow> {
    Ok(FireRow {
        job: row.get("job")?,
        schedule: ScheduleId(row.get("schedule")?),
        expr: row.get("expr")?,
        planned_at: row.get("planned_at")?,
        verdict: word(row, "verdict")?,
        run: row.get::<_, Option<i64>>("run")?.map(RunId),
        blocked_by: row.get::<_, Option<i64>>("blocked_by")?.map(RunId),
        late_ms: row.get("late_ms")?,
        reason: maybe_word(row, "reason")?,
        note: row.get("note")?,
        decided_at: row.get("decided_at")?,
        count: row.get("count")?,
        until: row.get("until_at")?,
    })
}
