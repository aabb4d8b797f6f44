//! The feed: a thread that reads the store and asks the daemon, and hands over what has changed.
//!
//! It holds no transaction while it sleeps, so it keeps no checkpoint from going on.

mod definitions;
mod details;
mod look;
mod rules;

use std::path::{Path, PathBuf};
use std::sync::mpsc::Sender;
use std::sync::{Arc, Condvar, Mutex};
use std::time::Duration;

use crate::clock::Clock;
use crate::schedule::Zone;
use crate::store::{Result, Store};
use crate::tui::data::Data;
use crate::tui::feed::definitions::Definitions;
use crate::tui::feed::rules::Rules;
use crate::tui::message::Message;
use crate::tui::sources::{Facts, Place};
use crate::tui::want::Want;
use crate::view::Daemon;

/// How often the store's number of changes is looked at while something happens, and while
/// nothing does, milliseconds.
const LOOK: [i64; 2] = [250, 1_000];

/// How long something counts as happening after the last change, milliseconds.
const LIVELY_MS: i64 = 10_000;

/// How often the daemon is asked, in the same two cases, milliseconds.
const ASK: [i64; 2] = [1_000, 2_000];

/// How often the store is read where it did not change, milliseconds: instants pass by themselves.
const STALE_MS: i64 = 15_000;

/// Of the time, at most one part in this many is spent on reading while the store changes.
const SHARE: i64 = 12;

/// The same while it does not: a large store is not read over and over for nothing.
const IDLE_SHARE: i64 = 100;

/// How long a reader waits for a writer.
const PATIENCE: Duration = Duration::from_millis(500);

/// What the loop asks the feed.
#[derive(Clone, Default)]
pub struct Wire(Arc<(Mutex<Asked>, Condvar)>);

#[derive(Default)]
struct Asked {
    want: Option<Want>,
    closed: bool,
}

impl Wire {
    /// Asks for something else from now on.
    pub fn ask(&self, want: Want) {
        self.lock().want = Some(want);
        self.0.1.notify_all();
    }

    /// Ends the feed.
    pub fn close(&self) {
        self.lock().closed = true;
        self.0.1.notify_all();
    }

    /// Waits until something is asked or the time is over. Gives what is asked; none at the end.
    fn wait(&self, patience: Duration) -> Option<Option<Want>> {
        let mut asked = self.lock();
        if asked.want.is_none() && !asked.closed {
            let waited = self.0.1.wait_timeout(asked, patience);
            asked = waited.unwrap_or_else(|e| e.into_inner()).0;
        }
        if asked.closed {
            None
        } else {
            Some(asked.want.take())
        }
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Asked> {
        self.0.0.lock().unwrap_or_else(|e| e.into_inner())
    }
}

/// Reads the store.
pub struct Feed<'a> {
    path: PathBuf,
    zone: Zone,
    clock: &'a (dyn Clock + 'a),
    facts: Facts<'a>,
    open: Option<Open>,
    definitions: Definitions,
    rules: Rules,
    want: Want,
    data: Data,
    daemon: Daemon,
}

/// A store that is open, and which file it is.
struct Open {
    store: Store,
    file: Option<(u64, u64)>,
    version: i64,
}

impl<'a> Feed<'a> {
    /// Reads nothing yet.
    pub fn new(path: &Path, zone: Zone, clock: &'a (dyn Clock + 'a), facts: Facts<'a>) -> Feed<'a> {
        Feed {
            path: path.to_path_buf(),
            zone,
            clock,
            facts,
            open: None,
            definitions: Definitions::default(),
            rules: Rules::default(),
            want: Want::default(),
            data: Data::default(),
            daemon: Daemon::default(),
        }
    }

    /// Reads until the wire is closed.
    pub fn run(mut self, wire: &Wire, to: &Sender<Message>) {
        let (mut asked_at, mut read_at, mut changed_at) = (i64::MIN / 2, i64::MIN / 2, 0);
        let (mut rest, mut asked, mut workers_at) = (0, false, 0);
        loop {
            let now = self.clock.now().mono;
            let lively = now - changed_at < LIVELY_MS;
            if now - asked_at >= ASK[usize::from(!lively)] {
                asked_at = now;
                self.ask();
                let at = self.clock.now().wall;
                let _ = to.send(Message::Daemon(Box::new(self.daemon.clone()), at));
            }
            if now - read_at >= rest {
                let stale = now - read_at >= STALE_MS.max(rest / (SHARE - 1) * IDLE_SHARE);
                let changed = self.has_changed();
                if changed {
                    changed_at = now;
                }
                if changed || stale || asked {
                    asked = false;
                    let began = self.clock.now().mono;
                    if changed {
                        self.rules.forget();
                    }
                    self.read(changed || stale);
                    read_at = self.clock.now().mono;
                    rest = (read_at - began) * (SHARE - 1);
                    let _ = to.send(Message::Data(Box::new(self.data.clone())));
                }
            }
            if self.read_on(now - workers_at >= ASK[0]) {
                workers_at = now;
                let _ = to.send(Message::Data(Box::new(self.data.clone())));
            }
            if self.definitions.is_partial() && self.find_fires() {
                let _ = to.send(Message::Data(Box::new(self.data.clone())));
            }
            let lively = now - changed_at < LIVELY_MS || self.follows();
            let wait = match self.definitions.is_partial() {
                true => 0,
                false => LOOK[usize::from(!lively)],
            };
            match wire.wait(Duration::from_millis(wait.unsigned_abs())) {
                None => return,
                Some(None) => {}
                Some(Some(want)) => {
                    self.want = want;
                    asked = true;
                    changed_at = now;
                    rest = 0;
                }
            }
        }
    }

