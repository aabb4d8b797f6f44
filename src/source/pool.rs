//! A pool of connections to one source, whose every connection has an owner and an age.

use std::collections::BTreeMap;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use crate::model::PoolLimits;
use crate::source::books::{Books, Born, Gauges, Held, PoolEvent, Taken};
use crate::source::bounded::{aside, run_bounded};
use crate::source::error::{ErrorKind, Result, SourceError};
use crate::source::query::{Answer, Canceller, Connection, Query};

/// A clock that only goes forward, milliseconds.
pub type Ticks = Arc<dyn Fn() -> i64 + Send + Sync>;

/// Opens a connection for an owner.
pub type Open<C> = Box<dyn Fn(&str) -> Result<C> + Send + Sync>;

/// How many of those that hold a connection are named.
const HOLDERS: usize = 8;

/// A pool of connections. Clones are the same pool.
pub struct Pool<C: Connection + 'static> {
    shared: Arc<Shared<C>>,
}

impl<C: Connection + 'static> Clone for Pool<C> {
    fn clone(&self) -> Pool<C> {
        Pool {
            shared: self.shared.clone(),
        }
    }
}

struct Shared<C> {
    open: Open<C>,
    ticks: Ticks,
    state: Mutex<State<C>>,
    freed: Condvar,
}

struct State<C> {
    books: Books<C>,
    stops: BTreeMap<u64, Arc<dyn Canceller>>,
    events: Vec<PoolEvent>,
}

impl<C> Shared<C> {
    /// The books stay whole where a thread panicked: each change of them is one call.
    fn lock(&self) -> MutexGuard<'_, State<C>> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn now(&self) -> i64 {
        (self.ticks)()
    }
}

impl<C: Connection + 'static> Pool<C> {
    /// A pool without a connection; they are opened as they are needed.
    pub fn new(limits: PoolLimits, ticks: Ticks, open: Open<C>) -> Pool<C> {
        let state = State {
            books: Books::new(limits),
            stops: BTreeMap::new(),
            events: Vec::new(),
        };
        Pool {
            shared: Arc::new(Shared {
                open,
                ticks,
                state: Mutex::new(state),
                freed: Condvar::new(),
            }),
        }
    }

    /// Asks through the next free connection. One that is found broken when nothing has happened on
    /// it yet is replaced once, for a query that only reads.
    ///
    /// # Errors
    /// Those of the query; `pool` where no connection became free in time.
    pub fn run(&self, query: &Query) -> Result<Answer> {
        let begin = self.shared.now();
        let limit = query.timeout_ms;
        let mut checkout = self.checkout(&query.owner, &query.sql, limit)?;
        let wait_ms = self.shared.now() - begin;
        let reused = checkout.reused;
        let mut answer = checkout.query(query);
        drop(checkout);
        let gone = matches!(&answer, Err(e) if e.kind == ErrorKind::Gone);
        if gone && reused {
            // The server was most likely restarted: the others are broken as well.
            self.close_idle();
            if !query.write {
                answer = self.checkout(&query.owner, &query.sql, limit)?.query(query);
            }
        }
        answer.map(|answer| Answer { wait_ms, ..answer })
    }

    /// Takes a connection, opening one where there is room; waits for one in turn where there is
    /// none. `sql` is what is shown of it, `limit_ms` how long it will be held at most.
    ///
    /// # Errors
    /// `pool` where none became free in time, with who holds them; those of opening one.
    pub fn checkout(&self, owner: &str, sql: &str, limit_ms: i64) -> Result<Checkout<C>> {
        let begin = self.shared.now();
        let mut state = self.shared.lock();
        let ticket = state.books.queue(begin);
        let acquire_ms = state.books.limits().acquire_ms;
        let taken = loop {
            let now = self.shared.now();
            let held = Held {
                owner: owner.to_owned(),
                sql: sql.to_owned(),
                since: now,
                limit_ms,
                connection: String::new(),
            };
            match state.books.take(ticket, held, now) {
                Taken::Wait => {}
                taken => break taken,
            }
            let left = acquire_ms - (now - begin);
            if left <= 0 {
                state.books.give_up(ticket, now);
                drop(state);
                // Whoever was behind in the line may be the first now.
                self.shared.freed.notify_all();
                return Err(self.exhausted(acquire_ms));
            }
            let left = Duration::from_millis(u64::try_from(left).unwrap_or(0));
            let waited = self.shared.freed.wait_timeout(state, left);
            state = waited.unwrap_or_else(PoisonError::into_inner).0;
        };
        drop(state);
        self.shared.freed.notify_all();
        self.ready(taken, owner)
    }

    /// Tries an idle connection that must be tried, opens one where there is none.
    fn ready(&self, taken: Taken<C>, owner: &str) -> Result<Checkout<C>> {
        let (ticket, kept) = match taken {
            Taken::Idle(ticket, mut idle, try_first) => {
                if !try_first || (!idle.conn.is_gone() && idle.conn.ping().is_ok()) {
                    (ticket, Some((idle.conn, idle.born)))
                } else {
                    // Some drivers wait here for the answer that did not come.
                    aside(move || drop(idle));
                    self.shared.lock().books.failed_ping();
                    (ticket, None)
                }
            }
            Taken::Open(ticket) => (ticket, None),
            Taken::Wait => return Err(SourceError::new(ErrorKind::Pool, "no connection")),
        };
        let reused = kept.is_some();
        let (conn, born) = match kept {
            Some(kept) => kept,
            None => match (self.shared.open)(owner) {
                Ok(conn) => {
                    let now = self.shared.now();
                    (conn, self.shared.lock().books.opened(now))
                }
                Err(e) => {
                    self.shared.lock().books.not_opened(ticket);
                    self.shared.freed.notify_all();
                    return Err(e);
                }
            },
        };
        let mut state = self.shared.lock();
        state.books.name(ticket, &conn.id());
        state.stops.insert(ticket, conn.canceller());
        drop(state);
        Ok(Checkout {
            pool: self.clone(),
            ticket,
            conn: Some(conn),
            born,
            reused,
        })
    }

    /// How many connections are in use and by whom, for people.
    pub fn use_in_words(&self) -> String {
        let now = self.shared.now();
        let state = self.shared.lock();
        let holders = state.books.holders(now);
        let most = state.books.limits().max;
        let mut text = format!("{} of {most} are in use", holders.len());
        for (n, (owner, ms)) in holders.iter().take(HOLDERS).enumerate() {
            let comma = if n == 0 { ", by" } else { "," };
            text.push_str(&format!("{comma} {owner} for {ms} ms"));
        }
        if holders.len() > HOLDERS {
            text.push_str(" and others");
        }
        text
    }

    fn exhausted(&self, acquire_ms: i64) -> SourceError {
        let message = format!(
            "no connection became free within {acquire_ms} ms: {}",
            self.use_in_words()
        );
        SourceError::new(ErrorKind::Pool, message)
            .hint("give the source more connections with --pool-max, or its queries shorter limits")
    }

    /// Closes what was idle for too long or is too old, gives up what is held too long, and tells
    /// what is worth telling. To be called every second or so.
    pub fn check(&self, now: i64) -> Vec<PoolEvent> {
        let mut state = self.shared.lock();
        let expired = state.books.expired(now);
        let leaked = state.books.leaked(now);
        let stops: Vec<Arc<dyn Canceller>> = leaked
            .iter()
            .filter_map(|(ticket, _)| state.stops.remove(ticket))
            .collect();
        let mut events = std::mem::take(&mut state.events);
        drop(state);
        // Closing may wait for a server: nobody else waits for that.
        drop(expired);
        if !leaked.is_empty() {
            self.shared.freed.notify_all();
        }
        for stop in stops {
            aside(move || stop.close());
        }
        events.extend(leaked.into_iter().map(|(_, event)| event));
        events
    }

    /// Asks every connection that is out to stop what it does, without waiting for that.
    pub fn cancel_all(&self) {
        let stops: Vec<_> = self.shared.lock().stops.values().cloned().collect();
        for stop in stops {
            aside(move || stop.cancel());
        }
    }

    /// Closes the connections nobody uses.
    pub fn close_idle(&self) {
        let idle = self.shared.lock().books.drain();
        if !idle.is_empty() {
            // Closing may wait for a server that is not there any more.
            aside(move || drop(idle));
        }
    }

    /// The figures.
    pub fn gauges(&self) -> Gauges {
        let now = self.shared.now();
        self.shared.lock().books.gauges(now)
    }
}

