//! Control groups, where the worker may make them: a place in which everything a job starts is born
//! and stays, whatever it forks, whoever it becomes.
//!
//! The worker has one leaf, made once and kept for all its runs. It lives in it itself, so that a
//! job is born inside at no cost (to change groups takes the kernel 0.3 ms and now and then 30), and
//! steps out before it kills what is in it. Limits of memory and of processes must not hold for the
//! worker, so for a run that has some it steps in before the start and out after it.
//!
//! Version 2 (`cgroup.kill`) is used where there is one, be it without controllers; the freezer of
//! version 1 takes its place; limits are set where either version has the controller. Nothing here
//! is needed: without any right to groups the subreaper does all of it, more slowly.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use rustix::process::{Pid, Signal, kill_process};

use crate::process::cgroup_place::{Hierarchy, places};
use crate::process::identity::Identity;

/// How often the killing of a frozen group is tried: each round ends all that was in it.
const FROZEN_ROUNDS: u32 = 20;

/// A group of the worker's own.
struct Leaf {
    /// Where the worker was born.
    home: PathBuf,
    dir: PathBuf,
    inside: bool,
}

impl Leaf {
    fn make(hierarchy: &Hierarchy, name: &str) -> Option<Leaf> {
        let dir = hierarchy.base.join(name);
        match fs::create_dir(&dir) {
            Err(e) if e.kind() != io::ErrorKind::AlreadyExists => return None,
            _ => {}
        }
        let home = hierarchy.home.clone();
        // To be there is of no use without the right to enter and to leave.
        let mut leaf = Leaf {
            home,
            dir,
            inside: false,
        };
        let usable = leaf.enter() && leaf.leave();
        usable.then_some(leaf)
    }

    fn enter(&mut self) -> bool {
        if !self.inside {
            self.inside = fs::write(self.dir.join("cgroup.procs"), "0").is_ok();
        }
        self.inside
    }

    fn leave(&mut self) -> bool {
        if self.inside {
            self.inside = fs::write(self.home.join("cgroup.procs"), "0").is_err();
        }
        !self.inside
    }

    fn set(&self, file: &str, value: &str) -> bool {
        let path = self.dir.join(file);
        path.exists() && fs::write(path, value).is_ok()
    }

    fn number(&self, file: &str) -> Option<u64> {
        fs::read_to_string(self.dir.join(file))
            .ok()?
            .trim()
            .parse()
            .ok()
    }

    /// A number in a file of lines `name number`.
    fn count(&self, file: &str, name: &str) -> Option<u64> {
        let text = fs::read_to_string(self.dir.join(file)).ok()?;
        let line = text
            .lines()
            .find_map(|l| l.strip_prefix(name)?.strip_prefix(' '));
        line?.trim().parse().ok()
    }

    fn processes(&self) -> Vec<i32> {
        let text = fs::read_to_string(self.dir.join("cgroup.procs")).unwrap_or_default();
        text.lines().filter_map(|line| line.parse().ok()).collect()
    }
}

impl Drop for Leaf {
    fn drop(&mut self) {
        self.leave();
        // What the kernel does not let go is swept by a later core.
        let _ = fs::remove_dir(&self.dir);
    }
}

/// The groups of a worker.
#[derive(Default)]
pub(in crate::process) struct Cgroup {
    name: String,
    whole: Option<Leaf>,
    freezer: Option<Leaf>,
    memory: Option<Leaf>,
    pids: Option<Leaf>,
    /// Where limits can be set in version 1.
    memory_at: Option<Hierarchy>,
    pids_at: Option<Hierarchy>,
    oom_before: u64,
    /// Whether a limit holds in `whole`, which this process must not share.
    limited: bool,
}

