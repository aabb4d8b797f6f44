//! Files of SQLite, opened so that a query can neither change them unasked nor reach beyond them.

use std::os::unix::fs::MetadataExt;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use rusqlite::hooks::{AuthAction, AuthContext, Authorization};
use rusqlite::limits::Limit;
use rusqlite::types::{ToSqlOutput, Value, ValueRef};
use rusqlite::{ErrorCode, InterruptHandle, OpenFlags, ToSql};

use crate::model::Cell;
use crate::source::bind::{Bound, Marks, bind};
use crate::source::error::{ErrorKind, Result, SourceError};
use crate::source::query::{Answer, Canceller, Connection, Query, Taken};

/// How long another writer is waited for at most.
const BUSY_MS: i64 = 2_000;

/// The longest value, in bytes.
const LONGEST: i32 = 64 * 1024 * 1024;

/// How many steps SQLite takes before it looks whether it is to stop.
const STEPS: i32 = 10_000;

/// Pragmas that only tell something. Those that are told a name get one.
const PRAGMAS: [&str; 20] = [
    "application_id",
    "collation_list",
    "compile_options",
    "data_version",
    "database_list",
    "encoding",
    "foreign_key_list",
    "freelist_count",
    "function_list",
    "index_info",
    "index_list",
    "index_xinfo",
    "page_count",
    "page_size",
    "pragma_list",
    "schema_version",
    "table_info",
    "table_list",
    "table_xinfo",
    "user_version",
];

/// A connection to a file.
pub(in crate::source) struct SqliteConnection {
    conn: rusqlite::Connection,
    path: String,
    file: (u64, u64),
    writable: bool,
    stop: Arc<Stop>,
    /// Whether a statement of ours is being prepared, which nobody asks leave for.
    ours: Arc<AtomicBool>,
    gone: bool,
}

struct Stop {
    handle: InterruptHandle,
    asked: Arc<AtomicBool>,
}

impl Canceller for Stop {
    fn cancel(&self) {
        // The flag stops what begins in this moment, the interrupt what runs.
        self.asked.store(true, Ordering::SeqCst);
        self.handle.interrupt();
    }
}

/// The device and the number of the file; reading them opens nothing.
pub(in crate::source) fn file_of(path: &str) -> Result<(u64, u64)> {
    match std::fs::metadata(path) {
        Ok(found) => Ok((found.dev(), found.ino())),
        Err(e) if e.kind() == std::io::ErrorKind::NotFound => {
            let message = format!("there is no file {path}");
            Err(SourceError::new(ErrorKind::Resolve, message)
                .hint("a source of SQLite is made by whoever writes it; check the path"))
        }
        Err(e) => {
            let message = format!("cannot reach {path}: {e}");
            Err(SourceError::new(ErrorKind::Connect, message)
                .hint("the file and its directories must be open to the user the daemon runs as"))
        }
    }
}

