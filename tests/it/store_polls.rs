//! What is kept of polls, and of the keys they saw.

use crake::model::{Mode, PasswordFrom, PollId, PollOutcome, Source, Trigger, Watch};
use crake::store::{Finished, Forget, NewPoll, PollEnd, Question, Remembered, Sighting, Store};

use crate::support::bench::Bench;

const HOUR: i64 = 3_600_000;

fn store_with_watch(bench: &Bench) -> Store {
    let mut store = bench.store();
    bench.job("eat", None, 0);
    let source = crate::support::servers::source("sqlite:/nowhere/x.db", false);
    let source = Source {
        name: "s".to_owned(),
        password: PasswordFrom::Nowhere,
        ..source
    };
    store.put_source(&source, None, false, 0).unwrap();
    let watch = Watch {
        mode: Mode::New,
        key: vec!["id".to_owned()],
        ..Watch::of("w", "s", "SELECT 1", "eat")
    };
    store.put_watch(&watch, false, "test", 0).unwrap();
    store
}

/// The end of a poll that found nothing and remembers nothing.
fn bare(poll: PollId, version: i64) -> PollEnd {
    PollEnd {
        poll,
        watch: "w".to_owned(),
        version,
        started_at: 1,
        at: 4,
        took_ms: 1,
        wait_ms: None,
        connection: None,
        outcome: PollOutcome::Ok,
        error: None,
        note: None,
        fails: 0,
        rows: Some(0),
        fresh: Some(0),
        cursor_after: None,
        delivered: None,
        runs: Vec::new(),
        remembered: None,
        next_at: None,
    }
}

/// A poll that is over, with these keys; says how it went.
fn poll(store: &mut Store, at: i64, outcome: PollOutcome, sighting: Sighting) -> (i64, Finished) {
    let new = NewPoll {
        watch: "w".to_owned(),
        trigger: Trigger::Timer,
        due_at: at,
        at,
    };
    let (poll, row, ()) = store
        .begin_poll(&new, |_, _| (Question::default(), ()))
        .unwrap();
    let end = PollEnd {
        at,
        outcome,
        remembered: Some(Remembered {
            memory: None,
            sighting,
            waits: false,
        }),
        ..bare(poll, row.version)
    };
    (poll.0, store.finish_poll(&end).unwrap())
}

fn count(bench: &Bench, sql: &str) -> i64 {
    let sql_conn = rusqlite::Connection::open(bench.paths().store).unwrap();
    sql_conn.query_row(sql, [], |row| row.get(0)).unwrap()
}

#[test]
fn store_equal_polls_that_found_nothing_are_folded_and_others_are_not() {
    let bench = Bench::new();
    let mut store = store_with_watch(&bench);
    for n in 0..10 {
        poll(
            &mut store,
            n * 1000,
            PollOutcome::Empty,
            Sighting::default(),
        );
    }
    poll(&mut store, 10_000, PollOutcome::Error, Sighting::default());
    for n in 11..15 {
        poll(
            &mut store,
            n * 1000,
            PollOutcome::Empty,
            Sighting::default(),
        );
    }
    let mut after = Some(0);
    while let Some(from) = after {
        after = store.fold_polls("w", 13_500, from, 4).unwrap().1;
    }
    assert_eq!(count(&bench, "SELECT count(*) FROM poll"), 4);
    assert_eq!(count(&bench, "SELECT sum(repeats) FROM poll"), 15);
    assert_eq!(
        count(&bench, "SELECT last_at FROM poll ORDER BY id LIMIT 1"),
        9_000
    );
    assert_eq!(
        count(
            &bench,
            "SELECT count(*) FROM poll WHERE outcome = 'error' AND repeats = 1"
        ),
        1
    );
    store.fold_polls("w", i64::MAX, 0, 100).unwrap();
    assert_eq!(count(&bench, "SELECT sum(repeats) FROM poll"), 15);
}

#[test]
fn store_old_polls_are_removed_but_for_the_newest_thousand() {
    let bench = Bench::new();
    let mut store = store_with_watch(&bench);
    for n in 0..1_010 {
        poll(&mut store, n, PollOutcome::Ok, Sighting::default());
    }
    assert_eq!(store.remove_polls("w", 5, 100).unwrap(), 5);
    assert_eq!(store.remove_polls("w", HOUR, 3).unwrap(), 3);
    assert_eq!(store.remove_polls("w", HOUR, 100).unwrap(), 2);
    assert_eq!(store.remove_polls("w", HOUR, 100).unwrap(), 0);
    assert_eq!(count(&bench, "SELECT count(*) FROM poll"), 1_000);
}

#[test]
fn store_keys_are_forgotten_when_old_or_too_many_and_never_while_they_are_seen() {
    let bench = Bench::new();
    let mut store = store_with_watch(&bench);
    let keys = |n: std::ops::Range<i64>| n.map(|k| k.to_string()).collect::<Vec<_>>();
    let sighting = |fresh: Vec<String>, before, most| Sighting {
        sighted: fresh.iter().cloned().chain(["0".to_owned()]).collect(),
        fresh,
        again: Vec::new(),
        forget: Forget::Old { before, most },
    };
    poll(&mut store, 1, PollOutcome::Ok, sighting(keys(0..5), 0, 100));
    poll(&mut store, 2, PollOutcome::Ok, sighting(keys(5..8), 0, 4));
    let known = store.known_keys("w", &keys(0..9), 2).unwrap();
    let mut left: Vec<String> = known.seen.into_iter().collect();
    left.sort();
    assert_eq!(
        left,
        ["0", "5", "6", "7"],
        "the oldest went, but for what is still there"
    );
    assert_eq!(known.old, ["0"]);
    poll(
        &mut store,
        9,
        PollOutcome::Empty,
        sighting(Vec::new(), 9, 100),
    );
    let known = store.known_keys("w", &keys(0..9), 0).unwrap();
    assert_eq!(known.seen.into_iter().collect::<Vec<_>>(), ["0"]);
}

#[test]
fn store_a_poll_of_an_earlier_version_is_void() {
    let bench = Bench::new();
    let mut store = store_with_watch(&bench);
    let new = NewPoll {
        watch: "w".to_owned(),
        trigger: Trigger::Timer,
        due_at: 1,
        at: 1,
    };
    let (poll_id, row, ()) = store
        .begin_poll(&new, |_, _| (Question::default(), ()))
        .unwrap();
    let (_, first) = poll(&mut store, 2, PollOutcome::Ok, Sighting::default());
    assert_eq!(first, Finished::Recorded(0));
    store.put_watch(&row.watch, true, "test", 3).unwrap();
    let mut other = bare(poll_id, row.version);
    assert_eq!(store.finish_poll(&other).unwrap(), Finished::Void);
    other.version += 1;
    assert_eq!(
        store.finish_poll(&other).unwrap(),
        Finished::Void,
        "it is over already"
    );
    assert_eq!(
        count(&bench, "SELECT count(*) FROM poll WHERE outcome = 'lost'"),
        1
    );
}