impl Cgroup {
    /// Makes what this worker may make and steps into it.
    pub fn of(worker: Identity) -> Cgroup {
        let read = |path: &str| fs::read_to_string(path).unwrap_or_default();
        let places = places(&read("/proc/self/mountinfo"), &read("/proc/self/cgroup"));
        let name = leaf_name(worker);
        let mut whole = places
            .whole
            .as_ref()
            .and_then(|place| {
                place.delegate();
                Leaf::make(place, &name)
            })
            .filter(|leaf| leaf.dir.join("cgroup.kill").exists());
        let mut freezer = match whole {
            Some(_) => None,
            None => places.freezer.as_ref().and_then(|p| Leaf::make(p, &name)),
        };
        for leaf in whole.iter_mut().chain(&mut freezer) {
            leaf.enter();
        }
        Cgroup {
            name,
            whole,
            freezer,
            memory_at: places.memory,
            pids_at: places.pids,
            ..Cgroup::default()
        }
    }

    /// Limits the memory of what is started until [`Cgroup::started`]. Says whether that could be
    /// done.
    pub fn limit_memory(&mut self, bytes: u64) -> bool {
        let text = bytes.to_string();
        if let Some(leaf) = &self.whole
            && leaf.set("memory.max", &text)
        {
            leaf.set("memory.oom.group", "1");
            self.oom_before = self.oom_kills();
            self.limited = true;
            return true;
        }
        if self.memory.is_none() {
            let at = self.memory_at.as_ref();
            self.memory = at.and_then(|at| Leaf::make(at, &self.name));
        }
        let Some(leaf) = &mut self.memory else {
            return false;
        };
        // What earlier runs left in the page cache would count for this one.
        leaf.set("memory.force_empty", "0");
        leaf.set("memory.max_usage_in_bytes", "0");
        let limited = leaf.set("memory.limit_in_bytes", &text) && leaf.enter();
        if limited {
            // With swap the limit would only make the job slow; not every kernel counts it.
            leaf.set("memory.memsw.limit_in_bytes", &text);
            self.oom_before = self.oom_kills();
        }
        limited
    }

    /// Limits how many processes and threads there may be of what is started until
    /// [`Cgroup::started`]. Says whether that could be done.
    pub fn limit_processes(&mut self, most: u32) -> bool {
        // This process counts as long as it is inside: the start itself needs a place.
        let text = most.saturating_add(1).to_string();
        if self
            .whole
            .as_ref()
            .is_some_and(|leaf| leaf.set("pids.max", &text))
        {
            self.limited = true;
            return true;
        }
        if self.pids.is_none() {
            let at = self.pids_at.as_ref();
            self.pids = at.and_then(|at| Leaf::make(at, &self.name));
        }
        self.pids
            .as_mut()
            .is_some_and(|leaf| leaf.set("pids.max", &text) && leaf.enter())
    }

    /// The start is over: the limits hold for the job and no longer for this process.
    pub fn started(&mut self, processes_max: Option<u32>) {
        for leaf in self.memory.iter_mut().chain(&mut self.pids) {
            leaf.leave();
        }
        if std::mem::take(&mut self.limited) {
            self.step_out();
        }
        if let Some(most) = processes_max {
            for leaf in self.whole.iter().chain(&self.pids) {
                leaf.set("pids.max", &most.to_string());
            }
        }
    }

    /// Limits of an earlier run hold no longer, and this process is inside again.
    pub fn reset(&mut self) {
        if let Some(leaf) = &mut self.whole {
            leaf.set("memory.max", "max");
            leaf.set("pids.max", "max");
            leaf.enter();
        }
        if let Some(leaf) = &mut self.freezer {
            leaf.enter();
        }
    }

    /// Steps out of the leaf in which the job is.
    fn step_out(&mut self) {
        for leaf in self.whole.iter_mut().chain(&mut self.freezer) {
            leaf.leave();
        }
    }