impl SqliteConnection {
    /// Opens a file that is there.
    ///
    /// # Errors
    /// `resolve`: no such file; `connect`: it cannot be opened or is no database; `locked`.
    pub fn open(path: &str, writable: bool) -> Result<SqliteConnection> {
        let file = file_of(path)?;
        let mode = match writable {
            true => OpenFlags::SQLITE_OPEN_READ_WRITE,
            false => OpenFlags::SQLITE_OPEN_READ_ONLY,
        };
        let opened = rusqlite::Connection::open_with_flags(
            path,
            mode | OpenFlags::SQLITE_OPEN_NO_MUTEX | OpenFlags::SQLITE_OPEN_PRIVATE_CACHE,
        );
        let mut conn = opened.map_err(|e| of_open(&e, path))?;
        let asked = Arc::new(AtomicBool::new(false));
        let ours = Arc::new(AtomicBool::new(true));
        let (look, own) = (asked.clone(), ours.clone());
        let made = (|| {
            conn.busy_timeout(Duration::from_millis(BUSY_MS as u64))?;
            conn.set_limit(Limit::SQLITE_LIMIT_LENGTH, LONGEST)?;
            conn.set_limit(Limit::SQLITE_LIMIT_ATTACHED, 0)?;
            // The first statement that reads says whether the file is a database at all.
            conn.query_row("SELECT count(*) FROM sqlite_master", [], |_| Ok(()))?;
            if !writable {
                conn.pragma_update(None, "query_only", true)?;
            }
            conn.progress_handler(STEPS, Some(move || look.load(Ordering::SeqCst)))?;
            conn.authorizer(Some(move |context: AuthContext<'_>| {
                match own.load(Ordering::SeqCst) || allowed(&context.action, writable) {
                    true => Authorization::Allow,
                    false => Authorization::Deny,
                }
            }))
        })();
        made.map_err(|e| of_open(&e, path))?;
        ours.store(false, Ordering::SeqCst);
        let handle = conn.get_interrupt_handle();
        Ok(SqliteConnection {
            conn,
            path: path.to_owned(),
            file,
            writable,
            stop: Arc::new(Stop { handle, asked }),
            ours,
            gone: false,
        })
    }

    /// Whether the path still names the file that is open; one that was replaced would be read for
    /// ever as it was.
    fn look_at_file(&mut self) -> Result<()> {
        if file_of(&self.path).ok() == Some(self.file) {
            return Ok(());
        }
        self.gone = true;
        Err(SourceError::gone("the file was replaced or removed"))
    }

    fn ask(&self, query: &Query, bound: &Bound) -> Result<Answer> {
        let mut statement = self
            .conn
            .prepare(&bound.sql)
            .map_err(|e| of_query(&e, bound))?;
        if !query.write && !statement.readonly() {
            return Err(SourceError::read_only("this statement changes something"));
        }
        let columns = statement.column_names();
        let columns = columns.into_iter().map(str::to_owned).collect::<Vec<_>>();
        let width = columns.len();
        let mut taken = Taken::new(columns, query);
        let values: Vec<Param<'_>> = bound.values.iter().map(Param).collect();
        let params = rusqlite::params_from_iter(values);
        let mut rows = statement.query(params).map_err(|e| of_query(&e, bound))?;
        while let Some(row) = rows.next().map_err(|e| of_query(&e, bound))? {
            let cells = (0..width).map(|n| row.get_ref(n).map(cell_of));
            let cells: rusqlite::Result<Vec<Cell>> = cells.collect();
            if !taken.take(cells.map_err(|e| of_query(&e, bound))?) {
                break;
            }
        }
        drop(rows);
        let affected = match statement.readonly() {
            true => taken.rows.rows.len() as u64,
            false => self.conn.changes(),
        };
        Ok(Answer {
            rows: taken.rows,
            affected,
            connection: self.id(),
            ..Answer::default()
        })
    }

    fn own(&self, sql: &str) -> rusqlite::Result<()> {
        self.ours.store(true, Ordering::SeqCst);
        let done = self.conn.execute_batch(sql);
        self.ours.store(false, Ordering::SeqCst);
        done
    }
}

impl Connection for SqliteConnection {
    fn id(&self) -> String {
        format!("file {}", self.file.1)
    }

    fn query(&mut self, query: &Query) -> Result<Answer> {
        if query.write && !self.writable {
            return Err(SourceError::read_only("this source is only read"));
        }
        let bound = bind(&query.sql, &query.params, Marks::Question)?;
        self.look_at_file()?;
        self.stop.asked.store(false, Ordering::SeqCst);
        let patience = query.timeout_ms.clamp(1, BUSY_MS);
        let patience = Duration::from_millis(u64::try_from(patience).unwrap_or(1));
        let begun = self.conn.busy_timeout(patience).and_then(|()| {
            self.own(match query.write {
                true => "BEGIN IMMEDIATE",
                false => "BEGIN",
            })
        });
        begun.map_err(|e| of_query(&e, &bound))?;
        let mut answer = self.ask(query, &bound);
        if query.write && answer.as_ref().is_ok_and(|a| a.rows.truncated) {
            answer = Err(too_many(query));
        }
        let end = match answer.is_ok() {
            true => "COMMIT",
            false => "ROLLBACK",
        };
        if let Err(e) = self.own(end) {
            self.gone |= self.own("ROLLBACK").is_err() && !self.conn.is_autocommit();
            if answer.is_ok() {
                return Err(of_query(&e, &bound));
            }
        }
        answer
    }

    fn ping(&mut self) -> Result<()> {
        self.look_at_file()?;
        self.stop.asked.store(false, Ordering::SeqCst);
        let tried = self.conn.query_row("SELECT 1", [], |_| Ok(()));
        tried.map_err(SourceError::gone)
    }

    fn canceller(&self) -> Arc<dyn Canceller> {
        self.stop.clone()
    }

    fn is_gone(&self) -> bool {
        self.gone
    }
}

/// The rows of a statement that changes something did not fit, so it was taken back.
pub(in crate::source) fn too_many(query: &Query) -> SourceError {
    let message = format!(
        "the statement gives more than {} rows or {} bytes; nothing was changed",
        query.max_rows, query.max_bytes
    );
    SourceError::new(ErrorKind::TooLarge, message)
        .hint("let it take fewer rows at a time, for example with LIMIT in a subquery")
}

fn allowed(action: &AuthAction<'_>, writable: bool) -> bool {
    match action {
        AuthAction::Select | AuthAction::Read { .. } | AuthAction::Recursive => true,
        AuthAction::Function { function_name } => {
            let banned = ["load_extension", "fts3_tokenizer"];
            !banned.iter().any(|b| function_name.eq_ignore_ascii_case(b))
        }
        AuthAction::Pragma {
            pragma_name,
            pragma_value,
        } => {
            let named = [
                "table_info",
                "table_xinfo",
                "table_list",
                "foreign_key_list",
            ];
            let known = |list: &[&str]| list.iter().any(|p| pragma_name.eq_ignore_ascii_case(p));
            let takes_a_name = known(&named) || pragma_name.starts_with("index_");
            known(&PRAGMAS) && (pragma_value.is_none() || takes_a_name)
        }
        AuthAction::Insert { .. } | AuthAction::Update { .. } | AuthAction::Delete { .. } => {
            writable
        }
        _ => false,
    }
}

