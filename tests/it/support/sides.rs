//! An instance's files, and the two sides of a daemon over them, in this process.

use std::path::Path;
use std::time::Duration;

use crake::clock::{Clock, ManualClock, Now};
use crake::daemon::fact::Carrier;
use crake::daemon::recovery::{Begun, Birth, begin};
use crake::model::{Fence, Holding, Order, StopCause};
use crake::schedule::Zone;
use crake::store::{NewSchedule, Store};
use rusqlite::Connection;
use tempfile::TempDir;

use crate::support::bench::job;

/// Half a minute before a full one.
pub const NOW: i64 = 1_772_942_370_000;

/// The files of an instance.
pub struct Sides {
    dir: TempDir,
}

impl Sides {
    pub fn new() -> Sides {
        Sides {
            dir: TempDir::new().unwrap(),
        }
    }

    pub fn path(&self) -> &Path {
        self.dir.path()
    }

    pub fn store(&self) -> Store {
        Store::open(&self.path().join("crake.db")).unwrap()
    }

    pub fn client(&self) -> Connection {
        Connection::open(self.path().join("crake.db")).unwrap()
    }

    pub fn job(&self, name: &str, schedules: &[NewSchedule]) {
        let mut store = self.store();
        store
            .put_job(&job(name), schedules, false, "test", NOW - 1_000)
            .unwrap();
    }

    pub fn begin(&self) -> Begun {
        self.begin_with(Vec::new())
    }

    pub fn begin_with(&self, holdings: Vec<Holding>) -> Begun {
        let birth = Birth {
            pid: 1,
            boot_id: "boot".to_owned(),
            slots: 4,
            again: false,
        };
        let now = ManualClock::at(NOW).now();
        let zone = Zone::named("UTC").unwrap();
        let store = self.store();
        store.set_patience(Duration::ZERO).unwrap();
        let ring = self.path().join("ring");
        begin(store, &ring, holdings, &birth, &zone, now).unwrap()
    }
}

#[derive(Default)]
/// Takes note of what it is told.
pub struct Hand {
    pub discarded: Vec<Fence>,
    pub collected: Vec<Fence>,
    pub stopped: Vec<StopCause>,
}

impl Carrier for Hand {
    fn start(&mut self, _: Order) {}
    fn stop(&mut self, _: Fence, cause: StopCause, _: i64) {
        self.stopped.push(cause);
    }
    fn discard(&mut self, fence: Fence) {
        self.discarded.push(fence);
    }
    fn collected(&mut self, fence: Fence) {
        self.collected.push(fence);
    }
    fn cut_off(&mut self, _: bool) {}
}

/// So many milliseconds after the beginning.
pub fn at(ms: i64) -> Now {
    let then = ManualClock::at(NOW).now();
    Now {
        wall: then.wall + ms,
        boot: then.boot + ms,
        mono: then.mono + ms,
    }
}
