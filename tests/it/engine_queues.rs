//! Whose turn it is, how fast what was missed is made up for, and that nothing starves.

use std::collections::HashSet;
use std::sync::Arc;

use crake::engine::turn::{BOUND_MS, MAKING_UP_MS, since};
use crake::engine::{START_RATE, plan};
use crake::model::{
    CatchUp, Fence, Gap, MissReason, Origin, Outcome, Overlap, Policy, QueuedRun, Record, RunId,
};
use crake::schedule::UnixMs;
use proptest::prelude::{ProptestConfig, Strategy, any, prop, proptest};

use crate::support::world::{Bench, MINUTE, T0, job, queue};

const SECOND: UnixMs = 1_000;

fn waiting(run: i64, queue: &str, priority: u8, at: UnixMs) -> QueuedRun {
    QueuedRun {
        run: RunId(run),
        job: "any".to_owned(),
        queue: queue.to_owned(),
        priority,
        run_at: at,
        queued_at: at,
        planned_at: None,
        origin: Origin::Manual,
        attempt: 0,
        max_attempts: 1,
        fence: Fence(0),
        args: None,
        input: None,
        input_path: None,
        env: Vec::new(),
        deadline: None,
        after: None,
    }
}

/// A world whose job "any" may run as often as there are slots.
fn bench(slots: u32) -> Bench {
    let mut bench = Bench::new(slots);
    let policy = Policy {
        overlap: Overlap::Allow,
        ..Policy::default()
    };
    bench.world.know_job(Arc::new(job("any", policy)));
    bench
}

fn started(records: &[Record]) -> Vec<i64> {
    let starts = records.iter().filter_map(|r| match r {
        Record::Start(start) => Some(start.run.0),
        _ => None,
    });
    starts.collect()
}

fn end_all(bench: &mut Bench, now: UnixMs) {
    let alive: Vec<i64> = bench.world.live_runs().map(|l| l.run.run.0).collect();
    for run in alive {
        bench.end(run, Outcome::Succeeded, now);
    }
}

#[test]
fn what_came_together_goes_by_queue_and_priority() {
    let mut bench = bench(1);
    for (run, queue, priority) in [
        (1, "low", 0),
        (2, "normal", 9),
        (3, "high", 5),
        (4, "normal", 0),
        (5, "high", 4),
        (6, "low", 9),
    ] {
        bench.world.enqueue(waiting(run, queue, priority, T0));
    }
    let mut order = Vec::new();
    for n in 0..6 {
        order.extend(started(&bench.at(T0 + n)));
        end_all(&mut bench, T0 + n);
    }
    assert_eq!(order, [5, 3, 4, 2, 1, 6]);
}

/// The slots are always busy and runs of `high` come faster than they end.
#[test]
fn low_moves_under_a_stream_of_high() {
    let mut bench = bench(2);
    bench.world.enqueue(waiting(1, "low", 9, T0));
    let (mut number, mut low_at) = (1, None);
    for second in 0..3_600 {
        let now = T0 + second * SECOND;
        for _ in 0..2 {
            number += 1;
            bench.world.enqueue(waiting(number, "high", 0, now));
        }
        end_all(&mut bench, now);
        if started(&bench.at(now)).contains(&1) {
            low_at = Some(now - T0);
            break;
        }
    }
    // The stream is as fast as the slots: the turn comes with the bound itself.
    let low_at = low_at.expect("a start");
    assert!(low_at <= BOUND_MS + SECOND, "{low_at}");
    assert!(low_at >= BOUND_MS - SECOND, "{low_at}");
}

#[test]
fn a_reserved_slot_is_kept_from_what_has_waited_long() {
    let mut bench = bench(2);
    bench
        .world
        .set_queues(vec![queue("high", 0, 1), queue("low", 1, 0)]);
    bench.world.enqueue(waiting(1, "low", 5, T0));
    bench.world.enqueue(waiting(2, "low", 5, T0));
    let late = T0 + 100 * BOUND_MS;
    assert_eq!(started(&bench.at(late)), [1]);
    bench.world.enqueue(waiting(3, "high", 9, late));
    assert_eq!(started(&bench.at(late)), [3]);
    end_all(&mut bench, late + 1);
    assert_eq!(started(&bench.at(late + 1)), [2]);
}

