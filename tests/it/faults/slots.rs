//! Slots whose workers were killed.

use rustix::process::Signal;

use crate::support::instance::{Instance, is_alive, signal};
use crate::support::wait::until;

/// The living workers of an instance, by what their ledgers' owners say of themselves.
fn workers(instance: &Instance) -> Vec<i32> {
    let here = instance.sandbox.path("");
    let named = crate::support::instance::processes_that_name(here.to_str().unwrap());
    let line = |pid: &i32| std::fs::read(format!("/proc/{pid}/cmdline")).unwrap_or_default();
    let is_worker = |pid: &i32| line(pid).windows(8).any(|w| w == b"__worker");
    let pids = named.into_iter().map(|pid| pid.as_raw_nonzero().get());
    pids.filter(is_worker).collect()
}

#[test]
fn slots_of_killed_workers_are_used_again() {
    let instance = Instance::running();
    instance.add("asked", "true", &["--overlap", "allow"]);
    instance.add("long", "sleep 1000", &["--overlap", "allow"]);
    for n in 0..40 {
        instance.ended(instance.request("asked"));
        // Every other one while it carries a run.
        let run = (n % 2 == 0).then(|| instance.request("long"));
        if let Some(run) = run {
            instance.until_sql(&format!(
                "(SELECT pid FROM attempt WHERE run = {run}) IS NOT NULL"
            ));
        }
        for pid in workers(&instance) {
            signal(pid, Signal::KILL);
            until("a worker is gone", || (!is_alive(pid)).then_some(()));
        }
        if let Some(run) = run {
            assert_eq!(instance.ended(run)["state"], "lost");
        }
    }
    let slots = std::fs::read_dir(instance.sandbox.path("home/spool/slots")).unwrap();
    let count = slots.count();
    println!("{count} slot directories after 40 rounds of kills");
    assert!(count <= 6, "{count} slot directories");
}
