//! The poller of one source: started when it is needed, replaced when it falls silent or dies.

use std::collections::{BTreeMap, BTreeSet};
use std::io;

use crate::clock::Now;
use crate::daemon::poller::{Act, Ask, Beat, Launch, Poller, PollerEvent};
use crate::model::{Secret, Source};
use crate::schedule::UnixMs;
use crate::source::SourceError;
use crate::store::NewGauge;

/// After so long without a word it is said to be silent, milliseconds.
pub const SILENT_MS: i64 = 3_000;
/// After so long it is killed.
pub const DEAF_MS: i64 = 8_000;

/// The pause before one that died at once is started again, doubled each time, milliseconds.
const PAUSE_MS: i64 = 200;
const LONGEST_PAUSE_MS: i64 = 10_000;
/// One that lived so long has not died at once.
const LIFE_MS: i64 = 60_000;

/// How often at most, and at least, it is written down how the connections stand, milliseconds.
const OFTEN_MS: i64 = 1_000;
const SELDOM_MS: i64 = 10_000;

/// The poller of one source.
pub struct Post {
    source: Source,
    secret: Option<Secret>,
    poller: Option<Poller>,
    /// Those of an earlier definition, until their polls are over.
    leaving: Vec<Poller>,
    started: i64,
    /// Not before this instant is another started, on the clock that stands still in a sleep.
    start_at: i64,
    deaths: u32,
    channels: BTreeSet<String>,
    /// Channels nobody listens to who should, and since when.
    lost: BTreeMap<String, UnixMs>,
    beat: Beat,
    silent_since: Option<UnixMs>,
    written: Option<(NewGauge, i64)>,
}

impl Post {
    /// A post nobody is at.
    pub fn of(source: Source, secret: Option<Secret>) -> Post {
        Post {
            source,
            secret,
            poller: None,
            leaving: Vec::new(),
            started: 0,
            start_at: 0,
            deaths: 0,
            channels: BTreeSet::new(),
            lost: BTreeMap::new(),
            beat: Beat::default(),
            silent_since: None,
            written: None,
        }
    }

    /// The source is defined like this now. Another definition gets another poller.
    pub fn redefine(&mut self, source: &Source, secret: Option<&Secret>) {
        if self.source == *source && self.secret.as_ref() == secret {
            return;
        }
        (self.source, self.secret) = (source.clone(), secret.cloned());
        (self.deaths, self.start_at) = (0, 0);
        self.leave();
    }

    /// Nobody is needed here any more.
    pub fn leave(&mut self) {
        if let Some(mut poller) = self.poller.take() {
            poller.leave();
            self.leaving.push(poller);
        }
        self.silent_since = None;
        self.lost.clear();
    }

    /// Whether nobody is left.
    pub fn is_empty(&self) -> bool {
        self.poller.is_none() && self.leaving.is_empty()
    }

    /// Sees to it that somebody is here and listens to these channels. Says whether one was started.
    ///
    /// # Errors
    /// No process could be started; it is tried again later.
    pub fn man(
        &mut self,
        launch: &Launch,
        channels: BTreeSet<String>,
        now: Now,
    ) -> io::Result<bool> {
        if let Some(poller) = &mut self.poller {
            if channels != self.channels {
                self.lost.retain(|channel, _| channels.contains(channel));
                self.channels = channels;
                poller.listen(self.channels.clone());
            }
            return Ok(false);
        }
        if now.mono < self.start_at {
            return Ok(false);
        }
        self.rest(now);
        let mut poller = Poller::start(launch, &self.source, self.secret.clone(), now.mono)?;
        self.channels = channels;
        if !self.channels.is_empty() {
            poller.listen(self.channels.clone());
        }
        (self.started, self.silent_since) = (now.mono, None);
        self.poller = Some(poller);
        Ok(true)
    }

    /// The next one is not started at once.
    fn rest(&mut self, now: Now) {
        let doubled = PAUSE_MS.saturating_mul(1 << self.deaths.min(10));
        self.start_at = now.mono + doubled.min(LONGEST_PAUSE_MS);
        self.deaths += 1;
    }

    /// When to come round, on the clock that stands still in a sleep.
    pub fn wake_at(&self, now: Now) -> Option<i64> {
        match &self.poller {
            None => Some(self.start_at.max(now.mono)),
            Some(poller) => {
                let heard = now.mono - poller.silent_ms(now.mono);
                let next = match self.silent_since {
                    None => SILENT_MS,
                    Some(_) => DEAF_MS,
                };
                Some(heard + next)
            }
        }
    }

