//! Polls whose watch goes on only when their runs have ended well, and what sources are to be told of
//! rows that were delivered.

use rusqlite::{Connection, OptionalExtension, Transaction, params};
use serde::{Deserialize, Serialize};

use crate::model::{Level, Memory, Note, Outcome, PollId, RunId};
use crate::schedule::UnixMs;
use crate::store::poll_end::{Key, apply};
use crate::store::seen::{Sighting, remember};
use crate::store::{Result, Store, StoreError};

/// What is remembered once the runs of a poll have ended well.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(in crate::store) struct Held {
    /// The cursor and the like; nothing where it is as before.
    pub memory: Option<Memory>,
    /// Keys.
    #[serde(default)]
    pub sighting: Sighting,
    /// Runs of earlier polls that stand for some of its own.
    #[serde(default)]
    pub others: Vec<RunId>,
}

/// How the runs of a poll stand, those that do one of them again among them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Standing {
    /// All have ended well.
    Well,
    /// Some are not over.
    Alive,
    /// This one failed for good, and is not being done again.
    Failed(RunId),
}

/// A row of a source that is to be told what became of it.
#[derive(Clone, Debug, PartialEq)]
pub struct Owed {
    /// Its number.
    pub id: i64,
    /// The watch.
    pub watch: String,
    /// The poll that found it.
    pub poll: PollId,
    /// The run it was delivered to.
    pub run: RunId,
    /// Its key columns.
    pub key: Key,
    /// Whether it was taken.
    pub taken: bool,
}

/// Rows told of at once.
const AT_ONCE: i64 = 500;

impl Store {
    /// Lets watches go on whose runs have ended well, and gives their names. Of those that wait for
    /// a run that failed for good an event and the poll say so, once.
    ///
    /// # Errors
    /// Those of writing.
    pub fn settle_held(&mut self, now: UnixMs) -> Result<Vec<String>> {
        let held = all_held(&self.conn)?;
        if held.is_empty() {
            return Ok(Vec::new());
        }
        let mut open = Vec::new();
        for (poll, watch, held) in held {
            match self.standing(poll, &held.others)? {
                Standing::Alive => {}
                standing => open.push((poll, watch, held, standing)),
            }
        }
        open.retain(|(poll, _, _, standing)| match standing {
            Standing::Failed(run) => !self.is_told(*poll, *run).unwrap_or(false),
            _ => true,
        });
        if open.is_empty() {
            return Ok(Vec::new());
        }
        self.write(|tx| {
            let mut freed = Vec::new();
            for (poll, watch, held, standing) in &open {
                if let Standing::Failed(run) = standing {
                    tell_failed(tx, *poll, watch, *run, now)?;
                } else {
                    release(tx, *poll, watch, held, now)?;
                    freed.push(watch.clone());
                }
            }
            Ok(freed)
        })
    }

    fn is_told(&self, poll: PollId, run: RunId) -> Result<bool> {
        let note: Option<String> = self
            .conn
            .prepare_cached("SELECT note FROM poll WHERE id = ?1")?
            .query_row([poll.0], |row| row.get(0))?;
        Ok(note.is_some_and(|note| note.starts_with(&waits_for(run))))
    }

    /// The run that failed for good, and is not being done again, of those a watch waits for.
    ///
    /// # Errors
    /// Those of reading.
    pub fn blocking_run(&self, watch: &str) -> Result<Option<RunId>> {
        for (poll, of, held) in all_held(&self.conn)? {
            if of == watch
                && let Standing::Failed(run) = self.standing(poll, &held.others)?
            {
                return Ok(Some(run));
            }
        }
        Ok(None)
    }

