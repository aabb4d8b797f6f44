//! The audit: every instant a schedule ever planned, computed again, against the ledger.
//!
//! The ledger is kept by the daemon as it decides. This knows nothing of how: it takes each
//! version of each schedule there ever was, asks it for its instants, and holds them against the
//! rows one by one. What has no row is missing, what has a row and was never planned is extra,
//! what has more than one run is a duplicate.

use std::iter::Peekable;

use crate::model::{Planned, ScheduleId};
use crate::schedule::{Schedule, UnixMs, Zone};
use crate::store::{Result, Store};
use crate::view::Daemon;

/// How many differences are kept to be shown.
const SHOWN: usize = 20;

/// How long a decision may take to be recorded, milliseconds.
const RECORDING_MS: i64 = 5_000;

/// What an audit is asked.
#[derive(Clone, Debug)]
pub struct Question<'a> {
    /// Instants later than this one; all where none is given.
    pub since: Option<UnixMs>,
    /// Of this job only.
    pub job: Option<&'a str>,
    /// Up to this instant everything must be decided; none where no daemon was ever there.
    pub until: Option<UnixMs>,
    /// Whether versions not yet planned by the daemon owe their instants still.
    pub unplanned_owed: bool,
    /// The zone of schedules that name none.
    pub zone: &'a Zone,
}

/// What kind of difference it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// Planned, and no row.
    Missing,
    /// A row, and never planned.
    Extra,
    /// More than one run for one instant.
    Duplicate,
}

impl Kind {
    /// The word.
    pub fn as_str(self) -> &'static str {
        match self {
            Kind::Missing => "missing",
            Kind::Extra => "extra",
            Kind::Duplicate => "duplicate",
        }
    }
}

/// One difference.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Difference {
    /// Its kind.
    pub kind: Kind,
    /// The job.
    pub job: String,
    /// The schedule version.
    pub schedule: ScheduleId,
    /// The instant, or the first of them.
    pub at: UnixMs,
    /// How many instants it is about; of a duplicate, how many runs.
    pub count: i64,
}

/// What an audit found.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Audit {
    /// From where on it looked.
    pub since: Option<UnixMs>,
    /// Up to where.
    pub until: Option<UnixMs>,
    /// From where on the ledger is kept, where rows before that were removed.
    pub kept_since: Option<UnixMs>,
    /// Schedule versions looked at.
    pub schedules: i64,
    /// Instants planned.
    pub planned: i64,
    /// Instants the ledger stands for.
    pub ledger: i64,
    /// Instants without a row.
    pub missing: i64,
    /// Instants the ledger stands for that were never planned.
    pub extra: i64,
    /// Instants with more than one run.
    pub duplicate: i64,
    /// Versions whose instants the daemon has still to look at.
    pub owed: i64,
    /// Jobs whose schedule cannot be read any more, and why.
    pub unreadable: Vec<(String, String)>,
    /// The first differences.
    pub differences: Vec<Difference>,
}

impl Audit {
    /// Whether every planned instant has exactly one verdict and at most one run.
    pub fn holds(&self) -> bool {
        self.missing == 0 && self.extra == 0 && self.duplicate == 0
    }

    fn differ(&mut self, kind: Kind, planned: &Planned, at: UnixMs, count: i64) {
        match kind {
            Kind::Missing => self.missing += count,
            Kind::Extra => self.extra += count,
            Kind::Duplicate => self.duplicate += 1,
        }
        if self.differences.len() < SHOWN {
            self.differences.push(Difference {
                kind,
                job: planned.job.clone(),
                schedule: planned.id,
                at,
                count,
            });
        }
    }
}

/// Up to which instant everything must be decided: shortly before now while a daemon is there,
/// else up to where the last one was known to be alive. What lies behind that is still owed.
///
/// # Errors
/// Those of reading.
pub fn decided_until(store: &Store, daemon: &Daemon, now: UnixMs) -> Result<Option<UnixMs>> {
    if daemon.up {
        return Ok(Some(now - RECORDING_MS));
    }
    let last = store.last_session()?;
    // One that did not stop in good order may have decided what only its ring holds.
    Ok(last.map(|s| s.stopped_at.unwrap_or(s.alive_at - RECORDING_MS)))
}

