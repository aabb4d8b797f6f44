//! Encrypted connections, to a server whose certificate nobody but us has signed.

use crake::model::{Cell, Secret};
use crake::source::{Answer, ErrorKind, Query, Result, open};

use crate::support::servers::{Kind, PASSWORD, Server, shared, source};

fn encrypted(server: &Server, host: &str, options: &str, sql: &str) -> Result<Answer> {
    let dsn = server.dsn(options);
    let dsn = dsn
        .replace("@localhost:", "@HOST:")
        .replace("@127.0.0.1:", "@HOST:");
    let source = source(&dsn.replace("@HOST:", &format!("@{host}:")), false);
    let mut conn = open(&source, Some(&Secret::new(PASSWORD)), "test")?;
    conn.query(&Query::new(sql, "test"))
}

fn check(kind: Kind, sql: &str, yes: &Cell, no: &Cell) {
    let Some(server) = shared(kind) else { return };
    let ca = server.dir().join("ca.pem").display().to_string();
    let with_ca = |mode: &str| format!("sslmode={mode}&sslrootcert={ca}");
    for (host, options, wanted) in [
        ("localhost", "sslmode=disable".to_owned(), no),
        ("localhost", "sslmode=prefer".to_owned(), yes),
        ("localhost", "sslmode=require".to_owned(), yes),
        ("localhost", with_ca("verify-full"), yes),
        ("127.0.0.1", with_ca("verify-ca"), yes),
    ] {
        let answer = encrypted(server, host, &options, sql);
        let rows = answer
            .unwrap_or_else(|e| panic!("{options}: {e}"))
            .rows
            .rows;
        assert_eq!(rows[0].last(), Some(wanted), "{host} {options}");
    }
    for (host, options) in [
        ("localhost", "sslmode=verify-full".to_owned()),
        ("localhost", "sslmode=verify-ca".to_owned()),
        ("127.0.0.1", with_ca("verify-full")),
    ] {
        let error = encrypted(server, host, &options, sql).expect_err(&options);
        assert_eq!(error.kind, ErrorKind::Tls, "{host} {options}: {error}");
        assert!(error.message.contains("certificate"), "{error}");
        assert!(error.hint.is_some());
    }
}

#[test]
fn source_tls_of_postgres_is_as_strict_as_asked() {
    let sql = "SELECT ssl FROM pg_stat_ssl WHERE pid = pg_backend_pid()";
    check(Kind::Postgres, sql, &Cell::Bool(true), &Cell::Bool(false));
}

#[test]
fn source_tls_of_mysql_is_as_strict_as_asked() {
    let sql = "SELECT VARIABLE_VALUE <> '' FROM information_schema.SESSION_STATUS
        WHERE VARIABLE_NAME = 'SSL_CIPHER'";
    check(Kind::Maria, sql, &Cell::Int(1), &Cell::Int(0));
}
