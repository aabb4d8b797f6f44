//! Removing what need not be kept any longer: a bounded number of rows at a time, so that nobody
//! waits long for the file.

use std::collections::HashSet;

use rusqlite::{OptionalExtension, Transaction, params};

use crate::model::{Fence, Keep, Retention, RunId, RunLimits};
use crate::schedule::UnixMs;
use crate::store::{Result, Store, StoreError};

/// Where it is noted from when on the ledger is kept.
const LEDGER_SINCE: &str = "ledger_since";

/// Where the settings stand.
const RETENTION: &str = "retention";

/// Where the highest number of a claim stands that was removed.
const FENCE_FLOOR: &str = "fence_floor";

/// Output of an attempt that is kept.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KeptOutput {
    /// The run.
    pub run: RunId,
    /// Its attempt.
    pub attempt: u32,
    /// The job.
    pub job: String,
    /// When the attempt ended.
    pub ended_at: UnixMs,
    /// Bytes kept.
    pub bytes: u64,
    /// The file, where it is in one.
    pub path: Option<String>,
}

/// A run and one of its attempts.
type Attempt = (RunId, u32);

/// What of the runs of a job is too old or too many.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Prunable {
    /// The runs.
    pub runs: Vec<RunId>,
    /// The files with their output.
    pub files: Vec<String>,
}

/// Tables that only grow with time, the column of their time, and what of them is never removed:
/// fires of a schedule that counts them, and of boots, which are told from each other by them.
const ROWS_OF_TIME: [(&str, &str, &str); 5] = [
    (
        "fire",
        "until_at",
        "schedule NOT IN(SELECT id FROM schedule WHERE max_fires IS NOT NULL OR expr = '@reboot')",
    ),
    ("fire_undone", "undone_at", "1"),
    ("gap", "until_at", "1"),
    ("event", "at", "1"),
    ("session", "alive_at", "id < (SELECT max(id) FROM session)"),
];

impl Store {
    /// How long things are kept where a job says nothing else.
    ///
    /// # Errors
    /// Those of reading.
    pub fn retention(&self) -> Result<Retention> {
        let text = self.meta(RETENTION)?;
        let read = |text: String| {
            serde_json::from_str(&text).map_err(|e| StoreError::Unreadable(e.to_string()))
        };
        Ok(text.map(read).transpose()?.unwrap_or_default())
    }

    /// Changes it.
    ///
    /// # Errors
    /// Those of writing.
    pub fn set_retention(&mut self, retention: &Retention) -> Result<()> {
        let text =
            serde_json::to_string(retention).map_err(|e| StoreError::Unreadable(e.to_string()))?;
        self.set_meta(RETENTION, &text)
    }

    /// From when on the ledger is kept; no instant where nothing of it was ever removed.
    ///
    /// # Errors
    /// Those of reading.
    pub fn ledger_since(&self) -> Result<Option<UnixMs>> {
        Ok(self.meta(LEDGER_SINCE)?.and_then(|v| v.parse().ok()))
    }

    /// The highest number of a claim that was removed, so that none is given out twice.
    pub(in crate::store) fn fence_floor(&self) -> Result<i64> {
        let floor = self.meta(FENCE_FLOOR)?;
        Ok(floor.and_then(|v| v.parse().ok()).unwrap_or(0))
    }

    /// The first name after `after` of a job that has runs, and what its definition says of keeping
    /// them; whether it is listed, which one that was removed counts as.
    ///
    /// # Errors
    /// Those of reading.
    pub fn next_job_with_runs(&self, after: &str) -> Result<Option<(String, Keep, bool)>> {
        let name: Option<String> = self
            .conn
            .prepare_cached(
                "SELECT job FROM run INDEXED BY run_job WHERE job > ?1 ORDER BY job LIMIT 1",
            )?
            .query_row([after], |row| row.get(0))
            .optional()?;
        let Some(name) = name else {
            return Ok(None);
        };
        let row = match self.job(&name) {
            // What cannot be read is kept as long as anything.
            Err(e) if e.is_unreadable() => None,
            row => row?,
        };
        let (keep, listed) = row.map_or((Keep::default(), true), |row| {
            (row.job.spec.keep, row.job.listed)
        });
        Ok(Some((name, keep, listed)))
    }

