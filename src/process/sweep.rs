//! Ends what is left of a run whose worker was killed.
//!
//! Without its worker there is no subreaper, so this goes by marks: the run's fence and slot in a
//! process's environment, or the identity the ledger has of the first process. From those it goes on
//! to children and to whole sessions: a session with a marked process in it was never empty, so its
//! number is still the one the run had. A number alone is never enough to kill by.

use std::collections::HashMap;
use std::fs;
use std::time::Duration;

use rustix::process::Signal;

use crate::clock::Clock;
use crate::model::Fence;
use crate::process::cgroup::kill_leaf_of;
use crate::process::identity::{Identity, Stat, stat};
use crate::process::tree::{everyone, signal_if};

/// How long it goes on killing, milliseconds.
const GIVE_UP_MS: i64 = 5_000;
/// Looks in a row that must find nobody. A single look can miss a process that forks and exits
/// faster than we read.
const CLEAN_LOOKS: u32 = 3;

/// A run to be swept.
pub(in crate::process) struct Target {
    /// Its claim.
    pub fence: Fence,
    /// The mark of its slot.
    pub mark: String,
    /// The worker that carried it: nothing of the run is older.
    pub worker: Identity,
    /// Its first process, if one was recorded.
    pub child: Option<Identity>,
}

/// Kills everything that belongs to these runs; gives those still alive in the end.
pub(in crate::process) fn sweep(targets: &[Target], clock: &dyn Clock) -> Vec<(Fence, i32)> {
    let until = clock.now().mono + GIVE_UP_MS;
    // Where it had a group that names everybody, also those who carry no mark.
    targets.iter().for_each(|t| kill_leaf_of(t.worker));
    let mut clean = 0;
    loop {
        let found = look(targets);
        for (pid, start, _) in &found {
            let meant = Identity {
                pid: *pid,
                start: *start,
            };
            signal_if(*pid, Signal::KILL, || meant.exists());
        }
        clean = if found.is_empty() { clean + 1 } else { 0 };
        if clean >= CLEAN_LOOKS {
            return Vec::new();
        }
        if clock.now().mono >= until {
            return found
                .into_iter()
                .map(|(pid, _, fence)| (fence, pid))
                .collect();
        }
        std::thread::sleep(Duration::from_millis(1));
    }
}

// Pid, start time and run of everyone who belongs to a target and is not dead yet.
fn look(targets: &[Target]) -> Vec<(i32, u64, Fence)> {
    let Some(oldest) = targets.iter().map(|t| t.worker.start).min() else {
        return Vec::new();
    };
    let spared = spared();
    let own_session = i32::try_from(std::process::id())
        .ok()
        .and_then(stat)
        .map(|s| s.session);
    let table: HashMap<i32, Stat> = everyone()
        .into_iter()
        .filter(|pid| !spared.contains(pid))
        .filter_map(|pid| Some((pid, stat(pid)?)))
        .filter(|(_, s)| s.start >= oldest && !matches!(s.state, 'Z' | 'X'))
        .collect();
    let mut ours: HashMap<i32, usize> = HashMap::new();
    for (pid, stat) in &table {
        if let Some(index) = targets.iter().position(|t| is_marked(t, *pid, stat)) {
            ours.insert(*pid, index);
        }
    }
    loop {
        let sessions: HashMap<i32, usize> = ours
            .iter()
            .filter_map(|(pid, index)| Some((table.get(pid)?.session, *index)))
            .filter(|(session, _)| Some(*session) != own_session)
            .collect();
        let related = |pid: &i32, stat: &Stat| {
            let by_parent = ours.get(&stat.parent);
            let index = *by_parent.or_else(|| sessions.get(&stat.session))?;
            (!ours.contains_key(pid)).then_some((*pid, index))
        };
        let more: Vec<(i32, usize)> = table
            .iter()
            .filter_map(|(pid, stat)| related(pid, stat))
            .collect();
        if more.is_empty() {
            break;
        }
        ours.extend(more);
    }
    let named = ours
        .into_iter()
        .filter_map(|(pid, index)| Some((pid, table.get(&pid)?.start, targets.get(index)?.fence)));
    named.collect()
}

fn is_marked(target: &Target, pid: i32, stat: &Stat) -> bool {
    if stat.start < target.worker.start {
        return false;
    }
    if target.child
        == Some(Identity {
            pid,
            start: stat.start,
        })
    {
        return true;
    }
    let Ok(environ) = fs::read(format!("/proc/{pid}/environ")) else {
        return false;
    };
    let fence = format!("CRAKE_FENCE={}", target.fence);
    let mark = format!("CRAKE_SLOT={}", target.mark);
    let has = |wanted: &str| {
        environ
            .split(|b| *b == 0)
            .any(|entry| entry == wanted.as_bytes())
    };
    has(&fence) && has(&mark)
}

// A job may have restarted the daemon, which then carries the job's marks itself.
fn spared() -> Vec<i32> {
    let mut spared = Vec::new();
    let mut next = i32::try_from(std::process::id()).ok();
    while let Some(pid) = next.filter(|pid| *pid > 0) {
        spared.push(pid);
        next = stat(pid).map(|s| s.parent);
    }
    spared
}
