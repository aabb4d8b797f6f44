//! Polls that need not be kept, and equal ones that are folded into one.

use rusqlite::{OptionalExtension, Transaction, params};

use crate::schedule::UnixMs;
use crate::store::{Result, Store};

/// Of each watch the newest so many polls stay, however old they are.
const LEAST: i64 = 1_000;

/// Polls that went well and found nothing, of the same watch, for the same reason and with the cursor
/// where it was, are equal.
const EQUAL: &str = "b.watch = a.watch AND b.trigger = a.trigger AND b.outcome = 'empty'
  AND b.cursor_before IS a.cursor_before AND b.cursor_after IS a.cursor_after
  AND b.note IS a.note AND b.runs = 0";

impl Store {
    /// The first name after `after` of a watch that has polls.
    ///
    /// # Errors
    /// Those of reading.
    pub fn next_polled(&self, after: &str) -> Result<Option<String>> {
        Ok(self
            .conn
            .prepare_cached("SELECT watch FROM poll WHERE watch > ?1 ORDER BY watch LIMIT 1")?
            .query_row([after], |row| row.get(0))
            .optional()?)
    }

    /// Removes the oldest polls of a watch that began before an instant, at most `limit`; those that
    /// are under way or wait for their runs stay, and the newest thousand do. Says how many.
    ///
    /// # Errors
    /// Those of writing.
    pub fn remove_polls(&mut self, watch: &str, before: UnixMs, limit: usize) -> Result<u64> {
        let newest: Option<i64> = self
            .conn
            .prepare_cached(
                "SELECT id FROM poll WHERE watch = ?1 ORDER BY id DESC LIMIT 1 OFFSET ?2",
            )?
            .query_row(params![watch, LEAST], |row| row.get(0))
            .optional()?;
        let Some(below) = newest else {
            return Ok(0);
        };
        let oldest: Option<UnixMs> = self
            .conn
            .prepare_cached("SELECT started_at FROM poll WHERE watch = ?1 ORDER BY id LIMIT 1")?
            .query_row([watch], |row| row.get(0))
            .optional()?;
        if oldest.is_none_or(|at| at >= before) {
            return Ok(0);
        }
        self.write(|tx| {
            let gone = tx
                .prepare_cached(
                    "DELETE FROM poll WHERE id IN(SELECT id FROM poll WHERE watch = ?1 AND id <= ?2
                       AND started_at < ?3 AND outcome <> 'running' AND held IS NULL
                       ORDER BY id LIMIT ?4)",
                )?
                .execute(params![watch, below, before, limit as i64])?;
            Ok(gone as u64)
        })
    }

    /// Folds equal polls of a watch that found nothing and began before an instant: the first stands
    /// for those that follow it. Looks at `limit` polls numbered above `after`; gives how many are
    /// gone, and the number of the last that was looked at, where there may be more.
    ///
    /// # Errors
    /// Those of writing.
    pub fn fold_polls(
        &mut self,
        watch: &str,
        before: UnixMs,
        after: i64,
        limit: usize,
    ) -> Result<(u64, Option<i64>)> {
        let mut statement = self.conn.prepare_cached(
            "SELECT b.id, (SELECT 1 FROM poll a WHERE a.id = (SELECT max(id) FROM poll
                 WHERE watch = ?1 AND id < b.id) AND a.outcome = 'empty' AND a.runs = 0),
               b.started_at < ?3 FROM poll b WHERE b.watch = ?1 AND b.id > ?2 ORDER BY b.id LIMIT ?4",
        )?;
        let rows: Vec<(i64, bool, bool)> = statement
            .query_map(params![watch, after, before, limit as i64], |row| {
                Ok((
                    row.get(0)?,
                    row.get::<_, Option<i64>>(1)?.is_some(),
                    row.get(2)?,
                ))
            })?
            .collect::<rusqlite::Result<_>>()?;
        drop(statement);
        let old = rows.iter().take_while(|(_, _, old)| *old);
        let candidates: Vec<i64> = old.clone().filter(|r| r.1).map(|r| r.0).collect();
        let last = old.map(|r| r.0).last().filter(|_| rows.len() == limit);
        if candidates.is_empty() {
            return Ok((0, last));
        }
        let gone = self.write(|tx| {
            let mut gone = 0;
            for id in &candidates {
                gone += fold(tx, watch, *id)?;
            }
            Ok(gone)
        })?;
        Ok((gone, last))
    }

    /// Whether a run reads a file, or may be asked to do so again.
    ///
    /// # Errors
    /// Those of reading.
    pub fn has_input_file(&self, path: &str) -> Result<bool> {
        Ok(self
            .conn
            .prepare_cached(
                "SELECT EXISTS(SELECT 1 FROM run INDEXED BY run_input
                   WHERE input_path = ?1 AND input_path IS NOT NULL)",
            )?
            .query_row([path], |row| row.get(0))?)
    }
}

/// Folds one poll into the one before it, where they are equal.
fn fold(tx: &Transaction<'_>, watch: &str, id: i64) -> Result<u64> {
    let sql = format!(
        "SELECT a.id FROM poll a JOIN poll b ON b.id = ?2
         WHERE a.id = (SELECT max(id) FROM poll WHERE watch = ?1 AND id < ?2)
           AND a.outcome = 'empty' AND a.runs = 0 AND {EQUAL}"
    );
    let into: Option<i64> = tx
        .prepare_cached(&sql)?
        .query_row(params![watch, id], |row| row.get(0))
        .optional()?;
    let Some(into) = into else {
        return Ok(0);
    };
    tx.prepare_cached(
        "UPDATE poll SET repeats = repeats + (SELECT repeats FROM poll WHERE id = ?2),
           last_at = (SELECT coalesce(last_at, started_at) FROM poll WHERE id = ?2) WHERE id = ?1",
    )?
    .execute([into, id])?;
    tx.prepare_cached("DELETE FROM poll WHERE id = ?1")?
        .execute([id])?;
    Ok(1)
}
