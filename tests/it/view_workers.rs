//! The state of a worker, rule by rule.

use crake::model::{Exit, Fence, Output, Report, SlotLook, Subject, Wait, WaitFor, WorkerState};
use crake::store::Usual;
use crake::view::workers::{Case, Pace, is_long, is_short};

use crate::support::seen::{evidence, look};

const USUAL: Usual = Usual {
    runs: 20,
    median_ms: 20_000,
    p95_ms: 30_000,
};

fn sleeps(state: char, on: Option<WaitFor>, for_ms: i64) -> SlotLook {
    let mut seen = look(1, "job", 0);
    let mut sample = evidence(Fence(1));
    sample.subject = Some(Subject {
        pid: 7,
        name: "x".to_owned(),
        state,
        wait: on.map(|on| Wait {
            on,
            call: "read".to_owned(),
            object: None,
        }),
        wchan: None,
        for_ms,
    });
    sample.quiet_ms = for_ms;
    seen.evidence = Some(sample);
    seen
}

fn spins() -> SlotLook {
    let mut seen = look(1, "job", 0);
    if let Some(sample) = &mut seen.evidence {
        sample.spin_ms = 30_000;
    }
    seen
}

fn changed(change: impl FnOnce(&mut SlotLook)) -> SlotLook {
    let mut seen = look(1, "job", 0);
    change(&mut seen);
    seen
}

fn ended(reason: Option<&str>) -> SlotLook {
    let report = Report {
        started_at: 1,
        ended_at: 2,
        exit: Exit::Signal(9),
        stop: None,
        reason: reason.map(str::to_owned),
        cpu_ms: 0,
        max_rss: 0,
        output: Output::default(),
    };
    changed(|l| {
        if let Some(carried) = &mut l.carried {
            carried.ended = Some(report);
        }
    })
}

#[track_caller]
fn is(expected: WorkerState, look: Option<&SlotLook>, pace: Pace, age_ms: i64) {
    let case = Case {
        look,
        pace,
        usual: Some(USUAL),
        age_ms: Some(age_ms),
        daemon_up: false,
    };
    let judged = case.judge();
    assert_eq!(judged.state, expected, "{judged:?} {look:?}");
    assert!(!judged.why.is_empty());
}

#[test]
fn a_worker_without_a_living_job_is_idle_starting_lost_or_unkillable() {
    let unborn = |l: &mut SlotLook| {
        l.evidence = None;
        if let Some(carried) = &mut l.carried {
            carried.pid = None;
        }
    };
    let usually = |expected, look: &SlotLook| is(expected, Some(look), Pace::Usual, 0);
    usually(WorkerState::Idle, &changed(|l| l.carried = None));
    usually(WorkerState::Idle, &ended(None));
    usually(WorkerState::Unkillable, &ended(Some("unkillable: pid 7")));
    usually(WorkerState::Starting, &changed(unborn));
    usually(WorkerState::Lost, &changed(|l| l.alive = false));
    usually(
        WorkerState::Running,
        &changed(|l| l.beat_age_ms = Some(5_000)),
    );
    usually(WorkerState::Lost, &changed(|l| l.beat_age_ms = Some(5_001)));
    is(WorkerState::Lost, None, Pace::Usual, 0);
    let case = Case {
        daemon_up: true,
        ..Case::default()
    };
    assert_eq!(case.judge().state, WorkerState::Starting);
}

#[test]
fn fires_history_and_samples_make_the_state_of_a_living_job() {
    let outside = Some(WaitFor::Outside);
    let asleep = |for_ms| sleeps('S', Some(WaitFor::Time), for_ms);
    let well = look(1, "job", 0);
    let young = changed(|l| l.evidence = None);
    for (expected, look, pace, age) in [
        (WorkerState::Running, young, Pace::Usual, 0),
        (WorkerState::Running, well.clone(), Pace::Usual, 0),
        (WorkerState::Overrun, well.clone(), Pace::Overrun, 0),
        (WorkerState::Stuck, well, Pace::Stuck, 0),
        (WorkerState::Spinning, spins(), Pace::Overrun, 0),
        (WorkerState::Stuck, spins(), Pace::Stuck, 0),
        (
            WorkerState::Stopped,
            sleeps('T', None, 1_000),
            Pace::Stuck,
            0,
        ),
        (
            WorkerState::DiskWait,
            sleeps('D', None, 10_000),
            Pace::Stuck,
            0,
        ),
        (
            WorkerState::Waiting,
            sleeps('S', outside, 4_000),
            Pace::Usual,
            0,
        ),
        (
            WorkerState::Overrun,
            sleeps('S', outside, 4_000),
            Pace::Overrun,
            0,
        ),
        (WorkerState::Running, asleep(59_000), Pace::Usual, 90_001),
        (WorkerState::Running, asleep(60_000), Pace::Usual, 90_000),
        (WorkerState::Stuck, asleep(60_000), Pace::Usual, 90_001),
    ] {
        is(expected, Some(&look), pace, age);
    }
}

#[test]
fn the_reason_names_the_fires_the_history_and_the_process() {
    let seen = sleeps('S', Some(WaitFor::Time), 100_000);
    let case = Case {
        look: Some(&seen),
        pace: Pace::Stuck,
        usual: Some(USUAL),
        age_ms: Some(100_000),
        daemon_up: true,
    };
    assert_eq!(
        case.judge().why,
        "past two of its next fires; runs 1m40s, usually 20.0s; \
         x (7) sleeping (read) for 1m40s; no output, CPU or I/O for 1m40s"
    );
}

#[test]
fn a_short_history_says_nothing() {
    let few = Usual { runs: 2, ..USUAL };
    assert!(!is_long(&few, 10_000_000) && !is_short(&few, 1));
    let quick = Usual {
        runs: 20,
        median_ms: 9_999,
        p95_ms: 9_999,
    };
    assert!(!is_short(&quick, 1), "what takes seconds varies");
    assert!(!is_long(&quick, 60_000) && is_long(&quick, 60_001));
}
