//! Ending a tree of processes: ask, wait, kill, prove.
//!
//! The worker is a subreaper: whoever loses its parent in the tree becomes the worker's own child.
//! So killing the worker's children, collecting them, and going on until there is no child left
//! reaches everything, however it forks, detaches or ignores signals, and the end of it is proof.
//! Every method that goes by lists of processes alone leaves survivors.

use std::fs;

use rustix::process::{Pid, Signal, kill_process, kill_process_group};

use crate::process::identity::stat;
use crate::process::reap::{Death, Reaped, reap};
use crate::process::tree::{children, descendants, signal_if};

/// How long killing is tried before those left are called unkillable, milliseconds. Longer than
/// this only a process lives that the kernel does not let die.
const GIVE_UP_MS: i64 = 5_000;
/// Rounds of killing without a look at anything else: some milliseconds.
const ROUNDS_AT_ONCE: u32 = 50;

#[derive(Clone, Copy, PartialEq, Eq)]
enum Rung {
    /// Asked to end, until this instant (boot clock).
    Asked { until: i64 },
    /// Being killed since this instant.
    Killed { since: i64 },
}

/// The ending of one tree.
pub(in crate::process) struct Ladder {
    rung: Rung,
}

/// Where it stands.
#[derive(Debug, PartialEq, Eq)]
pub(in crate::process) enum Climb {
    /// Look again at this instant of the boot clock.
    Again(i64),
    /// No child is left, nor anything that descends from one.
    Empty,
    /// These cannot be killed: a sentence each.
    GaveUp(Vec<String>),
}

impl Ladder {
    /// Asks the whole tree to end and gives it `grace_ms`.
    pub fn ask(worker: i32, group: i32, now_boot: i64, grace_ms: i64) -> Ladder {
        signal_tree(worker, group, Signal::TERM);
        // Whoever is stopped cannot heed the request before it is let go on.
        signal_tree(worker, group, Signal::CONT);
        let until = now_boot.saturating_add(grace_ms.max(0));
        Ladder {
            rung: Rung::Asked { until },
        }
    }

    /// Kills without asking.
    pub fn kill(now_boot: i64) -> Ladder {
        Ladder {
            rung: Rung::Killed { since: now_boot },
        }
    }

    /// Ends the patience earlier, never later.
    pub fn hasten(&mut self, new_until: i64) {
        if let Rung::Asked { until } = &mut self.rung {
            *until = new_until.min(*until);
        }
    }

    /// Does what is to be done now. The dead are handed to `bury`.
    pub fn climb(&mut self, worker: i32, now_boot: i64, mut bury: impl FnMut(Death)) -> Climb {
        if let Rung::Asked { until } = self.rung {
            if collect(&mut bury) {
                return Climb::Empty;
            }
            if now_boot < until {
                return Climb::Again(until);
            }
            self.rung = Rung::Killed { since: now_boot };
        }
        let Rung::Killed { since } = self.rung else {
            return Climb::Again(now_boot);
        };
        // Here belongs the killing of the run's control group, once runs have one: it reaches
        // descendants that changed their user, and the rounds below reach those that left it.
        for _ in 0..ROUNDS_AT_ONCE {
            kill_children(worker);
            if collect(&mut bury) {
                return Climb::Empty;
            }
        }
        let spent = now_boot - since;
        if spent < GIVE_UP_MS {
            if spent > 100 {
                // A parent that does not die hides its children from us: reach around it.
                signal_tree(worker, 0, Signal::KILL);
            }
            return Climb::Again(now_boot + if spent < 100 { 1 } else { 20 });
        }
        Climb::GaveUp(survivors(worker))
    }
}

/// Collects whoever has ended; says whether nobody is left.
pub(in crate::process) fn collect(bury: &mut impl FnMut(Death)) -> bool {
    loop {
        match reap() {
            Reaped::One(death) => bury(death),
            Reaped::Alive => return false,
            Reaped::Nobody => return true,
        }
    }
}

// Only we collect our children, so none of these numbers can have passed to a stranger. SIGKILL
// also ends what is stopped; no SIGCONT is needed before it.
fn kill_children(worker: i32) {
    for pid in children(worker).into_iter().filter_map(Pid::from_raw) {
        let _ = kill_process(pid, Signal::KILL);
    }
}

// The group catches whoever forks faster than the walk; the walk catches whoever left the group.
fn signal_tree(worker: i32, group: i32, signal: Signal) {
    if let Some(group) = Pid::from_raw(group) {
        let _ = kill_process_group(group, signal);
    }
    for (pid, parent) in descendants(worker) {
        let still_its_child = || stat(pid).is_some_and(|s| s.parent == parent);
        signal_if(pid, signal, still_its_child);
    }
}

fn survivors(worker: i32) -> Vec<String> {
    let mut named = Vec::new();
    for (pid, _) in descendants(worker) {
        let state = stat(pid).map_or('?', |s| s.state);
        if state == 'Z' {
            continue;
        }
        let wchan = fs::read_to_string(format!("/proc/{pid}/wchan")).unwrap_or_default();
        let wchan = match wchan.trim() {
            "" | "0" => "-",
            name => name,
        };
        named.push(format!("unkillable: pid {pid} state {state} wchan {wchan}"));
    }
    named
}
