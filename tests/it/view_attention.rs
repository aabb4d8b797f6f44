//! What needs attention, rule by rule.

use crake::model::{
    Exit, Fence, Fire, Outcome, Record, RunId, Subject, Verdict, Wait, WaitFor, WorkerState,
};
use crake::schedule::{UnixMs, Zone};
use crake::store::{NewSchedule, Store};
use crake::view::Daemon;
use crake::view::attention::{Attention, Kind, Level, attention};

use crate::support::bench::{ended, fire, job, live_run, new_run, schedule, started, whole_run};
use crate::support::seen::{evidence, look};

const MINUTE: i64 = 60_000;
/// 2026-09-10T00:00:00Z.
const START: UnixMs = 1_788_998_400_000;

fn store_with(expr: &str) -> Store {
    let mut store = Store::in_memory().unwrap();
    let schedules: Vec<NewSchedule> = vec![schedule(expr)];
    store
        .put_job(&job("tick"), &schedules, false, "ana", START)
        .unwrap();
    store
}

fn up() -> Daemon {
    Daemon {
        up: true,
        pid: Some(1),
        beat_age_ms: Some(3),
        since: Some(START),
        ..Daemon::default()
    }
}

fn found(store: &Store, daemon: &Daemon, now: UnixMs) -> Vec<Attention> {
    attention(store, daemon, &Zone::utc(), now).unwrap()
}

fn one(store: &Store, daemon: &Daemon, now: UnixMs) -> Attention {
    let list = found(store, daemon, now);
    assert_eq!(list.len(), 1, "{list:?}");
    list[0].clone()
}

fn worker(state: WorkerState) -> Kind {
    Kind::Worker(state)
}

fn record(store: &mut Store, records: &[Record]) {
    store.record(records, None, START).unwrap();
}

#[test]
fn a_healthy_instance_needs_nothing() {
    let mut store = store_with("0 * * * *");
    record(
        &mut store,
        &whole_run(1, "tick", Outcome::Succeeded, Exit::Code(0), START),
    );
    assert_eq!(found(&store, &up(), START + MINUTE), []);
    let mut empty = Store::in_memory().unwrap();
    assert_eq!(found(&empty, &Daemon::default(), START), []);
    // A command that waits for a daemon that is not there is worth a word, without any job.
    record(&mut empty, &[Record::New(new_run(1, "once", START))]);
    let a = one(&empty, &Daemon::default(), START);
    assert_eq!(a.text, "nobody keeps time for 0 jobs and 1 run");
}

#[test]
fn only_the_latest_outcome_of_a_job_counts() {
    let mut store = store_with("0 * * * *");
    let failed = whole_run(1, "tick", Outcome::Failed, Exit::Code(7), START);
    record(&mut store, &failed);
    let a = one(&store, &up(), START + MINUTE);
    assert_eq!(
        (a.level, a.kind, a.run),
        (Level::Urgent, Kind::Ended(Outcome::Failed), Some(RunId(1)))
    );
    assert_eq!(
        (a.what, a.text.as_str(), a.hint.as_str()),
        ("FAIL", "exit 7", "crake logs 1")
    );
    record(
        &mut store,
        &whole_run(2, "tick", Outcome::Succeeded, Exit::Code(0), START + 5_000),
    );
    assert_eq!(found(&store, &up(), START + MINUTE), []);
}

#[test]
fn lost_runs_are_urgent_and_killed_ones_are_nobodys_worry() {
    for (outcome, expected) in [
        (Outcome::Lost, Some(("LOST", "crake retry 1"))),
        (Outcome::Interrupted, Some(("INTERRUPTED", "crake retry 1"))),
        (Outcome::TimedOut, Some(("TIMEOUT", "crake logs 1"))),
        (Outcome::Killed, None),
    ] {
        let mut store = store_with("0 * * * *");
        record(
            &mut store,
            &whole_run(1, "tick", outcome, Exit::Signal(9), START),
        );
        let list = found(&store, &up(), START + MINUTE);
        let got = list.first().map(|a| (a.what, a.hint.as_str()));
        assert_eq!(got, expected, "{outcome}");
    }
}

#[test]
fn what_cannot_be_killed_is_told_also_of_a_run_that_somebody_killed() {
    let mut store = store_with("0 * * * *");
    let mut records = whole_run(1, "tick", Outcome::Killed, Exit::Signal(9), START);
    for record in &mut records {
        if let Record::Ended(ended) = record {
            ended.reason = Some("unkillable: pid 7 state D wchan nfs_wait".to_owned());
        }
    }
    record(&mut store, &records);
    let a = one(&store, &up(), START + MINUTE);
    assert_eq!((a.what, a.level), ("UNKILLABLE", Level::Urgent));
    assert!(a.text.contains("pid 7 state D"), "{}", a.text);
}

