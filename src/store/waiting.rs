//! Which queued runs could start: what the firing side is given of a queue of any length.

use std::collections::{BTreeMap, HashMap, HashSet};

use rusqlite::{CachedStatement, OptionalExtension, Rows, params};

use crate::model::{QueuedRun, RunId};
use crate::schedule::UnixMs;
use crate::store::queue::{COLUMNS, read};
use crate::store::{Result, Store, StoreError};

/// Priorities there are.
const PRIORITIES: u8 = 10;

/// What is wanted of one queue.
#[derive(Clone, Copy, Debug)]
pub struct Wanted<'a> {
    /// The queue.
    pub queue: &'a str,
    /// Due by this instant.
    pub now: UnixMs,
    /// At most so many.
    pub limit: usize,
    /// At most so many rows are looked at.
    pub look: usize,
    /// What one step of priority costs in the order, milliseconds.
    pub step_ms: i64,
    /// Not these.
    pub held: &'a HashSet<RunId>,
    /// Of each job no more than this, together with those in `by_job`.
    pub per_job: usize,
    /// How many of each job there are already.
    pub by_job: &'a HashMap<String, usize>,
}

/// What was found of one queue.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Found {
    /// The runs, in order.
    pub runs: Vec<QueuedRun>,
    /// Whether there may be more that were not looked at.
    pub cut: bool,
}

impl Wanted<'_> {
    fn room(&self, job: &str, found: &HashMap<String, usize>) -> usize {
        let known = self.by_job.get(job).copied().unwrap_or(0);
        let new = found.get(job).copied().unwrap_or(0);
        self.per_job.saturating_sub(known + new)
    }
}

impl Store {
    /// The runs of one queue that could start, in the order in which they would: each step of
    /// priority counts as if a run had become due so much later. One with values that cannot be
    /// read is passed over, so that it stands in nobody's way.
    ///
    /// # Errors
    /// Those of reading.
    pub fn startable(&self, wanted: &Wanted<'_>) -> Result<Found> {
        let sql = format!(
            "SELECT {COLUMNS} FROM run INDEXED BY run_claim
             WHERE state = 'queued' AND queue = ?1 AND priority = ?2 AND run_at <= ?3
             ORDER BY run_at, id"
        );
        let mut statements: Vec<CachedStatement<'_>> = (0..PRIORITIES)
            .map(|_| Ok(self.conn.prepare_cached(&sql)?))
            .collect::<Result<_>>()?;
        let mut cursors: Vec<Cursor<'_>> = Vec::new();
        for (statement, priority) in statements.iter_mut().zip(0_u8..) {
            let mut cursor = Cursor {
                rows: statement.query(params![wanted.queue, priority, wanted.now])?,
                behind: i64::from(priority) * wanted.step_ms,
                next: None,
            };
            cursor.advance()?;
            cursors.push(cursor);
        }
        let mut found = Found::default();
        let mut counts: HashMap<String, usize> = HashMap::new();
        let mut looked = 0;
        while let Some(cursor) = first(&mut cursors) {
            if found.runs.len() >= wanted.limit || looked >= wanted.look {
                found.cut = true;
                break;
            }
            looked += 1;
            if let Some((_, _, Some(run))) = cursor.next.take()
                && !wanted.held.contains(&run.run)
                && wanted.room(&run.job, &counts) > 0
            {
                *counts.entry(run.job.clone()).or_default() += 1;
                found.runs.push(run);
            }
            cursor.advance()?;
        }
        Ok(found)
    }

