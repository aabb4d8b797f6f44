//! Files of SQLite as sources.

use std::path::Path;

use crake::model::{Cell, Source};
use crake::source::{
    ChangeProbe, Connection, ErrorKind, Query, SourceError, diagnose, open, run_bounded,
};

use crate::support::sandbox::Sandbox;
use crate::support::servers::source;
use crate::support::wait::{mono, within};

fn database(sandbox: &Sandbox, sql: &str) -> (rusqlite::Connection, Source) {
    let path = sandbox.path("data.db");
    let conn = rusqlite::Connection::open(&path).expect("a database");
    conn.execute_batch(sql).expect(sql);
    (conn, of(&path, false))
}

fn of(path: &Path, writable: bool) -> Source {
    source(&format!("sqlite:{}", path.display()), writable)
}

fn ask(source: &Source, query: &Query) -> Result<Vec<Vec<Cell>>, SourceError> {
    let mut conn = open(source, None, "test")?;
    Ok(conn.query(query)?.rows.rows)
}

fn text(text: &str) -> Cell {
    Cell::Text(text.to_owned())
}

#[test]
fn source_sqlite_values_come_out_as_they_are_stored() {
    let sandbox = Sandbox::new();
    let (_, source) = database(
        &sandbox,
        "CREATE TABLE t(v); INSERT INTO t VALUES(NULL), (9223372036854775807), (-0.5), ('ä'),
         (x'00ff'), (1.0), (''), (CAST(x'ff61' AS TEXT)), ('2026-01-02 03:04:05')",
    );
    let rows = ask(
        &source,
        &Query::new("SELECT v FROM t ORDER BY rowid", "test"),
    )
    .expect("rows");
    let wanted = [
        Cell::Null,
        Cell::Int(i64::MAX),
        Cell::Real(-0.5),
        text("ä"),
        Cell::Bytes(vec![0, 255]),
        Cell::Real(1.0),
        text(""),
        Cell::Bytes(vec![255, 97]),
        text("2026-01-02 03:04:05"),
    ];
    assert_eq!(rows.concat(), wanted);
    let every = "SELECT :a, :b, :c, :d, :e, typeof(:a), typeof(:b), typeof(:d)";
    let mut query = Query::new(every, "test");
    for (name, cell) in ["a", "b", "c", "d", "e"].iter().zip(&wanted) {
        query = query.param(*name, cell.clone());
    }
    let row = ask(&source, &query).expect("a row").concat();
    assert_eq!(row[..5], wanted[..5]);
    assert_eq!(row[5..], [text("null"), text("integer"), text("text")]);
}

#[test]
fn source_sqlite_values_are_never_part_of_the_statement() {
    let sandbox = Sandbox::new();
    let (conn, _) = database(&sandbox, "CREATE TABLE t(v); INSERT INTO t VALUES('x')");
    let source = of(&sandbox.path("data.db"), true);
    let evil = text("'; DROP TABLE t;--");
    let query = Query::new("SELECT v FROM t WHERE v = :v", "test").param("v", evil);
    assert_eq!(ask(&source, &query), Ok(vec![]));
    let left: i64 = conn
        .query_row("SELECT count(*) FROM t", [], |r| r.get(0))
        .expect("t");
    assert_eq!(left, 1);
}

#[test]
fn source_sqlite_that_is_only_read_refuses_every_change() {
    let sandbox = Sandbox::new();
    let (_, source) = database(&sandbox, "CREATE TABLE t(v); INSERT INTO t VALUES(1)");
    let aside = sandbox.path("aside.db");
    let attach = format!("ATTACH '{}' AS aside", aside.display());
    let vacuum = format!("VACUUM INTO '{}'", aside.display());
    for sql in [
        "DELETE FROM t",
        "UPDATE t SET v = 2 RETURNING v",
        "CREATE TEMP TABLE x(v)",
        "DROP TABLE t",
        "PRAGMA query_only = 0",
        "PRAGMA journal_mode = DELETE",
        "PRAGMA wal_checkpoint",
        "SELECT load_extension('x')",
        "COMMIT",
        &attach,
        &vacuum,
    ] {
        for writable in [false, true] {
            let source = of(&sandbox.path("data.db"), writable);
            let error = ask(&source, &Query::new(sql, "test")).expect_err(sql);
            assert_eq!(error.kind, ErrorKind::ReadOnly, "{sql}: {error}");
        }
    }
    let mut query = Query::new("DELETE FROM t", "test");
    query.write = true;
    assert_eq!(
        ask(&source, &query).expect_err("refused").kind,
        ErrorKind::ReadOnly
    );
    assert!(!aside.exists());
    let rows =
        ask(&source, &Query::new("PRAGMA table_info(t)", "test")).expect("a pragma that tells");
    assert_eq!(rows.len(), 1);
}

#[test]
fn source_sqlite_that_may_be_written_consumes_all_its_rows_or_none() {
    let sandbox = Sandbox::new();
    let (_, _) = database(
        &sandbox,
        "CREATE TABLE t(v); INSERT INTO t VALUES(1), (2), (3)",
    );
    let source = of(&sandbox.path("data.db"), true);
    let mut query = Query::new("DELETE FROM t WHERE v < :n RETURNING v", "test");
    query.write = true;
    query = query.param("n", Cell::Int(3));
    query.max_rows = 1;
    let error = ask(&source, &query).expect_err("too many");
    assert_eq!(error.kind, ErrorKind::TooLarge, "{error}");
    query.max_rows = 2;
    let mut conn = open(&source, None, "test").expect("a connection");
    let answer = conn.query(&query).expect("rows");
    assert_eq!((answer.rows.rows.len(), answer.affected), (2, 2));
    let left = ask(&source, &Query::new("SELECT v FROM t", "test")).expect("rows");
    assert_eq!(left, [[Cell::Int(3)]]);
    query.sql = "DROP TABLE t".to_owned();
    query.params.clear();
    assert_eq!(
        ask(&source, &query).expect_err("no DDL").kind,
        ErrorKind::ReadOnly
    );
}

