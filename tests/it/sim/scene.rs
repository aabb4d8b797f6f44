//! One seed: a store, a ring, workers, a clock, and what happens to them.

use std::cell::Cell;
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::path::PathBuf;

use crake::clock::{Clock, ManualClock};
use crake::daemon::fact::{Batch, Fact};
use crake::daemon::firing::Firing;
use crake::daemon::keeper::Keeper;
use crake::daemon::order::Host;
use crake::daemon::recovery::{Birth, begin_with};
use crake::model::{Record, RunId};
use crake::schedule::{UnixMs, Zone};
use crake::store::Store;
use tempfile::TempDir;

use super::dice::Dice;
use super::fake::Fakes;
use crate::support::weather::{Disk, Weather};

/// 2026-03-08T04:00:00Z: three hours before New York's clocks go forward.
const START: UnixMs = 1_772_942_400_000;

/// Most runs alive at once.
pub const SLOTS: u32 = 6;

thread_local! {
    /// Seams still to be passed before the next crash.
    static FUSE: Cell<i64> = const { Cell::new(-1) };
}

struct Crash;

fn seam(_name: &'static str) {
    let left = FUSE.get();
    if left == 0 {
        FUSE.set(-1);
        resume_unwind(Box::new(Crash));
    }
    if left > 0 {
        FUSE.set(left - 1);
    }
}

/// What a simulation can tell of itself.
#[derive(Clone, Copy, Debug, Default)]
pub struct Told {
    pub crashes: u64,
    pub seams: u64,
    pub reboots: u64,
    pub fires: u64,
    pub starts: u64,
    pub followers: u64,
    pub cut_offs: u64,
    pub early: u64,
}

impl Told {
    pub fn add(&mut self, other: &Told) {
        self.crashes += other.crashes;
        self.seams += other.seams;
        self.reboots += other.reboots;
        self.fires += other.fires;
        self.starts += other.starts;
        self.followers += other.followers;
        self.cut_offs += other.cut_offs;
        self.early += other.early;
    }
}

struct Core {
    firing: Firing,
    keeper: Keeper,
    facts: Vec<Fact>,
    unstarted: Vec<RunId>,
    wake_at: Option<UnixMs>,
}

/// One seed.
pub struct Scene {
    pub seed: u64,
    pub clock: ManualClock,
    pub fakes: Fakes,
    pub told: Told,
    pub dir: TempDir,
    pub dice: Dice,
    core: Option<Core>,
    boot: u64,
    pub lock: Option<rusqlite::Connection>,
    disk: Disk,
    down_since: Option<UnixMs>,
}

impl Scene {
    pub fn new(seed: u64) -> Scene {
        // Memory, where there is some: the seams are cut in this process, not in the disk.
        let shm = PathBuf::from("/dev/shm");
        let dir = match shm.is_dir() {
            true => tempfile::tempdir_in(shm),
            false => tempfile::tempdir(),
        };
        let dir = dir.expect("a directory");
        let mut dice = Dice::new(seed);
        // Some rings are so small that they are full all the time.
        let places = if dice.one_in(4) { 24 } else { 4_096 };
        let mut scene = Scene {
            disk: Disk::new(&dir.path().join("ring"), places),
            seed,
            clock: ManualClock::at(START),
            fakes: Fakes::default(),
            told: Told::default(),
            dir,
            dice,
            core: None,
            boot: 1,
            lock: None,
            down_since: None,
        };
        scene.fakes.dice = Dice::new(seed ^ 0xfa4e);
        scene.fakes.now = START;
        scene.define_all();
        scene
    }

    pub fn store(&self) -> Store {
        Store::open(&self.dir.path().join("crake.db")).expect("the store")
    }

    fn refuge(&self) -> PathBuf {
        self.dir.path().join("refuge")
    }

    pub fn now(&self) -> UnixMs {
        self.clock.now().wall
    }

