//! What goes wrong with a watch: its source, its poller, its job, its daemon.

use std::fs;

use rustix::process::Signal;

use crate::support::instance::{is_alive, signal};
use crate::support::wait::{pass, until, within};
use crate::support::watching::Field;

const CURSOR: [&str; 6] = ["--mode", "cursor", "--key", "id", "--initial", "min"];

fn cursor(every: &str) -> Vec<&str> {
    [&CURSOR[..], &["--every", every]].concat()
}

#[test]
fn watch_run_waits_for_its_runs_and_goes_on_after_a_retry() {
    let field = Field::new();
    let line = r#"x=$(cat); test -e fine && printf '%s\n' "$x" >> got"#;
    field.instance.add("eat2", line, &[]);
    let flags = [
        cursor("200ms"),
        vec!["--job", "eat2", "--advance", "succeeded"],
    ]
    .concat();
    field.put("INSERT INTO t VALUES(1, 'a')");
    field.watch("w", "SELECT * FROM t", &flags);
    field.instance.until_sql(
        "EXISTS(SELECT 1 FROM poll WHERE held IS NOT NULL AND note LIKE 'waits for run%failed%')",
    );
    let run: i64 = field.instance.cell("SELECT min(id) FROM run").unwrap();
    field.put("INSERT INTO t VALUES(2, 'b')");
    let polls: i64 = field.instance.cell("SELECT count(*) FROM poll").unwrap();
    assert_eq!(polls, 1, "nobody asks while it is blocked");
    let told = field.instance.sandbox.items(&["events", "-n", "100"]);
    assert!(
        told.iter().any(|e| e["run"] == run && e["kind"] == "watch"),
        "{told:?}"
    );
    field.instance.sandbox.file("fine", b"");
    field.instance.sandbox.ok(&["retry", &run.to_string()]);
    field.until_ids(&[1, 2]);
    field
        .instance
        .until_sql("NOT EXISTS(SELECT 1 FROM poll WHERE held IS NOT NULL)");
    let cursor: String = field.instance.cell("SELECT memory FROM watch").unwrap();
    assert!(cursor.contains("\"cursor\":[{\"int\":2}]"), "{cursor}");
}

#[test]
fn watch_run_goes_on_without_a_run_that_is_given_up() {
    let field = Field::new();
    field.instance.add("never", "cat > /dev/null; false", &[]);
    let flags = [
        cursor("200ms"),
        vec!["--job", "never", "--advance", "succeeded"],
    ]
    .concat();
    field.put("INSERT INTO t VALUES(1, 'a')");
    field.watch("w", "SELECT * FROM t", &flags);
    field
        .instance
        .until_sql("EXISTS(SELECT 1 FROM poll WHERE note LIKE 'waits for run%')");
    field.instance.sandbox.ok(&["--yes", "watch", "skip", "w"]);
    field.polled("w", 3);
    let runs: i64 = field.instance.cell("SELECT count(*) FROM run").unwrap();
    assert_eq!(runs, 1, "what was given up does not come again");
}

#[test]
fn watch_run_a_source_that_vanishes_is_missed_and_found_again() {
    let field = Field::new();
    field.put("INSERT INTO t VALUES(1, 'a')");
    field.watch("w", "SELECT * FROM t", &cursor("200ms"));
    field.until_ids(&[1]);
    let (here, away) = (
        field.instance.sandbox.path("shop.db"),
        field.instance.sandbox.path("away.db"),
    );
    field.put("INSERT INTO t VALUES(2, 'b'); PRAGMA wal_checkpoint(TRUNCATE)");
    fs::rename(&here, &away).unwrap();
    for end in ["-wal", "-shm"] {
        let _ = fs::remove_file(field.instance.sandbox.path(&format!("shop.db{end}")));
    }
    field
        .instance
        .until_sql("EXISTS(SELECT 1 FROM poll WHERE outcome = 'no_connection' AND fails >= 2)");
    fs::rename(&away, &here).unwrap();
    field.instance.until_sql(
        "(SELECT outcome FROM poll WHERE outcome NOT IN('running', 'skipped') ORDER BY id DESC LIMIT 1) IN('ok', 'empty')",
    );
    field.put("INSERT INTO t VALUES(3, 'c')");
    field.until_ids(&[1, 2, 3]);
}

#[test]
fn watch_run_a_query_that_takes_too_long_is_ended_and_others_are_skipped() {
    let field = Field::new();
    let endless =
        "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n) SELECT max(i) FROM n";
    field.watch("slow", endless, &["--every", "200ms", "--timeout", "1s"]);
    field
        .instance
        .until_sql("(SELECT count(*) FROM poll WHERE outcome = 'timeout' AND fails >= 2) >= 1");
    let skipped: i64 = field
        .instance
        .cell("SELECT count(*) FROM poll WHERE outcome = 'skipped'")
        .unwrap();
    let asked: i64 = field
        .instance
        .cell("SELECT count(*) FROM poll WHERE outcome <> 'skipped'")
        .unwrap();
    assert!(skipped >= 1 && skipped <= asked, "{skipped} of {asked}");
    let at_once: i64 = field
        .instance
        .cell("SELECT count(*) FROM poll WHERE outcome = 'running'")
        .unwrap();
    assert!(at_once <= 1);
    field.watch("quick", "SELECT 1 AS id", &["--every", "200ms"]);
    field.polled("quick", 3);
}

