//! While workers are drained no run starts and those alive end.

use crate::support::instance::Instance;
use crate::support::wait::until;

#[test]
fn a_drain_lets_runs_end_and_none_start_also_across_a_restart() {
    let mut instance = Instance::running();
    instance.gate("gate");
    instance.add("alive", "read x < gate", &[]);
    instance.add("tick", "true", &["-s", "every 1s", "--overlap", "queue"]);
    let alive = instance.request("alive");
    instance.until_sql("EXISTS(SELECT 1 FROM run WHERE job = 'alive' AND started_at IS NOT NULL)");
    instance.succeeded("tick", 1);
    let answer = instance.sandbox.item(&["worker", "drain"]);
    assert_eq!(
        (&answer["draining"], &answer["changed"]),
        (&true.into(), &true.into())
    );
    let again = instance.sandbox.item(&["worker", "drain"]);
    assert_eq!(again["changed"], false);
    // What was under way when it was said comes to its end; from then on nothing starts.
    instance.until_sql("EXISTS(SELECT 1 FROM run WHERE job = 'tick' AND state = 'queued')");
    instance.until_sql("NOT EXISTS(SELECT 1 FROM run WHERE job = 'tick' AND state = 'running')");
    let started = || instance_started(&instance);
    let before = started();
    let fires = "SELECT count(*) FROM fire";
    let count = instance.cell::<i64>(fires).unwrap();
    instance.until_sql(&format!("({fires}) >= {count} + 3"));
    assert_eq!(started(), before);
    let ps = instance.sandbox.ok(&["ps"]).stdout;
    assert!(ps.contains("no run may start"), "{ps}");
    let status = instance.status();
    assert!(status["drain"]["since"].is_string(), "{status}");
    let listed = status["attention"].as_array().unwrap().iter();
    assert!(listed.clone().any(|a| a["kind"] == "drain"), "{status}");
    std::fs::write(instance.sandbox.path("gate"), "x\n").unwrap();
    instance.ended(alive);

    assert_eq!(instance.stop(), 0);
    instance.start();
    let count = instance.cell::<i64>(fires).unwrap();
    instance.until_sql(&format!("({fires}) >= {count} + 2"));
    assert_eq!(instance_started(&instance), before);
    instance.sandbox.ok(&["worker", "drain", "--undo"]);
    until("runs start again", || {
        (instance_started(&instance) > before).then_some(())
    });
    assert!(instance.status()["drain"].is_null());
    instance.stop_and_audit();
}

fn instance_started(instance: &Instance) -> i64 {
    let sql = "SELECT count(*) FROM attempt a JOIN run r ON r.id = a.run WHERE r.job = 'tick'";
    instance.cell(sql).unwrap()
}

#[test]
fn a_drain_holds_while_no_daemon_is_there() {
    let mut instance = Instance::new();
    instance.add("job", "true", &[]);
    let answer = instance.sandbox.ok(&["worker", "drain"]);
    assert!(answer.stderr.contains("the daemon is down"), "{answer:?}");
    let run = instance.request("job");
    instance.start();
    instance.add("tick", "true", &["-s", "every 1s"]);
    instance.until_sql("EXISTS(SELECT 1 FROM fire)");
    let state = format!("SELECT state FROM run WHERE id = {run}");
    assert_eq!(instance.cell::<String>(&state).as_deref(), Some("queued"));
    instance.sandbox.ok(&["worker", "resume"]);
    instance.ended(run);
}