#[test]
fn a_waiting_run_that_is_moved_goes_by_its_new_place() {
    let mut bench = bench(1);
    bench.world.enqueue(waiting(1, "normal", 5, T0));
    bench.world.enqueue(waiting(2, "normal", 5, T0));
    bench.world.enqueue(waiting(3, "normal", 5, T0));
    bench.world.moved(waiting(3, "normal", 0, T0));
    bench.world.moved(waiting(1, "normal", 5, T0 + MINUTE));
    assert_eq!(started(&bench.at(T0)), [3]);
    end_all(&mut bench, T0 + 1);
    assert_eq!(started(&bench.at(T0 + 1)), [2]);
    end_all(&mut bench, T0 + 2);
    assert!(started(&bench.at(T0 + 2)).is_empty());
    assert_eq!(plan(&bench.world, T0 + 2).wake_at, Some(T0 + MINUTE));
}

fn runs() -> impl Strategy<Value = Vec<(usize, u8, i64, bool)>> {
    let one = (0..3_usize, 0..10_u8, 0..2_000_i64, any::<bool>());
    prop::collection::vec(one, 1..120)
}

proptest! {
    #![proptest_config(ProptestConfig {
        cases: 64,
        failure_persistence: None,
        ..ProptestConfig::default()
    })]

    /// Whatever waits: no run is overtaken by one that came more than the bound after it.
    #[test]
    fn no_run_waits_while_later_ones_start(runs in runs(), slots in 1..5_u32, lasts in 1..90_i64) {
        let mut bench = bench(slots);
        bench.world.set_start_rate(10_000);
        let queues = ["high", "normal", "low"];
        let mut all: Vec<QueuedRun> = Vec::new();
        for (index, (place, priority, second, makes_up)) in runs.into_iter().enumerate() {
            let mut run = waiting(index as i64 + 1, queues[place], priority, T0 + second * SECOND);
            if makes_up {
                (run.origin, run.run_at) = (Origin::CatchUp, T0 - MINUTE);
            }
            all.push(run);
        }
        all.sort_by_key(since);
        let mut left = all.clone();
        let (mut now, mut order) = (T0, Vec::new());
        while order.len() < all.len() {
            while left.first().is_some_and(|r| since(r) <= now) {
                bench.world.enqueue(left.remove(0));
            }
            order.extend(started(&bench.at(now)));
            assert!(bench.world.live_runs().count() <= slots as usize);
            now += lasts * SECOND;
            if let Some(next) = left.first().filter(|_| bench.world.counts().1 == 0) {
                now = now.max(since(next));
            }
            end_all(&mut bench, now);
        }
        let came = |id: &i64| all.iter().find(|r| r.run.0 == *id).expect("a run");
        for (at, later) in order.iter().enumerate() {
            for earlier in &order[at + 1..] {
                let (first, second) = (came(later), came(earlier));
                let makes_up = second.origin == Origin::CatchUp;
                // With few slots a run that makes up has to wait for one of its share as well.
                let bound = BOUND_MS + if makes_up { MAKING_UP_MS } else { 0 };
                let ahead = since(first) - since(second);
                let shared = makes_up && first.origin != Origin::CatchUp && slots > 1;
                assert!(shared || ahead <= bound, "{first:?} went {ahead} ms before {second:?}");
            }
        }
    }
}

/// A gap in which everything up to `now` was missed.
fn away(bench: &mut Bench, now: UnixMs) {
    bench.world.gap(Gap {
        from: UnixMs::MIN,
        until: now,
        reason: MissReason::HostOff,
    });
}

/// Plays `seconds` in which every run lasts `lasts` ms. Gives when which run started.
fn play(bench: &mut Bench, from: UnixMs, seconds: i64, lasts: i64) -> Vec<(UnixMs, i64)> {
    let mut ends: Vec<(UnixMs, i64)> = Vec::new();
    let (mut starts, mut now) = (Vec::new(), from);
    while now < from + seconds * SECOND {
        for run in started(&bench.at(now)) {
            starts.push((now, run));
            ends.push((now + lasts, run));
        }
        let planned = plan(&bench.world, now).wake_at.unwrap_or(i64::MAX);
        let end = ends.iter().map(|(at, _)| *at).min().unwrap_or(i64::MAX);
        now = planned.min(end);
        let over: Vec<i64> = ends.iter().filter(|e| e.0 <= now).map(|e| e.1).collect();
        ends.retain(|e| e.0 > now);
        for run in over {
            bench.end(run, Outcome::Succeeded, now);
        }
    }
    starts
}

