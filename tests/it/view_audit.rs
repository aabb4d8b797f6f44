//! The audit: a ledger that holds, and each way in which one does not.

use crake::model::{Fire, Planned, Record, RunId, Verdict};
use crake::schedule::{UnixMs, Zone};
use crake::store::Store;
use crake::view::Daemon;
use crake::view::audit::{Audit, Kind, Question, audit, decided_until};

use crate::support::bench::{fire, fire_run, job, new_run, schedule};

const MINUTE: i64 = 60_000;
/// 2026-09-10T00:00:00Z.
const START: UnixMs = 1_788_998_400_000;

fn store_with(expr: &str) -> (Store, Planned) {
    let mut store = Store::in_memory().unwrap();
    store
        .put_job(&job("tick"), &[schedule(expr)], false, "ana", START)
        .unwrap();
    let planned = store.job("tick").unwrap().unwrap().schedules[0].0.clone();
    store
        .plan_first(&[(planned.id, Some(START + MINUTE))])
        .unwrap();
    (store, planned)
}

fn rows(store: &mut Store, fires: impl IntoIterator<Item = Fire>) {
    let records: Vec<Record> = fires.into_iter().map(Record::Fire).collect();
    store.record(&records, None, START).unwrap();
}

fn held(store: &Store, since: Option<UnixMs>) -> Audit {
    let question = Question {
        since,
        job: None,
        until: Some(START + 10 * MINUTE),
        unplanned_owed: true,
        zone: &Zone::utc(),
    };
    audit(store, &question).unwrap()
}

fn figures(audit: &Audit) -> [i64; 5] {
    [
        audit.planned,
        audit.ledger,
        audit.missing,
        audit.extra,
        audit.duplicate,
    ]
}

fn ten(planned: &Planned) -> Vec<Fire> {
    (1..=10)
        .map(|n| fire_run(planned, START + n * MINUTE, n))
        .collect()
}

#[test]
fn a_complete_ledger_holds() {
    let (mut store, planned) = store_with("* * * * *");
    rows(&mut store, ten(&planned));
    let found = held(&store, None);
    assert_eq!(figures(&found), [10, 10, 0, 0, 0]);
    assert!(found.holds() && found.differences.is_empty());
    assert_eq!(found.since, Some(START));
    // What comes after is not looked at.
    rows(&mut store, [fire_run(&planned, START + 11 * MINUTE, 11)]);
    assert_eq!(figures(&held(&store, None)), [10, 10, 0, 0, 0]);
    // Instants later than `since`.
    let found = held(&store, Some(START + 7 * MINUTE));
    assert_eq!(figures(&found), [3, 3, 0, 0, 0]);
}

#[test]
fn a_row_that_is_not_there_is_missing() {
    let (mut store, planned) = store_with("* * * * *");
    let mut fires = ten(&planned);
    fires.drain(3..5);
    rows(&mut store, fires);
    let found = held(&store, None);
    assert_eq!(figures(&found), [10, 8, 2, 0, 0]);
    let first = &found.differences[0];
    assert_eq!(
        (first.kind, first.at, first.count),
        (Kind::Missing, START + 4 * MINUTE, 2)
    );
    assert!(!found.holds());
}

#[test]
fn a_row_that_was_never_planned_is_extra() {
    let (mut store, planned) = store_with("* * * * *");
    let mut fires = ten(&planned);
    fires.push(fire(&planned, START + 90_000, Verdict::Overlap));
    rows(&mut store, fires);
    let found = held(&store, None);
    assert_eq!(figures(&found), [10, 11, 0, 1, 0]);
    assert_eq!(found.differences[0].kind, Kind::Extra);
}

#[test]
fn two_runs_for_one_instant_are_a_duplicate() {
    let (mut store, planned) = store_with("* * * * *");
    rows(&mut store, ten(&planned));
    let twice = crake::model::NewRun {
        run: RunId(99),
        schedule: Some(planned.id),
        ..new_run(99, "tick", START + MINUTE)
    };
    store.record(&[Record::New(twice)], None, START).unwrap();
    let found = held(&store, None);
    assert_eq!(figures(&found), [10, 10, 0, 0, 1]);
    assert_eq!(found.differences[0].count, 2);
}