    /// One look, for a frame that is printed.
    pub fn once(&mut self, want: Want) -> (Data, Daemon) {
        self.want = want;
        if self.open.is_none() {
            self.ask();
            self.has_changed();
        }
        self.read(true);
        while self.definitions.is_partial() && !self.find_fires() {}
        (self.data.clone(), self.daemon.clone())
    }

    fn ask(&mut self) {
        let mut daemon = (self.facts.heard)();
        if !daemon.up && daemon.since.is_none() {
            let last = self
                .open
                .as_ref()
                .and_then(|open| open.store.last_session().ok()?);
            daemon.since = last.map(|s| s.stopped_at.unwrap_or(s.alive_at));
        }
        self.daemon = daemon;
    }

    /// Whether there is something else to be read than before. Opens the store where it is not
    /// open, or is another file now.
    fn has_changed(&mut self) -> bool {
        let file = file_of(&self.path);
        if self.open.as_ref().is_none_or(|open| open.file != file) {
            self.definitions = Definitions::default();
            match Store::open_to_read_within(&self.path, PATIENCE) {
                Ok(store) => {
                    let version = store.data_version().unwrap_or(0);
                    self.open = Some(Open {
                        store,
                        file,
                        version,
                    });
                    return true;
                }
                Err(e) => {
                    let told = Some(e.to_string());
                    let news = self.data.error != told;
                    self.data.error = told;
                    return news;
                }
            }
        }
        let Some(open) = &mut self.open else {
            return false;
        };
        match open.store.data_version() {
            Ok(version) => {
                let changed = version != open.version;
                open.version = version;
                changed
            }
            // It is opened anew at the next look.
            Err(_) => {
                self.open = None;
                true
            }
        }
    }

    /// Whether output is in sight that may go on.
    fn follows(&self) -> bool {
        let live = self.data.log.as_ref().is_none_or(|page| !page.done);
        matches!(self.want.log, Some((_, _, Place::End))) && live
    }

    /// Reads what changes without a commit, where it is in sight. Whether there is news.
    fn read_on(&mut self, workers: bool) -> bool {
        let follows = self.follows();
        let workers = workers && self.want.workers;
        let Some(open) = self.open.as_ref().filter(|_| follows || workers) else {
            return false;
        };
        let look = look::Look {
            store: &open.store,
            zone: &self.zone,
            now: self.clock.now().wall,
            daemon: &self.daemon,
            want: &self.want,
        };
        let known = (self.data.log.clone(), self.data.workers.clone());
        if workers {
            look.workers(&mut self.data, &self.facts);
        }
        if follows && let Err(e) = look.follow(&mut self.data, &mut self.facts) {
            self.data.error = Some(e.to_string());
        }
        known != (self.data.log.clone(), self.data.workers.clone())
    }

    /// Finds the fires of the day of some more schedules. Whether all are found now.
    fn find_fires(&mut self) -> bool {
        let Some(open) = &self.open else {
            return true;
        };
        if let Err(e) = self.definitions.go_on(&open.store, &self.zone) {
            self.data.error = Some(e.to_string());
            return true;
        }
        if self.definitions.is_partial() {
            return false;
        }
        let look = look::Look {
            store: &open.store,
            zone: &self.zone,
            now: self.clock.now().wall,
            daemon: &self.daemon,
            want: &self.want,
        };
        match look.day(&self.definitions) {
            Ok(day) => self.data.day = day,
            Err(e) => self.data.error = Some(e.to_string()),
        }
        true
    }

    /// Reads all, or only what the screen needs beside what was read before.
    fn read(&mut self, all: bool) {
        let Some(open) = &self.open else {
            return;
        };
        let now = self.clock.now().wall;
        let look = look::Look {
            store: &open.store,
            zone: &self.zone,
            now,
            daemon: &self.daemon,
            want: &self.want,
        };
        let read = open.store.at_one_moment(|| {
            let mut data = if all || self.data.status.is_none() {
                look.common(&mut self.definitions, &mut self.rules, &self.facts)?
            } else {
                Data {
                    error: None,
                    ..self.data.clone()
                }
            };
            if let Err(e) = look.wanted(&mut data, &mut self.facts) {
                data.error = Some(e.to_string());
            }
            Ok(data)
        });
        match read {
            Ok(data) => self.data = data,
            Err(e) => self.data.error = Some(e.to_string()),
        }
    }
}

/// Which file a path leads to.
fn file_of(path: &Path) -> Option<(u64, u64)> {
    use std::os::unix::fs::MetadataExt;
    let found = std::fs::metadata(path).ok()?;
    Some((found.dev(), found.ino()))
}

/// What could not be read is as if it were not there, where a screen can do without it.
pub fn or_nothing<T: Default>(result: Result<T>) -> T {
    result.unwrap_or_default()
}
