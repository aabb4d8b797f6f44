//! Jobs that take everything a machine has: the others start on time all the same.

use std::sync::{Mutex, MutexGuard, PoisonError};

use crate::support::instance::Instance;
use crate::support::wait::{pass, until};

/// Tests that load the whole machine take turns.
static MACHINE: Mutex<()> = Mutex::new(());

pub fn machine() -> MutexGuard<'static, ()> {
    MACHINE.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Jobs that fire each second in a queue of their own; enough for a percentile in a few seconds.
const TICKS: usize = 10;

fn ticks(instance: &Instance, count: usize) {
    for n in 0..count {
        let name = format!("tick{n}");
        let flags = ["-s", "every 1s", "--queue", "high", "--overlap", "allow"];
        instance.add(&name, "true", &flags);
    }
    instance.succeeded("tick0", 2);
}

/// Lateness of the starts planned after an instant, sorted, milliseconds.
fn lateness(instance: &Instance, since: i64) -> Vec<i64> {
    let sql = instance.sql();
    let query = "SELECT started_at - planned_at FROM run WHERE job LIKE 'tick%'
        AND planned_at > ?1 AND started_at IS NOT NULL ORDER BY 1";
    let mut query = sql.prepare(query).unwrap();
    let rows = query.query_map([since], |r| r.get(0)).unwrap();
    rows.map(Result::unwrap).collect()
}

fn now(instance: &Instance) -> i64 {
    instance
        .cell("SELECT CAST(unixepoch('subsec') * 1000 AS INT)")
        .unwrap()
}

/// What so many ticks come to while something goes on for a while: the 99th percentile and the worst.
fn measured(instance: &Instance, what: &str, count: usize, ms: i64) -> (i64, i64) {
    let since = now(instance);
    pass(ms);
    let due = count as i64 * (ms / 1_000 - 1);
    until("the ticks of that time have started", || {
        (lateness(instance, since).len() as i64 >= due).then_some(())
    });
    let late = lateness(instance, since);
    let (p50, p99) = (late[late.len() / 2], late[(late.len() - 1) * 99 / 100]);
    let worst = *late.last().unwrap();
    println!(
        "{what}: {} starts, p50 {p50} ms, p99 {p99} ms, worst {worst} ms late",
        late.len()
    );
    (p99, worst)
}

#[test]
fn hung_jobs_in_every_slot_and_a_flood_of_output_hold_the_other_queue_up_no_second() {
    hang_and_flood(1_000);
}

#[test]
#[ignore = "needs the machine for itself"]
fn hung_jobs_in_every_slot_and_a_flood_of_output_leave_the_other_queue_on_time() {
    hang_and_flood(250);
}

fn hang_and_flood(bound: i64) {
    let _machine = machine();
    let instance = Instance::running();
    instance.add("hang", "sleep 1000", &["--overlap", "allow"]);
    instance.add("flood", "cat /dev/zero", &["--output-max", "256K"]);
    ticks(&instance, TICKS);
    instance.request("flood");
    for _ in 0..64 {
        instance.request("hang");
    }
    instance.until_sql(
        "(SELECT count(*) FROM run WHERE state = 'running' AND job = 'hang') > 50
        AND EXISTS(SELECT 1 FROM run WHERE state = 'queued' AND job = 'hang')",
    );
    let (p99, _) = measured(
        &instance,
        "64 hung jobs and a flood of output",
        TICKS,
        8_000,
    );
    assert!(p99 < bound, "{p99} ms");
    let outs = std::fs::read_dir(instance.sandbox.path("home/spool/slots")).unwrap();
    for slot in outs.flatten() {
        let size = std::fs::metadata(slot.path().join("out")).map_or(0, |m| m.len());
        assert!(
            size <= (256 << 10) + 4096,
            "{}: {size}",
            slot.path().display()
        );
    }
    let flooded: u64 = io_of(&instance, "flood");
    println!("the flood was {} MB", flooded >> 20);
}

