//! The two sides of the daemon in this process, over a real store and a real ring: what passes
//! between them, and what a fault in between must not lose.

use crake::clock::{Clock, ManualClock, Now};
use crake::daemon::fact::{Batch, Fact};
use crake::daemon::firing::Firing;
use crake::daemon::order::Host;
use crake::daemon::ring::{Appended, Ring};
use crake::model::{Exit, Fence, Outcome, Policy, Record, RunId, Verdict};
use crake::store::{RunFilter, StoredOutput};

use crate::support::bench::{fire, fire_run, job, schedule, whole_run};
use crate::support::sides::{Hand, NOW, Sides};

fn batch(records: Vec<Record>) -> Batch {
    Batch {
        number: 1,
        records,
        ring_seq: 0,
    }
}

#[test]
fn output_of_a_run_that_is_recorded_whole_at_once_is_kept() {
    let sides = Sides::new();
    sides.job("hello", &[]);
    let mut keeper = sides.begin().keeper;
    // While the store was locked, a run with a provisional number began and ended.
    let given = 1 << 40;
    let mut records = whole_run(given, "hello", Outcome::Succeeded, Exit::Code(0), NOW);
    records.extend(whole_run(
        7,
        "hello",
        Outcome::Succeeded,
        Exit::Code(0),
        NOW,
    ));
    keeper.take_output(Fence(given), StoredOutput::File("large".to_owned()));
    keeper.take_output(Fence(7), StoredOutput::Here(b"small".to_vec()));
    keeper.take(batch(records));
    keeper.step(NOW).unwrap();
    let run = keeper.store().number_of(RunId(given)).unwrap();
    assert_ne!(run, RunId(given));
    let output = |run| keeper.store().output(run, 1).unwrap();
    assert_eq!(output(run), Some(StoredOutput::File("large".to_owned())));
    let small = StoredOutput::Here(b"small".to_vec());
    assert_eq!(output(RunId(7)), Some(small));
}

#[test]
fn many_schedules_due_at_once_do_not_keep_the_store_side_busy() {
    let sides = Sides::new();
    let mut schedules = vec![schedule("* * * * *"); 4_200];
    schedules.push(schedule("0 0 1 1 *"));
    sides.job("many", &schedules);
    drop(sides.begin());
    // All are planned by now.
    let mut keeper = sides.begin().keeper;
    let kept = keeper.step(NOW).unwrap();
    assert!(
        kept.look_at.is_some_and(|at| at > NOW),
        "{:?}",
        kept.look_at
    );
}

#[test]
fn a_change_that_meets_a_fault_is_told_afterwards() {
    let sides = Sides::new();
    let mut keeper = sides.begin().keeper;
    sides.job("hello", &[schedule("* * * * *")]);
    let client = sides.client();
    client.execute_batch("BEGIN IMMEDIATE").unwrap();
    keeper.step(NOW).unwrap_err();
    client.execute_batch("ROLLBACK").unwrap();
    let kept = keeper.step(NOW).unwrap();
    let told = |f: &Fact| matches!(f, Fact::Defined { name, owing, .. } if name == "hello" && owing.len() == 1);
    assert!(kept.facts.iter().any(told), "{:?}", kept.facts);
}

#[test]
fn more_changes_than_are_taken_at_once_are_all_told() {
    let sides = Sides::new();
    let mut keeper = sides.begin().keeper;
    let client = sides.client();
    client
        .execute_batch(
            "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 10500)
             INSERT INTO change(job) SELECT 'job' || i FROM n",
        )
        .unwrap();
    let kept = keeper.step(NOW).unwrap();
    let told = |f: &Fact| matches!(f, Fact::Defined { name, .. } if name == "job10500");
    assert!(kept.facts.iter().any(told), "{}", kept.facts.len());
}

#[test]
fn runs_that_wait_for_their_own_job_do_not_keep_others_out() {
    let sides = Sides::new();
    sides.job("slow", &[]);
    sides.job("other", &[]);
    let client = sides.client();
    let insert = |job: &str| {
        let sql = "INSERT INTO run(job, run_at) VALUES(?1, ?2)";
        client
            .execute(sql, rusqlite::params![job, NOW - 1])
            .unwrap();
    };
    (0..200).for_each(|_| insert("slow"));
    let mut keeper = sides.begin().keeper;
    for _ in 0..8 {
        insert("slow");
        keeper.step(NOW).unwrap();
    }
    insert("other");
    let kept = keeper.step(NOW).unwrap();
    let told =
        |f: &Fact| matches!(f, Fact::Queued(_, runs) if runs.iter().any(|r| r.job == "other"));
    assert!(kept.facts.iter().any(told), "{:?}", kept.facts);
}

