//! The loop of a poller: it hears the core, hands out work, and sends what comes of it. It never
//! touches a driver, so whatever a source does, it comes round.

use std::collections::{BTreeSet, VecDeque};
use std::sync::Arc;
use std::sync::atomic::AtomicU8;

use rustix::event::{PollFd, PollFlags, poll};
use rustix::io::Errno;

use crate::clock::Clock;
use crate::daemon::core::timespec;
use crate::daemon::poller::ear::{Ears, Seed};
use crate::daemon::poller::message::{Acted, Answered, Beat, FromPoller, ToPoller};
use crate::daemon::poller::outgoing::Outgoing;
use crate::daemon::poller::postbox::{Post, Postbox};
use crate::daemon::poller::roster::{Instead, Roster, Work};
use crate::daemon::poller::work::Bench;
use crate::model::{Cell, Secret, Source};
use crate::process::frame::{Conn, Heard};
use crate::process::identity::burden;
use crate::source::{ErrorKind, PoolEvent, SourceError, Ticks, pool_of};

/// From one beat to the next, milliseconds.
const BEAT_MS: i64 = 1_000;

/// How often the pool is looked after, milliseconds: a leak is told so much after it is one.
const TEND_MS: i64 = 500;

/// How many threads there may be beside those that work: those left behind hang in a driver, and a
/// new process has none of them.
const LEFT_BEHIND: u64 = 64;

/// How long what is under way may take to stop at the end, milliseconds.
const LEAVE_MS: i64 = 1_500;

/// How many times the pool may be looked after at once: each time may hang while it closes something.
const TENDING: u32 = 4;

/// How the loop ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::daemon::poller) enum End {
    /// It was told to leave.
    Left,
    /// The core is gone, or says what cannot be read.
    Alone,
    /// Too many threads hang.
    WornOut,
}

/// The loop.
pub(in crate::daemon::poller) struct Desk {
    clock: Arc<dyn Clock>,
    conn: Conn,
    postbox: Postbox,
    bench: Option<Arc<Bench>>,
    ears: Ears,
    roster: Roster,
    outgoing: VecDeque<Outgoing>,
    heard: BTreeSet<String>,
    tending: u32,
    next_beat: i64,
    next_tending: i64,
    leaving: Option<(End, i64)>,
}

impl Desk {
    /// A loop over the connection to the core.
    pub fn new(conn: Conn, clock: Arc<dyn Clock>) -> std::io::Result<Desk> {
        Ok(Desk {
            next_beat: clock.now().mono,
            next_tending: clock.now().mono,
            clock,
            conn,
            postbox: Postbox::new()?,
            bench: None,
            ears: Ears::default(),
            roster: Roster::default(),
            outgoing: VecDeque::new(),
            heard: BTreeSet::new(),
            tending: 0,
            leaving: None,
        })
    }

    /// Goes on until it ends.
    pub fn run(&mut self) -> std::io::Result<End> {
        loop {
            let now = self.clock.now().mono;
            if let Some((end, until)) = self.leaving {
                let done = self.roster.under_way() == 0 && !self.has_to_send();
                if done || now >= until {
                    return Ok(end);
                }
            }
            if now >= self.next_beat && self.beat(now) {
                return Ok(End::WornOut);
            }
            if now >= self.next_tending {
                self.tend(now);
            }
            let mut unanswered = self.roster.late(now);
            if let Some(bench) = &self.bench {
                unanswered.extend(self.roster.hand_out(bench, &self.postbox, now));
            }
            for said in unanswered {
                self.say_instead(said);
            }
            self.send();
            self.wait(now)?;
            self.hear();
            for post in self.postbox.take() {
                self.take(post);
            }
        }
    }

    fn wait(&mut self, now: i64) -> std::io::Result<()> {
        let ends = self.leaving.map(|(_, until)| until);
        let next = self.roster.next_late().into_iter().chain(ends).min();
        let next = next.unwrap_or(i64::MAX);
        let left = next
            .min(self.next_beat)
            .min(self.next_tending)
            .saturating_sub(now)
            .max(1);
        let mut set = vec![PollFd::new(&self.postbox, PollFlags::IN)];
        let alone = matches!(self.leaving, Some((End::Alone, _)));
        if !alone {
            let out = match self.conn.wants_out() {
                true => PollFlags::OUT,
                false => PollFlags::empty(),
            };
            set.push(PollFd::new(&self.conn, PollFlags::IN | out));
        }
        match poll(&mut set, Some(&timespec(left))) {
            Ok(_) | Err(Errno::INTR) => Ok(()),
            Err(e) => Err(e.into()),
        }
    }

    /// Hears the core. Once the end of the connection is seen, everything is stopped.
    fn hear(&mut self) {
        loop {
            if matches!(self.leaving, Some((End::Alone, _))) {
                return;
            }
            match self.conn.listen() {
                Heard::Nothing => return,
                Heard::Closed => self.leave(End::Alone),
                Heard::Some => loop {
                    match self.conn.next_message::<ToPoller>() {
                        Ok(Some(message)) => self.obey(message),
                        Ok(None) => break,
                        Err(_) => {
                            self.leave(End::Alone);
                            break;
                        }
                    }
                },
            }
        }
    }

