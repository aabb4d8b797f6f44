//! What is wrong with the store, since when, and who causes it: kept for whoever asks, and told as
//! events when it begins and when it is over.

use std::path::PathBuf;
use std::sync::{Arc, Mutex};

use crate::clock::Now;
use crate::model::{Level, Note, Trouble, TroubleKind};
use crate::process;

/// Locks that are gone sooner are the usual business of writers; nothing is told of them.
const WORTH_TELLING_MS: i64 = 2_000;

/// How often the holder of a lock is looked for.
const SEEK_MS: i64 = 1_000;

/// What is wrong, for whoever asks.
pub type Said = Arc<Mutex<Option<Trouble>>>;

/// What is wrong with the store.
pub struct Ailment {
    said: Said,
    store: PathBuf,
    now: Option<Trouble>,
    began: i64,
    sought: Option<i64>,
    told: bool,
}

impl Ailment {
    /// Nothing is wrong yet. `said` is what others look at.
    pub fn new(said: Said, store: PathBuf) -> Ailment {
        Ailment {
            said,
            store,
            now: None,
            began: 0,
            sought: None,
            told: false,
        }
    }

    /// Takes up what is wrong at the moment, and gives what is to be told of it: that it began, once
    /// it has lasted, and that it is over.
    pub fn saw(
        &mut self,
        fault: Option<(TroubleKind, String)>,
        waiting: usize,
        now: Now,
    ) -> Vec<Note> {
        let mut notes = Vec::new();
        let goes_on = |t: &Trouble| fault.as_ref().is_some_and(|(kind, _)| *kind == t.kind);
        if let Some(over) = self.now.take_if(|t| !goes_on(t))
            && self.told
        {
            notes.push(self.over(&over, waiting, now));
        }
        if let Some((kind, text)) = fault {
            if self.now.is_none() {
                (self.began, self.sought, self.told) = (now.boot, None, false);
            }
            let known = self.now.take();
            let mut trouble = Trouble {
                kind,
                since: known.as_ref().map_or(now.wall, |t| t.since),
                holder: known.and_then(|t| t.holder),
                text,
                waiting,
            };
            self.seek(&mut trouble, now);
            let lasted = now.boot - self.began >= WORTH_TELLING_MS;
            if !self.told && lasted {
                self.told = true;
                notes.push(began(&trouble));
            }
            self.now = Some(trouble);
        }
        *self.said.lock().unwrap_or_else(|e| e.into_inner()) = self.now.clone();
        notes
    }

    fn over(&self, over: &Trouble, waiting: usize, now: Now) -> Note {
        let seconds = (now.boot - self.began) / 1000;
        let recorded = over.waiting.saturating_sub(waiting);
        let text = format!("the store is back after {seconds} s; {recorded} decisions recorded");
        eprintln!("crake: {text}");
        note(now.wall, Level::Info, text)
    }

    /// Who causes it.
    fn seek(&mut self, trouble: &mut Trouble, now: Now) {
        let due = self.sought.is_none_or(|at| now.boot - at >= SEEK_MS);
        if due && trouble.kind == TroubleKind::Locked {
            self.sought = Some(now.boot);
            trouble.holder = process::writer(&self.store).or(trouble.holder.take());
        }
        if due && trouble.kind == TroubleKind::Wal {
            self.sought = Some(now.boot);
            trouble.holder = process::readers(&self.store).into_iter().next();
        }
        if let Some(holder) = &trouble.holder {
            trouble.text = match trouble.kind {
                TroubleKind::Locked => format!("the store is locked by {holder}"),
                _ => format!("{}, because {holder} reads without an end", trouble.text),
            };
        }
    }
}

fn began(trouble: &Trouble) -> Note {
    let level = match trouble.kind {
        TroubleKind::Locked | TroubleKind::Wal => Level::Warn,
        _ => Level::Error,
    };
    eprintln!("crake: {}", trouble.text);
    note(trouble.since, level, trouble.text.clone())
}

/// An event about the store.
pub fn note(at: i64, level: Level, text: String) -> Note {
    Note {
        at,
        level,
        kind: "store".to_owned(),
        job: None,
        run: None,
        text,
    }
}
