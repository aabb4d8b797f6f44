//! The books of a pool: which connection is where, since when, and who has it. Only arithmetic; the
//! connections are whatever the caller has, and the time is what the caller says.

use std::collections::{BTreeMap, VecDeque};

use serde::{Deserialize, Serialize};

use crate::model::PoolLimits;

/// How much longer than its time limit a connection may be held before it counts as leaked.
pub(in crate::source) const LEAK_GRACE_MS: i64 = 5_000;

/// The figures of a pool. Counts begin with the pool and never go back.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Gauges {
    /// Connections there are, those being opened among them.
    pub size: u32,
    /// Connections that wait to be used.
    pub idle: u32,
    /// Connections that are out or being opened.
    pub in_use: u32,
    /// Callers that wait for a connection now.
    pub waiters: u32,
    /// The longest that anybody waited for a connection, milliseconds; those that wait now count.
    pub longest_wait_ms: i64,
    /// How often nobody gave one back in time.
    pub acquire_timeouts: u64,
    /// Connections opened.
    pub opened: u64,
    /// Connections closed, lost ones among them.
    pub closed: u64,
    /// Connections that no longer answered when they were tried.
    pub ping_failures: u64,
    /// Connections held too long and given up.
    pub leaks: u64,
}

/// Something of a pool worth telling.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum PoolEvent {
    /// A connection was held longer than its time limit and the grace; it is closed, not used
    /// again, and its place is free.
    Leak {
        /// Who took it.
        owner: String,
        /// For what.
        sql: String,
        /// How long it has been out, milliseconds.
        held_ms: i64,
        /// The server's number for it.
        connection: String,
    },
}

/// A connection that waits to be used.
pub(in crate::source) struct Idle<C> {
    pub conn: C,
    pub born: Born,
    pub since: i64,
}

/// When a connection was opened and how long it may live.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::source) struct Born {
    pub at: i64,
    pub lifetime_ms: i64,
}

impl Born {
    fn is_old(self, now: i64) -> bool {
        now - self.at >= self.lifetime_ms
    }
}

/// A connection that is out.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(in crate::source) struct Held {
    pub owner: String,
    pub sql: String,
    pub since: i64,
    pub limit_ms: i64,
    pub connection: String,
}

/// What a caller gets who asks for a connection.
pub(in crate::source) enum Taken<C> {
    /// This one; with `true` it was idle for long and must be tried first.
    Idle(u64, Idle<C>, bool),
    /// The right to open one.
    Open(u64),
    /// None yet.
    Wait,
}

/// The books. A ticket names a connection that is out, and a caller that waits.
pub(in crate::source) struct Books<C> {
    limits: PoolLimits,
    idle: Vec<Idle<C>>,
    out: BTreeMap<u64, Held>,
    waiting: VecDeque<(u64, i64)>,
    tickets: u64,
    gauges: Gauges,
}

impl<C> Books<C> {
    /// Books without a connection.
    pub fn new(limits: PoolLimits) -> Books<C> {
        let max = limits.max.max(1);
        Books {
            limits: PoolLimits { max, ..limits },
            idle: Vec::new(),
            out: BTreeMap::new(),
            waiting: VecDeque::new(),
            tickets: 0,
            gauges: Gauges::default(),
        }
    }

    /// The limits.
    pub fn limits(&self) -> PoolLimits {
        self.limits
    }

    /// Puts a caller at the end of the line; gives its ticket.
    pub fn queue(&mut self, now: i64) -> u64 {
        self.tickets += 1;
        self.waiting.push_back((self.tickets, now));
        self.tickets
    }

    /// Gives the caller with this ticket a connection, if one is free and nobody came before it.
    pub fn take(&mut self, ticket: u64, held: Held, now: i64) -> Taken<C> {
        let ahead = self.waiting.iter().position(|(t, _)| *t == ticket);
        let free = self.limits.max as usize - self.out.len().min(self.limits.max as usize);
        if ahead.is_none_or(|ahead| ahead >= free) {
            return Taken::Wait;
        }
        let since = self.leave_line(ticket).unwrap_or(now);
        self.gauges.longest_wait_ms = self.gauges.longest_wait_ms.max(now - since);
        self.out.insert(ticket, held);
        // The last one used is taken first, so that those not needed grow idle and are closed.
        match self.idle.pop() {
            Some(idle) => {
                let try_first = now - idle.since >= self.limits.ping_idle_ms;
                Taken::Idle(ticket, idle, try_first)
            }
            None => Taken::Open(ticket),
        }
    }

    fn leave_line(&mut self, ticket: u64) -> Option<i64> {
        let place = self.waiting.iter().position(|(t, _)| *t == ticket)?;
        self.waiting.remove(place).map(|(_, since)| since)
    }

    /// A caller stops waiting.
    pub fn give_up(&mut self, ticket: u64, now: i64) {
        if let Some(since) = self.leave_line(ticket) {
            self.gauges.acquire_timeouts += 1;
            self.gauges.longest_wait_ms = self.gauges.longest_wait_ms.max(now - since);
        }
    }

