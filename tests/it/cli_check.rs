//! `crake check`, as a monitoring system calls it.

use crake::model::{Exit, Fire, Outcome, Record, Verdict};
use rusqlite::Connection;
use serde_json::Value;

use crate::support::bench::{Bench, Ran, fire, whole_run};
use crate::support::wait::mono;

/// Monitoring systems give up after ten seconds; it promises two, and this machine is busy.
const SOON_MS: i64 = 5_000;

fn check(bench: &Bench, args: &[&str]) -> Ran {
    let began = mono();
    let ran = bench.run(&[&["check"], args].concat());
    let took = mono() - began;
    assert!(took < SOON_MS, "it took {took} ms: {ran:?}");
    ran
}

fn item(bench: &Bench, args: &[&str]) -> Value {
    let ran = bench.run(&[&["check", "--json"], args].concat());
    let item = ran.json()["item"].clone();
    assert_eq!(item["code"], ran.code, "{ran:?}");
    item
}

#[test]
fn check_is_ok_where_all_is_well() {
    let bench = Bench::new();
    let ran = check(&bench, &[]);
    assert_eq!(
        ran.code, 0,
        "nothing is defined, so nobody is missed: {ran:?}"
    );
    bench.job("backup", Some("@daily"), bench.now);
    bench.daemon(|_| ());
    let ran = check(&bench, &[]);
    assert_eq!(ran.code, 0, "{ran:?}");
    let (text, numbers) = ran.out.trim_end().split_once(" | ").unwrap();
    assert_eq!(text, "CRAKE OK - 1 job, 0 running");
    assert!(
        numbers.starts_with("jobs=1;;;0 running=0;;;0 queued=0;;;0"),
        "{numbers}"
    );
    assert!(numbers.contains("beat_age=300ms;;10000;0"), "{numbers}");
    assert_eq!(check(&bench, &["backup"]).code, 0);
    let item = item(&bench, &[]);
    assert_eq!(item["state"], "ok");
    assert_eq!(item["daemon"]["up"], true);
    assert_eq!(item["attention"], serde_json::json!([]));
}

#[test]
fn check_is_critical_where_somebody_should_act() {
    let bench = Bench::new();
    bench.job("backup", None, bench.now);
    bench.job("other|one", None, bench.now);
    bench.record(&whole_run(
        1,
        "backup",
        Outcome::Failed,
        Exit::Code(2),
        bench.now - 60_000,
    ));
    bench.daemon(|_| ());
    let ran = check(&bench, &[]);
    assert_eq!(ran.code, 2, "{ran:?}");
    assert!(ran.out.starts_with("CRAKE CRITICAL - backup"), "{ran:?}");
    assert!(ran.out.contains("urgent=1;;;0"), "{ran:?}");
    let beneath: Vec<&str> = ran.out.lines().skip(1).collect();
    assert_eq!(beneath.len(), 1, "{ran:?}");
    assert!(beneath[0].ends_with("(crake logs 1)"), "{ran:?}");
    assert_eq!(check(&bench, &["backup"]).code, 2);
    let other = check(&bench, &["other|one"]);
    assert_eq!(
        other.code, 0,
        "what fails elsewhere is none of its business"
    );
    assert_eq!(other.out.matches('|').count(), 1, "{other:?}");
    assert_eq!(item(&bench, &[])["attention"][0]["job"], "backup");
}

#[test]
fn check_warns_where_somebody_should_look() {
    let bench = Bench::new();
    let planned = bench.job("report", Some("@hourly"), bench.now - 7_200_000);
    let at = (bench.now - 3_600_000) / 3_600_000 * 3_600_000;
    let missed = Fire {
        next_at: Some(bench.now + 3_600_000),
        ..fire(&planned[0], at, Verdict::Missed)
    };
    bench.record(&[Record::Fire(missed)]);
    bench.daemon(|_| ());
    let ran = check(&bench, &[]);
    assert_eq!(ran.code, 1, "{ran:?}");
    assert!(
        ran.out.starts_with("CRAKE WARNING - report MISSED"),
        "{ran:?}"
    );
}

#[test]
fn check_is_critical_where_nobody_keeps_time() {
    let bench = Bench::new();
    bench.job("backup", Some("@daily"), bench.now);
    let ran = check(&bench, &[]);
    assert_eq!(ran.code, 2, "{ran:?}");
    assert!(
        ran.out.contains("DOWN: nobody keeps time for 1 job"),
        "{ran:?}"
    );
    assert_eq!(item(&bench, &[])["daemon"]["up"], false);
    // One that listens and says nothing.
    let _silent = std::os::unix::net::UnixListener::bind(bench.paths().socket).unwrap();
    let ran = check(&bench, &[]);
    assert_eq!(ran.code, 2, "{ran:?}");
    assert!(ran.out.contains("does not answer"), "{ran:?}");
}

#[test]
fn check_knows_nothing_where_neither_store_nor_daemon_can_be_looked_at() {
    let bench = Bench::new();
    bench.job("backup", Some("@daily"), bench.now);
    let sql = Connection::open(bench.paths().store).unwrap();
    sql.execute_batch("PRAGMA locking_mode = EXCLUSIVE; BEGIN IMMEDIATE")
        .unwrap();
    let ran = check(&bench, &[]);
    assert_eq!(ran.code, 3, "{ran:?}");
    assert!(
        ran.out.starts_with("CRAKE UNKNOWN - no daemon answers"),
        "{ran:?}"
    );
    let item = item(&bench, &[]);
    assert_eq!(
        (&item["state"], &item["jobs"]),
        (&"unknown".into(), &Value::Null)
    );
    bench.stand_in();
    let ran = check(&bench, &[]);
    assert_eq!(ran.code, 1, "a daemon that is well is something: {ran:?}");
    assert!(ran.out.contains("the store cannot be looked at"), "{ran:?}");
}

#[test]
fn check_of_a_job_that_is_not_there_is_unknown() {
    let bench = Bench::new();
    bench.job("backup", None, bench.now);
    let ran = check(&bench, &["bakcup"]);
    assert_eq!(ran.code, 3, "{ran:?}");
    assert!(
        ran.out.starts_with("CRAKE UNKNOWN - no job named"),
        "{ran:?}"
    );
    let ran = bench.run(&["check", "bakcup", "--json"]);
    assert_eq!((ran.code, &ran.json()["error"]["code"]), (3, &3.into()));
}

#[test]
fn check_of_a_broken_store_is_unknown() {
    let bench = Bench::new();
    std::fs::write(bench.paths().store, b"This is no store.\n".repeat(400)).unwrap();
    let ran = check(&bench, &[]);
    assert_eq!(ran.code, 3, "{ran:?}");
    assert!(ran.out.contains("not a database"), "{ran:?}");
}
