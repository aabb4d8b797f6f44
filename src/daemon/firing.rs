//! The firing side: decides with the world in memory, makes it durable in the ring, carries it out.
//!
//! It touches no SQLite, no network, no names and no user code. What it needs comes as facts; what
//! it decides leaves as batches of records for the store and as orders for the workers.

use crate::clock::Now;
use crate::daemon::ends::Ends;
use crate::daemon::fact::{Batch, Carrier, Fact};
use crate::daemon::keeper::AHEAD_MS;
use crate::daemon::order::Host;
use crate::daemon::ring::{Appended, Ring, belongs, told, without_output};
use crate::engine::{Over, Phase, Plan, World, plan};
use crate::model::{
    Back, Ended, Fence, Gap, MissReason, Note, Outcome, Record, Report, RunId, Spawned, StopCause,
};
use crate::process::Step;
use crate::schedule::UnixMs;

/// Sleeps, clock steps and stalls up to this long are lateness, longer ones are gaps: both Debian
/// cron and cronie run everything that fell into the last five minutes.
pub const LATE_MS: i64 = 300_000;

/// The wall clock set back further than this had been wrong; up to this it is as when summer time
/// ends, and what names fixed times waits. The border is that of both crons: three hours.
pub const FAR_MS: i64 = 10_800_000;

/// Schedules kept in memory; twice as many are let in before the last are dropped.
pub const WINDOW: usize = 4096;

/// How often a disk that does not take what it is given is looked at, milliseconds.
const CUT_OFF_MS: i64 = 250;

