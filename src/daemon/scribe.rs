//! The store thread: the loop around the keeper.

use std::sync::Arc;

use std::os::fd::OwnedFd;

use rustix::event::{PollFd, PollFlags, poll};
use rustix::fs::inotify;

use crate::clock::{Clock, Now};
use crate::config::Paths;
use crate::crash;
use crate::daemon::ailment::{Ailment, Said, note};
use crate::daemon::alerts::Alerts;
use crate::daemon::care::{Care, Fault, PATIENCE};
use crate::daemon::condition::Condition;
use crate::daemon::core::{Keep, Tell, timespec};
use crate::daemon::keeper::Keeper;
use crate::daemon::mailbox::{Mailbox, Sender};
use crate::daemon::mailer::Postman;
use crate::daemon::mend;
use crate::daemon::pruner::{Pruner, Scope};
use crate::daemon::spawner::Errand;
use crate::daemon::watching::clerk::Clerk;
use crate::model::{Level, Note};
use crate::process::identity;
use crate::schedule::UnixMs;

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

/// The pause before making the store anew is tried again.
const MEND_MS: i64 = 5_000;

/// The store thread.
pub struct Scribe {
    keeper: Keeper,
    clerk: Clerk,
    mailbox: Mailbox<Keep>,
    firing: Sender<Tell>,
    spawner: Sender<Errand>,
    clock: Arc<dyn Clock>,
    ailment: Ailment,
    care: Care,
    paths: Paths,
    condition: Arc<Condition>,
    writes: OwnedFd,
    told_alive: i64,
    pruner: Pruner,
    alerts: Alerts,
    /// When the next round of pruning may begin, on the clock that goes on in a sleep.
    prune_at: i64,
    /// Events that could not be written yet.
    untold: Vec<Note>,
    /// Not before this instant is the store made anew, milliseconds since boot.
    mend_at: i64,
    /// Who is told that mail is owed.
    mail: Option<Postman>,
}

impl Scribe {
    /// The store thread around a keeper.
    ///
    /// # Errors
    /// No descriptor left.
    pub fn new(
        (keeper, clerk): (Keeper, Clerk),
        mailbox: Mailbox<Keep>,
        firing: Sender<Tell>,
        spawner: Sender<Errand>,
        clock: Arc<dyn Clock>,
        (said, condition): (Said, Arc<Condition>),
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
        let now = clock.now();
        let boot_id = identity::boot_id()?;
        Ok(Scribe {
            ailment: Ailment::new(said, paths.store.clone()),
            care: Care::new(paths, &boot_id, now),
            paths: paths.clone(),
            keeper,
            clerk,
            mailbox,
            firing,
            spawner,
            clock,
            condition,
            writes,
            told_alive: now.boot,
            alerts: Alerts::default(),
            pruner: Pruner::new(&paths.logs, Scope::default()).with_inputs(&paths.spool),
            prune_at: now.boot + ALIVE_MS,
            untold: Vec::new(),
            mend_at: now.boot,
            mail: None,
        })
    }

    /// Has what jobs kept from a crontab write mailed.
    pub fn with_mail(mut self, mail: Postman) -> Scribe {
        self.mail = Some(mail);
        self
    }

    /// Records and looks until told to stop.
    pub fn run(mut self) {
        let mut pause = None;
        // Neither fails; without them it only takes longer.
        let _ = self.keeper.store().set_patience(PATIENCE);
        let _ = self.keeper.store().checkpoint_by_hand();
        self.keeper
            .put_refused_into(self.paths.spool.join("refused"));
        loop {
            let stop = self.take_messages();
            let now = self.clock.now();
            let (look_at, fault) = self.step(now);
            if let Some(decided) = stop
                && (self.keeper.behind() == 0 || self.give_up())
            {
                let _ = self.keeper.store_mut().touch_session(decided, true);
                if let Some(mail) = self.mail {
                    mail.stop();
                }
                return;
            }
            self.alive(now, fault);
            pause = self.sleep(now, look_at, fault, pause);
        }
    }

