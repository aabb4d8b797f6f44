//! The watching thread: a loop that sleeps while there is nothing to watch.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::os::fd::AsFd;
use std::path::PathBuf;
use std::sync::Arc;

use rustix::event::{PollFd, PollFlags, poll};

use crate::clock::{Clock, Now};
use crate::daemon::core::{Keep, timespec};
use crate::daemon::mailbox::{Mailbox, Sender};
use crate::daemon::poller::Launch;
use crate::daemon::watching::charge::Charge;
use crate::daemon::watching::post::Post;
use crate::daemon::watching::telling::{Telling, poller_note};
use crate::daemon::watching::wish::{Defined, Wish, Word};
use crate::model::{Level, PollId};
use crate::store::NewDelivery;

/// How long the pollers are given to end by themselves, milliseconds.
const LEAVE_MS: i64 = 1_000;

/// Runs that end one after the other are looked at together, milliseconds.
const SETTLE_MS: i64 = 50;

/// The watching thread.
pub struct Round {
    pub(in crate::daemon::watching) charges: BTreeMap<String, Charge>,
    pub(in crate::daemon::watching) posts: BTreeMap<String, Post>,
    pub(in crate::daemon::watching) telling: Telling,
    words: Mailbox<Word>,
    pub(in crate::daemon::watching) keeper: Sender<Keep>,
    clock: Arc<dyn Clock>,
    launch: Launch,
    pub(in crate::daemon::watching) spool: PathBuf,
    /// Ends of polls that wait to be recorded, for the files they name.
    pub(in crate::daemon::watching) ends: HashMap<PollId, Vec<NewDelivery>>,
    settle_at: Option<i64>,
    /// Wall clock minus the clock of the boot, when that was looked at last.
    offset: Option<i64>,
    posts_told: Option<Vec<String>>,
    stop: bool,
}

impl Round {
    /// A round that is told here what there is to watch.
    pub fn new(
        words: Mailbox<Word>,
        keeper: Sender<Keep>,
        clock: Arc<dyn Clock>,
        spool: PathBuf,
    ) -> Round {
        Round {
            charges: BTreeMap::new(),
            posts: BTreeMap::new(),
            telling: Telling::default(),
            words,
            keeper,
            clock,
            launch: Launch::of_this_program(),
            spool,
            ends: HashMap::new(),
            settle_at: None,
            offset: None,
            posts_told: None,
            stop: false,
        }
    }

    /// Goes round until told to stop.
    pub fn run(mut self) {
        loop {
            let now = self.clock.now();
            for word in self.words.take() {
                self.take(word, now);
            }
            if self.stop {
                return self.leave();
            }
            self.notice_steps(now);
            self.hear(now);
            self.watch_pollers(now);
            self.man_posts(now);
            self.begin_due(now);
            self.tell_sources(now);
            self.tell_store(now);
            self.sleep(self.clock.now());
        }
    }

    pub(in crate::daemon::watching) fn wish(&self, wish: Wish) {
        self.keeper.send(Keep::Wish(Box::new(wish)));
    }

    fn take(&mut self, word: Word, now: Now) {
        match word {
            Word::Watches(defined) => self.define(defined, now),
            Word::Begun(watch, begun) => self.begun(&watch, begun, now),
            Word::Known(watch, poll, known) => self.known(&watch, poll, known, now),
            Word::Finished(watch, poll, finished) => self.finished(&watch, poll, &finished, now),
            Word::Settled(freed) => {
                for name in freed {
                    if let Some(charge) = self.charges.get_mut(&name) {
                        charge.go_on(now);
                    }
                }
            }
            Word::Owed(watch, owed) => self.owed(&watch, owed, now),
            Word::RunsEnded => {
                self.settle_at.get_or_insert(now.boot + SETTLE_MS);
            }
            Word::Stop => self.stop = true,
        }
    }

    fn define(&mut self, defined: Vec<Defined>, now: Now) {
        let names: BTreeSet<String> = defined.iter().map(|d| d.row.watch.name.clone()).collect();
        // What a poll of a removed watch brings is refused by the store.
        self.charges.retain(|name, _| names.contains(name));
        for one in defined {
            let name = one.row.watch.name.clone();
            if let Some((source, secret)) = &one.source
                && let Some(post) = self.posts.get_mut(&source.name)
            {
                post.redefine(source, secret.as_ref());
            }
            if one.owes {
                self.telling.look(&name);
            }
            match self.charges.get_mut(&name) {
                Some(charge) => charge.redefine(one, now),
                None => {
                    self.charges.insert(name, Charge::of(one, now));
                }
            }
        }
        if self.charges.values().any(Charge::is_blocked) {
            self.settle_at.get_or_insert(now.boot);
        }
    }

