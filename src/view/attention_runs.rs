//! What needs attention among runs that are alive, and those that ended too early.

use crate::model::{Evidence, LONG_WAIT_MS, Outcome, RunState, WorkerState};
use crate::schedule::{UnixMs, Zone};
use crate::store::{Result, RunRow, Store};
use crate::view::Daemon;
use crate::view::attention::{Attention, Kind, Level};
use crate::view::time::span;
use crate::view::workers::{WorkerRow, is_long, is_short, workers};

/// Live runs out of the ordinary, one entry for each.
///
/// # Errors
/// Those of reading.
pub fn live(store: &Store, daemon: &Daemon, zone: &Zone, now: UnixMs) -> Result<Vec<Attention>> {
    let rows = workers(store, daemon, zone, now)?;
    Ok(rows.iter().filter_map(|row| of_row(row, now)).collect())
}

fn of_row(row: &WorkerRow, now: UnixMs) -> Option<Attention> {
    let run = row.run?;
    let busy = row.busy_ms.unwrap_or(0);
    let (level, what, verb) = match row.judged.state {
        WorkerState::Lost => (Level::Urgent, "LOST", "explain"),
        WorkerState::Unkillable => (Level::Urgent, "UNKILLABLE", "explain"),
        WorkerState::DiskWait => (Level::Urgent, "DISK", "explain"),
        WorkerState::Stopped => (Level::Urgent, "STOPPED", "kill"),
        WorkerState::Stuck => (Level::Urgent, "STUCK", "kill"),
        WorkerState::Spinning => (Level::Warning, "SPINNING", "logs -f"),
        WorkerState::Overrun => (Level::Warning, "OVERRUN", "logs -f"),
        WorkerState::Waiting if waits_long(row) => (Level::Warning, "WAITING", "logs -f"),
        WorkerState::Running | WorkerState::Waiting
            if row.usual.is_some_and(|u| is_long(&u, busy)) =>
        {
            (Level::Warning, "LONG", "logs -f")
        }
        _ => return None,
    };
    let kind = match what {
        "LONG" => Kind::Long,
        _ => Kind::Worker(row.judged.state),
    };
    Some(Attention {
        level,
        kind,
        what,
        job: row.job.clone(),
        run: Some(run),
        watch: None,
        since: row.busy_ms.map(|busy| now - busy),
        text: match row.busy_ms {
            Some(busy) => format!("running {}, {}", span(busy), row.judged.why),
            None => row.judged.why.clone(),
        },
        hint: format!("crake {verb} {run}"),
    })
}

// Of a job whose runs are known a wait is long when it is longer than the whole run usually takes.
fn waits_long(row: &WorkerRow) -> bool {
    let waited = |e: &Evidence| e.subject.as_ref().map_or(0, |s| s.for_ms);
    let waited = row.evidence.as_ref().map_or(0, waited);
    waited >= LONG_WAIT_MS && row.usual.is_none_or(|usual| waited > usual.p95_ms)
}

/// A job's latest run, where it succeeded in less than a tenth of the usual time: it hardly did what
/// it usually does.
///
/// # Errors
/// Those of reading.
pub fn too_short(store: &Store, run: &RunRow) -> Result<Option<Attention>> {
    let took = match (run.state, run.started_at, run.ended_at) {
        (RunState::Ended(Outcome::Succeeded), Some(start), Some(end)) => end - start,
        _ => return Ok(None),
    };
    let usual = store.usual(&run.job, Some(run.run))?;
    Ok(usual.filter(|u| is_short(u, took)).map(|usual| Attention {
        level: Level::Warning,
        kind: Kind::Short,
        what: "SHORT",
        job: Some(run.job.clone()),
        run: Some(run.run),
        watch: None,
        since: run.ended_at,
        text: format!(
            "succeeded in {}, usually {}",
            span(took),
            span(usual.median_ms)
        ),
        hint: format!("crake logs {}", run.run),
    }))
}

/// A job's latest run, where the kernel let something of it not die, however the run is counted.
pub fn unkillable(run: &RunRow) -> Option<Attention> {
    let reason = run.reason.as_ref().filter(|r| r.contains("unkillable: "))?;
    Some(Attention {
        level: Level::Urgent,
        kind: Kind::Worker(WorkerState::Unkillable),
        what: "UNKILLABLE",
        job: Some(run.job.clone()),
        run: Some(run.run),
        watch: None,
        since: run.ended_at,
        text: reason.clone(),
        hint: format!("crake explain {}", run.run),
    })
}

/// That no run may start, where somebody said so.
///
/// # Errors
/// Those of reading.
pub fn draining(store: &Store) -> Result<Option<Attention>> {
    Ok(store.drain()?.map(|drain| Attention {
        level: Level::Warning,
        kind: Kind::Drain,
        what: "DRAIN",
        job: None,
        run: None,
        watch: None,
        since: Some(drain.at),
        text: format!("no run starts, said {}", drain.by),
        hint: "crake worker drain --undo".to_owned(),
    }))
}
