//! The end of a poll: its row, the runs it makes, and what its watch remembers, in one transaction.

use std::collections::BTreeMap;

use rusqlite::{OptionalExtension, Transaction, params};

use crate::model::{Cell, Memory, PollId, PollOutcome, RunId};
use crate::schedule::UnixMs;
use crate::store::held::{Held, hold};
use crate::store::seen::{Sighting, remember};
use crate::store::touched::forget_journaled;
use crate::store::{Result, Store, StoreError};

/// The key columns of a row by name.
pub type Key = Vec<(String, Cell)>;

/// A run that a poll makes.
#[derive(Clone, Debug, PartialEq)]
pub struct NewDelivery {
    /// Names what is delivered. While a run with the same is queued or running, that one stands for
    /// this as well.
    pub id: String,
    /// What the job reads, where that is short.
    pub input: Option<String>,
    /// The file with it, where it is long.
    pub input_path: Option<String>,
    /// Variables.
    pub env: Vec<(String, String)>,
    /// Values for its arguments, JSON.
    pub args: Option<String>,
    /// The rows that the source is to be told of, where it is.
    pub owed: Vec<Key>,
}

/// What is remembered after a poll.
#[derive(Clone, Debug, PartialEq)]
pub struct Remembered {
    /// The cursor and the like; nothing where it is as before.
    pub memory: Option<Memory>,
    /// Keys.
    pub sighting: Sighting,
    /// Whether all of this waits until the runs have ended well.
    pub waits: bool,
}

/// A poll that is over.
#[derive(Clone, Debug, PartialEq)]
pub struct PollEnd {
    /// The poll.
    pub poll: PollId,
    /// Its watch.
    pub watch: String,
    /// The version of the watch it was begun under. Under another nothing is delivered.
    pub version: i64,
    /// When it began.
    pub started_at: UnixMs,
    /// Now.
    pub at: UnixMs,
    /// How long it took, milliseconds.
    pub took_ms: i64,
    /// How long it waited for a connection, milliseconds.
    pub wait_ms: Option<i64>,
    /// The connection.
    pub connection: Option<String>,
    /// How it ended.
    pub outcome: PollOutcome,
    /// What went wrong.
    pub error: Option<String>,
    /// What is worth saying besides.
    pub note: Option<String>,
    /// How many polls in a row went wrong, this one among them.
    pub fails: u32,
    /// Rows it gave.
    pub rows: Option<usize>,
    /// Rows of them that are delivered.
    pub fresh: Option<usize>,
    /// Where the cursor is now, JSON.
    pub cursor_after: Option<String>,
    /// What was delivered, JSON, where that is kept.
    pub delivered: Option<String>,
    /// The runs.
    pub runs: Vec<NewDelivery>,
    /// What is remembered; nothing after a failure.
    pub remembered: Option<Remembered>,
    /// When the watch is asked next.
    pub next_at: Option<UnixMs>,
}

/// What became of the end of a poll.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Finished {
    /// It is recorded, with so many runs.
    Recorded(usize),
    /// The watch was changed meanwhile, or the poll is not known: nothing was delivered.
    Void,
    /// There is no job to be run; nothing was delivered, and the poll has gone wrong.
    NoJob,
}

impl Store {
    /// Records the end of a poll.
    ///
    /// # Errors
    /// Those of writing; then nothing of it is recorded.
    pub fn finish_poll(&mut self, end: &PollEnd) -> Result<Finished> {
        let journaled = self.journaled;
        self.write(|tx| {
            forget_journaled(tx, journaled)?;
            let version: Option<i64> = tx
                .prepare_cached("SELECT version FROM watch WHERE name = ?1")?
                .query_row([&end.watch], |row| row.get(0))
                .optional()?;
            if version != Some(end.version) {
                return void(tx, end);
            }
            let Some(maker) = Maker::of(tx, &end.watch)? else {
                return no_job(tx, end);
            };
            if !ended(tx, end)? {
                return Ok(Finished::Void);
            }
            let mut others = Vec::new();
            for run in &end.runs {
                let (number, made) = maker.make(tx, end, run)?;
                if !made {
                    others.push(number);
                }
                for key in &run.owed {
                    owe(tx, end, number, key)?;
                }
            }
            if let Some(remembered) = &end.remembered {
                keep(tx, end, remembered, others)?;
            }
            tx.prepare_cached("UPDATE watch SET next_at = ?2 WHERE name = ?1")?
                .execute(params![end.watch, end.next_at])?;
            Ok(Finished::Recorded(end.runs.len()))
        })
    }

