//! What the daemon takes out of the store: queued runs, live runs, wishes to cancel, queues.

use std::collections::HashSet;

use rusqlite::{Row, params};

use crate::model::{Fence, Queue, QueuedRun, Raw, RunId};
use crate::schedule::UnixMs;
use crate::store::error::word;
use crate::store::{Result, Store, StoreError};

/// A run that the store says is running.
#[derive(Clone, Debug, PartialEq)]
pub struct LiveRow {
    /// What it was while it was queued, with the attempt and the fence of its claim.
    pub run: QueuedRun,
    /// The boot of the host it was claimed in.
    pub boot_id: String,
    /// When it was claimed.
    pub claimed_at: UnixMs,
    /// Its process, once there was one.
    pub pid: Option<i32>,
}

/// A run that somebody wants ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Cancelled {
    /// The run.
    pub run: RunId,
    /// Who.
    pub by: Option<String>,
    /// Whether it still waits.
    pub queued: bool,
}

pub(in crate::store) const COLUMNS: &str =
    "id, job, queue, priority, run_at, queued_at, planned_at, origin, attempt,
  max_attempts, fence, args, env, input, input_path, deadline_at,
  CASE WHEN attempt > 0 THEN (SELECT a.outcome FROM attempt a
    WHERE a.run = run.id AND a.outcome IS NOT NULL ORDER BY a.n DESC LIMIT 1) END AS after";

/// Most run numbers put aside for the firing thread at a time.
const NUMBERS_ASIDE: i64 = 4096;

/// Most rows of clients marked as seen in one transaction.
const ACCEPTED: usize = 10_000;

impl Store {
    /// The queues in the order in which they are served.
    ///
    /// # Errors
    /// Those of reading.
    pub fn queues(&self) -> Result<Vec<Queue>> {
        let mut statement = self.conn.prepare_cached(
            "SELECT name, rank, slots, reserved, paused_at, paused_by FROM queue ORDER BY rank",
        )?;
        let rows = statement.query_map([], |row| {
            Ok(Queue {
                name: row.get(0)?,
                rank: row.get(1)?,
                slots: row.get(2)?,
                reserved: row.get(3)?,
                paused_at: row.get(4)?,
                paused_by: row.get(5)?,
            })
        })?;
        Ok(rows.collect::<rusqlite::Result<_>>()?)
    }

    /// When the next run that is queued for later may start, after `now`.
    ///
    /// # Errors
    /// Those of reading.
    pub fn next_run_at(&self, now: UnixMs) -> Result<Option<UnixMs>> {
        let mut statement = self.conn.prepare_cached(
            "SELECT min(run_at) FROM run INDEXED BY run_later WHERE state = 'queued' AND run_at > ?1",
        )?;
        Ok(statement.query_row([now], |row| row.get(0))?)
    }

