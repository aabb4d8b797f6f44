//! Watches of real servers: what commits out of order, servers that are away, queries without end, and
//! the way from a poll to its runs and back.

use serde_json::{Value, json};

use crate::support::servers::{Kind, PASSWORD, Server, fresh};
use crate::support::shops::{Engine, PATIENT_MS, Shop};
use crate::support::wait::{pass, within};
use crate::support::watching::Field;

/// No looking back: what is found all the same was not taken for seen.
const STRICT: [&str; 8] = [
    "--mode",
    "cursor",
    "--initial",
    "min",
    "--lookback",
    "0",
    "--every",
    "200ms",
];

/// The ids of the rows that the job `eat` was given, in the order of its runs.
fn ids(shop: &Shop) -> Vec<i64> {
    let read = |line: String| -> (i64, Vec<i64>) {
        let words: Vec<&str> = line.splitn(4, ' ').collect();
        let input: Value = serde_json::from_str(words[3]).expect("JSON");
        let rows = input["rows"].as_array().expect("rows");
        let ids = rows.iter().map(|row| row["id"].as_i64().expect("an id"));
        (words[0].parse().expect("a run"), ids.collect())
    };
    let lines = shop.instance.lines("got").into_iter();
    let mut runs: Vec<(i64, Vec<i64>)> = lines.map(read).collect();
    runs.sort_unstable();
    runs.into_iter().flat_map(|(_, ids)| ids).collect()
}

#[track_caller]
fn until_ids(shop: &Shop, wanted: &[i64]) {
    within(
        PATIENT_MS,
        &format!("{wanted:?}, not {:?}", ids(shop)),
        || (ids(shop) == wanted).then_some(()),
    );
}

#[test]
fn watch_postgres_loses_no_row_that_commits_behind_a_later_one() {
    let Some(shop) = Shop::open(Engine::Postgres) else {
        return;
    };
    shop.put("CREATE TABLE t(id BIGSERIAL PRIMARY KEY)");
    let (mut first, mut second) = (shop.postgres(), shop.postgres());
    let mut early = first.transaction().unwrap();
    early.batch_execute("INSERT INTO t DEFAULT VALUES").unwrap();
    let mut late = second.transaction().unwrap();
    late.batch_execute("INSERT INTO t DEFAULT VALUES").unwrap();
    shop.watch(
        "w",
        "SELECT id FROM t",
        &[&STRICT[..], &["--key", "id"]].concat(),
    );
    shop.polled("w", 2);
    late.commit().unwrap();
    until_ids(&shop, &[2]);
    let polls = shop.polls("w").len() as i64;
    shop.polled("w", polls + 3);
    early.commit().unwrap();
    until_ids(&shop, &[2, 1]);
    shop.put("INSERT INTO t DEFAULT VALUES");
    until_ids(&shop, &[2, 1, 3]);
}

#[test]
fn watch_postgres_loses_no_row_of_many_writers_with_a_cursor_of_two_columns() {
    let Some(mut shop) = Shop::open(Engine::Postgres) else {
        return;
    };
    shop.put("CREATE TABLE t(ts TIMESTAMPTZ(0) DEFAULT clock_timestamp(), id BIGSERIAL)");
    let flags = [&STRICT[..], &["--key", "ts,id", "--max-rows", "7"]].concat();
    shop.watch("w", "SELECT ts, id FROM t", &flags);
    std::thread::scope(|scope| {
        for _ in 0..4 {
            let mut client = shop.postgres();
            scope.spawn(move || {
                for _ in 0..25 {
                    let mut open = client.transaction().unwrap();
                    // Held open for a while that differs, so that others overtake it.
                    open.batch_execute(
                        "INSERT INTO t DEFAULT VALUES; SELECT pg_sleep(random() * 0.2)",
                    )
                    .unwrap();
                    open.commit().unwrap();
                }
            });
        }
    });
    let all: Vec<i64> = (1..=100).collect();
    within(PATIENT_MS, "each row is delivered", || {
        let mut ids = ids(&shop);
        ids.sort_unstable();
        (ids == all).then_some(())
    });
    let polls = shop.polls("w").len() as i64;
    shop.polled("w", polls + 3);
    shop.settled();
    assert_eq!(ids(&shop).len(), 100, "each of them once");
    shop.instance.stop_and_audit();
}

