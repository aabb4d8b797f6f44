//! How often the core died and how, as far as its guardian knows.
//!
//! The guardian touches no disk. It hands these facts to the next core with its arguments, and that
//! one writes the events. For the time in which no core answers, each core that is started again
//! leaves them in a small file, which is gone as soon as one keeps time.

use std::path::Path;

use serde::{Deserialize, Serialize};

use crate::control::Watched;
use crate::model::{Level, Note};
use crate::process::identity;
use crate::schedule::UnixMs;

/// So many deaths without a minute of life between them are no accident.
pub const FLAPPING: u32 = 3;

/// What the guardian knows of the cores before the one it starts.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Restarts {
    /// How many cores died in a row, none of which lived for a minute.
    pub deaths: u32,
    /// How the last one ended, such as "by signal 9"; nothing where it was told to.
    pub ending: Option<String>,
    /// How long was waited before the next one was started, milliseconds.
    pub pause_ms: i64,
    /// Why a new program was not taken, or given up again.
    pub refused: Option<String>,
    /// Whether a new program has just taken the place of another.
    pub upgraded: bool,
}

impl Restarts {
    /// Whether cores die again and again.
    pub fn is_flapping(&self) -> bool {
        self.deaths >= FLAPPING
    }

    /// What readers are told of the guardian at the start.
    pub fn watched(self, guardian: Option<i32>) -> Watched {
        Watched {
            guardian,
            deaths: self.deaths,
            ending: self.ending,
            refused: self.refused,
            refusals: 0,
        }
    }

    /// The events that tell of it.
    pub fn notes(&self, now: UnixMs) -> Vec<Note> {
        let note = |level, kind: &str, text: String| Note {
            at: now,
            level,
            kind: kind.to_owned(),
            job: None,
            run: None,
            text,
        };
        let mut notes = Vec::new();
        if let Some(ending) = &self.ending {
            let times = match self.deaths {
                0 | 1 => String::new(),
                n => format!("; {n} times in a row without a minute of rest"),
            };
            notes.push(note(
                if self.is_flapping() {
                    Level::Error
                } else {
                    Level::Warn
                },
                "guardian",
                format!(
                    "the core ended {ending}; started again after {} ms{times}",
                    self.pause_ms
                ),
            ));
        }
        if let Some(why) = &self.refused {
            notes.push(refusal(why, now));
        }
        if self.upgraded && self.refused.is_none() {
            let version = env!("CARGO_PKG_VERSION");
            let text = format!("the daemon goes on as another program: crake {version}");
            notes.push(note(Level::Info, "upgrade", text));
        }
        notes
    }
}

/// The event that tells why a new program was not taken.
pub fn refusal(why: &str, now: UnixMs) -> Note {
    Note {
        at: now,
        level: Level::Error,
        kind: "upgrade".to_owned(),
        job: None,
        run: None,
        text: why.to_owned(),
    }
}

/// What a core that is being started again leaves for readers as long as none answers.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Trouble {
    /// The guardian's process.
    pub guardian: i32,
    /// When that one started, in ticks since boot: numbers of processes come again.
    pub start: u64,
    /// How many cores died in a row.
    pub deaths: u32,
    /// How the last one ended.
    pub ending: String,
}

impl Trouble {
    /// The facts, as a core that is started again knows them.
    pub fn of(restarts: &Restarts, guardian: i32) -> Trouble {
        Trouble {
            guardian,
            start: identity::start_time(guardian).unwrap_or(0),
            deaths: restarts.deaths,
            ending: restarts.ending.clone().unwrap_or_default(),
        }
    }

    /// Leaves the facts. On a full disk there is less to tell, and nothing else is lost.
    pub fn leave(&self, path: &Path) {
        if let Ok(text) = serde_json::to_string(self) {
            let _ = std::fs::write(path, text);
        }
    }

    /// Adds why the core that was being started could not: the words it says itself.
    pub fn explain(path: &Path, why: &str) {
        if let Some(mut trouble) = read(path) {
            trouble.ending = why.to_owned();
            trouble.leave(path);
        }
    }

    /// Takes the facts back: time is kept.
    pub fn over(path: &Path) {
        let _ = std::fs::remove_file(path);
    }

    /// The facts, where the guardian they tell of is alive.
    pub fn found(path: &Path) -> Option<Trouble> {
        read(path).filter(|t| identity::is_same(t.guardian, t.start))
    }
}

fn read(path: &Path) -> Option<Trouble> {
    serde_json::from_slice(&std::fs::read(path).ok()?).ok()
}