/// A connection taken from a pool; dropped, it goes back.
pub struct Checkout<C: Connection + 'static> {
    pool: Pool<C>,
    ticket: u64,
    conn: Option<C>,
    born: Born,
    reused: bool,
}

impl<C: Connection + 'static> Checkout<C> {
    /// Whether the connection was used before, and so may have broken meanwhile.
    pub fn is_reused(&self) -> bool {
        self.reused
    }

    /// Asks, within the time limit of the query. A checkout whose query could not be stopped has
    /// no connection any more.
    ///
    /// # Errors
    /// Those of the query.
    pub fn query(&mut self, query: &Query) -> Result<Answer> {
        let Some(conn) = self.conn.take() else {
            return Err(SourceError::gone("it was left behind by an earlier query"));
        };
        let shared = &self.pool.shared;
        let begin = shared.now();
        let mut state = shared.lock();
        state
            .books
            .relabel(self.ticket, &query.sql, query.timeout_ms, begin);
        drop(state);
        let (conn, answer) = run_bounded(conn, query);
        let end = shared.now();
        if conn.is_none() {
            let mut state = shared.lock();
            state.stops.remove(&self.ticket);
            let event = state.books.abandoned(self.ticket, end);
            state.events.extend(event);
            drop(state);
            shared.freed.notify_all();
        }
        self.conn = conn;
        answer.map(|answer| Answer {
            took_ms: end - begin,
            ..answer
        })
    }
}

impl<C: Connection + 'static> Drop for Checkout<C> {
    fn drop(&mut self) {
        let shared = &self.pool.shared;
        let now = shared.now();
        let mut state = shared.lock();
        state.stops.remove(&self.ticket);
        let close = match self.conn.take() {
            Some(conn) => {
                let gone = conn.is_gone();
                state
                    .books
                    .give_back(self.ticket, conn, self.born, gone, now)
            }
            None => {
                state.books.lost(self.ticket);
                None
            }
        };
        drop(state);
        drop(close);
        shared.freed.notify_all();
    }
}
