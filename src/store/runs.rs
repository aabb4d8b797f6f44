//! Runs: asking for them, taking them back, and looking at them.

use rusqlite::{OptionalExtension, Row, ToSql, params};

use crate::model::{Fence, Job, Origin, Outcome, Raw, RunId, RunState};
use crate::schedule::UnixMs;
use crate::store::error::{maybe_word, word};
use crate::store::{Ack, Result, Store, StoreError};

/// A run somebody asks for.
#[derive(Clone, Debug, PartialEq)]
pub struct Request {
    /// The job.
    pub job: String,
    /// What makes it.
    pub origin: Origin,
    /// More on that, for example the run to be done again.
    pub origin_ref: Option<String>,
    /// Who asks.
    pub by: String,
    /// Not before this instant.
    pub run_at: UnixMs,
    /// The queue, where it is not the job's.
    pub queue: Option<String>,
    /// The priority, where it is not the job's.
    pub priority: Option<u8>,
    /// Environment for this run only.
    pub env: Vec<(String, Raw)>,
}

/// A run as the views show it.
#[derive(Clone, Debug, PartialEq)]
pub struct RunRow {
    /// Its number.
    pub run: RunId,
    /// The job.
    pub job: String,
    /// Where it stands.
    pub state: RunState,
    /// Attempts made so far.
    pub attempt: u32,
    /// Attempts allowed.
    pub max_attempts: u32,
    /// The queue.
    pub queue: String,
    /// Its priority.
    pub priority: u8,
    /// What made it.
    pub origin: Origin,
    /// More on that.
    pub origin_ref: Option<String>,
    /// The watch whose poll made it; the poll is `origin_ref`.
    pub watch: Option<String>,
    /// The instant it was planned for.
    pub planned_at: Option<UnixMs>,
    /// When it was made.
    pub queued_at: Option<UnixMs>,
    /// Not before this instant.
    pub run_at: Option<UnixMs>,
    /// When its first attempt started.
    pub started_at: Option<UnixMs>,
    /// When it ended.
    pub ended_at: Option<UnixMs>,
    /// Exit code of the last attempt.
    pub exit_code: Option<i32>,
    /// Signal that ended the last attempt.
    pub signal: Option<i32>,
    /// In words.
    pub reason: Option<String>,
    /// When somebody wanted it ended.
    pub cancel_at: Option<UnixMs>,
    /// Process of the last attempt.
    pub pid: Option<i32>,
    /// Slot of the worker that carries, or carried, the last attempt.
    pub slot: Option<u32>,
    /// What somebody said of how it ended.
    pub ack: Option<Ack>,
}

/// One attempt of a run as the views show it.
#[derive(Clone, Debug, PartialEq)]
pub struct AttemptRow {
    /// Which attempt.
    pub n: u32,
    /// Its claim.
    pub fence: Fence,
    /// Its process.
    pub pid: Option<i32>,
    /// Its slot.
    pub slot: Option<u32>,
    /// When it was claimed.
    pub claimed_at: UnixMs,
    /// When its process started.
    pub started_at: Option<UnixMs>,
    /// When it ended.
    pub ended_at: Option<UnixMs>,
    /// How.
    pub outcome: Option<Outcome>,
    /// Exit code.
    pub exit_code: Option<i32>,
    /// Signal.
    pub signal: Option<i32>,
    /// In words.
    pub reason: Option<String>,
    /// CPU time, milliseconds.
    pub cpu_ms: Option<i64>,
    /// Largest resident set, bytes.
    pub max_rss: Option<i64>,
    /// Bytes written.
    pub out_bytes: Option<i64>,
    /// Bytes of them not kept.
    pub out_dropped: Option<i64>,
}

impl AttemptRow {
    /// From its start to its end, milliseconds.
    pub fn took_ms(&self) -> Option<i64> {
        Some((self.ended_at? - self.started_at?).max(0))
    }
}

/// Which runs to list.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct RunFilter {
    /// Of this job only.
    pub job: Option<String>,
    /// Made by this only, and of watches by this one only, where it is named.
    pub origin: Option<(Origin, Option<String>)>,
    /// In one of these states only; all where empty.
    pub states: Vec<RunState>,
    /// Made at or after this instant.
    pub since: Option<UnixMs>,
    /// Numbered above this one.
    pub after: Option<RunId>,
    /// Numbered below this one.
    pub before: Option<RunId>,
    /// At most so many, the newest.
    pub limit: Option<usize>,
}

pub(in crate::store) const COLUMNS: &str =
    "r.id, r.job, r.state, r.attempt, r.max_attempts, r.queue, r.priority,
  r.origin, r.origin_ref, r.requested_by, r.planned_at, r.queued_at, r.run_at, r.started_at, r.ended_at,
  r.exit_code, r.signal, r.reason, r.cancel_at, a.pid, a.slot,
  k.at AS ack_at, k.acked_by, k.note AS ack_note, k.until_at AS ack_until";