struct Param<'a>(&'a Cell);

impl ToSql for Param<'_> {
    fn to_sql(&self) -> rusqlite::Result<ToSqlOutput<'_>> {
        Ok(match self.0 {
            Cell::Null => ToSqlOutput::Owned(Value::Null),
            Cell::Bool(value) => ToSqlOutput::Owned(Value::Integer(i64::from(*value))),
            Cell::Int(value) => ToSqlOutput::Owned(Value::Integer(*value)),
            Cell::Real(value) => ToSqlOutput::Owned(Value::Real(*value)),
            Cell::Text(value) => ToSqlOutput::Borrowed(ValueRef::Text(value.as_bytes())),
            Cell::Bytes(value) => ToSqlOutput::Borrowed(ValueRef::Blob(value)),
        })
    }
}

fn cell_of(value: ValueRef<'_>) -> Cell {
    match value {
        ValueRef::Null => Cell::Null,
        ValueRef::Integer(value) => Cell::Int(value),
        ValueRef::Real(value) => Cell::Real(value),
        ValueRef::Text(bytes) => match std::str::from_utf8(bytes) {
            Ok(text) => Cell::Text(text.to_owned()),
            Err(_) => Cell::Bytes(bytes.to_vec()),
        },
        ValueRef::Blob(bytes) => Cell::Bytes(bytes.to_vec()),
    }
}

/// What SQLite said, without the statement, which it repeats.
fn said(e: &rusqlite::Error) -> String {
    match e {
        rusqlite::Error::SqliteFailure(_, Some(message)) => message.clone(),
        rusqlite::Error::SqlInputError { msg, .. } => msg.clone(),
        other => other.to_string(),
    }
}

fn of_open(e: &rusqlite::Error, path: &str) -> SourceError {
    let at = |kind, words: &str| SourceError::new(kind, format!("{path} {words}: {}", said(e)));
    match e.sqlite_error_code() {
        Some(ErrorCode::NotADatabase) => at(ErrorKind::Connect, "is no database of SQLite")
            .hint("check the path; an encrypted database cannot be read"),
        Some(ErrorCode::DatabaseBusy | ErrorCode::DatabaseLocked) => {
            at(ErrorKind::Locked, "is locked by another program")
                .hint("`fuser` on the file tells who holds it")
        }
        Some(ErrorCode::CannotOpen | ErrorCode::PermissionDenied | ErrorCode::ReadOnly) => {
            at(ErrorKind::Connect, "cannot be opened").hint(
                "the file must be readable, and its directory writable where it is in WAL mode, for the user the daemon runs as",
            )
        }
        _ => at(ErrorKind::Connect, "cannot be opened"),
    }
}

fn of_query(e: &rusqlite::Error, bound: &Bound) -> SourceError {
    let mut error = SourceError::new(ErrorKind::Sql, said(e));
    if let rusqlite::Error::SqlInputError { sql, offset, .. } = e
        && let Ok(offset) = usize::try_from(*offset)
        && let Some(before) = sql.get(..offset)
    {
        let at = u32::try_from(before.chars().count() + 1).unwrap_or(u32::MAX);
        error.position = Some(bound.written_position(at));
    }
    if let Some(failure) = e.sqlite_error() {
        error.code = Some(failure.extended_code.to_string());
    }
    error.kind = match e.sqlite_error_code() {
        Some(ErrorCode::OperationInterrupted) => ErrorKind::Cancelled,
        Some(ErrorCode::DatabaseBusy | ErrorCode::DatabaseLocked) => ErrorKind::Locked,
        Some(ErrorCode::TooBig) => ErrorKind::TooLarge,
        Some(ErrorCode::ReadOnly) => return SourceError::read_only(error.message),
        Some(ErrorCode::AuthorizationForStatementDenied) => return denied(&error.message),
        // The one refusal of our authorizer that SQLite reports as an error of the statement.
        _ if error.message.starts_with("not authorized") => return denied(&error.message),
        Some(ErrorCode::DatabaseCorrupt | ErrorCode::NotADatabase | ErrorCode::SystemIoFailure) => {
            ErrorKind::Gone
        }
        _ => ErrorKind::Sql,
    };
    error
}

fn denied(message: &str) -> SourceError {
    SourceError::new(ErrorKind::ReadOnly, format!("not allowed here: {message}")).hint(
        "a query reads; in a source added with --writable it may also INSERT, UPDATE and DELETE",
    )
}
