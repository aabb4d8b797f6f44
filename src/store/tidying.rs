//! What is taken out of the store by itself, because nobody asks for it any more.

use rusqlite::params;

use crate::schedule::UnixMs;
use crate::store::{Result, Store};

/// Events kept, by age and by number.
const EVENTS_MS: i64 = 90 * 86_400_000;
const EVENTS: i64 = 200_000;

/// Rows taken out in one go, so that nobody waits long for it.
const AT_ONCE: i64 = 5_000;

impl Store {
    /// Takes out events that are too old or too many, and the provisional numbers of runs that are
    /// over. Gives how many rows; some thousands at most.
    ///
    /// # Errors
    /// Those of writing.
    pub fn tidy(&mut self, now: UnixMs) -> Result<usize> {
        let stale: bool = self.conn.query_row(
            "SELECT EXISTS(SELECT 1 FROM (SELECT at, id FROM event ORDER BY id LIMIT 1)
               WHERE at < ?1 OR id <= (SELECT max(id) FROM event) - ?2)
             OR EXISTS(SELECT 1 FROM meta WHERE key >= 'renumbered.' AND key < 'renumbered/')",
            params![now - EVENTS_MS, EVENTS],
            |row| row.get(0),
        )?;
        if !stale {
            return Ok(0);
        }
        self.write(|tx| {
            // The latest event stays, so that numbers are never given twice.
            let events = tx.execute(
                "DELETE FROM event WHERE id IN(SELECT id FROM event
                   WHERE (at < ?1 OR id <= (SELECT max(id) FROM event) - ?2)
                     AND id < (SELECT max(id) FROM event) ORDER BY id LIMIT ?3)",
                params![now - EVENTS_MS, EVENTS, AT_ONCE],
            )?;
            // The highest stays, so that provisional numbers go on above it.
            let numbers = tx.execute(
                "DELETE FROM meta WHERE key >= 'renumbered.' AND key < 'renumbered/'
                   AND CAST(substr(key, 12) AS INT) < (SELECT max(CAST(substr(key, 12) AS INT)) FROM meta
                     WHERE key >= 'renumbered.' AND key < 'renumbered/')
                   AND NOT EXISTS(SELECT 1 FROM run WHERE id = CAST(value AS INT)
                     AND (state IN('queued', 'running') OR ended_at > ?1))",
                [now - 86_400_000],
            )?;
            Ok(events + numbers)
        })
    }
}
