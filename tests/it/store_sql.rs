//! The store as SQL clients see it, through the client they have.

use std::path::Path;

use crake::model::{Command, Job, Policy, RunState, Spec};
use crake::store::{NewSchedule, RunFilter, Store, StoreError};
use rusqlite::Connection;

const NOW: i64 = 1_772_942_400_000;

pub fn job(name: &str) -> Job {
    Job {
        name: name.to_owned(),
        spec: Spec::of(Command::Line("true".into())),
        policy: Policy::default(),
        pauses: Vec::new(),
        version: 1,
        listed: true,
    }
}

fn with_job(dir: &Path) -> (Store, Connection) {
    let path = dir.join("crake.db");
    let mut store = Store::open(&path).expect("a store");
    let schedule = NewSchedule {
        zone: None,
        ..NewSchedule::of("* * * * *")
    };
    store
        .put_job(&job("hello"), &[schedule], false, "test", NOW)
        .expect("a job");
    (store, Connection::open(&path).expect("a client"))
}

#[test]
fn a_plain_insert_is_a_request() {
    let dir = tempfile::tempdir().expect("a directory");
    let (store, client) = with_job(dir.path());
    client
        .execute(
            "INSERT INTO run(job, args) VALUES('hello', '{\"to\":\"x\"}')",
            [],
        )
        .expect("an insert");
    let id = client.last_insert_rowid();
    let runs = store.runs(&RunFilter::default()).expect("runs");
    assert_eq!(runs.len(), 1);
    assert_eq!(runs[0].run.0, id);
    assert_eq!(runs[0].state, RunState::Queued);
    assert_eq!(runs[0].queue, "normal");
    assert_eq!((runs[0].priority, runs[0].max_attempts), (5, 1));
    assert!(runs[0].queued_at.is_some() && runs[0].run_at == runs[0].queued_at);
}

#[test]
fn an_unknown_job_is_refused_by_the_trigger() {
    let dir = tempfile::tempdir().expect("a directory");
    let (store, client) = with_job(dir.path());
    let refused = client.execute("INSERT INTO run(job) VALUES('nobody')", []);
    assert!(
        refused
            .expect_err("a refusal")
            .to_string()
            .contains("no such job")
    );
    let refused = client.execute("INSERT INTO run(job, queue) VALUES('hello', 'nowhere')", []);
    assert!(
        refused
            .expect_err("a refusal")
            .to_string()
            .contains("no such queue")
    );
    let refused = client.execute("INSERT INTO run(job, state) VALUES('hello', 'running')", []);
    assert!(
        refused
            .expect_err("a refusal")
            .to_string()
            .contains("queued")
    );
    assert!(store.runs(&RunFilter::default()).expect("runs").is_empty());
}

#[test]
fn a_unique_key_holds_while_its_run_is_open() {
    let dir = tempfile::tempdir().expect("a directory");
    let (_store, client) = with_job(dir.path());
    let insert = "INSERT OR IGNORE INTO run(job, unique_key) VALUES('hello', 'k')";
    assert_eq!(client.execute(insert, []).expect("an insert"), 1);
    assert_eq!(client.execute(insert, []).expect("an insert"), 0);
    client
        .execute("UPDATE run SET state = 'succeeded', ended_at = 1", [])
        .expect("an update");
    assert_eq!(client.execute(insert, []).expect("an insert"), 1);
}

#[test]
fn a_schedule_is_not_changed_in_place() {
    let dir = tempfile::tempdir().expect("a directory");
    let (_store, client) = with_job(dir.path());
    let refused = client.execute("UPDATE schedule SET expr = '@daily'", []);
    assert!(
        refused
            .expect_err("a refusal")
            .to_string()
            .contains("never changed in place")
    );
}

#[test]
fn a_changed_schedule_is_a_new_version_and_an_equal_one_is_not() {
    let dir = tempfile::tempdir().expect("a directory");
    let (mut store, _client) = with_job(dir.path());
    let before = store
        .job("hello")
        .expect("a look")
        .expect("a job")
        .schedules;
    let same = NewSchedule {
        zone: None,
        ..NewSchedule::of("* * * * *")
    };
    let put = |store: &mut Store, schedule: &NewSchedule, now| {
        store
            .put_job(
                &job("hello"),
                std::slice::from_ref(schedule),
                true,
                "test",
                now,
            )
            .expect("a change");
        store
            .job("hello")
            .expect("a look")
            .expect("a job")
            .schedules
    };
    assert_eq!(put(&mut store, &same, NOW + 1)[0].0.id, before[0].0.id);
    let other = NewSchedule {
        expr: "@daily".to_owned(),
        ..same
    };
    let after = put(&mut store, &other, NOW + 2);
    assert_ne!(after[0].0.id, before[0].0.id);
    let old = store
        .schedule(before[0].0.id)
        .expect("a look")
        .expect("a version");
    assert_eq!(old.until, Some(NOW + 2));
}

