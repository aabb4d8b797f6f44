//! Which of our processes the kernel ends first when memory runs out: the jobs, never those that
//! keep time or watch over a run.

use std::fs;

const FILE: &str = "/proc/self/oom_score_adj";
/// Low enough that everything else goes first; the very lowest would forbid it altogether.
const SHIELDED: i32 = -900;

/// Puts this process and what it starts from now on behind all others. Only root may; for everybody
/// else it changes nothing.
pub fn shield() {
    if current().is_some_and(|adj| adj > SHIELDED) {
        let _ = fs::write(FILE, SHIELDED.to_string());
    }
}

/// Starts something that is not to be shielded as we are.
pub(in crate::process) fn unshielded<T>(start: impl FnOnce() -> T) -> T {
    let Some(adj) = current().filter(|adj| *adj < 0) else {
        return start();
    };
    let _ = fs::write(FILE, "0");
    let started = start();
    let _ = fs::write(FILE, adj.to_string());
    started
}

fn current() -> Option<i32> {
    fs::read_to_string(FILE).ok()?.trim().parse().ok()
}