#[test]
fn watch_postgres_goes_on_by_itself_after_the_server_was_away() {
    let Some(mut server) = Server::start(Kind::Postgres) else {
        return;
    };
    let field = Field::new();
    let sandbox = &field.instance.sandbox;
    let add = ["source", "add", "pg", &server.dsn(""), "--password-stdin"];
    assert_eq!(sandbox.feed(PASSWORD.as_bytes(), &add).code, 0);
    server.put("CREATE TABLE orders(id BIGSERIAL PRIMARY KEY)");
    let add = ["watch", "add", "w", "--source", "pg", "--job", "eat"];
    let query = ["--query", "SELECT id FROM orders", "--key", "id"];
    sandbox.ok(&[&add[..], &query, &STRICT].concat());
    server.put("INSERT INTO orders DEFAULT VALUES");
    field.until_ids(&[1]);
    let stands = || sandbox.items(&["watch", "ls"])[0].clone();
    let processes = || (field.instance.core(), stands()["pool"]["pid"].clone());
    let before = processes();
    server.put("INSERT INTO orders DEFAULT VALUES");
    server.stop();
    let failing = within(
        PATIENT_MS,
        "it fails, and later and later tries again",
        || Some(stands()).filter(|s| s["state"] == "failing" && s["fails"].as_i64() >= Some(4)),
    );
    let error = failing["error"].as_str().unwrap();
    assert!(error.starts_with("connect: "), "{failing}");
    let pauses = "SELECT min(later.started_at - p.started_at) FROM poll p
        JOIN poll later ON later.fails = p.fails + 1 AND later.id > p.id WHERE p.fails >= 3";
    let pause: i64 = field.instance.cell(pauses).expect("a pause");
    assert!(pause >= 3_900, "{pause} ms after the third failure");
    let gone_ms = "SELECT max(started_at) - min(started_at) FROM poll WHERE fails > 0";
    let gone: i64 = field.instance.cell(gone_ms).unwrap();
    pass(30_000 - gone.min(30_000));
    server.run();
    within(PATIENT_MS, "it is idle again", || {
        (stands()["state"] == "idle" && stands()["fails"] == 0).then_some(())
    });
    server.put("INSERT INTO orders DEFAULT VALUES");
    // The third is of another number: after its recovery a server leaves some of a sequence out.
    within(PATIENT_MS, "nothing is lost", || {
        let ids = field.ids();
        (ids.len() == 3 && ids[..2] == [1, 2]).then_some(())
    });
    assert_eq!(processes(), before, "nothing was started anew");
    drop(field);
}

/// A query that sleeps is ended at its limit, on the server too.
fn ended_in_time(engine: Engine, sleep: &str, running: &str) {
    let Some(shop) = Shop::open(engine) else {
        return;
    };
    let mark = fresh("slow");
    let (sleep, running) = (sleep.replace("MARK", &mark), running.replace("MARK", &mark));
    shop.watch("slow", &sleep, &["--every", "1h", "--timeout", "2s"]);
    within(PATIENT_MS, "the server is at it", || {
        (shop.count(&running) == 1).then_some(())
    });
    shop.polled("slow", 1);
    within(4_000, "the query is gone from the server", || {
        (shop.count(&running) == 0).then_some(())
    });
    let poll = &shop.polls("slow")[0];
    assert_eq!(poll["outcome"], "timeout", "{poll}");
    let took = poll["took_ms"].as_i64().unwrap();
    assert!((1_000..6_000).contains(&took), "{poll}");
    let stands = shop.stands("slow");
    assert_eq!(stands["state"], "failing", "{stands}");
    let error = stands["error"].as_str().unwrap();
    assert!(
        error.starts_with("timeout: ") && error.contains("2000 ms"),
        "{stands}"
    );
    shop.watch("quick", "SELECT 1 AS id", &["--every", "1h"]);
    shop.polled("quick", 1);
    assert_eq!(shop.polls("quick")[0]["outcome"], "ok");
}

#[test]
fn watch_postgres_ends_a_query_at_its_limit_on_the_server_too() {
    ended_in_time(
        Engine::Postgres,
        "SELECT pg_sleep(60) AS MARK",
        "SELECT count(*) FROM pg_stat_activity WHERE query LIKE '%MARK%' AND state = 'active'
           AND pid <> pg_backend_pid()",
    );
}

#[test]
fn watch_mariadb_ends_a_query_at_its_limit_on_the_server_too() {
    ended_in_time(
        Engine::Maria,
        "SELECT SLEEP(60) AS MARK",
        "SELECT count(*) FROM information_schema.processlist WHERE info LIKE '%MARK%'
           AND id <> connection_id()",
    );
}