    /// The same, job by job from the first name after `after` on, at most `jobs` of them: so runs of
    /// one job keep those of another out however many they are. Gives the last name looked at;
    /// none where that was the last there is.
    ///
    /// # Errors
    /// Those of reading.
    pub fn startable_by_job(
        &self,
        wanted: &Wanted<'_>,
        after: &str,
        jobs: usize,
    ) -> Result<(Vec<QueuedRun>, Option<String>)> {
        let mut next = self.conn.prepare_cached(
            "SELECT job FROM run INDEXED BY run_wait
             WHERE state = 'queued' AND queue = ?1 AND job > ?2 ORDER BY job LIMIT 1",
        )?;
        let sql = format!(
            "SELECT {COLUMNS} FROM run INDEXED BY run_wait
             WHERE state = 'queued' AND queue = ?1 AND job = ?2 ORDER BY priority, run_at, id LIMIT ?3"
        );
        let mut of_job = self.conn.prepare_cached(&sql)?;
        let look = i64::try_from(wanted.look).unwrap_or(i64::MAX);
        let (mut found, mut last) = (Vec::new(), after.to_owned());
        for _ in 0..jobs {
            let name: Option<String> = next
                .query_row(params![wanted.queue, last], |row| row.get(0))
                .optional()?;
            let Some(name) = name else {
                return Ok((found, None));
            };
            let mut room = wanted.room(&name, &HashMap::new());
            let mut rows = of_job.query(params![wanted.queue, name, look])?;
            while let Some(row) = rows.next()?.filter(|_| room > 0) {
                let run = read(row).ok().filter(|run| run.run_at <= wanted.now);
                if let Some(run) = run.filter(|run| !wanted.held.contains(&run.run)) {
                    room -= 1;
                    found.push(run);
                }
            }
            last = name;
            if found.len() >= wanted.limit {
                break;
            }
        }
        Ok((found, Some(last)))
    }

    /// The waiting runs whose priority, queue or time clients have changed since it was asked last,
    /// as they are now, of those in `held`.
    ///
    /// # Errors
    /// Those of writing.
    pub fn take_moved(&mut self, held: &HashSet<RunId>) -> Result<Vec<QueuedRun>> {
        let sql = "SELECT run FROM run_changed";
        let changed: Vec<i64> = self
            .conn
            .prepare_cached(sql)?
            .query_map([], |row| row.get(0))?
            .collect::<rusqlite::Result<_>>()?;
        if changed.is_empty() {
            return Ok(Vec::new());
        }
        self.write(|tx| {
            let sql = format!("SELECT {COLUMNS} FROM run WHERE id = ?1 AND state = 'queued'");
            let mut found: BTreeMap<RunId, QueuedRun> = BTreeMap::new();
            for id in &changed {
                tx.prepare_cached("DELETE FROM run_changed WHERE run = ?1")?
                    .execute([id])?;
                if !held.contains(&RunId(*id)) {
                    continue;
                }
                let run = tx.prepare_cached(&sql)?.query_row([id], read).optional();
                match run.map_err(StoreError::from) {
                    Ok(run) => found.extend(run.map(|run| (run.run, run))),
                    // It goes on as it was known.
                    Err(e) if e.is_unreadable() => {}
                    Err(e) => return Err(e),
                }
            }
            Ok(found.into_values().collect())
        })
    }
}

/// The waiting runs of one priority.
struct Cursor<'a> {
    rows: Rows<'a>,
    behind: i64,
    /// The next of them: when it is its turn, its number, and what it is, where that can be read.
    next: Option<(i64, i64, Option<QueuedRun>)>,
}

impl Cursor<'_> {
    fn advance(&mut self) -> Result<()> {
        self.next = match self.rows.next()? {
            None => None,
            Some(row) => {
                let (id, run_at) = (row.get("id")?, row.get::<_, i64>("run_at")?);
                let run = read(row).ok();
                let since = run.as_ref().map_or(run_at, |r| r.run_at.max(r.queued_at));
                Some((since.saturating_add(self.behind), id, run))
            }
        };
        Ok(())
    }
}

/// The cursor whose next run goes first.
fn first<'c, 'a>(cursors: &'c mut [Cursor<'a>]) -> Option<&'c mut Cursor<'a>> {
    let turn = |c: &Cursor<'_>| c.next.as_ref().map(|(turn, id, _)| (*turn, *id));
    cursors
        .iter_mut()
        .filter(|c| c.next.is_some())
        .min_by_key(|c| turn(c))
}
