//! Which waiting runs are taken back and which start.

use std::collections::{HashMap, btree_set};
use std::iter::Peekable;

use crate::engine::pace::Pace;
use crate::engine::turn::{QUEUE_MS, makes_up};
use crate::engine::{Plan, World};
use crate::model::{Drop, Fence, Outcome, Queue, QueuedRun, Record, RunId, Start};
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

/// Starts what may start, each in its turn: see [`crate::engine::turn`].
pub(in crate::engine) fn dispatch(world: &World, now: UnixMs, plan: &mut Plan) {
    if world.draining {
        return;
    }
    let mut room = Room::of(world);
    let mut fence = world.next_fence;
    let mut lanes = lanes(world);
    while let Some(next) = first(&mut lanes) {
        let lane = &mut lanes[next];
        let id = lane.waiting.next().map(|(_, id)| *id);
        let open = room.in_queue(lane.queue) && (!lane.makes_up || room.for_pace(now));
        if id.is_none() || !open {
            lanes.swap_remove(next);
            continue;
        }
        let run = id.and_then(|id| world.queued.get(&id));
        let Some(run) = run.filter(|run| run.run_at <= now) else {
            continue;
        };
        if !room.for_job(world, &run.job) {
            continue;
        }
        room.take(run, now);
        plan.records.push(Record::Start(Start {
            run: run.run,
            job: run.job.clone(),
            attempt: run.attempt + 1,
            fence,
            at: now,
            boot_id: world.boot_id.clone(),
        }));
        fence = Fence(fence.0 + 1);
    }
}

/// A queue's waiting runs in order: those on time, or those that make up for something.
struct Lane<'a> {
    queue: &'a Queue,
    makes_up: bool,
    /// What its place among the queues costs its runs.
    behind: i64,
    waiting: Peekable<btree_set::Iter<'a, (UnixMs, RunId)>>,
}

impl Lane<'_> {
    /// The turn of its next run; one that has none goes first, to be taken away.
    fn turn(&mut self) -> Option<(UnixMs, RunId)> {
        let (turn, id) = self.waiting.peek()?;
        Some((turn.saturating_add(self.behind), *id))
    }
}

/// The lane whose next run has the earliest turn.
fn first(lanes: &mut [Lane<'_>]) -> Option<usize> {
    let turns = lanes.iter_mut().map(Lane::turn).enumerate();
    turns.min_by_key(|(_, turn)| *turn).map(|(index, _)| index)
}

fn lanes(world: &World) -> Vec<Lane<'_>> {
    let mut lanes = Vec::new();
    for (queue, place) in world.queues.iter().zip(0_i64..) {
        let waiting = world.waiting.get(&queue.name);
        let Some(waiting) = waiting.filter(|_| queue.paused_at.is_none()) else {
            continue;
        };
        for (runs, makes_up) in waiting.iter().zip([false, true]) {
            lanes.push(Lane {
                queue,
                makes_up,
                behind: place * QUEUE_MS,
                waiting: runs.iter().peekable(),
            });
        }
    }
    lanes
}

/// When the next run that makes up for something may start, where nothing but the pace keeps it.
pub(in crate::engine) fn paced_at(world: &World, now: UnixMs) -> Option<UnixMs> {
    let burst = burst(world);
    if world.pace.allows(burst, now) {
        return None;
    }
    let some = world.waiting.values().any(|[_, late]| !late.is_empty());
    some.then(|| world.pace.next_at(burst, now).max(now + 1))
}

/// How many runs that make up for something may be alive, and start at once: three of four slots,
/// so that what is on time finds one.
pub(in crate::engine) fn burst(world: &World) -> u32 {
    (world.slots - world.slots / 4).max(1)
}

/// Free slots while a pass hands them out.
struct Room<'a> {
    free: u32,
    /// Runs alive that make up for something, how many there may be, and how fast they start.
    making_up: u32,
    burst: u32,
    pace: Pace,
    by_queue: HashMap<&'a str, u32>,
    by_job: HashMap<&'a str, u32>,
    queues: &'a [Queue],
}

impl<'a> Room<'a> {
    fn of(world: &'a World) -> Room<'a> {
        let mut by_queue: HashMap<&str, u32> = HashMap::new();
        let mut by_job: HashMap<&str, u32> = HashMap::new();
        let mut making_up = 0;
        for live in world.live.values() {
            making_up += u32::from(makes_up(&live.run));
            *by_queue.entry(&live.run.queue).or_default() += 1;
            *by_job.entry(&live.run.job).or_default() += 1;
        }
        let alive = u32::try_from(world.live.len()).unwrap_or(u32::MAX);
        Room {
            free: world.slots.saturating_sub(alive),
            making_up,
            burst: burst(world),
            pace: world.pace,
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

    /// Whether another run that makes up for something may start.
    fn for_pace(&self, now: UnixMs) -> bool {
        self.making_up < self.burst && self.pace.allows(self.burst, now)
    }

    fn take(&mut self, run: &'a QueuedRun, now: UnixMs) {
        if makes_up(run) {
            self.making_up += 1;
            self.pace.take(self.burst, now);
        }
        self.free = self.free.saturating_sub(1);
        *self.by_queue.entry(&run.queue).or_default() += 1;
        *self.by_job.entry(&run.job).or_default() += 1;
    }
}
