//! Numbers of processes that mean somebody else: after a reboot, and after they have come round.

use std::process::{Command, Stdio};

use rustix::process::Signal;

use super::namespace::{another_boot, apart};
use super::{is_root, offered};
use crate::support::instance::{Instance, is_alive, signal};
use crate::support::wait::until;

#[test]
fn runs_of_another_boot_are_interrupted_and_nobody_is_killed_for_them() {
    if !offered("root, for a mount namespace", is_root()) {
        return;
    }
    apart(|| {
        let mut instance = Instance::running();
        let line = "echo $$ > pid; echo $CRAKE_RUN >> starts; exec sleep 1000";
        instance.add("cut", line, &[]);
        let run = instance.request("cut");
        let pid: i32 = instance.until_lines("pid", 1)[0].parse().unwrap();
        instance.until_sql("EXISTS(SELECT 1 FROM attempt WHERE pid IS NOT NULL)");
        instance.kill_all();
        // The worker as well, as a host that goes down does it; its job stands for a stranger who
        // has the same number, the same start time and even the same marks after the reboot.
        signal(parent_of(pid), Signal::KILL);
        another_boot(&instance.sandbox.path("boot"));
        instance.start();
        let ended = instance.ended(run);
        assert_eq!(ended["state"], "interrupted", "{ended}");
        assert!(is_alive(pid), "a stranger was killed");
        assert_eq!(instance.lines("starts").len(), 1);
        signal(pid, Signal::KILL);
        assert_eq!(instance.stop(), 0);
    });
}

fn parent_of(pid: i32) -> i32 {
    let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).unwrap();
    let rest = stat.rsplit_once(") ").unwrap().1;
    rest.split(' ').nth(1).unwrap().parse().unwrap()
}

#[test]
fn a_number_that_has_come_round_to_a_stranger_is_not_touched() {
    let last = "/proc/sys/kernel/ns_last_pid";
    let there = is_root() && std::fs::metadata(last).is_ok();
    if !offered("root and ns_last_pid", there) {
        return;
    }
    let mut instance = Instance::running();
    let line = "echo $$ > pid; exec sleep 1000";
    instance.add("gone", line, &[]);
    let run = instance.request("gone");
    let pid: i32 = instance.until_lines("pid", 1)[0].parse().unwrap();
    instance.until_sql("EXISTS(SELECT 1 FROM attempt WHERE pid IS NOT NULL)");
    instance.kill_all();
    let worker = parent_of(pid);
    signal(worker, Signal::KILL);
    until("the worker is gone", || (!is_alive(worker)).then_some(()));
    signal(pid, Signal::KILL);
    until("the job is gone", || {
        std::fs::metadata(format!("/proc/{pid}"))
            .is_err()
            .then_some(())
    });
    // The next process gets the number of the job, unless another is faster.
    let mut strangers = Vec::new();
    let stranger = until("a stranger with the same number", || {
        std::fs::write(last, (pid - 1).to_string()).unwrap();
        let mut sleep = Command::new("/usr/bin/sleep");
        let child = sleep.arg("1000").stdin(Stdio::null()).spawn().unwrap();
        let found = i32::try_from(child.id()).unwrap() == pid;
        strangers.push(child);
        found.then(|| strangers.len() - 1)
    });
    instance.start();
    let ended = instance.ended(run);
    assert_eq!(ended["state"], "lost", "{ended}");
    let lives = strangers[stranger].try_wait().unwrap().is_none();
    for mut child in strangers {
        let _ = child.kill();
        let _ = child.wait();
    }
    assert!(lives, "the stranger was killed");
    assert_eq!(instance.stop(), 0);
}
