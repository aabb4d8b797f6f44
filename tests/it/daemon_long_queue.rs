//! Very many runs in a queue: the daemon stays small, and what goes first goes first.

use std::fs;

use crate::support::instance::Instance;
use crate::support::wait::{mono, within};

/// Bytes by which the core may grow.
const GROWTH: i64 = 20 << 20;

/// Milliseconds in which a long queue is to be taken note of on a busy machine.
const PATIENCE_MS: i64 = 120_000;

/// A figure of `/proc/PID/status`, bytes.
fn memory(pid: i32, key: &str) -> i64 {
    let text = fs::read_to_string(format!("/proc/{pid}/status")).unwrap();
    let line = text.lines().find(|l| l.starts_with(key)).expect("the key");
    let kib = line.split_whitespace().nth(1).expect("a number");
    kib.parse::<i64>().unwrap() * 1024
}

/// How many runs of `bulk` succeed in a second, while `count` of them do.
fn rate(instance: &Instance, count: i64) -> i64 {
    let done = "SELECT count(*) FROM run WHERE job = 'bulk' AND state = 'succeeded'";
    let sql = instance.sql();
    let look = || sql.query_row(done, [], |row| row.get::<_, i64>(0)).unwrap();
    let (first, begun) = (look(), mono());
    let last = within(PATIENCE_MS, "runs go on", || {
        Some(look()).filter(|now| *now >= first + count)
    });
    (last - first) * 1_000 / (mono() - begun).max(1)
}

fn insert(instance: &Instance, job: &str, count: i64) {
    instance
        .sql()
        .execute(
            "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < ?2)
             INSERT INTO run(job) SELECT ?1 FROM n",
            rusqlite::params![job, count],
        )
        .unwrap();
}

fn many(count: i64) {
    let instance = Instance::running();
    instance.add("bulk", "true", &["--overlap", "allow"]);
    for (job, queue) in [("urgent", "high"), ("idle", "low"), ("other", "normal")] {
        instance.add(job, "true", &["--queue", queue]);
    }
    let bound = ["queue", "set", "normal", "--slots", "4"];
    instance.sandbox.ok(&bound);
    insert(&instance, "bulk", 300);
    let before = rate(&instance, 200);
    instance.until_sql("(SELECT count(*) FROM run WHERE state IN('queued', 'running')) = 0");
    let core = instance.core().expect("a core");
    let small = memory(core, "VmRSS:");
    let begun = mono();
    insert(&instance, "bulk", count);
    let inserted = mono() - begun;
    within(PATIENCE_MS, "all are taken note of", || {
        let none = "SELECT 1 WHERE NOT EXISTS(SELECT 1 FROM run WHERE accepted = 0)";
        instance.cell::<i64>(none)
    });
    let seen = mono() - begun;
    let after = rate(&instance, 200);
    // Those of another queue go at once.
    for job in ["urgent", "idle"] {
        let asked = mono();
        instance.request(job);
        instance.succeeded(job, 1);
        eprintln!("{job} waited {} ms", mono() - asked);
    }
    // One of the same queue waits its turn, and goes first when an SQL client puts it there.
    let run = instance.request("other");
    let state = format!("SELECT state FROM run WHERE id = {run}");
    assert_eq!(instance.cell::<String>(&state).as_deref(), Some("queued"));
    let sql = "UPDATE run SET queue = 'high' WHERE job = 'other'";
    instance.sql().execute(sql, []).unwrap();
    instance.succeeded("other", 1);
    let left = "SELECT count(*) FROM run WHERE job = 'bulk' AND state = 'queued'";
    let left = instance.cell::<i64>(left).unwrap();
    assert!(left > count / 2, "only {left} left: nothing was shown");
    assert_eq!(instance.core(), Some(core), "it is the same process");
    let (now, peak) = (memory(core, "VmRSS:"), memory(core, "VmHWM:"));
    eprintln!(
        "{count} queued: inserted in {inserted} ms, seen after {seen} ms; core {} KiB before, {} \
         after, {} at most; {before} runs/s before, {after} with them waiting",
        small >> 10,
        now >> 10,
        peak >> 10
    );
    assert!(
        peak - small < GROWTH,
        "grew by {} KiB",
        (peak - small) >> 10
    );
}

#[test]
fn twenty_thousand_queued_runs_leave_the_core_small_and_others_their_turn() {
    many(20_000);
}

#[test]
#[ignore = "a minute of work; the same with fewer runs is always tested"]
fn a_hundred_thousand_queued_runs_leave_the_core_small_and_others_their_turn() {
    many(100_000);
}