/// A seam at which a test may cut the power.
pub type Seam = fn(&'static str);

/// The firing side.
pub struct Firing {
    world: World,
    ring: Ring,
    host: Host,
    last: Now,
    batch: u64,
    seam: Seam,
    ends: Ends,
    cut_off: bool,
    /// Whether everything decided so far is in one of the ring files.
    placed: bool,
}

impl Firing {
    /// The firing side of a world as recovery left it.
    pub fn new(world: World, ring: Ring, host: Host, now: Now, seam: Seam) -> Firing {
        Firing {
            world,
            ring,
            host,
            last: now,
            batch: 0,
            seam,
            ends: Ends::default(),
            cut_off: false,
            placed: true,
        }
    }

    /// The world, to look at.
    pub fn world(&self) -> &World {
        &self.world
    }

    /// Takes up facts, decides what is due, makes it durable, carries it out. Gives the batches for
    /// the store and when to be called again at the latest.
    pub fn step(
        &mut self,
        now: Now,
        facts: Vec<Fact>,
        carrier: &mut dyn Carrier,
    ) -> (Option<Batch>, Option<UnixMs>) {
        let mut records = Vec::new();
        self.observe(now, &mut records);
        for fact in facts {
            if let Some(unknown) = self.unknown(&fact) {
                carrier.discard(unknown);
            }
            self.take(fact, &mut records);
        }
        (self.seam)("facts taken");
        let mut starts = Vec::new();
        let mut stops = Vec::new();
        let wake_at = loop {
            let Plan {
                records: decided,
                stops: ends,
                wake_at,
            } = plan(&self.world, now.wall);
            if decided.is_empty() && ends.is_empty() {
                break wake_at;
            }
            for stop in ends {
                self.world.told(stop.run, stop.cause);
                stops.push(stop);
            }
            for record in decided {
                self.append(&record);
                (self.seam)("appended");
                self.world.apply(&record);
                match &record {
                    Record::Fire(fire) => records.extend(self.world.outlived(fire)),
                    Record::Start(start) => starts.push(start.run),
                    Record::Ended(ended) => self.ends.wait(self.batch + 1, now.mono, ended),
                    _ => {}
                }
                records.push(record);
            }
        };
        self.make_durable(now, !starts.is_empty(), carrier, &mut records);
        for run in starts {
            self.start(run, carrier, now.wall);
            (self.seam)("started");
        }
        for stop in stops {
            self.stop(stop.run, stop.cause, carrier, now.wall, &mut records);
        }
        (self.seam)("carried out");
        let batch = self.batch_of(records);
        if self.world.counts().0 > 2 * WINDOW {
            self.world
                .evict(WINDOW, now.wall + 2 * AHEAD_MS, self.batch);
        }
        (batch, self.wake_at(wake_at, now))
    }

    /// Writes what was decided into the ring, with the ends the store has not taken in time. `starts`
    /// says that something is carried out for it. Then tells the workers what follows from that.
    fn make_durable(
        &mut self,
        now: Now,
        starts: bool,
        carrier: &mut dyn Carrier,
        records: &mut Vec<Record>,
    ) {
        // While the ring has no place for what it has already, more would only be lost with it.
        let ended = match self.placed {
            true => self.ends.overdue(now.mono),
            false => Vec::new(),
        };
        let in_ring = |e: &&Ended| matches!(self.ring.append(&without_output(e)), Appended::At(_));
        let ended: Vec<Fence> = ended.iter().filter(in_ring).map(|e| e.fence).collect();
        let words = self.ring.flush(now.mono, starts || !ended.is_empty());
        self.placed = self.ring.is_safe();
        records.extend(words.into_iter().map(|word| told(word, now.wall)));
        (self.seam)("flushed");
        self.release(ended, carrier);
        let cut_off = self.ring.is_cut_off();
        if std::mem::replace(&mut self.cut_off, cut_off) != cut_off {
            carrier.cut_off(cut_off);
        }
    }

    /// Gives back the slots of runs whose end is in the ring.
    fn release(&mut self, ended: Vec<Fence>, carrier: &mut dyn Carrier) {
        if self.placed {
            ended.into_iter().for_each(|f| carrier.collected(f));
        } else {
            self.ends.not_yet(ended);
        }
    }

    /// What the plan asks for, and sooner where something here is to be looked at.
    fn wake_at(&self, planned: Option<UnixMs>, now: Now) -> Option<UnixMs> {
        let ends = self.ends.look_in(now.mono);
        let ring = self.cut_off.then_some(CUT_OFF_MS);
        let own = ends.into_iter().chain(ring).map(|ms| now.wall + ms);
        own.chain(planned).min()
    }

    /// What is wrong with the ring, in words.
    pub fn trouble(&self, now: Now) -> Option<String> {
        self.ring.trouble(now.mono)
    }

    fn batch_of(&mut self, records: Vec<Record>) -> Option<Batch> {
        if records.is_empty() {
            return None;
        }
        self.batch += 1;
        Some(Batch {
            number: self.batch,
            records,
            ring_seq: self.ring.last(),
        })
    }

    /// Compares the clocks with the last time: what they passed over without us is a gap.
    fn observe(&mut self, now: Now, records: &mut Vec<Record>) {
        let last = std::mem::replace(&mut self.last, now);
        let wall = now.wall - last.wall;
        let boot = now.boot - last.boot;
        let slept = boot - (now.mono - last.mono);
        let stepped = wall - boot;
        let gap = |from, reason| Gap {
            from,
            until: now.wall,
            reason,
        };
        // A clock set back comes first: what lies ahead of it is planned anew from there, also when
        // it was set during a sleep.
        let gap = if stepped < -LATE_MS {
            let back = Back {
                to: now.wall,
                all: stepped < -FAR_MS,
            };
            let record = Record::Back(back);
            self.append(&record);
            self.world.rewind(&back);
            records.push(record);
            records.push(Record::Note(Note::clock(now.wall, stepped)));
            return;
        } else if slept > LATE_MS {
            gap(last.wall, MissReason::Asleep)
        } else if stepped > LATE_MS {
            gap(last.wall + boot, MissReason::ClockStep)
        } else if boot - slept > LATE_MS {
            gap(last.wall, MissReason::Overload)
        } else {
            if stepped.abs() > 1_000 {
                records.push(Record::Note(Note::clock(now.wall, stepped)));
            }
            return;
        };
        self.world.gap(gap);
        records.push(Record::Gap(gap));
        records.push(Record::Note(Note::gap(&gap)));
    }

    fn take(&mut self, fact: Fact, records: &mut Vec<Record>) {
        match fact {
            Fact::Defined { name, job, owing } => self.world.define(&name, job, owing),
            Fact::Due(jobs) => {
                for (job, armed) in jobs {
                    self.world.know_job(job);
                    armed.into_iter().for_each(|a| self.world.arm(a));
                }
            }
            Fact::Orphaned(armed) => armed.into_iter().for_each(|a| self.world.arm(a)),
            Fact::Queues(queues) => self.world.set_queues(queues),
            Fact::Queued(jobs, runs) => {
                jobs.into_iter().for_each(|j| self.world.know_job(j));
                runs.into_iter().for_each(|r| self.world.enqueue(r));
            }
            Fact::Moved(runs) => runs.into_iter().for_each(|r| self.world.moved(r)),
            Fact::Cancelled(runs) => runs
                .into_iter()
                .for_each(|(run, by)| self.world.cancel(run, by)),
            Fact::Numbers(first, end) => self.world.numbers_aside(first, end),
            Fact::Committed(batch) => {
                self.world.committed(batch);
                self.ends.committed(batch);
            }
            Fact::Spawned {
                fence,
                pid,
                slot,
                at,
            } => {
                if let Some(record) = self.spawned(fence, pid, slot, at) {
                    records.push(record);
                }
            }
            Fact::Draining(draining) => self.world.drain(draining),
            Fact::Step { fence, step } => records.extend(self.step_of(fence, step)),
            Fact::Ended { fence, report } => self.world.over(fence, over(report)),
            Fact::Lost { fence, reason } => {
                let at = self.last.wall;
                self.world.over(
                    fence,
                    Over {
                        outcome: Outcome::Lost,
                        report: None,
                        reason: Some(reason),
                        at,
                    },
                );
            }
        }
    }

    /// The claim of an attempt that ended and that no run of ours has.
    fn unknown(&self, fact: &Fact) -> Option<Fence> {
        let (Fact::Ended { fence, .. } | Fact::Lost { fence, .. }) = fact else {
            return None;
        };
        let known = self.world.live_runs().any(|l| l.run.fence == *fence);
        (!known).then_some(*fence)
    }

    fn spawned(&mut self, fence: Fence, pid: i32, slot: u32, at: UnixMs) -> Option<Record> {
        self.world.spawned(fence);
        let live = self.world.live_runs().find(|l| l.run.fence == fence)?;
        Some(Record::Spawned(Spawned {
            run: live.run.run,
            attempt: live.run.attempt,
            fence,
            pid,
            slot,
            at,
        }))
    }

    fn step_of(&self, fence: Fence, step: Step) -> Option<Record> {
        let live = self.world.live_runs().find(|l| l.run.fence == fence)?;
        Some(Record::Note(Note {
            at: step.at,
            level: step.level,
            kind: step.kind,
            job: Some(live.run.job.clone()),
            run: Some(live.run.run),
            text: step.text,
        }))
    }

    /// Puts a decision into the ring. Where that fails the decision stands all the same: the clock
    /// does not stop for a disk.
    fn append(&mut self, record: &Record) {
        if belongs(record) {
            self.ring.append(record);
        }
    }

    fn start(&mut self, run: RunId, carrier: &mut dyn Carrier, now: UnixMs) {
        let Some(live) = self.world.live(run) else {
            return;
        };
        match self.world.job(&live.run.job) {
            Some(job) => carrier.start(self.host.order(&live.run, job)),
            None => {
                let fence = live.run.fence;
                let over = Over {
                    outcome: Outcome::Unspawnable,
                    report: None,
                    reason: Some("its job was removed".to_owned()),
                    at: now,
                };
                self.world.over(fence, over);
            }
        }
    }

    fn stop(
        &mut self,
        run: RunId,
        cause: StopCause,
        carrier: &mut dyn Carrier,
        now: UnixMs,
        records: &mut Vec<Record>,
    ) {
        let Some(live) = self.world.live(run) else {
            return;
        };
        let name = &live.run.job;
        let grace = self
            .world
            .job(name)
            .map_or(10_000, |j| j.policy.kill_grace_ms);
        records.push(Record::Note(Note::stop(now, name, run, cause)));
        carrier.stop(live.run.fence, cause, grace);
    }

    /// Starts again what was claimed before this process began and never reached a worker.
    pub fn restart_unstarted(&mut self, runs: &[RunId], carrier: &mut dyn Carrier, now: UnixMs) {
        for run in runs {
            if self
                .world
                .live(*run)
                .is_some_and(|l| l.phase == Phase::Starting)
            {
                self.start(*run, carrier, now);
            }
        }
    }
}

fn over(report: Report) -> Over {
    Over {
        outcome: report.outcome(),
        reason: report.reason.clone(),
        at: report.ended_at,
        report: Some(report),
    }
}