    /// Some hours in which anything may happen.
    pub fn play(&mut self) {
        for _ in 0..160 {
            self.happen();
            if self.core.is_none() && self.dice.one_in(2) {
                self.rise();
            }
            self.turn();
            self.check_now();
        }
    }

    fn happen(&mut self) {
        match self.dice.below(40) {
            0 => self.crash(),
            1 | 2 => FUSE.set(self.dice.below(12)),
            3 => self.reboot(),
            4 => self.clock.suspend(self.dice.below(1_200_000)),
            5 => self.clock.step(self.dice.below(1_800_000)),
            6 => self.clock.step(-self.dice.below(1_800_000)),
            16 => self.clock.step(-self.dice.below(20_000_000)),
            7 => self.fakes.kill_one(),
            8 => self.client_inserts(),
            9 => self.somebody_cancels(),
            10 => self.somebody_pauses(),
            11 => self.somebody_edits(),
            12 => self.stranger_locks(),
            13 | 14 => self.lock = None,
            17 => self.disk.turns(Weather::Hangs),
            18 => self.disk.turns(Weather::Fails),
            19 | 20 => self.disk.turns(Weather::Fair),
            15 => self.clock.advance(self.dice.below(400_000)),
            _ => self.sleep(),
        }
        self.fakes.advance(self.now());
    }

    /// Sleeps as the firing loop would: until it wants to be woken, or something happens before.
    fn sleep(&mut self) {
        let wake_at = self.core.as_ref().and_then(|c| c.wake_at);
        let until = wake_at.map_or(5_000, |at| (at - self.now()).clamp(0, 60_000));
        let early = self.dice.one_in(3);
        let ms = if early {
            self.dice.below(until + 1)
        } else {
            until
        };
        self.clock.advance(ms);
    }

    fn crash(&mut self) {
        if self.core.take().is_some() {
            self.told.crashes += 1;
            self.fakes.core_died();
            self.down_since = Some(self.now());
            let done = usize::try_from(self.dice.below(4)).unwrap_or(0);
            self.disk.abandoned(done * done);
        }
        FUSE.set(-1);
    }

    fn reboot(&mut self) {
        // What only memory holds does not outlive the host; that is promised of no disk that failed
        // before.
        if self.disk.weather() != Weather::Fair || self.refuge().join("ring").exists() {
            return;
        }
        self.crash();
        self.lock = None;
        self.fakes.host_died();
        self.boot += 1;
        self.told.reboots += 1;
        let off = self.dice.below(3_600_000);
        self.clock.reboot(off);
    }

    /// Starts a core as the daemon does.
    fn rise(&mut self) {
        if self.lock.is_some() || self.disk.weather() == Weather::Hangs {
            // Without the store a core cannot begin; it tries again.
            return;
        }
        self.fakes.advance(self.now());
        let now = self.clock.now();
        let away = now.wall - self.down_since.unwrap_or(now.wall);
        let birth = Birth {
            pid: 1,
            boot_id: format!("boot{}", self.boot),
            slots: SLOTS,
            again: (0..2_000).contains(&away) && self.dice.one_in(2),
        };
        let begun = begin_with(
            self.store(),
            self.disk.rings(&self.refuge()),
            self.fakes.survey(),
            &birth,
            &Zone::utc(),
            now,
        )
        .expect("a beginning");
        self.fakes.core_died();
        for fence in &begun.found.leftover {
            self.fakes.attempts.remove(fence);
        }
        begun
            .keeper
            .store()
            .set_patience(std::time::Duration::ZERO)
            .expect("patience");
        self.core = Some(Core {
            firing: Firing::new(begun.found.world, begun.ring, Host::default(), now, seam),
            keeper: begun.keeper,
            facts: begun.facts,
            unstarted: begun.found.unstarted,
            wake_at: None,
        });
    }

