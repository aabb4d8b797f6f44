//! What people are told of the ring.

use crate::control::SILENT;
use crate::daemon::ring::{Ring, Spare, State};
use crate::model::{Level, Note, Record};
use crate::schedule::UnixMs;

/// A disk that is slow for less than this is not worth a word, milliseconds.
const WORTH_A_WORD_MS: i64 = 1_000;

/// Something worth telling about the ring.
pub type Word = (Level, String);

/// A word as it is recorded.
pub fn told((level, text): Word, at: UnixMs) -> Record {
    Record::Note(Note {
        at,
        level,
        kind: "degraded".to_owned(),
        job: None,
        run: None,
        text,
    })
}

/// What people were told, so that it is said once.
#[derive(Debug, Default)]
pub(in crate::daemon::ring) struct Told {
    state: bool,
    filling: bool,
    nowhere: bool,
}

impl Ring {
    /// What is wrong at the moment; nothing where all is well.
    pub fn trouble(&self, mono: i64) -> Option<String> {
        let state = match &self.state {
            State::Well => None,
            State::Late { since } => (mono - since >= WORTH_A_WORD_MS)
                .then(|| format!("the disk {SILENT} {} s", (mono - since) / 1000)),
            State::Broken { why, .. } => Some(format!("the ring cannot be written: {why}")),
            State::Mending { why, since, .. } if mono - since < WORTH_A_WORD_MS => {
                Some(format!("the ring cannot be written: {why}"))
            }
            State::Mending { since, .. } => {
                Some(format!("the disk {SILENT} {} s", (mono - since) / 1000))
            }
        };
        let where_to = state.map(|state| format!("{state}; {}", self.elsewhere()));
        let full = (self.is_filling() || !self.is_safe()).then(|| self.fullness());
        match (where_to, full) {
            (Some(a), Some(b)) => Some(format!("{a}; {b}")),
            (a, b) => a.or(b),
        }
    }

    fn elsewhere(&self) -> String {
        match self.spare.as_ref().and_then(Spare::path) {
            Some(path) => format!("decisions are kept in {}", path.display()),
            None => "decisions are kept in memory only".to_owned(),
        }
    }

    fn is_filling(&self) -> bool {
        self.in_use() * 4 >= self.main.places() * 3
    }

    fn fullness(&self) -> String {
        let (used, places) = (self.in_use(), self.main.places());
        let percent = used * 100 / places.max(1);
        match self.is_safe() {
            true => format!("the ring is {percent} % full"),
            false => format!(
                "the ring is {percent} % full and decisions have no place in it: a crash would lose them"
            ),
        }
    }

    /// What changed since people were last told.
    pub(in crate::daemon::ring) fn words(&mut self, mono: i64) -> Vec<Word> {
        let mut words = Vec::new();
        let late = match self.state {
            State::Well => None,
            _ => self.trouble(mono),
        };
        match late {
            Some(text) if !std::mem::replace(&mut self.told.state, true) => {
                words.push((Level::Error, text));
            }
            None if self.told.state && !self.is_cut_off() => {
                self.told.state = false;
                words.push((Level::Info, "the ring is written again".to_owned()));
            }
            _ => {}
        }
        if self.is_filling() {
            if !std::mem::replace(&mut self.told.filling, true) {
                words.push((Level::Warn, self.fullness()));
            }
        } else if self.in_use() * 2 < self.main.places() {
            self.told.filling = false;
        }
        if self.is_safe() {
            self.told.nowhere = false;
        } else if !std::mem::replace(&mut self.told.nowhere, true) {
            words.push((Level::Error, self.fullness()));
        }
        words
    }
}
