//! PostgreSQL as a source: values of every type, parameters, errors.

use crake::model::Cell;
use crake::source::{Answer, ErrorKind, Query, Result};

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

#[test]
fn source_postgres_values_come_out_exactly() {
    let Some(server) = shared(Kind::Postgres) else {
        return;
    };
    for (sql, wanted) in [
        ("NULL::int", Cell::Null),
        ("true", Cell::Bool(true)),
        ("(-32768)::int2", Cell::Int(-32768)),
        ("2147483647", Cell::Int(2_147_483_647)),
        ("(-9223372036854775808)::int8", Cell::Int(i64::MIN)),
        ("4294967295::oid", Cell::Int(4_294_967_295)),
        ("1.1::float4", Cell::Real(1.1)),
        ("0.1::float8", Cell::Real(0.1)),
        ("'-Infinity'::float8", Cell::Real(f64::NEG_INFINITY)),
        ("'ä'::text", text("ä")),
        ("'x'::varchar(3)", text("x")),
        ("'x'::char(3)", text("x  ")),
        ("'x'::\"char\"", text("x")),
        ("'x'::name", text("x")),
        ("''::text", text("")),
        ("'\\x00ff'::bytea", Cell::Bytes(vec![0, 255])),
        (
            "'{\"b\": 1, \"a\": [2]}'::json",
            text("{\"b\": 1, \"a\": [2]}"),
        ),
        ("'{\"b\":1}'::jsonb", text("{\"b\": 1}")),
        (
            "'a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11'::uuid",
            text("a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11"),
        ),
        ("'10.0.0.1/8'::inet", text("10.0.0.1/8")),
        ("'08:00:2b:01:02:03'::macaddr", text("08:00:2b:01:02:03")),
        (
            "'1 year 2 days 03:04:05.6'::interval",
            text("1 year 2 days 03:04:05.6"),
        ),
        ("B'101'", text("101")),
        ("'12.34'::money", text("$12.34")),
        ("'(1,2)'::point", text("(1,2)")),
        ("int4range(1, 5)", text("[1,5)")),
        ("'a & b'::tsquery", text("'a' & 'b'")),
        ("'pg_class'::regclass", text("pg_class")),
        ("ROW(1, 'x')", text("(1,x)")),
        ("'<a/>'::xml", text("<a/>")),
        ("pg_sleep(0)", text("")),
    ] {
        assert_eq!(one(server, &format!("SELECT {sql}")), [wanted], "{sql}");
    }
}

#[test]
fn source_postgres_numbers_keep_every_digit() {
    let Some(server) = shared(Kind::Postgres) else {
        return;
    };
    for number in [
        "0",
        "0.00",
        "1",
        "-1",
        "10000",
        "100000000",
        "12345678901234567890.0123456789",
        "0.0001",
        "0.00001",
        "-0.5",
        "99999999.9999",
        "1e20",
        "1.50",
        "NaN",
        "Infinity",
        "123456789012345678901234567890123456789012345678901234567890.1",
    ] {
        let found = one(
            server,
            &format!("SELECT '{number}'::numeric, '{number}'::numeric::text"),
        );
        assert_eq!(found[0], found[1], "{number}");
    }
}

#[test]
fn source_postgres_times_are_iso() {
    let Some(server) = shared(Kind::Postgres) else {
        return;
    };
    for (sql, wanted) in [
        ("'2026-02-28'::date", "2026-02-28"),
        ("'0044-03-15 BC'::date", "-0043-03-15"),
        ("'0001-01-01 BC'::date", "0000-01-01"),
        (
            "'294276-12-31 23:59:59'::timestamp",
            "+294276-12-31T23:59:59",
        ),
        ("'infinity'::date", "infinity"),
        ("'-infinity'::timestamptz", "-infinity"),
        ("'2026-01-02 03:04:05'::timestamp", "2026-01-02T03:04:05"),
        (
            "'1999-12-31 23:59:59.999999'::timestamp",
            "1999-12-31T23:59:59.999999",
        ),
        (
            "'1969-12-31 23:59:59.5'::timestamp",
            "1969-12-31T23:59:59.5",
        ),
        (
            "'2026-07-01 12:00:00+02'::timestamptz",
            "2026-07-01T10:00:00+00:00",
        ),
        ("'24:00'::time", "24:00:00"),
        ("'01:02:03.004'::time", "01:02:03.004"),
        ("'01:02:03+05:30'::timetz", "01:02:03+05:30"),
        ("'01:02:03-08'::timetz", "01:02:03-08:00"),
    ] {
        assert_eq!(
            one(server, &format!("SELECT {sql}")),
            [text(wanted)],
            "{sql}"
        );
    }
    // Every day of four centuries around the epochs, against the server's own words.
    let sql = "SELECT d, to_char(d, 'YYYY-MM-DD') FROM
        (SELECT '1799-12-31'::date + n AS d FROM generate_series(0, 9999 * 15, 15) n) AS q";
    let answer = ask(server, &Query::new(sql, "test")).expect("days");
    for row in answer.rows.rows {
        assert_eq!(row[0], row[1]);
    }
}