    /// The processes here.
    pub fn pollers(&self) -> impl Iterator<Item = &Poller> {
        self.poller.iter().chain(&self.leaving)
    }

    /// The process that is asked, unless it is silent.
    pub fn pid(&self) -> Option<i32> {
        let poller = self.poller.as_ref();
        poller
            .filter(|_| self.silent_since.is_none())
            .map(Poller::pid)
    }

    /// Has a poll made, by the process with the number that is given back.
    ///
    /// # Errors
    /// It is too long to be asked.
    pub fn ask(&mut self, ask: Ask) -> Option<Result<i32, SourceError>> {
        let poller = self.poller.as_mut()?;
        Some(poller.ask(ask).map(|()| poller.pid()))
    }

    /// Has something changed.
    ///
    /// # Errors
    /// It is too long to be asked.
    pub fn act(&mut self, act: Act) -> Option<Result<i32, SourceError>> {
        let poller = self.poller.as_mut()?;
        Some(poller.act(act).map(|()| poller.pid()))
    }

    /// Kills the process with this number.
    pub fn kill(&mut self, pid: i32) {
        let mut all = self.poller.iter_mut().chain(&mut self.leaving);
        if let Some(poller) = all.find(|p| p.pid() == pid) {
            poller.kill();
        }
    }

    /// What is heard, and of whom.
    pub fn hear(&mut self, now: Now) -> Vec<(i32, PollerEvent)> {
        let mut heard = Vec::new();
        for poller in self.poller.iter_mut().chain(&mut self.leaving) {
            let pid = poller.pid();
            heard.extend(poller.hear(now.mono).into_iter().map(|event| (pid, event)));
        }
        for (pid, event) in &heard {
            self.take(*pid, event, now);
        }
        heard
    }

    fn take(&mut self, pid: i32, event: &PollerEvent, now: Now) {
        let current = self.poller.as_ref().is_some_and(|p| p.pid() == pid);
        match event {
            PollerEvent::Gone { .. } => {
                self.leaving.retain(|p| p.pid() != pid);
                if current {
                    self.poller = None;
                    self.lost = self
                        .channels
                        .iter()
                        .map(|c| (c.clone(), now.wall))
                        .collect();
                    if now.mono - self.started > LIFE_MS {
                        (self.deaths, self.start_at) = (0, now.mono);
                    }
                }
            }
            _ if !current => {}
            PollerEvent::Beat(beat) => self.beat = beat.clone(),
            PollerEvent::Deaf { channel, since, .. } => {
                self.lost.insert(channel.clone(), *since);
            }
            PollerEvent::Listening { channel, .. } => {
                self.lost.remove(channel);
            }
            _ => {}
        }
    }

    /// How long nothing was heard of the process that should be here, milliseconds: told when that
    /// begins to be too long, and again when it has been for so long that the process was killed.
    pub fn listen_for_silence(&mut self, now: Now) -> Option<(i64, bool)> {
        let poller = self.poller.as_mut()?;
        let silent = poller.silent_ms(now.mono);
        if silent < SILENT_MS {
            self.silent_since = None;
            return None;
        }
        if silent >= DEAF_MS {
            poller.kill();
            return Some((silent, true));
        }
        let first = self.silent_since.is_none();
        self.silent_since = Some(now.wall - silent);
        first.then_some((silent, false))
    }

    /// How the connections stand, where that is to be written down.
    pub fn gauge(&mut self, now: Now) -> Option<NewGauge> {
        let gauge = NewGauge {
            source: self.source.name.clone(),
            at: now.wall,
            pool: serde_json::to_string(&self.beat.gauges).unwrap_or_default(),
            listening: !self.channels.is_empty() && self.lost.is_empty() && self.poller.is_some(),
            lost_at: self.lost.values().min().copied(),
            silent_since: self.silent_since,
            pid: self.poller.as_ref().map(Poller::pid),
        };
        let wanted = match &self.written {
            None => true,
            Some((old, at)) => {
                let same = NewGauge {
                    at: old.at,
                    ..gauge.clone()
                };
                let urgent = old.silent_since != gauge.silent_since || old.pid != gauge.pid;
                let pause = if same == *old { SELDOM_MS } else { OFTEN_MS };
                urgent || now.mono - at >= pause
            }
        };
        if !wanted {
            return None;
        }
        self.written = Some((gauge.clone(), now.mono));
        Some(gauge)
    }

    /// Says how long the channels that are listened to again were not: none was since then.
    pub fn lost_since(&self) -> Option<UnixMs> {
        self.lost.values().min().copied()
    }
}
