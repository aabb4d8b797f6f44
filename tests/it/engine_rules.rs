//! The rules of the engine, one table each: a world, an instant, what is decided.

use crake::engine::plan;
use crake::model::{
    CatchUp, Gap, MissReason, Next, OnLost, Origin, Outcome, Overlap, Pause, Policy, Record, RunId,
    StopCause, Verdict,
};
use crake::schedule::UnixMs;

use crate::support::world::{Bench, MINUTE, T0, job, queue};

/// A verdict and the run that stands for the instant.
type Decided = (Verdict, Option<i64>);

fn verdicts(records: &[Record]) -> Vec<Decided> {
    let fires = records.iter().filter_map(|r| match r {
        Record::Fire(fire) => Some((fire.verdict, fire.run.map(|r| r.0))),
        _ => None,
    });
    fires.collect()
}

fn starts(records: &[Record]) -> Vec<i64> {
    let starts = records.iter().filter_map(|r| match r {
        Record::Start(start) => Some(start.run.0),
        _ => None,
    });
    starts.collect()
}

fn policy(f: impl FnOnce(&mut Policy)) -> Policy {
    let mut policy = Policy::default();
    f(&mut policy);
    policy
}

#[test]
fn a_due_instant_gets_a_run_and_the_cursor_moves_on() {
    let mut bench = Bench::new(4);
    bench.arm(1, job("a", Policy::default()), "* * * * *", T0);
    assert_eq!(plan(&bench.world, T0 - 1).wake_at, Some(T0));
    let records = bench.at(T0);
    assert_eq!(verdicts(&records), [(Verdict::Run, Some(1))]);
    assert_eq!(starts(&records), [1]);
    assert_eq!(plan(&bench.world, T0).wake_at, Some(T0 + MINUTE));
    assert!(bench.at(T0).is_empty());
}

#[test]
fn missed_instants_follow_the_catch_up_rule() {
    use Verdict::{Missed, Run};
    let down = |until| Gap {
        from: UnixMs::MIN,
        until,
        reason: MissReason::DaemonDown,
    };
    let cases: [(CatchUp, &[Decided]); 3] = [
        (
            CatchUp::None,
            &[(Missed, None), (Missed, None), (Missed, None)],
        ),
        (
            CatchUp::Last,
            &[(Missed, Some(1)), (Missed, Some(1)), (Run, Some(1))],
        ),
        (
            CatchUp::All,
            &[(Run, Some(1)), (Run, Some(2)), (Run, Some(3))],
        ),
    ];
    for (rule, expected) in cases {
        let mut bench = Bench::new(4);
        bench.arm(1, job("a", policy(|p| p.catch_up = rule)), "* * * * *", T0);
        let now = T0 + 2 * MINUTE + 30_000;
        bench.world.gap(down(now));
        let records = bench.at(now);
        assert_eq!(verdicts(&records), expected, "{rule}");
        for record in &records {
            if let Record::Fire(fire) = record {
                assert_eq!(fire.reason, Some(MissReason::DaemonDown));
                let origin = fire.make.as_ref().map(|m| m.origin);
                assert!(origin.is_none_or(|o| o == Origin::CatchUp));
            }
        }
    }
}

#[test]
fn what_was_missed_longer_ago_than_the_window_stays_missed() {
    let mut bench = Bench::new(4);
    let rule = policy(|p| {
        p.catch_up = CatchUp::All;
        p.catch_up_window_ms = Some(MINUTE);
    });
    bench.arm(1, job("a", rule), "* * * * *", T0);
    let now = T0 + 2 * MINUTE + 30_000;
    bench.world.gap(Gap {
        from: UnixMs::MIN,
        until: now,
        reason: MissReason::HostOff,
    });
    let got = verdicts(&bench.at(now));
    assert_eq!(
        got,
        [
            (Verdict::Missed, None),
            (Verdict::Missed, None),
            (Verdict::Run, Some(1))
        ]
    );
}