    /// The last poll of a watch that was asked and is over: when it was due, when it ended, how many
    /// went wrong in a row, how it ended.
    ///
    /// # Errors
    /// Those of reading.
    pub fn last_asked(&self, watch: &str) -> Result<Option<LastAsked>> {
        Ok(self
            .conn
            .prepare_cached(
                "SELECT due_at, started_at + coalesce(took_ms, 0), fails, outcome = 'lost' FROM poll
                 WHERE watch = ?1 AND outcome NOT IN('running', 'skipped') ORDER BY id DESC LIMIT 1",
            )?
            .query_row([watch], |row| {
                Ok(LastAsked {
                    due_at: row.get(0)?,
                    ended_at: row.get(1)?,
                    fails: row.get(2)?,
                    lost: row.get(3)?,
                })
            })
            .optional()?)
    }
}

/// How the last poll of a watch went.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LastAsked {
    /// When it was due.
    pub due_at: UnixMs,
    /// When it ended.
    pub ended_at: UnixMs,
    /// How many in a row went wrong.
    pub fails: u32,
    /// Whether nobody heard of its end.
    pub lost: bool,
}

/// Writes the row; says whether it was there to be ended.
fn ended(tx: &Transaction<'_>, end: &PollEnd) -> Result<bool> {
    let count = |n: Option<usize>| n.map(|n| i64::try_from(n).unwrap_or(i64::MAX));
    let changed = tx
        .prepare_cached(
            "UPDATE poll SET outcome = ?2, took_ms = ?3, pool_wait_ms = ?4, connection = ?5, error = ?6,
               note = ?7, fails = ?8, rows = ?9, fresh_rows = ?10, runs = ?11, cursor_after = ?12,
               delivered = ?13 WHERE id = ?1 AND outcome = 'running'",
        )?
        .execute(params![
            end.poll.0,
            end.outcome.as_str(),
            end.took_ms,
            end.wait_ms,
            end.connection,
            end.error,
            end.note,
            end.fails,
            count(end.rows),
            count(end.fresh),
            count(Some(end.runs.len())),
            end.cursor_after,
            end.delivered,
        ])?;
    Ok(changed > 0)
}

fn void(tx: &Transaction<'_>, end: &PollEnd) -> Result<Finished> {
    let bare = PollEnd {
        outcome: PollOutcome::Lost,
        note: Some("the watch was changed meanwhile: it is asked again".to_owned()),
        runs: Vec::new(),
        fresh: None,
        cursor_after: None,
        delivered: None,
        ..end.clone()
    };
    ended(tx, &bare)?;
    Ok(Finished::Void)
}

fn no_job(tx: &Transaction<'_>, end: &PollEnd) -> Result<Finished> {
    // The row has as many as the poll before.
    let fails: u32 = tx
        .prepare_cached("SELECT fails FROM poll WHERE id = ?1")?
        .query_row([end.poll.0], |row| row.get(0))
        .optional()?
        .unwrap_or(0);
    let bare = PollEnd {
        outcome: PollOutcome::Error,
        error: Some("the job it runs does not exist".to_owned()),
        fails: fails.saturating_add(1),
        runs: Vec::new(),
        fresh: None,
        cursor_after: None,
        delivered: None,
        ..end.clone()
    };
    ended(tx, &bare)?;
    Ok(Finished::NoJob)
}

