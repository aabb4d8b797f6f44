//! Whatever a job starts, nothing of it is left.

use crake::model::{Exit, Fence, StopCause};

use crate::process_house::House;
use crate::support::wait::until;

const KINDS: &[(&str, &str)] = &[
    ("ignores TERM", "trap '' TERM; while :; do sleep 1; done"),
    (
        "own sessions",
        "setsid sh -c 'trap \"\" TERM; sleep 1000' & setsid sleep 1000 & wait",
    ),
    (
        "double fork",
        "(setsid sh -c 'trap \"\" TERM; sleep 1000 & sleep 1000' &) ; sleep 1000",
    ),
    (
        "stopped",
        "sh -c 'kill -STOP $$' & sh -c 'trap \"\" TERM; kill -STOP $$' & sleep 1000",
    ),
    (
        "spins",
        "trap '' TERM; (while :; do :; done) & (while :; do :; done) & wait",
    ),
    (
        "hops",
        "trap '' TERM; h() { h & exit 0; }; h & h & sleep 1000",
    ),
    (
        "hops, detached",
        "trap '' TERM; echo 'setsid sh $0 & exit 0' >$HOUSE/hop; sh $HOUSE/hop & sleep 1000",
    ),
    (
        "no environment",
        "env -i setsid sh -c 'trap \"\" TERM; sleep 1000; : '$HOUSE & sleep 1000",
    ),
    (
        "a hundred",
        "i=0; while [ $i -lt 100 ]; do (trap '' TERM; setsid sleep 1000 &); i=$((i+1)); done; sleep 1000",
    ),
];

#[test]
fn a_stopped_run_leaves_nothing_however_it_defends_itself() {
    let mut house = House::new();
    for (fence, (kind, line)) in (1..).zip(KINDS) {
        house.start(&house.line(fence, line));
        house.started(fence);
        until("the tree has grown", || {
            (house.inhabitants().len() >= 2).then_some(())
        });
        house.pool().stop(Fence(fence), StopCause::Kill, 100);
        let report = house.ended(fence);
        assert_eq!(report.stop, Some(StopCause::Kill), "{kind}");
        assert_eq!(report.reason, None, "{kind}");
        assert_eq!(house.inhabitants(), Vec::<String>::new(), "{kind}");
        house.pool().collected(Fence(fence));
    }
}

#[test]
fn a_run_that_passes_its_time_limit_leaves_nothing() {
    let mut house = House::new();
    for (fence, (kind, line)) in (1..).zip(KINDS) {
        let mut order = house.line(fence, line);
        order.timeout_ms = Some(100);
        order.kill_grace_ms = 50;
        let (report, _) = house.run(&order);
        assert_eq!(report.stop, Some(StopCause::Timeout), "{kind}");
        assert_eq!(house.inhabitants(), Vec::<String>::new(), "{kind}");
    }
}

#[test]
fn a_tree_that_heeds_the_request_need_not_wait_for_the_grace_to_end() {
    let mut house = House::new();
    house.start(&house.line(1, "sleep 1000 & sleep 1000 | sleep 1000"));
    house.started(1);
    house.pool().stop(Fence(1), StopCause::Kill, 60_000);
    let report = house.ended(1);
    assert!(report.ended_at - report.started_at < 20_000);
    assert_eq!(house.inhabitants(), Vec::<String>::new());
}

#[test]
fn what_a_job_leaves_behind_is_ended_and_holds_nothing_up() {
    let mut house = House::new();
    let (report, captured) = house.run(&house.line(1, "echo said; setsid sleep 1000 & exit 6"));
    assert_eq!(report.exit, Exit::Code(6));
    assert_eq!(
        report.reason.as_deref(),
        Some("processes it left behind were ended")
    );
    assert_eq!(captured.bytes(), b"said\n");
    assert_eq!(house.inhabitants(), Vec::<String>::new());
    let quiet = "setsid sleep 1000 >/dev/null 2>&1 & exit 7";
    let (report, _) = house.run(&house.line(2, quiet));
    assert_eq!(report.exit, Exit::Code(7));
    assert_eq!(house.inhabitants(), Vec::<String>::new());
}

#[test]
fn a_filter_at_the_end_of_a_pipe_gets_to_finish() {
    let mut house = House::new();
    let (_, captured) = house.run(&house.line(1, "(sleep 0.1; echo late) & exit 0"));
    assert_eq!(captured.bytes(), b"late\n");
}
