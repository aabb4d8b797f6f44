//! Ending a tree of processes: ask, wait, kill, prove.
//!
//! The worker is a subreaper: whoever loses its parent in the tree becomes the worker's own child.
//! So killing the worker's children, collecting them, and going on until there is no child left
//! reaches everything, however it forks, detaches or ignores signals, and the end of it is proof.
//! Every method that goes by lists of processes alone leaves survivors.

use std::fs;

use rustix::process::{Pid, Signal, kill_process, kill_process_group};

use crate::clock::Now;
use crate::model::Level;
use crate::process::cgroup::Cgroup;
use crate::process::identity::stat;
use crate::process::reap::{Death, Reaped, reap};
use crate::process::step::{Step, kill, processes, seconds};
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
    begun_at: i64,
    /// Whether the tree was asked, not only cleared away after its end.
    asked: bool,
    steps: Vec<Step>,
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
    /// Asks the whole tree to end and gives it `grace_ms`. `why` begins what is told of it.
    pub fn ask(worker: i32, group: i32, now: Now, grace_ms: i64, why: &str) -> Ladder {
        let count = living(worker);
        signal_tree(worker, group, Signal::TERM);
        // Whoever is stopped cannot heed the request before it is let go on.
        signal_tree(worker, group, Signal::CONT);
        let until = now.boot.saturating_add(grace_ms.max(0));
        let mut ladder = Ladder {
            rung: Rung::Asked { until },
            begun_at: now.boot,
            asked: true,
            steps: Vec::new(),
        };
        let text = format!("{why}: SIGTERM to {}", processes(count));
        ladder.note(now, Level::Info, text);
        ladder
    }

    /// Kills without asking.
    pub fn kill(now: Now) -> Ladder {
        Ladder {
            rung: Rung::Killed { since: now.boot },
            begun_at: now.boot,
            asked: false,
            steps: Vec::new(),
        }
    }

    /// Ends the patience earlier, never later.
    pub fn hasten(&mut self, new_until: i64) {
        if let Rung::Asked { until } = &mut self.rung {
            *until = new_until.min(*until);
        }
    }

    /// What was done since the last call.
    pub fn take_steps(&mut self) -> Vec<Step> {
        std::mem::take(&mut self.steps)
    }

    /// Does what is to be done now. The dead are handed to `bury`.
    pub fn climb(
        &mut self,
        worker: i32,
        cgroup: &mut Cgroup,
        now: Now,
        mut bury: impl FnMut(Death),
    ) -> Climb {
        if let Rung::Asked { until } = self.rung {
            if collect(&mut bury) && cgroup.is_empty() {
                return self.gone(now);
            }
            if now.boot < until {
                return Climb::Again(until);
            }
            self.rung = Rung::Killed { since: now.boot };
            let after = seconds(now.boot - self.begun_at);
            let count = processes(living(worker));
            self.note(
                now,
                Level::Info,
                format!("SIGKILL after {after} to {count}"),
            );
            if let Some(how) = cgroup.kill() {
                self.note(now, Level::Info, how.to_owned());
            }
        }
        let Rung::Killed { since } = self.rung else {
            return Climb::Again(now.boot);
        };
        for _ in 0..ROUNDS_AT_ONCE {
            kill_children(worker);
            if collect(&mut bury) && cgroup.is_empty() {
                return self.gone(now);
            }
        }
        let spent = now.boot - since;
        if spent < GIVE_UP_MS {
            if spent > 100 {
                // A parent that does not die hides its children from us: reach around it.
                signal_tree(worker, 0, Signal::KILL);
                cgroup.kill();
            }
            return Climb::Again(now.boot + if spent < 100 { 1 } else { 20 });
        }
        let named = survivors(worker, cgroup);
        for survivor in &named {
            self.note(now, Level::Error, survivor.clone());
        }
        Climb::GaveUp(named)
    }

    /// Takes note that nobody is left.
    pub fn gone(&mut self, now: Now) -> Climb {
        let after = seconds(now.boot - self.begun_at);
        self.note(now, Level::Info, format!("gone after {after}"));
        Climb::Empty
    }

    // Clearing away what a job left is told of only where it does not succeed.
    fn note(&mut self, now: Now, level: Level, text: String) {
        if self.asked || level == Level::Error {
            let at = now.wall;
            self.steps.push(Step {
                at,
                level,
                kind: kill(),
                text,
            });
        }
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

fn living(worker: i32) -> usize {
    let alive = |pid: &i32| stat(*pid).is_some_and(|s| s.state != 'Z');
    let pids = descendants(worker).into_iter().map(|(pid, _)| pid);
    pids.filter(alive).count()
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

fn survivors(worker: i32, cgroup: &Cgroup) -> Vec<String> {
    let mut left: Vec<i32> = descendants(worker)
        .into_iter()
        .map(|(pid, _)| pid)
        .collect();
    left.extend(cgroup.strangers());
    left.sort_unstable();
    left.dedup();
    let mut named = Vec::new();
    for pid in left {
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