/// Holds the ledger against the schedules.
///
/// # Errors
/// Those of reading.
pub fn audit(store: &Store, question: &Question<'_>) -> Result<Audit> {
    let kept_since = store.ledger_since()?;
    // What was removed because of its age is not missing.
    let question = &Question {
        since: question.since.max(kept_since),
        ..question.clone()
    };
    let mut audit = Audit {
        since: question.since,
        until: question.until,
        kept_since,
        ..Audit::default()
    };
    let unplanned = store.unplanned()?;
    for armed in store.every_schedule()? {
        let planned = armed.planned;
        if question.job.is_some_and(|job| job != planned.job) {
            continue;
        }
        audit.schedules += 1;
        let from = audit.since.map_or(planned.from, |s| s.min(planned.from));
        if question.since.is_none() {
            audit.since = Some(from);
        }
        if question.unplanned_owed && unplanned.contains(&planned.id) {
            audit.owed += 1;
            continue;
        }
        let Some(until) = question.until else {
            audit.owed += 1;
            continue;
        };
        match planned.schedule(question.zone) {
            Ok(schedule) if schedule.is_reboot() => {}
            Ok(schedule) => hold(store, question, &planned, &schedule, until, &mut audit)?,
            Err(why) => audit.unreadable.push((planned.job, why.to_string())),
        }
    }
    for twice in store.duplicates(question.job, question.since.unwrap_or(i64::MIN))? {
        audit.duplicate += 1;
        if audit.differences.len() < SHOWN {
            audit.differences.push(Difference {
                kind: Kind::Duplicate,
                job: twice.job,
                schedule: twice.schedule,
                at: twice.planned_at,
                count: twice.runs,
            });
        }
    }
    Ok(audit)
}

/// Holds the rows of one version against its instants; both sides are walked once, in order.
fn hold(
    store: &Store,
    question: &Question<'_>,
    planned: &Planned,
    schedule: &Schedule,
    until: UnixMs,
    audit: &mut Audit,
) -> Result<()> {
    let since = question.since.unwrap_or(i64::MIN);
    let end = planned.until.unwrap_or(UnixMs::MAX).min(until);
    let begin = planned.from.max(since);
    let mut instants = schedule
        .upcoming(begin)
        .take_while(|at| *at <= end)
        .peekable();
    store.walk_fires(planned.id, since, until, |first, last, count| {
        missing_before(&mut instants, first, planned, audit);
        let covered = take_through(&mut instants, last);
        audit.planned += covered;
        // Of a row that reaches over an edge of the time looked at, only what lies within is held.
        if first <= since || last > until {
            audit.ledger += covered;
            return;
        }
        audit.ledger += count;
        if covered < count {
            audit.differ(Kind::Extra, planned, first, count - covered);
        } else if covered > count {
            audit.differ(Kind::Missing, planned, first, covered - count);
        }
    })?;
    missing_before(&mut instants, UnixMs::MAX, planned, audit);
    Ok(())
}

/// Counts the instants before `bound` as missing; those that follow each other are one difference.
fn missing_before(
    instants: &mut Peekable<impl Iterator<Item = UnixMs>>,
    bound: UnixMs,
    planned: &Planned,
    audit: &mut Audit,
) {
    let Some(first) = instants.next_if(|at| *at < bound) else {
        return;
    };
    let count = 1 + take_through(instants, bound.saturating_sub(1));
    audit.planned += count;
    audit.differ(Kind::Missing, planned, first, count);
}

fn take_through(instants: &mut Peekable<impl Iterator<Item = UnixMs>>, last: UnixMs) -> i64 {
    let mut count = 0;
    while instants.next_if(|at| *at <= last).is_some() {
        count += 1;
    }
    count
}
