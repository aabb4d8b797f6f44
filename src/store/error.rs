//! What can go wrong with the store.

use std::path::{Path, PathBuf};

use rusqlite::ErrorCode;

use crate::model::TroubleKind;

/// The result of asking the store something.
pub type Result<T> = std::result::Result<T, StoreError>;

/// What can go wrong with the store.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// The directory cannot be made or written.
    #[error("cannot use the directory {path}: {source}")]
    Directory {
        /// The directory.
        path: PathBuf,
        /// Why.
        source: std::io::Error,
    },
    /// The file cannot be opened.
    #[error("cannot open the store {path}: {source}")]
    Open {
        /// The file.
        path: PathBuf,
        /// Why.
        source: rusqlite::Error,
    },
    /// The file is no SQLite database.
    #[error("{} is not a database", .0.display())]
    NotADatabase(PathBuf),
    /// The file is another program's database.
    #[error("{} is the database of another program", .0.display())]
    Foreign(PathBuf),
    /// A newer program wrote the file.
    #[error("the store {} was written by a newer crake: it has version {found}, this program knows up to {known}", path.display())]
    Newer {
        /// The file.
        path: PathBuf,
        /// Its version.
        found: i64,
        /// Ours.
        known: i64,
    },
    /// The SQLite in this program can lose commits.
    #[error("SQLite {0} can lose commits; 3.51.3 or newer is needed")]
    OldSqlite(String),
    /// Somebody else is writing and did not finish in time.
    #[error("the store is locked by another program")]
    Busy,
    /// There is a job of that name.
    #[error("there is a job named \"{0}\" already")]
    NameTaken(String),
    /// There is no job of that name.
    #[error("no job named \"{0}\"")]
    NoSuchJob(String),
    /// Somebody else changed the definition meanwhile.
    #[error("\"{0}\" was changed by somebody else meanwhile")]
    ChangedMeanwhile(String),
    /// Runs of the job are queued or running, and what was asked has to wait for them.
    #[error("\"{0}\" has runs queued or running")]
    Alive(String),
    /// There is no queue of that name.
    #[error("no queue named \"{0}\"")]
    NoSuchQueue(String),
    /// There is a queue of that name.
    #[error("there is a queue named \"{0}\" already")]
    QueueTaken(String),
    /// Another queue has that rank.
    #[error("rank {0} is that of the queue \"{1}\"")]
    RankTaken(i64, String),
    /// A job goes into the queue, or a run waits or runs in it.
    #[error("the queue \"{0}\" is in use")]
    QueueInUse(String),
    /// Jobs would follow each other in a circle.
    #[error("the jobs would follow each other in a circle: {0}")]
    Circle(String),
    /// There is no calendar of that name.
    #[error("no calendar named \"{0}\"")]
    NoSuchCalendar(String),
    /// A schedule goes by the calendar.
    #[error("the calendar \"{0}\" is in use by \"{1}\"")]
    CalendarInUse(String, String),
    /// The file that was opened is no longer the one at its path: what is written would be lost.
    #[error("the store {} was moved or replaced while it was in use", .0.display())]
    Moved(PathBuf, TroubleKind),
    /// There is no file where one was before.
    #[error("the store {} is gone", .0.display())]
    Gone(PathBuf),
    /// What is in the file is no longer what was written.
    #[error("the store {} is damaged", .0.display())]
    Damaged(PathBuf),
    /// There is a source of that name.
    #[error("there is a source named \"{0}\" already")]
    SourceTaken(String),
    /// There is no source of that name.
    #[error("no source named \"{0}\"")]
    NoSuchSource(String),
    /// Watches ask the source; their names, in words.
    #[error("the source \"{0}\" is in use by {1}")]
    SourceInUse(String, String),
    /// There is a watch of that name.
    #[error("there is a watch named \"{0}\" already")]
    WatchTaken(String),
    /// There is no watch of that name.
    #[error("no watch named \"{0}\"")]
    NoSuchWatch(String),
    /// There is a receiver of that name.
    #[error("there is a receiver named \"{0}\" already")]
    ReceiverTaken(String),
    /// There is no receiver of that name.
    #[error("no receiver named \"{0}\"")]
    NoSuchReceiver(String),
    /// A value in the file that no program of ours writes.
    #[error("the store holds what cannot be read: {0}")]
    Unreadable(String),
    /// Anything else SQLite says.
    #[error("the store says: {0}")]
    Sqlite(rusqlite::Error),
}

impl From<rusqlite::Error> for StoreError {
    fn from(error: rusqlite::Error) -> StoreError {
        if StoreError::from_busy(&error) {
            StoreError::Busy
        } else {
            StoreError::Sqlite(error)
        }
    }
}

impl StoreError {
    pub(in crate::store) fn of_open(source: rusqlite::Error, path: &Path) -> StoreError {
        StoreError::Open {
            path: path.to_path_buf(),
            source,
        }
    }

    /// Puts the file's name to what SQLite says without it.
    pub(in crate::store) fn at(self, path: &Path) -> StoreError {
        match self {
            StoreError::Sqlite(e) => match e.sqlite_error_code() {
                Some(ErrorCode::NotADatabase) => StoreError::NotADatabase(path.to_path_buf()),
                Some(ErrorCode::CannotOpen | ErrorCode::ReadOnly | ErrorCode::PermissionDenied) => {
                    StoreError::of_open(e, path)
                }
                Some(ErrorCode::DatabaseCorrupt) => StoreError::Damaged(path.to_path_buf()),
                _ => StoreError::Sqlite(e),
            },
            other => other,
        }
    }