/// 10,000 missed fires of one job, all to be made up for, and a job that is on time every second.
#[test]
fn a_storm_of_missed_fires_keeps_its_order_its_pace_and_what_is_on_time() {
    let slots = 8;
    let mut bench = Bench::new(slots);
    let (storm, burst) = (10_000, 6);
    let policy = Policy {
        overlap: Overlap::Allow,
        catch_up: CatchUp::All,
        catch_up_max: storm as u32,
        queue_max: storm as u32,
        ..Policy::default()
    };
    let now = T0 + (storm - 1) * SECOND + 500;
    bench.arm(1, job("storm", policy), "every 1s", T0);
    away(&mut bench, now);
    let made = bench.at(now);
    let fires = made
        .iter()
        .filter(|r| matches!(r, Record::Fire(f) if f.make.is_some()));
    assert_eq!(fires.count(), storm as usize);
    bench.world.disarm(crake::model::ScheduleId(1));
    bench.arm(2, job("ontime", Policy::default()), "every 1s", now + 500);
    let mut starts: Vec<(UnixMs, i64)> = started(&made).into_iter().map(|r| (now, r)).collect();
    for (_, run) in &starts {
        bench.end(*run, Outcome::Succeeded, now);
    }
    starts.extend(play(&mut bench, now, 60, 200));
    let of_storm: HashSet<i64> = bench
        .records
        .iter()
        .filter_map(|r| match r {
            Record::Fire(fire) if fire.job == "storm" => Some(fire.run?.0),
            _ => None,
        })
        .collect();
    let (stormy, on_time): (Vec<_>, Vec<_>) = starts
        .into_iter()
        .partition(|(_, run)| of_storm.contains(run));
    assert!(stormy.is_sorted_by_key(|(_, run)| *run), "{stormy:?}");
    let within = |ms| stormy.iter().filter(|(at, _)| at - now < ms).count() as i64;
    assert_eq!(within(1), burst);
    let rate = i64::from(START_RATE);
    for second in 1..60 {
        let (made, most) = (within(second * SECOND), burst + rate * second);
        assert!(made <= most && made >= most - rate, "{made} in {second} s");
    }
    let on_time: Vec<UnixMs> = on_time.into_iter().map(|(at, _)| at).collect();
    let planned: Vec<UnixMs> = (0..on_time.len() as i64)
        .map(|n| now + 500 + n * SECOND)
        .collect();
    assert_eq!(on_time, planned, "what is on time is not delayed");
    assert!(on_time.len() >= 59);
}

#[test]
fn many_that_are_due_at_one_second_start_at_once_unless_nobody_was_there() {
    let many = 1_000;
    let due = |at, policy: &Policy| {
        let mut bench = Bench::new(2 * many as u32);
        bench.world.numbers_aside(RunId(1), RunId(10_000));
        for id in 1..=many {
            let name = format!("job{id}");
            bench.arm(id, job(&name, policy.clone()), "0 * * * *", T0);
        }
        if at > T0 {
            away(&mut bench, at);
        }
        bench
    };
    let mut on_time = due(T0, &Policy::default());
    assert_eq!(started(&on_time.at(T0)).len(), many as usize);
    // Three of four slots are 1,500: more than there are. With fewer slots the pace shows.
    let mut missed = due(T0 + MINUTE, &Policy::default());
    missed.world.set_start_rate(20);
    assert_eq!(started(&missed.at(T0 + MINUTE)).len(), many as usize);
    let mut narrow = Bench::new(64);
    narrow.world.numbers_aside(RunId(1), RunId(10_000));
    for id in 1..=many {
        narrow.arm(
            id,
            job(&format!("job{id}"), Policy::default()),
            "0 * * * *",
            T0,
        );
    }
    away(&mut narrow, T0 + MINUTE);
    let starts = play(&mut narrow, T0 + MINUTE, 120, 10);
    assert_eq!(starts.len(), many as usize);
    assert!(starts.is_sorted_by_key(|(_, run)| *run));
    let first = starts.iter().filter(|(at, _)| *at == T0 + MINUTE).count();
    assert_eq!(first, 48);
    let last = starts.last().expect("a start").0 - (T0 + MINUTE);
    assert_eq!(last, (many - 48) * SECOND / i64::from(START_RATE));
}

#[test]
fn no_more_runs_of_a_job_than_its_bound_are_alive() {
    let mut bench = Bench::new(8);
    let policy = Policy {
        overlap: Overlap::Queue,
        max_parallel: Some(2),
        ..Policy::default()
    };
    bench.arm(1, job("two", policy), "every 1s", T0);
    for second in 0..10 {
        bench.at(T0 + second * SECOND);
        assert!(bench.world.live_runs().count() <= 2);
    }
    end_all(&mut bench, T0 + 10 * SECOND);
    assert_eq!(started(&bench.at(T0 + 10 * SECOND - 1)).len(), 2);
}
