//! Fires nobody was there for: each has its verdict, and what is made up for is what was asked.

use serde_json::Value;

use crate::support::instance::Instance;
use crate::support::wait::pass;

fn missed_and_made_up(instance: &Instance, job: &str) -> (Vec<Value>, i64) {
    let fires = instance.sandbox.items(&["fires", job, "-n", "1000"]);
    let instants: Vec<i64> = fires
        .iter()
        .map(|f| {
            let at = f["planned_at"].as_str().unwrap();
            chrono::DateTime::parse_from_rfc3339(at)
                .unwrap()
                .timestamp()
        })
        .collect();
    for pair in instants.windows(2) {
        assert_eq!(pair[0] - pair[1], 2, "no instant without a row: {fires:?}");
    }
    let away = fires
        .into_iter()
        .filter(|f| f["reason"] == "daemon_down")
        .collect();
    let made = instance.cell(&format!(
        "SELECT count(*) FROM run WHERE job = '{job}' AND origin = 'catch_up'"
    ));
    (away, made.unwrap())
}

#[test]
fn every_fire_of_a_time_without_a_daemon_has_a_verdict_and_is_made_up_for_as_asked() {
    let mut instance = Instance::running();
    for rule in ["last", "none", "all"] {
        instance.add(rule, "true", &["-s", "every 2s", "--catch-up", rule]);
    }
    for rule in ["last", "none", "all"] {
        instance.succeeded(rule, 1);
    }
    assert_eq!(instance.stop(), 0);
    pass(7_000);
    let from: i64 = instance.cell("SELECT max(planned_at) FROM fire").unwrap();
    instance.start();
    for rule in ["last", "none", "all"] {
        instance.until_sql(&format!(
            "(SELECT count(*) FROM run WHERE job = '{rule}' AND origin = 'schedule' \
             AND state = 'succeeded' AND planned_at > {from}) >= 1"
        ));
    }
    instance.until_sql("NOT EXISTS(SELECT 1 FROM run WHERE state IN ('queued', 'running'))");
    let (away, made) = missed_and_made_up(&instance, "last");
    assert!(away.len() >= 3, "{away:?}");
    assert_eq!(made, 1);
    let (away, made) = missed_and_made_up(&instance, "none");
    assert!(away.len() >= 3 && away.iter().all(|f| f["verdict"] == "missed"));
    assert_eq!(made, 0);
    let (away, made) = missed_and_made_up(&instance, "all");
    assert_eq!(made, away.len() as i64, "{away:?}");
    instance.stop_and_audit();
}
