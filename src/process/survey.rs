//! What the workers say and what their slots prove: at start, and whenever one is cut off or dies.

use std::fs::File;
use std::io;
use std::time::Duration;

use rustix::process::Signal;

use crate::model::{Fence, Holding, Report};
use crate::process::cgroup::sweep_leaves;
use crate::process::event::Event;
use crate::process::frame::Conn;
use crate::process::ledger::{Entries, Ledger};
use crate::process::message::{FromWorker, Standing, ToWorker};
use crate::process::overdue::Patience;
use crate::process::place::{Pending, Place, Use};
use crate::process::pool::Pool;
use crate::process::slot::Slot;
use crate::process::sweep::{Target, sweep};
use crate::process::tree::signal_if;

/// How long living workers have to answer a new core, milliseconds.
const ANSWER_MS: i64 = 5_000;
/// How often an order is given again because a worker died before it took it.
const TRIES: u32 = 3;

impl Pool {
    /// What each slot holds, to be called once before anything is started. Living workers are
    /// connected to; of runs whose worker was killed in this boot what is left is ended first. Each
    /// run named as ended or dead keeps its slot until [`Pool::collected`].
    ///
    /// An order sent by a core that died right after is either here or was never taken.
    pub fn survey(&mut self) -> Vec<Holding> {
        self.surveyed = true;
        sweep_leaves();
        let mut dead = Vec::new();
        for number in self.slots_on_disk() {
            let place = self.places.entry(number).or_insert_with(Place::vacant);
            match lock_of(&self.dirs.slot(number)) {
                Ok(Some(_lock)) => dead.push(number),
                Ok(None) => {
                    place.used = Use::Unknown;
                    place.lives = true;
                }
                // Nothing can be proven of it, so nothing may be started in it.
                Err(_) => place.used = Use::Leaving,
            }
        }
        self.ask_the_living();
        dead.extend(self.end_the_silent());
        self.judge(&dead);
        std::mem::take(&mut self.found)
    }

    fn slots_on_disk(&self) -> Vec<u32> {
        let entries = self.dirs.all().flat_map(std::fs::read_dir).flatten();
        let names = entries
            .flatten()
            .filter_map(|e| e.file_name().into_string().ok());
        // A number that stands in another directory than its own leads nowhere.
        let mut numbers: Vec<u32> = names.filter_map(|n| n.parse().ok()).collect();
        numbers.retain(|number| *number > 0);
        numbers.sort_unstable();
        numbers.dedup();
        numbers
    }

    fn ask_the_living(&mut self) {
        let until = self.clock.now().mono + ANSWER_MS;
        while self.places.values().any(|p| p.used == Use::Unknown) {
            self.visit_cut_off();
            self.hear_all();
            if self.clock.now().mono >= until {
                return;
            }
            std::thread::sleep(Duration::from_millis(1));
        }
    }

    // A worker that does not answer may have an order nobody has read yet. If its ledger says that
    // it carries a run there can be no other order for it; else it is killed, and then its ledger
    // says for good what it took.
    fn end_the_silent(&mut self) -> Vec<u32> {
        let unknown = |(n, p): (&u32, &Place)| (p.used == Use::Unknown).then_some(*n);
        let silent: Vec<u32> = self.places.iter().filter_map(unknown).collect();
        let mut dead = Vec::new();
        for number in silent {
            let entries = self.entries(number).unwrap_or_default();
            if let (Some(started), None) = (&entries.started, &entries.exit) {
                let (fence, pid) = (started.fence, entries.child.map(|c| c.process.pid));
                self.occupy(number, Use::Busy(fence));
                self.found.push(Holding::Alive { fence, pid });
                continue;
            }
            if let Some(worker) = entries.worker {
                signal_if(worker.pid, Signal::KILL, || worker.exists());
            }
            for _ in 0..200 {
                if let Ok(Some(_lock)) = lock_of(&self.dirs.slot(number)) {
                    self.occupy(number, Use::Vacant);
                    dead.push(number);
                    break;
                }
                std::thread::sleep(Duration::from_millis(5));
            }
        }
        dead
    }

    fn occupy(&mut self, number: u32, used: Use) {
        if let Some(place) = self.places.get_mut(&number) {
            place.used = used;
            if used == Use::Vacant {
                place.lives = false;
                place.conn = None;
            }
        }
        if let Use::Busy(fence) | Use::Held(fence) = used {
            self.fences.insert(fence, number);
        }
        let started = self.entries(number).ok().and_then(|e| e.started);
        if let (Use::Busy(_), Some(place)) = (used, self.places.get_mut(&number)) {
            place.patience = Patience::with(started.and_then(|s| s.limit));
        }
    }

