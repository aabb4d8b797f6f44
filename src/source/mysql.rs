//! Servers of MySQL and MariaDB.

use std::sync::Arc;
use std::time::Duration;

use mysql::prelude::Queryable;
use mysql::{Conn, DriverError, Error, Opts, OptsBuilder, Params, SslOpts};

use crate::model::{Address, Secret, SslMode};
use crate::source::bind::{Bound, Marks, bind, first_word};
use crate::source::error::{ErrorKind, Result, SourceError};
use crate::source::mysql_cells::{cell, value};
use crate::source::query::{Answer, Canceller, Connection, Query, Taken};
use crate::source::sqlite::too_many;
use crate::source::tls::trusted;

/// How long reaching the server may take.
const CONNECT: Duration = Duration::from_secs(5);

/// What a statement that reads begins with. The server's read-only transactions are not enough:
/// MariaDB ends them for DROP TABLE and carries that out.
const READING: [&str; 8] = [
    "SELECT", "WITH", "SHOW", "DESCRIBE", "DESC", "EXPLAIN", "VALUES", "TABLE",
];

/// What a statement that changes rows begins with; what changes tables commits before it is done.
const CHANGING: [&str; 5] = ["INSERT", "UPDATE", "DELETE", "REPLACE", "CALL"];

/// A connection to a server.
pub(in crate::source) struct MysqlConnection {
    conn: Conn,
    id: u32,
    maria: bool,
    writable: bool,
    stop: Arc<Stop>,
    gone: bool,
}

struct Stop {
    opts: Opts,
    id: u32,
}

impl Stop {
    fn kill(&self, what: &str) {
        // The server may be gone, and then nothing runs there either.
        if let Ok(mut conn) = Conn::new(self.opts.clone()) {
            let _ = conn.query_drop(format!("KILL {what} {}", self.id));
        }
    }
}

impl Canceller for Stop {
    fn cancel(&self) {
        self.kill("QUERY");
    }

    fn close(&self) {
        self.kill("CONNECTION");
    }
}

fn options(address: &Address, secret: Option<&Secret>, encrypt: bool) -> Opts {
    let by_socket = address.host.starts_with('/');
    let mut opts = OptsBuilder::new()
        .user(address.user.clone())
        .pass(secret.map(|s| s.expose().to_owned()))
        .db_name(address.database.clone())
        .tcp_port(address.port.unwrap_or(3306))
        .tcp_connect_timeout(Some(CONNECT))
        .tcp_keepalive_time_ms(Some(30_000))
        .tcp_user_timeout_ms(Some(30_000))
        .prefer_socket(false)
        .stmt_cache_size(8);
    opts = match by_socket {
        true => opts.socket(Some(address.host.clone())).prefer_socket(true),
        false => opts.ip_or_hostname(Some(address.host.clone())),
    };
    let mode = address.sslmode.unwrap_or(SslMode::Prefer);
    if encrypt && !by_socket && mode != SslMode::Disable {
        let checked = matches!(mode, SslMode::VerifyCa | SslMode::VerifyFull);
        let mut ssl = SslOpts::default()
            .with_danger_accept_invalid_certs(!checked)
            .with_danger_skip_domain_validation(mode != SslMode::VerifyFull);
        if checked && let Some(file) = trusted(address) {
            ssl = ssl.with_root_cert_path(Some(file));
        }
        opts = opts.ssl_opts(ssl);
    }
    opts.into()
}

impl MysqlConnection {
    /// Logs in.
    ///
    /// # Errors
    /// `resolve`, `connect`, `login`, `tls`.
    pub fn open(
        address: &Address,
        secret: Option<&Secret>,
        writable: bool,
    ) -> Result<MysqlConnection> {
        let mut opts = options(address, secret, true);
        let mut opened = Conn::new(opts.clone());
        let prefer = address.sslmode.unwrap_or(SslMode::Prefer) == SslMode::Prefer;
        if prefer
            && matches!(
                opened,
                Err(Error::DriverError(DriverError::TlsNotSupported))
            )
        {
            opts = options(address, secret, false);
            opened = Conn::new(opts.clone());
        }
        let mut conn = opened.map_err(of_connect)?;
        let fail = |e| of_query(e, None);
        let version: Option<String> = conn.query_first("SELECT VERSION()").map_err(fail)?;
        let maria = version.is_some_and(|v| v.contains("MariaDB"));
        if !writable {
            let only = "SET SESSION TRANSACTION READ ONLY";
            conn.query_drop(only).map_err(fail)?;
        }
        let id = conn.connection_id();
        Ok(MysqlConnection {
            conn,
            id,
            maria,
            writable,
            stop: Arc::new(Stop { opts, id }),
            gone: false,
        })
    }

