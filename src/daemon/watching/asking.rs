//! A poll from its beginning to its end.

use crate::clock::Now;
use crate::daemon::poller::{Answer, Ask};
use crate::daemon::watching::charge::{Charge, Phase};
use crate::daemon::watching::ending::{Asking, Wrong, answered, went_wrong};
use crate::daemon::watching::inputs::{put_aside, take_away};
use crate::daemon::watching::post::Post;
use crate::daemon::watching::round::Round;
use crate::daemon::watching::wish::{Begun, Wish};
use crate::engine::watch::keys_of;
use crate::model::{Mode, PollId, PollOutcome, Trigger};
use crate::schedule::UnixMs;
use crate::store::{Finished, Known, PollEnd};

/// Bytes of values taken from one poll, roughly.
const ANSWER_MAX: usize = 16 << 20;

impl Round {
    /// Begins the polls that are due.
    pub(in crate::daemon::watching) fn begin_due(&mut self, now: Now) {
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
    pub(in crate::daemon::watching) fn begun(
        &mut self,
        watch: &str,
        begun: Option<Box<Begun>>,
        now: Now,
    ) {
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

    pub(in crate::daemon::watching) fn answered(&mut self, answer: Answer, now: Now) {
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

    pub(in crate::daemon::watching) fn known(
        &mut self,
        watch: &str,
        poll: PollId,
        known: Known,
        now: Now,
    ) {
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

    pub(in crate::daemon::watching) fn end_wrong(
        &mut self,
        asking: Box<Asking>,
        wrong: &Wrong,
        answer: Option<&Answer>,
        now: Now,
    ) {
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

    pub(in crate::daemon::watching) fn finished(
        &mut self,
        watch: &str,
        poll: PollId,
        finished: &Finished,
        now: Now,
    ) {
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
}

fn unusable(why: &str) -> Wrong {
    Wrong {
        outcome: PollOutcome::Error,
        error: why.to_owned(),
    }
}
