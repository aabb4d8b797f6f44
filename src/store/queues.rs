//! Queues as people see and change them.

use rusqlite::{OptionalExtension, Transaction, params};

use crate::model::Queue;
use crate::schedule::UnixMs;
use crate::store::{Result, Store, StoreError};

/// A queue with what waits in it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct QueueRow {
    /// The queue.
    pub queue: Queue,
    /// Why it is paused.
    pub pause_reason: Option<String>,
    /// Its runs alive.
    pub running: i64,
    /// Its runs that wait, those due later among them.
    pub waiting: i64,
    /// Since when the one waits that was due first.
    pub oldest_at: Option<UnixMs>,
    /// How long the first attempt waited longest of those started since the instant asked for.
    pub longest_wait_ms: Option<i64>,
}

/// What of a queue is to be changed.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct QueueChange {
    /// Most runs alive at once; without bound where none is given.
    pub slots: Option<Option<u32>>,
    /// Slots no other queue may take.
    pub reserved: Option<u32>,
    /// Its place in the order.
    pub rank: Option<i64>,
    /// Whether it is paused, and why.
    pub paused: Option<(bool, Option<String>)>,
}

impl Store {
    /// All queues in order, with what waits in them; waits are looked at from `since` on.
    ///
    /// # Errors
    /// Those of reading.
    pub fn queue_rows(&self, since: UnixMs, now: UnixMs) -> Result<Vec<QueueRow>> {
        let mut rows = Vec::new();
        for queue in self.queues()? {
            let mut statement = self.conn.prepare_cached(
                "SELECT pause_reason,
                   (SELECT count(*) FROM run WHERE state = 'running' AND queue = ?1),
                   (SELECT count(*) FROM run WHERE state = 'queued' AND queue = ?1),
                   (SELECT min(max(run_at, queued_at)) FROM run
                    WHERE state = 'queued' AND queue = ?1 AND run_at <= ?3),
                   (SELECT max(max(0, started_at - max(run_at, queued_at))) FROM run
                    WHERE queue = ?1 AND attempt = 1 AND started_at >= ?2 AND id IN(
                      SELECT id FROM run INDEXED BY run_ended WHERE ended_at >= ?2
                      UNION ALL SELECT id FROM run INDEXED BY run_live WHERE state = 'running'))
                 FROM queue WHERE name = ?1",
            )?;
            rows.push(statement.query_row(params![queue.name, since, now], |row| {
                Ok(QueueRow {
                    queue: queue.clone(),
                    pause_reason: row.get(0)?,
                    running: row.get(1)?,
                    waiting: row.get(2)?,
                    oldest_at: row.get(3)?,
                    longest_wait_ms: row.get(4)?,
                })
            })?);
        }
        Ok(rows)
    }

    /// Changes a queue; with `create`, makes it first, behind all others where no rank is given.
    ///
    /// # Errors
    /// [`StoreError::NoSuchQueue`]; [`StoreError::NameTaken`] and [`StoreError::RankTaken`].
    pub fn set_queue(
        &mut self,
        name: &str,
        change: &QueueChange,
        create: bool,
        by: &str,
        now: UnixMs,
    ) -> Result<()> {
        self.write(|tx| {
            if let Some(rank) = change.rank {
                rank_is_free(tx, name, rank)?;
            }
            if create {
                make(tx, name, change.rank)?;
            } else if !exists(tx, name)? {
                return Err(StoreError::NoSuchQueue(name.to_owned()));
            }
            if let Some(slots) = change.slots {
                let sql = "UPDATE queue SET slots = ?2 WHERE name = ?1";
                tx.execute(sql, params![name, slots])?;
            }
            if let Some(reserved) = change.reserved {
                let sql = "UPDATE queue SET reserved = ?2 WHERE name = ?1";
                tx.execute(sql, params![name, reserved])?;
            }
            if let Some(rank) = change.rank {
                let sql = "UPDATE queue SET rank = ?2 WHERE name = ?1";
                tx.execute(sql, params![name, rank])?;
            }
            if let Some((paused, reason)) = &change.paused {
                let (at, by) = (paused.then_some(now), paused.then_some(by));
                tx.execute(
                    "UPDATE queue SET paused_at = ?2, paused_by = ?3, pause_reason = ?4 WHERE name = ?1",
                    params![name, at, by, reason],
                )?;
            }
            Ok(())
        })
    }

    /// Removes a queue that nothing is in.
    ///
    /// # Errors
    /// [`StoreError::NoSuchQueue`], [`StoreError::QueueInUse`].
    pub fn remove_queue(&mut self, name: &str) -> Result<()> {
        self.write(|tx| {
            if !exists(tx, name)? {
                return Err(StoreError::NoSuchQueue(name.to_owned()));
            }
            let used: bool = tx.query_row(
                "SELECT EXISTS(SELECT 1 FROM job WHERE queue = ?1)
                   OR EXISTS(SELECT 1 FROM run WHERE queue = ?1 AND state = 'queued')
                   OR EXISTS(SELECT 1 FROM run WHERE queue = ?1 AND state = 'running')",
                [name],
                |row| row.get(0),
            )?;
            if used {
                return Err(StoreError::QueueInUse(name.to_owned()));
            }
            tx.execute("DELETE FROM queue WHERE name = ?1", [name])?;
            Ok(())
        })
    }
}

fn exists(tx: &Transaction<'_>, name: &str) -> Result<bool> {
    let sql = "SELECT EXISTS(SELECT 1 FROM queue WHERE name = ?1)";
    Ok(tx.query_row(sql, [name], |row| row.get(0))?)
}

fn rank_is_free(tx: &Transaction<'_>, name: &str, rank: i64) -> Result<()> {
    let sql = "SELECT name FROM queue WHERE rank = ?2 AND name <> ?1";
    let other: Option<String> = tx
        .query_row(sql, params![name, rank], |row| row.get(0))
        .optional()?;
    match other {
        Some(other) => Err(StoreError::RankTaken(rank, other)),
        None => Ok(()),
    }
}

fn make(tx: &Transaction<'_>, name: &str, rank: Option<i64>) -> Result<()> {
    if exists(tx, name)? {
        return Err(StoreError::QueueTaken(name.to_owned()));
    }
    tx.execute(
        "INSERT INTO queue(name, rank)
         VALUES(?1, coalesce(?2, (SELECT max(rank) + 1 FROM queue), 0))",
        params![name, rank],
    )?;
    Ok(())
}
