//! What follows the end of an attempt, and which live runs are to be ended.

use crate::engine::{LiveRun, Over, Phase, Plan, Stop, World};
use crate::model::{Ended, Next, OnLost, Origin, Outcome, Overlap, QueuedRun, Record, StopCause};
use crate::schedule::UnixMs;

/// A run that keeps getting lost is given up after so many attempts, whatever its rule says.
const LOST_ATTEMPTS: u32 = 10;

pub(in crate::engine) fn settle(world: &World, now: UnixMs, plan: &mut Plan) {
    for live in world.live.values() {
        match (&live.phase, live.stop) {
            (Phase::Over(over), _) => plan
                .records
                .push(Record::Ended(Box::new(ended(world, live, over, now)))),
            (Phase::Starting | Phase::Running, Some((cause, false))) => plan.stops.push(Stop {
                run: live.run.run,
                cause,
            }),
            (Phase::Starting | Phase::Running, None) if is_replaced(world, live) => {
                plan.stops.push(Stop {
                    run: live.run.run,
                    cause: StopCause::Replaced,
                });
            }
            (Phase::Starting | Phase::Running, Some((_, true)) | None) => {}
        }
    }
}

fn ended(world: &World, live: &LiveRun, over: &Over, now: UnixMs) -> Ended {
    let next = match retry_at(world, live, over, now) {
        Some(at) => Next::Retry(at),
        None => Next::Final,
    };
    Ended {
        run: live.run.run,
        job: live.run.job.clone(),
        attempt: live.run.attempt,
        fence: live.run.fence,
        outcome: over.outcome,
        report: over.report.clone(),
        reason: reason(live, over),
        at: over.at,
        next,
        collect: true,
    }
}

/// Whether a fire that came after this run replaced it. It is told when that is decided, but whoever
/// decided it may have died before.
fn is_replaced(world: &World, live: &LiveRun) -> bool {
    let Some(state) = world.jobs.get(&live.run.job) else {
        return false;
    };
    let replaces = |run: &QueuedRun| {
        matches!(run.origin, Origin::Schedule | Origin::Boot) && run.queued_at > live.run.queued_at
    };
    let rule = state.job.as_ref().map(|job| job.policy.overlap);
    rule == Some(Overlap::Replace)
        && (state.queued.iter()).any(|id| world.queued.get(id).is_some_and(replaces))
}

/// When the next attempt is to be made, if one is.
fn retry_at(world: &World, live: &LiveRun, over: &Over, now: UnixMs) -> Option<UnixMs> {
    if world.cancelled.contains_key(&live.run.run) {
        return None;
    }
    let policy = &world.job(&live.run.job)?.policy;
    let attempt = live.run.attempt;
    let again = match over.outcome {
        Outcome::Lost | Outcome::Interrupted => {
            policy.on_lost == OnLost::Retry && attempt < live.run.max_attempts.max(LOST_ATTEMPTS)
        }
        outcome => outcome.retryable() && attempt < live.run.max_attempts,
    };
    // Counted from the end, but never into the past: after a long outage the wait starts now.
    let seed = live.run.run.0.cast_unsigned();
    let wait = policy.backoff.spread_ms(attempt, seed);
    again.then(|| (over.at + wait).max(now))
}

fn reason(live: &LiveRun, over: &Over) -> Option<String> {
    let stop = over.report.as_ref().and_then(|r| r.stop);
    let words = match (stop, &over.reason) {
        (Some(cause), Some(text)) => format!("{cause}; {text}"),
        (Some(cause), None) => cause.to_string(),
        (None, Some(text)) => text.clone(),
        (None, None) => return live.stop.map(|(cause, _)| cause.to_string()),
    };
    Some(words)
}
