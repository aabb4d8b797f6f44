//! The store thread: the loop around the keeper.

use std::path::PathBuf;
use std::sync::{Arc, Mutex};

use std::os::fd::OwnedFd;

use rustix::event::{PollFd, PollFlags, poll};
use rustix::fs::inotify;

use crate::clock::{Clock, Now};
use crate::config::Paths;
use crate::daemon::condition::Condition;
use crate::daemon::core::{Keep, Tell, timespec};
use crate::daemon::keeper::Keeper;
use crate::daemon::mailbox::{Mailbox, Sender};
use crate::daemon::pruner::{Pruner, Scope};
use crate::daemon::spawner::Errand;
use crate::model::Note;

/// How often the store is told that the daemon is alive, where nothing else is written.
const ALIVE_MS: i64 = 60_000;

/// The pauses between looks after the file system reported a write: the report comes before the
/// commit can be seen (measured), so the first look may find nothing.
const FIRST_PAUSE_MS: i64 = 1;
const LAST_PAUSE_MS: i64 = 64;

/// How long the store side may be busy with pruning each time, milliseconds: one step more or less.
const PRUNE_MS: i64 = 20;

/// How far rounds of pruning lie apart, milliseconds.
const ROUND_MS: i64 = 3_600_000;

/// The pause before what could not be recorded is tried again.
const RETRY_MS: i64 = 100;

/// The store thread.
pub struct Scribe {
    keeper: Keeper,
    mailbox: Mailbox<Keep>,
    firing: Sender<Tell>,
    spawner: Sender<Errand>,
    clock: Arc<dyn Clock>,
    degraded: Arc<Mutex<Option<String>>>,
    condition: Arc<Condition>,
    writes: OwnedFd,
    dir: PathBuf,
    told_alive: i64,
    pruner: Pruner,
    /// When the next round of pruning may begin, on the clock that goes on in a sleep.
    prune_at: i64,
    notes: Vec<Note>,
}

impl Scribe {
    /// The store thread around a keeper.
    ///
    /// # Errors
    /// No descriptor left.
    pub fn new(
        keeper: Keeper,
        mailbox: Mailbox<Keep>,
        firing: Sender<Tell>,
        spawner: Sender<Errand>,
        clock: Arc<dyn Clock>,
        (degraded, condition): (Arc<Mutex<Option<String>>>, Arc<Condition>),
        paths: &Paths,
    ) -> std::io::Result<Scribe> {
        let flags = inotify::CreateFlags::CLOEXEC | inotify::CreateFlags::NONBLOCK;
        let writes = inotify::init(flags)?;
        let dir = paths
            .store
            .parent()
            .map_or_else(|| paths.home.clone(), std::path::Path::to_path_buf);
        // The directory is watched, not the file: SQLite's WAL comes and goes in it.
        inotify::add_watch(&writes, &dir, inotify::WatchFlags::MODIFY)?;
        let told_alive = clock.now().boot;
        Ok(Scribe {
            keeper,
            mailbox,
            firing,
            spawner,
            clock,
            degraded,
            condition,
            writes,
            dir,
            told_alive,
            pruner: Pruner::new(&paths.logs, Scope::default()),
            prune_at: told_alive + ALIVE_MS,
            notes: Vec::new(),
        })
    }

    /// Records and looks until told to stop.
    pub fn run(mut self) {
        // Locks are waited for here in short steps, so that facts keep flowing.
        let patience = std::time::Duration::from_millis(50);
        let mut pause = None;
        if let Err(e) = self.keeper.store().set_patience(patience) {
            *self.degraded.lock().unwrap_or_else(|e| e.into_inner()) = Some(e.to_string());
        }
        loop {
            let stop = self.take_messages();
            let now = self.clock.now();
            let (look_at, fault) = self.step(now);
            if stop && (self.keeper.behind() == 0 || self.give_up()) {
                let _ = self.keeper.store_mut().touch_session(now.wall, true);
                return;
            }
            self.alive(now, fault);
            self.tell();
            pause = self.sleep(now, look_at, fault, pause);
        }
    }

