//! Which waiting runs are taken back and which start.

use std::collections::HashMap;

use crate::engine::{Plan, World};
use crate::model::{Drop, Fence, Outcome, Queue, QueuedRun, Record, Start};
use crate::schedule::UnixMs;

/// Takes back the waiting runs that nobody wants any more or that are too late.
pub(in crate::engine) fn take_back(world: &World, now: UnixMs, plan: &mut Plan) {
    for run in world.queued.values() {
        let (outcome, reason) = if let Some(by) = world.cancelled.get(&run.run) {
            let by = by.as_deref().unwrap_or("an SQL client");
            (Outcome::Cancelled, format!("cancelled by {by}"))
        } else if run.attempt == 0 && run.deadline.is_some_and(|d| now > d) {
            (Outcome::Expired, "its start deadline passed".to_owned())
        } else if world.job(&run.job).is_none() {
            (Outcome::Cancelled, "its job was removed".to_owned())
        } else {
            continue;
        };
        plan.records.push(Record::Drop(Drop {
            run: run.run,
            job: run.job.clone(),
            outcome,
            reason,
            at: now,
        }));
    }
    // The map's order is not the same twice; that of decisions must be.
    plan.records.sort_by_key(|r| match r {
        Record::Drop(drop) => drop.run,
        _ => crate::model::RunId(0),
    });
}

/// Starts what may start: queue by queue in rank order, each in the order priority, time, number.
pub(in crate::engine) fn dispatch(world: &World, now: UnixMs, plan: &mut Plan) {
    if world.draining {
        return;
    }
    let mut room = Room::of(world);
    let mut fence = world.next_fence;
    for queue in &world.queues {
        let Some(waiting) = world.waiting.get(&queue.name) else {
            continue;
        };
        if queue.paused_at.is_some() {
            continue;
        }
        for (_, run_at, id) in waiting {
            if !room.in_queue(queue) {
                break;
            }
            let Some(run) = world.queued.get(id).filter(|_| *run_at <= now) else {
                continue;
            };
            if !room.for_job(world, &run.job) {
                continue;
            }
            room.take(run);
            plan.records.push(Record::Start(Start {
                run: *id,
                job: run.job.clone(),
                attempt: run.attempt + 1,
                fence,
                at: now,
                boot_id: world.boot_id.clone(),
            }));
            fence = Fence(fence.0 + 1);
        }
    }
}

/// Free slots while a pass hands them out.
struct Room<'a> {
    free: u32,
    by_queue: HashMap<&'a str, u32>,
    by_job: HashMap<&'a str, u32>,
    queues: &'a [Queue],
}

impl<'a> Room<'a> {
    fn of(world: &'a World) -> Room<'a> {
        let mut by_queue: HashMap<&str, u32> = HashMap::new();
        let mut by_job: HashMap<&str, u32> = HashMap::new();
        for live in world.live.values() {
            *by_queue.entry(&live.run.queue).or_default() += 1;
            *by_job.entry(&live.run.job).or_default() += 1;
        }
        let alive = u32::try_from(world.live.len()).unwrap_or(u32::MAX);
        Room {
            free: world.slots.saturating_sub(alive),
            by_queue,
            by_job,
            queues: &world.queues,
        }
    }

    /// Whether a queue may take another slot: it has not reached its own bound, and one is left
    /// beyond those that other queues have reserved and not yet taken.
    fn in_queue(&self, queue: &Queue) -> bool {
        let taken = self.taken(queue);
        let kept: u32 = self
            .queues
            .iter()
            .filter(|other| other.name != queue.name)
            .map(|other| other.reserved.saturating_sub(self.taken(other)))
            .sum();
        queue.slots.is_none_or(|bound| taken < bound) && self.free > kept
    }

    fn taken(&self, queue: &Queue) -> u32 {
        self.by_queue.get(queue.name.as_str()).copied().unwrap_or(0)
    }

    fn for_job(&self, world: &World, name: &str) -> bool {
        let Some(job) = world.job(name) else {
            return false;
        };
        self.by_job.get(name).copied().unwrap_or(0) < job.policy.parallel()
    }

    fn take(&mut self, run: &'a QueuedRun) {
        self.free = self.free.saturating_sub(1);
        *self.by_queue.entry(&run.queue).or_default() += 1;
        *self.by_job.entry(&run.job).or_default() += 1;
    }
}