#[test]
fn a_start_deadline_outlives_a_restart() {
    let sides = Sides::new();
    let mut late = job("late");
    late.policy = Policy {
        start_deadline_ms: Some(500),
        ..late.policy
    };
    let mut store = sides.store();
    store
        .put_job(&late, &[schedule("* * * * *")], false, "test", NOW - 1_000)
        .unwrap();
    let planned = store.versions_of("late").unwrap().remove(0);
    let record = Record::Fire(fire_run(&planned, NOW, 1));
    store.record(&[record], None, NOW).unwrap();
    let facts = sides.begin().facts;
    let deadline = facts.iter().find_map(|f| match f {
        Fact::Queued(_, runs) => Some(runs[0].deadline),
        _ => None,
    });
    assert_eq!(deadline, Some(Some(NOW + 500)));
}

#[test]
fn a_ring_of_another_store_is_not_replayed() {
    let sides = Sides::new();
    let (mut ring, _) = Ring::open(&sides.path().join("ring"), 0).unwrap();
    for record in whole_run(1, "hello", Outcome::Succeeded, Exit::Code(0), NOW) {
        ring.append(&record);
    }
    ring.flush(0, true);
    let last = ring.last();
    drop(ring);
    // Somebody removed the store and began anew, with a job of the same name.
    sides.job("hello", &[]);
    let begun = sides.begin();
    assert_eq!(begun.found.unstarted, []);
    let store = begun.keeper.store();
    assert_eq!(store.runs(&RunFilter::default()).unwrap(), []);
    assert_eq!(store.ring_seq().unwrap(), last);
}

#[test]
fn words_of_any_length_leave_a_decision_its_place_in_the_ring() {
    let sides = Sides::new();
    sides.job("hello", &[schedule("* * * * *")]);
    let planned = sides.store().versions_of("hello").unwrap().remove(0);
    let mut row = fire(&planned, NOW, Verdict::Paused);
    row.note = Some("paused by somebody: ".to_owned() + &"long ".repeat(200));
    let (mut ring, _) = Ring::open(&sides.path().join("ring"), 0).unwrap();
    let appended = ring.append(&Record::Fire(row));
    assert_eq!(appended, Appended::At(1));
    ring.flush(0, true);
    drop(ring);
    let (_, found) = Ring::open(&sides.path().join("ring"), 0).unwrap();
    assert!(matches!(&found[..], [(1, Record::Fire(f))] if f.planned_at == NOW));
}

#[test]
fn a_clock_set_back_during_a_sleep_is_set_back() {
    let sides = Sides::new();
    let begun = sides.begin();
    let then = ManualClock::at(NOW).now();
    let mut firing = Firing::new(begun.found.world, begun.ring, Host::default(), then, |_| {});
    let hour = 3_600_000;
    let now = Now {
        wall: then.wall - 4 * hour,
        boot: then.boot + hour,
        mono: then.mono,
    };
    let (batch, _) = firing.step(now, Vec::new(), &mut Hand::default());
    let records = batch.unwrap().records;
    let back = |r: &Record| matches!(r, Record::Back(back) if back.all && back.to == now.wall);
    assert!(records.iter().any(back), "{records:?}");
}

#[test]
fn an_attempt_nobody_knows_gives_back_its_slot_when_its_worker_vanishes() {
    let sides = Sides::new();
    let begun = sides.begin();
    let now = ManualClock::at(NOW).now();
    let mut firing = Firing::new(begun.found.world, begun.ring, Host::default(), now, |_| {});
    let mut hand = Hand::default();
    let lost = Fact::Lost {
        fence: Fence(9),
        reason: "its worker vanished".to_owned(),
    };
    firing.step(now, vec![lost], &mut hand);
    assert_eq!(hand.discarded, [Fence(9)]);
}