    /// A connection was opened for a ticket; gives its times. Those opened together must not end
    /// together: the n-th lives up to a tenth more or less, spread by the golden ratio.
    pub fn opened(&mut self, now: i64) -> Born {
        self.gauges.opened += 1;
        let step = i64::try_from(self.gauges.opened.wrapping_mul(618) % 1000).unwrap_or(0);
        let tenth = self.limits.lifetime_ms / 10;
        Born {
            at: now,
            lifetime_ms: self.limits.lifetime_ms - tenth + tenth * 2 * step / 1000,
        }
    }

    /// Says which connection a ticket has.
    pub fn name(&mut self, ticket: u64, connection: &str) {
        if let Some(held) = self.out.get_mut(&ticket) {
            held.connection = connection.to_owned();
        }
    }

    /// Says for what and for how long a ticket is held from now on.
    pub fn relabel(&mut self, ticket: u64, sql: &str, limit_ms: i64, now: i64) {
        if let Some(held) = self.out.get_mut(&ticket) {
            held.sql = sql.to_owned();
            held.limit_ms = limit_ms;
            held.since = now;
        }
    }

    /// The connection did not answer when it was tried: it is closed, the ticket keeps its place.
    pub fn failed_ping(&mut self) {
        self.gauges.ping_failures += 1;
        self.gauges.closed += 1;
    }

    /// Who holds connections and for how long, the longest first.
    pub fn holders(&self, now: i64) -> Vec<(String, i64)> {
        let held = self.out.values().map(|h| (h.owner.clone(), now - h.since));
        let mut held: Vec<(String, i64)> = held.collect();
        held.sort_by_key(|(_, ms)| std::cmp::Reverse(*ms));
        held
    }

    /// None could be opened: the place is free again.
    pub fn not_opened(&mut self, ticket: u64) {
        self.out.remove(&ticket);
    }

    /// Takes a connection back; gives it out again if it must be closed: broken, old, or given up
    /// as leaked long ago.
    pub fn give_back(
        &mut self,
        ticket: u64,
        conn: C,
        born: Born,
        gone: bool,
        now: i64,
    ) -> Option<C> {
        let known = self.out.remove(&ticket).is_some();
        if known && !gone && !born.is_old(now) {
            let since = now;
            self.idle.push(Idle { conn, born, since });
            return None;
        }
        if known {
            self.gauges.closed += 1;
        }
        Some(conn)
    }

    /// A connection that will not come back.
    pub fn lost(&mut self, ticket: u64) {
        if self.out.remove(&ticket).is_some() {
            self.gauges.closed += 1;
        }
    }

    /// A connection that is given up because its query could not be stopped: a leak told by whoever
    /// held it.
    pub fn abandoned(&mut self, ticket: u64, now: i64) -> Option<PoolEvent> {
        let held = self.out.remove(&ticket)?;
        self.gauges.leaks += 1;
        self.gauges.closed += 1;
        Some(leak(held, now))
    }

    /// Idle connections that were not used for long enough, or are too old.
    pub fn expired(&mut self, now: i64) -> Vec<C> {
        let idle_ms = self.limits.idle_ms;
        let (gone, kept) = std::mem::take(&mut self.idle)
            .into_iter()
            .partition(|i| now - i.since >= idle_ms || i.born.is_old(now));
        self.idle = kept;
        let gone: Vec<Idle<C>> = gone;
        self.gauges.closed += gone.len() as u64;
        gone.into_iter().map(|i| i.conn).collect()
    }

    /// All idle connections, because one of them was found broken.
    pub fn drain(&mut self) -> Vec<C> {
        self.gauges.closed += self.idle.len() as u64;
        std::mem::take(&mut self.idle)
            .into_iter()
            .map(|i| i.conn)
            .collect()
    }

    /// The tickets whose connection is held too long, with what to tell of each. Their places are
    /// free from now on.
    pub fn leaked(&mut self, now: i64) -> Vec<(u64, PoolEvent)> {
        let over = |held: &Held| now - held.since > held.limit_ms + LEAK_GRACE_MS;
        let tickets: Vec<u64> = self
            .out
            .iter()
            .filter(|(_, held)| over(held))
            .map(|(ticket, _)| *ticket)
            .collect();
        tickets
            .into_iter()
            .filter_map(|t| Some((t, self.abandoned(t, now)?)))
            .collect()
    }

    /// The figures.
    pub fn gauges(&self, now: i64) -> Gauges {
        let count = |n: usize| u32::try_from(n).unwrap_or(u32::MAX);
        let waits = self.waiting.iter().map(|(_, since)| now - since);
        Gauges {
            size: count(self.idle.len() + self.out.len()),
            idle: count(self.idle.len()),
            in_use: count(self.out.len()),
            waiters: count(self.waiting.len()),
            longest_wait_ms: waits.max().unwrap_or(0).max(self.gauges.longest_wait_ms),
            ..self.gauges
        }
    }
}

fn leak(held: Held, now: i64) -> PoolEvent {
    PoolEvent::Leak {
        owner: held.owner,
        sql: held.sql,
        held_ms: now - held.since,
        connection: held.connection,
    }
}
