//! The store side of watching: carries out wishes, and notices that definitions have changed.

use std::collections::VecDeque;

use crate::clock::Now;
use crate::daemon::keeper::Keeper;
use crate::daemon::mailbox::Sender;
use crate::daemon::watching::wish::{Begun, Defined, Wish, Word};
use crate::daemon::watching::wording::word_poll;
use crate::model::{Record, TroubleKind};
use crate::store::{self, Finished, Store, StoreError};

/// Where the number stands that grows with each change of a watch or a source.
const NUMBER: &str = "watches";

/// How often a wish is tried that fails for a reason nobody knows.
const TRIES: u32 = 100;

/// The store side of watching.
pub struct Clerk {
    watching: Sender<Word>,
    wishes: VecDeque<Wish>,
    /// How often the first of them has failed.
    tries: u32,
    words: Vec<Word>,
    /// The state of the file when the number was read last.
    looked: Option<i64>,
    number: Option<String>,
    /// Whether there is a watch at all.
    any: bool,
    /// Whether runs have ended since that was told last.
    ended: bool,
    /// Whether what a core before left behind was dealt with.
    begun: bool,
}

impl Clerk {
    /// A clerk who answers here.
    pub fn new(watching: Sender<Word>) -> Clerk {
        Clerk {
            watching,
            wishes: VecDeque::new(),
            tries: 0,
            words: Vec::new(),
            looked: None,
            number: None,
            any: false,
            ended: false,
            begun: false,
        }
    }

    /// Takes a wish.
    pub fn take(&mut self, wish: Wish) {
        self.wishes.push_back(wish);
    }

    /// These records are about to be recorded.
    pub fn saw(&mut self, records: &[Record]) {
        self.ended |= records
            .iter()
            .any(|r| matches!(r, Record::Ended(_) | Record::Drop(_)));
    }

    /// The store is another file now: everything is looked at anew.
    pub fn store_is_new(&mut self) {
        (self.looked, self.number) = (None, None);
    }

    /// Whether wishes wait because the store could not be written.
    pub fn waits(&self) -> bool {
        !self.wishes.is_empty()
    }

    /// Carries out what was wished. Whether there are new runs the keeper finds out by looking.
    ///
    /// # Errors
    /// Those of the store that pass; the wish is tried again.
    pub fn work(&mut self, keeper: &mut Keeper, now: Now) -> store::Result<()> {
        self.glance(keeper.store_mut())?;
        while let Some(wish) = self.wishes.front() {
            match carry_out(keeper.store_mut(), wish, now, &mut self.words) {
                Ok(made) => {
                    if made {
                        keeper.look_anew();
                    }
                }
                Err(e) if lasting(&e) || self.given_up(&e) => self.words.extend(refused(wish)),
                Err(e) => {
                    self.tries += 1;
                    return Err(e);
                }
            }
            self.tries = 0;
            self.wishes.pop_front();
        }
        Ok(())
    }

    /// Tells what came of it. Only after the journal has it: sources are told that rows were taken.
    pub fn tell(&mut self, recorded: bool) {
        for word in self.words.drain(..) {
            self.watching.send(word);
        }
        if recorded && std::mem::take(&mut self.ended) && self.any {
            self.watching.send(Word::RunsEnded);
        }
    }

    /// Whether the store goes on refusing the first wish for a reason that nobody knows: it must not
    /// keep those behind it waiting for ever.
    fn given_up(&self, error: &StoreError) -> bool {
        error.trouble() == TroubleKind::Other && self.tries >= TRIES
    }

    fn glance(&mut self, store: &mut Store) -> store::Result<()> {
        if !self.begun {
            store.lose_polls()?;
            self.begun = true;
        }
        let version = store.data_version()?;
        if self.looked == Some(version) {
            return Ok(());
        }
        let number = store.meta(NUMBER)?;
        if number != self.number {
            let defined = defined(store)?;
            self.any = !defined.is_empty();
            self.words.push(Word::Watches(defined));
            self.number = number;
        }
        self.looked = Some(version);
        Ok(())
    }
}

/// Whether trying again would bring the same.
fn lasting(error: &StoreError) -> bool {
    error.is_refusal() || matches!(error, StoreError::NoSuchWatch(_))
}

/// What is said of a wish that cannot be carried out, ever.
fn refused(wish: &Wish) -> Option<Word> {
    match wish {
        Wish::Begin(new, _) => Some(Word::Begun(new.watch.clone(), None)),
        Wish::Finish(end) => Some(Word::Finished(end.watch.clone(), end.poll, Finished::Void)),
        _ => None,
    }
}

/// Carries out one wish. Says whether there may be new runs.
fn carry_out(
    store: &mut Store,
    wish: &Wish,
    now: Now,
    words: &mut Vec<Word>,
) -> store::Result<bool> {
    match wish {
        Wish::Begin(new, engine) => {
            let (poll, row, worded) =
                store.begin_poll(new, |poll, row| word_poll(row, *engine, poll, new.at))?;
            let begun = Begun { poll, row, worded };
            words.push(Word::Begun(new.watch.clone(), Some(Box::new(begun))));
        }
        Wish::Skip(new, why) => drop(store.skip_poll(new, why)?),
        Wish::Known {
            watch,
            poll,
            keys,
            since,
        } => {
            let known = store.known_keys(watch, keys, *since)?;
            words.push(Word::Known(watch.clone(), *poll, known));
        }
        Wish::Finish(end) => {
            let finished = store.finish_poll(end)?;
            let made = matches!(finished, Finished::Recorded(runs) if runs > 0);
            words.push(Word::Finished(end.watch.clone(), end.poll, finished));
            return Ok(made);
        }
        Wish::Next(next) => store.set_next_polls(next)?,
        Wish::Settle => {
            let freed = store.settle_held(now.wall)?;
            words.push(Word::Settled(freed));
        }
        Wish::Owed { watch, ended } => {
            let owed = store.owed(watch, *ended)?;
            words.push(Word::Owed(watch.clone(), owed));
        }
        Wish::Paid(ids) => store.paid(ids)?,
        Wish::Gauge(gauge) => store.put_gauge(gauge)?,
        Wish::Gauges(of) => store.keep_gauges(of)?,
        Wish::Tell(Some(watch), note) => store.note_of_watch(watch, note)?,
        Wish::Tell(None, note) => store.note(note)?,
    }
    Ok(false)
}

/// All watches as they are defined, with their sources and what became of the last poll.
fn defined(store: &Store) -> store::Result<Vec<Defined>> {
    let owing = store.owing_watches()?;
    let mut found = Vec::new();
    for row in store.watches()? {
        let name = row.watch.name.clone();
        let source = match store.source(&row.watch.source)? {
            Some(source) => {
                let secret = store.source_password(&source.name)?;
                Some((source, secret))
            }
            None => None,
        };
        found.push(Defined {
            source,
            last: store.last_asked(&name)?,
            held: !store.held_polls(&name)?.is_empty(),
            owes: owing.contains(&name),
            row,
        });
    }
    Ok(found)
}
