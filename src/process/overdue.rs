//! The second line: a worker that does not end its run in time is ended itself, with all it started.
//!
//! A worker keeps its run's limits alone. One that is stopped, or hangs, keeps none; the core then
//! waits for as long as a healthy one could need, and some seconds more.

use rustix::process::Signal;

use crate::process::dirs::refuge_of;
use crate::process::identity::{Identity, stat};
use crate::process::ledger::Limit;
use crate::process::place::Use;
use crate::process::pool::Pool;
use crate::process::tree::{descendants, signal_if};

/// What is waited beyond the limit and the grace, milliseconds: a healthy worker gives up what it
/// cannot kill after five seconds.
const SPARE_MS: i64 = 15_000;
/// Rounds of killing below a worker that does nothing itself. Its tree cannot hide from them: who
/// loses its parent is handed to the worker, for it lives.
const ROUNDS: u32 = 200;

/// How long the core waits for the end of a run.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(in crate::process) struct Patience {
    limit: Option<Limit>,
    /// Since when the limit is known to have passed (monotonic clock): what the host slept through
    /// is no time in which a worker could have acted.
    passed_at: Option<i64>,
}

impl Patience {
    /// For a run with this limit; without one it is never over.
    pub fn with(limit: Option<Limit>) -> Patience {
        Patience {
            limit,
            passed_at: None,
        }
    }

    /// It is to end now, with this grace.
    pub fn end_now(&mut self, now_boot: i64, grace_ms: i64) {
        if self.limit.is_none_or(|limit| limit.by > now_boot) {
            *self = Patience::with(Some(Limit {
                by: now_boot,
                grace_ms,
            }));
        }
    }

    /// Milliseconds until there is something to look at; none or less where it is over.
    fn left(&mut self, now_boot: i64, now_mono: i64) -> Option<i64> {
        let limit = self.limit?;
        if now_boot < limit.by {
            return Some(limit.by - now_boot);
        }
        let passed_at = *self.passed_at.get_or_insert(now_mono);
        let most = limit.grace_ms.max(0).saturating_add(SPARE_MS);
        Some(passed_at.saturating_add(most) - now_mono)
    }
}

impl Pool {
    /// Ends the workers that are overdue. Gives the milliseconds until the next may be.
    pub(in crate::process) fn end_the_overdue(&mut self) -> Option<i64> {
        let now = self.clock.now();
        let mut next = None;
        let mut overdue = Vec::new();
        // A worker that waits for a disk that does not answer is not to blame for it.
        let disk_hangs = self.refuge.is_some();
        for (number, place) in &mut self.places {
            if disk_hangs && refuge_of(*number).is_none() {
                continue;
            }
            if !matches!(place.used, Use::Busy(_)) || !place.lives {
                continue;
            }
            match place.patience.left(now.boot, now.mono) {
                Some(..=0) => overdue.push(*number),
                Some(left) => next = Some(next.map_or(left, |n: i64| n.min(left))),
                None => {}
            }
        }
        for number in overdue {
            if let Some(place) = self.places.get_mut(&number) {
                place.patience = Patience::default();
                place.put_down = true;
            }
            if let Some(worker) = self.entries(number).ok().and_then(|e| e.worker) {
                put_down(worker);
            }
        }
        next
    }
}

fn put_down(worker: Identity) {
    let alive = |pid: &i32| stat(*pid).is_some_and(|s| s.state != 'Z');
    for _ in 0..ROUNDS {
        if !worker.exists() {
            return;
        }
        let below = descendants(worker.pid);
        let living: Vec<(i32, i32)> = below.into_iter().filter(|(pid, _)| alive(pid)).collect();
        if living.is_empty() {
            break;
        }
        for (pid, parent) in living {
            let still_its_child = || stat(pid).is_some_and(|s| s.parent == parent);
            signal_if(pid, Signal::KILL, still_its_child);
        }
    }
    signal_if(worker.pid, Signal::KILL, || worker.exists());
}

#[cfg(test)]
mod tests {
    use crate::process::ledger::Limit;
    use crate::process::overdue::Patience;

    #[test]
    fn what_the_host_slept_through_is_no_time_to_act_in() {
        let limit = Limit {
            by: 1_000,
            grace_ms: 10_000,
        };
        let mut patience = Patience::with(Some(limit));
        assert_eq!(patience.left(400, 400), Some(600));
        // It slept for hours, past the limit: the worker gets all of its time from here.
        assert_eq!(patience.left(9_000_000, 500), Some(25_000));
        assert_eq!(patience.left(9_010_000, 10_500), Some(15_000));
        assert_eq!(patience.left(9_025_000, 25_500), Some(0));
        assert_eq!(Patience::with(None).left(9_000_000, 1), None);
    }

    #[test]
    fn being_told_to_end_makes_the_wait_shorter_never_longer() {
        let mut patience = Patience::with(None);
        patience.end_now(100, 0);
        assert_eq!(patience.left(100, 7), Some(15_000));
        patience.end_now(5_000, 60_000);
        assert_eq!(patience.left(5_000, 4_907), Some(10_100));
    }
}
