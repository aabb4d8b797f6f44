//! A store of an earlier version.

use crake::model::{RunId, RunState};
use crake::store::{FireFilter, RunFilter, Store, VERSION};
use rusqlite::Connection;

use crate::support::bench::{Bench, job};

const FIRST: &str = include_str!("../../src/store/0001_start.sql");

/// A store as the first version left it: a job, a run that is over and one that waits, a fire.
fn of_version_one(path: &std::path::Path) {
    let conn = Connection::open(path).unwrap();
    conn.pragma_update(None, "journal_mode", "WAL").unwrap();
    conn.execute_batch(FIRST).unwrap();
    let spec = serde_json::to_string(&job("hello").spec).unwrap();
    conn.execute(
        "INSERT INTO job(name, spec, created_at, updated_at) VALUES('hello', ?1, 1, 1)",
        [spec],
    )
    .unwrap();
    conn.execute_batch(
        "INSERT INTO schedule(job, expr, from_at) VALUES('hello', '* * * * *', 0);
         INSERT INTO run(job) VALUES('hello');
         INSERT INTO run(job) VALUES('hello');
         UPDATE run SET state = 'failed', ended_at = 5, exit_code = 3, fence = 9, attempt = 1 WHERE id = 1;
         INSERT INTO attempt(run, n, fence, claimed_at, outcome) VALUES(1, 1, 9, 4, 'failed');
         INSERT INTO output VALUES(1, 1, x'00ff');
         INSERT INTO fire(schedule, planned_at, verdict, run, late_ms, decided_at, until_at)
           VALUES(1, 60000, 'run', 1, 7, 60007, 60000);
         PRAGMA user_version = 1;
         PRAGMA application_id = 0x6372616b;",
    )
    .unwrap();
}

#[test]
fn a_store_of_the_first_version_is_backed_up_and_brought_up_with_everything_in_it() {
    let bench = Bench::new();
    let path = bench.paths().store;
    of_version_one(&path);
    let store = Store::open(&path).unwrap();
    let runs = store.runs(&RunFilter::default()).unwrap();
    let states: Vec<&str> = runs.iter().map(|r| r.state.as_str()).collect();
    assert_eq!(states, ["queued", "failed"]);
    assert_eq!((runs[1].exit_code, &runs[1].ack), (Some(3), &None));
    assert_eq!(store.attempts(RunId(1)).unwrap()[0].fence.0, 9);
    assert!(store.output(RunId(1), 1).unwrap().is_some());
    assert_eq!(store.fires(&FireFilter::default()).unwrap().len(), 1);
    assert!(
        store
            .job("hello")
            .unwrap()
            .unwrap()
            .job
            .spec
            .follow
            .is_none()
    );
    let client = Connection::open(&path).unwrap();
    let version = |c: &Connection| -> i64 {
        c.pragma_query_value(None, "user_version", |row| row.get(0))
            .unwrap()
    };
    assert_eq!(version(&client), VERSION);
    // What came with it is in use at once.
    client
        .execute("UPDATE run SET priority = 0 WHERE id = 2", [])
        .unwrap();
    let changed: i64 = client
        .query_row("SELECT run FROM run_changed", [], |row| row.get(0))
        .unwrap();
    assert_eq!(changed, 2);
    let backup = Connection::open(path.with_extension("db.v1.bak")).unwrap();
    assert_eq!(version(&backup), 1);
    let kept: i64 = backup
        .query_row("SELECT count(*) FROM run", [], |row| row.get(0))
        .unwrap();
    assert_eq!(kept, 2);
    // And again: nothing is left to do, and no other copy is made.
    drop(store);
    let again = Store::open(&path).unwrap();
    let queued = again.runs(&RunFilter {
        states: vec![RunState::Queued],
        ..RunFilter::default()
    });
    assert_eq!(queued.unwrap().len(), 1);
}
