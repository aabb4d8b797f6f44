//! The work of a poller: what waits, what a thread has, and what is said for threads that do not
//! come back.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::sync::Arc;

use crate::daemon::poller::hooks;
use crate::daemon::poller::message::{Act, Acted, Answered, Ask};
use crate::daemon::poller::postbox::{Post, Postbox};
use crate::daemon::poller::work::{self, Bench, out_of_time};
use crate::source::{ErrorKind, SourceError};

/// Work that may be under way beyond the connections there may be: it waits in the pool's line,
/// where waiting is counted and ends.
const BEYOND: usize = 8;

/// After so long beyond its time limit work is answered for by the loop, and its thread left behind.
const LATE_MS: i64 = 4_000;

/// A poll or an act.
pub(in crate::daemon::poller) enum Work {
    Ask(Ask),
    Act(Act),
}

/// What is said for work that nobody answers.
pub(in crate::daemon::poller) enum Instead {
    Poll(Answered),
    Act(Acted),
}

struct UnderWay {
    late_at: i64,
    instead: Instead,
}

/// All work.
#[derive(Default)]
pub(in crate::daemon::poller) struct Roster {
    waiting: VecDeque<(Work, i64)>,
    under_way: BTreeMap<u64, UnderWay>,
    /// Threads whose work was answered for, and which have not come back.
    left_behind: BTreeSet<u64>,
    tickets: u64,
}

impl Work {
    fn limit_ms(&self) -> i64 {
        match self {
            Work::Ask(ask) => ask.timeout_ms,
            Work::Act(act) => act.timeout_ms,
        }
    }

    fn instead(&self, error: SourceError, took_ms: i64) -> Instead {
        let error = Some(error);
        match self {
            Work::Ask(ask) => Instead::Poll(Answered {
                poll: ask.poll.0,
                took_ms,
                error,
                ..Answered::default()
            }),
            Work::Act(act) => Instead::Act(Acted {
                id: act.id,
                took_ms,
                error,
                ..Acted::default()
            }),
        }
    }

    fn hangs(&self) -> bool {
        matches!(self, Work::Ask(ask) if hooks::hangs(&ask.watch))
    }

    fn carry(self, bench: &Arc<Bench>, ticket: u64, since: i64) -> Post {
        match self {
            Work::Ask(ask) => {
                let (rows, said) = work::poll(bench, &ask, since);
                let said = Box::new(said);
                Post::Answered { ticket, rows, said }
            }
            Work::Act(act) => {
                let acted = work::act(bench, &act, since);
                Post::Acted { ticket, acted }
            }
        }
    }
}

impl Roster {
    /// Takes work that came at an instant.
    pub fn add(&mut self, work: Work, since: i64) {
        self.waiting.push_back((work, since));
    }

    /// How much there is, waiting or not.
    pub fn len(&self) -> usize {
        self.waiting.len() + self.under_way.len()
    }

    /// How much threads have.
    pub fn under_way(&self) -> usize {
        self.under_way.len()
    }

    /// Whether so many threads did not come back that a new process is better: one that starts
    /// nothing any more, or one that disturbs nobody by ending.
    pub fn is_worn_out(&self, bench: &Bench) -> bool {
        let left_behind = self.left_behind.len();
        let idle = self.under_way.is_empty() && left_behind >= BEYOND;
        idle || left_behind >= most(bench)
    }

    /// When the next is late.
    pub fn next_late(&self) -> Option<i64> {
        self.under_way.values().map(|u| u.late_at).min()
    }

    /// Drops what waits.
    pub fn forget_waiting(&mut self) {
        self.waiting.clear();
    }

    /// Gives threads to work that waits, as many as there may be. What has waited as long as one
    /// may wait for a connection is answered here, as is what gets no thread.
    pub fn hand_out(&mut self, bench: &Arc<Bench>, postbox: &Postbox, now: i64) -> Vec<Instead> {
        let limits = bench.source.limits;
        let most = most(bench);
        let mut unanswered = Vec::new();
        while self.under_way.len() + self.left_behind.len() < most
            && let Some((work, since)) = self.waiting.pop_front()
        {
            unanswered.extend(self.start(work, since, bench, postbox));
        }
        while let Some((_, since)) = self.waiting.front()
            && now - since > limits.acquire_ms
            && let Some((work, since)) = self.waiting.pop_front()
        {
            let message = format!(
                "no connection became free within {} ms: {}",
                limits.acquire_ms,
                bench.pool.use_in_words()
            );
            let error = SourceError::new(ErrorKind::Pool, message);
            unanswered.push(work.instead(error, now - since));
        }
        unanswered
    }

    fn start(
        &mut self,
        work: Work,
        since: i64,
        bench: &Arc<Bench>,
        postbox: &Postbox,
    ) -> Option<Instead> {
        self.tickets += 1;
        let ticket = self.tickets;
        let limit_ms = work.limit_ms();
        let hangs = work.hangs();
        let late_at = match hangs {
            true => i64::MAX,
            false => since.saturating_add(limit_ms).saturating_add(LATE_MS),
        };
        let instead = work.instead(out_of_time(limit_ms), limit_ms);
        let (bench, postbox) = (Arc::clone(bench), postbox.clone());
        let thread = std::thread::Builder::new().name("crake-poll".to_owned());
        let started = thread.spawn(move || {
            if hangs {
                hooks::hang();
            }
            postbox.leave(work.carry(&bench, ticket, since));
        });
        if started.is_err() {
            return Some(instead);
        }
        self.under_way.insert(ticket, UnderWay { late_at, instead });
        None
    }

    /// What is said for work whose thread should have come back.
    pub fn late(&mut self, now: i64) -> Vec<Instead> {
        let late: Vec<u64> = self
            .under_way
            .iter()
            .filter(|(_, u)| now >= u.late_at)
            .map(|(ticket, _)| *ticket)
            .collect();
        self.left_behind.extend(&late);
        let gone = late.into_iter().filter_map(|t| self.under_way.remove(&t));
        gone.map(|u| u.instead).collect()
    }

    /// A thread came back. Says whether its work was not answered for.
    pub fn ended(&mut self, ticket: u64) -> bool {
        self.left_behind.remove(&ticket);
        self.under_way.remove(&ticket).is_some()
    }
}

fn most(bench: &Bench) -> usize {
    bench.source.limits.max.max(1) as usize + BEYOND
}