const ENDLESS: &str =
    "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n) SELECT count(*) FROM n";

#[test]
fn source_sqlite_query_ends_at_its_limit() {
    let sandbox = Sandbox::new();
    let (_, source) = database(&sandbox, "CREATE TABLE t(v)");
    let mut query = Query::new(ENDLESS, "test");
    query.timeout_ms = 100;
    let conn = open(&source, None, "test").expect("a connection");
    let (conn, answer) = run_bounded(conn, &query);
    assert_eq!(answer.expect_err("stopped").kind, ErrorKind::Timeout);
    let mut conn = conn.expect("it is of use again");
    conn.ping().expect("it answers");
    let answer = conn.query(&Query::new("SELECT 1", "test")).expect("a row");
    assert_eq!(answer.rows.rows, [[Cell::Int(1)]]);
}

#[test]
fn source_sqlite_takes_as_many_rows_as_wanted_and_says_there_were_more() {
    let sandbox = Sandbox::new();
    let (_, source) = database(&sandbox, "CREATE TABLE t(v)");
    let million = "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n LIMIT 1000000)
        SELECT i, 'text' FROM n";
    let mut conn = open(&source, None, "test").expect("a connection");
    let answer = conn.query(&Query::new(million, "test")).expect("rows");
    assert_eq!(
        (answer.rows.rows.len(), answer.rows.truncated),
        (10_000, true)
    );
    let mut query = Query::new(million, "test");
    query.max_bytes = 1_200;
    let answer = conn.query(&query).expect("rows");
    assert_eq!((answer.rows.rows.len(), answer.rows.truncated), (100, true));
}

#[test]
fn source_sqlite_says_what_is_wrong_and_where() {
    let sandbox = Sandbox::new();
    let (_, source) = database(&sandbox, "CREATE TABLE t(v)");
    let query = Query::new("SELECT v FROM t WHERE v = :long_name AND vv = 1", "test");
    let error = ask(&source, &query.param("long_name", Cell::Int(1))).expect_err("no such column");
    assert_eq!(error.kind, ErrorKind::Sql);
    assert_eq!(error.message, "no such column: vv");
    assert_eq!(error.position, Some(42));
    let error = ask(&source, &Query::new("SELECT ?1", "test")).expect_err("a mark of its own");
    assert!(
        matches!(error.kind, ErrorKind::Sql | ErrorKind::Params),
        "{error}"
    );
}

#[test]
fn source_sqlite_missing_foreign_and_locked_files_are_told_apart() {
    let sandbox = Sandbox::new();
    let kind = |source: &Source| {
        let found = diagnose(source, None, &mono);
        let error = found.error.expect("a failure");
        assert!(error.hint.is_some(), "{error}");
        let failed: Vec<_> = found.phases.iter().map(|p| p.outcome.as_str()).collect();
        (error.kind, failed.join(" "))
    };
    let missing = of(&sandbox.path("none.db"), false);
    assert_eq!(
        kind(&missing),
        (ErrorKind::Resolve, "failed skipped skipped skipped".into())
    );
    assert!(!sandbox.path("none.db").exists(), "it is not made");
    let foreign = sandbox.file("foreign.db", &[b'x'; 4096]);
    let wanted = "ok failed skipped skipped".to_owned();
    assert_eq!(
        kind(&of(&foreign, false)),
        (ErrorKind::Connect, wanted.clone())
    );
    let (holder, source) = database(&sandbox, "CREATE TABLE t(v)");
    holder.execute_batch("BEGIN EXCLUSIVE").expect("a lock");
    assert_eq!(kind(&source), (ErrorKind::Locked, wanted));
    holder.execute_batch("COMMIT").expect("free");
    assert!(diagnose(&source, None, &mono).is_well());
}

#[test]
fn source_sqlite_file_that_was_replaced_is_noticed() {
    let sandbox = Sandbox::new();
    let (old, source) = database(&sandbox, "CREATE TABLE t(v); INSERT INTO t VALUES(1)");
    let mut conn = open(&source, None, "test").expect("a connection");
    let mut probe = ChangeProbe::open(&source).expect("a probe");
    assert!(!probe.changed().expect("an answer"));
    old.execute("INSERT INTO t VALUES(2)", []).expect("a row");
    within(5_000, "a change is seen", || {
        probe.changed().expect("an answer").then_some(())
    });
    assert!(!probe.changed().expect("an answer"));
    drop(old);
    std::fs::rename(sandbox.path("data.db"), sandbox.path("old.db")).expect("moved");
    let (_new, _) = database(&sandbox, "CREATE TABLE t(v); INSERT INTO t VALUES(3)");
    assert_eq!(probe.changed().expect_err("replaced").kind, ErrorKind::Gone);
    let query = Query::new("SELECT max(v) FROM t", "test");
    assert_eq!(
        conn.query(&query).expect_err("replaced").kind,
        ErrorKind::Gone
    );
    assert!(conn.is_gone());
    assert_eq!(ask(&source, &query), Ok(vec![vec![Cell::Int(3)]]));
}
