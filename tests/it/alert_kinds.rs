//! Alerts of each kind, and pings, from what really happens.

use std::fs;

use serde_json::Value;

use crate::alert_delivery::{courier, fail, log, shaky};
use crate::support::instance::Instance;
use crate::support::sinks::Web;
use crate::support::wait::{pass, until, within};

#[test]
fn alert_kinds_pings_tell_start_end_and_code_of_each_run() {
    let instance = Instance::running();
    let web = Web::answering(&[]);
    let gate = instance.gate("gate");
    instance.add("timed", "read x < gate; exit $x", &[]);
    let url = web.url.replace("/hook/secret-path", "/{job}");
    instance
        .sandbox
        .ok(&["alerts", "add", "hc", "--ping", &url]);
    let run = instance.request("timed");
    until("the start", || (web.asked().len() == 1).then_some(()));
    fs::write(&gate, "7\n").unwrap();
    until("the end", || (web.asked().len() == 2).then_some(()));
    let again = instance.request("timed");
    fs::write(&gate, "0\n").unwrap();
    until("both of the second", || {
        (web.asked().len() == 4).then_some(())
    });
    let lines: Vec<String> = web.asked().into_iter().map(|a| a.line).collect();
    let rid = |run: i64| format!("?rid=00000000-0000-4000-8000-{run:012x} HTTP/1.1");
    assert_eq!(
        lines,
        [
            format!("POST /timed/start{}", rid(run)),
            format!("POST /timed/7{}", rid(run)),
            format!("POST /timed/start{}", rid(again)),
            format!("POST /timed{}", rid(again)),
        ]
    );
}

/// A ping that waits for the one before it is due and cannot go: it started a process every moment.
#[test]
fn alert_kinds_what_waits_its_turn_starts_no_process() {
    let instance = Instance::running();
    let web = Web::answering(&[500; 100]);
    shaky(&instance);
    let url = format!("{}/{{job}}", web.url);
    instance
        .sandbox
        .ok(&["alerts", "add", "hc", "--ping", &url]);
    fail(&instance);
    // The fifth try is 7 s away at the least.
    instance.until_sql("(SELECT attempts FROM alert ORDER BY id LIMIT 1) = 4");
    let home = instance.sandbox.path("home");
    until("its process ends", || {
        courier(&home).is_none().then_some(())
    });
    let writes = || {
        let query = "SELECT seq FROM sqlite_sequence WHERE name = 'touched'";
        instance.cell::<i64>(query).unwrap()
    };
    let before = writes();
    pass(4_000);
    assert_eq!(writes(), before, "somebody was there, and wrote");
    instance.until_sql("(SELECT attempts FROM alert ORDER BY id LIMIT 1) = 5");
    assert_eq!(log(&instance).len(), 2);
}

#[test]
fn alert_kinds_missed_fires_are_told_of_after_the_daemon_was_down() {
    let mut instance = Instance::running();
    let line = format!("cat >> {}", instance.sandbox.path("out").display());
    instance
        .sandbox
        .ok(&["alerts", "add", "one", "--command", &line, "--on", "missed"]);
    instance.add("tick", "true", &["-s", "every 1s", "--catch-up", "none"]);
    instance.succeeded("tick", 1);
    assert_eq!(instance.stop(), 0);
    // More than five minutes of absence make a gap; the clock of the store is set back instead.
    let sql = instance.sql();
    sql.execute_batch(
        "UPDATE due SET next_at = next_at - 600000;
         UPDATE session SET alive_at = alive_at - 600000, stopped_at = stopped_at - 600000,
           started_at = started_at - 600000;",
    )
    .unwrap();
    drop(sql);
    instance.start();
    let lines = instance.until_lines("out", 1);
    let message: Value = serde_json::from_str(&lines[0]).unwrap();
    let subject = message["alerts"][0]["subject"].as_str().unwrap();
    assert!(subject.starts_with("tick missed "), "{subject}");
    assert_eq!(message["kind"], "missed");
}

#[test]
fn alert_kinds_a_job_without_success_and_one_that_is_stopped_are_told_of() {
    let instance = Instance::running();
    let line = format!("cat >> {}", instance.sandbox.path("out").display());
    let on = "silent,stuck";
    let add = [
        "alerts",
        "add",
        "one",
        "--command",
        &line,
        "--on",
        on,
        "--silent",
        "2s",
    ];
    instance.add("never", "false", &["-s", "every 1d"]);
    instance.sandbox.ok(&add);
    let lines = instance.until_lines("out", 1);
    assert!(
        lines[0].contains("never has not succeeded for"),
        "{}",
        lines[0]
    );
    instance.add("frozen", "kill -STOP $$", &[]);
    instance.request("frozen");
    within(90_000, "it is told of as stuck", || {
        let lines = instance.lines("out");
        lines
            .iter()
            .any(|l| l.contains("frozen is stuck"))
            .then_some(())
    });
    instance.sandbox.ok(&["kill", "frozen"]);
}
