//! Who is told of what.

use rusqlite::{OptionalExtension, Row, params};

use crate::model::{Receiver, ReceiverRow};
use crate::schedule::UnixMs;
use crate::store::error::json;
use crate::store::tidings::forget_when;
use crate::store::{Result, Store, StoreError};

const COLUMNS: &str = "id, name, spec, created_at, changed_at";

impl Store {
    /// The receivers by name.
    ///
    /// # Errors
    /// Those of reading.
    pub fn receivers(&self) -> Result<Vec<ReceiverRow>> {
        let sql = format!("SELECT {COLUMNS} FROM receiver ORDER BY name");
        let mut statement = self.conn.prepare_cached(&sql)?;
        let mut found = Vec::new();
        // A row that nobody can read keeps no other receiver from what it is to be told.
        for row in statement.query_map([], |row| Ok(read(row)))? {
            found.extend(row?.ok());
        }
        Ok(found)
    }

    /// A receiver.
    ///
    /// # Errors
    /// Those of reading.
    pub fn receiver(&self, name: &str) -> Result<Option<ReceiverRow>> {
        let sql = format!("SELECT {COLUMNS} FROM receiver WHERE name = ?1");
        let mut statement = self.conn.prepare_cached(&sql)?;
        Ok(statement.query_row([name], read).optional()?)
    }

    /// Keeps a receiver, with `replace` also in the place of one of the same name, which remembers
    /// what it was told. Says whether there was one.
    ///
    /// # Errors
    /// [`StoreError::ReceiverTaken`] without `replace`.
    pub fn put_receiver(
        &mut self,
        receiver: &Receiver,
        replace: bool,
        now: UnixMs,
    ) -> Result<bool> {
        let spec =
            serde_json::to_string(receiver).map_err(|e| StoreError::Unreadable(e.to_string()))?;
        self.write(|tx| {
            let known: bool = tx.query_row(
                "SELECT EXISTS(SELECT 1 FROM receiver WHERE name = ?1)",
                [&receiver.name],
                |row| row.get(0),
            )?;
            if known && !replace {
                return Err(StoreError::ReceiverTaken(receiver.name.clone()));
            }
            tx.execute(
                "INSERT INTO receiver(name, means, late_ms, spec, created_at, changed_at)
                 VALUES(?1, ?2, ?3, ?4, ?5, ?5)
                 ON CONFLICT(name) DO UPDATE SET means = excluded.means, late_ms = excluded.late_ms,
                   spec = excluded.spec, changed_at = excluded.changed_at",
                params![
                    receiver.name,
                    receiver.means.as_str(),
                    receiver.late_ms,
                    spec,
                    now
                ],
            )?;
            // What was kept back by rules that no longer hold is looked at anew.
            tx.execute(
                "UPDATE alert SET next_at = ?2
                 WHERE receiver = (SELECT id FROM receiver WHERE name = ?1) AND state = 'held'",
                params![receiver.name, now],
            )?;
            forget_when(tx)?;
            Ok(known)
        })
    }

    /// Removes a receiver; what it was still to be told is dropped.
    ///
    /// # Errors
    /// [`StoreError::NoSuchReceiver`].
    pub fn remove_receiver(&mut self, name: &str) -> Result<()> {
        self.write(
            |tx| match tx.execute("DELETE FROM receiver WHERE name = ?1", [name])? {
                0 => Err(StoreError::NoSuchReceiver(name.to_owned())),
                _ => Ok(()),
            },
        )
    }
}

fn read(row: &Row<'_>) -> rusqlite::Result<ReceiverRow> {
    let mut receiver: Receiver = json(row, "spec")?;
    receiver.name = row.get("name")?;
    Ok(ReceiverRow {
        id: row.get("id")?,
        receiver,
        created_at: row.get("created_at")?,
        changed_at: row.get("changed_at")?,
    })
}
