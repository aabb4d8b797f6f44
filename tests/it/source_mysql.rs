//! MariaDB as a source: values of every type, parameters, errors.

use crake::model::{Cell, Secret};
use crake::source::{Answer, ErrorKind, Query, Result, open};

use crate::support::servers::{Kind, PASSWORD, Server, fresh, shared, source};

fn ask(server: &Server, query: &Query) -> Result<Answer> {
    server.open("test").expect("a connection").query(query)
}

fn one(server: &Server, sql: &str) -> Vec<Cell> {
    let answer = ask(server, &Query::new(sql, "test"));
    answer
        .unwrap_or_else(|e| panic!("{sql}: {e}"))
        .rows
        .rows
        .concat()
}

fn text(text: &str) -> Cell {
    Cell::Text(text.to_owned())
}

/// A type, a value of it, and how it comes out.
fn of_every_type() -> Vec<(&'static str, &'static str, Cell)> {
    let mut all = numbers();
    all.extend(TEXTS.map(|(ty, value, wanted)| (ty, value, text(wanted))));
    all
}

fn numbers() -> Vec<(&'static str, &'static str, Cell)> {
    vec![
        ("INT", "NULL", Cell::Null),
        ("TINYINT", "-128", Cell::Int(-128)),
        ("BOOL", "TRUE", Cell::Int(1)),
        ("INT UNSIGNED", "4294967295", Cell::Int(4_294_967_295)),
        ("BIGINT", "-9223372036854775808", Cell::Int(i64::MIN)),
        ("BIGINT UNSIGNED", "7", Cell::Int(7)),
        ("FLOAT", "1.1", Cell::Real(1.1)),
        ("DOUBLE", "0.1", Cell::Real(0.1)),
        ("BLOB", "x'00ff'", Cell::Bytes(vec![0, 255])),
        ("VARBINARY(9)", "'x'", Cell::Bytes(vec![b'x'])),
        ("BINARY(2)", "'x'", Cell::Bytes(vec![b'x', 0])),
        ("BIT(10)", "b'1000000001'", Cell::Int(513)),
        ("YEAR", "2026", Cell::Int(2026)),
    ]
}

const TEXTS: [(&str, &str, &str); 18] = [
    (
        "BIGINT UNSIGNED",
        "18446744073709551615",
        "18446744073709551615",
    ),
    (
        "DECIMAL(30,4)",
        "12345678901234567890.1200",
        "12345678901234567890.1200",
    ),
    ("VARCHAR(9)", "'ä'", "ä"),
    ("CHAR(9)", "'x'", "x"),
    ("TEXT", "'ä'", "ä"),
    ("VARCHAR(9) CHARACTER SET latin1", "'ä'", "ä"),
    ("BIT(64)", "x'ffffffffffffffff'", "18446744073709551615"),
    ("DATE", "'2026-01-02'", "2026-01-02"),
    ("DATETIME", "'2026-01-02 03:04:05'", "2026-01-02T03:04:05"),
    (
        "DATETIME(6)",
        "'2026-01-02 03:04:05.000006'",
        "2026-01-02T03:04:05.000006",
    ),
    (
        "TIMESTAMP NULL",
        "'2026-01-02 03:04:05'",
        "2026-01-02T03:04:05",
    ),
    ("TIME", "'-838:59:59'", "-838:59:59"),
    ("TIME(3)", "'01:02:03.5'", "01:02:03.5"),
    ("ENUM('a','b')", "'b'", "b"),
    ("SET('a','b')", "'a,b'", "a,b"),
    ("JSON", "'{\"a\": 1}'", "{\"a\": 1}"),
    (
        "UUID",
        "'a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11'",
        "a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11",
    ),
    ("INET6", "'::1'", "::1"),
];

#[test]
fn source_mysql_values_come_out_exactly() {
    let Some(server) = shared(Kind::Maria) else {
        return;
    };
    for (ty, value, wanted) in of_every_type() {
        let table = fresh("v");
        server.make(&format!("CREATE TABLE {table}(v {ty})"));
        server.put(&format!("INSERT INTO {table} VALUES({value})"));
        let found = one(server, &format!("SELECT v FROM {table}"));
        assert_eq!(found, [wanted], "{ty} {value}");
    }
    let zero = one(
        server,
        "SELECT CONCAT('n', 1), COUNT(*), SUM(2), VERSION() LIKE '%Maria%'",
    );
    assert_eq!(zero, [text("n1"), Cell::Int(1), text("2"), Cell::Int(1)]);
}