    /// Marks the runs that clients inserted as seen, so that the numbers and defaults the triggers
    /// gave them are final; a bounded number at once. Says whether there are more.
    ///
    /// # Errors
    /// Those of writing.
    pub fn accept(&mut self) -> Result<bool> {
        let fresh: i64 = self
            .conn
            .prepare_cached("SELECT EXISTS(SELECT 1 FROM run WHERE accepted = 0)")?
            .query_row([], |row| row.get(0))?;
        if fresh == 0 {
            return Ok(false);
        }
        let seen = self.write(|tx| {
            Ok(tx
                .prepare_cached(
                    "UPDATE run SET accepted = 1 WHERE id IN(
                       SELECT id FROM run INDEXED BY run_new WHERE accepted = 0 ORDER BY id LIMIT ?1)",
                )?
                .execute([ACCEPTED as i64])?)
        })?;
        Ok(seen == ACCEPTED)
    }

    /// The runs that somebody wants ended and that are not.
    ///
    /// # Errors
    /// Those of reading.
    pub fn cancelled(&self) -> Result<Vec<Cancelled>> {
        let mut statement = self.conn.prepare_cached(
            "SELECT id, cancelled_by, state = 'queued' FROM run INDEXED BY run_cancel
             WHERE cancel_at IS NOT NULL AND state IN('queued', 'running')",
        )?;
        let rows = statement.query_map([], |row| {
            Ok(Cancelled {
                run: RunId(row.get(0)?),
                by: row.get(1)?,
                queued: row.get(2)?,
            })
        })?;
        Ok(rows.collect::<rusqlite::Result<_>>()?)
    }

    /// The runs the store says are running.
    ///
    /// # Errors
    /// Those of reading.
    pub fn live(&self) -> Result<Vec<LiveRow>> {
        let sql = format!(
            "SELECT {COLUMNS}, (SELECT boot_id FROM attempt a WHERE a.run = run.id AND a.n = run.attempt) AS boot_id,
               (SELECT claimed_at FROM attempt a WHERE a.run = run.id AND a.n = run.attempt) AS claimed_at,
               (SELECT pid FROM attempt a WHERE a.run = run.id AND a.n = run.attempt) AS pid
             FROM run INDEXED BY run_live WHERE state = 'running' ORDER BY id"
        );
        let mut statement = self.conn.prepare(&sql)?;
        let rows = statement.query_map([], |row| {
            Ok(LiveRow {
                run: read(row)?,
                boot_id: row.get::<_, Option<String>>("boot_id")?.unwrap_or_default(),
                claimed_at: row.get::<_, Option<i64>>("claimed_at")?.unwrap_or_default(),
                pid: row.get("pid")?,
            })
        })?;
        Ok(rows.collect::<rusqlite::Result<_>>()?)
    }

    /// Puts a number of run numbers aside for the firing thread and gives the first of them.
    /// Numbers put aside earlier and not used stay unused once clients have drawn higher ones, so
    /// that numbers grow with time.
    ///
    /// # Errors
    /// Those of writing.
    pub fn reserve_numbers(&mut self, count: i64) -> Result<RunId> {
        self.write(|tx| {
            let last: Option<i64> = tx.query_row(
                "SELECT max(seq) FROM sqlite_sequence WHERE name = 'run'",
                [],
                |row| row.get(0),
            )?;
            match last {
                Some(last) => {
                    tx.execute(
                        "UPDATE sqlite_sequence SET seq = ?1 WHERE name = 'run'",
                        [last + count],
                    )?;
                    Ok(RunId(last + 1))
                }
                None => {
                    tx.execute(
                        "INSERT INTO sqlite_sequence(name, seq) VALUES('run', ?1)",
                        [count],
                    )?;
                    Ok(RunId(1))
                }
            }
        })
    }

    /// How many numbers to put aside: one for each schedule due by an instant, up to a bound; and
    /// when the first schedule after that instant is due.
    ///
    /// # Errors
    /// Those of reading.
    pub fn numbers_wanted(&self, by: UnixMs) -> Result<(i64, Option<UnixMs>)> {
        let mut statement = self.conn.prepare_cached(
            "SELECT (SELECT count(*) FROM (SELECT 1 FROM due WHERE next_at <= ?1 LIMIT ?2)),
               (SELECT min(next_at) FROM due WHERE next_at > ?1)",
        )?;
        Ok(statement.query_row([by, NUMBERS_ASIDE], |row| Ok((row.get(0)?, row.get(1)?)))?)
    }

    /// The next provisional number, given the first there is.
    ///
    /// # Errors
    /// Those of reading.
    pub fn next_provisional(&self, first: i64) -> Result<RunId> {
        let last: Option<i64> = self.conn.query_row(
            "SELECT max(CAST(substr(key, 12) AS INT)) FROM meta WHERE key >= 'renumbered.' AND key < 'renumbered/'",
            [],
            |row| row.get(0),
        )?;
        Ok(RunId(last.map_or(first, |last| last + 1)))
    }

    /// Takes back the numbers that were put aside and never used.
    ///
    /// # Errors
    /// Those of writing.
    pub fn give_back_numbers(&mut self) -> Result<()> {
        self.conn.execute(
            "UPDATE sqlite_sequence SET seq = (SELECT coalesce(max(id), 0) FROM run)
             WHERE name = 'run' AND seq <= (SELECT coalesce(max(id), 0) FROM run) + ?1",
            [NUMBERS_ASIDE],
        )?;
        Ok(())
    }

    /// The highest number of a claim recorded so far.
    ///
    /// # Errors
    /// Those of reading.
    pub fn last_fence(&self) -> Result<Fence> {
        let last: Option<i64> =
            self.conn
                .query_row("SELECT max(fence) FROM attempt", [], |row| row.get(0))?;
        Ok(Fence(last.unwrap_or(0).max(self.fence_floor()?)))
    }

    /// The highest run number given out so far.
    ///
    /// # Errors
    /// Those of reading.
    pub fn last_number(&self) -> Result<RunId> {
        let mut statement = self
            .conn
            .prepare_cached("SELECT max(seq) FROM sqlite_sequence WHERE name = 'run'")?;
        let last: Option<i64> = statement.query_row([], |row| row.get(0))?;
        Ok(RunId(last.unwrap_or(0)))
    }

    /// Takes the marks of changed jobs; `None` stands for the queues.
    ///
    /// # Errors
    /// Those of writing.
    pub fn take_changes(&mut self) -> Result<Vec<Option<String>>> {
        let mut statement = self
            .conn
            .prepare_cached("SELECT seq, job FROM change ORDER BY seq LIMIT 10000")?;
        let rows: Vec<(i64, Option<String>)> = statement
            .query_map([], |row| Ok((row.get(0)?, row.get(1)?)))?
            .collect::<rusqlite::Result<_>>()?;
        drop(statement);
        let Some((last, _)) = rows.last() else {
            return Ok(Vec::new());
        };
        let last = *last;
        self.write(|tx| Ok(tx.execute("DELETE FROM change WHERE seq <= ?1", params![last])?))?;
        let mut seen = HashSet::new();
        Ok(rows
            .into_iter()
            .map(|(_, job)| job)
            .filter(|job| seen.insert(job.clone()))
            .collect())
    }
}

