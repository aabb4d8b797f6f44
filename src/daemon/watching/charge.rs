//! One watch in the charge of the watching thread: when it is asked next, and what is under way.

use crate::clock::Now;
use crate::daemon::poller::Answer;
use crate::daemon::watching::ending::{Asking, owes};
use crate::daemon::watching::wish::Defined;
use crate::engine::watch::{Standing, next_poll};
use crate::model::{Advance, Mode, NextPoll, Secret, Source, Trigger, Watch};
use crate::schedule::UnixMs;
use crate::store::{Finished, NewPoll, WatchRow};

/// Polls that something else than the interval causes lie at least so far apart, milliseconds; where
/// the last one went wrong, so far.
const GAP_MS: i64 = 50;
const GAP_AFTER_FAILURE_MS: i64 = 1_000;

/// How long a poll waits at most for the source to be told of the rows before it, milliseconds.
const TELLING_MS: i64 = 5_000;

/// A poll that is late by so much beyond its time limit hangs, milliseconds.
pub const OVERTIME_MS: i64 = 5_000;

/// How far a poll is.
#[derive(Debug)]
pub enum Phase {
    /// There is none.
    Idle,
    /// Its row is being written.
    Beginning {
        /// What caused it.
        trigger: Trigger,
        /// When polls of the interval were due last.
        due_at: UnixMs,
    },
    /// The source is asked, by the poller with this process id.
    Asked(Box<Asking>, i32),
    /// The answer is there, and it is looked up what of it is known.
    Answered(Box<Asking>, Box<Answer>, Vec<String>),
    /// Its end is being written; whether there is more to be read, and what is to be waited for.
    Ending {
        /// It.
        asking: Box<Asking>,
        /// How many went wrong in a row, this one among them.
        fails: u32,
        /// Whether there is more to be read.
        more: bool,
        /// Whether the watch waits for its runs.
        waits: bool,
        /// Whether the source is to be told of rows.
        owes: bool,
    },
}

/// A watch in charge.
#[derive(Debug)]
pub struct Charge {
    /// The watch as it was defined when that was read last.
    pub row: WatchRow,
    /// Its source.
    pub source: Option<(Source, Option<Secret>)>,
    /// How far its poll is.
    pub phase: Phase,
    standing: Standing,
    /// When it is due, on the clock of the boot, by that of the wall, and why.
    due: Option<(i64, NextPoll)>,
    /// What else is to cause a poll.
    wanted: Option<Trigger>,
    asked_at: Option<UnixMs>,
    begun_boot: i64,
    /// The poll under way was said to be in the way of the next.
    skipped: bool,
    /// Until when the next poll waits for the source to be told of rows.
    telling_until: Option<i64>,
    /// What the store says of when it is asked next.
    told: Option<UnixMs>,
}

impl Charge {
    /// Takes charge of a watch.
    pub fn of(defined: Defined, now: Now) -> Charge {
        let last = defined.last;
        let mut charge = Charge {
            standing: Standing {
                due_at: last.map_or(now.wall, |l| l.due_at.min(now.wall)),
                ended_at: last.map_or(now.wall, |l| l.ended_at.min(now.wall)),
                fails: last.map_or(0, |l| l.fails),
                more: defined.row.memory.page.is_some(),
                blocked: defined.held,
            },
            told: defined.row.next_at,
            row: defined.row,
            source: defined.source,
            phase: Phase::Idle,
            due: None,
            wanted: None,
            asked_at: None,
            begun_boot: now.boot - GAP_AFTER_FAILURE_MS,
            skipped: false,
            telling_until: None,
        };
        charge.asked_at = charge.row.asked_at;
        charge.plan(now);
        if last.is_none_or(|l| l.lost) {
            charge.at_once(now);
        }
        charge
    }

    /// The definition was changed, or something was asked of the watch.
    pub fn redefine(&mut self, defined: Defined, now: Now) {
        let (old, new) = (&self.row, &defined.row);
        let anew = old.version != new.version;
        let paused = is_paused(&old.watch, now.wall) != is_paused(&new.watch, now.wall);
        let other = self.source != defined.source;
        self.asked_at = defined.row.asked_at;
        self.standing.blocked = defined.held;
        self.told = defined.row.next_at;
        if anew {
            self.standing.more = defined.row.memory.page.is_some();
        }
        if anew || other {
            self.standing.fails = 0;
        }
        (self.row, self.source) = (defined.row, defined.source);
        self.plan(now);
        if anew || paused || other {
            self.at_once(now);
        }
    }