    fn ask(&mut self, query: &Query, bound: &Bound) -> Result<Answer> {
        let limit = query.timeout_ms.max(1);
        // The server stops a read of more rows than are wanted, unless the query has a LIMIT.
        let most = query.max_rows.saturating_add(1);
        let limits = match self.maria {
            true => format!(
                "SET SESSION max_statement_time = {}.{:03}, SQL_SELECT_LIMIT = {most}",
                limit / 1_000,
                limit % 1_000
            ),
            false => format!("SET SESSION max_execution_time = {limit}, SQL_SELECT_LIMIT = {most}"),
        };
        let fail = |e| of_query(e, Some(bound));
        self.conn.query_drop(limits).map_err(fail)?;
        self.conn
            .query_drop(match query.write {
                true => "START TRANSACTION READ WRITE",
                false => "START TRANSACTION READ ONLY",
            })
            .map_err(fail)?;
        let params = match bound.values.is_empty() {
            true => Params::Empty,
            false => Params::Positional(bound.values.iter().map(value).collect()),
        };
        let statement = self.conn.prep(&bound.sql).map_err(fail)?;
        let wanted = usize::from(statement.num_params());
        if wanted != bound.values.len() {
            let message = format!(
                "the statement has {wanted} parameters, {} are known",
                bound.values.len()
            );
            return Err(SourceError::new(ErrorKind::Params, message)
                .hint("write parameters as :name, not as ?"));
        }
        let stop = self.stop.clone();
        let mut result = self.conn.exec_iter(&statement, params).map_err(fail)?;
        let columns = result.columns().as_ref().to_vec();
        let names = columns.iter().map(|c| c.name_str().into_owned());
        let mut taken = Taken::new(names.collect(), query);
        let mut affected = result.affected_rows();
        for row in result.by_ref() {
            let values = row.map_err(fail)?.unwrap();
            let cells = columns
                .iter()
                .zip(values)
                .map(|(c, v)| cell(c, v))
                .collect();
            if !taken.take(cells) {
                break;
            }
        }
        if taken.rows.truncated {
            // What has not come yet would all be read before the connection can be used again.
            stop.cancel();
        }
        drop(result);
        if query.write && taken.rows.truncated {
            return Err(too_many(query));
        }
        // A query that was stopped may have ended the statement, but not the transaction.
        self.conn.query_drop("COMMIT").map_err(fail)?;
        affected = affected.max(taken.rows.rows.len() as u64);
        Ok(Answer {
            rows: taken.rows,
            affected,
            connection: self.id.to_string(),
            ..Answer::default()
        })
    }
}

impl Connection for MysqlConnection {
    fn id(&self) -> String {
        self.id.to_string()
    }

    fn query(&mut self, query: &Query) -> Result<Answer> {
        if query.write && !self.writable {
            return Err(SourceError::read_only("this source is only read"));
        }
        let bound = bind(&query.sql, &query.params, Marks::Each)?;
        let word = first_word(&bound.sql).unwrap_or_default();
        let known = |list: &[&str]| list.contains(&word.as_str());
        let allowed = known(&READING) || (query.write && known(&CHANGING));
        if !allowed {
            let message = format!("a statement that begins with {word} is not allowed here");
            return Err(SourceError::new(ErrorKind::ReadOnly, message).hint(
                "a query reads; in a source added with --writable it may also INSERT, UPDATE, DELETE, REPLACE and CALL",
            ));
        }
        let mut answer = self.ask(query, &bound);
        if let Err(e) = &mut answer {
            self.gone |= e.kind == ErrorKind::Gone;
            if !self.gone && self.conn.query_drop("ROLLBACK").is_err() {
                self.gone = true;
            }
            if e.kind == ErrorKind::Timeout {
                let said = std::mem::replace(e, SourceError::timeout(query.timeout_ms));
                e.code = said.code;
            }
        }
        answer
    }