    /// Kills everything in the leaf but this process. Says how, in a word; nothing where there is no
    /// leaf to kill.
    pub fn kill(&mut self) -> Option<&'static str> {
        if let Some(leaf) = &mut self.whole {
            // Never before this process is out of it.
            let killed = leaf.leave() && leaf.set("cgroup.kill", "1");
            return killed.then_some("cgroup.kill");
        }
        let leaf = self.freezer.as_mut()?;
        if !leaf.leave() {
            return None;
        }
        for _ in 0..FROZEN_ROUNDS {
            let caught = leaf.processes();
            if caught.is_empty() {
                break;
            }
            leaf.set("freezer.state", "FROZEN");
            for pid in leaf.processes().into_iter().filter_map(Pid::from_raw) {
                // Frozen, none of them can have made room for a stranger of the same number.
                let _ = kill_process(pid, Signal::KILL);
            }
            leaf.set("freezer.state", "THAWED");
        }
        Some("SIGKILL to the frozen cgroup")
    }

    /// Whether nothing but this process is in the leaf; true where there is none.
    pub fn is_empty(&self) -> bool {
        let Some(leaf) = self.whole.as_ref().or(self.freezer.as_ref()) else {
            return true;
        };
        match leaf.count("cgroup.events", "populated") {
            Some(populated) if !leaf.inside => populated == 0,
            _ => self.strangers().is_empty(),
        }
    }

    /// Processes in the leaf that are not this one.
    pub fn strangers(&self) -> Vec<i32> {
        let me = rustix::process::getpid().as_raw_pid();
        let leaf = self.whole.as_ref().or(self.freezer.as_ref());
        let mut found = leaf.map(Leaf::processes).unwrap_or_default();
        found.retain(|pid| *pid != me);
        found
    }

    /// How many processes the kernel ended for want of memory within the limit since it was set.
    pub fn oom_killed(&self) -> u64 {
        self.oom_kills().saturating_sub(self.oom_before)
    }

    fn oom_kills(&self) -> u64 {
        let old = self.memory.as_ref();
        let new = self.whole.as_ref();
        old.and_then(|l| l.count("memory.oom_control", "oom_kill"))
            .or_else(|| new.and_then(|l| l.count("memory.events", "oom_kill")))
            .unwrap_or(0)
    }

    /// The most memory there was in use, bytes.
    pub fn memory_peak(&self) -> Option<u64> {
        let old = self.memory.as_ref();
        let new = self.whole.as_ref();
        old.and_then(|l| l.number("memory.max_usage_in_bytes"))
            .or_else(|| new.and_then(|l| l.number("memory.peak")))
    }
}

fn leaf_name(worker: Identity) -> String {
    format!("crake-{}-{}", worker.pid, worker.start)
}

/// Removes the empty leaves of workers that are gone.
pub(in crate::process) fn sweep_leaves() {
    let read = |path: &str| fs::read_to_string(path).unwrap_or_default();
    let places = places(&read("/proc/self/mountinfo"), &read("/proc/self/cgroup"));
    for place in places.all() {
        let Ok(entries) = fs::read_dir(&place.base) else {
            continue;
        };
        for entry in entries.flatten() {
            let name = entry.file_name();
            if name
                .to_str()
                .and_then(worker_of)
                .is_some_and(|w| !w.exists())
            {
                // Only an empty group can be removed.
                let _ = fs::remove_dir(entry.path());
            }
        }
    }
}

/// Kills what is in the leaf of a worker that is gone.
pub(in crate::process) fn kill_leaf_of(worker: Identity) {
    let read = |path: &str| fs::read_to_string(path).unwrap_or_default();
    let places = places(&read("/proc/self/mountinfo"), &read("/proc/self/cgroup"));
    if let Some(place) = &places.whole
        && !worker.exists()
    {
        let dir: &Path = &place.base.join(leaf_name(worker));
        let _ = fs::write(dir.join("cgroup.kill"), "1");
    }
}

fn worker_of(name: &str) -> Option<Identity> {
    let (pid, start) = name.strip_prefix("crake-")?.split_once('-')?;
    Some(Identity {
        pid: pid.parse().ok()?,
        start: start.parse().ok()?,
    })
}