/// From the poll to its runs, and from a run back to its poll.
fn traced(engine: Engine) {
    let Some(shop) = Shop::open(engine) else {
        return;
    };
    let query = match engine {
        Engine::Exec => {
            shop.append("t", "{\"id\":1,\"v\":\"a\"}\n{\"id\":2,\"v\":\"b\"}\n");
            "t"
        }
        _ => {
            shop.put("CREATE TABLE t(id BIGINT, v VARCHAR(20))");
            shop.put("INSERT INTO t VALUES(1, 'a'), (2, 'b'), (3, 'other')");
            "SELECT id, v FROM t WHERE v <> :word AND id >= :least ORDER BY id"
        }
    };
    let flags = [
        "--param",
        "word=other",
        "--param",
        "least:=1",
        "--every",
        "1h",
    ];
    shop.watch("w", query, &[&flags[..], &["--deliver", "row"]].concat());
    shop.polled("w", 1);
    shop.settled();
    let polls = shop.polls("w");
    let poll = &polls[0];
    assert_eq!(
        (&poll["outcome"], &poll["trigger"], &poll["query"]),
        (&json!("ok"), &json!("timer"), &json!(query))
    );
    assert_eq!(
        (&poll["params"]["word"], &poll["params"]["least"]),
        (&json!("other"), &json!(1))
    );
    assert_eq!((&poll["rows"], &poll["fresh_rows"]), (&json!(2), &json!(2)));
    for key in ["took_ms", "pool_wait_ms"] {
        assert!(
            poll[key].as_i64().is_some_and(|ms| ms >= 0),
            "{key}: {poll}"
        );
    }
    let runs = poll["runs"].as_array().unwrap();
    assert_eq!(runs.len(), 2, "{poll}");
    let id = poll["poll"].to_string();
    let sandbox = &shop.instance.sandbox;
    let history = sandbox.items(&["history", "--origin", "watch:w"]);
    for run in runs {
        let listed = history.iter().find(|row| row["run"] == *run);
        let shown = sandbox.item(&["explain", &run.to_string()]);
        for item in [listed.expect("the run"), &shown] {
            assert_eq!(
                (&item["origin"], &item["origin_ref"], &item["watch"]),
                (&json!("watch"), &json!(id), &json!("w")),
                "{item}"
            );
        }
    }
    assert_eq!(history.len(), 2);
}

#[test]
fn watch_polls_lead_to_their_runs_and_back_on_every_engine() {
    for engine in [
        Engine::Sqlite,
        Engine::Postgres,
        Engine::Maria,
        Engine::Exec,
    ] {
        traced(engine);
    }
}

/// A queue as it is documented: what nobody acknowledges comes again, under the same name.
fn given_again(engine: Engine) {
    let Some(shop) = Shop::open(engine) else {
        return;
    };
    let at = match engine {
        Engine::Postgres => "TIMESTAMPTZ",
        _ => "TEXT",
    };
    shop.put(&format!(
        "CREATE TABLE task(id BIGINT, what TEXT, claim TEXT, claimed_at {at}, done {at})"
    ));
    shop.put("INSERT INTO task(id, what) VALUES(1, 'a'), (2, 'b')");
    let line = r#"x=$(cat); echo "$CRAKE_DELIVERY" >> names; test -e fine"#;
    shop.instance.add("work", line, &[]);
    let query = "UPDATE task SET claim = :claim, claimed_at = :now WHERE id IN (SELECT id FROM task
        WHERE done IS NULL AND (claim IS NULL OR claimed_at < :visible_before) LIMIT :limit)
        RETURNING id, what";
    let ack = "UPDATE task SET done = :now WHERE id = :id";
    let flags = [
        "--mode",
        "consume",
        "--key",
        "id",
        "--deliver",
        "row",
        "--job",
        "work",
    ];
    let more = [
        "--ack",
        ack,
        "--advance",
        "succeeded",
        "--visibility",
        "1s",
        "--every",
        "200ms",
    ];
    shop.watch("jobs", query, &[flags, more].concat());
    shop.instance.until_lines("names", 4);
    let left = "SELECT count(*) FROM task WHERE done IS NULL";
    assert_eq!(shop.count(left), 2, "nobody said that they are done");
    shop.instance.sandbox.file("fine", b"");
    within(PATIENT_MS, "they are acknowledged", || {
        (shop.count(left) == 0).then_some(())
    });
    let names = shop.instance.lines("names");
    for id in [1, 2] {
        let name = format!("jobs:{id}");
        let count = names.iter().filter(|line| **line == name).count();
        assert!(count >= 2, "{names:?}");
    }
    assert!(
        names.iter().all(|n| n == "jobs:1" || n == "jobs:2"),
        "{names:?}"
    );
}

#[test]
fn watch_queue_gives_again_what_nobody_acknowledged() {
    given_again(Engine::Sqlite);
    given_again(Engine::Postgres);
}