    fn ping(&mut self) -> Result<()> {
        self.conn.ping().map_err(|e| {
            self.gone = true;
            SourceError::gone(said(&e))
        })
    }

    fn canceller(&self) -> Arc<dyn Canceller> {
        self.stop.clone()
    }

    fn is_gone(&self) -> bool {
        self.gone
    }
}

fn said(e: &Error) -> String {
    match e {
        Error::MySqlError(e) => e.message.clone(),
        Error::IoError(e) => e.to_string(),
        Error::DriverError(e) => e.to_string(),
        other => other.to_string(),
    }
}

fn of_connect(e: Error) -> SourceError {
    let words = said(&e);
    let (kind, hint) = match &e {
        Error::MySqlError(server) => {
            let hint = match server.code {
                1044 => "the user has no right to this database: GRANT it on the server",
                1045 | 1698 => {
                    "the user or the password is wrong, or the user may not come from this host"
                }
                1049 => "check the database's name behind the last / of the DSN",
                1040 | 1203 => {
                    "the server has no connection left: lower --pool-max, or raise max_connections there"
                }
                1129 | 1130 => {
                    "the server lets nobody in from this host: GRANT it to user@host there"
                }
                3159 => "the server wants an encrypted connection: ?sslmode=require",
                _ => "the server says why",
            };
            let kind = match server.code {
                1040 | 1203 => ErrorKind::Connect,
                3159 => ErrorKind::Tls,
                _ => ErrorKind::Login,
            };
            let error = SourceError::new(kind, words).code(server.code.to_string());
            return error.hint(hint);
        }
        Error::TlsError(_) | Error::DriverError(DriverError::TlsNotSupported) => (
            ErrorKind::Tls,
            "sslmode=require does not check the certificate; sslrootcert=FILE says whom to trust",
        ),
        _ if words.contains("lookup") || words.contains("resolve") => (
            ErrorKind::Resolve,
            "check the host's name with `getent hosts NAME`",
        ),
        _ if words.contains("certificate") => (
            ErrorKind::Tls,
            "sslmode=require does not check the certificate; sslrootcert=FILE says whom to trust",
        ),
        _ => (
            ErrorKind::Connect,
            "check host and port, and that the server listens there",
        ),
    };
    SourceError::new(kind, words).hint(hint)
}

fn of_query(e: Error, bound: Option<&Bound>) -> SourceError {
    let Error::MySqlError(server) = &e else {
        return match e {
            Error::FromValueError(_) | Error::FromRowError(_) | Error::UrlError(_) => {
                SourceError::new(ErrorKind::Sql, said(&e))
            }
            e => SourceError::gone(said(&e)),
        };
    };
    let kind = match server.code {
        // KILL QUERY, and MariaDB's and MySQL's own time limits.
        1317 => ErrorKind::Cancelled,
        1969 | 3024 => ErrorKind::Timeout,
        1792 | 1290 => {
            let error = SourceError::read_only(server.message.clone());
            return error.code(server.code.to_string());
        }
        1205 | 1213 => ErrorKind::Locked,
        1053 | 1927 | 4031 => ErrorKind::Gone,
        _ => ErrorKind::Sql,
    };
    let mut error = SourceError::new(kind, server.message.clone()).code(server.code.to_string());
    error.position = bound.and_then(|bound| near(bound, &server.message));
    if matches!(server.code, 1142 | 1143) {
        error.hint = Some("the user has no right to this: GRANT it on the server".to_owned());
    }
    error
}

/// Where in the statement the text stands that the server could not read: it names no position, but
/// repeats the statement from there on.
fn near(bound: &Bound, message: &str) -> Option<u32> {
    let (_, rest) = message.split_once("near '")?;
    let (text, _) = rest.rsplit_once("' at line")?;
    let at = match text.is_empty() {
        true => bound.sql.len(),
        false if bound.sql.matches(text).count() == 1 || text.len() >= 79 => {
            bound.sql.find(text)?
        }
        false => bound.sql.rfind(text)?,
    };
    let at = u32::try_from(bound.sql[..at].chars().count()).ok()?;
    Some(bound.written_position(at + 1))
}
