//! What is undone when the wall clock was set back.

use rusqlite::{OptionalExtension, Transaction, params};

use crate::model::{Back, ScheduleId};
use crate::schedule::UnixMs;
use crate::store::{Armed, Result, Store};

/// One schedule version that goes on from where the clock is now.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Rewound {
    /// The version.
    pub schedule: ScheduleId,
    /// Its next instant, where it has one.
    pub next_at: Option<UnixMs>,
    /// Whether it was done only in the time that did not come, and is not any more.
    pub reopened: bool,
}

/// Writes down that the ledger has to be rewound. The store side of the daemon does it as soon as it
/// can, also after a crash: which schedules follow the clock is not for SQL to say.
pub(in crate::store) fn note_rewind(tx: &Transaction<'_>, back: &Back) -> Result<()> {
    tx.execute(
        "INSERT INTO meta(key, value) VALUES('rewind', ?1)
         ON CONFLICT(key) DO UPDATE SET value = excluded.value",
        [format!("{} {}", back.to, i64::from(back.all))],
    )?;
    Ok(())
}

impl Store {
    /// The rewinding that is still to be done.
    ///
    /// # Errors
    /// Those of reading.
    pub fn rewind_wanted(&self) -> Result<Option<Back>> {
        let text: Option<String> = self
            .conn
            .query_row("SELECT value FROM meta WHERE key = 'rewind'", [], |row| {
                row.get(0)
            })
            .optional()?;
        Ok(text.and_then(|text| {
            let (to, all) = text.split_once(' ')?;
            Some(Back {
                to: to.parse().ok()?,
                all: all == "1",
            })
        }))
    }

    /// The versions whose cursor lies after an instant, those that are done among them.
    ///
    /// # Errors
    /// Those of reading.
    pub fn ahead_of(&self, at: UnixMs) -> Result<Vec<Armed>> {
        let all = self.every_schedule()?;
        let ended = |a: &Armed| a.ended.is_some_and(|until| until <= at);
        Ok(all.into_iter().filter(|a| !ended(a)).collect())
    }

    /// Takes what was decided for the time after `back.to` out of the ledger of these versions, and
    /// lets them go on from there.
    ///
    /// # Errors
    /// Those of writing; then nothing is changed.
    pub fn rewind(&mut self, back: &Back, versions: &[Rewound], now: UnixMs) -> Result<()> {
        self.write(|tx| {
            for version in versions {
                rewind_one(tx, back, version, now)?;
            }
            if back.all {
                // What was defined or ended while the clock was wrong holds from now on.
                tx.execute(
                    "UPDATE schedule SET from_at = ?1 WHERE from_at > ?1",
                    [back.to],
                )?;
                tx.execute(
                    "UPDATE schedule SET until_at = ?1 WHERE until_at > ?1",
                    [back.to],
                )?;
                tx.execute(
                    "UPDATE pause SET from_at = ?1 WHERE from_at > ?1",
                    [back.to],
                )?;
            }
            tx.execute("DELETE FROM meta WHERE key = 'rewind'", [])?;
            Ok(())
        })
    }
}

fn rewind_one(tx: &Transaction<'_>, back: &Back, version: &Rewound, now: UnixMs) -> Result<()> {
    let id = version.schedule.0;
    tx.execute(
        "INSERT INTO fire_undone(schedule, planned_at, verdict, run, decided_at, undone_at)
         SELECT schedule, planned_at, verdict, run, decided_at, ?3 FROM fire
         WHERE schedule = ?1 AND planned_at > ?2
           AND NOT EXISTS(SELECT 1 FROM fire_undone u WHERE u.schedule = fire.schedule
             AND u.planned_at = fire.planned_at AND u.decided_at = fire.decided_at)",
        params![id, back.to, now],
    )?;
    tx.execute(
        "DELETE FROM fire WHERE schedule = ?1 AND planned_at > ?2",
        params![id, back.to],
    )?;
    // The runs stay; they only stand for no instant of the ledger any more.
    tx.execute(
        "UPDATE run SET schedule = NULL, reason = coalesce(reason, 'the clock was set back afterwards')
         WHERE schedule = ?1 AND planned_at > ?2",
        params![id, back.to],
    )?;
    if version.reopened {
        tx.execute(
            "UPDATE schedule SET until_at = NULL, done = 0 WHERE id = ?1",
            [id],
        )?;
    }
    tx.execute("DELETE FROM due WHERE schedule = ?1", [id])?;
    if let Some(next_at) = version.next_at {
        tx.execute(
            "INSERT INTO due(next_at, schedule) VALUES(?2, ?1)",
            params![id, next_at],
        )?;
    }
    Ok(())
}