#[test]
fn a_folded_row_stands_for_as_many_instants_as_it_says() {
    let (mut store, planned) = store_with("* * * * *");
    let folded = |count| Fire {
        count,
        until: START + 9 * MINUTE,
        ..fire(&planned, START + MINUTE, Verdict::Missed)
    };
    rows(
        &mut store,
        [folded(9), fire_run(&planned, START + 10 * MINUTE, 1)],
    );
    assert_eq!(figures(&held(&store, None)), [10, 10, 0, 0, 0]);
    // Of one that reaches over the edge only what lies within is held.
    let found = held(&store, Some(START + 5 * MINUTE));
    assert_eq!(figures(&found), [5, 5, 0, 0, 0]);

    let (mut store, planned) = store_with("* * * * *");
    let wrong = |count| Fire {
        schedule: planned.id,
        ..folded(count)
    };
    rows(
        &mut store,
        [wrong(7), fire_run(&planned, START + 10 * MINUTE, 1)],
    );
    assert_eq!(figures(&held(&store, None)), [10, 8, 2, 0, 0]);
}

#[test]
fn every_version_is_held_over_its_own_time() {
    let (mut store, planned) = store_with("* * * * *");
    store
        .put_job(
            &job("tick"),
            &[schedule("*/5 * * * *")],
            true,
            "ana",
            START + 3 * MINUTE,
        )
        .unwrap();
    let second = store.job("tick").unwrap().unwrap().schedules[0].0.clone();
    store
        .plan_first(&[(second.id, Some(START + 5 * MINUTE))])
        .unwrap();
    let first = (1..=3).map(|n| fire_run(&planned, START + n * MINUTE, n));
    let then = [5, 10].map(|n| fire_run(&second, START + n * MINUTE, n));
    rows(&mut store, first.chain(then));
    let found = held(&store, None);
    assert_eq!(figures(&found), [5, 5, 0, 0, 0]);
    assert_eq!(found.schedules, 2);
    // A fire that was decided before the daemon heard of the change: the version was in force.
    rows(&mut store, [fire_run(&planned, START + 4 * MINUTE, 4)]);
    assert_eq!(figures(&held(&store, None)), [6, 6, 0, 0, 0]);
}

#[test]
fn what_the_daemon_has_not_planned_yet_is_owed() {
    let mut store = Store::in_memory().unwrap();
    let schedules = [schedule("* * * * *"), schedule("@reboot")];
    store
        .put_job(&job("tick"), &schedules, false, "ana", START)
        .unwrap();
    let found = held(&store, None);
    assert_eq!(figures(&found), [0, 0, 0, 0, 0]);
    assert_eq!(found.owed, 2);
    // With a daemon there it should have been planned.
    let zone = Zone::utc();
    let question = Question {
        since: None,
        job: Some("tick"),
        until: Some(START + 10 * MINUTE),
        unplanned_owed: false,
        zone: &zone,
    };
    assert_eq!(audit(&store, &question).unwrap().missing, 10);
    let other = Question {
        job: Some("other"),
        ..question
    };
    assert_eq!(audit(&store, &other).unwrap().schedules, 0);
}

#[test]
fn decided_is_what_lies_before_now_or_before_the_last_sign_of_life() {
    let mut store = Store::in_memory().unwrap();
    let (up, down) = (
        Daemon {
            up: true,
            ..Daemon::default()
        },
        Daemon::default(),
    );
    let until = |store: &Store, daemon: &Daemon| decided_until(store, daemon, START).unwrap();
    assert_eq!(until(&store, &up), Some(START - 5_000));
    assert_eq!(until(&store, &down), None);
    let session = crake::store::Session {
        pid: 1,
        boot_id: String::new(),
        version: String::new(),
        started_at: 1,
        alive_at: START - MINUTE,
        stopped_at: None,
    };
    store.open_session(&session).unwrap();
    assert_eq!(until(&store, &down), Some(START - MINUTE - 5_000));
    store.touch_session(START - 10, true).unwrap();
    assert_eq!(until(&store, &down), Some(START - 10));
}
