//! Watches that are told of changes: how soon their jobs start, and what happens when nobody tells.

use crake::model::Cell;

use crate::support::servers::{Kind, Server, fresh, shared};
use crate::support::wait::{PATIENCE_MS, mono, until};
use crate::support::watching::Field;

/// From the notification to the start of the job, 95 of 100 times, milliseconds.
const SOON_MS: i64 = 150;

/// Notifications that are timed.
const TIMES: i64 = 100;

fn add_source(field: &Field, name: &str, server: &Server) {
    let sandbox = &field.instance.sandbox;
    let secret = sandbox.file("secret", crate::support::servers::PASSWORD.as_bytes());
    let dsn = server.dsn("");
    let file = secret.to_str().unwrap();
    sandbox.ok(&["source", "add", name, &dsn, "--password-file", file]);
}

/// From the change to the start of its run, of each row, milliseconds.
fn delays(field: &Field, rows: &[Vec<Cell>]) -> Vec<i64> {
    let one = |row: &Vec<Cell>| match row[..] {
        [Cell::Int(id), Cell::Int(at)] => {
            let sql = format!("SELECT started_at FROM run WHERE unique_key = 'orders:{id}'");
            field.instance.cell::<i64>(&sql).unwrap() - at
        }
        ref other => panic!("{other:?}"),
    };
    rows.iter().map(one).collect()
}

#[test]
fn watch_run_a_notification_of_postgres_starts_a_run_at_once() {
    let Some(server) = shared(Kind::Postgres) else {
        return;
    };
    let field = Field::new();
    add_source(&field, "pg", server);
    let (table, channel) = (fresh("orders"), fresh("told"));
    server.put(&format!(
        "CREATE TABLE {table}(id BIGSERIAL PRIMARY KEY, at BIGINT)"
    ));
    field.instance.add("quick", "true", &["--overlap", "allow"]);
    field.instance.sandbox.ok(&[
        "watch",
        "add",
        "orders",
        "--source",
        "pg",
        "--job",
        "quick",
        "--mode",
        "cursor",
        "--key",
        "id",
        "--query",
        &format!("SELECT id FROM {table}"),
        "--every",
        "1h",
        "--listen",
        &channel,
        "--deliver",
        "row",
    ]);
    field
        .instance
        .until_sql("EXISTS(SELECT 1 FROM gauge WHERE source = 'pg' AND listening = 1)");
    field.polled("orders", 1);
    let sql = field.instance.sql();
    for n in 1..=TIMES {
        // One statement and one transaction: notified when it commits.
        server.put(&format!(
            "WITH n AS (INSERT INTO {table}(at) VALUES((extract(epoch FROM clock_timestamp()) * 1000)::BIGINT)
               RETURNING id) SELECT pg_notify('{channel}', id::TEXT)::TEXT FROM n"
        ));
        until("the run", || {
            let count = "SELECT count(*) FROM run WHERE job = 'quick' AND started_at IS NOT NULL";
            let count: i64 = sql.query_row(count, [], |r| r.get(0)).ok()?;
            (count == n).then_some(())
        });
    }
    let begun = server
        .put(&format!("SELECT id, at FROM {table} ORDER BY id"))
        .rows
        .rows;
    let mut took = delays(&field, &begun);
    took.sort_unstable();
    let p95 = took[took.len() * 95 / 100 - 1];
    eprintln!(
        "notified to started: median {} ms, p95 {p95} ms, most {} ms",
        took[49], took[99]
    );
    assert_eq!(took.len() as i64, TIMES);
    assert!(p95 <= SOON_MS, "{took:?}");
}

#[test]
fn watch_run_a_listener_that_was_away_asks_when_it_is_back() {
    let Some(mut server) = Server::start(Kind::Postgres) else {
        return;
    };
    let field = Field::new();
    add_source(&field, "pg", &server);
    server.put("CREATE TABLE orders(id BIGSERIAL PRIMARY KEY)");
    field.instance.sandbox.ok(&[
        "watch",
        "add",
        "orders",
        "--source",
        "pg",
        "--job",
        "eat",
        "--mode",
        "cursor",
        "--key",
        "id",
        "--query",
        "SELECT id FROM orders",
        "--every",
        "1h",
        "--listen",
        "told",
    ]);
    field
        .instance
        .until_sql("EXISTS(SELECT 1 FROM gauge WHERE source = 'pg' AND listening = 1)");
    field.polled("orders", 1);
    server.stop();
    field
        .instance
        .until_sql("EXISTS(SELECT 1 FROM gauge WHERE source = 'pg' AND lost_at IS NOT NULL)");
    server.run();
    server.put("INSERT INTO orders DEFAULT VALUES");
    field.until_ids(&[1]);
    field
        .instance
        .until_sql("EXISTS(SELECT 1 FROM poll WHERE trigger = 'reconnect' AND outcome = 'ok')");
    field
        .instance
        .until_sql("(SELECT count(*) FROM event WHERE kind = 'listener') >= 2");
}

#[test]
fn watch_run_a_change_of_a_file_is_seen_long_before_the_interval() {
    let field = Field::new();
    let flags = [
        "--mode",
        "cursor",
        "--key",
        "id",
        "--every",
        "1h",
        "--listen",
        "data_version",
    ];
    field.watch("w", "SELECT * FROM t", &flags);
    field.polled("w", 1);
    field
        .instance
        .until_sql("EXISTS(SELECT 1 FROM gauge WHERE listening = 1)");
    let begin = mono();
    field.put("INSERT INTO t VALUES(1, 'a')");
    field.until_ids(&[1]);
    assert!(mono() - begin < PATIENCE_MS);
    field
        .instance
        .until_sql("EXISTS(SELECT 1 FROM poll WHERE trigger = 'notify' AND outcome = 'ok')");
}
