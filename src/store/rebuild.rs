//! A store made anew: from a copy and the rows that changed since, or from what can still be read.

use std::path::Path;

use rusqlite::config::DbConfig;
use rusqlite::{Connection, OpenFlags, params, params_from_iter};

use crate::schedule::UnixMs;
use crate::store::touched::{Cell, Image, condition, key_of, tables};
use crate::store::{Result, Store, StoreError, make_private_file, schema};

/// Numbers of polls that are not given out after a store was made anew.
const POLLS_LEFT_OUT: i64 = 10_000;

/// A store that is being made anew. No trigger of the schema has a say in it: what is put into it
/// was decided before.
pub struct Remaking {
    conn: Connection,
    /// Rows that could not be put in.
    refused: u64,
}

impl Remaking {
    /// Over a copy that was made of a store earlier, which is changed in place.
    ///
    /// # Errors
    /// A copy that is unsound itself.
    pub fn of_copy(path: &Path) -> Result<Remaking> {
        let conn = Connection::open_with_flags(
            path,
            OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX,
        )?;
        let faults = faults_of(&conn).map_err(|e| e.at(path))?;
        if !faults.is_empty() || schema::version(&conn)? == 0 {
            return Err(StoreError::Damaged(path.to_path_buf()));
        }
        Remaking::over(conn)
    }

    /// Over an empty store.
    ///
    /// # Errors
    /// Those of making the file.
    pub fn empty(path: &Path) -> Result<Remaking> {
        make_private_file(path);
        let mut conn = Connection::open(path)?;
        schema::migrate(&mut conn, None)?;
        Remaking::over(conn)
    }

    fn over(conn: Connection) -> Result<Remaking> {
        conn.set_db_config(DbConfig::SQLITE_DBCONFIG_ENABLE_TRIGGER, false)?;
        // Nobody else knows of the file before it is whole and flushed.
        conn.pragma_update(None, "synchronous", "OFF")?;
        conn.pragma_update(None, "journal_mode", "MEMORY")?;
        conn.set_prepared_statement_cache_capacity(64);
        Ok(Remaking { conn, refused: 0 })
    }

    /// The number of the journal that begins with a copy, where it can be read.
    pub fn generation_of(copy: &Path) -> Option<u64> {
        let flags = OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_NO_MUTEX;
        let conn = Connection::open_with_flags(copy, flags).ok()?;
        Remaking { conn, refused: 0 }.generation().ok()
    }

    /// The number of the journal that begins with this copy.
    ///
    /// # Errors
    /// Those of reading.
    pub fn generation(&self) -> Result<u64> {
        Ok(self.meta("journal")?.unwrap_or(0))
    }

    /// How many rows could not be put in.
    pub fn refused(&self) -> u64 {
        self.refused
    }

    fn meta(&self, key: &str) -> Result<Option<u64>> {
        use rusqlite::OptionalExtension;
        let text: Option<String> = self
            .conn
            .query_row("SELECT value FROM meta WHERE key = ?1", [key], |r| r.get(0))
            .optional()?;
        Ok(text.and_then(|t| t.parse().ok()))
    }

    /// Brings it to a version, where a journal was written over a newer one than the copy has.
    ///
    /// # Errors
    /// Those of writing.
    pub fn at_least(&mut self, version: i64) -> Result<()> {
        if schema::version(&self.conn)? < version {
            schema::migrate(&mut self.conn, None)?;
        }
        Ok(())
    }

    /// Puts rows as they were at an instant, when everything in the ring up to a place had been
    /// recorded. A row that the schema refuses is counted and left out.
    ///
    /// # Errors
    /// Those of writing.
    pub fn put(&mut self, images: &[Image], ring_seq: i64, at: UnixMs) -> Result<()> {
        let tx = self.conn.transaction()?;
        for image in images {
            match put_one(&tx, image) {
                Err(e) if e.is_refusal() => self.refused += 1,
                Err(e) if matches!(e.trouble(), crate::model::TroubleKind::Other) => {
                    self.refused += 1;
                }
                done => done?,
            }
        }
        tx.prepare_cached("INSERT OR REPLACE INTO meta(key, value) VALUES('ring_seq', ?1)")?
            .execute([ring_seq.to_string()])?;
        tx.prepare_cached(
            "UPDATE session SET alive_at = ?1 WHERE id = (SELECT max(id) FROM session) AND alive_at < ?1",
        )?
        .execute([at])?;
        tx.commit()?;
        Ok(())
    }