    /// A step of the wall clock moves what is said of the next polls, not the polls.
    fn notice_steps(&mut self, now: Now) {
        let offset = now.wall - now.boot;
        let stepped = self.offset.is_some_and(|old| (old - offset).abs() > 1_000);
        if stepped || self.offset.is_none() {
            self.offset = Some(offset);
        }
        if stepped {
            self.charges.values_mut().for_each(|c| c.clock_stepped(now));
        }
    }

    /// Pollers where one is needed, and none elsewhere.
    fn man_posts(&mut self, now: Now) {
        let mut wanted: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
        for charge in self.charges.values() {
            let Some((source, secret)) =
                charge.source.as_ref().filter(|_| charge.needs_poller(now))
            else {
                continue;
            };
            let channels = wanted.entry(source.name.clone()).or_default();
            channels.extend(charge.watch().listen.clone().filter(|_| charge.is_on(now)));
            if !self.posts.contains_key(&source.name) {
                let post = Post::of(source.clone(), secret.clone());
                self.posts.insert(source.name.clone(), post);
            }
        }
        let mut notes = Vec::new();
        for (name, post) in &mut self.posts {
            match wanted.remove(name) {
                None => post.leave(),
                Some(channels) => {
                    if let Err(e) = post.man(&self.launch, channels, now) {
                        notes.push(format!("no poller for source {name} can be started: {e}"));
                    }
                }
            }
        }
        self.posts
            .retain(|name, post| !post.is_empty() || is_watched(&self.charges, name, now));
        for text in notes {
            self.note(poller_note(now.wall, Level::Error, text));
        }
    }

    /// What has to be said to the store now: when watches are asked next, how connections stand,
    /// and whether somebody waits for runs that have ended.
    fn tell_store(&mut self, now: Now) {
        let next: Vec<_> = self
            .charges
            .values_mut()
            .filter_map(Charge::untold)
            .collect();
        if !next.is_empty() {
            self.wish(Wish::Next(next));
        }
        if self.settle_at.is_some_and(|at| at <= now.boot) {
            self.settle_at = None;
            if self.charges.values().any(Charge::is_blocked) {
                self.wish(Wish::Settle);
            }
            let minds = self.charges.values().filter(|c| c.minds_runs());
            for name in minds.map(|c| c.watch().name.clone()).collect::<Vec<_>>() {
                self.telling.look(&name);
            }
        }
        let gauges: Vec<_> = self
            .posts
            .values_mut()
            .filter_map(|p| p.gauge(now))
            .collect();
        gauges.into_iter().for_each(|g| self.wish(Wish::Gauge(g)));
        let posts: Vec<String> = self.posts.keys().cloned().collect();
        if self.posts_told.as_ref() != Some(&posts)
            && (self.posts_told.is_some() || !posts.is_empty())
        {
            self.wish(Wish::Gauges(posts.clone()));
            self.posts_told = Some(posts);
        }
    }

    fn sleep(&self, now: Now) {
        let boot = self.charges.values().filter_map(|c| c.wake_at(now));
        let boot = boot.chain(self.settle_at).chain(self.telling.wake_at(now));
        let mono = self.posts.values().filter_map(|p| p.wake_at(now));
        let boot = boot.map(|at| at - now.boot);
        let pause = boot.chain(mono.map(|at| at - now.mono)).min();
        let mut fds = vec![PollFd::new(&self.words, PollFlags::IN)];
        for poller in self.posts.values().flat_map(Post::pollers) {
            let flags = match poller.wants_out() {
                true => PollFlags::IN | PollFlags::OUT,
                false => PollFlags::IN,
            };
            fds.push(PollFd::from_borrowed_fd(poller.as_fd(), flags));
        }
        let timeout = pause.map(|ms| timespec(ms.max(1)));
        // An interrupted sleep is a short one.
        let _ = poll(&mut fds, timeout.as_ref());
    }

    /// The pollers end what is under way on their servers; those that do not are killed.
    fn leave(mut self) {
        self.posts.values_mut().for_each(Post::leave);
        let until = self.clock.now().mono + LEAVE_MS;
        loop {
            let now = self.clock.now();
            for post in self.posts.values_mut() {
                post.hear(now);
            }
            self.posts.retain(|_, post| !post.is_empty());
            if self.posts.is_empty() || now.mono >= until {
                return;
            }
            let pollers = self.posts.values().flat_map(Post::pollers);
            let mut fds: Vec<PollFd<'_>> = pollers
                .map(|p| PollFd::from_borrowed_fd(p.as_fd(), PollFlags::IN))
                .collect();
            let _ = poll(&mut fds, Some(&timespec(until - now.mono)));
        }
    }
}

fn is_watched(charges: &BTreeMap<String, Charge>, source: &str, now: Now) -> bool {
    let here = |c: &Charge| c.watch().source == source && c.needs_poller(now);
    charges.values().any(here)
}