// Bytes the first process of a job has written.
fn io_of(instance: &Instance, job: &str) -> u64 {
    let query = format!("SELECT pid FROM attempt JOIN run ON run = id WHERE job = '{job}'");
    let pid: i32 = instance.cell(&query).unwrap();
    let io = std::fs::read_to_string(format!("/proc/{pid}/io")).unwrap_or_default();
    let field = io.lines().find_map(|l| l.strip_prefix("wchar: "));
    field.and_then(|f| f.parse().ok()).unwrap_or(0)
}

#[test]
#[ignore = "needs the machine for itself"]
fn sixty_spinning_jobs_leave_the_others_on_time() {
    let _machine = machine();
    let instance = Instance::running();
    ticks(&instance, 1);
    instance.add("spin", "while :; do :; done", &["--overlap", "allow"]);
    for _ in 0..60 {
        instance.request("spin");
    }
    instance.until_sql("(SELECT count(*) FROM run WHERE state = 'running' AND job = 'spin') >= 55");
    let (p99, _) = measured(&instance, "60 spinning jobs", 1, 15_000);
    assert!(p99 < 200, "{p99} ms");
}

#[test]
fn a_storm_of_forks_leaves_the_others_on_time_and_is_ended() {
    let _machine = machine();
    let instance = Instance::running();
    ticks(&instance, TICKS);
    // 2000 processes, each new one in a session of its own.
    let storm = "i=0; while [ $i -lt 2000 ]; do setsid sleep 1000 & i=$((i+1)); done; wait";
    instance.add("storm", storm, &["--kill-grace", "100ms"]);
    let run = instance.request("storm");
    let (_, worst) = measured(&instance, "2000 forks", TICKS, 5_000);
    assert!(worst < 1_000, "{worst} ms");
    instance.sandbox.ok(&["kill", &run.to_string()]);
    let ended = instance.ended(run);
    assert_eq!(ended["state"], "killed", "{ended}");
    let here = instance.sandbox.path("");
    let left = crate::support::instance::processes_that_name(here.to_str().unwrap());
    let sleeping = left.iter().filter(|pid| {
        let name = std::fs::read_to_string(format!("/proc/{}/comm", pid.as_raw_nonzero()));
        name.is_ok_and(|n| n == "sleep\n")
    });
    assert_eq!(sleeping.count(), 0);
}

#[test]
fn a_thousand_jobs_due_at_one_instant_all_run_once_within_the_slots() {
    let _machine = machine();
    let mut instance = Instance::new();
    instance.add("seed", "true", &[]);
    let at = now(&instance) + 4_000;
    let sql = instance.sql();
    sql.busy_timeout(std::time::Duration::from_secs(10))
        .unwrap();
    let line = "echo $CRAKE_RUN >> starts";
    instance.add("many", line, &["--overlap", "allow"]);
    let many = "WITH RECURSIVE n(i) AS (VALUES(1) UNION ALL SELECT i + 1 FROM n WHERE i < 1000)
        INSERT INTO run(job, run_at) SELECT 'many', ?1 FROM n";
    assert_eq!(sql.execute(many, [at]).unwrap(), 1000);
    instance.start();
    let mut most = 0;
    until("all have run", || {
        let query = "SELECT count(*) FILTER (WHERE state = 'running'),
            count(*) FILTER (WHERE ended_at IS NULL) FROM run";
        let (running, open): (i64, i64) = sql
            .query_row(query, [], |r| Ok((r.get(0)?, r.get(1)?)))
            .unwrap();
        most = most.max(running);
        (open == 0).then_some(())
    });
    assert!((1..=64).contains(&most), "{most} at once");
    let starts = instance.lines("starts");
    let order: Vec<i64> = starts.iter().map(|l| l.parse().unwrap()).collect();
    let unique: std::collections::BTreeSet<&i64> = order.iter().collect();
    assert_eq!((order.len(), unique.len()), (1000, 1000));
    // Claims are numbered as they are made.
    let query = "SELECT count(*) FROM (SELECT fence < lag(fence) OVER (ORDER BY id) AS early
        FROM run WHERE job = 'many') WHERE early";
    let early: i64 = instance.cell(query).unwrap();
    println!("1000 at one instant: at most {most} at once, {early} out of order");
    assert_eq!(early, 0, "the order in which they were asked for");
    assert_eq!(instance.stop(), 0);
}