    /// Says whether to stop, and up to which instant everything is decided.
    fn take_messages(&mut self) -> Option<UnixMs> {
        let mut stop = None;
        for message in self.mailbox.take() {
            match message {
                Keep::Batch(batch) => {
                    self.clerk.saw(&batch.records);
                    self.keeper.take(batch);
                }
                Keep::Wish(wish) => self.clerk.take(*wish),
                Keep::Forget(fence) => self.keeper.forget_output(fence),
                Keep::Note(note) => self.untold.push(note),
                Keep::Look => {}
                Keep::Stop(decided) => stop = Some(decided),
            }
        }
        stop
    }

    fn step(&mut self, now: Now) -> (Option<i64>, bool) {
        self.condition.step_begins(now);
        let wishes = self.clerk.work(&mut self.keeper, now);
        let result = self.keeper.step(now.wall);
        let fault = self.keeper.fault().cloned();
        let fault = fault.or(wishes.err().map(|e| (e.trouble(), e.to_string())));
        let failed = fault.is_some();
        // Before a worker is told to forget anything.
        let behind = self.care.follow(self.keeper.store_mut(), now);
        self.clerk.tell(self.keeper.behind() == 0);
        let kept = result.unwrap_or_default();
        for fact in kept.facts {
            self.firing.send(Tell::Fact(fact));
        }
        crash::point("before collect");
        if !kept.collected.is_empty()
            && let Some(mail) = &self.mail
            && self.keeper.store().owes_mail().unwrap_or(true)
        {
            mail.look();
        }
        for fence in kept.collected {
            self.spawner.send(Errand::Collected(fence));
        }
        let idle = !failed && self.keeper.behind() == 0;
        let seen = self.care.look(&mut self.keeper, idle, now);
        let worst = |f: &Fault| f.0.wants_rebuild();
        let fault = match (fault, seen) {
            (Some(fault), Some(seen)) if !worst(&fault) && worst(&seen) => Some(seen),
            (fault, seen) => fault.or(seen).or(behind),
        };
        let fault = fault.map(|fault| self.care.judge(fault));
        let mended = fault.as_ref().filter(|f| worst(f)).cloned();
        let told = self.ailment.saw(fault, self.keeper.waiting(), now);
        self.untold.extend(told);
        let mended = mended.is_some_and(|fault| self.mend(&fault, now));
        self.tell(failed && !mended);
        if !failed {
            let told = self.alerts.look(self.keeper.store(), &self.paths, now);
            self.untold.extend(told);
        }
        self.condition.step_ended();
        (kept.look_at.filter(|_| !mended), failed)
    }

    /// Makes the store anew and goes on over it. Says whether it could.
    fn mend(&mut self, fault: &Fault, now: Now) -> bool {
        if now.boot < self.mend_at {
            return false;
        }
        self.mend_at = now.boot + MEND_MS;
        self.care.let_go();
        let (live, numbers) = (self.keeper.store(), self.keeper.numbers_end());
        let mended = mend::make(&self.paths, Some(live), fault.0, numbers)
            .and_then(|made| mend::put_in_place(&self.paths, made, now.wall));
        let text = match mended {
            Ok(mut mended) => {
                if mended.lost {
                    // What fails here is found to be running at the next start, and settled then.
                    let _ = mended.store.distrust_claims();
                }
                let ring = mend::ring_entries(&self.paths);
                match self.keeper.go_on_over(mended.store, &ring, now.wall) {
                    Ok(old) => {
                        old.abandon();
                        self.clerk.store_is_new();
                        Ok(mended.text)
                    }
                    Err(e) => Err(e.to_string()),
                }
            }
            Err(e) => Err(e.to_string()),
        };
        let (text, done) = match text {
            Ok(done) => (format!("{}; {done}", fault.1), true),
            Err(why) => (format!("{}; it cannot be made anew: {why}", fault.1), false),
        };
        eprintln!("crake: {text}");
        if done {
            self.care.made_anew(now);
            self.untold.push(note(now.wall, Level::Error, text));
        }
        done
    }

    /// Writes events; those that cannot be written wait.
    fn tell(&mut self, fault: bool) {
        self.untold.extend(self.care.take_notes());
        while !fault && let Some(note) = self.untold.first() {
            if self.keeper.store_mut().note(note).is_err() {
                break;
            }
            self.untold.remove(0);
        }
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
        let longest = [until, retry, pause, Some(self.care.rest())];
        let timeout = longest.into_iter().flatten().min().unwrap_or(RETRY_MS);
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
