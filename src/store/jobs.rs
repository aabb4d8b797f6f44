//! Definitions: jobs, their pauses, and who changed them when.

use rusqlite::{Connection, OptionalExtension, Row, Transaction, named_params, params};
use serde::{Deserialize, Serialize};

use crate::model::{Job, Pause, Planned, Policy, Spec, UnreadableSchedule, read_schedule};
use crate::schedule::{Schedule, UnixMs, Zone};
use crate::store::error::{json, word};
use crate::store::follow::write_follows;
use crate::store::versions::{END, change_schedules};
use crate::store::{NewSchedule, Result, Store, StoreError};

impl NewSchedule {
    /// Makes it ready to be asked; `system` is the zone of those that name none.
    ///
    /// # Errors
    /// As [`read_schedule`].
    pub fn schedule(&self, system: &Zone) -> std::result::Result<Schedule, UnreadableSchedule> {
        let zone = self.zone.as_deref();
        read_schedule(&self.expr, zone, &self.dst, self.anchor, system)
    }
}

/// A job with its schedules in force.
#[derive(Clone, Debug, PartialEq)]
pub struct JobRow {
    /// The job.
    pub job: Job,
    /// Its schedules in force, each with its next instant not yet decided (0: not yet planned).
    pub schedules: Vec<(Planned, UnixMs)>,
    /// When it was defined.
    pub created_at: UnixMs,
    /// When its definition was last changed.
    pub updated_at: UnixMs,
}

/// A definition as history keeps it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Definition {
    /// What to execute.
    pub spec: Spec,
    /// By which rules.
    pub policy: Policy,
    /// When.
    pub schedules: Vec<NewSchedule>,
}

const COLUMNS: &str = "name, spec, queue, priority, overlap, max_parallel, queue_max, timeout_ms,
  silence_ms, kill_grace_ms, start_deadline_ms, retry, backoff, on_lost, catch_up,
  catch_up_window_ms, catch_up_max, listed, version, created_at, updated_at";

/// How many pauses of a job are kept at hand.
const PAUSES: i64 = 16;

impl Store {
    /// Defines a job; with `replace`, puts it in the place of one of the same name.
    ///
    /// # Errors
    /// [`StoreError::NameTaken`] without `replace`, [`StoreError::NoSuchQueue`].
    pub fn put_job(
        &mut self,
        job: &Job,
        schedules: &[NewSchedule],
        replace: bool,
        by: &str,
        now: UnixMs,
    ) -> Result<()> {
        self.write(|tx| put_job(tx, job, schedules, replace, by, now))
    }

    /// Removes a definition; its runs and its ledger stay, and history keeps what it was.
    ///
    /// # Errors
    /// [`StoreError::NoSuchJob`].
    pub fn remove_job(&mut self, name: &str, by: &str, now: UnixMs) -> Result<()> {
        self.write(|tx| remove_job(tx, name, by, now))
    }

    /// Ends the pause of a job. Says whether there was one.
    ///
    /// # Errors
    /// [`StoreError::NoSuchJob`].
    pub fn resume_job(&mut self, name: &str, by: &str, now: UnixMs) -> Result<bool> {
        self.write(|tx| {
            let row = job_row(tx, name)?.ok_or_else(|| StoreError::NoSuchJob(name.to_owned()))?;
            let ended = end_pauses(tx, name, now)?;
            if ended > 0 {
                keep(tx, &row.job, &row.schedules, "resumed", by, now)?;
            }
            Ok(ended > 0)
        })
    }

    /// One job.
    ///
    /// # Errors
    /// Those of reading.
    pub fn job(&self, name: &str) -> Result<Option<JobRow>> {
        job_row(&self.conn, name)
    }

    /// All listed jobs that can be read, by name; [`Store::unreadable_jobs`] names the others.
    ///
    /// # Errors
    /// Those of reading.
    pub fn jobs(&self) -> Result<Vec<JobRow>> {
        let sql = format!("SELECT {COLUMNS} FROM job WHERE listed = 1 ORDER BY name");
        let mut statement = self.conn.prepare(&sql)?;
        let mut rows = statement.query([])?;
        let mut jobs = Vec::new();
        while let Some(row) = rows.next()? {
            match read(row).map_err(StoreError::from) {
                Ok(job) => jobs.push(complete(&self.conn, job)?),
                Err(e) if e.is_unreadable() => {}
                Err(e) => return Err(e),
            }
        }
        Ok(jobs)
    }

    /// The listed jobs whose row holds what no program of ours writes, and why it cannot be read.
    ///
    /// # Errors
    /// Those of reading.
    pub fn unreadable_jobs(&self) -> Result<Vec<(String, String)>> {
        let mut found = Vec::new();
        for name in self.job_names()? {
            match self.job(&name) {
                Err(e) if e.is_unreadable() => found.push((name, e.to_string())),
                other => drop(other?),
            }
        }
        Ok(found)
    }