    // Says of slots without a living worker what they hold.
    fn judge(&mut self, dead: &[u32]) {
        let mut targets = Vec::new();
        for number in dead.iter().copied() {
            let entries = self.entries(number).unwrap_or_default();
            let Some(started) = &entries.started else {
                continue;
            };
            let fence = started.fence;
            self.occupy(number, Use::Held(fence));
            self.found.push(match &entries.exit {
                Some(ended) => Holding::Ended {
                    fence,
                    report: ended.report.clone(),
                },
                None => {
                    let other_boot = started.boot_id != self.boot_id;
                    if !other_boot {
                        targets.extend(self.target(number, &entries));
                    }
                    Holding::Dead { fence, other_boot }
                }
            });
        }
        sweep(&targets, &*self.clock);
    }

    fn target(&self, number: u32, entries: &Entries) -> Option<Target> {
        let started = entries.started.as_ref()?;
        let slot = Slot::open(&self.dirs.slot(number)).ok()?;
        Some(Target {
            fence: started.fence,
            mark: slot.mark().ok()?,
            worker: started.worker,
            child: entries.child.map(|c| c.process),
        })
    }

    pub(in crate::process) fn entries(&self, number: u32) -> io::Result<Entries> {
        let slot = Slot::open(&self.dirs.slot(number))?;
        Ledger::over(slot.file("ledger")?)?.read()
    }

    /// Looks after workers nobody is connected to: their lock says whether they live.
    pub(in crate::process) fn visit_cut_off(&mut self) {
        let cut_off = |(n, p): (&u32, &Place)| p.is_cut_off().then_some(*n);
        let numbers: Vec<u32> = self.places.iter().filter_map(cut_off).collect();
        for number in numbers {
            let path = self.dirs.slot(number);
            match lock_of(&path) {
                Ok(Some(_lock)) => self.bury(number),
                Ok(None) => {
                    if let Ok(fd) = Slot::open(&path).and_then(|slot| slot.connect()) {
                        self.attach(number, Conn::over(fd));
                        self.tell(number, &ToWorker::Hello);
                    }
                }
                Err(_) => {}
            }
        }
    }

    // The worker is dead: its ledger says what became of what it had.
    fn bury(&mut self, number: u32) {
        let entries = self.entries(number).unwrap_or_default();
        let Some(place) = self.places.get_mut(&number) else {
            return;
        };
        place.lives = false;
        place.leaving = false;
        self.corpses.extend(place.process.take());
        let pending = place.pending.take();
        let fence = match place.used {
            Use::Busy(fence) => fence,
            Use::Held(_) => return,
            Use::Unknown => {
                place.used = Use::Vacant;
                return self.judge(&[number]);
            }
            Use::Idle | Use::Leaving | Use::Vacant => {
                let idle = place.used == Use::Idle;
                place.used = Use::Vacant;
                if idle {
                    self.idle_died();
                }
                return self.clear_ledger(number);
            }
        };
        let stop = place.stop.take();
        if entries.started.as_ref().is_none_or(|s| s.fence != fence) {
            self.fences.remove(&fence);
            place.used = Use::Vacant;
            return self.strand(fence, pending, stop);
        }
        place.used = Use::Held(fence);
        if let Some(ended) = entries.exit {
            let report = ended.report;
            return self.events.push_back(Event::Ended { fence, report });
        }
        let put_down = std::mem::take(&mut place.put_down);
        let target = self.target(number, &entries);
        let pid = entries.started.map_or(0, |s| s.worker.pid);
        let reason = match put_down {
            true => format!("its worker (pid {pid}) did not end it in time and was killed"),
            false => format!("its worker (pid {pid}) vanished"),
        };
        let clock = std::sync::Arc::clone(&self.clock);
        self.aftermath.begin(fence, target, reason, clock);
    }

    // The order was never taken, so it may be given to another worker.
    fn strand(
        &mut self,
        fence: Fence,
        pending: Option<Pending>,
        stop: Option<(crate::model::StopCause, i64)>,
    ) {
        match pending {
            Some(mut pending) if pending.tries < TRIES => {
                pending.tries += 1;
                pending.stop = stop;
                self.stranded.push(pending);
            }
            _ => {
                let reason = "workers died before they could take it".to_owned();
                self.events.push_back(Event::Lost { fence, reason });
            }
        }
    }

