//! A source: another database, or a command that answers like one, and how it is reached.

use std::path::PathBuf;

use serde::{Deserialize, Serialize};

use crate::model::dsn::{Dsn, DsnError};
use crate::model::words::words;
use crate::schedule::UnixMs;

words! {
    /// What speaks at the other end of a source.
    SourceEngine, "engine" {
        /// A file of SQLite.
        Sqlite => "sqlite",
        /// A server of PostgreSQL.
        Postgres => "postgres",
        /// A server of MySQL or MariaDB.
        Mysql => "mysql",
        /// A command that prints rows as JSON lines.
        Exec => "exec",
    }
}

/// Where the password of a source comes from.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum PasswordFrom {
    /// There is none.
    #[default]
    Nowhere,
    /// It is in the store, in a column that no listing reads.
    Stored,
    /// The first line of a file, read at every login.
    File(PathBuf),
    /// An environment variable of the process that logs in.
    Env(String),
}

impl PasswordFrom {
    /// One word for it: `none`, `stored`, `file`, `env`.
    pub fn as_str(&self) -> &'static str {
        match self {
            PasswordFrom::Nowhere => "none",
            PasswordFrom::Stored => "stored",
            PasswordFrom::File(_) => "file",
            PasswordFrom::Env(_) => "env",
        }
    }

    /// The file or the variable.
    pub fn place(&self) -> Option<String> {
        match self {
            PasswordFrom::File(path) => Some(path.display().to_string()),
            PasswordFrom::Env(name) => Some(name.clone()),
            PasswordFrom::Nowhere | PasswordFrom::Stored => None,
        }
    }
}

/// How many connections there may be to a source, and for how long. Times are milliseconds.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct PoolLimits {
    /// The most connections at a time.
    pub max: u32,
    /// How long to wait for a free connection.
    pub acquire_ms: i64,
    /// How long a connection that nobody uses is kept.
    pub idle_ms: i64,
    /// How long a connection is kept at all; each gets up to a tenth more or less, so that those
    /// opened together are not closed together.
    pub lifetime_ms: i64,
    /// After how long without use a connection is tried before it is used again.
    pub ping_idle_ms: i64,
}

impl Default for PoolLimits {
    fn default() -> PoolLimits {
        PoolLimits {
            max: 4,
            acquire_ms: 5_000,
            idle_ms: 60_000,
            lifetime_ms: 1_800_000,
            ping_idle_ms: 30_000,
        }
    }
}

/// A source as it is defined. The password is no part of it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Source {
    /// Its name.
    pub name: String,
    /// What speaks at the other end.
    pub engine: SourceEngine,
    /// Where it is, in the form `Dsn` writes it: never with a password inside.
    pub dsn: String,
    /// Where the password comes from.
    pub password: PasswordFrom,
    /// Whether queries may change what is there.
    pub writable: bool,
    /// How many connections there may be.
    pub limits: PoolLimits,
    /// Grows by one with every change.
    pub version: i64,
    /// When it was made.
    pub created_at: UnixMs,
    /// When it was changed last.
    pub changed_at: UnixMs,
}

impl Source {
    /// Where the source is, taken apart.
    ///
    /// # Errors
    /// A text that [`Dsn::parse`] refuses; the store holds none that our commands wrote.
    pub fn target(&self) -> Result<Dsn, DsnError> {
        Ok(Dsn::parse(&self.dsn)?.0)
    }

    /// Where the source is, to be shown: `postgres://user:***@host/db` where a password belongs to
    /// it. Passwords are never in the text; should one have got there through another program, it
    /// is masked all the same.
    pub fn redacted(&self) -> String {
        let mask = self.password != PasswordFrom::Nowhere;
        match Dsn::parse(&self.dsn) {
            Ok((dsn, inside)) => dsn.shown(mask || inside.is_some()),
            Err(_) => "***".to_owned(),
        }
    }
}
