//! Jobs that cannot be started for want of something: said with its number, never silent.

use std::fs::File;
use std::os::unix::fs::PermissionsExt;

use super::{is_root, offered};
use crate::support::instance::{Instance, is_alive};
use crate::support::wait::until;

#[test]
fn a_program_that_is_being_written_is_named_and_runs_once_it_is_whole() {
    let instance = Instance::running();
    let program = instance.sandbox.path("program");
    std::fs::copy("/usr/bin/true", &program).unwrap();
    std::fs::set_permissions(&program, PermissionsExt::from_mode(0o755)).unwrap();
    let writer = File::options().write(true).open(&program).unwrap();
    instance
        .sandbox
        .ok(&["add", "busy", "--", program.to_str().unwrap()]);
    let ended = instance.ended(instance.request("busy"));
    assert_eq!(ended["state"], "unspawnable", "{ended}");
    let reason = ended["reason"].as_str().unwrap();
    assert!(reason.contains("Text file busy"), "{reason}");
    drop(writer);
    let ended = instance.ended(instance.request("busy"));
    assert_eq!(ended["state"], "succeeded", "{ended}");
}

/// A group of processes that may have no more than so many members.
struct Bounded(std::path::PathBuf);

impl Bounded {
    fn of(pid: i32, most: usize) -> Option<Bounded> {
        let name = format!("/sys/fs/cgroup/pids/crake-test-{pid}");
        let dir = std::path::PathBuf::from(name);
        std::fs::create_dir(&dir).ok()?;
        let bounded = Bounded(dir);
        std::fs::write(bounded.0.join("cgroup.procs"), pid.to_string()).ok()?;
        bounded.limit(&most.to_string());
        Some(bounded)
    }

    fn limit(&self, most: &str) {
        std::fs::write(self.0.join("pids.max"), most).unwrap();
    }
}

impl Drop for Bounded {
    fn drop(&mut self) {
        for pid in std::fs::read_to_string(self.0.join("cgroup.procs"))
            .unwrap_or_default()
            .lines()
        {
            let pid = pid.parse().unwrap();
            crate::support::instance::signal(pid, rustix::process::Signal::KILL);
            until("it is gone", || (!is_alive(pid)).then_some(()));
        }
        until("the group is empty", || std::fs::remove_dir(&self.0).ok());
    }
}

#[test]
fn a_host_without_room_for_processes_is_told_and_recovers() {
    let there = is_root() && std::path::Path::new("/sys/fs/cgroup/pids/cgroup.procs").exists();
    if !offered("root and the pids controller of cgroup v1", there) {
        return;
    }
    let instance = Instance::running();
    instance.add("tick", "true", &["-s", "every 1s", "--overlap", "allow"]);
    instance.add("some", "sleep 1", &["--overlap", "allow"]);
    instance.succeeded("tick", 1);
    let core = instance.lock_holder().unwrap();
    // New workers of the core count. The spare one that is there was born outside of the group and
    // carries the first run.
    let group = Bounded::of(core, 1).expect("a group");
    let asked: Vec<i64> = (0..4).map(|_| instance.request("some")).collect();
    let mut refused = 0;
    for run in asked {
        let ended = instance.ended(run);
        if ended["state"] != "succeeded" {
            assert_eq!(ended["state"], "unspawnable", "{ended}");
            let reason = ended["reason"].as_str().unwrap();
            assert!(reason.contains("temporarily"), "{reason}");
            refused += 1;
        }
    }
    assert!(refused > 0, "there was room all the time");
    assert_eq!(instance.core(), Some(core), "the core goes on");
    group.limit("max");
    let ended = instance.ended(instance.request("some"));
    assert_eq!(ended["state"], "succeeded", "{ended}");
    let done: i64 = instance
        .cell("SELECT count(*) FROM run WHERE job = 'tick' AND state = 'succeeded'")
        .unwrap();
    instance.succeeded("tick", done + 1);
}
