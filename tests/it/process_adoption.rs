//! Who dies when: the core, a worker, the host.

use std::fs;
use std::os::unix::net::UnixStream;
use std::sync::Arc;

use crake::clock::{Clock, ManualClock};
use crake::model::{Exit, Fence, Holding, StopCause};
use crake::process::{Pool, identity};
use rustix::process::{Pid, Signal, kill_process};

use crate::process_house::{House, kill};
use crate::support::wait::until;

fn gate(house: &House) {
    rustix::fs::mkfifoat(rustix::fs::CWD, house.dir.path().join("gate"), 0o600.into()).unwrap();
}

fn open_gate(house: &House) {
    fs::write(house.dir.path().join("gate"), "\n").unwrap();
}

#[test]
fn a_run_outlives_its_core_and_the_next_one_learns_how_it_ended() {
    let mut house = House::new();
    gate(&house);
    house.start(&house.line(1, "echo before; read x <$HOUSE/gate; echo after; exit 3"));
    let (pid, _) = house.started(1);
    house.crash();
    let found = house.reopen();
    assert_eq!(
        found.iter().find(|h| h.fence() == Fence(1)),
        Some(&Holding::Alive {
            fence: Fence(1),
            pid: Some(pid)
        })
    );
    assert_eq!(found.len(), 1, "idle workers hold nothing");
    open_gate(&house);
    assert_eq!(house.ended(1).exit, Exit::Code(3));
    assert_eq!(
        house.pool().captured(Fence(1)).unwrap().bytes(),
        b"before\nafter\n"
    );
    house.pool().collected(Fence(1));
    let (report, _) = house.run(&house.line(2, "exit 4"));
    assert_eq!(report.exit, Exit::Code(4));
}

#[test]
fn a_run_that_ended_while_there_was_no_core_is_found_ended() {
    let mut house = House::new();
    gate(&house);
    house.start(&house.line(1, "echo said; read x <$HOUSE/gate; exit 3"));
    let (_, slot) = house.started(1);
    house.crash();
    open_gate(&house);
    until("its end is on disk", || house.ledger(slot).exit);
    let found = house.reopen();
    let [Holding::Ended { fence, report }] = found.as_slice() else {
        panic!("{found:?}");
    };
    assert_eq!((*fence, report.exit), (Fence(1), Exit::Code(3)));
    // Not collected: it is found again, and by then its worker is dead.
    house.crash();
    kill(house.ledger(slot).worker.unwrap().pid);
    until("the worker is gone", || {
        (!house.ledger(slot).worker.unwrap().lives()).then_some(())
    });
    let found = house.reopen();
    assert!(
        matches!(found.as_slice(), [Holding::Ended { .. }]),
        "{found:?}"
    );
    assert_eq!(house.pool().captured(Fence(1)).unwrap().bytes(), b"said\n");
    house.pool().collected(Fence(1));
    house.crash();
    assert_eq!(house.reopen(), []);
}

#[test]
fn an_order_sent_by_a_core_that_dies_at_once_is_carried_or_was_never_taken() {
    let mut house = House::new();
    for round in 1..=20 {
        let file = house.dir.path().join(format!("ran{round}"));
        house.start(&house.line(round, &format!("echo x >>{}", file.display())));
        house.crash();
        let found = house.reopen();
        let held = found.iter().any(|h| h.fence() == Fence(round));
        assert!(held, "what was sent whole is taken: {found:?}");
        if let Some(Holding::Alive { .. }) = found.first() {
            house.ended(round);
        }
        house.pool().collected(Fence(round));
        assert_eq!(
            fs::read_to_string(file).unwrap(),
            "x\n",
            "once and only once"
        );
    }
}

#[test]
fn a_killed_worker_takes_its_whole_run_with_it() {
    let mut house = House::new();
    let line = "setsid sh -c 'trap \"\" TERM; sleep 1000' & env -i sh -c 'sleep 1000; : '$HOUSE & sleep 1000";
    house.start(&house.line(1, line));
    let (_, slot) = house.started(1);
    until("the tree has grown", || {
        (house.inhabitants().len() >= 5).then_some(())
    });
    let worker = house.ledger(slot).started.unwrap().worker.pid;
    kill(worker);
    let reason = house.lost(1);
    assert_eq!(reason, format!("its worker (pid {worker}) vanished"));
    assert_eq!(house.inhabitants(), Vec::<String>::new());
    house.pool().collected(Fence(1));
    let (report, _) = house.run(&house.line(2, "exit 0"));
    assert_eq!(report.exit, Exit::Code(0));
}

#[test]
fn core_and_worker_killed_together_leave_a_dead_run_and_no_process() {
    let mut house = House::new();
    house.start(&house.line(1, "setsid sleep 1000 & echo up; sleep 1000"));
    let (_, slot) = house.started(1);
    until("the tree has grown", || {
        (house.inhabitants().len() >= 3).then_some(())
    });
    // What is still in the pipe dies with the worker.
    until("its word is on disk", || {
        (house.pool().captured(Fence(1)).unwrap().bytes() == b"up\n").then_some(())
    });
    house.crash();
    kill(house.ledger(slot).worker.unwrap().pid);
    let dead = Holding::Dead {
        fence: Fence(1),
        other_boot: false,
    };
    until("the worker is gone", || {
        (!house.ledger(slot).worker.unwrap().lives()).then_some(())
    });
    assert_eq!(house.reopen(), [dead]);
    assert_eq!(house.inhabitants(), Vec::<String>::new());
    assert_eq!(house.pool().captured(Fence(1)).unwrap().bytes(), b"up\n");
    house.pool().collected(Fence(1));
    house.crash();
    assert_eq!(house.reopen(), []);
}