    /// The oldest runs of a job, numbered above `after`, that its limits do not keep; at most
    /// `limit`. The newest run of all stays, so that no number is given out twice.
    ///
    /// # Errors
    /// Those of reading.
    pub fn prunable(
        &self,
        job: &str,
        limits: &RunLimits,
        after: RunId,
        limit: usize,
    ) -> Result<Prunable> {
        let newest = |count: u32| self.nth_newest(job, count);
        let aged_below = newest(limits.least)?;
        let most_below = limits.most.map(newest).transpose()?;
        let mut statement = self.conn.prepare_cached(
            "SELECT r.id, r.ended_at, a.out_path FROM run r INDEXED BY run_job
             LEFT JOIN attempt a ON a.run = r.id
             WHERE r.job = ?1 AND r.id > ?2 AND r.ended_at IS NOT NULL
               AND r.id < (SELECT max(id) FROM run)
             ORDER BY r.id, a.n",
        )?;
        let mut rows = statement.query(params![job, after.0])?;
        let (mut found, mut seen) = (Prunable::default(), HashSet::new());
        while let Some(row) = rows.next()? {
            let (id, ended_at): (i64, i64) = (row.get(0)?, row.get(1)?);
            let too_old = ended_at < limits.before && id < aged_below;
            if !too_old && most_below.is_none_or(|below| id >= below) {
                break;
            }
            if seen.insert(id) {
                if found.runs.len() >= limit {
                    break;
                }
                found.runs.push(RunId(id));
            }
            found.files.extend(row.get::<_, Option<String>>(2)?);
        }
        Ok(found)
    }

    /// The number of the n-th newest run of a job that is over; all below it are older. None of it
    /// is where there are fewer.
    fn nth_newest(&self, job: &str, count: u32) -> Result<i64> {
        let Some(skip) = count.checked_sub(1) else {
            return Ok(i64::MAX);
        };
        let id: Option<i64> = self
            .conn
            .prepare_cached(
                "SELECT id FROM run INDEXED BY run_job WHERE job = ?1 AND ended_at IS NOT NULL
                 ORDER BY id DESC LIMIT 1 OFFSET ?2",
            )?
            .query_row(params![job, skip], |row| row.get(0))
            .optional()?;
        Ok(id.unwrap_or(i64::MIN))
    }

    /// Removes runs that are over with everything that belongs to them, in one transaction; of the
    /// one-off commands of `enqueue` the definition as well.
    ///
    /// # Errors
    /// Those of writing.
    pub fn remove_runs(&mut self, runs: &[RunId]) -> Result<usize> {
        if runs.is_empty() {
            return Ok(0);
        }
        self.write(|tx| {
            let mut removed = 0;
            for run in runs {
                removed += remove_run(tx, *run)?;
            }
            Ok(removed)
        })
    }

    /// The output that is kept, of the newest attempts before `before` first; at most `look`
    /// attempts are looked at. Gives the last of them; none where there are no more.
    ///
    /// # Errors
    /// Those of reading.
    pub fn kept_output(
        &self,
        before: Attempt,
        look: usize,
    ) -> Result<(Vec<KeptOutput>, Option<Attempt>)> {
        let mut statement = self.conn.prepare_cached(
            "SELECT a.run, a.n, r.job, a.ended_at, coalesce(a.out_bytes - a.out_dropped, 0), a.out_path,
               EXISTS(SELECT 1 FROM output o WHERE o.run = a.run AND o.attempt = a.n)
             FROM attempt a CROSS JOIN run r ON r.id = a.run
             WHERE (a.run, a.n) < (?1, ?2) ORDER BY a.run DESC, a.n DESC LIMIT ?3",
        )?;
        let mut rows = statement.query(params![before.0.0, before.1, look as i64])?;
        let (mut kept, mut last) = (Vec::new(), None);
        while let Some(row) = rows.next()? {
            let (run, attempt) = (RunId(row.get(0)?), row.get(1)?);
            last = Some((run, attempt));
            let (ended_at, path): (Option<i64>, Option<String>) = (row.get(3)?, row.get(5)?);
            let here: bool = row.get(6)?;
            if let Some(ended_at) = ended_at.filter(|_| here || path.is_some()) {
                kept.push(KeptOutput {
                    run,
                    attempt,
                    job: row.get(2)?,
                    ended_at,
                    bytes: row.get::<_, i64>(4)?.max(0).cast_unsigned(),
                    path,
                });
            }
        }
        Ok((kept, last))
    }

    /// Removes the output of attempts in one transaction. Files are removed afterwards, by whoever
    /// asks: a file nobody names any more is one that a later look removes.
    ///
    /// # Errors
    /// Those of writing.
    pub fn remove_output(&mut self, outputs: &[KeptOutput]) -> Result<()> {
        if outputs.is_empty() {
            return Ok(());
        }
        self.write(|tx| {
            for output in outputs {
                tx.prepare_cached("DELETE FROM output WHERE run = ?1 AND attempt = ?2")?
                    .execute(params![output.run.0, output.attempt])?;
                tx.prepare_cached("UPDATE attempt SET out_path = NULL WHERE run = ?1 AND n = ?2")?
                    .execute(params![output.run.0, output.attempt])?;
            }
            Ok(())
        })
    }