pub(in crate::store) const FROM: &str =
    "FROM run r LEFT JOIN attempt a ON a.run = r.id AND a.n = r.attempt
  LEFT JOIN ack k ON k.run = r.id";

impl Store {
    /// Asks for a run of a job.
    ///
    /// # Errors
    /// [`StoreError::NoSuchJob`], [`StoreError::NoSuchQueue`].
    pub fn request(&mut self, request: &Request, now: UnixMs) -> Result<RunId> {
        self.write(|tx| insert_request(tx, request, now))
    }

    /// Asks for a run of a command that is no listed job: defines it and asks, in one transaction.
    ///
    /// # Errors
    /// [`StoreError::NameTaken`], [`StoreError::NoSuchQueue`].
    pub fn enqueue(&mut self, job: &Job, request: &Request, now: UnixMs) -> Result<RunId> {
        self.write(|tx| {
            crate::store::jobs::put_job(tx, job, &[], false, &request.by, now)?;
            insert_request(tx, request, now)
        })
    }

    /// Asks to have runs ended. Says how many of them were not over.
    ///
    /// # Errors
    /// Those of writing.
    pub fn cancel(&mut self, runs: &[RunId], by: &str, now: UnixMs) -> Result<usize> {
        self.write(|tx| {
            let mut asked = 0;
            for run in runs {
                asked += tx
                    .prepare_cached(
                        "UPDATE run SET cancel_at = ?2, cancelled_by = ?3
                         WHERE id = ?1 AND state IN('queued', 'running')",
                    )?
                    .execute(params![run.0, now, by])?;
            }
            Ok(asked)
        })
    }

    /// One run.
    ///
    /// # Errors
    /// Those of reading.
    pub fn run(&self, run: RunId) -> Result<Option<RunRow>> {
        let sql = format!("SELECT {COLUMNS} {FROM} WHERE r.id = ?1");
        Ok(self
            .conn
            .prepare_cached(&sql)?
            .query_row([run.0], read)
            .optional()?)
    }

    /// The runs that pass a filter, newest first.
    ///
    /// # Errors
    /// Those of reading.
    pub fn runs(&self, filter: &RunFilter) -> Result<Vec<RunRow>> {
        let mut sql = format!("SELECT {COLUMNS} {FROM} WHERE 1 = 1");
        let mut values: Vec<Box<dyn ToSql>> = Vec::new();
        if let Some(job) = &filter.job {
            sql.push_str(" AND r.job = ?");
            values.push(Box::new(job.clone()));
        }
        if let Some((origin, watch)) = &filter.origin {
            sql.push_str(&format!(" AND r.origin = '{origin}'"));
            if let Some(watch) = watch {
                sql.push_str(" AND r.requested_by = ?");
                values.push(Box::new(format!("watch {watch}")));
            }
        }
        sql.push_str(&in_states(&filter.states));
        if let Some(since) = filter.since {
            sql.push_str(" AND r.queued_at >= ?");
            values.push(Box::new(since));
        }
        if let Some(after) = filter.after {
            sql.push_str(" AND r.id > ?");
            values.push(Box::new(after.0));
        }
        if let Some(before) = filter.before {
            sql.push_str(" AND r.id < ?");
            values.push(Box::new(before.0));
        }
        sql.push_str(" ORDER BY r.id DESC LIMIT ?");
        values.push(Box::new(
            filter
                .limit
                .map_or(-1, |n| i64::try_from(n).unwrap_or(i64::MAX)),
        ));
        let mut statement = self.conn.prepare(&sql)?;
        let rows = statement.query_map(rusqlite::params_from_iter(values.iter()), read)?;
        Ok(rows.collect::<rusqlite::Result<_>>()?)
    }

    /// Who asked for a run, where somebody did.
    ///
    /// # Errors
    /// Those of reading.
    pub fn requested_by(&self, run: RunId) -> Result<Option<String>> {
        let by = self
            .conn
            .query_row(
                "SELECT requested_by FROM run WHERE id = ?1",
                [run.0],
                |row| row.get(0),
            )
            .optional()?;
        Ok(by.flatten())
    }

    /// The attempts of a run, in order.
    ///
    /// # Errors
    /// Those of reading.
    pub fn attempts(&self, run: RunId) -> Result<Vec<AttemptRow>> {
        let mut statement = self.conn.prepare_cached(
            "SELECT n, fence, pid, slot, claimed_at, started_at, ended_at, outcome, exit_code, signal,
               reason, cpu_ms, max_rss, out_bytes, out_dropped FROM attempt WHERE run = ?1 ORDER BY n",
        )?;
        let rows = statement.query_map([run.0], |row| {
            Ok(AttemptRow {
                n: row.get("n")?,
                fence: Fence(row.get("fence")?),
                pid: row.get("pid")?,
                slot: row.get("slot")?,
                claimed_at: row.get("claimed_at")?,
                started_at: row.get("started_at")?,
                ended_at: row.get("ended_at")?,
                outcome: maybe_word(row, "outcome")?,
                exit_code: row.get("exit_code")?,
                signal: row.get("signal")?,
                reason: row.get("reason")?,
                cpu_ms: row.get("cpu_ms")?,
                max_rss: row.get("max_rss")?,
                out_bytes: row.get("out_bytes")?,
                out_dropped: row.get("out_dropped")?,
            })
        })?;
        Ok(rows.collect::<rusqlite::Result<_>>()?)
    }
}

