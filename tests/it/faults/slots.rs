//! Slots whose workers were killed.

use rustix::process::Signal;

use crate::support::instance::{Instance, is_alive, signal};
use crate::support::wait::until;

/// The workers of a core, which are its children wherever their slots are: on a slow disk some are
/// in memory.
fn workers(core: i32) -> Vec<i32> {
    let tasks = std::fs::read_dir(format!("/proc/{core}/task")).unwrap();
    let children = tasks.flatten().filter_map(|task| {
        let children = std::fs::read_to_string(task.path().join("children")).ok()?;
        Some(
            children
                .split(' ')
                .filter_map(|pid| pid.parse().ok())
                .collect::<Vec<i32>>(),
        )
    });
    children.flatten().collect()
}

#[test]
fn slots_of_killed_workers_are_used_again() {
    let mut instance = Instance::new();
    let mut command = instance.daemon_command();
    command.args(["--slots", "4"]);
    instance.start_by(command);
    instance.add("asked", "true", &["--overlap", "allow"]);
    instance.add("long", "sleep 1000", &["--overlap", "allow"]);
    let core = instance.core().unwrap();
    for n in 0..40 {
        instance.ended(instance.request("asked"));
        // Every other one while it carries a run.
        let run = (n % 2 == 0).then(|| instance.request("long"));
        if let Some(run) = run {
            instance.until_sql(&format!(
                "(SELECT pid FROM attempt WHERE run = {run}) IS NOT NULL"
            ));
        }
        for pid in workers(core) {
            signal(pid, Signal::KILL);
            until("a worker is gone", || (!is_alive(pid)).then_some(()));
        }
        if let Some(run) = run {
            assert_eq!(instance.ended(run)["state"], "lost");
        }
    }
    let after = directories(&instance);
    println!("{after} slot directories after 40 rounds of kills");
    // Some are made before they are needed.
    assert!(after <= 16, "{after} slot directories");
}

fn directories(instance: &Instance) -> usize {
    let slots = std::fs::read_dir(instance.sandbox.path("home/spool/slots"));
    slots.unwrap().count()
}
