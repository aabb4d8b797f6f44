//! Fires nobody was there for: each has its verdict, and what is made up for is what was asked.

use crake::clock::{Clock, SystemClock};
use crake::model::{CatchUp, Overlap};
use crake::store::{NewSchedule, Store};
use rustix::process::Signal;
use serde_json::Value;

use crate::support::bench::job;
use crate::support::instance::{Instance, end_of, signal};
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

/// Three of four slots fill at once, then it goes at the rate; what is on time passes it by.
#[test]
fn a_storm_after_an_absence_starts_at_the_rate_it_is_given() {
    let instance = Instance::new();
    let mut stormy = job("stormy");
    stormy.policy.overlap = Overlap::Allow;
    stormy.policy.catch_up = CatchUp::All;
    let store = instance.sandbox.store();
    std::fs::create_dir_all(store.parent().unwrap()).unwrap();
    let then = SystemClock.now().wall - 200_000;
    let schedules = [NewSchedule::of("every 2s")];
    let put = Store::open(&store)
        .unwrap()
        .put_job(&stormy, &schedules, false, "ana", then);
    put.unwrap();
    let mut command = instance.daemon_command();
    let daemon = command.args(["--slots", "4", "--start-rate", "5"]).spawn();
    let mut daemon = daemon.unwrap();
    instance.until_sql(
        "(SELECT count(*) FROM run r JOIN attempt a ON a.run = r.id WHERE r.origin = 'catch_up') >= 20",
    );
    signal(i32::try_from(daemon.id()).unwrap(), Signal::TERM);
    assert_eq!(end_of(&mut daemon), 0);
    let client = instance.sql();
    let mut claims = client
        .prepare(
            "SELECT a.claimed_at, r.planned_at FROM attempt a JOIN run r ON r.id = a.run
             WHERE r.origin = 'catch_up' ORDER BY a.fence",
        )
        .unwrap();
    let claims: Vec<(i64, i64)> = claims
        .query_map([], |row| Ok((row.get(0)?, row.get(1)?)))
        .unwrap()
        .collect::<Result<_, _>>()
        .unwrap();
    assert!(
        claims.is_sorted_by_key(|(_, planned)| *planned),
        "in the order of the instants"
    );
    for (count, (at, _)) in claims.iter().enumerate() {
        let most = 3 + (at - claims[0].0) * 5 / 1_000;
        assert!(
            count as i64 <= most,
            "{count} before {} ms",
            at - claims[0].0
        );
    }
    let behind = "SELECT count(*) FROM fire WHERE verdict <> 'missed' AND reason IS NULL AND late_ms > 10000";
    assert_eq!(instance.cell::<i64>(behind), Some(0));
}
