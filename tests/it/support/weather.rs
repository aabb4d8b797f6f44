//! A ring file on a disk that hangs and fails as it is told to.

use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard};

use crake::daemon::recovery::Rings;
use crake::daemon::refuge::Refuge;
use crake::daemon::ring::{Medium, Place, RingFile, Wrote};

/// How the disk is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Weather {
    #[default]
    Fair,
    /// It does not answer; what it was given is done when it does again.
    Hangs,
    /// It refuses.
    Fails,
}

/// A disk; clones are the same one.
#[derive(Clone, Debug)]
pub struct Disk {
    inner: Arc<Mutex<Inner>>,
}

#[derive(Debug)]
struct Inner {
    path: PathBuf,
    weather: Weather,
    /// What was given while it hung, and whether it answered for it.
    pending: Vec<(i64, Place)>,
    /// It failed, and was not mended since.
    broken: bool,
    places: i64,
}

impl Disk {
    /// A ring file at the path that says it has so many places.
    pub fn new(path: &Path, places: i64) -> Disk {
        Disk {
            inner: Arc::new(Mutex::new(Inner {
                path: path.to_owned(),
                weather: Weather::Fair,
                pending: Vec::new(),
                broken: false,
                places,
            })),
        }
    }

    fn inner(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap()
    }

    pub fn weather(&self) -> Weather {
        self.inner().weather
    }

    pub fn turns(&self, weather: Weather) {
        self.inner().weather = weather;
    }

    /// The process is gone: of what the disk had not done yet, so much is done all the same.
    pub fn abandoned(&self, done: usize) {
        let mut inner = self.inner();
        let pending = std::mem::take(&mut inner.pending);
        let done = pending.len().min(done);
        inner.broken = false;
        inner.put(&pending[..done]);
    }

    /// The ring files, opened as a core does.
    pub fn rings(&self, refuge: &Path) -> Rings {
        let file = RingFile::open(&self.inner().path).expect("a ring file");
        Rings {
            found: file.read().expect("the places"),
            main: Box::new(self.clone()),
            refuge: Some(Refuge::at(refuge)),
        }
    }
}

impl Inner {
    fn put(&self, places: &[(i64, Place)]) {
        let file = RingFile::open(&self.path).expect("a ring file");
        // The window may be smaller than the file, which makes no difference to who reads it.
        file.write(places).expect("a write");
    }

    fn give(&mut self, places: Vec<(i64, Place)>) -> Wrote {
        match self.weather {
            Weather::Fair if self.broken => Wrote::Done,
            Weather::Fair => {
                let late = std::mem::take(&mut self.pending);
                self.put(&late);
                self.put(&places);
                Wrote::Done
            }
            Weather::Hangs => {
                self.pending.extend(places);
                Wrote::Late
            }
            Weather::Fails => {
                // Something of it may have been written.
                self.put(&places[..places.len() / 2]);
                self.broken = true;
                Wrote::Failed(io::Error::from_raw_os_error(5))
            }
        }
    }
}

impl Medium for Disk {
    fn places(&self) -> i64 {
        self.inner().places
    }

    fn write(&mut self, places: Vec<(i64, Place)>, flush: bool) -> Wrote {
        match self.inner().give(places) {
            Wrote::Late if !flush => Wrote::Done,
            other => other,
        }
    }

    fn answer(&mut self) -> Wrote {
        let mut inner = self.inner();
        match inner.broken {
            true => Wrote::Failed(io::Error::from_raw_os_error(5)),
            false => inner.give(Vec::new()),
        }
    }

    fn mend(&mut self, places: Vec<(i64, Place)>) {
        let mut inner = self.inner();
        inner.broken = false;
        inner.give(places);
    }
}