    /// Whether an attempt says that its output is in a file.
    ///
    /// # Errors
    /// Those of reading.
    pub fn has_output_file(&self, fence: Fence) -> Result<bool> {
        let sql = "SELECT EXISTS(SELECT 1 FROM attempt WHERE fence = ?1 AND out_path IS NOT NULL)";
        let mut statement = self.conn.prepare_cached(sql)?;
        Ok(statement.query_row([fence.0], |row| row.get(0))?)
    }

    /// Counts the rows of the ledger, and of what else grows with time, that are older than an
    /// instant.
    ///
    /// # Errors
    /// Those of reading.
    pub fn rows_before(&self, before: UnixMs) -> Result<u64> {
        let mut count = 0;
        for (table, column, which) in ROWS_OF_TIME {
            let sql = format!("SELECT count(*) FROM {table} WHERE {column} < ?1 AND {which}");
            count += self
                .conn
                .query_row(&sql, [before], |row| row.get::<_, i64>(0))?
                .cast_unsigned();
        }
        Ok(count)
    }

    /// Removes such rows, at most `limit` of each table, and notes from when on the ledger is kept.
    /// Says how many.
    ///
    /// # Errors
    /// Those of writing.
    pub fn remove_rows_before(&mut self, before: UnixMs, limit: usize) -> Result<u64> {
        self.write(|tx| {
            let mut removed = 0;
            for (table, column, which) in ROWS_OF_TIME {
                let (key, order) = match table {
                    "fire" => ("(schedule, planned_at)", "schedule, planned_at"),
                    "gap" => ("(from_at, until_at)", "from_at, until_at"),
                    _ => ("rowid", "rowid"),
                };
                let hint = if table == "fire" {
                    " INDEXED BY fire_when"
                } else {
                    ""
                };
                // A row never ends before it begins, so the index by the beginning bounds the look.
                let bound = if table == "fire" {
                    "planned_at < ?1 AND "
                } else {
                    ""
                };
                let sql = format!(
                    "DELETE FROM {table} WHERE {key} IN(SELECT {order} FROM {table}{hint}
                     WHERE {bound}{column} < ?1 AND {which} LIMIT ?2)"
                );
                let count = tx
                    .prepare_cached(&sql)?
                    .execute(params![before, limit as i64])?;
                if table == "fire" && count > 0 {
                    note_ledger_since(tx, before)?;
                }
                removed += count as u64;
            }
            Ok(removed)
        })
    }
}

fn note_ledger_since(tx: &Transaction<'_>, since: UnixMs) -> Result<()> {
    raise(tx, LEDGER_SINCE, since)
}

/// Writes a number that only ever grows.
fn raise(tx: &Transaction<'_>, key: &str, value: i64) -> Result<()> {
    tx.prepare_cached(
        "INSERT INTO meta(key, value) VALUES(?1, ?2) ON CONFLICT(key) DO UPDATE
         SET value = excluded.value WHERE CAST(excluded.value AS INT) > CAST(value AS INT)",
    )?
    .execute(params![key, value.to_string()])?;
    Ok(())
}

fn remove_run(tx: &Transaction<'_>, run: RunId) -> Result<usize> {
    let row: Option<(String, Option<i64>)> = tx
        .prepare_cached(
            "SELECT job, (SELECT max(fence) FROM attempt WHERE run = run.id) FROM run
             WHERE id = ?1 AND ended_at IS NOT NULL",
        )?
        .query_row([run.0], |row| Ok((row.get(0)?, row.get(1)?)))
        .optional()?;
    let Some((job, fence)) = row else {
        return Ok(0);
    };
    if let Some(fence) = fence {
        raise(tx, FENCE_FLOOR, fence)?;
    }
    for sql in [
        "DELETE FROM output WHERE run = ?1",
        "DELETE FROM attempt WHERE run = ?1",
        "DELETE FROM ack WHERE run = ?1",
        "DELETE FROM run WHERE id = ?1",
    ] {
        tx.prepare_cached(sql)?.execute([run.0])?;
    }
    let gone = tx
        .prepare_cached(
            "DELETE FROM job WHERE name = ?1 AND listed = 0
               AND NOT EXISTS(SELECT 1 FROM run WHERE job = ?1)",
        )?
        .execute([&job])?;
    if gone > 0 {
        tx.prepare_cached("DELETE FROM history WHERE job = ?1")?
            .execute([&job])?;
    }
    Ok(1)
}