#[test]
fn queries_use_their_indexes() {
    let dir = tempfile::tempdir().expect("a directory");
    let (_store, client) = with_job(dir.path());
    let plans = [
        ("SELECT id FROM run WHERE accepted = 0", "run_new"),
        ("SELECT id FROM run WHERE state = 'running'", "run_live"),
        (
            "SELECT id FROM run WHERE cancel_at IS NOT NULL AND state IN('queued', 'running')",
            "run_cancel",
        ),
        (
            "SELECT id FROM run WHERE state = 'queued' AND queue = 'normal' ORDER BY priority, run_at, id",
            "run_claim",
        ),
        (
            "SELECT job FROM run WHERE state = 'queued' AND queue = 'normal' AND job > 'a' ORDER BY job LIMIT 1",
            "run_wait",
        ),
        (
            "SELECT schedule FROM due ORDER BY next_at, schedule LIMIT 10",
            "PRIMARY KEY",
        ),
        ("SELECT next_at FROM due WHERE schedule = 1", "due_schedule"),
        ("SELECT run FROM attempt WHERE fence = 7", "attempt_fence"),
        (
            "SELECT id FROM run WHERE ended_at IS NOT NULL ORDER BY ended_at DESC LIMIT 60",
            "run_ended",
        ),
        (
            "SELECT sum(state = 'succeeded') FROM run WHERE ended_at >= 1",
            "run_ended",
        ),
        (
            "SELECT ended_at - started_at FROM run
             WHERE state = 'succeeded' AND job = 'hello' AND id < 9 AND ended_at >= started_at
             ORDER BY id DESC LIMIT 20",
            "COVERING INDEX run_good",
        ),
        (
            "SELECT id FROM run b WHERE b.job = 'hello' AND b.ended_at IS NOT NULL
               AND (b.state NOT IN('succeeded', 'cancelled') OR instr(b.reason, 'unkillable: ') > 0)
             ORDER BY b.id DESC LIMIT 1",
            "run_bad",
        ),
        (
            "SELECT * FROM run r WHERE r.id IN(SELECT id FROM run INDEXED BY run_live
               WHERE state = 'running') ORDER BY r.id DESC LIMIT 10",
            "SEARCH r USING INTEGER PRIMARY KEY",
        ),
        (
            "SELECT 1 FROM fire f WHERE f.schedule = 7 AND f.verdict = 'overlap'",
            "fire_overlap",
        ),
    ];
    for (sql, index) in plans {
        let mut statement = client
            .prepare(&format!("EXPLAIN QUERY PLAN {sql}"))
            .expect("a plan");
        let plan: Vec<String> = statement
            .query_map([], |row| row.get(3))
            .expect("rows")
            .collect::<Result<_, _>>()
            .expect("text");
        let plan = plan.join("; ");
        let by_key = index == "PRIMARY KEY" && plan.contains("SCAN due") && !plan.contains("TEMP");
        assert!(by_key || plan.contains(index), "{sql}: {plan}");
        assert!(!plan.contains("TEMP B-TREE"), "{sql} sorts: {plan}");
    }
}

#[test]
fn views_show_iso_times() {
    let dir = tempfile::tempdir().expect("a directory");
    let (_store, client) = with_job(dir.path());
    client
        .execute(
            "INSERT INTO run(job, run_at) VALUES('hello', 1772942400000)",
            [],
        )
        .expect("an insert");
    let at: String = client
        .query_row("SELECT run_at FROM v_queue", [], |row| row.get(0))
        .expect("a row");
    assert_eq!(at, "2026-03-08T04:00:00Z");
    for view in ["v_running", "v_next", "v_missed", "v_history"] {
        client
            .prepare(&format!("SELECT * FROM {view}"))
            .unwrap_or_else(|e| panic!("{view}: {e}"));
    }
}

