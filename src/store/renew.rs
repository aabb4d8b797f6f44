//! Having work done after all: a run again, or missed fires.

use rusqlite::{Transaction, params};

use crate::model::{Origin, RunId, ScheduleId};
use crate::schedule::UnixMs;
use crate::store::runs::{Request, insert_request};
use crate::store::{Result, Store};

/// A run made for missed fires.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct CaughtUp {
    /// The run.
    pub run: RunId,
    /// The instant it is recorded for.
    pub planned_at: UnixMs,
    /// How many missed instants it stands for.
    pub count: i64,
}

/// An open row of the ledger.
struct Open {
    schedule: ScheduleId,
    planned_at: UnixMs,
    until: UnixMs,
    count: i64,
}

impl Store {
    /// Makes runs for the missed fires of a job that are still open: one for the latest, which
    /// then stands for all of them, or one for each in order, the latest `most` of them. The runs
    /// are named in the ledger in the same transaction, so that two who ask at once do not have
    /// the same work done twice. A row that stands for several instants gets one run.
    ///
    /// # Errors
    /// [`crate::store::StoreError::NoSuchJob`].
    pub fn catch_up(
        &mut self,
        job: &str,
        each: bool,
        most: usize,
        since: UnixMs,
        by: &str,
        now: UnixMs,
    ) -> Result<Vec<CaughtUp>> {
        self.write(|tx| {
            let open = open_rows(tx, job, since)?;
            let of_run: Vec<&[Open]> = if each {
                open[open.len().saturating_sub(most)..].chunks(1).collect()
            } else {
                open.chunks(open.len().max(1)).collect()
            };
            let mut made = Vec::new();
            for rows in of_run {
                let Some(last) = rows.last() else { continue };
                let request = Request {
                    job: job.to_owned(),
                    origin: Origin::CatchUp,
                    origin_ref: None,
                    by: by.to_owned(),
                    // In the past, so that it is due at once, and in the order of the instants.
                    run_at: last.until,
                    queue: None,
                    priority: None,
                    env: Vec::new(),
                };
                let run = insert_request(tx, &request, now)?;
                name_in_ledger(tx, rows, run)?;
                made.push(CaughtUp {
                    run,
                    planned_at: last.until,
                    count: rows.iter().map(|r| r.count).sum(),
                });
            }
            Ok(made)
        })
    }

    /// Asks to have a run done again, with the arguments and the environment it was given.
    ///
    /// # Errors
    /// [`crate::store::StoreError::NoSuchJob`] where its job is gone.
    pub fn retry(&mut self, run: RunId, job: &str, by: &str, now: UnixMs) -> Result<RunId> {
        let request = Request {
            job: job.to_owned(),
            origin: Origin::Retry,
            origin_ref: Some(run.to_string()),
            by: by.to_owned(),
            run_at: now,
            queue: None,
            priority: None,
            env: Vec::new(),
        };
        self.write(|tx| {
            let again = insert_request(tx, &request, now)?;
            tx.execute(
                "UPDATE run SET (args, env, input, input_path) =
                   (SELECT args, env, input, input_path FROM run WHERE id = ?2) WHERE id = ?1",
                params![again.0, run.0],
            )?;
            Ok(again)
        })
    }
}

fn open_rows(tx: &Transaction<'_>, job: &str, since: UnixMs) -> Result<Vec<Open>> {
    let mut statement = tx.prepare_cached(
        "SELECT f.schedule, f.planned_at, f.until_at, f.count FROM fire f
         WHERE f.verdict = 'missed' AND f.run IS NULL AND f.acked_at IS NULL AND f.until_at >= ?2
           AND f.schedule IN(SELECT id FROM schedule WHERE job = ?1)
         ORDER BY f.planned_at, f.schedule",
    )?;
    let rows = statement.query_map(params![job, since], |row| {
        Ok(Open {
            schedule: ScheduleId(row.get(0)?),
            planned_at: row.get(1)?,
            until: row.get(2)?,
            count: row.get(3)?,
        })
    })?;
    Ok(rows.collect::<rusqlite::Result<_>>()?)
}

fn name_in_ledger(tx: &Transaction<'_>, rows: &[Open], run: RunId) -> Result<()> {
    for row in rows {
        tx.prepare_cached("UPDATE fire SET run = ?3 WHERE schedule = ?1 AND planned_at = ?2")?
            .execute(params![row.schedule.0, row.planned_at, run.0])?;
    }
    Ok(())
}