    /// The names of all listed jobs.
    ///
    /// # Errors
    /// Those of reading.
    pub fn job_names(&self) -> Result<Vec<String>> {
        let mut statement = self
            .conn
            .prepare("SELECT name FROM job WHERE listed = 1 ORDER BY name")?;
        Ok(statement
            .query_map([], |row| row.get(0))?
            .collect::<rusqlite::Result<_>>()?)
    }
}

/// As [`Store::remove_job`], in a transaction that may hold more.
pub(in crate::store) fn remove_job(
    tx: &Transaction<'_>,
    name: &str,
    by: &str,
    now: UnixMs,
) -> Result<()> {
    let row = job_row(tx, name)?.ok_or_else(|| StoreError::NoSuchJob(name.to_owned()))?;
    keep(tx, &row.job, &row.schedules, "removed", by, now)?;
    tx.execute(
        &format!("UPDATE schedule SET {END} WHERE job = ?1 AND until_at IS NULL"),
        params![name, now],
    )?;
    tx.execute("UPDATE schedule SET done = 0 WHERE job = ?1", [name])?;
    end_pauses(tx, name, now)?;
    tx.execute("DELETE FROM follow WHERE owner = ?1", [name])?;
    tx.execute("DELETE FROM job WHERE name = ?1", [name])?;
    Ok(())
}

/// As [`Store::put_job`], in a transaction that may hold more.
pub(in crate::store) fn put_job(
    tx: &Transaction<'_>,
    job: &Job,
    schedules: &[NewSchedule],
    replace: bool,
    by: &str,
    now: UnixMs,
) -> Result<()> {
    put_job_as(tx, job, schedules, replace, None, by, now)
}

/// As [`put_job`]; history calls it by `what`, or says whether it was added or changed.
pub(in crate::store) fn put_job_as(
    tx: &Transaction<'_>,
    job: &Job,
    schedules: &[NewSchedule],
    replace: bool,
    what: Option<&str>,
    by: &str,
    now: UnixMs,
) -> Result<()> {
    let known: i64 = tx.query_row(
        "SELECT count(*) FROM queue WHERE name = ?1",
        [&job.policy.queue],
        |row| row.get(0),
    )?;
    if known == 0 {
        return Err(StoreError::NoSuchQueue(job.policy.queue.clone()));
    }
    let old = job_row(tx, &job.name)?;
    if old.is_some() && !replace {
        return Err(StoreError::NameTaken(job.name.clone()));
    }
    let mut job = job.clone();
    job.version = old.as_ref().map_or(1, |old| old.job.version + 1);
    write_job(tx, &job, now)?;
    change_schedules(tx, &job.name, old.as_ref(), schedules, now)?;
    let row = job_row(tx, &job.name)?.ok_or_else(|| StoreError::NoSuchJob(job.name.clone()))?;
    let unnamed = if old.is_some() { "changed" } else { "added" };
    let what = what.unwrap_or(unnamed);
    keep(tx, &row.job, &row.schedules, what, by, now)
}

pub(in crate::store) fn write_job(tx: &Transaction<'_>, job: &Job, now: UnixMs) -> Result<()> {
    let policy = &job.policy;
    let spec =
        serde_json::to_string(&job.spec).map_err(|e| StoreError::Unreadable(e.to_string()))?;
    tx.prepare_cached(
        "INSERT INTO job(name, spec, queue, priority, overlap, max_parallel, queue_max, timeout_ms,
           silence_ms, kill_grace_ms, start_deadline_ms, retry, backoff, on_lost, catch_up,
           catch_up_window_ms, catch_up_max, listed, version, created_at, updated_at)
         VALUES(:name, :spec, :queue, :priority, :overlap, :max_parallel, :queue_max, :timeout_ms,
           :silence_ms, :kill_grace_ms, :start_deadline_ms, :retry, :backoff, :on_lost, :catch_up,
           :catch_up_window_ms, :catch_up_max, :listed, :version, :now, :now)
         ON CONFLICT(name) DO UPDATE SET spec = excluded.spec, queue = excluded.queue,
           priority = excluded.priority, overlap = excluded.overlap,
           max_parallel = excluded.max_parallel, queue_max = excluded.queue_max,
           timeout_ms = excluded.timeout_ms, silence_ms = excluded.silence_ms,
           kill_grace_ms = excluded.kill_grace_ms, start_deadline_ms = excluded.start_deadline_ms,
           retry = excluded.retry, backoff = excluded.backoff, on_lost = excluded.on_lost,
           catch_up = excluded.catch_up, catch_up_window_ms = excluded.catch_up_window_ms,
           catch_up_max = excluded.catch_up_max, listed = excluded.listed,
           version = excluded.version, updated_at = excluded.updated_at",
    )?
    .execute(named_params! {
        ":name": job.name,
        ":spec": spec,
        ":queue": policy.queue,
        ":priority": policy.priority,
        ":overlap": policy.overlap.as_str(),
        ":max_parallel": policy.max_parallel,
        ":queue_max": policy.queue_max,
        ":timeout_ms": policy.timeout_ms,
        ":silence_ms": policy.silence_ms,
        ":kill_grace_ms": policy.kill_grace_ms,
        ":start_deadline_ms": policy.start_deadline_ms,
        ":retry": policy.retry,
        ":backoff": policy.backoff.to_string(),
        ":on_lost": policy.on_lost.as_str(),
        ":catch_up": policy.catch_up.as_str(),
        ":catch_up_window_ms": policy.catch_up_window_ms,
        ":catch_up_max": policy.catch_up_max,
        ":listed": job.listed,
        ":version": job.version,
        ":now": now,
    })?;
    write_follows(tx, job)
}