    /// The definition.
    pub fn watch(&self) -> &Watch {
        &self.row.watch
    }

    /// Whether it is asked at all of its own accord.
    pub fn is_on(&self, now: Now) -> bool {
        self.source.is_some() && !is_paused(self.watch(), now.wall)
    }

    /// Whether it needs a process that holds connections to its source.
    pub fn needs_poller(&self, now: Now) -> bool {
        let idle = matches!(self.phase, Phase::Idle);
        self.source.is_some() && (self.is_on(now) || self.asked_at.is_some() || !idle)
    }

    /// Whether rows are told to the source once their runs are over.
    pub fn tells_ends(&self) -> bool {
        self.watch().advance == Advance::Succeeded
    }

    /// Whether it waits for runs.
    pub fn is_blocked(&self) -> bool {
        self.standing.blocked
    }

    /// Whether the ends of runs matter to it.
    pub fn minds_runs(&self) -> bool {
        let watch = self.watch();
        self.standing.blocked || (watch.mode == Mode::Consume && self.tells_ends() && owes(watch))
    }

    /// Something causes a poll.
    pub fn want(&mut self, trigger: Trigger) {
        if self.wanted != Some(Trigger::Reconnect) {
            self.wanted = Some(trigger);
        }
    }

    /// The runs it waited for have ended well, or were given up.
    pub fn go_on(&mut self, now: Now) {
        self.standing.blocked = false;
        self.plan(now);
    }

    /// The source was told of all rows there were.
    pub fn told_all(&mut self) {
        self.telling_until = None;
    }

    /// Reckons anew when it is due.
    pub fn plan(&mut self, now: Now) {
        let mut watch = self.watch().clone();
        watch.paused = watch.paused.filter(|p| p.covers(now.wall));
        self.due = next_poll(&watch, &self.standing)
            .filter(|_| self.source.is_some())
            .map(|next| (now.boot + (next.at - now.wall), next));
        // A pause that ends by itself is looked at again then.
        if let Some(until) = watch.paused.and_then(|p| p.until) {
            self.due = Some((
                now.boot + (until - now.wall),
                NextPoll {
                    at: until,
                    trigger: Trigger::Timer,
                },
            ));
        }
    }

    /// The wall clock was set: the next poll stays where it is, and is called otherwise.
    pub fn clock_stepped(&mut self, now: Now) {
        if let Some((at, next)) = &mut self.due {
            next.at = now.wall + (*at - now.boot);
        }
        self.standing.ended_at = self.standing.ended_at.min(now.wall);
        self.standing.due_at = self.standing.due_at.min(now.wall);
    }

    fn at_once(&mut self, now: Now) {
        if self.is_on(now) && !self.standing.blocked {
            let trigger = Trigger::Timer;
            let at = now.wall;
            self.due = Some((now.boot, NextPoll { at, trigger }));
        }
    }

    /// When it is asked next, where the store does not have that yet.
    pub fn untold(&mut self) -> Option<(String, Option<UnixMs>)> {
        let next = self.due.map(|(_, next)| next.at);
        if !matches!(self.phase, Phase::Idle) || self.told == next {
            return None;
        }
        self.told = next;
        Some((self.watch().name.clone(), next))
    }

    /// When to come round for it, on the clock of the boot.
    pub fn wake_at(&self, now: Now) -> Option<i64> {
        match &self.phase {
            Phase::Idle => {
                let others = self.wanted.map(|_| self.begun_boot + self.gap());
                let asked = self.asked_at.map(|_| now.boot);
                let due = self.due.map(|(at, _)| at);
                let at = [due, others, asked].into_iter().flatten().min()?;
                Some(self.telling_until.map_or(at, |until| at.max(until)))
            }
            Phase::Asked(asking, _) => {
                let over = self.overtime_at(asking);
                let next = asking.started_boot + self.watch().every_ms;
                Some(if self.skipped { over } else { over.min(next) })
            }
            Phase::Beginning { .. } | Phase::Answered(..) | Phase::Ending { .. } => None,
        }
    }

    fn gap(&self) -> i64 {
        match self.standing.fails {
            0 => GAP_MS,
            _ => GAP_AFTER_FAILURE_MS,
        }
    }

