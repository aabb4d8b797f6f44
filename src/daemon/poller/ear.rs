//! Threads of a poller that listen: to a channel of PostgreSQL, or for commits into a file.

use std::collections::{BTreeMap, BTreeSet};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, mpsc};
use std::time::Duration;

use crate::clock::Clock;
use crate::daemon::poller::message::FromPoller;
use crate::daemon::poller::postbox::{Post, Postbox};
use crate::model::{Secret, Source, SourceEngine};
use crate::schedule::UnixMs;
use crate::source::{ChangeProbe, ErrorKind, Heard, Listener, Result, SourceError, read_password};

/// The one channel that a file of SQLite has.
const COMMITS: &str = "data_version";

/// How often a file is looked at, milliseconds; and how often after [`CALM_MS`] without a change.
const PROBE_MS: i64 = 50;
const PROBE_CALM_MS: i64 = 200;
const CALM_MS: i64 = 60_000;

/// How long a connection may be quiet before the server is asked whether it is still there.
const PING_MS: i64 = 20_000;

/// How long logging in may take.
const OPEN_MS: i64 = 12_000;

/// The pause before the first try to listen again, and the longest.
const PAUSE_MS: i64 = 100;
const LONGEST_PAUSE_MS: i64 = 30_000;

/// After so long a connection that breaks is tried again as soon as at first.
const STEADY_MS: i64 = 10_000;

/// How soon an ear notices that it is not needed any more.
const SLICE_MS: i64 = 500;

/// Notifications that make one, where they come faster than they are told.
const AT_ONCE: usize = 10_000;

/// All ears of a poller.
#[derive(Default)]
pub(in crate::daemon::poller) struct Ears {
    open: BTreeMap<String, (u64, Arc<AtomicBool>)>,
    made: u64,
    listening: BTreeSet<String>,
}

impl Ears {
    /// Has exactly these channels listened to.
    pub fn set(&mut self, channels: &BTreeSet<String>, seed: &Seed) {
        self.open.retain(|channel, (_, unwanted)| {
            let kept = channels.contains(channel);
            unwanted.store(!kept, Ordering::Relaxed);
            kept
        });
        self.listening.retain(|channel| channels.contains(channel));
        for channel in channels {
            if self.open.contains_key(channel) {
                continue;
            }
            self.made += 1;
            let unwanted = Arc::new(AtomicBool::new(false));
            let ear = Ear {
                number: self.made,
                channel: channel.clone(),
                seed: seed.clone(),
                unwanted: Arc::clone(&unwanted),
            };
            let thread = std::thread::Builder::new().name("crake-ear".to_owned());
            // Without room for a thread the timer has to do; the next set of channels tries again.
            if thread.spawn(move || ear.run()).is_ok() {
                self.open.insert(channel.clone(), (self.made, unwanted));
            }
        }
    }

    /// Whether what an ear said still counts; then it is taken note of.
    pub fn heard(&mut self, number: u64, said: &FromPoller) -> bool {
        let current = |channel: &String| self.open.get(channel).is_some_and(|(n, _)| *n == number);
        match said {
            FromPoller::Heard { channel } => current(channel),
            FromPoller::Listening { channel, .. } if current(channel) => {
                self.listening.insert(channel.clone());
                true
            }
            FromPoller::Deaf { channel, .. } if current(channel) => {
                self.listening.remove(channel);
                true
            }
            _ => false,
        }
    }

    /// How many there are.
    pub fn count(&self) -> usize {
        self.open.len()
    }

    /// The channels that are listened to at present.
    pub fn listening(&self) -> &BTreeSet<String> {
        &self.listening
    }
}

/// What every ear needs.
#[derive(Clone)]
pub(in crate::daemon::poller) struct Seed {
    pub source: Source,
    pub secret: Option<Secret>,
    pub clock: Arc<dyn Clock>,
    pub postbox: Postbox,
}

struct Ear {
    number: u64,
    channel: String,
    seed: Seed,
    unwanted: Arc<AtomicBool>,
}

impl Ear {
    fn run(&self) {
        let mut pause = PAUSE_MS;
        let mut deaf_since: Option<UnixMs> = None;
        while !self.unwanted() {
            let begin = self.seed.clock.now();
            let mut proof = begin.wall;
            let listened = catch_unwind(AssertUnwindSafe(|| {
                self.listen(&mut deaf_since, &mut proof)
            }));
            let error = match listened {
                Ok(Ok(())) => return,
                Ok(Err(error)) => error,
                Err(_) => SourceError::new(ErrorKind::Gone, "the driver failed"),
            };
            if deaf_since.is_none() {
                deaf_since = Some(proof);
                let hopeless = error.kind == ErrorKind::Config;
                self.tell(FromPoller::Deaf {
                    channel: self.channel.clone(),
                    since: proof,
                    error,
                });
                if hopeless && self.seed.source.engine != SourceEngine::Postgres {
                    return;
                }
            }
            if self.seed.clock.now().mono - begin.mono >= STEADY_MS {
                pause = PAUSE_MS;
            }
            self.rest(pause);
            pause = (pause * 2).min(LONGEST_PAUSE_MS);
        }
    }

