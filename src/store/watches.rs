//! Definitions of watches, their pauses, and what people ask of them.

use rusqlite::{Connection, OptionalExtension, Row, Transaction, params};

use crate::model::{Level, Memory, Note, Pause, Watch};
use crate::schedule::UnixMs;
use crate::store::error::json;
use crate::store::watch_resets::forget;
use crate::store::{Result, Store, StoreError};

/// A watch and what it remembers.
#[derive(Clone, Debug, PartialEq)]
pub struct WatchRow {
    /// The definition, with the pause that was last said.
    pub watch: Watch,
    /// What it remembers from one poll to the next.
    pub memory: Memory,
    /// When it is asked next; nothing where that is not known yet.
    pub next_at: Option<UnixMs>,
    /// When the last poll that went well began.
    pub last_ok: Option<UnixMs>,
    /// When somebody asked for a poll that has not begun.
    pub asked_at: Option<UnixMs>,
    /// Grows with each change, and with each reset: what a poll brings that began under another
    /// version is not remembered.
    pub version: i64,
    /// When it was made.
    pub created_at: UnixMs,
    /// When it was last changed.
    pub updated_at: UnixMs,
}

impl WatchRow {
    /// Whether it is paused at an instant.
    pub fn is_paused(&self, now: UnixMs) -> bool {
        self.watch.paused.as_ref().is_some_and(|p| p.covers(now))
    }
}

const COLUMNS: &str = "name, source, job, spec, memory, next_at, last_ok, asked_at, paused_at,
  paused_until, paused_by, pause_reason, version, created_at, updated_at";

impl Store {
    /// Keeps a watch, with `replace` also in the place of one of the same name. What that one
    /// remembers stays where it still means the same: same source, mode and key, and where the
    /// cursor begins. Its pause stays in any case. It is due at once. Gives the version.
    ///
    /// # Errors
    /// [`StoreError::WatchTaken`] without `replace`, [`StoreError::NoSuchSource`],
    /// [`StoreError::NoSuchJob`].
    pub fn put_watch(
        &mut self,
        watch: &Watch,
        replace: bool,
        by: &str,
        now: UnixMs,
    ) -> Result<i64> {
        self.write(|tx| {
            let old = watch_row(tx, &watch.name)?;
            if old.is_some() && !replace {
                return Err(StoreError::WatchTaken(watch.name.clone()));
            }
            refuse_unknown(tx, watch)?;
            let spec = spec_text(watch)?;
            let version = old.as_ref().map_or(1, |old| old.version + 1);
            tx.execute(
                "INSERT INTO watch(name, source, job, spec, next_at, version, created_at, updated_at)
                 VALUES(?1, ?2, ?3, ?4, ?5, ?6, ?5, ?5)
                 ON CONFLICT(name) DO UPDATE SET source = excluded.source, job = excluded.job,
                   spec = excluded.spec, next_at = excluded.next_at, version = excluded.version,
                   updated_at = excluded.updated_at",
                params![watch.name, watch.source, watch.job, spec, now, version],
            )?;
            let what = match &old {
                None => "added",
                Some(old) if same_meaning(&old.watch, watch) => "changed",
                Some(_) => {
                    forget(tx, &watch.name)?;
                    "changed, and begins anew"
                }
            };
            note(tx, &watch.name, format!("{what} by {by}"), now)?;
            Ok(version)
        })
    }

    /// The watches by name, but for rows nobody can read; [`Store::unreadable_watches`] names those.
    ///
    /// # Errors
    /// Those of reading.
    pub fn watches(&self) -> Result<Vec<WatchRow>> {
        let sql = format!("SELECT {COLUMNS} FROM watch ORDER BY name");
        let mut statement = self.conn.prepare_cached(&sql)?;
        let mut rows = statement.query([])?;
        let mut watches = Vec::new();
        while let Some(row) = rows.next()? {
            match read(row).map_err(StoreError::from) {
                Ok(watch) => watches.push(watch),
                Err(e) if e.is_unreadable() => {}
                Err(e) => return Err(e),
            }
        }
        Ok(watches)
    }

