//! The ring: preallocated places in which decisions are made durable before anything is carried
//! out.
//!
//! A place is written in place and flushed with one `fdatasync` for all that is decided at an
//! instant: no lock, no allocation, no SQLite, so it works while the store is locked and while the
//! disk is full. The store is filled from it afterwards. A place is torn at worst by a power cut
//! while it was not yet flushed; its checksum then drops it, and nothing had been carried out for
//! it.
//!
//! The firing thread waits for the disk for a tenth of a second and no longer. Where the disk does
//! not answer, refuses, or has no place left, the places go into an emergency ring in memory
//! ([`spare`]), under numbers of the same sequence. Until the store has them they are kept here as
//! well, so that whatever was not written for certain can be written again elsewhere.

mod file;
mod form;
mod medium;
mod spare;
mod words;

use std::collections::VecDeque;
use std::io;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};

use crate::model::Record;

pub use file::{PLACES, RingFile};
pub use form::{Place, belongs, decode, without_output};
pub use medium::{AtOnce, InThread, Medium, Wrote};
pub use spare::{Owner, Spare};
pub use words::{Word, told};

use words::Told;

/// The first and the longest pause before the ring file is tried again after an error,
/// milliseconds.
const FIRST_PAUSE_MS: i64 = 500;
const LONGEST_PAUSE_MS: i64 = 30_000;

/// Places kept in memory for which no file has room. What is beyond is only with the store side.
const HOMELESS: usize = 65_536;

/// The ring as the firing thread holds it.
pub struct Ring {
    main: Box<dyn Medium>,
    state: State,
    spare: Option<Spare>,
    next: i64,
    recorded: Arc<AtomicI64>,
    /// Everything the store has not taken yet, in order and without a gap.
    kept: VecDeque<Kept>,
    told: Told,
}

/// How the main file is.
#[derive(Debug)]
enum State {
    Well,
    /// It has not answered since this instant of the monotonic clock.
    Late {
        since: i64,
    },
    /// It failed, and is tried again.
    Broken {
        why: String,
        at: i64,
        pause: i64,
    },
    /// It is being tried again.
    Mending {
        why: String,
        since: i64,
        pause: i64,
    },
}

struct Kept {
    number: i64,
    place: Option<Place>,
    in_main: bool,
    in_spare: bool,
}

/// What appending came to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Appended {
    /// It goes into the ring at this number with the next [`Ring::flush`].
    At(i64),
    /// The record is too long for a place. It is known in memory only.
    Nowhere,
}

impl Ring {
    /// Opens the ring, or makes and preallocates it. `recorded` says up to which number everything
    /// is in the store; what is behind it and readable is given back, in order.
    ///
    /// # Errors
    /// Those of opening, reading and allocating the file.
    pub fn open(path: &Path, recorded: i64) -> io::Result<(Ring, Vec<(i64, Record)>)> {
        let file = RingFile::open(path)?;
        let found = file.read()?;
        Ok(Ring::over(
            Box::new(AtOnce::over(file)),
            found,
            recorded,
            None,
        ))
    }

    /// A ring over a medium, with what was found in its file and an emergency ring beside it. What
    /// that one holds from before is taken with the rest: each number once.
    pub fn over(
        main: Box<dyn Medium>,
        mut found: Vec<(i64, Record)>,
        recorded: i64,
        mut spare: Option<Spare>,
    ) -> (Ring, Vec<(i64, Record)>) {
        if let Some(spare) = &mut spare {
            found.extend(spare.found());
        }
        found.sort_by_key(|(number, _)| *number);
        // The same number in both files is the same decision.
        found.dedup_by_key(|(number, _)| *number);
        let last = found.last().map_or(0, |(number, _)| *number);
        found.retain(|(number, _)| *number > recorded);
        let ring = Ring {
            main,
            state: State::Well,
            spare,
            next: last.max(recorded) + 1,
            recorded: Arc::new(AtomicI64::new(recorded)),
            kept: VecDeque::new(),
            told: Told::default(),
        };
        (ring, found)
    }

    /// Names the store that the emergency ring belongs to.
    pub fn owned_by(&mut self, store: &str) {
        if let Some(spare) = &mut self.spare {
            spare.owned_by(store);
        }
    }

    /// Writes the file in a thread of its own from now on. Everything in it is recorded, so this is
    /// when the file of an older version gets its full length.
    ///
    /// # Errors
    /// Those of opening the file, and that no thread is to be had.
    pub fn in_thread(self, path: &Path) -> io::Result<Ring> {
        let mut file = RingFile::open(path)?;
        if let Err(e) = file.grow() {
            eprintln!("crake: the ring stays as short as it was: {e}");
        }
        let main = Box::new(InThread::over(file)?);
        Ok(Ring { main, ..self })
    }

    /// Everything that was found is recorded: an emergency ring left by an earlier core is not
    /// needed any more.
    pub fn settled(&mut self) {
        if let Some(spare) = &mut self.spare {
            spare.remove();
        }
    }

    /// Where the store thread says up to which number everything is recorded.
    pub fn recorded(&self) -> Arc<AtomicI64> {
        Arc::clone(&self.recorded)
    }

    /// The number of the last place given out.
    pub fn last(&self) -> i64 {
        self.next - 1
    }

    /// Places that hold what the store has not taken yet.
    pub fn in_use(&self) -> i64 {
        self.last() - self.recorded.load(Ordering::Acquire)
    }

    /// Whether the main file does not take what it is given, for another reason than being full.
    /// Nothing else on its disk can be relied on either then.
    pub fn is_cut_off(&self) -> bool {
        !matches!(self.state, State::Well)
    }

