//! How places get into the ring file without the firing thread waiting for the disk.

use std::io;
use std::sync::mpsc;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use crate::daemon::ring::file::RingFile;
use crate::daemon::ring::form::Place;

/// How long the disk is waited for before the decisions go elsewhere: long enough for one that is
/// merely busy, short enough for nobody to notice.
const PATIENCE: Duration = Duration::from_millis(75);

/// What became of places that were handed over.
#[derive(Debug)]
pub enum Wrote {
    /// Everything handed over so far was done.
    Done,
    /// The disk has not answered yet.
    Late,
    /// They were not written, or nobody knows.
    Failed(io::Error),
}

/// Something that writes places into the ring file.
pub trait Medium: Send {
    /// How many places the file has.
    fn places(&self) -> i64;

    /// Hands places over. With `flush` they are to be safe from a power cut, and the disk is waited
    /// for, but not long; without it nothing is waited for. After a failure nothing is written until
    /// [`Medium::mend`].
    fn write(&mut self, places: Vec<(i64, Place)>, flush: bool) -> Wrote;

    /// What became of everything handed over so far; it does not wait.
    fn answer(&mut self) -> Wrote;

    /// Opens the file anew, or makes it where it is gone, writes these places and flushes them; it
    /// does not wait.
    fn mend(&mut self, places: Vec<(i64, Place)>);
}

/// The file written by the caller himself.
pub struct AtOnce {
    file: RingFile,
    fault: Option<io::Error>,
}

impl AtOnce {
    /// Around an open file.
    pub fn over(file: RingFile) -> AtOnce {
        AtOnce { file, fault: None }
    }
}

impl Medium for AtOnce {
    fn places(&self) -> i64 {
        self.file.places()
    }

    fn write(&mut self, places: Vec<(i64, Place)>, flush: bool) -> Wrote {
        match carry_out(&mut self.file, &places, flush, false) {
            Ok(()) => Wrote::Done,
            Err(e) => Wrote::Failed(e),
        }
    }

    fn answer(&mut self) -> Wrote {
        self.fault.take().map_or(Wrote::Done, Wrote::Failed)
    }

    fn mend(&mut self, places: Vec<(i64, Place)>) {
        self.fault = carry_out(&mut self.file, &places, true, true).err();
    }
}

/// The file written by a thread of its own: one that waits for a disk cannot be interrupted.
pub struct InThread {
    jobs: mpsc::Sender<Job>,
    desk: Arc<Desk>,
    given: u64,
    places: i64,
}

struct Job {
    number: u64,
    places: Vec<(i64, Place)>,
    flush: bool,
    mend: bool,
}

#[derive(Default)]
struct Desk {
    state: Mutex<Done>,
    bell: Condvar,
}

#[derive(Default)]
struct Done {
    /// The last job that was done or given up.
    number: u64,
    fault: Option<io::Error>,
}

impl Desk {
    fn state(&self) -> MutexGuard<'_, Done> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl InThread {
    /// Starts the thread.
    ///
    /// # Errors
    /// No thread is to be had.
    pub fn over(file: RingFile) -> io::Result<InThread> {
        let (jobs, inbox) = mpsc::channel();
        let desk = Arc::new(Desk::default());
        let (places, there) = (file.places(), Arc::clone(&desk));
        std::thread::Builder::new()
            .name("ring".to_owned())
            .spawn(move || work(file, &inbox, &there))?;
        Ok(InThread {
            jobs,
            desk,
            given: 0,
            places,
        })
    }

    fn give(&mut self, places: Vec<(i64, Place)>, flush: bool, mend: bool) {
        self.given += 1;
        let job = Job {
            number: self.given,
            places,
            flush,
            mend,
        };
        if self.jobs.send(job).is_err() {
            // The thread never ends before us; without it every answer is late.
            self.given = u64::MAX;
        }
    }

    fn look(&self, mut done: MutexGuard<'_, Done>) -> Wrote {
        match done.fault.take() {
            Some(fault) => Wrote::Failed(fault),
            None if done.number < self.given => Wrote::Late,
            None => Wrote::Done,
        }
    }
}

impl Medium for InThread {
    fn places(&self) -> i64 {
        self.places
    }

    fn write(&mut self, places: Vec<(i64, Place)>, flush: bool) -> Wrote {
        if !places.is_empty() || flush {
            self.give(places, flush, false);
        }
        if !flush {
            return match self.answer() {
                Wrote::Late => Wrote::Done,
                other => other,
            };
        }
        let waits = |done: &mut Done| done.number < self.given && done.fault.is_none();
        let waited = self
            .desk
            .bell
            .wait_timeout_while(self.desk.state(), PATIENCE, waits);
        let (done, _) = waited.unwrap_or_else(PoisonError::into_inner);
        self.look(done)
    }

    fn answer(&mut self) -> Wrote {
        self.look(self.desk.state())
    }

    fn mend(&mut self, places: Vec<(i64, Place)>) {
        self.give(places, true, true);
    }
}

fn work(mut file: RingFile, inbox: &mpsc::Receiver<Job>, desk: &Desk) {
    let mut broken = false;
    while let Ok(first) = inbox.recv() {
        let jobs: Vec<Job> = std::iter::once(first).chain(inbox.try_iter()).collect();
        let number = jobs.last().map_or(0, |job| job.number);
        // What came before a mending comes again with it.
        let mend = jobs.iter().rposition(|job| job.mend);
        let jobs = jobs.get(mend.unwrap_or(0)..).unwrap_or_default();
        broken &= mend.is_none();
        let mut fault = None;
        if !broken {
            let places: Vec<(i64, Place)> = jobs.iter().flat_map(|j| j.places.clone()).collect();
            let flush = jobs.iter().any(|job| job.flush);
            fault = carry_out(&mut file, &places, flush, mend.is_some()).err();
            broken = fault.is_some();
        }
        let mut done = desk.state();
        done.number = number;
        done.fault = fault.or(done.fault.take());
        drop(done);
        desk.bell.notify_all();
    }
}

fn carry_out(
    file: &mut RingFile,
    places: &[(i64, Place)],
    flush: bool,
    mend: bool,
) -> io::Result<()> {
    if mend {
        file.reopen()?;
    }
    file.write(places)?;
    if flush { file.sync() } else { Ok(()) }
}
