//! Definitions that a jobs file says, written all or none.

use rusqlite::{OptionalExtension, Transaction, params};

use crate::model::{Job, Pause};
use crate::schedule::UnixMs;
use crate::store::changes::insert_pause;
use crate::store::jobs::{Definition, end_pauses, job_row, keep, put_job_as, remove_job};
use crate::store::{NewSchedule, Result, Store, StoreError};

/// What history calls a change that a jobs file made.
const APPLIED: &str = "applied";

/// What a jobs file says of one job.
#[derive(Clone, Debug)]
pub struct Apply {
    /// The job; its version is that it takes the place of, 0 for a new one.
    pub job: Job,
    /// Its schedules.
    pub schedules: Vec<NewSchedule>,
    /// Whether the definition is written; otherwise only pauses change.
    pub define: bool,
    /// The pause that begins.
    pub pause: Option<Pause>,
    /// Whether its pauses end.
    pub resume: bool,
}

impl Store {
    /// Writes what jobs files say, and removes the jobs they no longer hold, in one transaction.
    /// `seam` is called after each job, for tests that end the process there.
    ///
    /// # Errors
    /// [`StoreError::ChangedMeanwhile`] where a definition is no longer the one that was compared,
    /// and those of [`Store::put_job`]; nothing is written then.
    pub fn apply_jobs(
        &mut self,
        jobs: &[Apply],
        removed: &[(String, i64)],
        by: &str,
        now: UnixMs,
        seam: fn(&'static str),
    ) -> Result<()> {
        self.write(|tx| {
            for (name, version) in removed {
                still(tx, name, *version)?;
                remove_job(tx, name, by, now)?;
            }
            // What the old definitions said of who follows whom must close no circle with the new.
            for apply in jobs.iter().filter(|apply| apply.define) {
                tx.prepare_cached("DELETE FROM follow WHERE owner = ?1")?
                    .execute([&apply.job.name])?;
            }
            for apply in jobs {
                write(tx, apply, by, now)?;
                seam("apply wrote a job");
            }
            Ok(())
        })?;
        seam("apply committed");
        Ok(())
    }

    /// What a jobs file last said of a job, where one did.
    ///
    /// # Errors
    /// Those of reading.
    pub fn last_applied(&self, job: &str) -> Result<Option<Definition>> {
        let text: Option<String> = self
            .conn
            .prepare_cached(
                "SELECT definition FROM history WHERE job = ?1 AND what = ?2
                   AND definition IS NOT NULL ORDER BY id DESC LIMIT 1",
            )?
            .query_row(params![job, APPLIED], |row| row.get(0))
            .optional()?;
        text.map(|text| {
            serde_json::from_str(&text).map_err(|e| StoreError::Unreadable(e.to_string()))
        })
        .transpose()
    }
}

fn write(tx: &Transaction<'_>, apply: &Apply, by: &str, now: UnixMs) -> Result<()> {
    let (name, version) = (&apply.job.name, apply.job.version);
    let old = still(tx, name, version)?;
    if apply.define {
        put_job_as(
            tx,
            &apply.job,
            &apply.schedules,
            old,
            Some(APPLIED),
            by,
            now,
        )?;
    }
    if apply.resume && end_pauses(tx, name, now)? > 0 {
        let row = job_row(tx, name)?.ok_or_else(|| StoreError::NoSuchJob(name.clone()))?;
        keep(tx, &row.job, &row.schedules, "resumed", by, now)?;
    }
    match &apply.pause {
        Some(pause) => insert_pause(tx, name, pause),
        None => Ok(()),
    }
}

/// Makes sure that a definition is the one that was compared. Says whether there is one.
fn still(tx: &Transaction<'_>, name: &str, version: i64) -> Result<bool> {
    let stored: Option<i64> = tx
        .prepare_cached("SELECT version FROM job WHERE name = ?1")?
        .query_row([name], |row| row.get(0))
        .optional()?;
    match (stored, version) {
        (Some(_), 0) => Err(StoreError::NameTaken(name.to_owned())),
        (None, 1..) => Err(StoreError::NoSuchJob(name.to_owned())),
        (Some(stored), version) if stored != version => {
            Err(StoreError::ChangedMeanwhile(name.to_owned()))
        }
        (stored, _) => Ok(stored.is_some()),
    }
}
