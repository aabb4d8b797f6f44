//! Whether a file of SQLite has changed, in microseconds: `PRAGMA data_version`.

use crate::model::{Dsn, Source};
use crate::source::error::{ErrorKind, Result, SourceError};
use crate::source::sqlite::file_of;

/// Tells whether somebody has committed something to a file.
pub struct ChangeProbe {
    conn: rusqlite::Connection,
    path: String,
    file: (u64, u64),
    seen: i64,
}

impl ChangeProbe {
    /// Opens the file of a source.
    ///
    /// # Errors
    /// `config` where the source is no SQLite; `resolve`, `connect`.
    pub fn open(source: &Source) -> Result<ChangeProbe> {
        let config = |message: String| SourceError::new(ErrorKind::Config, message);
        let Dsn::Sqlite(path) = source.target().map_err(|e| config(e.message))? else {
            return Err(config(format!("{} has no data_version", source.engine)));
        };
        let file = file_of(&path)?;
        let flags =
            rusqlite::OpenFlags::SQLITE_OPEN_READ_ONLY | rusqlite::OpenFlags::SQLITE_OPEN_NO_MUTEX;
        let conn = rusqlite::Connection::open_with_flags(&path, flags);
        let conn = conn.map_err(|e| SourceError::new(ErrorKind::Connect, e.to_string()))?;
        let seen = version(&conn)?;
        Ok(ChangeProbe {
            conn,
            path,
            file,
            seen,
        })
    }

    /// Whether anything was committed since this was asked last.
    ///
    /// # Errors
    /// `gone` where the file was replaced or removed: open it anew, and take it for changed.
    pub fn changed(&mut self) -> Result<bool> {
        if file_of(&self.path).ok() != Some(self.file) {
            return Err(SourceError::gone("the file was replaced or removed"));
        }
        let now = version(&self.conn)?;
        let before = std::mem::replace(&mut self.seen, now);
        Ok(before != now)
    }
}

fn version(conn: &rusqlite::Connection) -> Result<i64> {
    let mut statement = conn
        .prepare_cached("PRAGMA data_version")
        .map_err(SourceError::gone)?;
    let version = statement.query_row([], |row| row.get(0));
    version.map_err(SourceError::gone)
}