    /// Whether the disk failed, for want of room or otherwise.
    pub fn is_of_the_disk(&self) -> bool {
        let StoreError::Sqlite(error) = self else {
            return false;
        };
        matches!(
            error.sqlite_error_code(),
            Some(ErrorCode::DiskFull | ErrorCode::SystemIoFailure)
        )
    }

    /// Whether SQLite says that somebody else is at work.
    pub(in crate::store) fn from_busy(error: &rusqlite::Error) -> bool {
        let code = error.sqlite_error_code();
        matches!(
            code,
            Some(ErrorCode::DatabaseBusy | ErrorCode::DatabaseLocked)
        )
    }

    /// Whether it is about one row that holds what no program of ours writes.
    pub fn is_unreadable(&self) -> bool {
        use rusqlite::Error::{
            FromSqlConversionFailure, IntegralValueOutOfRange, InvalidColumnType,
        };
        match self {
            StoreError::Unreadable(_) => true,
            StoreError::Sqlite(e) => matches!(
                e,
                FromSqlConversionFailure(..) | IntegralValueOutOfRange(..) | InvalidColumnType(..)
            ),
            _ => false,
        }
    }

    /// What kind of trouble it says the store is in.
    pub fn trouble(&self) -> TroubleKind {
        match self {
            StoreError::Busy => TroubleKind::Locked,
            StoreError::Newer { .. } => TroubleKind::Newer,
            StoreError::NotADatabase(_) | StoreError::Damaged(_) => TroubleKind::Damaged,
            StoreError::Foreign(_) => TroubleKind::Replaced,
            StoreError::Gone(_) => TroubleKind::Deleted,
            StoreError::Moved(_, kind) => *kind,
            StoreError::Directory { .. } => TroubleKind::Denied,
            StoreError::Sqlite(source) | StoreError::Open { source, .. } => of_sqlite(source),
            _ => TroubleKind::Other,
        }
    }

    /// Whether it is about what was to be written, so that trying again cannot help.
    pub fn is_refusal(&self) -> bool {
        let StoreError::Sqlite(error) = self else {
            return matches!(self, StoreError::Unreadable(_));
        };
        self.is_unreadable()
            || matches!(
                error.sqlite_error_code(),
                Some(
                    ErrorCode::ConstraintViolation
                        | ErrorCode::TypeMismatch
                        | ErrorCode::TooBig
                        | ErrorCode::ParameterOutOfRange
                )
            )
    }

    /// Whether it may pass by itself.
    pub fn is_busy(&self) -> bool {
        matches!(self, StoreError::Busy)
    }
}

/// Extended codes that say the file is not what was written: SQLITE_IOERR_SHORT_READ,
/// SQLITE_IOERR_CORRUPTFS and SQLITE_IOERR_DATA; and that it was moved: SQLITE_READONLY_DBMOVED.
const NOT_AS_WRITTEN: [i32; 3] = [522, 8458, 8202];
const MOVED: i32 = 1032;

fn of_sqlite(error: &rusqlite::Error) -> TroubleKind {
    let extended = error.sqlite_error().map(|e| e.extended_code);
    if extended.is_some_and(|code| NOT_AS_WRITTEN.contains(&code)) {
        return TroubleKind::Damaged;
    }
    if extended == Some(MOVED) {
        return TroubleKind::Replaced;
    }
    match error.sqlite_error_code() {
        Some(ErrorCode::DatabaseBusy | ErrorCode::DatabaseLocked) => TroubleKind::Locked,
        Some(ErrorCode::DiskFull) => TroubleKind::Full,
        Some(ErrorCode::ReadOnly) => TroubleKind::ReadOnly,
        Some(ErrorCode::DatabaseCorrupt | ErrorCode::NotADatabase) => TroubleKind::Damaged,
        Some(ErrorCode::CannotOpen | ErrorCode::PermissionDenied) => TroubleKind::Denied,
        Some(ErrorCode::SystemIoFailure) => TroubleKind::Io,
        _ => TroubleKind::Other,
    }
}

/// Reads a word column.
pub(in crate::store) fn word<T>(row: &rusqlite::Row<'_>, column: &str) -> rusqlite::Result<T>
where
    T: std::str::FromStr,
    T::Err: std::error::Error + Send + Sync + 'static,
{
    let text: String = row.get(column)?;
    text.parse().map_err(|e: T::Err| unreadable(Box::new(e)))
}

/// Reads a word column that may be NULL.
pub(in crate::store) fn maybe_word<T>(
    row: &rusqlite::Row<'_>,
    column: &str,
) -> rusqlite::Result<Option<T>>
where
    T: std::str::FromStr,
    T::Err: std::error::Error + Send + Sync + 'static,
{
    match row.get::<_, Option<String>>(column)? {
        None => Ok(None),
        Some(text) => text
            .parse()
            .map(Some)
            .map_err(|e: T::Err| unreadable(Box::new(e))),
    }
}

/// Reads a JSON column.
pub(in crate::store) fn json<T: serde::de::DeserializeOwned>(
    row: &rusqlite::Row<'_>,
    column: &str,
) -> rusqlite::Result<T> {
    let text: String = row.get(column)?;
    serde_json::from_str(&text).map_err(|e| unreadable(Box::new(e)))
}

fn unreadable(e: Box<dyn std::error::Error + Send + Sync>) -> rusqlite::Error {
    rusqlite::Error::FromSqlConversionFailure(0, rusqlite::types::Type::Text, e)
}