    /// Gives a record the next place. It is written with the next [`Ring::flush`].
    pub fn append(&mut self, record: &Record) -> Appended {
        let Some(place) = form::encode(self.next, record) else {
            return Appended::Nowhere;
        };
        let number = self.next;
        self.next += 1;
        self.kept.push_back(Kept {
            number,
            place: Some(place),
            in_main: false,
            in_spare: false,
        });
        Appended::At(number)
    }

    /// Writes what was appended. With `needed` it is safe from a power cut afterwards, or, where the
    /// disk does not take it, from the death of this process. `mono` is the monotonic clock. Gives
    /// what people should know.
    pub fn flush(&mut self, mono: i64, needed: bool) -> Vec<Word> {
        self.forget_recorded();
        self.ask_main(mono);
        if matches!(self.state, State::Well) {
            self.write_main(mono, needed);
        }
        self.write_spare();
        self.words(mono)
    }

    /// Whether everything appended is in one of the files.
    pub fn is_safe(&self) -> bool {
        self.kept.iter().all(|k| k.in_main || k.in_spare)
    }

    fn forget_recorded(&mut self) {
        let recorded = self.recorded.load(Ordering::Acquire);
        while self.kept.front().is_some_and(|k| k.number <= recorded) {
            self.kept.pop_front();
        }
        let spare_is_needed = self.kept.iter().any(|k| k.in_spare);
        if let Some(spare) = &mut self.spare
            && spare.is_open()
            && !spare_is_needed
            && matches!(self.state, State::Well)
        {
            spare.remove();
        }
    }

    /// Hears what became of the main file, and tries it again where it is time.
    fn ask_main(&mut self, mono: i64) {
        self.state = match std::mem::replace(&mut self.state, State::Well) {
            State::Well => State::Well,
            State::Late { since } => match self.main.answer() {
                Wrote::Done => State::Well,
                Wrote::Late => State::Late { since },
                Wrote::Failed(e) => broken(&e, mono, FIRST_PAUSE_MS),
            },
            State::Broken { why, at, pause } if mono >= at => {
                let all = (self.kept.iter()).filter_map(|k| Some((k.number, k.place.clone()?)));
                // What has no room there yet follows when it has.
                let room = usize::try_from(self.main.places()).unwrap_or(0);
                self.main.mend(all.take(room).collect());
                State::Mending {
                    why,
                    since: mono,
                    pause,
                }
            }
            State::Mending { why, since, pause } => match self.main.answer() {
                Wrote::Done => State::Well,
                Wrote::Late => State::Mending { why, since, pause },
                Wrote::Failed(e) => broken(&e, mono, (pause * 2).min(LONGEST_PAUSE_MS)),
            },
            broken @ State::Broken { .. } => broken,
        };
    }

    fn write_main(&mut self, mono: i64, needed: bool) {
        let places = self.main.places();
        let mut new = Vec::new();
        for index in 0..self.kept.len() {
            let taken = self.is_taken(index, places);
            if let Some(kept) = self.kept.get_mut(index)
                && !kept.in_main
                && !taken
                && let Some(place) = &kept.place
            {
                new.push((kept.number, Arc::clone(place)));
                kept.in_main = true;
            }
        }
        if new.is_empty() && !needed {
            return;
        }
        self.state = match self.main.write(new, needed) {
            Wrote::Done => return,
            Wrote::Late => State::Late { since: mono },
            Wrote::Failed(e) => broken(&e, mono, FIRST_PAUSE_MS),
        };
        // After a failure nothing that was not yet recorded counts as written.
        self.kept.iter_mut().for_each(|k| k.in_main = false);
    }

    /// Whether the place in the main file that a number belongs into holds one not yet recorded.
    fn is_taken(&self, index: usize, places: i64) -> bool {
        let step = usize::try_from(places).unwrap_or(usize::MAX);
        let mut before = index;
        while before >= step {
            before -= step;
            if self.kept.get(before).is_some_and(|k| k.in_main) {
                return true;
            }
        }
        false
    }

    fn write_spare(&mut self) {
        let Some(spare) = &mut self.spare else {
            return;
        };
        let room = usize::try_from(PLACES).unwrap_or(0);
        let mut new = Vec::new();
        let mut indices = Vec::new();
        for index in 0..self.kept.len() {
            let taken = index
                .checked_sub(room)
                .is_some_and(|i| self.kept.get(i).is_some_and(|k| k.in_spare));
            if let Some(kept) = self.kept.get_mut(index)
                && !kept.in_main
                && !kept.in_spare
                && !taken
                && let Some(place) = &kept.place
            {
                new.push((kept.number, Arc::clone(place)));
                kept.in_spare = true;
                indices.push(index);
            }
        }
        if !new.is_empty() && spare.write(&new).is_err() {
            for index in indices {
                if let Some(kept) = self.kept.get_mut(index) {
                    kept.in_spare = false;
                }
            }
        }
        self.drop_homeless();
    }

    /// Memory has a bound: of very many decisions without a place the newest are kept by the store
    /// side alone.
    fn drop_homeless(&mut self) {
        let is_homeless = |k: &&mut Kept| !k.in_main && !k.in_spare && k.place.is_some();
        let homeless = self.kept.iter_mut().filter(is_homeless);
        homeless.skip(HOMELESS).for_each(|k| k.place = None);
    }
}

fn broken(why: &io::Error, mono: i64, pause: i64) -> State {
    State::Broken {
        why: why.to_string(),
        at: mono + pause,
        pause,
    }
}