#[test]
fn of_several_late_instants_the_last_runs_and_stands_for_the_others() {
    let mut bench = Bench::new(4);
    bench.arm(1, job("a", Policy::default()), "every 1s", T0);
    let records = bench.at(T0 + 2_500);
    assert_eq!(
        verdicts(&records),
        [
            (Verdict::Coalesced, Some(1)),
            (Verdict::Coalesced, Some(1)),
            (Verdict::Run, Some(1))
        ]
    );
}

#[test]
fn the_overlap_rule_decides_while_an_earlier_run_is_alive() {
    let cases = [
        (Overlap::Skip, Verdict::Overlap, 1, 0),
        (Overlap::Queue, Verdict::Run, 1, 0),
        (Overlap::Allow, Verdict::Run, 2, 0),
        (Overlap::Replace, Verdict::Run, 1, 1),
    ];
    for (rule, verdict, alive, stops) in cases {
        let mut bench = Bench::new(4);
        bench.arm(1, job("a", policy(|p| p.overlap = rule)), "* * * * *", T0);
        bench.at(T0);
        let records = bench.at(T0 + MINUTE);
        assert_eq!(verdicts(&records)[0].0, verdict, "{rule}");
        assert_eq!(bench.world.counts().2, alive, "{rule}");
        assert_eq!(bench.stops.len(), stops, "{rule}");
        if rule == Overlap::Skip {
            let Record::Fire(fire) = &records[0] else {
                panic!("{records:?}")
            };
            assert_eq!(fire.blocked_by, Some(RunId(1)));
        }
    }
}

#[test]
fn a_replaced_run_makes_room_for_the_newer_one() {
    let mut bench = Bench::new(4);
    bench.arm(
        1,
        job("a", policy(|p| p.overlap = Overlap::Replace)),
        "* * * * *",
        T0,
    );
    bench.at(T0);
    bench.at(T0 + MINUTE);
    assert_eq!(bench.stops, [(RunId(1), StopCause::Replaced)]);
    bench.end(1, Outcome::Killed, T0 + MINUTE + 5);
    assert_eq!(starts(&bench.at(T0 + MINUTE + 5)), [2]);
}

#[test]
fn a_waiting_queue_is_bounded() {
    let mut bench = Bench::new(4);
    let rule = policy(|p| {
        p.overlap = Overlap::Queue;
        p.queue_max = 2;
    });
    bench.arm(1, job("a", rule), "* * * * *", T0);
    let got: Vec<Verdict> = (0..5)
        .map(|n| verdicts(&bench.at(T0 + n * MINUTE))[0].0)
        .collect();
    let (run, no) = (Verdict::Run, Verdict::Overlap);
    assert_eq!(got, [run, run, run, no, no]);
}

#[test]
fn paused_instants_are_recorded_as_paused_and_not_caught_up() {
    let mut bench = Bench::new(4);
    let mut paused = job("a", Policy::default());
    paused.pauses = vec![Pause {
        from: T0,
        until: Some(T0 + 2 * MINUTE),
        by: "ana".to_owned(),
        reason: Some("migration".to_owned()),
    }];
    bench.arm(1, paused, "* * * * *", T0);
    let records = bench.at(T0 + MINUTE);
    assert_eq!(
        verdicts(&records),
        [(Verdict::Paused, None), (Verdict::Paused, None)]
    );
    let Record::Fire(fire) = &records[0] else {
        panic!("{records:?}")
    };
    assert_eq!(fire.note.as_deref(), Some("paused by ana: migration"));
    assert_eq!(
        verdicts(&bench.at(T0 + 2 * MINUTE)),
        [(Verdict::Run, Some(1))]
    );
}

