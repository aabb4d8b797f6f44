//! Each of our processes killed at each place where something has just become, or not become, true.

use std::path::{Path, PathBuf};
use std::thread;
use std::time::Duration;

use rustix::process::Signal;

use crate::support::instance::{Instance, is_alive, signal};
use crate::support::wait::until;

/// A daemon that dies at a point once a file is there.
fn mined(point: &str) -> (Instance, PathBuf) {
    let mut instance = Instance::new();
    let armed = instance.sandbox.path("armed");
    let mut command = instance.daemon_command();
    command.env("CRAKE_CRASH", format!("{point}:1:{}", armed.display()));
    instance.start_by(command);
    (instance, armed)
}

fn arm(armed: &Path) {
    std::fs::write(armed, "").unwrap();
}

fn blown(point: &str, armed: &Path) {
    until(&format!("death at '{point}'"), || {
        (!armed.exists()).then_some(())
    });
}

/// Runs what a test does at each point at the same time; the machine does not mind.
fn each(points: &[&str], at: impl Fn(&str) + Sync) {
    thread::scope(|scope| {
        for point in points {
            scope.spawn(|| at(point));
        }
    });
}

const LINE: &str = "echo $CRAKE_RUN $CRAKE_ATTEMPT >> starts; echo $$ > pid; sleep 0.2; exit 3";

/// Nothing started twice, nothing left over, the ledger whole.
fn accounted(instance: &mut Instance, point: &str) {
    instance.until_sql(
        "NOT EXISTS(SELECT 1 FROM run WHERE state IN ('queued', 'running')
        AND job <> 'tick')",
    );
    instance.sandbox.ok(&["pause", "tick"]);
    instance.until_sql("NOT EXISTS(SELECT 1 FROM run WHERE state IN ('queued', 'running'))");
    let mut starts = instance.lines("starts");
    let all = starts.len();
    starts.sort();
    starts.dedup();
    assert_eq!(starts.len(), all, "{point}: something started twice");
    instance.stop_and_audit();
}

#[test]
fn a_core_killed_at_any_point_loses_nothing_and_starts_nothing_twice() {
    let points = [
        "facts taken",
        "appended",
        "flushed",
        "started",
        "carried out",
        "order sent",
        "before commit",
        "committed",
        "before collect",
        "recovered",
    ];
    each(&points, |point| {
        let (mut instance, armed) = mined(point);
        let tick = "echo $CRAKE_RUN $CRAKE_ATTEMPT >> starts";
        instance.add("tick", tick, &["-s", "every 1s", "--overlap", "allow"]);
        instance.add("asked", LINE, &[]);
        instance.succeeded("tick", 1);
        let core = instance.lock_holder();
        arm(&armed);
        let run = instance.request("asked");
        if point == "recovered" {
            instance.kill_core();
        }
        blown(point, &armed);
        instance.up_but_for(core);
        let ended = instance.ended(run);
        assert_eq!(ended["state"], "failed", "{point}: {ended}");
        assert_eq!(ended["exit_code"], 3, "{point}: {ended}");
        assert_eq!(ended["attempt"], 1, "{point}: {ended}");
        let odd: i64 = instance
            .cell("SELECT count(*) FROM run WHERE job = 'tick' AND state NOT IN ('succeeded', 'queued', 'running')")
            .unwrap();
        assert_eq!(
            odd,
            0,
            "{point}: {:?}",
            instance.sandbox.items(&["history"])
        );
        accounted(&mut instance, point);
    });
}

#[test]
fn a_core_killed_while_the_store_is_locked_knows_from_the_ring_what_it_did() {
    let points = [
        "facts taken",
        "appended",
        "flushed",
        "started",
        "carried out",
        "order sent",
        "before commit",
    ];
    each(&points, |point| {
        let (mut instance, armed) = mined(point);
        let line = "echo $CRAKE_FIRE $CRAKE_ATTEMPT >> starts";
        let flags = ["-s", "every 1s", "--overlap", "allow", "--catch-up", "all"];
        instance.add("tick", line, &flags);
        instance.succeeded("tick", 1);
        let lock = instance.sql();
        lock.busy_timeout(Duration::from_secs(10)).unwrap();
        lock.execute_batch("BEGIN IMMEDIATE").unwrap();
        // What starts from here on stands in the ring and in no store.
        let before = instance.lines("starts").len();
        instance.until_lines("starts", before + 2);
        arm(&armed);
        blown(point, &armed);
        lock.execute_batch("COMMIT").unwrap();
        instance.until_lines("starts", before + 4);
        accounted(&mut instance, point);
    });
}

#[test]
fn a_worker_killed_at_any_point_leaves_the_outcome_that_is_true() {
    let points = [
        "worker before started",
        "worker started",
        "worker child runs",
        "worker before exit",
        "worker exit written",
    ];
    each(&points, |point| {
        let (mut instance, armed) = mined(point);
        instance.add("tick", "true", &[]);
        instance.add("asked", LINE, &[]);
        arm(&armed);
        let run = instance.request("asked");
        blown(point, &armed);
        let ended = instance.ended(run);
        let starts = instance.lines("starts").len();
        let (state, most) = match point {
            // It was never taken, so another worker may have it.
            "worker before started" => ("failed", 1),
            // Whether the job had been executed is not known.
            "worker started" => ("lost", 0),
            "worker child runs" | "worker before exit" => ("lost", 1),
            _ => ("failed", 1),
        };
        assert_eq!(ended["state"], state, "{point}: {ended}");
        assert_eq!(ended["attempt"], 1, "{point}: {ended}");
        assert!(starts <= most, "{point}: {starts} starts");
        if state == "failed" {
            assert_eq!((&ended["exit_code"], starts), (&3.into(), 1), "{point}");
        }
        if let Some(pid) = instance.lines("pid").first() {
            assert!(!is_alive(pid.parse().unwrap()), "{point}: the job lives on");
        }
        accounted(&mut instance, point);
    });
}

#[test]
fn a_guardian_killed_at_the_birth_of_its_core_leaves_a_core_that_keeps_time() {
    let mut instance = Instance::new();
    let armed = instance.sandbox.path("armed");
    arm(&armed);
    let mut command = instance.daemon_command();
    let told = format!("guardian spawned:1:{}", armed.display());
    command.env("CRAKE_CRASH", told);
    instance.start_by(command);
    blown("guardian spawned", &armed);
    instance.add("tick", "true", &["-s", "every 1s"]);
    instance.succeeded("tick", 2);
    // The one that has taken the place looks after the core.
    let place = until("another guardian", || {
        let said = instance.lines("daemon.err").join("\n");
        let place = said.split("gone; process ").nth(1)?;
        place.split(' ').next()?.parse().ok()
    });
    let killed = instance.kill_core();
    instance.up_but_for(Some(killed));
    let done: i64 = instance.cell("SELECT count(*) FROM run").unwrap();
    instance.succeeded("tick", done + 1);
    signal(place, Signal::TERM);
    until("the daemon is gone", || (!is_alive(place)).then_some(()));
    let audit = instance.sandbox.run(&["audit", "--json"]);
    assert_eq!(audit.code, 0, "{audit:?}");
}
