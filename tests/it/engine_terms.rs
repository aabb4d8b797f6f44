//! What bounds a schedule beyond its expression, and what a cron does about gaps.

use std::sync::Arc;

use crake::engine::{Armed, plan};
use crake::model::{
    CatchUp, Engine, Gap, MissReason, Planned, Policy, Record, ScheduleId, Terms, Verdict,
};
use crake::schedule::{Calendar, ParseOptions, Schedule, UnixMs};

use crate::support::world::{Bench, MINUTE, T0, job};

fn fires(records: &[Record]) -> Vec<(Verdict, Option<UnixMs>)> {
    let fires = records.iter().filter_map(|r| match r {
        Record::Fire(fire) => Some((fire.verdict, fire.next_at)),
        _ => None,
    });
    fires.collect()
}

fn arm(bench: &mut Bench, expr: &str, next_at: UnixMs, terms: Terms, fired: i64) {
    let schedule = Schedule::parse(expr, &ParseOptions::default()).expect("a schedule");
    bench.world.know_job(Arc::new(job("a", Policy::default())));
    bench.world.arm(Armed {
        planned: Planned {
            id: ScheduleId(1),
            job: "a".to_owned(),
            expr: expr.to_owned(),
            terms,
            fired,
            ..Planned::default()
        },
        schedule: Arc::new(schedule),
        next_at,
        epoch: 0,
    });
}

#[test]
fn the_last_of_a_number_of_fires_ends_the_schedule_also_after_a_restart() {
    let terms = Terms {
        max_fires: Some(3),
        ..Terms::default()
    };
    let mut bench = Bench::new(4);
    arm(&mut bench, "every 1m", T0, terms.clone(), 0);
    assert!(fires(&bench.at(T0))[0].1.is_some());
    bench.end(1, crake::model::Outcome::Succeeded, T0 + 1);
    bench.at(T0 + MINUTE);
    // A daemon that starts here counts two in the ledger.
    let mut again = Bench::new(4);
    arm(&mut again, "every 1m", T0 + 2 * MINUTE, terms, 2);
    assert_eq!(fires(&again.at(T0 + 2 * MINUTE)), [(Verdict::Run, None)]);
    assert_eq!(plan(&again.world, T0 + 9 * MINUTE).wake_at, None);
}

#[test]
fn jitter_delays_the_start_and_never_past_the_next_fire() {
    let terms = Terms {
        jitter_ms: MINUTE,
        seed: 42,
        ..Terms::default()
    };
    let mut bench = Bench::new(4);
    arm(&mut bench, "every 1m", T0, terms, 0);
    let mut delays = Vec::new();
    for n in 0..50 {
        let at = T0 + n * MINUTE;
        let records = bench.at(at);
        let Some(Record::Fire(fire)) = records.first() else {
            panic!("{records:?}")
        };
        let starts = fire.make.as_ref().expect("a run").run_at;
        assert!((at..at + MINUTE).contains(&starts), "{starts} for {at}");
        delays.push(starts - at);
        let run = i64::try_from(n).unwrap_or(0) + 1;
        let started = bench.at(starts);
        let is_start = |r: &Record| matches!(r, Record::Start(s) if s.run.0 == run);
        assert!(starts == at || started.iter().any(is_start), "{started:?}");
        bench.end(run, crake::model::Outcome::Succeeded, starts);
        bench.at(starts);
    }
    delays.sort_unstable();
    delays.dedup();
    assert!(delays.len() > 40, "the delays are spread: {delays:?}");
}

#[test]
fn an_excluded_instant_has_the_verdict_calendar_and_no_run() {
    let calendar =
        Calendar::from_toml("exclude = { dates = [\"2026-03-09\"] }").expect("a calendar");
    let schedule = Schedule::parse("0 8 * * *", &ParseOptions::default())
        .expect("a schedule")
        .with_calendar(Arc::new(calendar), None);
    let mut bench = Bench::new(4);
    bench.world.know_job(Arc::new(job("a", Policy::default())));
    let at = |day: i64| T0 + 4 * 60 * MINUTE + day * 24 * 60 * MINUTE;
    bench.world.arm(Armed {
        planned: Planned {
            id: ScheduleId(1),
            job: "a".to_owned(),
            ..Planned::default()
        },
        schedule: Arc::new(schedule),
        next_at: at(0),
        epoch: 0,
    });
    let got: Vec<Verdict> = (0..3)
        .map(|day| {
            let verdict = fires(&bench.at(at(day)))[0].0;
            for run in 1..4 {
                if bench.world.live(crake::model::RunId(run)).is_some() {
                    bench.end(run, crake::model::Outcome::Succeeded, at(day));
                }
            }
            bench.at(at(day));
            verdict
        })
        .collect();
    assert_eq!(got, [Verdict::Run, Verdict::Calendar, Verdict::Run]);
}

/// The table of both crons' main loops: up to five minutes is lateness (decided before the engine),
/// up to three hours fixed times are made up for, beyond nothing is.
#[test]
fn a_cron_makes_up_for_fixed_times_after_a_short_sleep_only() {
    const HOUR: UnixMs = 60 * MINUTE;
    let cases = [
        ("30 4 * * *", 40 * MINUTE, MissReason::Asleep, Verdict::Run),
        (
            "30 4 * * *",
            40 * MINUTE,
            MissReason::ClockStep,
            Verdict::Run,
        ),
        ("30 4 * * *", 4 * HOUR, MissReason::Asleep, Verdict::Missed),
        (
            "30 4 * * *",
            40 * MINUTE,
            MissReason::DaemonDown,
            Verdict::Missed,
        ),
        (
            "*/30 * * * *",
            40 * MINUTE,
            MissReason::Asleep,
            Verdict::Missed,
        ),
        (
            "30 * * * *",
            40 * MINUTE,
            MissReason::Asleep,
            Verdict::Missed,
        ),
    ];
    for (expr, slept, reason, expected) in cases {
        let mut imported = job("a", Policy::cron());
        imported.spec.engine = Engine::Cron("debian".to_owned());
        assert_eq!(imported.policy.catch_up, CatchUp::None);
        let mut bench = Bench::new(4);
        bench.arm(1, imported, expr, T0 + 30 * MINUTE);
        let from = T0 + 10 * MINUTE;
        bench.world.gap(Gap {
            from,
            until: from + slept,
            reason,
        });
        let records = bench.at(from + slept);
        assert_eq!(fires(&records)[0].0, expected, "{expr} {slept} {reason}");
    }
}
