//! Ends what a process started and left behind, by its session.

use rustix::process::Signal;

use crate::process::identity::stat;
use crate::process::tree::{everyone, signal_if};

/// Looks until nobody is found; a single one can miss a process that forks while we read.
const LOOKS: u32 = 5;

/// Kills every other process of the session that a process leads. That process must be there, if
/// only as a zombie: for as long as it is, no other has its number. Says whether nobody was left.
pub fn end_session(leader: i32) -> bool {
    for _ in 0..LOOKS {
        let belongs = |pid: &i32| {
            *pid != leader
                && stat(*pid).is_some_and(|s| s.session == leader && !matches!(s.state, 'Z' | 'X'))
        };
        let left: Vec<i32> = everyone().into_iter().filter(belongs).collect();
        if left.is_empty() {
            return true;
        }
        for pid in left {
            signal_if(pid, Signal::KILL, || belongs(&pid));
        }
    }
    false
}