pub(in crate::store) fn read(row: &Row<'_>) -> rusqlite::Result<QueuedRun> {
    let env: Option<String> = row.get("env")?;
    let queued_at = row.get::<_, Option<i64>>("queued_at")?.unwrap_or_default();
    Ok(QueuedRun {
        run: RunId(row.get("id")?),
        job: row.get("job")?,
        queue: row.get("queue")?,
        priority: row.get("priority")?,
        run_at: row.get::<_, Option<i64>>("run_at")?.unwrap_or(queued_at),
        queued_at,
        planned_at: row.get("planned_at")?,
        origin: word(row, "origin")?,
        attempt: row.get("attempt")?,
        max_attempts: row.get::<_, Option<u32>>("max_attempts")?.unwrap_or(1),
        fence: Fence(row.get("fence")?),
        after: row
            .get::<_, Option<String>>("after")?
            .and_then(|word| word.parse().ok()),
        args: row.get("args")?,
        env: env_of(env.as_deref()),
        input: row.get("input")?,
        input_path: row.get("input_path")?,
        deadline: row.get("deadline_at")?,
    })
}

/// Variables a client gave with a run, as a JSON object; what cannot be read counts as none.
fn env_of(text: Option<&str>) -> Vec<(String, Raw)> {
    let Some(text) = text else {
        return Vec::new();
    };
    let map: std::collections::BTreeMap<String, Raw> =
        serde_json::from_str(text).unwrap_or_default();
    map.into_iter().collect()
}

impl Store {
    /// One queue by name.
    ///
    /// # Errors
    /// [`StoreError::NoSuchQueue`].
    pub fn queue(&self, name: &str) -> Result<Queue> {
        self.queues()?
            .into_iter()
            .find(|q| q.name == name)
            .ok_or_else(|| StoreError::NoSuchQueue(name.to_owned()))
    }
}