pub(in crate::store) fn end_pauses(tx: &Transaction<'_>, name: &str, now: UnixMs) -> Result<usize> {
    Ok(tx.execute(
        "UPDATE pause SET until_at = ?2 WHERE job = ?1 AND (until_at IS NULL OR until_at > ?2)",
        params![name, now],
    )?)
}

/// Writes the definition as it is now into history.
pub(in crate::store) fn keep(
    tx: &Transaction<'_>,
    job: &Job,
    schedules: &[(Planned, UnixMs)],
    what: &str,
    by: &str,
    now: UnixMs,
) -> Result<()> {
    let definition = Definition {
        spec: job.spec.clone(),
        policy: job.policy.clone(),
        schedules: schedules
            .iter()
            .map(|(planned, _)| NewSchedule::from(planned))
            .collect(),
    };
    let text =
        serde_json::to_string(&definition).map_err(|e| StoreError::Unreadable(e.to_string()))?;
    tx.execute(
        "INSERT INTO history(at, changed_by, job, what, version, definition) VALUES(?1, ?2, ?3, ?4, ?5, ?6)",
        params![now, by, job.name, what, job.version, text],
    )?;
    Ok(())
}

pub(in crate::store) fn job_row(conn: &Connection, name: &str) -> Result<Option<JobRow>> {
    let sql = format!("SELECT {COLUMNS} FROM job WHERE name = ?1");
    let row = conn
        .prepare_cached(&sql)?
        .query_row([name], read)
        .optional()?;
    row.map(|row| complete(conn, row)).transpose()
}

/// Adds what stands in other tables.
fn complete(conn: &Connection, mut row: JobRow) -> Result<JobRow> {
    row.schedules = crate::store::schedules::of_job(conn, &row.job.name, false)?
        .into_iter()
        .map(|armed| (armed.planned, armed.next_at))
        .collect();
    row.job.pauses = pauses(conn, &row.job.name)?;
    Ok(row)
}

fn pauses(conn: &Connection, name: &str) -> Result<Vec<Pause>> {
    let mut statement = conn.prepare_cached(
        "SELECT from_at, until_at, paused_by, reason FROM pause WHERE job = ?1
         ORDER BY from_at DESC LIMIT ?2",
    )?;
    let rows = statement.query_map(params![name, PAUSES], |row| {
        Ok(Pause {
            from: row.get(0)?,
            until: row.get(1)?,
            by: row.get(2)?,
            reason: row.get(3)?,
        })
    })?;
    Ok(rows.collect::<rusqlite::Result<_>>()?)
}

fn read(row: &Row<'_>) -> rusqlite::Result<JobRow> {
    Ok(JobRow {
        job: Job {
            name: row.get("name")?,
            spec: json(row, "spec")?,
            policy: Policy {
                queue: row.get("queue")?,
                priority: row.get("priority")?,
                overlap: word(row, "overlap")?,
                max_parallel: row.get("max_parallel")?,
                queue_max: row.get("queue_max")?,
                timeout_ms: row.get("timeout_ms")?,
                silence_ms: row.get("silence_ms")?,
                kill_grace_ms: row.get("kill_grace_ms")?,
                start_deadline_ms: row.get("start_deadline_ms")?,
                retry: row.get("retry")?,
                backoff: word(row, "backoff")?,
                on_lost: word(row, "on_lost")?,
                catch_up: word(row, "catch_up")?,
                catch_up_window_ms: row.get("catch_up_window_ms")?,
                catch_up_max: row.get("catch_up_max")?,
            },
            pauses: Vec::new(),
            version: row.get("version")?,
            listed: row.get("listed")?,
        },
        schedules: Vec::new(),
        created_at: row.get("created_at")?,
        updated_at: row.get("updated_at")?,
    })
}
