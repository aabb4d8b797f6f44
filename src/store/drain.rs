//! Whether runs may start at all.

use rusqlite::{OptionalExtension, params};
use serde::{Deserialize, Serialize};

use crate::model::{Level, Note};
use crate::schedule::UnixMs;
use crate::store::{Result, Store, StoreError};

/// That no run may start, since when, and who said so.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Drain {
    /// Since when.
    pub at: UnixMs,
    /// Who said so.
    pub by: String,
}

const KEY: &str = "drain";

impl Store {
    /// The drain in force, if there is one.
    ///
    /// # Errors
    /// Those of reading.
    pub fn drain(&self) -> Result<Option<Drain>> {
        let text: Option<String> = self
            .conn
            .prepare_cached("SELECT value FROM meta WHERE key = ?1")?
            .query_row([KEY], |row| row.get(0))
            .optional()?;
        // Whatever stands there, it was not put there for nothing.
        let unknown = || Drain {
            at: 0,
            by: "an SQL client".to_owned(),
        };
        Ok(text.map(|text| serde_json::from_str(&text).unwrap_or_else(|_| unknown())))
    }

    /// Lets no run start from now on, or lets them start again. Says whether that is new; a drain in
    /// force stays as it was.
    ///
    /// # Errors
    /// Those of writing.
    pub fn set_drain(&mut self, on: bool, by: &str, now: UnixMs) -> Result<bool> {
        let drain = serde_json::to_string(&Drain {
            at: now,
            by: by.to_owned(),
        })
        .map_err(|e| StoreError::Unreadable(e.to_string()))?;
        self.write(|tx| {
            let changed = match on {
                true => tx.execute(
                    "INSERT INTO meta(key, value) VALUES(?1, ?2) ON CONFLICT(key) DO NOTHING",
                    params![KEY, drain],
                )?,
                false => tx.execute("DELETE FROM meta WHERE key = ?1", [KEY])?,
            };
            if changed == 0 {
                return Ok(false);
            }
            // The mark without a name makes the daemon look at what holds for all runs.
            tx.execute("INSERT INTO change(job) VALUES(NULL)", [])?;
            let text = match on {
                true => format!("no run starts until the drain is undone, said {by}"),
                false => format!("runs start again, said {by}"),
            };
            let note = Note {
                at: now,
                level: Level::Info,
                kind: "drain".to_owned(),
                job: None,
                run: None,
                text,
            };
            crate::store::ledger::record_note(tx, &note)?;
            Ok(true)
        })
    }
}
