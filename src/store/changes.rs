//! Changes of definitions that are more than one statement: each is one transaction.

use rusqlite::{OptionalExtension, Transaction, params};

use crate::model::{Job, Pause};
use crate::schedule::UnixMs;
use crate::store::follow::rename_follows;
use crate::store::jobs::{Definition, end_pauses, job_row, keep, put_job};
use crate::store::watches::rename_in_watches;
use crate::store::{NewSchedule, Result, Store, StoreError};

impl Store {
    /// As [`Store::put_job`], and pauses the job before any fire of it can be decided.
    ///
    /// # Errors
    /// Those of [`Store::put_job`].
    pub fn put_job_paused(
        &mut self,
        job: &Job,
        schedules: &[NewSchedule],
        replace: bool,
        pause: &Pause,
    ) -> Result<()> {
        self.write(|tx| {
            put_job(tx, job, schedules, replace, &pause.by, pause.from)?;
            insert_pause(tx, &job.name, pause)
        })
    }

    /// Puts a definition in the place of the one it was made from: refused where that one is no
    /// longer the one in force.
    ///
    /// # Errors
    /// [`StoreError::ChangedMeanwhile`], [`StoreError::NoSuchJob`], [`StoreError::NoSuchQueue`].
    pub fn change_job(
        &mut self,
        job: &Job,
        schedules: &[NewSchedule],
        by: &str,
        now: UnixMs,
    ) -> Result<()> {
        self.write(|tx| {
            let old =
                job_row(tx, &job.name)?.ok_or_else(|| StoreError::NoSuchJob(job.name.clone()))?;
            if old.job.version != job.version {
                return Err(StoreError::ChangedMeanwhile(job.name.clone()));
            }
            put_job(tx, job, schedules, true, by, now)
        })
    }

    /// Pauses a job from now on, until an instant or until it is resumed.
    ///
    /// # Errors
    /// [`StoreError::NoSuchJob`].
    pub fn pause_job(&mut self, name: &str, pause: &Pause) -> Result<()> {
        self.write(|tx| insert_pause(tx, name, pause))
    }

    /// Gives a job another name; its schedules, runs, pauses and history go with it.
    ///
    /// # Errors
    /// [`StoreError::NoSuchJob`], [`StoreError::NameTaken`], and [`StoreError::Alive`] while runs
    /// of it are queued or running: whoever carries them knows them by the old name.
    pub fn rename_job(&mut self, old: &str, new: &str, by: &str, now: UnixMs) -> Result<()> {
        self.write(|tx| {
            if job_row(tx, old)?.is_none() {
                return Err(StoreError::NoSuchJob(old.to_owned()));
            }
            if job_row(tx, new)?.is_some() {
                return Err(StoreError::NameTaken(new.to_owned()));
            }
            let alive: bool = tx.query_row(
                "SELECT EXISTS(SELECT 1 FROM run WHERE job = ?1 AND state IN('queued', 'running'))",
                [old],
                |row| row.get(0),
            )?;
            if alive {
                return Err(StoreError::Alive(old.to_owned()));
            }
            tx.execute(
                "UPDATE job SET name = ?2, version = version + 1, updated_at = ?3 WHERE name = ?1",
                params![old, new, now],
            )?;
            for table in ["schedule", "run", "pause", "history", "event"] {
                let sql = format!("UPDATE {table} SET job = ?2 WHERE job = ?1");
                tx.execute(&sql, [old, new])?;
            }
            rename_follows(tx, old, new, by, now)?;
            rename_in_watches(tx, old, new)?;
            // The trigger names the new one alone; the daemon has to forget the old one, too.
            tx.execute("INSERT INTO change(job) VALUES(?1)", [old])?;
            let row = job_row(tx, new)?.ok_or_else(|| StoreError::NoSuchJob(new.to_owned()))?;
            let what = format!("renamed from {old}");
            keep(tx, &row.job, &row.schedules, &what, by, now)
        })
    }

    /// Brings a removed job back as it was; one that was paused is paused again, until resumed.
    /// Says whether it is.
    ///
    /// # Errors
    /// [`StoreError::NameTaken`]; [`StoreError::NoSuchJob`] where none of that name was removed.
    pub fn restore_job(&mut self, name: &str, by: &str, now: UnixMs) -> Result<bool> {
        self.write(|tx| {
            let (removed_at, definition) =
                removed(tx, name)?.ok_or_else(|| StoreError::NoSuchJob(name.to_owned()))?;
            let job = Job {
                name: name.to_owned(),
                spec: definition.spec,
                policy: definition.policy,
                pauses: Vec::new(),
                version: 0,
                listed: true,
            };
            put_job(tx, &job, &definition.schedules, false, by, now)?;
            let Some(pause) = pause_ended_at(tx, name, removed_at)? else {
                return Ok(false);
            };
            insert_pause(tx, name, &Pause { from: now, ..pause })?;
            Ok(true)
        })
    }

    /// The names of removed jobs that can be brought back.
    ///
    /// # Errors
    /// Those of reading.
    pub fn removed_names(&self) -> Result<Vec<String>> {
        let mut statement = self.conn.prepare(
            "SELECT DISTINCT job FROM history WHERE what = 'removed'
               AND job NOT IN(SELECT name FROM job) ORDER BY job",
        )?;
        Ok(statement
            .query_map([], |row| row.get(0))?
            .collect::<rusqlite::Result<_>>()?)
    }
}

pub(in crate::store) fn insert_pause(
    tx: &Transaction<'_>,
    name: &str,
    pause: &Pause,
) -> Result<()> {
    let row = job_row(tx, name)?.ok_or_else(|| StoreError::NoSuchJob(name.to_owned()))?;
    end_pauses(tx, name, pause.from)?;
    tx.execute(
        "INSERT INTO pause(job, from_at, until_at, paused_by, reason) VALUES(?1, ?2, ?3, ?4, ?5)",
        params![name, pause.from, pause.until, pause.by, pause.reason],
    )?;
    keep(
        tx,
        &row.job,
        &row.schedules,
        "paused",
        &pause.by,
        pause.from,
    )
}

/// When a job was last removed, and what it was.
fn removed(tx: &Transaction<'_>, name: &str) -> Result<Option<(UnixMs, Definition)>> {
    let row: Option<(UnixMs, String)> = tx
        .query_row(
            "SELECT at, definition FROM history WHERE job = ?1 AND what = 'removed'
               AND definition IS NOT NULL ORDER BY id DESC LIMIT 1",
            [name],
            |row| Ok((row.get(0)?, row.get(1)?)),
        )
        .optional()?;
    row.map(|(at, text)| {
        let definition =
            serde_json::from_str(&text).map_err(|e| StoreError::Unreadable(e.to_string()))?;
        Ok((at, definition))
    })
    .transpose()
}

/// The pause that the removal of a job ended.
fn pause_ended_at(tx: &Transaction<'_>, name: &str, at: UnixMs) -> Result<Option<Pause>> {
    Ok(tx
        .query_row(
            "SELECT from_at, paused_by, reason FROM pause WHERE job = ?1 AND until_at = ?2
             ORDER BY id DESC LIMIT 1",
            params![name, at],
            |row| {
                Ok(Pause {
                    from: row.get(0)?,
                    until: None,
                    by: row.get(1)?,
                    reason: row.get(2)?,
                })
            },
        )
        .optional()?)
}