#[test]
fn a_store_of_a_newer_version_is_refused_and_left_alone() {
    let dir = tempfile::tempdir().expect("a directory");
    let (store, client) = with_job(dir.path());
    drop(store);
    client
        .pragma_update(None, "user_version", 99)
        .expect("a version");
    let path = dir.path().join("crake.db");
    for open in [Store::open, Store::open_to_read] {
        match open(&path) {
            Err(StoreError::Newer { found, .. }) => assert_eq!(found, 99),
            Err(other) => panic!("{other}"),
            Ok(_) => panic!("it was opened"),
        }
    }
}

#[test]
fn what_is_no_store_of_ours_is_refused() {
    let dir = tempfile::tempdir().expect("a directory");
    let text = dir.path().join("text");
    std::fs::write(
        &text,
        "this is no database, but it is long enough to look at ".repeat(40),
    )
    .expect("a file");
    assert!(matches!(
        Store::open(&text),
        Err(StoreError::NotADatabase(_))
    ));
    let other = dir.path().join("other.db");
    let conn = Connection::open(&other).expect("a database");
    conn.execute_batch("CREATE TABLE theirs(x)")
        .expect("a table");
    assert!(matches!(Store::open(&other), Err(StoreError::Foreign(_))));
}

#[test]
fn migrating_twice_changes_nothing() {
    let dir = tempfile::tempdir().expect("a directory");
    let (store, _client) = with_job(dir.path());
    drop(store);
    let again = Store::open(&dir.path().join("crake.db")).expect("a store");
    assert_eq!(again.job_names().expect("names"), ["hello"]);
}

/// Found by a status that was asked while the daemon made the store: it read the version before the
/// other's commit and the tables after it, and took the store for another program's.
#[test]
fn many_at_once_make_one_store() {
    for _ in 0..20 {
        let dir = tempfile::tempdir().expect("a directory");
        let path = dir.path().join("crake.db");
        std::thread::scope(|scope| {
            let open = || Store::open(&path).map(|_| ()).map_err(|e| e.to_string());
            let opened: Vec<_> = (0..4).map(|_| scope.spawn(open)).collect();
            for thread in opened {
                assert_eq!(thread.join().expect("a thread"), Ok(()));
            }
        });
    }
}

#[test]
fn values_that_nobody_could_read_are_refused() {
    let dir = tempfile::tempdir().expect("a directory");
    let (_, client) = with_job(dir.path());
    client
        .execute("INSERT INTO run(job) VALUES('hello')", [])
        .expect("a run");
    for (column, value, words) in [
        ("priority", "300", "priority is 0 to 9"),
        ("priority", "'high'", "priority is 0 to 9"),
        ("max_attempts", "-1", "max_attempts is 1 to 1000000"),
        ("run_at", "'2026-01-01'", "times are Unix milliseconds"),
        ("deadline_at", "1.5", "times are Unix milliseconds"),
        ("args", "x'00'", "args and env are text"),
    ] {
        for sql in [
            format!("INSERT INTO run(job, {column}) VALUES('hello', {value})"),
            format!("UPDATE run SET {column} = {value}"),
        ] {
            let refused = client.execute(&sql, []).expect_err(&sql).to_string();
            assert!(refused.contains(words), "{sql}: {refused}");
        }
    }
}

#[test]
fn a_queue_that_something_waits_in_stays() {
    let dir = tempfile::tempdir().expect("a directory");
    let (_, client) = with_job(dir.path());
    client
        .execute_batch(
            "INSERT INTO queue(name, rank) VALUES('bulk', 9), ('idle', 10);
             INSERT INTO run(job, queue) VALUES('hello', 'bulk');",
        )
        .expect("a run in a queue");
    for (sql, words) in [
        ("DELETE FROM queue WHERE name = 'bulk'", "in use"),
        ("DELETE FROM queue WHERE name = 'normal'", "in use"),
        (
            "UPDATE queue SET name = 'b' WHERE name = 'bulk'",
            "keeps its name",
        ),
        ("UPDATE run SET queue = 'nowhere'", "no such queue"),
    ] {
        let refused = client.execute(sql, []).expect_err(sql).to_string();
        assert!(refused.contains(words), "{sql}: {refused}");
    }
    client
        .execute("DELETE FROM queue WHERE name = 'idle'", [])
        .expect("nobody needs it");
    let told: i64 = client
        .query_row("SELECT count(*) FROM change WHERE job IS NULL", [], |r| {
            r.get(0)
        })
        .expect("marks");
    assert_eq!(told, 3);
}