#[test]
fn watch_run_a_poller_that_is_stopped_is_marked_replaced_and_polls_go_on() {
    let mut field = Field::new();
    field.put("INSERT INTO t VALUES(1, 'a')");
    field.watch("w", "SELECT * FROM t", &cursor("300ms"));
    field.until_ids(&[1]);
    let poller = field.poller("shop", None);
    signal(poller, Signal::STOP);
    within(6_000, "it is marked", || {
        field
            .instance
            .cell::<i64>("SELECT silent_since FROM gauge WHERE silent_since IS NOT NULL")
    });
    field.put("INSERT INTO t VALUES(2, 'b')");
    let other = field.poller("shop", Some(poller));
    assert_ne!(poller, other);
    assert!(!is_alive(poller));
    field.until_ids(&[1, 2]);
    let lost: i64 = field
        .instance
        .cell("SELECT count(*) FROM poll WHERE outcome = 'lost'")
        .unwrap();
    assert_eq!(lost, 1);
    field
        .instance
        .until_sql("EXISTS(SELECT 1 FROM event WHERE kind = 'poller')");
    field.instance.stop_and_audit();
    assert!(!is_alive(other), "no poller outlives its daemon");
}

#[test]
fn watch_run_a_connection_that_leaks_is_told_of_and_polls_go_on() {
    let mut field = Field::quiet();
    let mut command = field.instance.daemon_command();
    command.env("CRAKE_POLLER_LEAK", "w");
    field.instance.start_by(command);
    field.put("INSERT INTO t VALUES(1, 'a')");
    field.watch(
        "w",
        "SELECT * FROM t",
        &[cursor("300ms"), vec!["--timeout", "1s"]].concat(),
    );
    within(
        9_000,
        "the leak is told of within the time limit and 6 s, and some for a busy host",
        || {
            field
                .instance
                .cell::<String>("SELECT text FROM event WHERE kind = 'leak' AND watch = 'w'")
        },
    );
    field.polled_again("w", 2);
    field.put("INSERT INTO t VALUES(2, 'b')");
    field.until_ids(&[1, 2]);
}

#[test]
fn watch_run_no_poller_is_there_where_there_is_nothing_to_watch() {
    let field = Field::new();
    field.watch("w", "SELECT 1 AS id", &["--every", "200ms"]);
    let poller = field.poller("shop", None);
    field.instance.sandbox.ok(&["watch", "pause", "w"]);
    until("the poller left", || (!is_alive(poller)).then_some(()));
    let polls: i64 = field.instance.cell("SELECT count(*) FROM poll").unwrap();
    pass(1_000);
    let after: i64 = field.instance.cell("SELECT count(*) FROM poll").unwrap();
    assert_eq!(after, polls, "nobody asks while it is paused");
    field.instance.sandbox.ok(&["watch", "resume", "w"]);
    field.polled_again("w", 2);
    field.watch("rare", "SELECT 1 AS id", &["--every", "1h"]);
    field.polled("rare", 1);
    field
        .instance
        .sandbox
        .ok(&["watch", "poll", "rare", "--wait"]);
    field
        .instance
        .until_sql("EXISTS(SELECT 1 FROM poll WHERE watch = 'rare' AND trigger = 'manual')");
    field.instance.sandbox.ok(&["--yes", "watch", "rm", "rare"]);
    field.instance.sandbox.ok(&["--yes", "watch", "rm", "w"]);
    field.instance.until_sql("NOT EXISTS(SELECT 1 FROM gauge)");
}

#[test]
fn watch_run_a_job_that_is_gone_makes_the_poll_fail_and_the_cursor_stay() {
    let field = Field::new();
    field.instance.add("other", "cat >> got; echo >> got", &[]);
    field.put("INSERT INTO t VALUES(1, 'a')");
    field.watch(
        "w",
        "SELECT * FROM t WHERE id > 1",
        &[cursor("200ms"), vec!["--job", "other"]].concat(),
    );
    field.polled("w", 1);
    field.instance.sandbox.ok(&["--yes", "rm", "other"]);
    field.put("INSERT INTO t VALUES(2, 'b')");
    field
        .instance
        .until_sql("EXISTS(SELECT 1 FROM poll WHERE outcome = 'error' AND fails >= 2)");
    field.instance.add("other", "cat >> got; echo >> got", &[]);
    field.until_ids(&[2]);
}