#[test]
fn a_start_deadline_expires_a_late_fire_and_a_waiting_run() {
    let rule = policy(|p| p.start_deadline_ms = Some(5_000));
    let mut bench = Bench::new(4);
    bench.arm(1, job("a", rule.clone()), "0 * * * *", T0);
    assert_eq!(verdicts(&bench.at(T0 + 6_000)), [(Verdict::Expired, None)]);

    let mut bench = Bench::new(1);
    bench.arm(1, job("a", Policy::default()), "0 * * * *", T0);
    bench.arm(2, job("b", rule), "0 * * * *", T0);
    assert_eq!(starts(&bench.at(T0)), [1]);
    assert!(
        plan(&bench.world, T0)
            .wake_at
            .is_some_and(|at| at <= T0 + 5_001)
    );
    let records = bench.at(T0 + 5_001);
    assert!(matches!(&records[0], Record::Drop(d) if d.outcome == Outcome::Expired));
}

#[test]
fn failed_attempts_are_tried_again_with_growing_waits() {
    let mut bench = Bench::new(4);
    let rule = policy(|p| {
        p.retry = 2;
        p.backoff = "exp:1s..1m".parse().expect("a backoff");
    });
    bench.arm(1, job("a", rule), "0 * * * *", T0);
    bench.at(T0);
    let mut nexts = Vec::new();
    let mut now = T0;
    for _ in 0..3 {
        bench.end(1, Outcome::Failed, now);
        for record in bench.at(now) {
            if let Record::Ended(ended) = record {
                nexts.push(ended.next);
                if let Next::Retry(at) = ended.next {
                    now = at;
                }
            }
        }
        bench.at(now);
    }
    let [Next::Retry(first), Next::Retry(second), Next::Final] = nexts[..] else {
        panic!("{nexts:?}")
    };
    // Up to a tenth less, so that what failed together is not tried again together.
    assert!((T0 + 900..=T0 + 1_000).contains(&first), "{}", first - T0);
    assert!((first + 1_800..=first + 2_000).contains(&second));
}

#[test]
fn a_killed_run_is_not_tried_again_and_a_lost_one_only_if_its_rule_says_so() {
    for (outcome, on_lost, again) in [
        (Outcome::Killed, OnLost::Retry, false),
        (Outcome::Lost, OnLost::Fail, false),
        (Outcome::Lost, OnLost::Retry, true),
        (Outcome::Interrupted, OnLost::Retry, true),
    ] {
        let mut bench = Bench::new(4);
        bench.arm(
            1,
            job("a", policy(|p| p.on_lost = on_lost)),
            "0 * * * *",
            T0,
        );
        bench.at(T0);
        bench.end(1, outcome, T0 + 5);
        let records = bench.at(T0 + 5);
        let Record::Ended(ended) = &records[0] else {
            panic!("{records:?}")
        };
        assert_eq!(ended.next != Next::Final, again, "{outcome} {on_lost}");
    }
}

#[test]
fn queues_are_served_by_rank_and_keep_their_reserved_slots() {
    let mut bench = Bench::new(3);
    bench.world.set_queues(vec![
        queue("high", 0, 1),
        queue("normal", 1, 0),
        queue("low", 2, 1),
    ]);
    for (id, name, queue) in [
        (1, "n1", "normal"),
        (2, "n2", "normal"),
        (3, "l", "low"),
        (4, "h", "high"),
    ] {
        let rule = policy(|p| p.queue = queue.to_owned());
        bench.arm(id, job(name, rule), "0 * * * *", T0);
    }
    // One slot is high's, one is low's: of the two normal runs one has to wait.
    assert_eq!(starts(&bench.at(T0)), [4, 1, 3]);
}

#[test]
fn a_long_backlog_is_folded_into_few_rows_that_count_every_instant() {
    let mut bench = Bench::new(4);
    bench.arm(
        1,
        job("a", policy(|p| p.catch_up = CatchUp::None)),
        "every 1s",
        T0,
    );
    let now = T0 + 100_000 * 1_000;
    bench.world.gap(Gap {
        from: UnixMs::MIN,
        until: now,
        reason: MissReason::HostOff,
    });
    let records = bench.at(now);
    let counted: i64 = records
        .iter()
        .map(|r| match r {
            Record::Fire(fire) => fire.count,
            _ => 0,
        })
        .sum();
    assert_eq!(counted, 100_001);
    assert!(records.len() < 11_000, "{} rows", records.len());
}