    /// Says whether to stop.
    fn take_messages(&mut self) -> bool {
        let mut stop = false;
        for message in self.mailbox.take() {
            match message {
                Keep::Batch(batch) => self.keeper.take(batch),
                Keep::Forget(fence) => self.keeper.forget_output(fence),
                Keep::Note(note) => self.notes.push(note),
                Keep::Look => {}
                Keep::Stop => stop = true,
            }
        }
        stop
    }

    fn step(&mut self, now: Now) -> (Option<i64>, bool) {
        self.condition.step_begins(now);
        let result = self.keeper.step(now.wall);
        self.condition.step_ended();
        let fault = self.keeper.fault().map(|f| self.describe(f));
        let failed = fault.is_some();
        *self.degraded.lock().unwrap_or_else(|e| e.into_inner()) = fault;
        let Ok(kept) = result else {
            return (None, true);
        };
        for fact in kept.facts {
            self.firing.send(Tell::Fact(fact));
        }
        for fence in kept.collected {
            self.spawner.send(Errand::Collected(fence));
        }
        (kept.look_at, failed)
    }

    fn describe(&self, fault: &str) -> String {
        format!("{fault} ({})", self.dir.display())
    }

    /// At the end what could not be recorded stays in the ring; it is tried for a moment only.
    fn give_up(&mut self) -> bool {
        for _ in 0..40 {
            let now = self.clock.now();
            let _ = self.step(now);
            if self.keeper.behind() == 0 {
                return true;
            }
        }
        true
    }

    /// Writes the notes that stand in no batch; those that cannot be written wait.
    fn tell(&mut self) {
        while let Some(note) = self.notes.first() {
            if self.keeper.store_mut().note(note).is_err() {
                return;
            }
            self.notes.remove(0);
        }
    }

    fn alive(&mut self, now: Now, fault: bool) {
        if !fault && now.boot - self.told_alive >= ALIVE_MS {
            self.told_alive = now.boot;
            let _ = self.keeper.store_mut().touch_session(now.wall, false);
            // What fails is looked at again in a minute.
            let _ = self.keeper.look_at_zones(now.wall);
            self.prune(now);
        }
    }

    /// Removes a little of what need not be kept, as long as nothing else is to be done.
    fn prune(&mut self, now: Now) {
        let begun = self.clock.now().mono;
        while now.boot >= self.prune_at && self.clock.now().mono - begun < PRUNE_MS {
            match self.pruner.step(self.keeper.store_mut(), now.wall) {
                Ok((_, false)) => {}
                Ok((_, true)) | Err(_) => self.prune_at = now.boot + ROUND_MS,
            }
        }
    }

    /// Sleeps until a message, a write by somebody, or the time to look again. Gives the pause to
    /// take next time where somebody wrote and nothing was seen yet.
    fn sleep(
        &mut self,
        now: Now,
        look_at: Option<i64>,
        fault: bool,
        pause: Option<i64>,
    ) -> Option<i64> {
        // After a fault what is due at once is tried again as slowly as the rest.
        let until = look_at.filter(|_| !fault).map(|at| (at - now.wall).max(0));
        let retry = fault.then_some(RETRY_MS);
        let longest = [until, retry, pause, Some(ALIVE_MS)];
        let timeout = longest.into_iter().flatten().min().unwrap_or(ALIVE_MS);
        let written = {
            let mut fds = [
                PollFd::new(&self.mailbox, PollFlags::IN),
                PollFd::new(&self.writes, PollFlags::IN),
            ];
            let _ = poll(&mut fds, Some(&timespec(timeout)));
            !fds[1].revents().is_empty()
        };
        if written {
            let mut events = [0_u8; 4096];
            while rustix::io::read(&self.writes, &mut events).is_ok_and(|n| n > 0) {}
            return Some(FIRST_PAUSE_MS);
        }
        pause
            .map(|p| p * 2)
            .filter(|p| *p <= LAST_PAUSE_MS && until.is_none_or(|u| u > 0))
    }
}