    fn obey(&mut self, message: ToPoller) {
        let since = self.clock.now().mono;
        match message {
            ToPoller::Open { source, secret } => self.open(*source, secret),
            ToPoller::Listen { channels } => {
                if let Some(bench) = &self.bench {
                    let seed = Seed {
                        source: bench.source.clone(),
                        secret: bench.secret.clone(),
                        clock: Arc::clone(&self.clock),
                        postbox: self.postbox.clone(),
                    };
                    self.ears.set(&channels, &seed);
                }
            }
            ToPoller::Ask { ask } => self.roster.add(Work::Ask(ask), since),
            ToPoller::Act { act } => self.roster.add(Work::Act(act), since),
            ToPoller::Leave => self.leave(End::Left),
            ToPoller::Unknown => {}
        }
    }

    fn open(&mut self, source: Source, secret: Option<Secret>) {
        if self.bench.is_some() {
            return;
        }
        let clock = Arc::clone(&self.clock);
        let ticks: Ticks = Arc::new(move || clock.now().mono);
        self.bench = Some(Arc::new(Bench {
            pool: pool_of(&source, secret.clone(), ticks.clone()),
            source,
            secret,
            ticks,
            snapshots: AtomicU8::new(0),
        }));
    }

    fn take(&mut self, post: Post) {
        match post {
            Post::Answered { ticket, rows, said } => {
                if self.roster.ended(ticket) {
                    self.say(rows, *said);
                }
            }
            Post::Acted { ticket, acted } => {
                if self.roster.ended(ticket) {
                    self.say_acted(acted);
                }
            }
            Post::Ear(number, said) => {
                if !self.ears.heard(number, &said) {
                    return;
                }
                match said {
                    FromPoller::Heard { channel } => drop(self.heard.insert(channel)),
                    said => self.tell(&said),
                }
            }
            Post::Tended(events) => {
                self.tending = self.tending.saturating_sub(1);
                for event in events {
                    let PoolEvent::Leak {
                        owner,
                        sql,
                        held_ms,
                        connection,
                    } = event;
                    self.tell(&FromPoller::Leak {
                        owner,
                        sql,
                        held_ms,
                        connection,
                    });
                }
            }
        }
    }

    fn say(&mut self, rows: Vec<Vec<Cell>>, said: Answered) {
        self.outgoing.push_back(Outgoing::new(rows, said));
    }

    fn say_instead(&mut self, instead: Instead) {
        match instead {
            Instead::Poll(said) => self.say(Vec::new(), said),
            Instead::Act(acted) => self.say_acted(acted),
        }
    }

    fn say_acted(&mut self, acted: Acted) {
        self.tell(&FromPoller::Acted { acted });
    }

    fn tell(&mut self, message: &FromPoller) {
        // All of these are short.
        let _ = self.conn.send(message);
    }

    fn has_to_send(&self) -> bool {
        let alone = matches!(self.leaving, Some((End::Alone, _)));
        !alone && (self.conn.wants_out() || !self.outgoing.is_empty())
    }

    /// Sends as much as the core takes. Answers stay here until then, so that beats are not behind
    /// all of them.
    fn send(&mut self) {
        self.conn.flush();
        for channel in std::mem::take(&mut self.heard) {
            self.tell(&FromPoller::Heard { channel });
        }
        while !self.conn.wants_out()
            && let Some(first) = self.outgoing.front_mut()
        {
            let Some(message) = first.next() else {
                self.outgoing.pop_front();
                continue;
            };
            if let (Err(e), FromPoller::Answered { answered }) = (self.conn.send(&message), message)
            {
                // The names of its columns are longer than a message.
                let error = SourceError::new(ErrorKind::TooLarge, e.to_string());
                self.tell(&FromPoller::Answered {
                    answered: Box::new(Answered {
                        poll: answered.poll,
                        error: Some(error),
                        ..Answered::default()
                    }),
                });
            }
        }
    }

    /// Says how it stands. Tells whether it had better end.
    fn beat(&mut self, now: i64) -> bool {
        self.next_beat = now + BEAT_MS;
        let Some(bench) = self.bench.clone() else {
            return false;
        };
        let own = i32::try_from(std::process::id()).unwrap_or(0);
        let (threads, rss) = burden(own).unwrap_or_default();
        let beat = Beat {
            gauges: bench.pool.gauges(),
            listening: self.ears.listening().clone(),
            under_way: u32::try_from(self.roster.len()).unwrap_or(u32::MAX),
            rss,
        };
        self.tell(&FromPoller::Beat { beat });
        // A command takes four threads, a channel that is being tried again two.
        let busy = 4 * self.roster.under_way() + 2 * self.ears.count();
        if threads > LEFT_BEHIND + busy as u64 || self.roster.is_worn_out(&bench) {
            return true;
        }
        false
    }

    /// Has the pool looked after, in a thread: closing a connection may take as long as it likes.
    fn tend(&mut self, now: i64) {
        self.next_tending = now + TEND_MS;
        let Some(bench) = self.bench.clone().filter(|_| self.tending < TENDING) else {
            return;
        };
        let postbox = self.postbox.clone();
        let thread = std::thread::Builder::new().name("crake-tend".to_owned());
        let tend = move || postbox.leave(Post::Tended(bench.pool.check(now)));
        self.tending += u32::from(thread.spawn(tend).is_ok());
    }

    /// Stops everything; the loop ends soon after.
    fn leave(&mut self, end: End) {
        let until = self.clock.now().mono + LEAVE_MS;
        let first = self.leaving.is_none();
        self.leaving = Some((end, until));
        if !first {
            return;
        }
        self.roster.forget_waiting();
        if let Some(bench) = self.bench.clone() {
            bench.pool.cancel_all();
            let thread = std::thread::Builder::new().name("crake-tend".to_owned());
            // Those not closed here are closed by the end of the process.
            let _ = thread.spawn(move || bench.pool.close_idle());
        }
    }
}
