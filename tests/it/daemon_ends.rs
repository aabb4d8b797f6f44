//! What the next core must know of runs whose end, or whose being ended, the store did not take.

use crake::daemon::fact::Fact;
use crake::daemon::firing::Firing;
use crake::daemon::keeper::Keeper;
use crake::daemon::order::Host;
use crake::model::{Exit, Fence, Holding, Outcome, Output, Overlap, Record, Report, StopCause};
use crake::store::RunFilter;

use crate::support::bench::{fire_run, job, schedule, whole_run};
use crate::support::sides::{Hand, NOW, Sides, at};

/// An instance whose job is started once, and what the sides know then.
fn started(sides: &Sides) -> (Firing, Keeper, Hand, Fence) {
    sides.job("hello", &[schedule("* * * * *")]);
    let begun = sides.begin();
    let now = at(0);
    let mut firing = Firing::new(begun.found.world, begun.ring, Host::default(), now, |_| {});
    let mut hand = Hand::default();
    let (batch, _) = firing.step(at(30_000), begun.facts, &mut hand);
    let records = batch
        .as_ref()
        .map(|b| b.records.clone())
        .unwrap_or_default();
    let fence = records.iter().find_map(|r| match r {
        Record::Start(start) => Some(start.fence),
        _ => None,
    });
    let mut keeper = begun.keeper;
    keeper.take(batch.unwrap());
    (firing, keeper, hand, fence.expect("a start"))
}

fn ended(fence: Fence) -> Fact {
    let report = Report {
        started_at: NOW + 30_000,
        ended_at: NOW + 30_500,
        exit: Exit::Code(3),
        stop: None,
        reason: None,
        cpu_ms: 0,
        max_rss: 0,
        output: Output {
            total: 5,
            dropped: 0,
        },
    };
    Fact::Ended { fence, report }
}

#[test]
fn an_end_the_store_does_not_take_is_safe_in_the_ring_and_recorded_once() {
    let sides = Sides::new();
    let (mut firing, mut keeper, mut hand, fence) = started(&sides);
    keeper.step(NOW + 30_000).unwrap();
    let client = sides.client();
    client.execute_batch("BEGIN IMMEDIATE").unwrap();
    let (batch, wake_at) = firing.step(at(30_600), vec![ended(fence)], &mut hand);
    keeper.take(batch.unwrap());
    keeper.step(NOW + 30_600).unwrap_err();
    assert_eq!(hand.collected, [], "the store may still take it");
    assert_eq!(wake_at, Some(NOW + 32_600));
    firing.step(at(32_600), Vec::new(), &mut hand);
    assert_eq!(hand.collected, [fence]);
    client.execute_batch("ROLLBACK").unwrap();
    // The core dies before the store has it: no slot knows of the run any more.
    drop((firing, keeper));
    let begun = sides.begin();
    assert_eq!(begun.found.unstarted, []);
    let store = begun.keeper.store();
    let run = store.runs(&RunFilter::default()).unwrap().remove(0);
    assert_eq!((run.state.as_str(), run.exit_code), ("failed", Some(3)));
    let attempt = store.attempts(run.run).unwrap().remove(0);
    assert_eq!(
        attempt.out_dropped,
        Some(5),
        "its output went with the core"
    );
}

#[test]
fn a_run_that_was_replaced_is_told_to_end_by_the_next_core_as_well() {
    let sides = Sides::new();
    let mut replaced = job("hello");
    replaced.policy.overlap = Overlap::Replace;
    let mut store = sides.store();
    store
        .put_job(
            &replaced,
            &[schedule("* * * * *")],
            false,
            "test",
            NOW - 1_000,
        )
        .unwrap();
    let planned = store.versions_of("hello").unwrap().remove(0);
    let mut records = whole_run(1, "hello", Outcome::Succeeded, Exit::Code(0), NOW - 500);
    records.retain(|r| !matches!(r, Record::Ended(_)));
    // The fire that replaced it was recorded, and then the core died.
    records.push(Record::Fire(fire_run(&planned, NOW, 2)));
    store.record(&records, None, NOW).unwrap();
    let begun = sides.begin_with(vec![Holding::Alive {
        fence: store.live().unwrap()[0].run.fence,
        pid: Some(1),
    }]);
    let mut firing = Firing::new(
        begun.found.world,
        begun.ring,
        Host::default(),
        at(0),
        |_| {},
    );
    let mut hand = Hand::default();
    firing.step(at(1), begun.facts, &mut hand);
    assert_eq!(hand.stopped, [StopCause::Replaced]);
}
