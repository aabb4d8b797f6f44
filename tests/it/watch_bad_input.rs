//! Watches that are wrong, or become wrong: what is said of them, and that they come back.

use serde_json::{Value, json};

use crate::support::shops::{Engine, PATIENT_MS, Shop};
use crate::support::wait::within;

const DATABASES: [Engine; 3] = [Engine::Sqlite, Engine::Postgres, Engine::Maria];

/// Waits until a watch has failed so many times in a row, and gives how it stands.
#[track_caller]
fn failed(shop: &Shop, watch: &str, times: i64) -> Value {
    shop.until(&format!(
        "EXISTS(SELECT 1 FROM poll WHERE watch = '{watch}' AND fails >= {times})"
    ));
    let stands = shop.stands(watch);
    assert!(stands["fails"].as_i64() >= Some(times), "{stands}");
    stands
}

/// The ids of the rows that were delivered.
fn ids(shop: &Shop) -> Vec<i64> {
    let rows = |line: String| -> Vec<i64> {
        let input: Value = serde_json::from_str(line.splitn(4, ' ').nth(3).unwrap()).unwrap();
        let rows = input["rows"].as_array().unwrap().clone();
        rows.iter().filter_map(|row| row["id"].as_i64()).collect()
    };
    shop.instance
        .lines("got")
        .into_iter()
        .flat_map(rows)
        .collect()
}

#[track_caller]
fn until_ids(shop: &Shop, wanted: &[i64]) {
    within(
        PATIENT_MS,
        &format!("{wanted:?}, not {:?}", ids(shop)),
        || (ids(shop) == wanted).then_some(()),
    );
}

/// Wrong SQL: the server's words and where it is wrong, in the poll and in the list; it stays, and
/// once the table is there it goes on by itself.
fn wrong_sql(engine: Engine) {
    let Some(shop) = Shop::open(engine) else {
        return;
    };
    shop.put("CREATE TABLE t(id BIGINT)");
    shop.watch(
        "typo",
        "SELECT id FROM t WHERE wrong_name = 1",
        &["--every", "200ms"],
    );
    shop.watch("early", "SELECT id FROM later", &["--every", "200ms"]);
    failed(&shop, "early", 1);
    let stands = failed(&shop, "typo", 3);
    assert_eq!(stands["state"], "failing", "{stands}");
    let poll = shop
        .polls("typo")
        .into_iter()
        .find(|p| p["outcome"] == "error");
    let poll = poll.expect("a poll");
    for error in [&stands["error"], &poll["error"]] {
        let error = error.as_str().unwrap();
        assert!(error.starts_with("sql: "), "{error}");
        assert!(error.contains("wrong_name"), "{error}");
        // MariaDB names what it does not know, and no place.
        let place = engine == Engine::Maria || error.contains("at character 24");
        assert!(place, "{error}");
    }
    let at = |key: &str| stands[key].as_str().unwrap().to_owned();
    assert!(at("next_at") > at("last_poll_at"), "{stands}");
    shop.put("CREATE TABLE later(id BIGINT)");
    shop.put("INSERT INTO later VALUES(5)");
    shop.until("EXISTS(SELECT 1 FROM poll WHERE watch = 'early' AND outcome = 'ok' AND fails = 0)");
    assert_eq!(shop.stands("early")["error"], Value::Null);
}

#[test]
fn watch_bad_sql_is_told_in_the_servers_words_and_the_watch_stays() {
    for engine in DATABASES {
        wrong_sql(engine);
    }
}

