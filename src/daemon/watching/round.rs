//! The watching thread: a loop that sleeps while there is nothing to watch.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::os::fd::AsFd;
use std::path::PathBuf;
use std::sync::Arc;

use rustix::event::{PollFd, PollFlags, poll};

use crate::clock::{Clock, Now};
use crate::daemon::core::{Keep, timespec};
use crate::daemon::mailbox::{Mailbox, Sender};
use crate::daemon::poller::{Answer, Ask, Launch, PollerEvent};
use crate::daemon::watching::charge::{Charge, Phase};
use crate::daemon::watching::ending::{Asking, Wrong, answered, went_wrong};
use crate::daemon::watching::inputs::{put_aside, take_away};
use crate::daemon::watching::post::Post;
use crate::daemon::watching::telling::{Telling, channel_note, leak_note, poller_note};
use crate::daemon::watching::wish::{Begun, Defined, Wish, Word};
use crate::engine::watch::keys_of;
use crate::model::{Level, Mode, Note, PollId, PollOutcome, Trigger};
use crate::schedule::UnixMs;
use crate::store::{Finished, Known, PollEnd};

/// Bytes of values taken from one poll, roughly.
const ANSWER_MAX: usize = 16 << 20;

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
    keeper: Sender<Keep>,
    clock: Arc<dyn Clock>,
    launch: Launch,
    spool: PathBuf,
    /// Ends of polls that wait to be recorded, for the files they name.
    ends: HashMap<PollId, Vec<crate::store::NewDelivery>>,
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

    fn hear(&mut self, now: Now) {
        let sources: Vec<String> = self.posts.keys().cloned().collect();
        for source in sources {
            let Some(post) = self.posts.get_mut(&source) else {
                continue;
            };
            for (pid, event) in post.hear(now) {
                self.heard(&source, pid, event, now);
            }
        }
    }

    fn heard(&mut self, source: &str, pid: i32, event: PollerEvent, now: Now) {
        match event {
            PollerEvent::Beat(_) => {}
            PollerEvent::Answered(answer) => self.answered(*answer, now),
            PollerEvent::Acted(acted) => self.acted(&acted, now),
            PollerEvent::Heard { channel } => self.cause(source, &channel, Trigger::Notify),
            PollerEvent::Deaf {
                channel,
                since,
                error,
            } => {
                let text = format!("source {source}: \"{channel}\" is not listened to: {error}");
                self.note(channel_note(now.wall, Level::Warn, since, text));
            }
            PollerEvent::Listening {
                channel,
                again_after,
            } => {
                if let Some(from) = again_after {
                    let gap = now.wall - from;
                    let text = format!(
                        "source {source}: \"{channel}\" is listened to again, after {gap} ms; it is asked now"
                    );
                    self.note(channel_note(now.wall, Level::Info, from, text));
                    self.cause(source, &channel, Trigger::Reconnect);
                }
            }
            PollerEvent::Leak {
                owner,
                sql,
                held_ms,
                connection,
            } => {
                let note = leak_note(now.wall, source, &owner, &sql, held_ms, &connection);
                self.wish(Wish::Tell(Some(owner), note));
            }
            PollerEvent::Gone { how } => self.gone(source, pid, &how, now),
        }
    }

    /// Something happened on a channel.
    fn cause(&mut self, source: &str, channel: &str, trigger: Trigger) {
        for charge in self.charges.values_mut() {
            let watch = charge.watch();
            if watch.source == source && watch.listen.as_deref() == Some(channel) {
                charge.want(trigger);
            }
        }
    }

    pub(in crate::daemon::watching) fn note(&self, note: Note) {
        self.wish(Wish::Tell(None, note));
    }

    /// A poller has ended: what it was asked is lost.
    fn gone(&mut self, source: &str, pid: i32, how: &str, now: Now) {
        let mut lost = Vec::new();
        for charge in self.charges.values_mut() {
            if matches!(&charge.phase, Phase::Asked(_, by) if *by == pid) {
                let phase = std::mem::replace(&mut charge.phase, Phase::Idle);
                if let Phase::Asked(asking, _) = phase {
                    lost.push(asking);
                }
            }
        }
        self.telling.lost(pid, now);
        let why = format!("the process that asked is gone: {how}");
        let count = lost.len();
        for asking in lost {
            self.end_wrong(asking, &Wrong::lost(&why), None, now);
        }
        if how != "it left" {
            let text = format!("the poller of source {source} is gone: {how}; it is replaced");
            let text = match count {
                0 => text,
                n => format!("{text}, and {n} polls are lost"),
            };
            self.note(poller_note(now.wall, Level::Warn, text));
        }
    }

    /// Polls that hang, and pollers that are silent, are ended.
    fn watch_pollers(&mut self, now: Now) {
        let mut hanging: Vec<(String, i32)> = Vec::new();
        for charge in self.charges.values_mut() {
            if let Some(new) = charge.in_the_way(now) {
                let why = "the poll before is still under way".to_owned();
                self.keeper.send(Keep::Wish(Box::new(Wish::Skip(new, why))));
            }
            if let Phase::Asked(_, pid) = &charge.phase
                && charge.hangs(now)
            {
                hanging.push((charge.watch().source.clone(), *pid));
            }
        }
        for (source, pid) in hanging {
            if let Some(post) = self.posts.get_mut(&source) {
                post.kill(pid);
            }
        }
        let mut notes = Vec::new();
        for (source, post) in &mut self.posts {
            if let Some((ms, killed)) = post.listen_for_silence(now) {
                let text = match killed {
                    true => format!(
                        "the poller of source {source} was silent for {ms} ms and is killed"
                    ),
                    false => format!("the poller of source {source} is silent since {ms} ms"),
                };
                notes.push((killed, text));
            }
        }
        for (killed, text) in notes {
            // That it is killed is told with its end.
            if !killed {
                self.note(poller_note(now.wall, Level::Warn, text));
            }
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

    fn begin_due(&mut self, now: Now) {
        let mut wishes = Vec::new();
        for charge in self.charges.values_mut() {
            if let Some(new) = charge.take_vain_wish(now) {
                let why = "it waits for a run that has not ended well".to_owned();
                wishes.push(Wish::Skip(new, why));
            }
            let Some((source, _)) = &charge.source else {
                continue;
            };
            let (post, engine) = (self.posts.get(&source.name), source.engine);
            if post.and_then(Post::pid).is_none() {
                continue;
            }
            if let Some(new) = charge.begin(now) {
                wishes.push(Wish::Begin(new, engine));
            }
        }
        wishes.into_iter().for_each(|wish| self.wish(wish));
    }

    /// The row of a poll stands: now the source is asked.
    fn begun(&mut self, watch: &str, begun: Option<Box<Begun>>, now: Now) {
        let Some(begun) = begun else {
            // Whatever it is now is told as well.
            if let Some(charge) = self.charges.get_mut(watch) {
                charge.over(&Finished::Void, now);
            }
            return;
        };
        let charge = self.charges.get_mut(watch);
        let (trigger, due_at, fails) = match charge.as_ref().map(|c| (&c.phase, c.fails())) {
            Some((Phase::Beginning { trigger, due_at }, fails)) => (*trigger, *due_at, fails),
            _ => (Trigger::Timer, now.wall, 0),
        };
        let mut asking = Box::new(Asking {
            poll: begun.poll,
            row: begun.row,
            trigger,
            started_at: now.wall,
            started_boot: now.boot,
            only_begins: false,
            due_at,
            fails,
        });
        let paused = &mut asking.row.watch.paused;
        *paused = paused.take().filter(|p| p.covers(now.wall));
        let worded = match begun.worded {
            Ok(worded) => worded,
            Err(e) => return self.end_wrong(asking, &Wrong::of(&e), None, now),
        };
        asking.only_begins = worded.only_begins;
        let definition = &asking.row.watch;
        let ask = Ask {
            poll: asking.poll,
            watch: definition.name.clone(),
            claim: worded.claim,
            query: worded.query,
            transactions: worded.transactions,
            write: worded.write,
            timeout_ms: definition.timeout_ms,
            max_rows: definition.max_rows as usize,
            max_bytes: ANSWER_MAX,
        };
        let post = self.posts.get_mut(&definition.source);
        let asked = post.and_then(|post| post.ask(ask));
        match (asked, self.charges.get_mut(watch)) {
            (Some(Ok(pid)), Some(charge)) => charge.phase = Phase::Asked(asking, pid),
            (Some(Err(e)), _) => self.end_wrong(asking, &Wrong::of(&e), None, now),
            (None | Some(Ok(_)), _) => {
                let wrong = Wrong::lost("the process that asks is gone");
                self.end_wrong(asking, &wrong, None, now);
            }
        }
    }

    /// The watch and the poll an answer belongs to.
    fn asking(&mut self, poll: PollId) -> Option<Box<Asking>> {
        let of = |c: &&mut Charge| matches!(&c.phase, Phase::Asked(a, _) if a.poll == poll);
        let charge = self.charges.values_mut().find(of)?;
        match std::mem::replace(&mut charge.phase, Phase::Idle) {
            Phase::Asked(asking, _) => Some(asking),
            other => {
                charge.phase = other;
                None
            }
        }
    }

    fn answered(&mut self, answer: Answer, now: Now) {
        let Some(asking) = self.asking(answer.poll) else {
            return;
        };
        let watch = &asking.row.watch;
        let reply = match &answer.result {
            Ok(reply) => reply,
            Err(e) => return self.end_wrong(asking, &Wrong::of(e), Some(&answer), now),
        };
        let keys = match keys_of(watch, &reply.rows) {
            _ if asking.only_begins => Vec::new(),
            Ok(keys) => keys,
            Err(e) => return self.end_wrong(asking, &unusable(&e.0), Some(&answer), now),
        };
        if keys.is_empty() {
            return self.digest(asking, &answer, keys, Known::default(), now);
        }
        let since = match watch.mode {
            Mode::New => now.wall - watch.seen_ms / 2,
            _ => UnixMs::MIN,
        };
        let name = watch.name.clone();
        self.wish(Wish::Known {
            watch: name.clone(),
            poll: asking.poll,
            keys: keys.clone(),
            since,
        });
        if let Some(charge) = self.charges.get_mut(&name) {
            charge.phase = Phase::Answered(asking, Box::new(answer), keys);
        }
    }

    fn known(&mut self, watch: &str, poll: PollId, known: Known, now: Now) {
        let Some(charge) = self.charges.get_mut(watch) else {
            return;
        };
        match std::mem::replace(&mut charge.phase, Phase::Idle) {
            Phase::Answered(asking, answer, keys) if asking.poll == poll => {
                self.digest(asking, &answer, keys, known, now);
            }
            other => charge.phase = other,
        }
    }

    fn digest(
        &mut self,
        asking: Box<Asking>,
        answer: &Answer,
        keys: Vec<String>,
        known: Known,
        now: Now,
    ) {
        let Ok(reply) = &answer.result else {
            return;
        };
        match answered(&asking, answer, reply, (keys, known), now.wall) {
            Ok((mut end, more)) => {
                put_aside(&self.spool, end.poll, &mut end.runs);
                self.end(asking, end, more);
            }
            Err(e) => self.end_wrong(asking, &unusable(&e.0), Some(answer), now),
        }
    }

    fn end_wrong(&mut self, asking: Box<Asking>, wrong: &Wrong, answer: Option<&Answer>, now: Now) {
        let end = went_wrong(&asking, wrong, answer, now.wall);
        self.end(asking, end, false);
    }

    fn end(&mut self, asking: Box<Asking>, end: PollEnd, more: bool) {
        if let Some(charge) = self.charges.get_mut(&end.watch) {
            let remembered = end.remembered.as_ref();
            charge.phase = Phase::Ending {
                fails: end.fails,
                more,
                waits: remembered.is_some_and(|r| r.waits) && !end.runs.is_empty(),
                owes: end.runs.iter().any(|run| !run.owed.is_empty()),
                asking,
            };
        }
        if end.runs.iter().any(|run| run.input_path.is_some()) {
            self.ends.insert(end.poll, end.runs.clone());
        }
        self.wish(Wish::Finish(Box::new(end)));
    }

    fn finished(&mut self, watch: &str, poll: PollId, finished: &Finished, now: Now) {
        if let Some(runs) = self.ends.remove(&poll)
            && !matches!(finished, Finished::Recorded(_))
        {
            take_away(&runs);
        }
        let Some(charge) = self.charges.get_mut(watch) else {
            return;
        };
        match &charge.phase {
            Phase::Ending { asking, owes, .. } if asking.poll == poll => {
                let owes = *owes;
                charge.over(finished, now);
                if owes && matches!(finished, Finished::Recorded(_)) {
                    self.telling.look(watch);
                }
            }
            _ => {}
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

fn unusable(why: &str) -> Wrong {
    Wrong {
        outcome: PollOutcome::Error,
        error: why.to_owned(),
    }
}

fn is_watched(charges: &BTreeMap<String, Charge>, source: &str, now: Now) -> bool {
    let here = |c: &Charge| c.watch().source == source && c.needs_poller(now);
    charges.values().any(here)
}
