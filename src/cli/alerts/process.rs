//! `__alert HOME STORE SOCKET SPOOL LOGS`: decides on alerts and sends them. The core starts it when
//! there is something to do, and it ends when there is nothing more. It may be killed at any moment.

use std::collections::HashMap;
use std::ffi::OsString;
use std::path::PathBuf;
use std::sync::mpsc::{Receiver as Hear, RecvTimeoutError, Sender, channel};
use std::thread;
use std::time::Duration;

use rustix::fs::{FlockOperation, flock};

use crate::cli::alerts::decider::Decider;
use crate::cli::alerts::envelope::{message_of, waiting as place};
use crate::cli::alive;
use crate::clock::{Clock, SystemClock};
use crate::config::Paths;
use crate::control::PATIENCE;
use crate::courier::{Undeliverable, deliver};
use crate::daemon::alerts::{BUSY, DONE};
use crate::engine::alert::{BACKOFF, Rules, Step, send};
use crate::model::ReceiverRow;
use crate::process::own_file::open_own;
use crate::schedule::{UnixMs, Zone};
use crate::store::{AlertRow, Result, Store, Tried};
use crate::view::Daemon;

/// It does not end while something is due as soon as this, milliseconds.
const SOON_MS: i64 = 3_000;

/// How often it looks whether something new has happened, milliseconds.
const LOOK_MS: i64 = 200;

/// A message that is under way for longer than this counts as not taken, milliseconds.
const LONGEST_MS: i64 = 120_000;

/// Alerts of one receiver that are looked at.
const AT_ONCE: usize = 500;

/// Decides and sends.
pub fn alert_main(args: &[OsString]) -> u8 {
    let paths: Vec<PathBuf> = args.iter().map(PathBuf::from).collect();
    let [home, store, socket, spool, logs] = paths.as_slice() else {
        println!("this is started by the daemon");
        return 1;
    };
    let paths = Paths {
        home: home.clone(),
        store: store.clone(),
        socket: socket.clone(),
        spool: spool.clone(),
        logs: logs.clone(),
    };
    crate::process::close_strange_files();
    crate::process::default_signals();
    // What is meant for the daemon's terminal is not for this process; jobs go first.
    let _ = rustix::process::setsid();
    let _ = rustix::process::nice(5);
    let Ok(lock) = open_own(&paths.spool.join("alert.lock")) else {
        println!("the lock cannot be opened");
        return 1;
    };
    // One that was left by a core that is gone is still at work: two would send everything twice.
    if flock(&lock, FlockOperation::NonBlockingLockExclusive).is_err() {
        return BUSY;
    }
    match work(&paths) {
        Ok(()) => DONE,
        Err(e) => {
            println!("{e}");
            1
        }
    }
}

fn work(paths: &Paths) -> Result<()> {
    let host = host();
    let zone =
        Zone::system_from(std::env::var("TZ").ok().as_deref()).unwrap_or_else(|_| Zone::utc());
    let mut store = Store::open(&paths.store)?;
    let decider = Decider {
        paths,
        host: &host,
        zone: &zone,
    };
    let core = rustix::process::getppid();
    let mut post = Post::new(host.clone(), zone.clone());
    // Whoever is killed from here on has a successor at once.
    store.be_there_at_once()?;
    store.tidy_alerts(SystemClock.now().wall)?;
    let (look_at, live_at) = look(&decider, &mut store)?;
    loop {
        let now = SystemClock.now();
        let receivers = store.receivers()?;
        post.collect(&mut store, &receivers)?;
        // With the core gone its successor starts another; this one only ends what it has begun.
        if rustix::process::getppid() != core {
            if post.under_way.is_empty() {
                return Ok(());
            }
            post.wait(LOOK_MS);
            continue;
        }
        decider.decide(&mut store, &receivers, now.wall)?;
        let next = post.send_due(&mut store, &receivers, now.wall)?;
        if post.under_way.is_empty() && next.is_none_or(|at| at > now.wall + SOON_MS) {
            let next = [next, look_at].into_iter().flatten().min();
            store.be_there_at(next, live_at)?;
            // What somebody changed before this was said is looked at now; later they say so.
            if store.receivers()? == receivers {
                return Ok(());
            }
            continue;
        }
        let pause = next.map_or(LOOK_MS, |at| (at - now.wall).clamp(1, LOOK_MS));
        post.wait(pause);
    }
}

/// Looks at what comes with time alone. Gives when to look again, and when where a run is alive.
fn look(decider: &Decider<'_>, store: &mut Store) -> Result<(Option<UnixMs>, Option<UnixMs>)> {
    let now = SystemClock.now().wall;
    let receivers = store.receivers()?;
    let mut daemon: Daemon = alive::heard(decider.paths, PATIENCE);
    daemon.workers = alive::workers(decider.paths);
    decider.look(store, &receivers, &daemon, now)
}

/// The host's name.
pub fn host() -> String {
    let name = rustix::system::uname();
    name.nodename().to_string_lossy().into_owned()
}

/// A message that is under way.
struct UnderWay {
    alerts: Vec<AlertRow>,
    since: i64,
    number: u64,
}

type Came = (i64, u64, std::result::Result<(), Undeliverable>);

/// The messages that are under way, one to each receiver at most.
struct Post {
    host: String,
    zone: Zone,
    under_way: HashMap<i64, UnderWay>,
    number: u64,
    tell: Sender<Came>,
    hear: Hear<Came>,
    came: Vec<Came>,
}

