//! What can go wrong with a source, told apart so that people get the next step to take.

use std::fmt;

use serde::{Deserialize, Serialize};

/// The result of asking a source something.
pub type Result<T> = std::result::Result<T, SourceError>;

/// What kind of failure it was.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ErrorKind {
    /// The definition itself: a DSN or a password that cannot be read.
    Config,
    /// The name of the host, or the file, is not there.
    Resolve,
    /// Nobody answers there.
    Connect,
    /// The server lets nobody in: user, password, database, permission.
    Login,
    /// The connection cannot be encrypted as asked, or the certificate is not trusted.
    Tls,
    /// The server, or the engine, refuses the statement.
    Sql,
    /// Names in the statement and the parameters given do not match.
    Params,
    /// The time limit passed.
    Timeout,
    /// Somebody stopped it.
    Cancelled,
    /// It would have changed something in a source that is only read.
    ReadOnly,
    /// Another program holds a lock.
    Locked,
    /// No connection of the pool became free in time.
    Pool,
    /// The connection broke.
    Gone,
    /// A value or a result is larger than allowed.
    TooLarge,
    /// The command of an `exec` source failed, or printed what is no row.
    Exec,
}

impl ErrorKind {
    /// The word as it stands in JSON and columns.
    pub fn as_str(self) -> &'static str {
        match self {
            ErrorKind::Config => "config",
            ErrorKind::Resolve => "resolve",
            ErrorKind::Connect => "connect",
            ErrorKind::Login => "login",
            ErrorKind::Tls => "tls",
            ErrorKind::Sql => "sql",
            ErrorKind::Params => "params",
            ErrorKind::Timeout => "timeout",
            ErrorKind::Cancelled => "cancelled",
            ErrorKind::ReadOnly => "read_only",
            ErrorKind::Locked => "locked",
            ErrorKind::Pool => "pool",
            ErrorKind::Gone => "gone",
            ErrorKind::TooLarge => "too_large",
            ErrorKind::Exec => "exec",
        }
    }

    /// Whether the same may well work a moment later without anybody's doing.
    pub fn may_pass(self) -> bool {
        matches!(
            self,
            ErrorKind::Resolve
                | ErrorKind::Connect
                | ErrorKind::Timeout
                | ErrorKind::Locked
                | ErrorKind::Pool
                | ErrorKind::Gone
        )
    }
}

/// What went wrong, in the server's own words where it said something.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct SourceError {
    /// What kind of failure it was.
    pub kind: ErrorKind,
    /// What happened.
    pub message: String,
    /// The server's code: an SQLSTATE, a number of MySQL, an exit code.
    pub code: Option<String>,
    /// Where in the statement, counted in characters from 1, where the server says so.
    pub position: Option<u32>,
    /// What to do about it.
    pub hint: Option<String>,
}

impl SourceError {
    /// A failure of a kind, in words.
    pub fn new(kind: ErrorKind, message: impl Into<String>) -> SourceError {
        SourceError {
            kind,
            message: message.into(),
            code: None,
            position: None,
            hint: None,
        }
    }

    /// The same with what to do about it.
    pub fn hint(mut self, hint: impl Into<String>) -> SourceError {
        self.hint = Some(hint.into());
        self
    }

    /// The same with the server's code.
    pub fn code(mut self, code: impl Into<String>) -> SourceError {
        self.code = Some(code.into());
        self
    }

    /// A query that ran out of time.
    pub(in crate::source) fn timeout(ms: i64) -> SourceError {
        SourceError::new(
            ErrorKind::Timeout,
            format!("the query was stopped after its time limit of {ms} ms"),
        )
    }

    /// A connection that broke.
    pub(in crate::source) fn gone(why: impl fmt::Display) -> SourceError {
        SourceError::new(ErrorKind::Gone, format!("the connection broke: {why}"))
    }

    /// A statement that would change a source which is only read.
    pub(in crate::source) fn read_only(why: impl Into<String>) -> SourceError {
        SourceError::new(ErrorKind::ReadOnly, why)
            .hint("`crake source add NAME DSN --replace --writable` allows changes")
    }
}

impl fmt::Display for SourceError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)?;
        if let Some(position) = self.position {
            write!(f, " (at character {position})")?;
        }
        if let Some(code) = &self.code {
            write!(f, " [{code}]")?;
        }
        Ok(())
    }
}

impl std::error::Error for SourceError {}
