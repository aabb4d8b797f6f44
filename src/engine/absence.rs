//! Which catch-up rule holds for a fire that nobody was there for.
//!
//! For our own jobs it is the one somebody chose. For jobs kept from a crontab it is what their cron
//! does, drawn from one table. Both Debian cron's and cronie's main loops class the minutes `d` from
//! the last they handled (measured):
//!
//! | d | wildcard jobs | jobs at fixed times | here |
//! |---|---|---|---|
//! | up to 5 min | each missed minute | each missed minute | lateness: the last stands for the others |
//! | up to 3 h, after sleep or a clock step | not | once for each missed minute | the last is made up for |
//! | beyond, or the daemon was not there | not | not | missed |
//! | back up to 3 h | follow the clock | wait until it passes | the same |
//! | back beyond | follow the clock | follow the clock | the same |
//!
//! A job is a wildcard job where its minute or hour begins with a star.

use crate::model::{CatchUp, Engine, Gap, Job, MissReason};
use crate::schedule::Schedule;

/// The border between what a cron makes up for and what it takes as a clock set right.
const CRON_MAKES_UP_MS: i64 = 10_800_000;

/// The rule for an instant that lies in `gap`.
pub(in crate::engine) fn rule(job: &Job, schedule: &Schedule, gap: &Gap) -> CatchUp {
    match &job.spec.engine {
        Engine::Native => job.policy.catch_up,
        // Somebody changed the rule since the job was imported.
        Engine::Cron(_) if job.policy.catch_up != CatchUp::None => job.policy.catch_up,
        Engine::Cron(_) => cron_rule(schedule, gap),
    }
}

fn cron_rule(schedule: &Schedule, gap: &Gap) -> CatchUp {
    let short = gap.until.saturating_sub(gap.from) < CRON_MAKES_UP_MS;
    match gap.reason {
        MissReason::Asleep | MissReason::ClockStep | MissReason::Overload
            if short && !schedule.follows_the_clock() =>
        {
            CatchUp::Last
        }
        MissReason::Asleep
        | MissReason::ClockStep
        | MissReason::Overload
        | MissReason::DaemonDown
        | MissReason::HostOff => CatchUp::None,
    }
}
