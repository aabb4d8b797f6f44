//! What to do now: a pure function of the world and an instant.
//!
//! [`plan`] reads like a table of contents of the rules: settle what is over, take back what
//! nobody wants, give each due instant its verdict, start what may start. It is called until it
//! has nothing more to say; each call sees what the one before decided. Replanning at the same
//! instant decides nothing. No clock, no store, no threads.

mod absence;
pub(in crate::engine) mod admit;
pub mod alert;
mod dispatch;
mod due;
mod known;
mod numbers;
mod outlive;
mod pace;
mod rewind;
mod settle;
pub mod turn;
pub mod watch;
mod world;

pub use known::{Armed, LiveRun, Over, Phase};
pub use numbers::{Numbers, PROVISIONAL};
pub use pace::START_RATE;
pub use world::World;

use crate::model::{Record, RunId, StopCause};
use crate::schedule::UnixMs;

/// A live run to be ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Stop {
    /// The run.
    pub run: RunId,
    /// Why.
    pub cause: StopCause,
}

/// What to do, in order, and when to ask again at the latest.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Plan {
    /// Decisions: to be made durable, applied, and carried out.
    pub records: Vec<Record>,
    /// Live runs to be ended.
    pub stops: Vec<Stop>,
    /// The next instant at which something may become due; none where nothing is in sight.
    pub wake_at: Option<UnixMs>,
}

impl Plan {
    /// Whether there is nothing to do.
    pub fn is_empty(&self) -> bool {
        self.records.is_empty() && self.stops.is_empty()
    }
}

/// Decides what is to be done at `now`.
pub fn plan(world: &World, now: UnixMs) -> Plan {
    let mut plan = Plan::default();
    settle::settle(world, now, &mut plan);
    dispatch::take_back(world, now, &mut plan);
    // Fires look at which runs are alive. What was just settled is applied first.
    if plan.is_empty() {
        due::decide(world, now, &mut plan);
    }
    if plan.is_empty() {
        dispatch::dispatch(world, now, &mut plan);
    }
    plan.wake_at = wake_at(world, now);
    plan
}

/// When something may become due next, seen from `now`.
fn wake_at(world: &World, now: UnixMs) -> Option<UnixMs> {
    let armed = world.order.first().map(|(at, _)| *at);
    let queued = world.queued.values().flat_map(|run| {
        let start = (run.run_at > now).then_some(run.run_at);
        let too_late = run.deadline.filter(|d| run.attempt == 0 && *d >= now);
        [start, too_late.map(|d| d + 1)]
    });
    queued
        .flatten()
        .chain(armed)
        .chain(dispatch::paced_at(world, now))
        .min()
}
