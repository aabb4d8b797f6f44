//! The store as others use it while a daemon keeps time.

use rusqlite::Connection;

use crate::support::instance::Instance;
use crate::support::wait::{mono, until, within};

const INSERT: &str = "INSERT INTO run(job) VALUES('hello')";

#[test]
fn an_insert_of_any_sql_client_starts_a_run_at_once() {
    let instance = Instance::running();
    instance.add("hello", "echo $CRAKE_RUN $CRAKE_ORIGIN >> said", &[]);
    // A first run pays for the first worker.
    instance.request("hello");
    instance.until_lines("said", 1);
    let sql = instance.sql();
    let at = mono();
    sql.execute(INSERT, []).unwrap();
    let run = sql.last_insert_rowid();
    within(2_000, "the run starts", || {
        (instance.lines("said").len() == 2).then_some(())
    });
    println!("from INSERT to the job's first word: {} ms", mono() - at);
    assert_eq!(instance.lines("said")[1], format!("{run} sql"));
    assert_eq!(instance.ended(run)["state"], "succeeded");
    let refused = sql.execute("INSERT INTO run(job) VALUES('helo')", []);
    let words = refused.unwrap_err().to_string();
    assert!(words.contains("no such job"), "{words}");
}

#[test]
fn an_insert_without_a_daemon_is_a_run_as_soon_as_there_is_one() {
    let mut instance = Instance::new();
    instance.add("hello", "echo $CRAKE_RUN >> said", &[]);
    let sql = instance.sql();
    sql.execute(INSERT, []).unwrap();
    let run = sql.last_insert_rowid();
    drop(sql);
    instance.start();
    assert_eq!(instance.ended(run)["state"], "succeeded");
    assert_eq!(instance.lines("said"), [run.to_string()]);
}

#[test]
fn fires_go_on_while_somebody_locks_the_store() {
    let mut instance = Instance::running();
    instance.add("tick", "echo $CRAKE_FIRE >> fires", &["-s", "every 1s"]);
    instance.succeeded("tick", 1);
    let before = instance.lines("fires").len();
    let sql = instance.sql();
    sql.execute_batch("BEGIN IMMEDIATE").unwrap();
    let locked = mono();
    instance.until_lines("fires", before + 2);
    let status = until("the daemon is degraded", || {
        let status = instance.status();
        let told = status["daemon"]["degraded"].is_string();
        told.then_some(status)
    });
    let kinds = status["attention"].as_array().unwrap();
    assert!(kinds.iter().any(|a| a["kind"] == "degraded"), "{status}");
    until("four seconds of lock", || {
        (mono() - locked >= 4_000).then_some(())
    });
    let during = instance.lines("fires").len() - before;
    assert!(during >= 3, "only {during} runs started in four seconds");
    sql.execute_batch("ROLLBACK").unwrap();
    drop(sql);
    until("the daemon is well again", || {
        instance.status()["daemon"]["degraded"]
            .is_null()
            .then_some(())
    });
    let done = instance.cell::<i64>("SELECT count(*) FROM run").unwrap();
    instance.succeeded("tick", done + 1);
    instance.stop_and_audit();
    once_each(&instance.sql(), &instance.lines("fires"));
}

/// Each instant has one run, and that run was started once.
fn once_each(sql: &Connection, started: &[String]) {
    let twice: i64 = sql
        .query_row(
            "SELECT count(*) FROM (SELECT 1 FROM run WHERE planned_at IS NOT NULL
             GROUP BY job, planned_at HAVING count(*) > 1)",
            [],
            |row| row.get(0),
        )
        .unwrap();
    assert_eq!(twice, 0, "an instant with two runs");
    let mut once = started.to_vec();
    once.sort();
    once.dedup();
    assert_eq!(once.len(), started.len(), "{started:?}");
}

/// One row that nobody can read kept the daemon from starting at all.
#[test]
fn a_definition_that_cannot_be_read_stops_no_other_job() {
    let mut instance = Instance::new();
    instance.add("good", "echo $CRAKE_FIRE >> good", &["-s", "every 1s"]);
    instance.add("bad", "echo $CRAKE_FIRE >> bad", &["-s", "every 1s"]);
    let sql = instance.sql();
    let spec: String = instance
        .cell("SELECT spec FROM job WHERE name = 'bad'")
        .unwrap();
    let set = "UPDATE job SET spec = ?1 WHERE name = 'bad'";
    sql.execute(set, ["{"]).unwrap();
    instance.start();
    instance.until_lines("good", 2);
    instance.until_sql("EXISTS(SELECT 1 FROM schedule WHERE job = 'bad' AND error IS NOT NULL)");
    assert!(instance.lines("bad").is_empty());
    // Mended it goes on, and accounts for what it owes.
    sql.execute(set, [spec]).unwrap();
    instance.until_lines("bad", 1);
    instance.until_sql("EXISTS(SELECT 1 FROM schedule WHERE job = 'bad' AND error IS NULL)");
    // Broken while the daemon runs it is the same.
    sql.execute(set, ["[]"]).unwrap();
    let before = instance.lines("good").len();
    instance.until_lines("good", before + 2);
    instance.until_sql("EXISTS(SELECT 1 FROM schedule WHERE job = 'bad' AND error IS NOT NULL)");
}
