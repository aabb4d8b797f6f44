//! What of a long queue the store side gives to the firing side.

use std::sync::Arc;

use crake::daemon::fact::Fact;
use crake::daemon::keeper::{Keeper, Kept};
use crake::daemon::zones::Zones;
use crake::model::{QueuedRun, RunId};
use crake::schedule::Zone;
use rusqlite::{Connection, params};

use crate::support::bench::Bench;

fn keeper(bench: &Bench) -> Keeper {
    let mut keeper = Keeper::new(bench.store(), Zones::new(Zone::utc()), Arc::default());
    keeper.begin(bench.now).unwrap();
    keeper
}

fn client(bench: &Bench) -> Connection {
    Connection::open(bench.paths().store).unwrap()
}

/// So many runs that are due, of one job, or of so many jobs in turn.
fn insert(bench: &Bench, job: &str, jobs: i64, count: i64) {
    let sql = "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < ?2)
      INSERT INTO run(job, run_at, queued_at)
      SELECT CASE ?4 WHEN 1 THEN ?1 ELSE ?1 || (i % ?4) END, ?3, ?3 FROM n";
    let values = params![job, count, bench.now - 1_000, jobs];
    client(bench).execute(sql, values).unwrap();
}

fn given(kept: &Kept) -> Vec<QueuedRun> {
    let queued = kept.facts.iter().filter_map(|f| match f {
        Fact::Queued(_, runs) => Some(runs.clone()),
        _ => None,
    });
    queued.flatten().collect()
}

/// The rounds until a run of a job is given; none where that takes more than ten.
fn rounds_until(keeper: &mut Keeper, bench: &Bench, job: &str) -> Option<i64> {
    (0..10).find(|round| {
        let kept = keeper.step(bench.now + round * 100).unwrap();
        given(&kept).iter().any(|run| run.job == job)
    })
}

#[test]
fn a_long_queue_of_one_job_keeps_no_other_job_out() {
    let bench = Bench::new();
    bench.job("slow", None, 1);
    bench.job("other", None, 1);
    insert(&bench, "slow", 1, 20_000);
    let mut keeper = keeper(&bench);
    keeper.step(bench.now).unwrap();
    insert(&bench, "other", 1, 1);
    let rounds = rounds_until(&mut keeper, &bench, "other");
    assert!(rounds.is_some_and(|n| n < 2), "{rounds:?}");
}

#[test]
fn what_goes_first_is_given_though_thousands_are_in_memory() {
    let bench = Bench::new();
    (0..900).for_each(|n| drop(bench.job(&format!("a{n}"), None, 1)));
    bench.job("urgent", None, 1);
    insert(&bench, "a", 900, 9_000);
    let mut keeper = keeper(&bench);
    keeper.step(bench.now).unwrap();
    let sql = "INSERT INTO run(job, priority, run_at, queued_at) VALUES('urgent', 0, ?1, ?1)";
    client(&bench).execute(sql, [bench.now]).unwrap();
    let rounds = rounds_until(&mut keeper, &bench, "urgent");
    assert_eq!(rounds, Some(0));
}

#[test]
fn a_change_of_a_waiting_run_is_told_once() {
    let bench = Bench::new();
    bench.job("a", None, 1);
    insert(&bench, "a", 1, 2);
    let mut keeper = keeper(&bench);
    keeper.step(bench.now).unwrap();
    let later = bench.now + 60_000;
    let sql = "UPDATE run SET priority = 0, run_at = ?1, queue = 'high' WHERE id = 2";
    client(&bench).execute(sql, [later]).unwrap();
    let moved = |kept: Kept| -> Vec<QueuedRun> {
        let moved = kept.facts.into_iter().filter_map(|f| match f {
            Fact::Moved(runs) => Some(runs),
            _ => None,
        });
        moved.flatten().collect()
    };
    let told = moved(keeper.step(bench.now).unwrap());
    let of = |r: &QueuedRun| (r.run, r.priority, r.run_at, r.queue.clone());
    let told: Vec<_> = told.iter().map(of).collect();
    assert_eq!(told, [(RunId(2), 0, later, "high".to_owned())]);
    client(&bench)
        .execute("UPDATE run SET reason = 'x'", [])
        .unwrap();
    assert!(moved(keeper.step(bench.now).unwrap()).is_empty());
}
