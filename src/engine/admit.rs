//! Whether a fire gets a run while others of its job are alive or waiting.

use crate::engine::{Plan, Stop, World};
use crate::model::{Drop, Job, NewRun, Outcome, Overlap, QueuedRun, Raw, Record, RunId, StopCause};
use crate::schedule::UnixMs;

/// What the overlap rule says.
#[derive(Clone, Debug, PartialEq)]
pub(in crate::engine) enum Admission {
    /// A run is made.
    Yes,
    /// None is made: because of this run, and why in words.
    No(Option<RunId>, Option<String>),
}

/// Applies the job's overlap rule. `waits` says that the run would wait for its turn whatever the
/// rule, as those do that make up for missed fires; `made` of them were made in this pass.
pub(in crate::engine) fn admit(
    world: &World,
    job: &Job,
    waits: bool,
    made: usize,
    now: UnixMs,
    plan: &mut Plan,
) -> Admission {
    let Some(state) = world.jobs.get(&job.name) else {
        return Admission::Yes;
    };
    let policy = &job.policy;
    let live = state.live.iter().copied();
    let queued = state.queued.iter().copied();
    if waits || policy.overlap == Overlap::Queue {
        return match state.queued.len() + made >= policy.queue_max as usize {
            true => Admission::No(
                queued.last(),
                Some(format!("{} runs are waiting already", policy.queue_max)),
            ),
            false => Admission::Yes,
        };
    }
    match policy.overlap {
        Overlap::Skip => match live.chain(queued).next() {
            Some(other) => Admission::No(Some(other), None),
            None => Admission::Yes,
        },
        Overlap::Allow => {
            let alive = state.live.len() + state.queued.len();
            match alive as u64 >= u64::from(policy.parallel()) {
                true => Admission::No(live.chain(queued).next(), Some("max-parallel".to_owned())),
                false => Admission::Yes,
            }
        }
        Overlap::Replace => {
            replace(world, job, now, plan);
            Admission::Yes
        }
        Overlap::Queue => Admission::Yes,
    }
}

/// Ends the runs that a newer one replaces.
fn replace(world: &World, job: &Job, now: UnixMs, plan: &mut Plan) {
    let Some(state) = world.jobs.get(&job.name) else {
        return;
    };
    for run in &state.live {
        if world.live.get(run).is_some_and(|l| l.stop.is_none()) {
            plan.stops.push(Stop {
                run: *run,
                cause: StopCause::Replaced,
            });
        }
    }
    for run in &state.queued {
        plan.records.push(Record::Drop(Drop {
            run: *run,
            job: job.name.clone(),
            outcome: Outcome::Cancelled,
            reason: "replaced by a newer run".to_owned(),
            at: now,
        }));
    }
}

/// A new run as it waits in memory.
pub(in crate::engine) fn queued(new: &NewRun, deadline: Option<UnixMs>) -> QueuedRun {
    QueuedRun {
        run: new.run,
        job: new.job.clone(),
        queue: new.queue.clone(),
        priority: new.priority,
        run_at: new.run_at,
        queued_at: new.queued_at,
        planned_at: new.planned_at,
        origin: new.origin,
        attempt: 0,
        max_attempts: new.max_attempts,
        fence: crate::model::Fence(0),
        after: None,
        args: None,
        input: None,
        input_path: None,
        env: Vec::<(String, Raw)>::new(),
        deadline,
    }
}
