//! A world made by hand, and everything the engine decides in it.

use std::sync::Arc;

use crake::engine::{Armed, Numbers, Over, World, plan};
use crake::model::{
    Command, Fence, Job, Outcome, Planned, Policy, Queue, Record, RunId, ScheduleId, Spec,
    StopCause,
};
use crake::schedule::{ParseOptions, Schedule, UnixMs};

pub const MINUTE: UnixMs = 60_000;
pub const T0: UnixMs = 1_772_942_400_000;

/// A world with one job on a schedule, its cursor at `next_at`.
pub struct Bench {
    pub world: World,
    pub records: Vec<Record>,
    pub stops: Vec<(RunId, StopCause)>,
}

pub fn queue(name: &str, rank: i64, reserved: u32) -> Queue {
    Queue {
        name: name.to_owned(),
        rank,
        slots: None,
        reserved,
        paused_at: None,
        paused_by: None,
    }
}

pub fn job(name: &str, policy: Policy) -> Job {
    Job {
        name: name.to_owned(),
        spec: Spec::of(Command::Line("true".into())),
        policy,
        pauses: Vec::new(),
        version: 1,
        listed: true,
    }
}

impl Bench {
    pub fn new(slots: u32) -> Bench {
        let mut world = World::new(slots, "boot", Fence(1), Numbers::default());
        world.numbers_aside(RunId(1), RunId(1000));
        world.set_queues(vec![
            queue("high", 0, 0),
            queue("normal", 1, 0),
            queue("low", 2, 0),
        ]);
        Bench {
            world,
            records: Vec::new(),
            stops: Vec::new(),
        }
    }

    pub fn arm(&mut self, id: i64, job: Job, expr: &str, next_at: UnixMs) {
        let name = job.name.clone();
        let schedule = Schedule::parse(expr, &ParseOptions::default()).expect("a schedule");
        self.world.know_job(Arc::new(job));
        self.world.arm(Armed {
            planned: Planned {
                id: ScheduleId(id),
                job: name,
                expr: expr.to_owned(),
                zone: None,
                dst: "vixie".to_owned(),
                anchor: None,
                from: 0,
                ..Planned::default()
            },
            schedule: Arc::new(schedule),
            next_at,
            epoch: 0,
        });
    }

    /// Everything decided at an instant.
    pub fn at(&mut self, now: UnixMs) -> Vec<Record> {
        let from = self.records.len();
        loop {
            let plan = plan(&self.world, now);
            if plan.is_empty() {
                return self.records[from..].to_vec();
            }
            for stop in plan.stops {
                self.world.told(stop.run, stop.cause);
                self.stops.push((stop.run, stop.cause));
            }
            for record in plan.records {
                self.world.apply(&record);
                self.records.push(record);
            }
        }
    }

    pub fn end(&mut self, run: i64, outcome: Outcome, at: UnixMs) {
        let fence = self.world.live(RunId(run)).expect("a live run").run.fence;
        let over = Over {
            outcome,
            report: None,
            reason: None,
            at,
        };
        self.world.over(fence, over);
    }
}