/// A query that writes is refused in a source that is only read, and in others where the mode does
/// not write.
fn writes(engine: Engine) {
    let Some(shop) = Shop::open(engine) else {
        return;
    };
    shop.put("CREATE TABLE t(id BIGINT)");
    shop.put("INSERT INTO t VALUES(1)");
    let dsn = shop.dsn();
    let add = ["source", "add", "reads", &dsn];
    match engine {
        Engine::Sqlite => drop(shop.instance.sandbox.ok(&add)),
        _ => assert_eq!(shop.with_password(&add).code, 0),
    }
    let delete = "DELETE FROM t WHERE id = 1 RETURNING id";
    shop.watch("rows", delete, &["--every", "1h"]);
    let consume = ["--mode", "consume", "--key", "id", "--every", "1h"];
    let add = ["watch", "add", "takes", "--source", "reads", "--job", "eat"];
    let answer = shop
        .instance
        .sandbox
        .run(&[&add[..], &["--query", delete], &consume].concat());
    let refused_at_once = answer.code != 0;
    if refused_at_once {
        assert!(answer.stderr.contains("only read"), "{answer:?}");
    } else {
        let stands = failed(&shop, "takes", 1);
        let error = stands["error"].as_str().unwrap();
        assert!(error.starts_with("read_only: "), "{engine:?}: {error}");
        assert!(error.contains("--writable"), "{error}");
    }
    let stands = failed(&shop, "rows", 1);
    let error = stands["error"].as_str().unwrap();
    assert!(error.starts_with("read_only: "), "{engine:?}: {error}");
    assert_eq!(shop.count("SELECT count(*) FROM t"), 1);
    let claims = [
        &add[..],
        &["--query", "SELECT id FROM t"],
        &consume,
        &["--ack", delete],
    ]
    .concat();
    let answer = shop.instance.sandbox.run(&claims);
    assert_ne!(answer.code, 0);
    assert!(answer.stderr.contains("only read"), "{answer:?}");
}

#[test]
fn watch_bad_writes_are_refused_where_nothing_may_be_written() {
    for engine in DATABASES {
        writes(engine);
    }
}

#[test]
fn watch_bad_keys_and_modes_are_named() {
    for engine in DATABASES {
        let Some(shop) = Shop::open(engine) else {
            continue;
        };
        shop.put("CREATE TABLE t(id BIGINT, v INT)");
        shop.put("INSERT INTO t VALUES(1, 1), (2, 2)");
        let keyed = ["--key", "nope", "--every", "1h"];
        for mode in ["new", "changed", "cursor"] {
            let flags = [&["--mode", mode][..], &keyed].concat();
            shop.watch(mode, "SELECT id, v FROM t", &flags);
            let error = failed(&shop, mode, 1)["error"].to_string();
            assert!(error.contains("nope"), "{mode}: {error}");
            if mode != "cursor" {
                assert!(error.contains("it has id, v"), "{mode}: {error}");
            }
        }
        let flags = ["--mode", "threshold", "--above", "1", "--every", "1h"];
        shop.watch("limit", "SELECT 'many' AS n", &flags);
        let error = failed(&shop, "limit", 1)["error"].to_string();
        assert!(error.contains("is no number"), "{error}");
    }
    let shop = Shop::open(Engine::Sqlite).expect("a file");
    let add = [
        "watch", "add", "w", "--source", "shop", "--job", "eat", "--query", "SELECT 1",
    ];
    for (flags, code) in [
        (&["--mode", "curser"][..], 2),
        (&["--deliver", "rows"], 2),
        (&["--every", "soon"], 2),
        (&["--mode", "cursor"], 6),
        (&["--mode", "threshold"], 6),
        (&["--source", "nowhere"], 2),
    ] {
        let answer = shop.instance.sandbox.run(&[&add[..], flags].concat());
        assert_eq!(answer.code, code, "{flags:?}: {answer:?}");
        assert!(answer.stderr.starts_with("error: "), "{answer:?}");
    }
    let add = [
        "watch", "add", "w", "--source", "nowhere", "--job", "eat", "--query", "SELECT 1",
    ];
    assert_eq!(shop.instance.sandbox.run(&add).code, 3);
}

#[test]
fn watch_bad_source_is_said_to_be_away_and_a_mended_one_is_asked_at_once() {
    let Some(shop) = Shop::open(Engine::Postgres) else {
        return;
    };
    shop.watch("w", "SELECT 1 AS id", &["--every", "200ms"]);
    shop.polled("w", 2);
    let rm = shop
        .instance
        .sandbox
        .run(&["--yes", "source", "rm", "shop"]);
    assert_ne!(rm.code, 0, "a watch needs it");
    assert!(rm.stderr.contains('w'), "{rm:?}");
    // A port nobody listens at.
    let free = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let port = free.local_addr().unwrap().port();
    drop(free);
    let (dsn, away) = (shop.dsn(), format!("postgres://crake@127.0.0.1:{port}/x"));
    assert_eq!(
        shop.with_password(&["source", "add", "shop", &away, "--replace"])
            .code,
        0
    );
    let stands = failed(&shop, "w", 5);
    assert_eq!(stands["state"], "failing", "{stands}");
    let error = stands["error"].as_str().unwrap();
    assert!(error.starts_with("connect: "), "{error}");
    assert_eq!(shop.polls("w").last().unwrap()["outcome"], "no_connection");
    assert_eq!(
        shop.with_password(&["source", "add", "shop", &dsn, "--replace"])
            .code,
        0
    );
    // The pause after the fifth failure is 16 s: nobody waits for its end.
    within(12_000, "it is asked at once", || {
        let stands = shop.stands("w");
        (stands["fails"] == 0 && stands["error"] == Value::Null).then_some(())
    });
}

