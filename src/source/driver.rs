//! The one place that knows which driver a source needs.

use crate::model::{Dsn, Secret, Source};
use crate::source::error::{ErrorKind, Result, SourceError};
use crate::source::exec::ExecConnection;
use crate::source::mysql::MysqlConnection;
use crate::source::password::read_password;
use crate::source::pool::{Pool, Ticks};
use crate::source::postgres::PostgresConnection;
use crate::source::query::Connection;
use crate::source::sqlite::SqliteConnection;

/// Opens a connection to a source. `owner` is who is shown on servers that show it.
///
/// # Errors
/// `config`, `resolve`, `connect`, `login`, `tls`, `locked`.
pub fn open(source: &Source, secret: Option<&Secret>, owner: &str) -> Result<Box<dyn Connection>> {
    let target = source.target().map_err(|e| {
        let error = SourceError::new(ErrorKind::Config, e.message);
        error.hint(e.hint)
    })?;
    let writable = source.writable;
    Ok(match &target {
        Dsn::Sqlite(path) => Box::new(SqliteConnection::open(path, writable)?),
        Dsn::Postgres(address) => {
            Box::new(PostgresConnection::open(address, secret, writable, owner)?)
        }
        Dsn::Mysql(address) => Box::new(MysqlConnection::open(address, secret, writable)?),
        Dsn::Exec(line) => Box::new(ExecConnection::new(line, secret, writable)),
    })
}

/// The pool of a source. Files and variables with a password are read at each login, so that a
/// changed password needs no restart; a stored one is what the caller read from the store.
pub fn pool_of(source: &Source, stored: Option<Secret>, ticks: Ticks) -> Pool<Box<dyn Connection>> {
    let source = source.clone();
    let limits = source.limits;
    let login = move |owner: &str| {
        let secret = read_password(&source, stored.clone())?;
        open(&source, secret.as_ref(), owner)
    };
    Pool::new(limits, ticks, Box::new(login))
}
