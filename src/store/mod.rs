//! All SQL on our own database: definitions, queue, runs and the ledger of fires.
//!
//! Named queries and short transactions live here; decisions do not, and neither does the time:
//! whoever calls says what time it is. The file is SQLite in WAL mode with `synchronous=FULL`;
//! anybody may read it with any SQLite client, and insert into `run`.

mod acks;
mod alerts;
mod apply;
mod audit;
mod changes;
mod counts;
mod crontabs;
mod drain;
mod error;
mod events;
mod file;
mod fires;
mod follow;
mod gauges;
mod glance;
mod health;
mod held;
mod history;
mod job_lines;
mod jobs;
mod latest;
mod ledger;
mod mails;
mod outputs;
mod own;
mod poll_end;
mod poll_log;
mod poll_prune;
mod polls;
mod prune;
mod queue;
mod queues;
mod rebuild;
mod receivers;
mod renew;
mod rewind;
mod runs;
mod schedules;
mod schema;
mod seen;
mod sessions;
mod share;
mod sources;
mod tidings;
mod tidying;
mod touched;
mod usual;
mod versions;
mod waiting;
mod watch_resets;
mod watches;

use std::cell::RefCell;
use std::collections::HashMap;
use std::os::unix::fs::{DirBuilderExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::time::Duration;

use rusqlite::{Connection, OpenFlags, Transaction, TransactionBehavior};

pub use acks::Ack;
pub use alerts::{AlertFilter, AlertRow, Tried, Undelivered};
pub use apply::Apply;
pub use audit::Duplicate;
pub use counts::{Counts, Skips};
pub use crontabs::{CrontabRow, CrontabVersion, Intent, JobWrite};
pub use drain::Drain;
pub use error::{Result, StoreError};
pub use events::EventRow;
pub use file::Whereabouts;
pub use fires::{FireFilter, FireRow, MissedGroup, Totals};
pub use follow::FollowRow;
pub use gauges::NewGauge;
pub use glance::CellCount;
pub use held::Owed;
pub use history::HistoryRow;
pub use job_lines::JobGlance;
pub use jobs::{Definition, JobRow};
pub use latest::LastEnd;
pub use mails::MailRow;
pub use outputs::StoredOutput;
pub use poll_end::{Finished, Key, LastAsked, NewDelivery, PollEnd, Remembered};
pub use poll_log::{GaugeRow, PollFilter, PollRow};
pub use polls::{NewPoll, Question};
pub use prune::{KeptOutput, Prunable};
pub use queue::{Cancelled, LiveRow};
pub use queues::{QueueChange, QueueRow};
pub use rebuild::Remaking;
pub use renew::CaughtUp;
pub use rewind::Rewound;
pub use runs::{AttemptRow, Request, RunFilter, RunRow};
pub use schedules::Armed;
pub use schema::VERSION;
pub use seen::{Forget, Known, Sighting};
pub use sessions::Session;
pub use share::{OwnRuns, Part};
pub use tidings::{NewAlert, Tiding, ToldRow};
pub use touched::{Cell, Image};
pub use usual::Usual;
pub use versions::{CalendarRow, NewSchedule};
pub use waiting::{Found, Wanted};
pub use watch_resets::Reset;
pub use watches::WatchRow;

/// How long a command waits for another writer before it says that the store is busy.
const BUSY: Duration = Duration::from_secs(10);

/// SQLite before 3.51.3 can lose commits when the WAL is reset (a race fixed in that release).
const SQLITE_NEEDED: i32 = 3_051_003;

/// An open store.
pub struct Store {
    pub(in crate::store) conn: Connection,
    path: Option<PathBuf>,
    /// The file that was opened, by device and inode.
    file: Option<(u64, u64)>,
    /// Up to which mark of touched rows the journal has everything.
    pub(in crate::store) journaled: i64,
    /// The key of each table that was asked for.
    pub(in crate::store) keys: RefCell<HashMap<String, Vec<String>>>,
}

impl Store {
    /// Opens the store for writing; makes the file, and its directory with mode 0700, where they
    /// are missing.
    ///
    /// # Errors
    /// A directory that cannot be made or written, a file that is no database, one of a newer
    /// version or of another program.
    pub fn open(path: &Path) -> Result<Store> {
        if let Some(dir) = path.parent().filter(|d| !d.as_os_str().is_empty()) {
            make_private(dir)?;
        }
        file::not_gone(path)?;
        make_private_file(path);
        let flags = OpenFlags::SQLITE_OPEN_READ_WRITE
            | OpenFlags::SQLITE_OPEN_CREATE
            | OpenFlags::SQLITE_OPEN_NO_MUTEX;
        let conn =
            Connection::open_with_flags(path, flags).map_err(|e| StoreError::of_open(e, path))?;
        Store::ready(conn, Some(path)).map_err(|e| e.at(path))
    }

    /// Opens the store for reading. Where there is none yet, gives an empty one in memory, so that
    /// a command that only looks has something to look at and makes nothing.
    ///
    /// # Errors
    /// As [`Store::open`], but for the directory.
    pub fn open_to_read(path: &Path) -> Result<Store> {
        Store::open_to_read_within(path, BUSY)
    }

    /// Opens the store for reading, and waits no longer than this for others.
    ///
    /// # Errors
    /// As [`Store::open_to_read`].
    pub fn open_to_read_within(path: &Path, patience: Duration) -> Result<Store> {
        match path.try_exists() {
            Ok(true) => {}
            // Another user's: whether there is a store in it nobody else can see.
            Err(source) if source.kind() == std::io::ErrorKind::PermissionDenied => {
                let path = path.parent().unwrap_or(path).to_path_buf();
                return Err(StoreError::Directory { path, source });
            }
            Ok(false) | Err(_) => {
                file::not_gone(path)?;
                return Store::in_memory();
            }
        }
        let flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX;
        let conn =
            Connection::open_with_flags(path, flags).map_err(|e| StoreError::of_open(e, path))?;
        conn.busy_timeout(patience)?;
        let found = schema::version(&conn).map_err(|e| e.at(path))?;
        if found == 0 && schema::is_fresh(&conn, Some(path)).map_err(|e| e.at(path))? {
            return Store::in_memory();
        }
        if found != VERSION {
            return Store::ready(conn, Some(path)).map_err(|e| e.at(path));
        }
        Ok(Store::over(conn, Some(path)))
    }

    /// Reads in one transaction: all that is read is of one moment, and costs one lock.
    ///
    /// # Errors
    /// Those of what is done in it.
    pub fn at_one_moment<R>(&self, look: impl FnOnce() -> Result<R>) -> Result<R> {
        let moment = self.conn.unchecked_transaction()?;
        let seen = look();
        drop(moment);
        seen
    }

    /// A store that lives as long as the value.
    ///
    /// # Errors
    /// None that is expected.
    pub fn in_memory() -> Result<Store> {
        Store::ready(Connection::open_in_memory()?, None)
    }

    fn ready(mut conn: Connection, path: Option<&Path>) -> Result<Store> {
        if rusqlite::version_number() < SQLITE_NEEDED {
            return Err(StoreError::OldSqlite(rusqlite::version().to_owned()));
        }
        conn.busy_timeout(BUSY)?;
        // The first statement that reads the file says whether it is a database at all.
        schema::is_fresh(&conn, path)?;
        if path.is_some() {
            schema::write_ahead(&conn)?;
        }
        conn.pragma_update(None, "synchronous", "FULL")?;
        schema::migrate(&mut conn, path)?;
        Ok(Store::over(conn, path))
    }

    fn over(conn: Connection, path: Option<&Path>) -> Store {
        Store {
            conn,
            path: path.map(Path::to_path_buf),
            file: path.and_then(file::id),
            journaled: 0,
            keys: RefCell::default(),
        }
    }

    /// The file, unless the store is in memory.
    pub fn path(&self) -> Option<&Path> {
        self.path.as_deref()
    }

    /// How long to wait for another writer.
    ///
    /// # Errors
    /// None that is expected.
    pub fn set_patience(&self, patience: Duration) -> Result<()> {
        Ok(self.conn.busy_timeout(patience)?)
    }

    /// A number that changes when another connection has committed.
    ///
    /// # Errors
    /// Those of reading the file.
    pub fn data_version(&self) -> Result<i64> {
        let mut statement = self.conn.prepare_cached("PRAGMA data_version")?;
        Ok(statement.query_row([], |row| row.get(0))?)
    }

    /// Runs `f` in one write transaction: all of it is committed or nothing.
    ///
    /// # Errors
    /// Those of `f`, and of beginning and committing.
    pub fn write<T>(&mut self, f: impl FnOnce(&Transaction<'_>) -> Result<T>) -> Result<T> {
        let tx = self
            .conn
            .transaction_with_behavior(TransactionBehavior::Immediate)?;
        let value = f(&tx)?;
        // A file that was moved away takes writes without a word, and nobody would ever read them.
        file::still_there(self.path.as_deref(), self.file)?;
        tx.commit()?;
        Ok(value)
    }
}

/// Makes the file of a new store, empty and for its owner alone; SQLite gives the files beside it the
/// same mode. Never opens one that is there: closing it would take SQLite's locks away. What goes
/// wrong SQLite will meet as well, and tell.
fn make_private_file(path: &Path) {
    use std::os::unix::fs::OpenOptionsExt;
    let mut options = std::fs::File::options();
    let _ = options.write(true).create_new(true).mode(0o600).open(path);
}

/// Makes a directory that only its owner may enter; leaves an existing one as it is.
fn make_private(dir: &Path) -> Result<()> {
    if dir.is_dir() {
        return Ok(());
    }
    std::fs::DirBuilder::new()
        .recursive(true)
        .mode(0o700)
        .create(dir)
        .and_then(|()| std::fs::set_permissions(dir, std::fs::Permissions::from_mode(0o700)))
        .map_err(|source| StoreError::Directory {
            path: dir.to_path_buf(),
            source,
        })
}