#[test]
fn missed_fires_are_open_until_they_are_made_up_for_or_noted() {
    let mut store = store_with("* * * * *");
    let planned = store.job("tick").unwrap().unwrap().schedules[0].0.clone();
    let missed = |at| Record::Fire(fire(&planned, at, Verdict::Missed));
    record(
        &mut store,
        &[missed(START + MINUTE), missed(START + 2 * MINUTE)],
    );
    store.plan_first(&[(planned.id, None)]).unwrap();
    let now = START + 3 * MINUTE;
    let a = one(&store, &up(), now);
    assert_eq!(
        (a.level, a.what, a.text.as_str()),
        (Level::Warning, "MISSED", "2 fires, host asleep")
    );
    let made = store
        .catch_up("tick", false, 100, i64::MIN, "ana", now)
        .unwrap();
    assert_eq!((made.len(), made[0].count), (1, 2));
    assert_eq!(found(&store, &up(), now), []);
    record(&mut store, &[missed(START + 3 * MINUTE)]);
    assert_eq!(found(&store, &up(), now).len(), 1);
    store.acknowledge_missed(None, "ana", None, now).unwrap();
    assert_eq!(found(&store, &up(), now), []);
}

#[test]
fn an_instant_that_passed_undecided_is_overdue_only_while_a_daemon_is_there() {
    let mut store = store_with("* * * * *");
    let planned = store.job("tick").unwrap().unwrap().schedules[0].0.clone();
    store
        .plan_first(&[(planned.id, Some(START + MINUTE))])
        .unwrap();
    assert_eq!(found(&store, &up(), START + 2 * MINUTE), []);
    let a = one(&store, &up(), START + 3 * MINUTE);
    assert_eq!((a.kind, a.since), (Kind::Overdue, Some(START + MINUTE)));
    let a = one(&store, &Daemon::default(), START + 3 * MINUTE);
    assert_eq!((a.kind, a.hint.as_str()), (Kind::Daemon, "crake daemon"));
}

#[test]
fn a_run_that_outlives_its_next_fires_is_overrun_and_then_stuck() {
    let mut store = store_with("* * * * *");
    record(&mut store, &live_run(1, "tick", START + 1_000));
    let now = |minutes: i64| START + minutes * MINUTE - 500;
    assert_eq!(found(&store, &up(), now(1)), []);
    let a = one(&store, &up(), now(2));
    assert_eq!(
        (a.kind, a.level),
        (worker(WorkerState::Overrun), Level::Warning)
    );
    let a = one(&store, &up(), now(3));
    assert_eq!(
        (a.kind, a.level),
        (worker(WorkerState::Stuck), Level::Urgent)
    );
    assert_eq!(a.hint, "crake kill 1");
}

#[test]
fn three_skips_in_a_row_are_a_flood() {
    let mut store = store_with("* * * * *");
    let planned = store.job("tick").unwrap().unwrap().schedules[0].0.clone();
    store.plan_first(&[(planned.id, None)]).unwrap();
    let skip = |n: i64| {
        Record::Fire(Fire {
            blocked_by: Some(RunId(7)),
            ..fire(&planned, START + n * MINUTE, Verdict::Overlap)
        })
    };
    record(&mut store, &[skip(1), skip(2)]);
    assert_eq!(found(&store, &up(), START), []);
    record(&mut store, &[skip(3)]);
    let a = one(&store, &up(), START);
    assert_eq!((a.kind, a.run), (Kind::Flood, Some(RunId(7))));
    assert_eq!(a.text, "3 fires skipped in a row, #7 in the way");
    let ran = Record::Fire(fire(&planned, START + 4 * MINUTE, Verdict::Run));
    record(&mut store, &[ran]);
    assert_eq!(found(&store, &up(), START), []);
}

#[test]
fn the_daemons_own_troubles_come_first() {
    let mut store = store_with("0 * * * *");
    let id = store.job("tick").unwrap().unwrap().schedules[0].0.id;
    store.set_schedule_error(id, Some("no such zone")).unwrap();
    let trouble = Daemon {
        degraded: Some("the disk is full".to_owned()),
        beat_age_ms: Some(12_000),
        ..up()
    };
    let list = found(&store, &trouble, START + MINUTE);
    let words: Vec<&str> = list.iter().map(|a| a.what).collect();
    assert_eq!(words, ["BEAT", "DEGRADED", "SCHEDULE"]);
    let silent = Daemon {
        silent: Some("the daemon does not answer".to_owned()),
        ..Daemon::default()
    };
    assert_eq!(
        found(&store, &silent, START)[0].text,
        "the daemon does not answer"
    );
}

