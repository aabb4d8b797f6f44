//! The journal of the store, and what a connection is kept from.

use std::fs;

use crake::daemon::journal::Journal;
use crake::daemon::mend;
use crake::model::{Back, Exit, Outcome, Record, RunId, TroubleKind, Verdict};
use crake::store::{Rewound, Store, StoreError};

use crate::support::bench::{Bench, ended, fire, fire_run, job, started};
use crate::support::wait::mono;

/// A command that had the store open writes into a file nobody reads any more.
#[test]
fn a_write_into_a_replaced_file_is_refused() {
    let bench = Bench::new();
    let mut store = bench.store();
    let path = bench.paths().store;
    let copy = path.with_extension("copy");
    store.copy_to(&copy).unwrap();
    store
        .put_job(&job("a"), &[], false, "ana", bench.now)
        .unwrap();
    fs::rename(&copy, &path).unwrap();
    let refused = store.put_job(&job("b"), &[], false, "ana", bench.now);
    assert!(matches!(refused, Err(StoreError::Moved(..))), "{refused:?}");
    fs::remove_file(&path).unwrap();
    let refused = store.put_job(&job("c"), &[], false, "ana", bench.now);
    assert!(matches!(refused, Err(StoreError::Moved(..))), "{refused:?}");
    store.abandon();
}

/// A table that the triggers forget would be missing from a store that is made anew.
#[test]
fn every_table_is_followed_by_the_journal() {
    let bench = Bench::new();
    drop(bench.store());
    let sql = rusqlite::Connection::open(bench.paths().store).unwrap();
    let missing: String = sql
        .query_row(
            "SELECT coalesce(group_concat(name), '') FROM sqlite_master t WHERE type = 'table'
               AND name NOT LIKE 'sqlite%' AND name NOT IN('change', 'touched', 'gauge')
               AND 4 <> (SELECT count(*) FROM sqlite_master g WHERE g.type = 'trigger'
                 AND g.tbl_name = t.name AND g.name LIKE 'touched%')",
            [],
            |row| row.get(0),
        )
        .unwrap();
    assert_eq!(missing, "");
}

/// Old events and the provisional numbers of runs that are over were kept for ever.
#[test]
fn what_nobody_asks_for_any_more_is_taken_out() {
    let bench = Bench::new();
    let mut store = bench.store();
    let sql = rusqlite::Connection::open(bench.paths().store).unwrap();
    let day = 86_400_000_i64;
    for (id, age) in [(1, 100), (2, 91), (3, 1)] {
        let at = bench.now - age * day;
        let row = "INSERT INTO event(id, at, level, kind, text) VALUES(?1, ?2, 'info', 'x', 'y')";
        sql.execute(row, [id, at]).unwrap();
    }
    sql.execute_batch(
        "INSERT INTO run(id, job, state, origin, accepted, ended_at) VALUES(1, 'a', 'failed', 'schedule', 1, 5);
         INSERT INTO run(id, job, origin, accepted) VALUES(2, 'a', 'schedule', 1);
         INSERT INTO meta VALUES('renumbered.1099511627776', '1'), ('renumbered.1099511627777', '2'),
           ('renumbered.1099511627778', '1')",
    )
    .unwrap();
    assert_eq!(store.tidy(bench.now).unwrap(), 3);
    let left: String = sql
        .query_row("SELECT group_concat(id) FROM event", [], |r| r.get(0))
        .unwrap();
    assert_eq!(left, "3");
    let left: i64 = sql
        .query_row(
            "SELECT count(*) FROM meta WHERE key LIKE 'renumbered.%'",
            [],
            |r| r.get(0),
        )
        .unwrap();
    assert_eq!(left, 2, "the one of a queued run, and the highest");
}

/// What was recorded before a fault is recorded again with the rest, and was undone twice.
#[test]
fn what_is_undone_again_after_a_fault_is_told_once() {
    let bench = Bench::new();
    let planned = bench.job("tick", Some("every 1m"), bench.now);
    let mut store = bench.store();
    let back = Back {
        to: bench.now,
        all: false,
    };
    let versions = [Rewound {
        schedule: planned[0].id,
        next_at: Some(bench.now),
        reopened: false,
    }];
    let later = fire(&planned[0], bench.now + 60_000, Verdict::Paused);
    for _ in 0..2 {
        let records = [Record::Fire(later.clone()), Record::Back(back)];
        store.record(&records, None, bench.now).unwrap();
        store.rewind(&back, &versions, bench.now).unwrap();
    }
    let sql = rusqlite::Connection::open(bench.paths().store).unwrap();
    let query = "SELECT count(*) FROM fire_undone";
    let undone: i64 = sql.query_row(query, [], |r| r.get(0)).unwrap();
    assert_eq!(undone, 1);
}

/// Records fires with their runs from begin to end, `each` fires in a batch; gives the milliseconds.
fn record_fires(
    bench: &Bench,
    store: &mut Store,
    journal: Option<&mut Journal>,
    of: (i64, i64),
    each: i64,
) -> i64 {
    let mut journal = journal;
    let planned = &store.every_schedule().unwrap()[0].planned.clone();
    let began = mono();
    let mut run = of.0;
    while run < of.1 {
        let mut records = Vec::new();
        for run in run..run + each {
            let at = bench.now + run * 1_000;
            records.push(Record::Fire(fire_run(planned, at, run)));
            records.extend(started(RunId(run), "tick", 1, run, at));
            records.push(ended(
                RunId(run),
                "tick",
                run,
                Outcome::Succeeded,
                Exit::Code(0),
                at + 10,
            ));
        }
        store.record(&records, Some(run), bench.now).unwrap();
        if let Some(journal) = journal.as_deref_mut() {
            journal.follow(store, bench.now).unwrap();
        }
        run += each;
    }
    mono() - began
}

#[test]
#[ignore = "prints figures"]
fn figures_of_the_journal_and_of_making_a_store_anew() {
    let bench = Bench::new();
    let paths = bench.paths();
    bench.job("tick", Some("every 1s"), bench.now - 1_000);
    let mut store = bench.store();
    store.checkpoint_by_hand().unwrap();
    fs::create_dir_all(&paths.spool).unwrap();
    fs::create_dir_all(mend::copy_of(&paths).parent().unwrap()).unwrap();
    let mut journal = Journal::begin(&paths.spool, "boot").unwrap();
    store.set_meta("journal", "1").unwrap();
    store.copy_to(&mend::copy_of(&paths)).unwrap();
    let alone = record_fires(&bench, &mut store, None, (1, 2_001), 1);
    let with = record_fires(&bench, &mut store, Some(&mut journal), (2_001, 4_001), 1);
    println!("2000 batches of one whole fire: {alone} ms without the journal, {with} ms with it");
    let many = record_fires(
        &bench,
        &mut store,
        Some(&mut journal),
        (4_001, 100_001),
        100,
    );
    println!(
        "96000 fires in batches of 100: {many} ms; journal of {} MiB",
        journal.size() >> 20
    );
    let began = mono();
    let made = mend::make(&paths, None, TroubleKind::Damaged, 0).unwrap();
    let mended = mend::put_in_place(&paths, made, bench.now).unwrap();
    println!("made anew in {} ms: {}", mono() - began, mended.text);
    store.abandon();
    let sql = rusqlite::Connection::open(&paths.store).unwrap();
    for table in ["fire", "run", "attempt"] {
        let query = format!("SELECT count(*) FROM {table}");
        let rows: i64 = sql.query_row(&query, [], |r| r.get(0)).unwrap();
        assert_eq!(rows, 100_000, "{table}");
    }
}
