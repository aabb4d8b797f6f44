//! What became of the runs that were alive when the last core ended; the table is in
//! [`crate::daemon::recovery`].

use std::collections::HashMap;

use crate::daemon::definition::Definition;
use crate::daemon::recovery::Birth;
use crate::engine::{Over, Phase, World};
use crate::model::{Ended, Fence, Holding, Next, Outcome, Record, Report, RunId};
use crate::schedule::UnixMs;
use crate::store::{self, LiveRow, Store};

/// Settles each run that the store says is running by what the slots prove.
pub(in crate::daemon) fn adopt(
    store: &mut Store,
    world: &mut World,
    holdings: Vec<Holding>,
    birth: &Birth,
    now: UnixMs,
) -> store::Result<(Vec<RunId>, Vec<Fence>)> {
    let mut held: HashMap<Fence, Holding> = holdings.into_iter().map(|h| (h.fence(), h)).collect();
    let mut unstarted = Vec::new();
    for row in store.live()? {
        if let Definition::Known(job) = Definition::read(store, &row.run.job)? {
            world.know_job(job);
        }
        let phase = phase_of(&row, held.remove(&row.run.fence), birth, now);
        if phase == Phase::Starting {
            unstarted.push(row.run.run);
        }
        world.adopt(row.run, phase);
    }
    let mut leftover = Vec::new();
    for holding in held.into_values() {
        if !matches!(holding, Holding::Alive { .. }) {
            leftover.push(holding.fence());
            settle_leftover(store, holding, now)?;
        }
    }
    leftover.sort();
    Ok((unstarted, leftover))
}

/// An attempt whose run has gone on to another one, or is over: its end is recorded if it was not,
/// and changes nothing else.
fn settle_leftover(store: &mut Store, holding: Holding, now: UnixMs) -> store::Result<()> {
    let fence = holding.fence();
    let Some((run, attempt, job)) = store.unended_attempt(fence)? else {
        return Ok(());
    };
    let (report, gone) = match holding {
        Holding::Ended { report, .. } => (Some(report), Outcome::Lost),
        Holding::Dead {
            other_boot: true, ..
        } => (None, Outcome::Interrupted),
        Holding::Alive { .. } | Holding::Dead { .. } => (None, Outcome::Lost),
    };
    let ended = Ended {
        run,
        job,
        attempt,
        fence,
        outcome: report.as_ref().map_or(gone, Report::outcome),
        reason: report.as_ref().and_then(|r| r.reason.clone()),
        at: report.as_ref().map_or(now, |r| r.ended_at),
        report,
        next: Next::Final,
        collect: true,
    };
    store.record(&[Record::Ended(Box::new(ended))], None, now)?;
    Ok(())
}

fn phase_of(row: &LiveRow, holding: Option<Holding>, birth: &Birth, now: UnixMs) -> Phase {
    let over = |outcome, text: &str| {
        Phase::Over(Over {
            outcome,
            report: None,
            reason: Some(text.to_owned()),
            at: now,
        })
    };
    match holding {
        Some(Holding::Alive { .. }) => Phase::Running,
        Some(Holding::Ended { report, .. }) => Phase::Over(Over {
            outcome: report.outcome(),
            reason: report.reason.clone(),
            at: report.ended_at,
            report: Some(report),
        }),
        Some(Holding::Dead {
            other_boot: false, ..
        }) => over(Outcome::Lost, "its worker was killed"),
        Some(Holding::Dead {
            other_boot: true, ..
        }) => over(Outcome::Interrupted, "the host went down"),
        None if row.boot_id == birth.boot_id => Phase::Starting,
        None => over(
            Outcome::Interrupted,
            "the host went down; whether it had started is not known",
        ),
    }
}