    /// Listens until it breaks; `proof` is when it was last known to work. Ends well where it is
    /// not wanted any more.
    fn listen(&self, deaf_since: &mut Option<UnixMs>, proof: &mut UnixMs) -> Result<()> {
        if self.seed.source.engine == SourceEngine::Sqlite {
            return self.listen_to_file(deaf_since, proof);
        }
        let mut listener = self.open()?;
        self.begun(deaf_since, proof);
        let listened = self.listen_on(&mut listener, proof);
        if listened.is_err() {
            // Where the server owes an answer the driver waits for it in here, perhaps for ever.
            let thread = std::thread::Builder::new().name("crake-ear-close".to_owned());
            let _ = thread.spawn(move || drop(listener));
        }
        listened
    }

    fn listen_on(&self, listener: &mut Listener, proof: &mut UnixMs) -> Result<()> {
        let mut asked = self.seed.clock.now().mono;
        while !self.unwanted() {
            let mut heard = listener.next(SLICE_MS)?;
            if heard != Heard::Quiet {
                self.heard();
                *proof = self.seed.clock.now().wall;
                asked = self.seed.clock.now().mono;
            }
            // They only wake: what came with the first is told with it.
            for _ in 0..AT_ONCE {
                if heard == Heard::Quiet {
                    break;
                }
                heard = listener.next(1)?;
            }
            let now = self.seed.clock.now();
            if now.mono - asked >= PING_MS {
                listener.ping()?;
                asked = now.mono;
                *proof = self.seed.clock.now().wall;
            }
        }
        Ok(())
    }

    /// Logs in, in a thread of its own: a server that takes the connection and then says nothing
    /// would keep the caller for ever.
    fn open(&self) -> Result<Listener> {
        let (done, wait) = mpsc::channel();
        let (seed, channel) = (self.seed.clone(), self.channel.clone());
        let thread = std::thread::Builder::new().name("crake-ear-open".to_owned());
        let started = thread.spawn(move || {
            let opened = read_password(&seed.source, seed.secret)
                .and_then(|secret| Listener::open(&seed.source, secret.as_ref(), &channel));
            // Whoever has given up waiting does not want it any more.
            let _ = done.send(opened);
        });
        let silent = |why: String| SourceError::new(ErrorKind::Connect, why);
        started.map_err(|e| silent(e.to_string()))?;
        wait.recv_timeout(span(OPEN_MS))
            .unwrap_or_else(|_| Err(silent("the server does not let us in in time".to_owned())))
    }

    fn listen_to_file(&self, deaf_since: &mut Option<UnixMs>, proof: &mut UnixMs) -> Result<()> {
        if self.channel != COMMITS {
            let message = format!("a file of SQLite has no channel {}", self.channel);
            let hint = "it tells of every commit: --listen data_version";
            return Err(SourceError::new(ErrorKind::Config, message).hint(hint));
        }
        let mut probe = ChangeProbe::open(&self.seed.source)?;
        self.begun(deaf_since, proof);
        let mut changed = self.seed.clock.now().mono;
        while !self.unwanted() {
            let now = self.seed.clock.now();
            if probe.changed()? {
                self.heard();
                changed = now.mono;
            }
            *proof = now.wall;
            let calm = now.mono - changed >= CALM_MS;
            sleep(if calm { PROBE_CALM_MS } else { PROBE_MS });
        }
        Ok(())
    }

    fn begun(&self, deaf_since: &mut Option<UnixMs>, proof: &mut UnixMs) {
        *proof = self.seed.clock.now().wall;
        self.tell(FromPoller::Listening {
            channel: self.channel.clone(),
            again_after: deaf_since.take(),
        });
    }

    fn heard(&self) {
        self.tell(FromPoller::Heard {
            channel: self.channel.clone(),
        });
    }

    fn tell(&self, said: FromPoller) {
        if !self.unwanted() {
            self.seed.postbox.leave(Post::Ear(self.number, said));
        }
    }

    fn unwanted(&self) -> bool {
        self.unwanted.load(Ordering::Relaxed)
    }

    fn rest(&self, ms: i64) {
        let mut left = ms;
        while left > 0 && !self.unwanted() {
            sleep(left.min(SLICE_MS));
            left -= SLICE_MS;
        }
    }
}

fn sleep(ms: i64) {
    std::thread::sleep(span(ms));
}

fn span(ms: i64) -> Duration {
    Duration::from_millis(u64::try_from(ms).unwrap_or(0))
}
