//! What `watch` shows of polls, and how a watch begins anew or goes on.

use std::io::{BufRead, BufReader};
use std::process::Stdio;

use serde_json::{Value, json};

use crate::support::lookout::{Poll, poll, stands};
use crate::watch_cli::{CURSOR, now, shop, sql, words};

#[test]
fn watch_cli_lists_polls_with_all_keys_and_their_runs() {
    let sandbox = shop();
    sandbox.ok(&words(&CURSOR));
    let (sql, at) = (sql(&sandbox), now(&sandbox));
    let made = Poll {
        outcome: "ok",
        fresh: Some(2),
        runs: 2,
        ..poll("orders", at)
    };
    let id = made.write(&sql);
    Poll {
        outcome: "timeout",
        error: Some("timeout: it took longer than 30s"),
        fails: 1,
        ..poll("orders", at + 1)
    }
    .write(&sql);
    let polls = sandbox.items(&["watch", "polls", "orders"]);
    assert_eq!(polls.len(), 2);
    let keys = [
        "poll",
        "watch",
        "trigger",
        "due_at",
        "started_at",
        "took_ms",
        "pool_wait_ms",
        "query",
        "params",
        "rows",
        "fresh_rows",
        "runs",
        "cursor_before",
        "cursor_after",
        "outcome",
        "error",
    ];
    for key in keys {
        assert!(polls[0].get(key).is_some(), "{key}: {polls:?}");
    }
    assert_eq!(polls[1]["poll"], id, "the newest first");
    assert_eq!(polls[1]["runs"].as_array().map(Vec::len), Some(2));
    assert_eq!(polls[1]["params"]["limit"], 10_000);
    let failed = sandbox.items(&["watch", "polls", "orders", "--failed"]);
    assert_eq!(failed.len(), 1);
    assert_eq!(failed[0]["outcome"], "timeout");
    let runs = sandbox.items(&["history", "--origin", "watch:orders"]);
    assert_eq!(runs.len(), 2);
    assert_eq!(
        (&runs[0]["watch"], &runs[0]["origin_ref"]),
        (&json!("orders"), &json!(id.to_string()))
    );
    let none = sandbox.items(&["history", "--origin", "watch:other"]);
    assert_eq!(none, Vec::<Value>::new());
    assert_eq!(sandbox.run(&["history", "--origin", "wach"]).code, 2);
    let why = sandbox.ok(&["explain", &runs[0]["run"].to_string()]).stdout;
    assert!(
        why.contains(&format!("the watch orders in poll {id}")),
        "{why}"
    );
    assert_eq!(sandbox.run(&["watch", "polls", "nobody"]).code, 3);
}

#[test]
fn watch_cli_tables_fit_a_terminal_of_80_columns() {
    let sandbox = shop();
    sandbox.ok(&words(&CURSOR));
    let (sql, at) = (sql(&sandbox), now(&sandbox));
    poll("orders", at).write(&sql);
    stands(&sql, "orders", at, Some(4_711));
    for verb in ["ls", "polls"] {
        let mut args = vec!["watch", verb];
        args.extend((verb == "polls").then_some("orders"));
        let text = sandbox.ok(&args).stdout;
        for line in text.lines() {
            assert!(line.chars().count() <= 100, "{line}");
        }
    }
}

#[test]
fn watch_cli_tail_tells_of_a_poll_once_it_is_over() {
    let sandbox = shop();
    sandbox.ok(&words(&CURSOR));
    let (sql, at) = (sql(&sandbox), now(&sandbox));
    let id = Poll {
        outcome: "running",
        took_ms: None,
        ..poll("orders", at)
    }
    .write(&sql);
    let mut tail = sandbox
        .command()
        .args(["--jsonl", "watch", "tail", "orders"])
        .stdout(Stdio::piped())
        .spawn()
        .expect("the program");
    let mut lines = BufReader::new(tail.stdout.take().expect("its output")).lines();
    let before = poll("orders", at + 1).write(&sql);
    let mut next = || -> Value {
        let line = lines.next().expect("a line").expect("text");
        serde_json::from_str(&line).expect("JSON")
    };
    assert_eq!(next()["poll"], before);
    sql.execute(
        "UPDATE poll SET outcome = 'ok', took_ms = 9 WHERE id = ?1",
        [id],
    )
    .unwrap();
    let told = next();
    assert_eq!(
        (&told["poll"], &told["outcome"]),
        (&json!(id), &json!("ok"))
    );
    tail.kill().expect("a signal");
    tail.wait().expect("its end");
}

#[test]
fn watch_cli_reset_begins_anew_and_forgets_what_hides_rows() {
    let sandbox = shop();
    sandbox.ok(&words(&CURSOR));
    let (sql, at) = (sql(&sandbox), now(&sandbox));
    stands(&sql, "orders", at, Some(3));
    sql.execute("INSERT INTO seen VALUES('orders', '2', 1, 1)", [])
        .unwrap();
    let two = sandbox.run(&["watch", "reset", "orders", "--cursor", "[1,2]"]);
    assert_eq!(two.code, 6, "{two:?}");
    let item = sandbox.item(&["watch", "reset", "orders", "--cursor", "1"]);
    assert_eq!(
        (&item["initial"], &item["version"]),
        (&json!([1]), &json!(2))
    );
    let tried = sandbox.item(&["watch", "test", "orders"]);
    assert_eq!(tried["fresh_rows"], 2, "{tried}");
    assert_eq!(tried["deliveries"][0]["delivery"], "orders:2..3", "{tried}");
    assert_eq!(sandbox.run(&["watch", "reset", "orders"]).code, 2);
    sandbox.ok(&words(&[
        "--query",
        "SELECT 1 AS id",
        "--mode",
        "new",
        "--key",
        "id",
        "--replace",
    ]));
    let rows = sandbox.run(&["watch", "reset", "orders", "--to", "now"]);
    assert_eq!(rows.code, 6, "{rows:?}");
    sandbox.ok(&["watch", "reset", "orders", "--forget-seen"]);
}

#[test]
fn watch_cli_skip_lets_a_blocked_watch_go_on() {
    let sandbox = shop();
    sandbox.ok(&words(&CURSOR));
    assert_eq!(sandbox.run(&["watch", "skip", "orders"]).code, 5);
    let (sql, at) = (sql(&sandbox), now(&sandbox));
    let held = Poll {
        outcome: "ok",
        fresh: Some(1),
        held: true,
        ..poll("orders", at)
    };
    let id = held.write(&sql);
    let run = held.run(&sql, id, "failed");
    let doctor = sandbox.run(&["doctor"]).stdout;
    assert!(doctor.contains("watches    "), "{doctor}");
    let listed = sandbox.items(&["watch", "ls"]);
    assert_eq!(
        (&listed[0]["held_poll"], &listed[0]["blocking_run"]),
        (&json!(id), &json!(run))
    );
    let memory = json!({"cursor": [{"int": 9}], "begun": true});
    let kept = json!({"version": 1, "memory": memory, "others": [],
        "sighting": {"fresh": [], "again": [], "sighted": [], "forget": "nothing"}});
    sql.execute("UPDATE poll SET held = ?1", [kept.to_string()])
        .unwrap();
    sandbox.ok(&["watch", "skip", "orders"]);
    let after = sandbox.items(&["watch", "ls"]);
    assert_eq!(
        (&after[0]["held_poll"], &after[0]["cursor"]),
        (&Value::Null, &json!(9))
    );
}
