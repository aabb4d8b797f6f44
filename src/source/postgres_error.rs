//! What PostgreSQL and its driver say, as our errors.

use std::error::Error as _;

use postgres::Error;
use postgres::error::{DbError, ErrorPosition};

use crate::source::bind::Bound;
use crate::source::error::{ErrorKind, SourceError};

/// An error of a query.
pub(in crate::source) fn of_query(e: &Error, bound: Option<&Bound>) -> SourceError {
    let Some(db) = e.as_db_error() else {
        if e.is_closed() || broke(e) {
            return SourceError::gone(reason(e));
        }
        return SourceError::new(ErrorKind::Sql, reason(e));
    };
    let mut error = of_server(db);
    if let Some(ErrorPosition::Original(at)) = db.position() {
        error.position = Some(bound.map_or(*at, |b| b.written_position(*at)));
    }
    error
}

/// An error of opening a connection.
pub(in crate::source) fn of_connect(e: &Error) -> SourceError {
    if let Some(db) = e.as_db_error() {
        let mut error = of_server(db);
        if db.code().code() == "28000" && db.message().contains("encryption") {
            error.kind = ErrorKind::Tls;
            error.hint = Some("the server wants another sslmode: see pg_hba.conf there".to_owned());
        }
        return error;
    }
    let text = e.to_string();
    let reason = reason(e);
    let (kind, hint) = if text.contains("TLS") || reason.contains("certificate") {
        (
            ErrorKind::Tls,
            "sslmode=require does not check the certificate; sslrootcert=FILE says whom to trust",
        )
    } else if reason.contains("password missing") || reason.contains("authentication") {
        (
            ErrorKind::Login,
            "give a password with --password-file or --password-stdin",
        )
    } else if reason.contains("lookup") || reason.contains("resolve") {
        (
            ErrorKind::Resolve,
            "check the host's name with `getent hosts NAME`",
        )
    } else {
        (
            ErrorKind::Connect,
            "check host and port, and that the server listens there",
        )
    };
    SourceError::new(kind, reason).hint(hint)
}

fn of_server(db: &DbError) -> SourceError {
    let code = db.code().code();
    let mut message = db.message().to_owned();
    if let Some(detail) = db.detail() {
        message.push_str(&format!(": {detail}"));
    }
    if code == "25006" {
        return SourceError::read_only(message).code(code);
    }
    let kind = match code {
        // statement_timeout and a request to cancel have one code, but not one text; the text may
        // be translated, so whoever cancelled says it better.
        "57014" if db.message().contains("timeout") => ErrorKind::Timeout,
        "57014" => ErrorKind::Cancelled,
        "57P01" | "57P02" | "57P03" | "57P05" => ErrorKind::Gone,
        "53300" => ErrorKind::Connect,
        "55P03" | "40P01" => ErrorKind::Locked,
        _ if code.starts_with("28") || code == "3D000" => ErrorKind::Login,
        _ if code.starts_with("08") => ErrorKind::Gone,
        _ => ErrorKind::Sql,
    };
    let hint = match code {
        "28P01" => Some("the password is wrong, or the user has none".to_owned()),
        "3D000" => Some("check the database's name behind the last / of the DSN".to_owned()),
        "28000" => {
            Some("the server lets this user in from nowhere here: see pg_hba.conf there".to_owned())
        }
        "53300" => Some(
            "the server has no connection left: lower --pool-max, or raise max_connections there"
                .to_owned(),
        ),
        "42501" => Some("the user has no right to this: GRANT it on the server".to_owned()),
        _ => db.hint().map(str::to_owned),
    };
    SourceError {
        kind,
        message,
        code: Some(code.to_owned()),
        position: None,
        hint,
    }
}

fn broke(e: &Error) -> bool {
    e.source()
        .is_some_and(|s| s.downcast_ref::<std::io::Error>().is_some())
}

/// The innermost reason, which says most.
fn reason(e: &Error) -> String {
    let mut text = e.to_string();
    let mut source = e.source();
    while let Some(inner) = source {
        let inner_text = inner.to_string();
        if !text.contains(&inner_text) {
            text = format!("{text}: {inner_text}");
        }
        source = inner.source();
    }
    text
}