    /// The core comes round once; the store side may lag behind.
    fn turn(&mut self) {
        let Some(mut core) = self.core.take() else {
            return;
        };
        let now = self.clock.now();
        self.fakes.now = now.wall;
        let fakes = &mut self.fakes;
        let lagging = self.dice.one_in(4);
        let turned = catch_unwind(AssertUnwindSafe(|| {
            if !core.unstarted.is_empty() {
                let runs = std::mem::take(&mut core.unstarted);
                core.firing.restart_unstarted(&runs, fakes, now.wall);
            }
            let mut facts = std::mem::take(&mut core.facts);
            facts.extend(fakes.hear());
            let (batch, wake_at) = core.firing.step(now, facts, fakes);
            core.wake_at = wake_at;
            seam("handed over");
            if let Some(batch) = batch {
                core.keeper.take(batch);
            }
            let (again, _) = core.firing.step(now, Vec::new(), fakes);
            let decided = |batch: &Batch| {
                let mut records = batch.records.iter();
                // Hearing of the disk once more is no decision.
                records.any(|r| !matches!(r, Record::Note(_)))
            };
            assert!(
                !again.as_ref().is_some_and(decided),
                "replanning at the same instant decided {again:?}"
            );
            if let Some(batch) = again {
                core.keeper.take(batch);
            }
            if lagging {
                return;
            }
            let kept = core.keeper.step(now.wall);
            seam("recorded");
            if let Ok(kept) = kept {
                core.facts.extend(kept.facts);
                for fence in kept.collected {
                    fakes.attempts.remove(&fence);
                }
            }
        }));
        match turned {
            Ok(()) => self.core = Some(core),
            Err(payload) if payload.is::<Crash>() => {
                self.core = Some(core);
                self.told.seams += 1;
                self.crash();
            }
            Err(payload) => {
                eprintln!("seed {} failed", self.seed);
                resume_unwind(payload)
            }
        }
    }

    /// What must hold at every moment.
    fn check_now(&self) {
        let seed = self.seed;
        let alive = self.fakes.alive().count();
        assert!(alive <= SLOTS as usize, "seed {seed}: {alive} runs alive");
        let mut by_run = std::collections::HashMap::new();
        for (_, attempt) in self.fakes.alive() {
            *by_run.entry(attempt.order.run).or_insert(0) += 1;
        }
        let twice: Vec<_> = by_run.iter().filter(|(_, n)| **n > 1).collect();
        assert!(
            twice.is_empty(),
            "seed {seed}: two attempts of one run are alive: {twice:?}: {:#?}",
            self.fakes
                .alive()
                .map(|(_, a)| (a.order.run, a.order.attempt, a.order.fence, &a.order.job))
                .collect::<Vec<_>>()
        );
    }

    /// Lets everything come to rest with a core that stays alive.
    pub fn finish(&mut self) {
        FUSE.set(-1);
        self.lock = None;
        self.disk.turns(Weather::Fair);
        if self.core.is_none() {
            self.rise();
        }
        // Whatever was written for the future by a clock that was later set back comes due.
        let latest = self
            .store()
            .latest_instant()
            .expect("a look")
            .max(self.now());
        self.clock.step(latest - self.now());
        for _ in 0..40 {
            self.turn();
            self.clock.advance(1_000);
            self.fakes.advance(self.now());
        }
        // No new fires from here on, so that the last runs can end.
        for name in self.store().job_names().expect("a look") {
            let now = self.now();
            let mut store = self.store();
            let row = store.job(&name).expect("a look").expect("a job");
            store
                .put_job(&row.job, &[], true, "sim", now)
                .expect("an edit");
        }
        let mut calm = 0;
        for _ in 0..600 {
            self.turn();
            self.clock.advance(60_000);
            self.fakes.advance(self.now());
            let store = self.store();
            let quiet = store.live().expect("a look").is_empty()
                && store.next_run_at(i64::MIN).expect("a look").is_none();
            // The store side may lag behind: once quiet is not yet calm.
            calm = if quiet && self.fakes.attempts.is_empty() {
                calm + 1
            } else {
                0
            };
            if calm > 12 {
                break;
            }
        }
        for _ in 0..4 {
            self.turn();
        }
    }
}
