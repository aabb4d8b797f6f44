//! Workers that exist only in memory, with the ledgers real ones would leave on disk.

use std::collections::BTreeMap;

use crake::daemon::fact::{Carrier, Fact};
use crake::model::{Exit, Fence, Holding, Order, Output, Report, RunId, StopCause};
use crake::schedule::UnixMs;

/// What became of one order.
#[derive(Clone, Debug)]
pub enum Stage {
    /// Its process is alive and ends by itself at this instant with this code.
    Alive(UnixMs, i32),
    /// It ended; the report waits to be collected.
    Ended(Report),
    /// Its worker was killed; `true` where the host went down.
    Dead(bool),
}

/// One attempt as the worker's ledger has it.
#[derive(Clone, Debug)]
pub struct Attempt {
    /// The order.
    pub order: Order,
    /// What became of it.
    pub stage: Stage,
    /// When it started.
    pub started_at: UnixMs,
    /// Whether the core was told of the stage it is in.
    pub told: bool,
}

/// The fake workers. They outlive every core of a simulation.
#[derive(Default)]
pub struct Fakes {
    /// By claim.
    pub attempts: BTreeMap<Fence, Attempt>,
    /// Every start there ever was.
    pub starts: Vec<(RunId, u32, Fence)>,
    /// Exit codes of every attempt that ended by itself.
    pub codes: BTreeMap<Fence, i32>,
    /// Claims whose worker was killed.
    pub killed: std::collections::BTreeSet<Fence>,
    /// Ends that were safe in the ring before the store had them.
    pub collected_early: u64,
    /// How often the disk did not take what it was given.
    pub cut_offs: u64,
    /// The time, for starts.
    pub now: UnixMs,
    /// Decides how long processes live and how they end.
    pub dice: super::dice::Dice,
}

impl Fakes {
    /// What the slots would say at the start of a core.
    pub fn survey(&self) -> Vec<Holding> {
        let holding = |(fence, attempt): (&Fence, &Attempt)| match &attempt.stage {
            Stage::Alive(..) => Holding::Alive {
                fence: *fence,
                pid: Some(1),
            },
            Stage::Ended(report) => Holding::Ended {
                fence: *fence,
                report: report.clone(),
            },
            Stage::Dead(other_boot) => Holding::Dead {
                fence: *fence,
                other_boot: *other_boot,
            },
        };
        self.attempts.iter().map(holding).collect()
    }

    /// Lets time pass: what ends by now has ended.
    pub fn advance(&mut self, now: UnixMs) {
        self.now = now;
        for (fence, attempt) in &mut self.attempts {
            if let Stage::Alive(end, code) = attempt.stage
                && end <= now
            {
                attempt.stage =
                    Stage::Ended(report(attempt.started_at, end, Exit::Code(code), None));
                attempt.told = false;
                self.codes.insert(*fence, code);
            }
        }
    }

    /// What a core hears since it last listened. Some of it may be held back for later.
    pub fn hear(&mut self) -> Vec<Fact> {
        let mut facts = Vec::new();
        for (fence, attempt) in &mut self.attempts {
            if attempt.told || self.dice.one_in(3) {
                continue;
            }
            attempt.told = true;
            facts.push(match &attempt.stage {
                Stage::Alive(..) => Fact::Spawned {
                    fence: *fence,
                    pid: 1,
                    slot: 1,
                    at: attempt.started_at,
                },
                Stage::Ended(report) => Fact::Ended {
                    fence: *fence,
                    report: report.clone(),
                },
                Stage::Dead(_) => Fact::Lost {
                    fence: *fence,
                    reason: "killed by the simulation".to_owned(),
                },
            });
        }
        facts
    }

    /// A new core hears everything again.
    pub fn core_died(&mut self) {
        for attempt in self.attempts.values_mut() {
            // What was found by the survey is not reported again.
            attempt.told = !matches!(attempt.stage, Stage::Alive(..)) || attempt.told;
        }
    }

    /// The worker of one living attempt is killed.
    pub fn kill_one(&mut self) {
        let alive: Vec<Fence> = self.alive().map(|(fence, _)| *fence).collect();
        if let Some(fence) = self.dice.pick(&alive).copied()
            && let Some(attempt) = self.attempts.get_mut(&fence)
        {
            attempt.stage = Stage::Dead(false);
            attempt.told = false;
            self.killed.insert(fence);
        }
    }

    /// The host went down; some ledgers did not reach the disk.
    pub fn host_died(&mut self) {
        let mut lost = Vec::new();
        for (fence, attempt) in &mut self.attempts {
            if let Stage::Alive(..) = attempt.stage {
                attempt.stage = Stage::Dead(true);
                attempt.told = true;
                if self.dice.one_in(4) {
                    lost.push(*fence);
                }
            }
        }
        for fence in lost {
            self.attempts.remove(&fence);
        }
    }

    /// The attempts whose process is alive.
    pub fn alive(&self) -> impl Iterator<Item = (&Fence, &Attempt)> {
        self.attempts
            .iter()
            .filter(|(_, a)| matches!(a.stage, Stage::Alive(..)))
    }
}

impl Carrier for Fakes {
    fn start(&mut self, order: Order) {
        self.starts.push((order.run, order.attempt, order.fence));
        let lasts = match self.dice.below(10) {
            0 => 600_000,
            1..=3 => 30_000,
            _ => self.dice.below(4_000),
        };
        let code = if self.dice.one_in(4) { 3 } else { 0 };
        let attempt = Attempt {
            order: order.clone(),
            stage: Stage::Alive(self.now + lasts, code),
            started_at: self.now,
            told: false,
        };
        assert!(
            self.attempts.insert(order.fence, attempt).is_none(),
            "claim {} was given to a worker twice",
            order.fence
        );
    }

    fn stop(&mut self, fence: Fence, cause: StopCause, _grace_ms: i64) {
        if let Some(attempt) = self.attempts.get_mut(&fence)
            && matches!(attempt.stage, Stage::Alive(..))
        {
            let exit = Exit::Signal(15);
            attempt.stage = Stage::Ended(report(attempt.started_at, self.now, exit, Some(cause)));
            attempt.told = false;
        }
    }

    fn discard(&mut self, fence: Fence) {
        self.attempts.remove(&fence);
    }

    fn collected(&mut self, fence: Fence) {
        if let Some(attempt) = self.attempts.remove(&fence) {
            let alive = matches!(attempt.stage, Stage::Alive(..));
            assert!(!alive, "claim {fence} is collected and alive");
            self.collected_early += 1;
        }
    }

    fn cut_off(&mut self, cut_off: bool) {
        self.cut_offs += u64::from(cut_off);
    }
}

fn report(started_at: UnixMs, ended_at: UnixMs, exit: Exit, stop: Option<StopCause>) -> Report {
    Report {
        started_at,
        ended_at,
        exit,
        stop,
        reason: None,
        cpu_ms: 0,
        max_rss: 0,
        output: Output::default(),
    }
}