    fn overtime_at(&self, asking: &Asking) -> i64 {
        asking.started_boot + asking.row.watch.timeout_ms + OVERTIME_MS
    }

    /// Whether the poll under way hangs.
    pub fn hangs(&self, now: Now) -> bool {
        matches!(&self.phase, Phase::Asked(asking, _) if now.boot >= self.overtime_at(asking))
    }

    /// A poll that fell due while the one under way was in its way; told once for each.
    pub fn in_the_way(&mut self, now: Now) -> Option<NewPoll> {
        let Phase::Asked(asking, _) = &self.phase else {
            return None;
        };
        let late = now.boot - asking.started_boot >= self.watch().every_ms;
        if self.skipped || !late || asking.trigger == Trigger::More {
            return None;
        }
        self.skipped = true;
        Some(NewPoll {
            watch: self.watch().name.clone(),
            trigger: Trigger::Timer,
            due_at: asking.due_at + self.watch().every_ms,
            at: now.wall,
        })
    }

    /// The poll to begin now, if one is to.
    pub fn begin(&mut self, now: Now) -> Option<NewPoll> {
        if !matches!(self.phase, Phase::Idle) || self.source.is_none() {
            return None;
        }
        if self.telling_until.is_some_and(|until| now.boot < until) {
            return None;
        }
        let (trigger, due_at) = self.cause(now)?;
        let beat = self.due.filter(|(at, _)| *at <= now.boot);
        let kept = beat.map_or(self.standing.due_at, |(_, next)| next.at);
        self.phase = Phase::Beginning {
            trigger,
            due_at: kept,
        };
        (self.wanted, self.skipped, self.telling_until) = (None, false, None);
        self.begun_boot = now.boot;
        if trigger == Trigger::Manual {
            self.asked_at = None;
        }
        Some(NewPoll {
            watch: self.watch().name.clone(),
            trigger,
            due_at,
            at: now.wall,
        })
    }

    fn cause(&self, now: Now) -> Option<(Trigger, UnixMs)> {
        if self.standing.blocked {
            return None;
        }
        if let Some(asked_at) = self.asked_at {
            return Some((Trigger::Manual, asked_at));
        }
        if !self.is_on(now) {
            return None;
        }
        if let Some(trigger) = self.wanted
            && now.boot >= self.begun_boot + self.gap()
        {
            return Some((trigger, now.wall));
        }
        let (_, next) = self.due.filter(|(at, _)| *at <= now.boot)?;
        Some((next.trigger, next.at))
    }

    /// A wish for a poll that cannot be fulfilled because the watch waits for a run.
    pub fn take_vain_wish(&mut self, now: Now) -> Option<NewPoll> {
        let due_at = self.asked_at.filter(|_| self.standing.blocked)?;
        self.asked_at = None;
        Some(NewPoll {
            watch: self.watch().name.clone(),
            trigger: Trigger::Manual,
            due_at,
            at: now.wall,
        })
    }

    /// How many polls in a row went wrong.
    pub fn fails(&self) -> u32 {
        self.standing.fails
    }

    /// The poll is over and its end is written.
    pub fn over(&mut self, finished: &Finished, now: Now) {
        let phase = std::mem::replace(&mut self.phase, Phase::Idle);
        if let Phase::Ending {
            asking,
            fails,
            more,
            waits,
            owes,
        } = phase
        {
            self.standing = Standing {
                due_at: asking.due_at,
                ended_at: now.wall,
                fails,
                more: more && matches!(finished, Finished::Recorded(_)),
                blocked: waits && matches!(finished, Finished::Recorded(_)),
            };
            if *finished == Finished::NoJob {
                self.standing.fails = asking.fails + 1;
            } else if owes && !self.tells_ends() {
                self.telling_until = Some(now.boot + TELLING_MS);
            }
        }
        self.plan(now);
        match finished {
            Finished::Recorded(_) => self.told = self.due.map(|(_, next)| next.at),
            Finished::NoJob => {}
            // It was changed meanwhile: what it is now has not been asked.
            Finished::Void => self.at_once(now),
        }
    }
}

/// Whether a watch is paused at an instant.
fn is_paused(watch: &Watch, now: UnixMs) -> bool {
    watch.paused.as_ref().is_some_and(|p| p.covers(now))
}
