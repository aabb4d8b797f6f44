//! Keys of rows that a watch has seen.

use std::collections::HashSet;

use rusqlite::{Transaction, params};
use serde::{Deserialize, Serialize};

use crate::model::PollId;
use crate::schedule::UnixMs;
use crate::store::{Result, Store};

/// What a poll saw.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Sighting {
    /// Keys seen for the first time.
    pub fresh: Vec<String>,
    /// Keys seen long ago and now again: they are remembered for another while.
    pub again: Vec<String>,
    /// All keys of the result, those among them; none of them is forgotten.
    pub sighted: HashSet<String>,
    /// What else may be forgotten.
    pub forget: Forget,
}

/// Which keys need not be remembered any longer.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Forget {
    /// All are needed.
    #[default]
    Nothing,
    /// Those seen before an instant, and the oldest of more than so many.
    Old {
        /// The instant.
        before: UnixMs,
        /// How many stay.
        most: u32,
    },
    /// Those seen up to a poll.
    Through(PollId),
}

/// Which keys of a result are known.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Known {
    /// Those seen before.
    pub seen: HashSet<String>,
    /// Of them those seen longer ago than was asked for.
    pub old: Vec<String>,
}

/// Keys forgotten at once.
const AT_ONCE: usize = 1_000;

impl Store {
    /// Which of these keys a watch has seen, and which of them not since an instant.
    ///
    /// # Errors
    /// Those of reading.
    pub fn known_keys(&self, watch: &str, keys: &[String], since: UnixMs) -> Result<Known> {
        let mut statement = self
            .conn
            .prepare_cached("SELECT seen_at FROM seen WHERE watch = ?1 AND key = ?2")?;
        let mut known = Known::default();
        for key in keys {
            let mut rows = statement.query(params![watch, key])?;
            let Some(row) = rows.next()? else { continue };
            let at: UnixMs = row.get(0)?;
            if known.seen.insert(key.clone()) && at < since {
                known.old.push(key.clone());
            }
        }
        Ok(known)
    }
}

/// Remembers what a poll saw and forgets what need not be remembered.
pub(in crate::store) fn remember(
    tx: &Transaction<'_>,
    watch: &str,
    poll: PollId,
    sighting: &Sighting,
    now: UnixMs,
) -> Result<()> {
    let mut insert = tx.prepare_cached(
        "INSERT INTO seen(watch, key, poll, seen_at) VALUES(?1, ?2, ?3, ?4)
         ON CONFLICT(watch, key) DO UPDATE SET poll = excluded.poll, seen_at = excluded.seen_at",
    )?;
    for key in sighting.fresh.iter().chain(&sighting.again) {
        insert.execute(params![watch, key, poll.0, now])?;
    }
    drop(insert);
    let gone = match sighting.forget {
        Forget::Nothing => Vec::new(),
        Forget::Old { before, most } => old(tx, watch, sighting, before, most)?,
        Forget::Through(poll) => through(tx, watch, sighting, poll)?,
    };
    let mut delete = tx.prepare_cached("DELETE FROM seen WHERE watch = ?1 AND key = ?2")?;
    for key in gone {
        delete.execute(params![watch, key])?;
    }
    Ok(())
}

fn through(
    tx: &Transaction<'_>,
    watch: &str,
    sighting: &Sighting,
    poll: PollId,
) -> Result<Vec<String>> {
    let mut statement =
        tx.prepare_cached("SELECT key FROM seen WHERE watch = ?1 AND poll <= ?2 ORDER BY poll")?;
    let mut rows = statement.query(params![watch, poll.0])?;
    let mut gone = Vec::new();
    while let Some(row) = rows.next()?.filter(|_| gone.len() < AT_ONCE) {
        let key: String = row.get(0)?;
        if !sighting.sighted.contains(&key) {
            gone.push(key);
        }
    }
    Ok(gone)
}

fn old(
    tx: &Transaction<'_>,
    watch: &str,
    sighting: &Sighting,
    before: UnixMs,
    most: u32,
) -> Result<Vec<String>> {
    let excess = match sighting.fresh.is_empty() {
        // Nothing was added, so there are no more than before.
        true => 0,
        false => {
            let count: i64 = tx
                .prepare_cached("SELECT count(*) FROM seen WHERE watch = ?1")?
                .query_row([watch], |row| row.get(0))?;
            usize::try_from(count - i64::from(most)).unwrap_or(0)
        }
    };
    let mut statement =
        tx.prepare_cached("SELECT key, seen_at FROM seen WHERE watch = ?1 ORDER BY poll")?;
    let mut rows = statement.query([watch])?;
    let mut gone = Vec::new();
    while let Some(row) = rows.next()? {
        let (key, at): (String, UnixMs) = (row.get(0)?, row.get(1)?);
        // They come in the order in which they were seen.
        if gone.len() >= excess && (at >= before || gone.len() >= AT_ONCE) {
            break;
        }
        if !sighting.sighted.contains(&key) {
            gone.push(key);
        }
    }
    Ok(gone)
}