    fn standing(&self, poll: PollId, others: &[RunId]) -> Result<Standing> {
        let alive: bool = self
            .conn
            .prepare_cached(
                "SELECT EXISTS(SELECT 1 FROM run INDEXED BY run_poll_alive WHERE origin = 'watch'
                   AND origin_ref = ?1 AND state IN('queued', 'running'))",
            )?
            .query_row([poll.to_string()], |row| row.get(0))?;
        if alive {
            return Ok(Standing::Alive);
        }
        let mut statement = self.conn.prepare_cached(
            "SELECT id FROM run WHERE origin = 'watch' AND origin_ref = ?1 AND state <> 'succeeded'
             ORDER BY id",
        )?;
        let failed: Vec<i64> = statement
            .query_map([poll.to_string()], |row| row.get(0))?
            .collect::<rusqlite::Result<_>>()?;
        for run in failed.into_iter().map(RunId).chain(others.iter().copied()) {
            match self.end_of(run)? {
                Standing::Well => {}
                other => return Ok(other),
            }
        }
        Ok(Standing::Well)
    }

    /// How a run stands, with those that did it again.
    fn end_of(&self, run: RunId) -> Result<Standing> {
        let mut statement = self.conn.prepare_cached(
            "WITH RECURSIVE again(id) AS (SELECT ?1 UNION
               SELECT r.id FROM again a JOIN run r INDEXED BY run_again
                 ON r.origin = 'retry' AND r.origin_ref = CAST(a.id AS TEXT))
             SELECT r.state, r.id FROM again a JOIN run r ON r.id = a.id ORDER BY r.id",
        )?;
        let mut rows = statement.query([run.0])?;
        let mut standing = Standing::Failed(run);
        while let Some(row) = rows.next()? {
            let state: String = row.get(0)?;
            if state == Outcome::Succeeded.as_str() {
                return Ok(Standing::Well);
            }
            if state == "queued" || state == "running" {
                standing = Standing::Alive;
            } else if standing != Standing::Alive {
                standing = Standing::Failed(RunId(row.get(1)?));
            }
        }
        Ok(standing)
    }

    /// What the source of a watch is to be told of rows: that they were taken, as soon as they are
    /// delivered or, with `ended`, once their run has succeeded; that they were not, once it has
    /// failed for good.
    ///
    /// # Errors
    /// Those of reading.
    pub fn owed(&self, watch: &str, ended: bool) -> Result<Vec<Owed>> {
        let which = match ended {
            true => "AND r.state NOT IN('queued', 'running')",
            false => "",
        };
        let mut statement = self.conn.prepare_cached(&format!(
            "SELECT o.id, o.poll, o.run, o.key FROM owed o LEFT JOIN run r ON r.id = o.run
             WHERE o.watch = ?1 {which} ORDER BY o.id LIMIT ?2"
        ))?;
        let mut rows = statement.query(params![watch, AT_ONCE])?;
        let mut found = Vec::new();
        while let Some(row) = rows.next()? {
            let run = RunId(row.get(2)?);
            let taken = match ended {
                false => true,
                true => match self.end_of(run)? {
                    Standing::Alive => continue,
                    standing => standing == Standing::Well,
                },
            };
            let key: String = row.get(3)?;
            found.push(Owed {
                id: row.get(0)?,
                watch: watch.to_owned(),
                poll: PollId(row.get(1)?),
                run,
                key: serde_json::from_str(&key).unwrap_or_default(),
                taken,
            });
        }
        Ok(found)
    }

    /// The source was told.
    ///
    /// # Errors
    /// Those of writing.
    pub fn paid(&mut self, owed: &[i64]) -> Result<()> {
        self.write(|tx| {
            for id in owed {
                tx.prepare_cached("DELETE FROM owed WHERE id = ?1")?
                    .execute([id])?;
            }
            Ok(())
        })
    }

    /// The watches whose sources are to be told something.
    ///
    /// # Errors
    /// Those of reading.
    pub fn owing_watches(&self) -> Result<Vec<String>> {
        let mut statement = self
            .conn
            .prepare_cached("SELECT DISTINCT watch FROM owed ORDER BY watch")?;
        Ok(statement
            .query_map([], |row| row.get(0))?
            .collect::<rusqlite::Result<_>>()?)
    }
}

