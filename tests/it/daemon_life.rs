//! How a daemon comes and goes.

use std::fs::{self, File};
use std::io::Write;
use std::process::Stdio;

use crate::support::instance::{Instance, end_of};
use crate::support::sandbox::in_package;
use crate::support::wait::{until, within};

#[test]
fn an_imported_crontab_fires_on_the_minute_with_its_environment() {
    let instance = Instance::new();
    let home = instance.sandbox.path("");
    let mut table = format!("HOME={}\n", home.display()).into_bytes();
    table.extend(fs::read(in_package("tests/data/sample.crontab")).unwrap());
    table.extend(b"\n# Name: greeting\n* * * * * echo \"$GREETING\"; echo \"[$MAILTO]\" >&2\n");
    let table = instance.sandbox.file("table", &table);
    instance.sandbox.ok(&["import", table.to_str().unwrap()]);
    let mut instance = instance;
    instance.start();
    let sql = instance.sql();
    within(75_000, "the minute's jobs have run", || {
        let query = "SELECT 1 WHERE (SELECT count(DISTINCT job) FROM run
             WHERE state = 'succeeded' AND origin = 'schedule') = 2";
        sql.query_row(query, [], |_| Ok(())).ok()
    });
    let run = &instance.sandbox.items(&["history", "greeting"])[0];
    assert_eq!(run["state"], "succeeded", "{run}");
    assert!(run["planned_at"].as_str().unwrap().contains(":00"), "{run}");
    assert!(run["late_ms"].as_i64().unwrap() < 5_000, "{run}");
    let logs = instance
        .sandbox
        .ok(&["logs", "greeting", "--stream", "out"]);
    // Under a cron both outputs are one.
    assert_eq!(logs.stdout, "hello\n[]\n");
    let logs = instance.sandbox.ok(&["logs", "heartbeat"]);
    assert!(logs.stdout.starts_with("hello from "), "{logs:?}");
    instance.stop_and_audit();
}

#[test]
fn a_second_daemon_says_who_keeps_time_and_leaves() {
    let mut instance = Instance::running();
    let core = instance.core().unwrap();
    let second = instance.sandbox.run(&["daemon"]);
    assert_eq!(second.code, 5, "{second:?}");
    assert!(
        second.stderr.contains(&format!("process {core}")),
        "{second:?}"
    );
    assert_eq!(instance.core(), Some(core), "the first is not disturbed");
    assert_eq!(instance.stop(), 0);
}

#[test]
fn a_daemon_that_is_stopped_leaves_its_runs_to_the_next() {
    let mut instance = Instance::running();
    let gate = instance.gate("gate");
    instance.add("gated", "echo on >> starts; read x < gate; exit $x", &[]);
    let run = instance.request("gated");
    instance.until_lines("starts", 1);
    assert_eq!(instance.stop(), 0);
    assert!(!instance.sandbox.path("home/crake.sock").exists());
    assert_eq!(instance.status()["daemon"]["up"], false);
    instance.start();
    File::create(gate).unwrap().write_all(b"9\n").unwrap();
    let ended = instance.ended(run);
    assert_eq!(ended["exit_code"], 9, "{ended}");
    assert_eq!(instance.lines("starts").len(), 1);
}

/// What a daemon says that cannot start: it must not try again and again.
fn refusal(instance: &Instance) -> (i32, String) {
    let mut daemon = instance
        .sandbox
        .command()
        .arg("daemon")
        .stderr(Stdio::from(
            File::create(instance.sandbox.path("words")).unwrap(),
        ))
        .spawn()
        .unwrap();
    let code = end_of(&mut daemon);
    (code, instance.lines("words").join("\n"))
}

#[test]
fn a_daemon_that_cannot_use_its_store_says_why_and_leaves() {
    let text = Instance::new();
    text.sandbox
        .file("home/crake.db", &b"This is no store.\n".repeat(400));
    let (code, words) = refusal(&text);
    assert_eq!(code, 6, "{words}");
    assert!(
        words.contains("crake.db") && !words.contains("again"),
        "{words}"
    );

    let newer = Instance::new();
    newer.add("hello", "true", &[]);
    newer
        .sql()
        .execute_batch("PRAGMA user_version = 99")
        .unwrap();
    let (code, words) = refusal(&newer);
    assert_eq!(code, 5, "{words}");
    assert!(words.contains("newer"), "{words}");

    let nowhere = Instance::new();
    nowhere.sandbox.file("home", b"a file");
    let (code, words) = refusal(&nowhere);
    assert!(matches!(code, 1 | 7), "{code}: {words}");
    assert!(
        words.contains("home") && !words.contains("again"),
        "{words}"
    );
}

#[test]
fn a_store_locked_while_a_core_starts_is_waited_for() {
    let mut instance = Instance::running();
    instance.add("tick", "true", &["-s", "every 1s"]);
    instance.succeeded("tick", 1);
    let sql = instance.sql();
    sql.execute_batch("BEGIN IMMEDIATE").unwrap();
    let killed = instance.kill_core();
    until("a core found the store locked", || {
        let words = instance.lines("daemon.err").join("\n");
        words.contains("locked by another program").then_some(())
    });
    sql.execute_batch("ROLLBACK").unwrap();
    instance.up_but_for(Some(killed));
    instance.stop_and_audit();
}
