//! `watch`, through the program; polls are written by hand, as a daemon leaves them.

use rusqlite::Connection;
use serde_json::{Value, json};

use crate::support::sandbox::Sandbox;

/// An instance with a source `shop` of three orders and a job `ship`.
pub fn shop() -> Sandbox {
    let sandbox = Sandbox::new();
    let conn = Connection::open(sandbox.path("shop.db")).expect("a database");
    conn.execute_batch(
        "CREATE TABLE orders(id INTEGER PRIMARY KEY, customer TEXT, state TEXT DEFAULT 'new');
         INSERT INTO orders(customer) VALUES('ann'), ('bob'), ('eve')",
    )
    .expect("a table");
    sandbox.ok(&["source", "add", "shop", "shop.db"]);
    sandbox.ok(&["add", "ship", "--", "true"]);
    sandbox
}

pub fn words(more: &[&'static str]) -> Vec<&'static str> {
    let mut all = vec![
        "watch", "add", "orders", "--source", "shop", "--job", "ship",
    ];
    all.extend(more);
    all
}

pub const CURSOR: [&str; 6] = [
    "--mode",
    "cursor",
    "--key",
    "id",
    "--query",
    "SELECT id, customer FROM orders",
];

pub fn sql(sandbox: &Sandbox) -> Connection {
    Connection::open(sandbox.store()).expect("the store")
}

pub fn now(sandbox: &Sandbox) -> i64 {
    // The clock of the program itself: the instant at which the watch was made.
    sql(sandbox)
        .query_row("SELECT created_at FROM watch LIMIT 1", [], |row| row.get(0))
        .expect("a watch")
}

#[test]
fn watch_cli_keeps_shows_and_removes() {
    let sandbox = shop();
    let added = sandbox.item(&words(&[
        "--query",
        "SELECT id FROM orders WHERE state = :state AND id < :most LIMIT :limit",
        "--param",
        "state=new",
        "--param",
        "most:=100",
        "--every",
        "10s",
        "--deliver",
        "row",
        "--redact",
        "state",
        "--timeout",
        "5s",
        "--log",
        "rows",
    ]));
    assert_eq!(added["params"], json!({"state": "***", "most": 100}));
    assert_eq!(
        (&added["every_ms"], &added["deliver"], &added["timeout_ms"]),
        (&json!(10_000), &json!("row"), &json!(5_000))
    );
    let listed = sandbox.items(&["watch", "ls"]);
    let keys = [
        "watch",
        "source",
        "state",
        "every_ms",
        "next_at",
        "last_poll_at",
        "took_ms",
        "rows",
        "runs_1h",
        "cursor",
        "fails",
        "error",
        "pool",
    ];
    for key in keys {
        assert!(listed[0].get(key).is_some(), "{key}: {listed:?}");
    }
    for key in ["size", "idle", "in_use", "waiters", "leaks"] {
        assert!(listed[0]["pool"].get(key).is_some(), "{key}: {listed:?}");
    }
    assert_eq!(listed[0]["state"], "stalled", "without a daemon");
    let again = sandbox.run(&words(&["--query", "SELECT 1"]));
    assert_eq!(again.code, 5, "{again:?}");
    let other = sandbox.item(&words(&["--query", "SELECT 2 AS n", "--replace"]));
    assert_eq!(
        (&other["version"], &other["query"]),
        (&json!(2), &json!("SELECT 2 AS n"))
    );
    let shown = sandbox.ok(&["watch", "show", "orders"]).stdout;
    assert!(shown.contains("SELECT 2 AS n"), "{shown}");
    let job = sandbox.item(&["show", "ship"]);
    assert_eq!(job["watches"], json!(["orders"]));
    let used = sandbox.run(&["source", "rm", "shop"]);
    assert_eq!(used.code, 5);
    assert!(used.stderr.contains("the watch \"orders\""), "{used:?}");
    sandbox.ok(&["watch", "rm", "orders"]);
    assert_eq!(sandbox.run(&["watch", "show", "orders"]).code, 3);
    sandbox.ok(&["source", "rm", "shop"]);
    let events = sandbox.items(&["events", "--watch", "orders"]);
    let said: Vec<&str> = events.iter().filter_map(|e| e["text"].as_str()).collect();
    assert_eq!(said.len(), 3, "{said:?}");
    assert!(said.iter().all(|text| text.starts_with("watch orders: ")));
}

/// What is added to `watch add`, the exit code, and what is said.
const REFUSED: &[(&[&str], i32, &str)] = &[
    (
        &["--query", "SELECT 1", "--mode", "cursor"],
        6,
        "--key COLUMN",
    ),
    (
        &["--query", "SELECT 1", "--mode", "cusor"],
        2,
        "unknown mode",
    ),
    (
        &["--query", "SELECT 1", "--log", "all"],
        2,
        "unknown log level",
    ),
    (&["--query", "SELECT 1", "--every", "10ms"], 6, "100ms"),
    (
        &["--query", "SELECT :stat"],
        6,
        "there is no value for :stat",
    ),
    (&["--query", "SELECT :limits"], 6, "did you mean :limit"),
    (
        &["--query", "SELECT 1", "--param", "n=5"],
        6,
        "no statement has :n",
    ),
    (&["--query", "SELECT 'open"], 6, "has no end"),
    (
        &["--query", "SELECT 1; SELECT 2"],
        6,
        "more than one statement",
    ),
    (
        &["--query", "SELECT 1", "--listen", "orders"],
        6,
        "data_version",
    ),
    (
        &["--query", "SELECT 1", "--above", "3"],
        6,
        "mode threshold",
    ),
    (
        &["--query", "SELECT 1", "--ack", "SELECT 1"],
        6,
        "mode consume",
    ),
    (&["--query", ""], 6, "the query is empty"),
];

#[test]
fn watch_cli_refuses_what_cannot_work_before_it_is_kept() {
    let sandbox = shop();
    for (more, code, said) in REFUSED {
        let answer = sandbox.run(&words(more));
        assert_eq!(answer.code, *code, "{more:?} {answer:?}");
        assert!(answer.stderr.contains(said), "{more:?} {answer:?}");
        assert!(*code == 2 || answer.stderr.contains("tip:"), "{answer:?}");
    }
    let consume = sandbox.run(&words(&[
        "--mode",
        "consume",
        "--key",
        "id",
        "--query",
        "SELECT id FROM orders",
        "--ack",
        "DELETE FROM orders WHERE id = :id",
    ]));
    assert_eq!(consume.code, 6);
    assert!(consume.stderr.contains("--writable"), "{consume:?}");
    let source = [
        "watch", "add", "x", "--source", "shp", "--job", "ship", "--query", "SELECT 1",
    ];
    let answer = sandbox.run(&source);
    assert_eq!(answer.code, 3);
    assert!(
        answer.stderr.contains("did you mean \"shop\""),
        "{answer:?}"
    );
    assert_eq!(sandbox.items(&["watch", "ls"]), Vec::<Value>::new());
}

#[test]
fn watch_cli_test_shows_what_would_be_delivered_and_moves_nothing() {
    let sandbox = shop();
    let mut from = CURSOR.to_vec();
    from.extend(["--initial", "1"]);
    sandbox.ok(&words(&from));
    let before = sandbox.item(&["watch", "show", "orders"]);
    let tried = sandbox.item(&["watch", "test", "orders"]);
    assert_eq!(tried["ok"], true, "{tried}");
    assert_eq!(tried["params"], json!({"cursor": 1, "limit": 10_000}));
    assert_eq!(
        (&tried["rows"], &tried["fresh_rows"], &tried["cursor_after"]),
        (&json!(2), &json!(2), &json!(3))
    );
    assert_eq!(tried["deliveries"][0]["delivery"], "orders:2..3");
    assert_eq!(
        tried["fresh"][0]["row"],
        json!({"id": 2, "customer": "bob"})
    );
    assert_eq!(sandbox.item(&["watch", "show", "orders"]), before);
    let polls: i64 = sql(&sandbox)
        .query_row("SELECT count(*) FROM poll", [], |row| row.get(0))
        .unwrap();
    assert_eq!(polls, 0);
    sandbox.ok(&["watch", "reset", "orders", "--to", "now"]);
    let begins = sandbox.ok(&["watch", "test", "orders"]).stdout;
    assert!(
        begins.contains("only notes where it begins, after 3"),
        "{begins}"
    );
    sandbox.ok(&words(&["--query", "SELECT * FROM nowhere", "--replace"]));
    let failed = sandbox.run(&["watch", "test", "orders"]);
    assert_eq!(failed.code, 1);
    assert!(failed.stdout.contains("no such table"), "{failed:?}");
}

#[test]
fn watch_cli_test_claims_nothing() {
    let sandbox = shop();
    sandbox.ok(&[
        "source",
        "add",
        "shop",
        "shop.db",
        "--writable",
        "--replace",
    ]);
    sandbox.ok(&words(&[
        "--mode",
        "consume",
        "--key",
        "id",
        "--query",
        "UPDATE orders SET state = 'taken' RETURNING id",
    ]));
    let refused = sandbox.run(&["watch", "test", "orders"]);
    assert_eq!(refused.code, 5, "{refused:?}");
    assert!(refused.stderr.contains("nothing is claimed"), "{refused:?}");
    let taken: i64 = Connection::open(sandbox.path("shop.db"))
        .unwrap()
        .query_row(
            "SELECT count(*) FROM orders WHERE state = 'taken'",
            [],
            |row| row.get(0),
        )
        .unwrap();
    assert_eq!(taken, 0);
}

#[test]
fn watch_cli_pauses_asks_and_resumes() {
    let sandbox = shop();
    sandbox.ok(&words(&CURSOR));
    let paused = [
        "watch", "pause", "orders", "--for", "2h", "--reason", "moving",
    ];
    let item = sandbox.item(&paused);
    assert_eq!(item["pause_reason"], "moving");
    assert_eq!(sandbox.items(&["watch", "ls"])[0]["state"], "paused");
    assert_eq!(sandbox.run(&["watch", "poll", "orders"]).code, 5);
    sandbox.ok(&["watch", "resume", "orders"]);
    sandbox.ok(&["watch", "poll", "orders"]);
    let asked: Option<i64> = sql(&sandbox)
        .query_row("SELECT asked_at FROM watch", [], |row| row.get(0))
        .unwrap();
    assert!(asked.is_some());
    let alone = sandbox.run(&["watch", "poll", "orders", "--wait"]);
    assert_eq!(alone.code, 4, "nobody would poll it: {alone:?}");
}