    /// Takes over what can be read of another file, table by table, from both ends of each. Gives
    /// how many rows.
    ///
    /// # Errors
    /// Those of writing; what cannot be read is passed over.
    pub fn salvage(&mut self, damaged: &Path) -> Result<u64> {
        // A connection of its own: a fault of this file must not become one of the new one.
        let flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX;
        let Ok(old) = Connection::open_with_flags(damaged, flags) else {
            return Ok(0);
        };
        old.set_db_config(DbConfig::SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, true)?;
        let mut count = 0;
        for (table, key) in tables(&self.conn)? {
            let (rows, whole) = self.salvage_table(&old, &table, &key, "ASC")?;
            count += rows;
            // A row without a key of its own could not be told from one that is there already.
            if !whole && key != ["rowid"] {
                count += self.salvage_table(&old, &table, &key, "DESC")?.0;
            }
        }
        Ok(count)
    }

    /// Says how many rows were taken over, and whether the table could be read to its end.
    fn salvage_table(
        &self,
        old: &Connection,
        table: &str,
        key: &[String],
        order: &str,
    ) -> Result<(u64, bool)> {
        let by: Vec<String> = key.iter().map(|k| format!("{k} {order}")).collect();
        let read = format!("SELECT * FROM {table} ORDER BY {}", by.join(", "));
        let tx = self.conn.unchecked_transaction()?;
        let mut count = 0;
        let Ok(mut statement) = old.prepare(&read) else {
            return Ok((0, false));
        };
        let width = statement.column_count();
        let Ok(mut rows) = statement.query([]) else {
            return Ok((0, false));
        };
        let whole = loop {
            let row = match rows.next() {
                Ok(Some(row)) => row,
                Ok(None) => break true,
                // At the first page that cannot be read this end of the table is over.
                Err(_) => break false,
            };
            let cells: rusqlite::Result<Vec<rusqlite::types::Value>> =
                (0..width).map(|n| row.get(n)).collect();
            let Ok(cells) = cells else { continue };
            let sql = format!("INSERT OR IGNORE INTO {table} VALUES({})", marks(width));
            let mut insert = tx.prepare_cached(&sql)?;
            count += insert.execute(params_from_iter(cells)).unwrap_or(0) as u64;
        };
        drop(rows);
        drop(statement);
        tx.commit()?;
        Ok((count, whole))
    }

    /// Makes it a store that can be put in place: run numbers go on above those known to be given
    /// out, every definition is looked at anew, and the file is whole on the disk.
    ///
    /// # Errors
    /// Those of writing, and a store that is unsound.
    pub fn finish(self, path: &Path, numbers: i64) -> Result<()> {
        for statement in [
            "DELETE FROM touched",
            "DELETE FROM change",
            "INSERT INTO change(job) SELECT name FROM job",
            "INSERT INTO change(job) VALUES(NULL)",
        ] {
            self.conn.execute(statement, [])?;
        }
        self.conn.execute(
            "UPDATE sqlite_sequence SET seq = ?1 WHERE name = 'run' AND seq < ?1",
            [numbers],
        )?;
        self.conn.execute(
            "INSERT INTO sqlite_sequence(name, seq) SELECT 'run', ?1
             WHERE ?1 > 0 AND NOT EXISTS(SELECT 1 FROM sqlite_sequence WHERE name = 'run')",
            params![numbers],
        )?;
        // Numbers of polls are in the names of deliveries: those of polls that may be lost are left out.
        self.conn.execute(
            "INSERT INTO sqlite_sequence(name, seq) SELECT 'poll', 0
             WHERE NOT EXISTS(SELECT 1 FROM sqlite_sequence WHERE name = 'poll')",
            [],
        )?;
        self.conn.execute(
            "UPDATE sqlite_sequence SET seq = seq + ?1 WHERE name = 'poll'",
            [POLLS_LEFT_OUT],
        )?;
        if !faults_of(&self.conn)?.is_empty() {
            return Err(StoreError::Damaged(path.to_path_buf()));
        }
        schema::write_ahead(&self.conn)?;
        self.conn.pragma_update(None, "synchronous", "FULL")?;
        // A write in the mode that is used from now on, so that the mode stands in the file.
        self.conn
            .execute("INSERT INTO change(job) VALUES(NULL)", [])?;
        drop(self.conn);
        std::fs::File::open(path)
            .and_then(|file| file.sync_all())
            .map_err(|source| StoreError::Directory {
                path: path.to_path_buf(),
                source,
            })
    }
}

