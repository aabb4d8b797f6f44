//! The store as a file: whether it still is the one that was opened, and its write-ahead log.
//!
//! Files of the store are only looked at here (`stat`), never opened: closing any descriptor of one
//! drops every lock that SQLite has on it in this process.

use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use rusqlite::config::DbConfig;
use rusqlite::{Connection, OpenFlags};

use crate::model::TroubleKind;
use crate::store::{Result, Store, StoreError, schema};

/// The log is cut back to this when it starts anew, bytes.
const LOG_KEPT: i64 = 16 << 20;

/// Where the file that was opened is now.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Whereabouts {
    /// Where it was.
    Here {
        /// Its size, bytes.
        size: u64,
        /// When its content last changed, nanoseconds.
        changed: i128,
    },
    /// Nothing is at its path.
    Gone,
    /// Its directory is gone as well, so that nothing can be put there.
    DirectoryGone,
    /// Another file is at its path.
    Replaced,
    /// It cannot be told; why, in words.
    Hidden(String),
}

/// The file at a path, by device and inode.
pub(in crate::store) fn id(path: &Path) -> Option<(u64, u64)> {
    let found = std::fs::metadata(path).ok()?;
    Some((found.dev(), found.ino()))
}

/// The directory of copies beside a store.
pub(in crate::store) fn backups(store: &Path) -> PathBuf {
    store.parent().unwrap_or(Path::new("/")).join("backup")
}

/// Refuses to make a store where one was before: it is the daemon's to bring back.
pub(in crate::store) fn not_gone(path: &Path) -> Result<()> {
    let copy = backups(path).join("crake.db");
    if !path.exists() && path.parent().is_some_and(Path::is_dir) && copy.exists() {
        return Err(StoreError::Gone(path.to_path_buf()));
    }
    Ok(())
}

/// Refuses where the file at the path is no longer the one that was opened. Where it cannot be
/// looked at, or its whole directory was moved, what is written still reaches the file.
pub(in crate::store) fn still_there(path: Option<&Path>, file: Option<(u64, u64)>) -> Result<()> {
    let (Some(path), Some(file)) = (path, file) else {
        return Ok(());
    };
    let kind = match whereabouts(path, file) {
        Whereabouts::Gone => TroubleKind::Deleted,
        Whereabouts::Replaced => TroubleKind::Replaced,
        Whereabouts::Here { .. } | Whereabouts::DirectoryGone | Whereabouts::Hidden(_) => {
            return Ok(());
        }
    };
    Err(StoreError::Moved(path.to_path_buf(), kind))
}

fn whereabouts(path: &Path, file: (u64, u64)) -> Whereabouts {
    match std::fs::metadata(path) {
        Ok(found) if (found.dev(), found.ino()) == file => Whereabouts::Here {
            size: found.len(),
            changed: i128::from(found.mtime()) * 1_000_000_000 + i128::from(found.mtime_nsec()),
        },
        Ok(_) => Whereabouts::Replaced,
        Err(e) if e.kind() == std::io::ErrorKind::NotFound => {
            if path.parent().is_some_and(Path::is_dir) {
                Whereabouts::Gone
            } else {
                Whereabouts::DirectoryGone
            }
        }
        Err(e) => Whereabouts::Hidden(e.to_string()),
    }
}

impl Store {
    /// Where the file that was opened is now.
    pub fn whereabouts(&self) -> Whereabouts {
        match (&self.path, self.file) {
            (Some(path), Some(file)) => whereabouts(path, file),
            _ => Whereabouts::Hidden("the store is in memory".to_owned()),
        }
    }

    /// Size of the write-ahead log, bytes.
    pub fn log_size(&self) -> u64 {
        let Some(path) = &self.path else { return 0 };
        let mut name = path.as_os_str().to_owned();
        name.push("-wal");
        std::fs::metadata(name).map_or(0, |found| found.len())
    }

    /// From now on only the caller takes the log back into the file, when it suits.
    ///
    /// # Errors
    /// None that is expected.
    pub fn checkpoint_by_hand(&self) -> Result<()> {
        self.conn.pragma_update(None, "wal_autocheckpoint", 0)?;
        self.conn
            .pragma_update(None, "journal_size_limit", LOG_KEPT)?;
        Ok(())
    }

    /// Takes the log back into the file as far as nobody reads it, and waits for nobody; with
    /// `empty` it is emptied as well, where nobody uses it at all. Says whether all of it was taken.
    ///
    /// # Errors
    /// Those of writing.
    pub fn checkpoint(&self, empty: bool) -> Result<bool> {
        let how = if empty { "TRUNCATE" } else { "PASSIVE" };
        let sql = format!("PRAGMA wal_checkpoint({how})");
        let (busy, log, taken): (i64, i64, i64) = self
            .conn
            .query_row(&sql, [], |r| Ok((r.get(0)?, r.get(1)?, r.get(2)?)))?;
        Ok(busy == 0 && log == taken)
    }

    /// Opens the store for reading without writing a byte, as on a full disk: no shared memory is
    /// made, so nobody else may have the file open.
    ///
    /// # Errors
    /// [`StoreError::Busy`] where somebody has it open; those of reading.
    pub fn open_alone(path: &Path) -> Result<Store> {
        let flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX;
        let conn =
            Connection::open_with_flags(path, flags).map_err(|e| StoreError::of_open(e, path))?;
        conn.set_db_config(DbConfig::SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, true)?;
        // Before the first look at the file, so that the index of the log is kept in memory.
        conn.pragma_update(None, "locking_mode", "EXCLUSIVE")?;
        let found = schema::version(&conn).map_err(|e| e.at(path))?;
        if found != schema::VERSION {
            return Err(StoreError::Newer {
                path: path.to_path_buf(),
                found,
                known: schema::VERSION,
            });
        }
        Ok(Store::over(conn, Some(path)))
    }
}