/// As [`Store::request`], in a transaction that may hold more.
pub(in crate::store) fn insert_request(
    tx: &rusqlite::Transaction<'_>,
    request: &Request,
    now: UnixMs,
) -> Result<RunId> {
    let Some(row) = crate::store::jobs::job_row(tx, &request.job)? else {
        return Err(StoreError::NoSuchJob(request.job.clone()));
    };
    let policy = &row.job.policy;
    let queue = request.queue.as_ref().unwrap_or(&policy.queue);
    let known: bool = tx.query_row(
        "SELECT EXISTS(SELECT 1 FROM queue WHERE name = ?1)",
        [queue],
        |row| row.get(0),
    )?;
    if !known {
        return Err(StoreError::NoSuchQueue(queue.clone()));
    }
    let env: std::collections::BTreeMap<&String, &Raw> =
        request.env.iter().map(|(k, v)| (k, v)).collect();
    let env = (!env.is_empty())
        .then(|| serde_json::to_string(&env))
        .transpose()
        .map_err(|e| StoreError::Unreadable(e.to_string()))?;
    tx.execute(
        "INSERT INTO run(job, queue, priority, run_at, origin, origin_ref, requested_by, env,
           planned_at, queued_at, max_attempts) VALUES(?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11)",
        params![
            request.job,
            queue,
            request.priority.unwrap_or(policy.priority),
            request.run_at,
            request.origin.as_str(),
            request.origin_ref,
            request.by,
            env,
            request.run_at,
            now,
            policy.max_attempts(),
        ],
    )?;
    Ok(RunId(tx.last_insert_rowid()))
}

pub(in crate::store) fn read(row: &Row<'_>) -> rusqlite::Result<RunRow> {
    let origin: Origin = word(row, "origin")?;
    let by: Option<String> = row.get("requested_by")?;
    let watch = by.filter(|_| origin == Origin::Watch);
    Ok(RunRow {
        run: RunId(row.get("id")?),
        job: row.get("job")?,
        state: word(row, "state")?,
        attempt: row.get("attempt")?,
        max_attempts: row.get::<_, Option<u32>>("max_attempts")?.unwrap_or(1),
        queue: row.get::<_, Option<String>>("queue")?.unwrap_or_default(),
        priority: row.get::<_, Option<u8>>("priority")?.unwrap_or(5),
        origin,
        origin_ref: row.get("origin_ref")?,
        watch: watch.and_then(|by| by.strip_prefix("watch ").map(str::to_owned)),
        planned_at: row.get("planned_at")?,
        queued_at: row.get("queued_at")?,
        run_at: row.get("run_at")?,
        started_at: row.get("started_at")?,
        ended_at: row.get("ended_at")?,
        exit_code: row.get("exit_code")?,
        signal: row.get("signal")?,
        reason: row.get("reason")?,
        cancel_at: row.get("cancel_at")?,
        pid: row.get("pid")?,
        slot: row.get("slot")?,
        ack: read_ack(row)?,
    })
}

fn read_ack(row: &Row<'_>) -> rusqlite::Result<Option<Ack>> {
    let Some(at) = row.get("ack_at")? else {
        return Ok(None);
    };
    Ok(Some(Ack {
        at,
        by: row.get("acked_by")?,
        note: row.get("ack_note")?,
        until: row.get("ack_until")?,
    }))
}

/// The condition that a run is in one of the states; none is any.
///
/// Left to itself SQLite walks through all runs, newest first, for the few that are alive or wait
/// (measured: 250 ms among a million); so it is told which index has them.
fn in_states(states: &[RunState]) -> String {
    let open = |state: &RunState| match state {
        RunState::Running => Some("SELECT id FROM run INDEXED BY run_live WHERE state = 'running'"),
        RunState::Queued => Some("SELECT id FROM run INDEXED BY run_later WHERE state = 'queued'"),
        RunState::Ended(_) => None,
    };
    if states.is_empty() {
        return String::new();
    }
    if let Some(found) = states.iter().map(open).collect::<Option<Vec<_>>>() {
        return format!(" AND r.id IN({})", found.join(" UNION ALL "));
    }
    let words: Vec<String> = states.iter().map(|s| format!("'{}'", s.as_str())).collect();
    format!(" AND r.state IN({})", words.join(", "))
}