/// A table that is dropped and made again.
fn made_again(engine: Engine) {
    let Some(shop) = Shop::open(engine) else {
        return;
    };
    let make = "CREATE TABLE t(id BIGINT, v INT)";
    shop.put(make);
    shop.put("INSERT INTO t VALUES(1, 1), (2, 2)");
    let flags = [
        "--mode",
        "cursor",
        "--key",
        "id",
        "--initial",
        "min",
        "--every",
        "200ms",
    ];
    shop.watch("w", "SELECT id FROM t", &flags);
    until_ids(&shop, &[1, 2]);
    shop.put("DROP TABLE t");
    let stands = failed(&shop, "w", 2);
    assert_eq!(
        (&stands["state"], &stands["cursor"]),
        (&json!("failing"), &json!(2))
    );
    // Other columns than before: what was prepared for the old table is of no use.
    shop.put("CREATE TABLE t(v VARCHAR(9), id BIGINT)");
    shop.put("INSERT INTO t VALUES('a', 2), ('b', 3)");
    until_ids(&shop, &[1, 2, 3]);
    shop.until("(SELECT fails FROM poll WHERE watch = 'w' AND outcome NOT IN('running', 'skipped') ORDER BY id DESC LIMIT 1) = 0");
}

#[test]
fn watch_bad_moment_a_table_that_is_made_again_is_read_on() {
    for engine in DATABASES {
        made_again(engine);
    }
}

/// One connection and two that want it: who waits in vain is told who has it.
fn exhausted(engine: Engine, slow: &str) {
    let settings = ["--pool-max", "1", "--acquire", "500ms"];
    let Some(shop) = Shop::with(engine, &settings) else {
        return;
    };
    let flags = ["--every", "100ms", "--timeout", "20s"];
    shop.watch("hog", slow, &flags);
    shop.watch("meek", slow, &flags);
    for (watch, other) in [("meek", "hog"), ("hog", "meek")] {
        shop.until(&format!(
            "EXISTS(SELECT 1 FROM poll WHERE watch = '{watch}' AND outcome = 'no_connection'
               AND error LIKE '%1 of 1 are in use, by {other} for %')"
        ));
        shop.until(&format!(
            "EXISTS(SELECT 1 FROM poll WHERE watch = '{watch}' AND outcome = 'ok')"
        ));
    }
    let pool = shop.stands("hog")["pool"].clone();
    assert!(pool["acquire_timeouts"].as_i64() >= Some(1), "{pool}");
    assert!(pool["size"].as_i64() <= Some(1), "{pool}");
}

#[test]
fn watch_bad_pool_that_is_exhausted_names_who_holds_it_on_postgres() {
    exhausted(Engine::Postgres, "SELECT 1 AS id FROM pg_sleep(2)");
}

#[test]
fn watch_bad_pool_that_is_exhausted_names_who_holds_it_on_mariadb() {
    exhausted(Engine::Maria, "SELECT SLEEP(2) AS id");
}

#[test]
fn watch_bad_cursor_of_ones_own_that_begins_with_null_is_warned_of() {
    let shop = Shop::open(Engine::Sqlite).expect("a file");
    shop.put("CREATE TABLE t(id INTEGER)");
    let add = ["watch", "add", "w", "--source", "shop", "--job", "eat"];
    let cursor = ["--mode", "cursor", "--key", "id", "--every", "200ms"];
    let query = [
        "--query",
        "SELECT id FROM t WHERE id > coalesce(:cursor, 0) ORDER BY id",
    ];
    let add = [&add[..], &cursor, &query].concat();
    let said = shop.instance.sandbox.ok(&add).stderr;
    assert!(said.contains(":cursor is NULL"), "{said}");
    shop.polled("w", 1);
    shop.put("INSERT INTO t VALUES(1), (2)");
    until_ids(&shop, &[1, 2]);
    let given = [&add[..], &["--initial", "1", "--replace"]].concat();
    assert!(!shop.instance.sandbox.ok(&given).stderr.contains("NULL"));
}