    pub(in crate::process) fn take_note(&mut self, number: u32, message: FromWorker) {
        match message {
            FromWorker::State { state } => self.compare(number, state),
            FromWorker::Started { fence, pid, at } => {
                let Some(place) = self.places.get_mut(&number) else {
                    return;
                };
                if place.used == Use::Busy(fence) && place.pending.take().is_some() {
                    self.events.push_back(Event::Started {
                        fence,
                        pid,
                        slot: number,
                        at,
                    });
                }
            }
            FromWorker::Ended {
                fence,
                report,
                leaving,
            } => self.ended(number, fence, report, leaving),
            FromWorker::Step { fence, step } => self.events.push_back(Event::Step { fence, step }),
            FromWorker::Refused { fence } => self.refused(number, fence),
            FromWorker::Unknown => {}
        }
    }

    fn ended(&mut self, number: u32, fence: Fence, report: Report, leaving: bool) {
        let Some(place) = self.places.get_mut(&number) else {
            return;
        };
        if place.used == Use::Busy(fence) {
            place.used = Use::Held(fence);
            place.leaving = leaving;
            place.pending = None;
            place.stop = None;
            self.events.push_back(Event::Ended { fence, report });
        }
    }

    // It carries another run than we believed: ask which, and give the order to somebody else.
    fn refused(&mut self, number: u32, fence: Fence) {
        let Some(place) = self.places.get_mut(&number) else {
            return;
        };
        if place.used != Use::Busy(fence) {
            return;
        }
        let (pending, stop) = (place.pending.take(), place.stop.take());
        place.used = Use::Unknown;
        self.fences.remove(&fence);
        self.strand(fence, pending, stop);
        self.tell(number, &ToWorker::Hello);
    }

    // A worker we have just reached says where it stands; we hold that against what we know.
    fn compare(&mut self, number: u32, standing: Standing) {
        let Some(place) = self.places.get_mut(&number) else {
            return;
        };
        let used = place.used;
        match (used, standing) {
            (Use::Unknown, standing) => self.get_to_know(number, standing),
            (Use::Busy(fence), Standing::Running { fence: theirs, pid }) if fence == theirs => {
                let at = self.clock.now().wall;
                self.take_note(number, FromWorker::Started { fence, pid, at });
                self.send_stop(number);
            }
            (
                Use::Busy(_),
                Standing::Ended {
                    fence,
                    report,
                    leaving,
                },
            ) => {
                self.ended(number, fence, report, leaving);
            }
            (Use::Busy(fence), Standing::Idle) => {
                let (pending, stop) = (place.pending.take(), place.stop.take());
                self.fences.remove(&fence);
                self.rest(number);
                self.strand(fence, pending, stop);
            }
            (Use::Idle, Standing::Idle) => self.rest(number),
            (Use::Idle | Use::Leaving, Standing::Ended { fence, .. }) => {
                self.tell(number, &ToWorker::Collected { fence });
                if used == Use::Idle {
                    self.rest(number);
                } else {
                    self.tell(number, &ToWorker::Retire);
                }
            }
            (Use::Leaving, Standing::Idle) => self.tell(number, &ToWorker::Retire),
            _ => {}
        }
    }

    fn get_to_know(&mut self, number: u32, standing: Standing) {
        match standing {
            Standing::Idle => self.rest(number),
            Standing::Running { fence, pid } => {
                self.occupy(number, Use::Busy(fence));
                let pid = Some(pid);
                self.found.push(Holding::Alive { fence, pid });
            }
            Standing::Ended {
                fence,
                report,
                leaving,
            } => {
                self.occupy(number, Use::Held(fence));
                if let Some(place) = self.places.get_mut(&number) {
                    place.leaving = leaving;
                }
                self.found.push(Holding::Ended { fence, report });
            }
        }
    }

    fn rest(&mut self, number: u32) {
        if let Some(place) = self.places.get_mut(&number) {
            place.used = Use::Idle;
            place.idle_since = self.clock.now().boot;
            if !self.idle.contains(&number) {
                self.idle.push(number);
            }
        }
    }
}

fn lock_of(path: &std::path::Path) -> io::Result<Option<File>> {
    Slot::open(path)?.try_lock()
}
