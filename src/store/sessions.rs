//! Each start of the daemon, and what is known of the time between them.

use rusqlite::{OptionalExtension, params};

use crate::model::Gap;
use crate::schedule::UnixMs;
use crate::store::error::word;
use crate::store::{Result, Store};

/// One start of the daemon.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Session {
    /// The process that kept time.
    pub pid: i32,
    /// The boot of the host.
    pub boot_id: String,
    /// The program's version.
    pub version: String,
    /// When it started.
    pub started_at: UnixMs,
    /// When it was last known to be there.
    pub alive_at: UnixMs,
    /// When it stopped, where it stopped in good order.
    pub stopped_at: Option<UnixMs>,
}

impl Store {
    /// The last start of the daemon.
    ///
    /// # Errors
    /// Those of reading.
    pub fn last_session(&self) -> Result<Option<Session>> {
        Ok(self
            .conn
            .prepare_cached(
                "SELECT pid, boot_id, version, started_at, alive_at, stopped_at FROM session
                 ORDER BY id DESC LIMIT 1",
            )?
            .query_row([], |row| {
                Ok(Session {
                    pid: row.get(0)?,
                    boot_id: row.get(1)?,
                    version: row.get(2)?,
                    started_at: row.get(3)?,
                    alive_at: row.get(4)?,
                    stopped_at: row.get(5)?,
                })
            })
            .optional()?)
    }

    /// Opens a session.
    ///
    /// # Errors
    /// Those of writing.
    pub fn open_session(&mut self, session: &Session) -> Result<()> {
        self.conn.execute(
            "INSERT INTO session(pid, boot_id, version, started_at, alive_at) VALUES(?1, ?2, ?3, ?4, ?5)",
            params![
                session.pid,
                session.boot_id,
                session.version,
                session.started_at,
                session.alive_at
            ],
        )?;
        Ok(())
    }

    /// Says that the daemon is there; with `stopped`, that it stops in good order.
    ///
    /// # Errors
    /// Those of writing.
    pub fn touch_session(&mut self, now: UnixMs, stopped: bool) -> Result<()> {
        self.conn
            .prepare_cached(
                "UPDATE session SET alive_at = ?1, stopped_at = CASE WHEN ?2 THEN ?1 END
                 WHERE id = (SELECT max(id) FROM session)",
            )?
            .execute(params![now, stopped])?;
        Ok(())
    }

    /// The gaps that reach past an instant, latest first.
    ///
    /// # Errors
    /// Those of reading.
    pub fn gaps(&self, since: UnixMs) -> Result<Vec<Gap>> {
        let mut statement = self.conn.prepare_cached(
            "SELECT from_at, until_at, reason FROM gap WHERE until_at >= ?1 ORDER BY from_at DESC",
        )?;
        let rows = statement.query_map([since], |row| {
            Ok(Gap {
                from: row.get(0)?,
                until: row.get(1)?,
                reason: word(row, "reason")?,
            })
        })?;
        Ok(rows.collect::<rusqlite::Result<_>>()?)
    }

    /// The latest instant anything was planned for or done at. After the wall clock was set back it
    /// lies in the future.
    ///
    /// # Errors
    /// Those of reading.
    pub fn latest_instant(&self) -> Result<UnixMs> {
        let latest: Option<i64> = self.conn.query_row(
            "SELECT max(at) FROM (SELECT max(planned_at) AS at FROM fire
               UNION ALL SELECT max(alive_at) FROM session
               UNION ALL SELECT max(from_at) FROM schedule
               UNION ALL SELECT max(run_at) FROM run WHERE state = 'queued')",
            [],
            |row| row.get(0),
        )?;
        Ok(latest.unwrap_or(0))
    }

    /// A note the daemon keeps for itself.
    ///
    /// # Errors
    /// Those of reading.
    pub fn meta(&self, key: &str) -> Result<Option<String>> {
        Ok(self
            .conn
            .prepare_cached("SELECT value FROM meta WHERE key = ?1")?
            .query_row([key], |row| row.get(0))
            .optional()?)
    }

    /// Writes a note the daemon keeps for itself.
    ///
    /// # Errors
    /// Those of writing.
    pub fn set_meta(&mut self, key: &str, value: &str) -> Result<()> {
        self.conn.execute(
            "INSERT INTO meta(key, value) VALUES(?1, ?2)
             ON CONFLICT(key) DO UPDATE SET value = excluded.value",
            params![key, value],
        )?;
        Ok(())
    }
}