#[test]
fn source_postgres_arrays_are_json() {
    let Some(server) = shared(Kind::Postgres) else {
        return;
    };
    for (sql, wanted) in [
        ("'{}'::int[]", "[]"),
        ("ARRAY[1, NULL, 3]", "[1,null,3]"),
        ("'{{a,b},{c,NULL}}'::text[]", r#"[["a","b"],["c",null]]"#),
        ("ARRAY[true]", "[true]"),
        ("ARRAY['2026-01-02'::date]", r#"["2026-01-02"]"#),
        ("ARRAY[1.50]", r#"["1.50"]"#),
        ("ARRAY['{\"a\":1}'::jsonb]", r#"[{"a":1}]"#),
        ("ARRAY['1 day'::interval]", r#"["1 day"]"#),
        ("ARRAY['10.0.0.1'::inet]", r#"["10.0.0.1"]"#),
    ] {
        assert_eq!(
            one(server, &format!("SELECT {sql}")),
            [text(wanted)],
            "{sql}"
        );
    }
}

#[test]
fn source_postgres_types_made_by_users_come_out_too() {
    let Some(server) = shared(Kind::Postgres) else {
        return;
    };
    let name = fresh("own");
    server.put(&format!("CREATE TYPE {name}_mood AS ENUM('sad', 'ok')"));
    server.put(&format!(
        "CREATE DOMAIN {name}_count AS int CHECK(VALUE > 0)"
    ));
    server.put(&format!("CREATE TYPE {name}_pair AS (a int, b text)"));
    let sql = format!(
        "SELECT 'ok'::{name}_mood AS v, 3::{name}_count AS v, (1,'x')::{name}_pair AS pair,
           ARRAY['sad','ok']::{name}_mood[], ARRAY[(1,'x')::{name}_pair], '5'::{name}_count::text -- end"
    );
    let answer = ask(server, &Query::new(&sql, "test")).expect("a row");
    assert_eq!(answer.rows.columns[..3], ["v", "v", "pair"]);
    assert_eq!(
        answer.rows.rows[0],
        [
            text("ok"),
            Cell::Int(3),
            text("(1,x)"),
            text(r#"["sad","ok"]"#),
            text(r#"[{"a":1,"b":"x"}]"#),
            text("5"),
        ]
    );
    let table = fresh("own");
    server.put(&format!("CREATE TABLE {table}(id int, at interval)"));
    server.put(&format!(
        "INSERT INTO {table} VALUES(1, '1 day'), (2, '2 days')"
    ));
    let taken = server.put(&format!(
        "DELETE FROM {table} WHERE id = 2 RETURNING id, at"
    ));
    assert_eq!(taken.rows.rows, [[Cell::Int(2), text("2 days")]]);
}

#[test]
fn source_postgres_parameters_take_the_type_that_is_needed() {
    let Some(server) = shared(Kind::Postgres) else {
        return;
    };
    let (int, real, string) = (
        Cell::Int(5),
        Cell::Real(0.5),
        text("2026-01-02T03:04:05.000006+00:00"),
    );
    for (expression, cell, wanted) in [
        (":p::int2", &int, Cell::Int(5)),
        (":p::int8", &int, Cell::Int(5)),
        (":p::numeric", &int, text("5")),
        (":p::float8", &int, Cell::Real(5.0)),
        (":p::text", &int, text("5")),
        (
            "id FROM (VALUES(4::int2), (6)) v(id) WHERE id > :p",
            &int,
            Cell::Int(6),
        ),
        (
            "id FROM (VALUES(4::int8), (6)) v(id) WHERE id > :p",
            &int,
            Cell::Int(6),
        ),
        ("1 LIMIT :p", &int, Cell::Int(1)),
        (":p", &int, text("5")),
        (":p::numeric", &real, text("0.5")),
        (
            ":p::timestamptz",
            &string,
            text("2026-01-02T03:04:05.000006+00:00"),
        ),
        ("now() > :p", &string, Cell::Bool(true)),
        (":p::int", &Cell::Bool(true), Cell::Int(1)),
        (":p::bool", &Cell::Bool(true), Cell::Bool(true)),
        (
            ":p::bytea",
            &Cell::Bytes(vec![0, 255]),
            Cell::Bytes(vec![0, 255]),
        ),
        (":p::int IS NULL", &Cell::Null, Cell::Bool(true)),
        (":p::int[]", &text("{1,2}"), text("[1,2]")),
        (":p::inet", &text("10.0.0.1"), text("10.0.0.1/32")),
        ("3 = ANY(:p)", &text("{1,3}"), Cell::Bool(true)),
    ] {
        let query = Query::new(format!("SELECT {expression}"), "test").param("p", cell.clone());
        let found = ask(server, &query).unwrap_or_else(|e| panic!("{expression}: {e}"));
        assert_eq!(found.rows.rows, [[wanted]], "{expression} {cell:?}");
    }
    let table = fresh("evil");
    server.put(&format!("CREATE TABLE {table}(v text)"));
    let evil = "'; DROP TABLE t;--".replace('t', &table);
    let mut query = Query::new(format!("INSERT INTO {table} VALUES(:v)"), "test");
    query.write = true;
    assert_eq!(
        ask(server, &query.param("v", text(&evil)))
            .expect("a row")
            .affected,
        1
    );
    assert_eq!(
        one(server, &format!("SELECT v FROM {table}")),
        [text(&evil)]
    );
    let error = ask(server, &Query::new("SELECT $1::int", "test")).expect_err("a mark of its own");
    assert_eq!(error.kind, ErrorKind::Params);
}

#[test]
fn source_postgres_that_is_only_read_refuses_every_change() {
    let Some(server) = shared(Kind::Postgres) else {
        return;
    };
    let table = fresh("ro");
    server.put(&format!("CREATE TABLE {table}(v int)"));
    let sneaky = "SELECT set_config('transaction_read_only', 'off', true)".to_owned();
    for sql in [
        format!("INSERT INTO {table} VALUES(1)"),
        format!("WITH w AS (DELETE FROM {table} RETURNING v) SELECT * FROM w"),
        "CREATE TABLE x(v int)".to_owned(),
        sneaky.clone(),
    ] {
        let error = ask(server, &Query::new(&sql, "test"));
        if sql == sneaky && error.is_ok() {
            continue;
        }
        let error = error.expect_err(&sql);
        assert!(
            matches!(error.kind, ErrorKind::ReadOnly | ErrorKind::Sql),
            "{sql}: {error}"
        );
    }
    assert_eq!(
        one(server, &format!("SELECT count(*) FROM {table}")),
        [Cell::Int(0)]
    );
    let only = source(&server.dsn(""), false);
    let secret = crake::model::Secret::new(PASSWORD);
    let mut conn = crake::source::open(&only, Some(&secret), "test").expect("a connection");
    let mut query = Query::new(format!("DELETE FROM {table}"), "test");
    query.write = true;
    assert_eq!(
        conn.query(&query).expect_err("refused").kind,
        ErrorKind::ReadOnly
    );
    query.write = false;
    assert_eq!(
        conn.query(&query).expect_err("refused").kind,
        ErrorKind::ReadOnly
    );
}

#[test]
fn source_postgres_says_what_is_wrong_and_where() {
    let Some(server) = shared(Kind::Postgres) else {
        return;
    };
    let query = Query::new("SELECT :long_name::text, ä FROM nowhere", "test");
    let query = query.param("long_name", Cell::Int(1));
    let error = ask(server, &query).expect_err("no such table");
    assert_eq!(error.kind, ErrorKind::Sql);
    assert_eq!(error.message, "relation \"nowhere\" does not exist");
    assert_eq!(error.code.as_deref(), Some("42P01"));
    assert_eq!(error.position, Some(33));
    let error = ask(server, &Query::new("SELECT 1 / 0", "test")).expect_err("a division");
    assert_eq!(
        (error.message.as_str(), error.kind),
        ("division by zero", ErrorKind::Sql)
    );
}

#[test]
fn source_postgres_takes_a_million_rows_only_in_part() {
    let Some(server) = shared(Kind::Postgres) else {
        return;
    };
    let mut conn = server.open("test").expect("a connection");
    let query = Query::new(
        "SELECT n, 'text' FROM generate_series(1, 1000000) n",
        "test",
    );
    let rows = conn.query(&query).expect("rows").rows;
    assert_eq!((rows.rows.len(), rows.truncated), (10_000, true));
    let table = fresh("take");
    server.put(&format!(
        "CREATE TABLE {table} AS SELECT n FROM generate_series(1, 3) n"
    ));
    let mut query = Query::new(format!("DELETE FROM {table} RETURNING n"), "test");
    (query.write, query.max_rows) = (true, 2);
    assert_eq!(
        conn.query(&query).expect_err("too many").kind,
        ErrorKind::TooLarge
    );
    query.max_rows = 3;
    let answer = conn.query(&query).expect("all of them");
    assert_eq!((answer.rows.truncated, answer.affected), (false, 3));
}