impl Post {
    fn new(host: String, zone: Zone) -> Post {
        let (tell, hear) = channel();
        Post {
            host,
            zone,
            under_way: HashMap::new(),
            number: 0,
            tell,
            hear,
            came: Vec::new(),
        }
    }

    fn wait(&mut self, ms: i64) {
        let pause = Duration::from_millis(ms.cast_unsigned());
        match self.hear.recv_timeout(pause) {
            Ok(came) => self.came.push(came),
            Err(RecvTimeoutError::Timeout | RecvTimeoutError::Disconnected) => {}
        }
    }

    /// Records what came of messages.
    fn collect(&mut self, store: &mut Store, receivers: &[ReceiverRow]) -> Result<()> {
        let now = SystemClock.now();
        self.came.extend(self.hear.try_iter());
        for (id, message) in &self.under_way {
            if now.mono - message.since > LONGEST_MS {
                let why = format!("it took longer than {} s", LONGEST_MS / 1000);
                self.came
                    .push((*id, message.number, Err(Undeliverable(why))));
            }
        }
        while let Some((id, number, result)) = self.came.last().cloned() {
            if let Some(message) = self.under_way.get(&id).filter(|m| m.number == number) {
                let tries = receivers.iter().find(|r| r.id == id);
                let tries = tries.map_or(1, |r| r.receiver.tries);
                let ids: Vec<i64> = message.alerts.iter().map(|a| a.id).collect();
                let tried = came_of(&message.alerts, tries, result, now.wall);
                store.end_try(&ids, &tried, now.wall)?;
                self.under_way.remove(&id);
            }
            self.came.pop();
        }
        Ok(())
    }

    /// Sends what is due. Gives when the next is.
    fn send_due(
        &mut self,
        store: &mut Store,
        receivers: &[ReceiverRow],
        now: UnixMs,
    ) -> Result<Option<UnixMs>> {
        let mut next: Option<UnixMs> = None;
        for row in receivers {
            if self.under_way.contains_key(&row.id) {
                continue;
            }
            if let Some(at) = self.send_to(store, row, now)? {
                next = Some(next.map_or(at, |next| next.min(at)));
            }
        }
        Ok(next)
    }

    fn send_to(
        &mut self,
        store: &mut Store,
        row: &ReceiverRow,
        now: UnixMs,
    ) -> Result<Option<UnixMs>> {
        let named = row.receiver.quiet.as_ref().and_then(|q| q.zone.as_deref());
        let named = named.and_then(|name| Zone::named(name).ok());
        let span = row.receiver.rate.map_or(0, |rate| rate.span_ms);
        let sent = store.messages_since(row.id, now - span)?;
        let rules = Rules {
            receiver: &row.receiver,
            zone: named.as_ref().unwrap_or(&self.zone),
            sent: &sent,
        };
        let waiting = store.alerts_waiting(row.id, AT_ONCE)?;
        let places: Vec<_> = waiting.iter().map(place).collect();
        match send(&rules, &places, now) {
            None => Ok(None),
            Some(Step::Wait(at)) => Ok(Some(at)),
            Some(Step::Hold(ids, until, why)) => {
                store.hold_alerts(&ids, until, why)?;
                Ok(Some(until))
            }
            Some(Step::Send(ids)) => {
                self.begin(store, row, &waiting, &ids, now)?;
                Ok(None)
            }
        }
    }

    fn begin(
        &mut self,
        store: &mut Store,
        row: &ReceiverRow,
        waiting: &[AlertRow],
        ids: &[i64],
        now: UnixMs,
    ) -> Result<()> {
        let named = waiting.iter().find(|a| ids.contains(&a.id));
        let Some(message) = named.map(|a| a.message.unwrap_or(a.id)) else {
            return Ok(());
        };
        let begun = store.begin_try(ids, message, now)?;
        let alerts: Vec<AlertRow> = begun
            .iter()
            .filter_map(|id| store.alert(*id).transpose())
            .collect::<Result<_>>()?;
        if alerts.is_empty() {
            return Ok(());
        }
        let message = message_of(store, row, &self.host, &alerts)?;
        self.number += 1;
        let (number, id, tell) = (self.number, row.id, self.tell.clone());
        let receiver = row.receiver.clone();
        let work = move || {
            let result = deliver(&receiver, &message);
            // Nobody waits for one that took too long.
            let _ = tell.send((id, number, result));
        };
        let started = thread::Builder::new()
            .name("courier".to_owned())
            .spawn(work);
        if let Err(e) = started {
            let e = Undeliverable(format!("no thread can be started: {e}"));
            self.came.push((id, number, Err(e)));
        }
        let since = SystemClock.now().mono;
        self.under_way.insert(
            id,
            UnderWay {
                alerts,
                since,
                number,
            },
        );
        Ok(())
    }
}

/// What a try comes to.
fn came_of(
    alerts: &[AlertRow],
    tries: u32,
    result: std::result::Result<(), Undeliverable>,
    now: UnixMs,
) -> Tried {
    let attempts = alerts.iter().map(|a| a.attempts).max().unwrap_or(1);
    let seed = alerts.first().map_or(0, |a| a.id.cast_unsigned());
    match result {
        Ok(()) => Tried::Sent,
        Err(why) if attempts >= tries => Tried::GivenUp(why.0),
        Err(why) => Tried::Again(now + BACKOFF.spread_ms(attempts, seed), why.0),
    }
}