fn all_held(conn: &Connection) -> Result<Vec<(PollId, String, Held)>> {
    let mut statement = conn.prepare_cached(
        "SELECT id, watch, held FROM poll INDEXED BY poll_held WHERE held IS NOT NULL ORDER BY id",
    )?;
    let mut rows = statement.query([])?;
    let mut found = Vec::new();
    while let Some(row) = rows.next()? {
        let text: String = row.get(2)?;
        // What nobody can read stays, and people see that the watch is blocked.
        if let Ok(held) = serde_json::from_str(&text) {
            found.push((PollId(row.get(0)?), row.get(1)?, held));
        }
    }
    Ok(found)
}

/// Lets a watch go on though its runs have not ended well: what they were given counts as
/// delivered. Says for how many polls it waited.
pub(in crate::store) fn release_held(
    tx: &Transaction<'_>,
    watch: &str,
    now: UnixMs,
) -> Result<usize> {
    let mut held = all_held(tx)?;
    held.retain(|(_, of, _)| of == watch);
    for (poll, _, held) in &held {
        release(tx, *poll, watch, held, now)?;
    }
    // Those that nobody can read are given up as well.
    let unread = tx.execute(
        "UPDATE poll SET held = NULL WHERE watch = ?1 AND held IS NOT NULL",
        [watch],
    )?;
    Ok(held.len() + unread)
}

/// Keeps what a poll brought until its runs have ended well.
pub(in crate::store) fn hold(tx: &Transaction<'_>, poll: PollId, held: &Held) -> Result<()> {
    let held = serde_json::to_string(held).map_err(|e| StoreError::Unreadable(e.to_string()))?;
    tx.prepare_cached("UPDATE poll SET held = ?2 WHERE id = ?1")?
        .execute(params![poll.0, held])?;
    Ok(())
}

fn release(
    tx: &Transaction<'_>,
    poll: PollId,
    watch: &str,
    held: &Held,
    now: UnixMs,
) -> Result<()> {
    tx.prepare_cached("UPDATE poll SET held = NULL WHERE id = ?1")?
        .execute([poll.0])?;
    apply(tx, watch, held.memory.as_ref())?;
    remember(tx, watch, poll, &held.sighting, now)?;
    tx.prepare_cached(
        "UPDATE watch SET last_ok = (SELECT started_at FROM poll WHERE id = ?2) WHERE name = ?1",
    )?
    .execute(params![watch, poll.0])?;
    Ok(())
}

fn waits_for(run: RunId) -> String {
    format!("waits for run {run},")
}

fn tell_failed(
    tx: &Transaction<'_>,
    poll: PollId,
    watch: &str,
    run: RunId,
    now: UnixMs,
) -> Result<()> {
    let state: Option<String> = tx
        .prepare_cached("SELECT state FROM run WHERE id = ?1")?
        .query_row([run.0], |row| row.get(0))
        .optional()?;
    let state = state.unwrap_or_else(|| "was removed".to_owned());
    let text = format!(
        "{} which {state}: crake retry {run}, or crake watch skip {watch}",
        waits_for(run)
    );
    tx.prepare_cached("UPDATE poll SET note = ?2 WHERE id = ?1")?
        .execute(params![poll.0, text])?;
    let text = format!("watch {watch} {text}");
    tell(tx, watch, Level::Warn, text, Some(run), now)
}

fn tell(
    tx: &Transaction<'_>,
    watch: &str,
    level: Level,
    text: String,
    run: Option<RunId>,
    at: UnixMs,
) -> Result<()> {
    let note = Note {
        at,
        level,
        kind: "watch".to_owned(),
        job: None,
        run,
        text,
    };
    crate::store::events::record_of_watch(tx, watch, &note)
}
