//! The rules of a job, through the real daemon.

use std::fs::File;
use std::io::Write;

use crate::support::instance::{Instance, number};

const EVERY: [&str; 2] = ["-s", "every 1s"];

#[test]
fn a_paused_job_does_not_run_and_a_resumed_one_does() {
    let mut instance = Instance::running();
    instance.add("tick", "true", &EVERY);
    instance.succeeded("tick", 1);
    instance.sandbox.ok(&["pause", "tick", "--reason", "test"]);
    instance.until_sql("(SELECT count(*) FROM fire WHERE verdict = 'paused') >= 2");
    let runs = instance.cell::<i64>("SELECT count(*) FROM run").unwrap();
    instance.sandbox.ok(&["resume", "tick"]);
    instance.succeeded("tick", runs + 1);
    instance.stop_and_audit();
}

#[test]
fn a_changed_schedule_counts_from_now_on_and_a_removed_one_no_more() {
    let mut instance = Instance::running();
    instance.add("job", "true", &["-s", "0 0 1 1 *"]);
    instance.until_sql("(SELECT max(next_at) FROM due) > 0");
    instance.sandbox.ok(&["edit", "job", "-s", "every 1s"]);
    instance.succeeded("job", 2);
    instance.sandbox.ok(&["rm", "job"]);
    instance.until_sql(
        "NOT EXISTS(SELECT 1 FROM due d JOIN schedule s ON s.id = d.schedule
         WHERE s.until_at IS NULL OR d.next_at <= s.until_at)",
    );
    let fires = instance.cell::<i64>("SELECT count(*) FROM fire").unwrap();
    assert!(instance.sandbox.items(&["history", "-n", "100"]).len() >= 2);
    instance.sandbox.ok(&["rm", "--undo", "job"]);
    instance.until_sql(&format!("(SELECT count(*) FROM fire) > {fires}"));
    instance.stop_and_audit();
}

#[test]
fn a_fire_that_finds_a_run_in_its_way_is_skipped_queued_or_takes_its_place() {
    let mut instance = Instance::running();
    for rule in ["skip", "queue", "replace"] {
        instance.gate(rule);
        let line = format!("read x < {rule}");
        instance.add(rule, &line, &["-s", "every 1s", "--overlap", rule]);
    }
    instance.until_sql(
        "(SELECT count(*) FROM fire f JOIN schedule s ON s.id = f.schedule WHERE s.job = 'skip'
          AND f.verdict = 'overlap' AND f.blocked_by = (SELECT min(id) FROM run WHERE job = 'skip')) >= 2",
    );
    let runs = instance.cell("SELECT count(*) FROM run WHERE job = 'skip'");
    assert_eq!(runs, Some(1));
    instance.until_sql(
        "EXISTS(SELECT 1 FROM run WHERE job = 'queue' AND state = 'queued')
         AND (SELECT count(*) FROM run WHERE job = 'queue' AND state = 'running') = 1",
    );
    let ps = instance.sandbox.ok(&["ps"]).stdout;
    let first: i64 = instance
        .cell("SELECT id FROM run WHERE job = 'queue' AND state = 'running'")
        .unwrap();
    assert!(ps.contains(&format!("waits for #{first}")), "{ps}");
    instance.until_sql(
        "(SELECT count(*) FROM run WHERE job = 'replace' AND state IN ('killed', 'cancelled')) >= 1
         AND (SELECT count(*) FROM run WHERE job = 'replace' AND state = 'running') <= 1",
    );
    // Each that waits is let go, and the next of the queue takes its place.
    let mut gate = File::options()
        .read(true)
        .write(true)
        .open(instance.sandbox.path("queue"));
    gate.as_mut().unwrap().write_all(b"x\nx\n").unwrap();
    instance.succeeded("queue", 2);
    instance.stop_and_audit();
}

#[test]
fn a_run_that_fails_is_tried_again_as_often_as_it_may() {
    let instance = Instance::running();
    let line = "echo $CRAKE_RUN $CRAKE_ATTEMPT >> tries; test $CRAKE_ATTEMPT -ge 3";
    let flags = ["--retry", "3", "--backoff", "100ms"];
    instance.add("flaky", line, &flags);
    let answer = instance.sandbox.run(&["run", "flaky"]);
    assert_eq!(answer.code, 0, "{answer:?}");
    assert_eq!(instance.lines("tries"), ["1 1", "1 2", "1 3"]);
    instance.add(
        "hopeless",
        "exit 6",
        &["--retry", "1", "--backoff", "100ms"],
    );
    assert_eq!(instance.sandbox.run(&["run", "hopeless"]).code, 6);
    let run = &instance.sandbox.items(&["history", "hopeless"])[0];
    assert_eq!(
        (&run["attempt"], &run["state"]),
        (&2.into(), &"failed".into())
    );
}

#[test]
fn what_is_enqueued_for_later_waits_and_can_be_taken_back() {
    let instance = Instance::running();
    let later = [
        "enqueue", "--in", "1s", "--name", "later", "--", "sh", "-c", "exit 5",
    ];
    let run = number(&instance.sandbox.ok(&later));
    let row = &instance.sandbox.items(&["history", "later"])[0];
    assert_eq!(row["state"], "queued", "{row}");
    let waited = instance
        .sandbox
        .run(&["wait", &run.to_string(), "--timeout", "20s"]);
    assert_eq!(waited.code, 5, "{waited:?}");
    let took: i64 = instance
        .cell("SELECT started_at - queued_at FROM run WHERE job = 'later'")
        .unwrap();
    assert!(took >= 1_000, "it started after {took} ms");
    let again = &instance.sandbox.items(&["retry", "later"])[0];
    let again = again["run"].as_i64().unwrap();
    let ended = instance.ended(again);
    assert_eq!(
        (&ended["origin"], &ended["exit_code"]),
        (&"retry".into(), &5.into())
    );

    let far = ["enqueue", "--in", "1h", "--", "true"];
    let run = number(&instance.sandbox.ok(&far)).to_string();
    let short = instance.sandbox.run(&["wait", &run, "--timeout", "100ms"]);
    assert_eq!(short.code, 124, "{short:?}");
    instance.sandbox.ok(&["cancel", &run]);
    let ended = instance.ended(run.parse().unwrap());
    assert_eq!(ended["state"], "cancelled", "{ended}");
}

#[test]
fn a_run_that_could_not_start_by_its_deadline_expires() {
    let mut instance = Instance::running();
    instance.gate("gate");
    let flags = [
        "-s",
        "every 1s",
        "--overlap",
        "queue",
        "--start-deadline",
        "500ms",
    ];
    instance.add("late", "echo on >> starts; read x < gate", &flags);
    instance.until_sql("(SELECT count(*) FROM run WHERE state = 'expired') >= 2");
    assert_eq!(instance.lines("starts").len(), 1);
    instance.stop_and_audit();
}