#[test]
fn after_another_boot_nothing_is_killed_by_number() {
    let mut house = House::new();
    house.start(&house.line(1, "sleep 1000"));
    let (pid, slot) = house.started(1);
    house.crash();
    kill(house.ledger(slot).worker.unwrap().pid);
    until("the worker is gone", || {
        (!house.ledger(slot).worker.unwrap().lives()).then_some(())
    });
    let found = house.reopen_in_boot("another".to_owned());
    assert_eq!(
        found,
        [Holding::Dead {
            fence: Fence(1),
            other_boot: true
        }]
    );
    assert!(
        identity::start_time(pid).is_some(),
        "of another boot it cannot be ours"
    );
    kill(pid);
    house.pool().collected(Fence(1));
}

#[test]
fn a_worker_killed_while_idle_costs_nothing() {
    let mut house = House::new();
    let (report, _) = house.run(&house.line(1, "exit 0"));
    assert_eq!(report.exit, Exit::Code(0));
    for slot in 1..=2 {
        if let Some(worker) = house.ledger(slot).worker {
            kill(worker.pid);
        }
    }
    // Whether or not the pool has noticed yet: the order reaches a living worker.
    let (report, _) = house.run(&house.line(2, "exit 9"));
    assert_eq!(report.exit, Exit::Code(9));
}

#[test]
fn a_worker_that_does_not_answer_is_asked_again_or_replaced() {
    let mut house = House::new();
    house.run(&house.line(1, "exit 0"));
    let worker = until("it has a worker", || house.ledger(1).worker);
    let pid = Pid::from_raw(worker.pid).unwrap();
    kill_process(pid, Signal::STOP).unwrap();
    house.crash();
    // It had nothing in hand, so it was replaced; it may not have read that its run is collected.
    for holding in house.reopen() {
        assert!(
            matches!(
                holding,
                Holding::Ended {
                    fence: Fence(1),
                    ..
                }
            ),
            "{holding:?}"
        );
    }
    house.pool().collected(Fence(1));
    assert!(!worker.lives());
    let (report, _) = house.run(&house.line(2, "exit 8"));
    assert_eq!(report.exit, Exit::Code(8));
}

#[test]
fn nonsense_on_its_socket_harms_neither_a_worker_nor_its_run() {
    let mut house = House::new();
    gate(&house);
    house.start(&house.line(1, "read x <$HOUSE/gate; exit 3"));
    let (_, slot) = house.started(1);
    let path = house.slots().join(slot.to_string()).join("sock");
    for bytes in [
        &b"\xff\xff\xff\xff"[..],
        b"\x03\0\0\0{{{",
        b"\x05\0\0\0nope!",
        b"",
    ] {
        let mut stream = UnixStream::connect(&path).unwrap();
        std::io::Write::write_all(&mut stream, bytes).unwrap();
    }
    // Each of those took the place of the pool's own connection, which comes back by itself.
    open_gate(&house);
    assert_eq!(house.ended(1).exit, Exit::Code(3));
    house.pool().collected(Fence(1));
    let (report, _) = house.run(&house.line(2, "exit 5"));
    assert_eq!(report.exit, Exit::Code(5));
}

#[test]
fn a_stop_given_to_an_adopted_run_ends_it() {
    let mut house = House::new();
    house.start(&house.line(1, "sleep 1000"));
    house.started(1);
    house.crash();
    house.reopen();
    house.pool().stop(Fence(1), StopCause::Kill, 100);
    assert_eq!(house.ended(1).stop, Some(StopCause::Kill));
    assert_eq!(house.inhabitants(), Vec::<String>::new());
}

#[test]
fn idle_workers_leave_when_told_to() {
    let mut house = House::new();
    house.run(&house.line(1, "exit 0"));
    let worker = house.ledger(1).worker.unwrap();
    house.pool().retire_idle();
    until("it is gone", || {
        house
            .pool()
            .wait(rustix::stdio::stdin(), Some(std::time::Duration::ZERO));
        (!worker.lives()).then_some(())
    });
}

#[test]
fn of_the_idle_workers_all_but_one_leave_after_a_while() {
    let mut house = House::new();
    house.pool().retire_idle();
    let clock = Arc::new(ManualClock::at(0));
    let boot_id = identity::boot_id().unwrap();
    let pool = Pool::open(
        &house.slots(),
        Arc::clone(&clock) as Arc<dyn Clock>,
        boot_id,
    )
    .unwrap();
    house.pool = Some(pool.with_program(env!("CARGO_BIN_EXE_crake")));
    assert_eq!(house.pool().survey(), []);
    for fence in 1..=5 {
        house.start(&house.line(fence, "sleep 0.2"));
    }
    for fence in 1..=5 {
        house.ended(fence);
        house.pool().collected(Fence(fence));
    }
    assert!(house.pool().counts().idle >= 5);
    clock.advance(299_000);
    house.run(&house.line(6, "exit 0"));
    assert!(house.pool().counts().idle >= 5, "not yet");
    clock.advance(2_000);
    house.run(&house.line(7, "exit 0"));
    until("the others are gone", || {
        house
            .pool()
            .wait(rustix::stdio::stdin(), Some(std::time::Duration::ZERO));
        let alive = (1..=6).filter_map(|slot| house.ledger(slot).worker);
        (alive.filter(|w| w.lives()).count() == 1).then_some(())
    });
    assert_eq!(house.pool().counts().idle, 1);
}