    /// The watches whose row holds what no program of ours writes, and why it cannot be read.
    ///
    /// # Errors
    /// Those of reading.
    pub fn unreadable_watches(&self) -> Result<Vec<(String, String)>> {
        let mut statement = self.conn.prepare("SELECT name FROM watch ORDER BY name")?;
        let names: Vec<String> = statement
            .query_map([], |row| row.get(0))?
            .collect::<rusqlite::Result<_>>()?;
        let mut found = Vec::new();
        for name in names {
            match self.watch(&name) {
                Err(e) if e.is_unreadable() => found.push((name, e.to_string())),
                other => drop(other?),
            }
        }
        Ok(found)
    }

    /// The names of the watches that start a job.
    ///
    /// # Errors
    /// Those of reading.
    pub fn watches_of_job(&self, job: &str) -> Result<Vec<String>> {
        let mut statement = self
            .conn
            .prepare_cached("SELECT name FROM watch WHERE job = ?1 ORDER BY name")?;
        let names = statement.query_map([job], |row| row.get(0))?;
        Ok(names.collect::<rusqlite::Result<_>>()?)
    }

    /// Whether there is a job of that name.
    ///
    /// # Errors
    /// Those of reading.
    pub fn has_job(&self, name: &str) -> Result<bool> {
        let mut statement = self
            .conn
            .prepare_cached("SELECT EXISTS(SELECT 1 FROM job WHERE name = ?1)")?;
        Ok(statement.query_row([name], |row| row.get(0))?)
    }

    /// A watch.
    ///
    /// # Errors
    /// Those of reading.
    pub fn watch(&self, name: &str) -> Result<Option<WatchRow>> {
        watch_row(&self.conn, name)
    }

    /// Removes a watch; the polls it made stay as long as polls are kept, and its runs as runs are.
    ///
    /// # Errors
    /// [`StoreError::NoSuchWatch`].
    pub fn remove_watch(&mut self, name: &str, by: &str, now: UnixMs) -> Result<()> {
        self.write(|tx| {
            known(
                tx.execute("DELETE FROM watch WHERE name = ?1", [name])?,
                name,
            )?;
            tx.execute(
                "UPDATE poll SET held = NULL WHERE watch = ?1 AND held IS NOT NULL",
                [name],
            )?;
            note(tx, name, format!("removed by {by}"), now)
        })
    }

    /// Pauses a watch from now on, until an instant or until it is resumed.
    ///
    /// # Errors
    /// [`StoreError::NoSuchWatch`].
    pub fn pause_watch(&mut self, name: &str, pause: &Pause) -> Result<()> {
        self.write(|tx| {
            let changed = tx.execute(
                "UPDATE watch SET paused_at = ?2, paused_until = ?3, paused_by = ?4,
                   pause_reason = ?5, updated_at = ?2 WHERE name = ?1",
                params![name, pause.from, pause.until, pause.by, pause.reason],
            )?;
            known(changed, name)?;
            note(tx, name, format!("paused by {}", pause.by), pause.from)
        })
    }

    /// Ends the pause of a watch, which is due at once then. Says whether there was one.
    ///
    /// # Errors
    /// [`StoreError::NoSuchWatch`].
    pub fn resume_watch(&mut self, name: &str, by: &str, now: UnixMs) -> Result<bool> {
        self.write(|tx| {
            let row =
                watch_row(tx, name)?.ok_or_else(|| StoreError::NoSuchWatch(name.to_owned()))?;
            if !row.is_paused(now) {
                return Ok(false);
            }
            tx.execute(
                "UPDATE watch SET paused_at = NULL, paused_until = NULL, paused_by = NULL,
                   pause_reason = NULL, next_at = ?2, updated_at = ?2 WHERE name = ?1",
                params![name, now],
            )?;
            note(tx, name, format!("resumed by {by}"), now)?;
            Ok(true)
        })
    }