fn marks(width: usize) -> String {
    vec!["?"; width].join(", ")
}

pub(in crate::store) fn put_one(tx: &Connection, image: &Image) -> Result<()> {
    let Some(row) = &image.row else {
        let key = key_of(tx, &image.table)?;
        let sql = format!("DELETE FROM {} WHERE {}", image.table, condition(&key));
        tx.prepare_cached(&sql)?
            .execute(params_from_iter(image.key.iter().map(Cell::value)))?;
        return Ok(());
    };
    let table = &image.table;
    let width = row.len();
    let sql = if key_of(tx, table)? == ["rowid"] {
        let columns = columns_of(tx, table)?;
        let marks = marks(width + 1);
        format!("INSERT OR REPLACE INTO {table}(rowid, {columns}) VALUES({marks})")
    } else {
        format!("INSERT OR REPLACE INTO {table} VALUES({})", marks(width))
    };
    let rowid = image.key.iter().filter(|_| sql.contains("(rowid, "));
    tx.prepare_cached(&sql)?
        .execute(params_from_iter(rowid.chain(row).map(Cell::value)))?;
    Ok(())
}

fn columns_of(conn: &Connection, table: &str) -> Result<String> {
    let mut statement = conn.prepare_cached("SELECT name FROM pragma_table_info(?1)")?;
    let columns: Vec<String> = statement
        .query_map([table], |row| row.get(0))?
        .collect::<rusqlite::Result<_>>()?;
    Ok(columns.join(", "))
}

/// What SQLite finds wrong with a file, a few faults at most.
fn faults_of(conn: &Connection) -> Result<Vec<String>> {
    let mut statement = conn.prepare("PRAGMA quick_check(5)")?;
    let told: Vec<String> = statement
        .query_map([], |row| row.get(0))?
        .collect::<rusqlite::Result<_>>()?;
    Ok(told.into_iter().filter(|fault| fault != "ok").collect())
}

impl Store {
    /// Writes a copy of the whole store, as it is at one moment, into a file that does not exist.
    ///
    /// # Errors
    /// Those of reading and writing.
    pub fn copy_to(&self, path: &Path) -> Result<()> {
        // An empty file is taken as none.
        make_private_file(path);
        let name = path.display().to_string();
        self.conn.execute("VACUUM INTO ?1", [&name])?;
        Ok(())
    }

    /// Forgets of every attempt that has not ended in which boot it was claimed: where its end may
    /// have been lost, a claim does not prove that it never started.
    ///
    /// # Errors
    /// Those of writing.
    pub fn distrust_claims(&mut self) -> Result<()> {
        self.conn.execute(
            "UPDATE attempt SET boot_id = NULL WHERE ended_at IS NULL",
            [],
        )?;
        Ok(())
    }

    /// Closes the store and leaves what is in the write-ahead log where it is: the file may be
    /// another one by now.
    pub fn abandon(self) {
        // Where this cannot be had, closing writes into a file that is put aside anyway.
        let _ = self
            .conn
            .set_db_config(DbConfig::SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, true);
    }
}
