//! Who descends from whom, and signals that reach exactly those meant.

use std::fs;
use std::os::unix::fs::MetadataExt;

use rustix::process::{Pid, PidfdFlags, Signal, pidfd_open, pidfd_send_signal};

use crate::process::identity::stat;

/// The children of a process, those of all its threads.
pub(in crate::process) fn children(pid: i32) -> Vec<i32> {
    let Ok(tasks) = fs::read_dir(format!("/proc/{pid}/task")) else {
        return Vec::new();
    };
    let mut found = Vec::new();
    for task in tasks.flatten() {
        match fs::read_to_string(task.path().join("children")) {
            Ok(text) => found.extend(text.split_ascii_whitespace().filter_map(parse)),
            // A kernel without CONFIG_PROC_CHILDREN; a thread that ended meanwhile looks the same
            // and costs a scan.
            Err(_) => return children_by_scan(pid),
        }
    }
    found
}

fn children_by_scan(parent: i32) -> Vec<i32> {
    let is_child = |pid: &i32| stat(*pid).is_some_and(|s| s.parent == parent);
    everyone().into_iter().filter(is_child).collect()
}

/// Every process there is.
pub(in crate::process) fn everyone() -> Vec<i32> {
    let Ok(entries) = fs::read_dir("/proc") else {
        return Vec::new();
    };
    let names = entries
        .flatten()
        .filter_map(|e| e.file_name().into_string().ok());
    names.filter_map(|name| parse(&name)).collect()
}

fn parse(text: &str) -> Option<i32> {
    text.parse().ok()
}

/// All descendants of a process with the parent each was found under, parents first.
pub(in crate::process) fn descendants(root: i32) -> Vec<(i32, i32)> {
    let mut found: Vec<(i32, i32)> = children(root).into_iter().map(|pid| (pid, root)).collect();
    let mut next = 0;
    // Processes come and go while we look; the bound keeps a fork storm from keeping us here.
    while next < found.len() && found.len() < 100_000 {
        let parent = found[next].0;
        found.extend(children(parent).into_iter().map(|pid| (pid, parent)));
        next += 1;
    }
    found
}

/// Sends a signal to `pid` if `is_meant` still holds once the process can no longer be mistaken for
/// a later one with the same number.
pub(in crate::process) fn signal_if(pid: i32, signal: Signal, is_meant: impl Fn() -> bool) -> bool {
    let Some(pid) = Pid::from_raw(pid) else {
        return false;
    };
    let Ok(pidfd) = pidfd_open(pid, PidfdFlags::empty()) else {
        return false;
    };
    is_meant() && pidfd_send_signal(&pidfd, signal).is_ok()
}

/// Processes and threads of a user.
pub(in crate::process) fn tasks_of(uid: u32) -> u64 {
    let owned =
        |pid: &i32| fs::metadata(format!("/proc/{pid}")).is_ok_and(|meta| meta.uid() == uid);
    let pids = everyone().into_iter().filter(owned);
    pids.filter_map(stat).map(|s| s.threads).sum()
}