#[test]
fn urgent_comes_before_warning_and_new_before_old() {
    let mut store = store_with("* * * * *");
    for (n, name) in [(1, "old"), (2, "new")] {
        store.put_job(&job(name), &[], false, "ana", START).unwrap();
        let at = START + n * 10_000;
        let mut records = live_run(n, name, at);
        records.push(ended(RunId(n), name, n, Outcome::Failed, Exit::Code(1), at));
        record(&mut store, &records);
    }
    let mut alive = live_run(3, "tick", START + 1_000);
    alive.extend(started(RunId(3), "tick", 1, 3, START + 1_000));
    record(&mut store, &alive);
    let list = found(&store, &up(), START + 2 * MINUTE - 1);
    let jobs: Vec<_> = list.iter().filter_map(|a| a.job.as_deref()).collect();
    assert_eq!(jobs, ["new", "old", "tick"]);
}

#[test]
fn what_a_worker_sees_of_a_run_is_on_the_list_with_its_evidence() {
    let mut store = store_with("0 0 1 1 *");
    record(&mut store, &live_run(1, "tick", START));
    let mut seen = look(1, "tick", START);
    let with = |seen: &crake::model::SlotLook| Daemon {
        workers: vec![seen.clone()],
        ..up()
    };
    let now = START + 2 * MINUTE;
    assert_eq!(found(&store, &with(&seen), now), []);
    let mut sample = evidence(Fence(1));
    sample.spin_ms = 31_000;
    sample.cpu_percent = 99;
    seen.evidence = Some(sample.clone());
    let a = one(&store, &with(&seen), now);
    assert_eq!(
        (a.kind, a.what),
        (worker(WorkerState::Spinning), "SPINNING")
    );
    assert!(a.text.contains("99% of a core for 31s"), "{}", a.text);
    sample.spin_ms = 0;
    sample.subject = Some(Subject {
        pid: 9,
        name: "psql".to_owned(),
        state: 'S',
        wait: Some(Wait {
            on: WaitFor::Outside,
            call: "recv".to_owned(),
            object: Some("10.0.0.5:5432".to_owned()),
        }),
        wchan: None,
        for_ms: 59_000,
    });
    seen.evidence = Some(sample.clone());
    assert_eq!(
        found(&store, &with(&seen), now),
        [],
        "a wait may last a minute"
    );
    if let Some(subject) = &mut sample.subject {
        subject.for_ms = 720_000;
    }
    seen.evidence = Some(sample.clone());
    let a = one(&store, &with(&seen), now);
    assert_eq!((a.what, a.hint.as_str()), ("WAITING", "crake logs -f 1"));
    assert!(
        a.text.contains("blocked: recv from 10.0.0.5:5432 for 12m"),
        "{}",
        a.text
    );
    seen.beat_age_ms = Some(5_001);
    let a = one(&store, &with(&seen), now);
    assert_eq!((a.what, a.level), ("LOST", Level::Urgent));
}

#[test]
fn a_run_is_too_long_or_too_short_by_the_history_of_its_own_job() {
    let mut store = store_with("0 0 1 1 *");
    let took = |n: i64, ms: i64| {
        let at = START + n * MINUTE;
        let mut records = live_run(n, "tick", at);
        let (run, outcome) = (RunId(n), Outcome::Succeeded);
        records.push(ended(run, "tick", n, outcome, Exit::Code(0), at + ms));
        records
    };
    for n in 1..=5 {
        record(&mut store, &took(n, 20_000));
    }
    let now = START + 7 * MINUTE;
    assert_eq!(found(&store, &up(), now), []);
    record(&mut store, &took(6, 1_999));
    let a = one(&store, &up(), now);
    assert_eq!(
        (a.kind, a.what, a.run),
        (Kind::Short, "SHORT", Some(RunId(6)))
    );
    assert_eq!(a.text, "succeeded in 1.9s, usually 20.0s");
    record(&mut store, &took(7, 2_000));
    assert_eq!(found(&store, &up(), now), []);
    let start = START + 10 * MINUTE;
    record(&mut store, &live_run(8, "tick", start));
    let mut seen = look(8, "tick", start);
    seen.evidence = Some(evidence(Fence(8)));
    let daemon = Daemon {
        workers: vec![seen],
        ..up()
    };
    assert_eq!(found(&store, &daemon, start + MINUTE), []);
    let a = one(&store, &daemon, start + MINUTE + 1);
    assert_eq!((a.kind, a.what), (Kind::Long, "LONG"));
    assert!(a.text.contains("usually 20.0s"), "{}", a.text);
}