#[test]
fn source_mysql_parameters_are_bound() {
    let Some(server) = shared(Kind::Maria) else {
        return;
    };
    let table = fresh("evil");
    server.make(&format!(
        "CREATE TABLE {table}(id INT, v TEXT, b BLOB, at DATETIME(6))"
    ));
    let evil = "'; DROP TABLE t;-- \\' ".replace('t', &table);
    let mut query = Query::new(
        format!("INSERT INTO {table} VALUES(:id, :v, :b, :at), (:id + 1, NULL, :b, :at)"),
        "test",
    );
    query.write = true;
    query = query
        .param("id", Cell::Int(1))
        .param("v", text(&evil))
        .param("b", Cell::Bytes(vec![0, 255]))
        .param("at", text("2026-01-02T03:04:05.000006"));
    assert_eq!(ask(server, &query).expect("two rows").affected, 2);
    let query = Query::new(
        format!("SELECT * FROM {table} WHERE v = :v OR id > :id"),
        "test",
    );
    let query = query.param("v", text(&evil)).param("id", Cell::Real(1.5));
    let rows = ask(server, &query).expect("rows").rows.rows;
    assert_eq!(rows.len(), 2);
    let at = text("2026-01-02T03:04:05.000006");
    assert_eq!(
        rows[0],
        [Cell::Int(1), text(&evil), Cell::Bytes(vec![0, 255]), at]
    );
    let error = ask(server, &Query::new("SELECT ?", "test")).expect_err("a mark of its own");
    assert_eq!(error.kind, ErrorKind::Params);
}

#[test]
fn source_mysql_that_is_only_read_refuses_every_change() {
    let Some(server) = shared(Kind::Maria) else {
        return;
    };
    let table = fresh("ro");
    server.make(&format!("CREATE TABLE {table}(v INT)"));
    let old = fresh("old");
    server.make(&format!("CREATE TABLE {old}(v INT) ENGINE = MyISAM"));
    let only = source(&server.dsn(""), false);
    for source in [&only, &server.source()] {
        let mut conn = open(source, Some(&Secret::new(PASSWORD)), "test").expect("a connection");
        for sql in [
            format!("INSERT INTO {table} VALUES(1)"),
            format!("DELETE FROM {old}"),
            format!("CREATE TABLE {table}x(v INT)"),
            format!("DROP TABLE {table}"),
            format!("/*! DROP TABLE {table} */"),
            format!("/* x */ -- y\n TRUNCATE {table}"),
            "SET SESSION TRANSACTION READ WRITE".to_owned(),
            "KILL QUERY 1".to_owned(),
        ] {
            let error = conn.query(&Query::new(&sql, "test")).expect_err(&sql);
            assert_eq!(error.kind, ErrorKind::ReadOnly, "{sql}: {error}");
        }
    }
    let mut conn = open(&only, Some(&Secret::new(PASSWORD)), "test").expect("a connection");
    let mut query = Query::new(format!("DELETE FROM {table}"), "test");
    query.write = true;
    assert_eq!(
        conn.query(&query).expect_err("refused").kind,
        ErrorKind::ReadOnly
    );
}

#[test]
fn source_mysql_says_what_is_wrong_and_where() {
    let Some(server) = shared(Kind::Maria) else {
        return;
    };
    let query = Query::new("SELECT :long_name, 1 FRM x", "test").param("long_name", Cell::Int(1));
    let error = ask(server, &query).expect_err("no statement");
    assert_eq!(
        (error.kind, error.code.as_deref()),
        (ErrorKind::Sql, Some("1064"))
    );
    assert!(error.message.contains("near 'x'"), "{error}");
    assert_eq!(error.position, Some(26));
    let error = ask(server, &Query::new("SELECT * FROM nowhere", "test")).expect_err("no table");
    assert!(error.message.contains("nowhere"), "{error}");
}

#[test]
fn source_mysql_takes_a_million_rows_only_in_part() {
    let Some(server) = shared(Kind::Maria) else {
        return;
    };
    let mut conn = server.open("test").expect("a connection");
    for sql in [
        "SELECT seq FROM seq_1_to_1000000",
        "SELECT seq FROM seq_1_to_1000000 LIMIT 900000",
    ] {
        let rows = conn.query(&Query::new(sql, "test")).expect("rows").rows;
        assert_eq!((rows.rows.len(), rows.truncated), (10_000, true), "{sql}");
        let rows = conn
            .query(&Query::new("SELECT 1", "test"))
            .expect("a row")
            .rows;
        assert_eq!(rows.rows, [[Cell::Int(1)]]);
    }
    let table = fresh("take");
    server.make(&format!(
        "CREATE TABLE {table} AS SELECT seq FROM seq_1_to_3"
    ));
    let mut query = Query::new(format!("DELETE FROM {table} RETURNING seq"), "test");
    (query.write, query.max_rows) = (true, 2);
    assert_eq!(
        conn.query(&query).expect_err("too many").kind,
        ErrorKind::TooLarge
    );
    query.max_rows = 3;
    assert_eq!(conn.query(&query).expect("all of them").rows.rows.len(), 3);
}