/// What the runs of a watch's job have in common.
struct Maker {
    job: String,
    queue: String,
    priority: i64,
    attempts: i64,
}

impl Maker {
    fn of(tx: &Transaction<'_>, watch: &str) -> Result<Option<Maker>> {
        Ok(tx
            .prepare_cached(
                "SELECT j.name, j.queue, j.priority, j.retry + 1 FROM watch w JOIN job j ON j.name = w.job
                 WHERE w.name = ?1",
            )?
            .query_row([watch], |row| {
                Ok(Maker {
                    job: row.get(0)?,
                    queue: row.get(1)?,
                    priority: row.get(2)?,
                    attempts: row.get(3)?,
                })
            })
            .optional()?)
    }

    /// Gives the number, and whether the run is new.
    fn make(
        &self,
        tx: &Transaction<'_>,
        end: &PollEnd,
        run: &NewDelivery,
    ) -> Result<(RunId, bool)> {
        let waiting: Option<i64> = tx
            .prepare_cached(
                "SELECT id FROM run INDEXED BY run_unique
                 WHERE unique_key = ?1 AND unique_key IS NOT NULL AND state IN('queued', 'running')",
            )?
            .query_row([&run.id], |row| row.get(0))
            .optional()?;
        if let Some(id) = waiting {
            return Ok((RunId(id), false));
        }
        let env: BTreeMap<&String, &String> = run.env.iter().map(|(k, v)| (k, v)).collect();
        let env = serde_json::to_string(&env).map_err(|e| StoreError::Unreadable(e.to_string()))?;
        tx.prepare_cached(
            "INSERT INTO run(job, queue, priority, run_at, origin, origin_ref, requested_by, unique_key,
               args, env, input, input_path, planned_at, queued_at, max_attempts, accepted)
             VALUES(?1, ?2, ?3, ?4, 'watch', ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?4, ?4, ?12, 1)",
        )?
        .execute(params![
            self.job,
            self.queue,
            self.priority,
            end.at,
            end.poll.to_string(),
            format!("watch {}", end.watch),
            run.id,
            run.args,
            env,
            run.input,
            run.input_path,
            self.attempts,
        ])?;
        Ok((RunId(tx.last_insert_rowid()), true))
    }
}

fn owe(tx: &Transaction<'_>, end: &PollEnd, run: RunId, key: &Key) -> Result<()> {
    let key = serde_json::to_string(key).map_err(|e| StoreError::Unreadable(e.to_string()))?;
    tx.prepare_cached("INSERT INTO owed(watch, poll, run, key, at) VALUES(?1, ?2, ?3, ?4, ?5)")?
        .execute(params![end.watch, end.poll.0, run.0, key, end.at])?;
    Ok(())
}

fn keep(
    tx: &Transaction<'_>,
    end: &PollEnd,
    remembered: &Remembered,
    others: Vec<RunId>,
) -> Result<()> {
    if remembered.waits && !end.runs.is_empty() {
        let held = Held {
            memory: remembered.memory.clone(),
            sighting: remembered.sighting.clone(),
            others,
        };
        return hold(tx, end.poll, &held);
    }
    apply(tx, &end.watch, remembered.memory.as_ref())?;
    remember(tx, &end.watch, end.poll, &remembered.sighting, end.at)?;
    tx.prepare_cached("UPDATE watch SET last_ok = ?2 WHERE name = ?1")?
        .execute(params![end.watch, end.started_at])?;
    Ok(())
}

/// What a watch remembers from now on.
pub(in crate::store) fn apply(
    tx: &Transaction<'_>,
    watch: &str,
    memory: Option<&Memory>,
) -> Result<()> {
    if let Some(memory) = memory {
        let memory =
            serde_json::to_string(memory).map_err(|e| StoreError::Unreadable(e.to_string()))?;
        tx.prepare_cached("UPDATE watch SET memory = ?2 WHERE name = ?1")?
            .execute(params![watch, memory])?;
    }
    Ok(())
}