    /// Asks for a poll as soon as may be.
    ///
    /// # Errors
    /// [`StoreError::NoSuchWatch`].
    pub fn ask_watch(&mut self, name: &str, now: UnixMs) -> Result<()> {
        self.write(|tx| {
            let sql = "UPDATE watch SET asked_at = ?2 WHERE name = ?1";
            known(tx.execute(sql, params![name, now])?, name)
        })
    }
}

/// Whether what one remembers is of use to the other.
fn same_meaning(old: &Watch, new: &Watch) -> bool {
    old.source == new.source
        && old.mode == new.mode
        && old.key == new.key
        && old.initial == new.initial
}

pub(in crate::store) fn known(changed: usize, name: &str) -> Result<()> {
    match changed {
        0 => Err(StoreError::NoSuchWatch(name.to_owned())),
        _ => Ok(()),
    }
}

fn refuse_unknown(tx: &Transaction<'_>, watch: &Watch) -> Result<()> {
    let there = |sql: &str, name: &str| -> Result<bool> {
        Ok(tx.query_row(sql, [name], |row| row.get(0))?)
    };
    if !there(
        "SELECT EXISTS(SELECT 1 FROM source WHERE name = ?1)",
        &watch.source,
    )? {
        return Err(StoreError::NoSuchSource(watch.source.clone()));
    }
    if !there(
        "SELECT EXISTS(SELECT 1 FROM job WHERE name = ?1)",
        &watch.job,
    )? {
        return Err(StoreError::NoSuchJob(watch.job.clone()));
    }
    Ok(())
}

/// The definition as it is kept: the pause stands in columns of its own.
pub(in crate::store) fn spec_text(watch: &Watch) -> Result<String> {
    let kept = Watch {
        paused: None,
        ..watch.clone()
    };
    serde_json::to_string(&kept).map_err(|e| StoreError::Unreadable(e.to_string()))
}

/// Tells what was done to a watch.
pub(in crate::store) fn note(
    tx: &Transaction<'_>,
    watch: &str,
    text: String,
    now: UnixMs,
) -> Result<()> {
    let note = Note {
        at: now,
        level: Level::Info,
        kind: "watch".to_owned(),
        job: None,
        run: None,
        text: format!("watch {watch}: {text}"),
    };
    crate::store::events::record_of_watch(tx, watch, &note)
}

pub(in crate::store) fn watch_row(conn: &Connection, name: &str) -> Result<Option<WatchRow>> {
    let sql = format!("SELECT {COLUMNS} FROM watch WHERE name = ?1");
    let mut statement = conn.prepare_cached(&sql)?;
    Ok(statement.query_row([name], read).optional()?)
}

/// Gives watches of a job its new name.
pub(in crate::store) fn rename_in_watches(
    tx: &Transaction<'_>,
    old: &str,
    new: &str,
) -> Result<()> {
    tx.execute(
        "UPDATE watch SET job = ?2, spec = json_set(spec, '$.job', ?2) WHERE job = ?1",
        [old, new],
    )?;
    Ok(())
}

fn read(row: &Row<'_>) -> rusqlite::Result<WatchRow> {
    let mut watch: Watch = json(row, "spec")?;
    watch.name = row.get("name")?;
    watch.source = row.get("source")?;
    watch.job = row.get("job")?;
    let from: Option<UnixMs> = row.get("paused_at")?;
    let by: Option<String> = row.get("paused_by")?;
    watch.paused = match from {
        None => None,
        Some(from) => Some(Pause {
            from,
            until: row.get("paused_until")?,
            by: by.unwrap_or_default(),
            reason: row.get("pause_reason")?,
        }),
    };
    Ok(WatchRow {
        watch,
        memory: json(row, "memory")?,
        next_at: row.get("next_at")?,
        last_ok: row.get("last_ok")?,
        asked_at: row.get("asked_at")?,
        version: row.get("version")?,
        created_at: row.get("created_at")?,
        updated_at: row.get("updated_at")?,
    })
}
