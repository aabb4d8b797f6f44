//! Schedules as they are stored: an expression, a zone, the terms that bound it; and the one way
//! they are read.

use std::sync::Arc;

use serde::{Deserialize, Serialize};

use crate::model::ScheduleId;
use crate::model::words::words;
use crate::schedule::{
    Calendar, ParseOptions, Schedule, ScheduleError, Shift, UnixMs, UnknownDstRule, Zone, ZoneError,
};

words! {
    /// Where a fire on a day that a calendar excludes is moved to.
    ShiftTo, "shift" {
        /// The next day that is not excluded.
        Next => "next",
        /// The last day before it that is not excluded.
        Previous => "previous",
    }
}

/// What bounds a schedule beyond its expression.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Terms {
    /// The calendar by name: a fire on an instant it excludes gets no run.
    pub calendar: Option<String>,
    /// Where such a fire is moved to instead.
    pub shift: Option<ShiftTo>,
    /// A run starts up to so much later than planned, milliseconds; always before the next fire.
    pub jitter_ms: i64,
    /// No instant before this one counts.
    pub start_at: Option<UnixMs>,
    /// No instant after this one counts.
    pub end_at: Option<UnixMs>,
    /// Runs its fires are given in all; then it is done.
    pub max_fires: Option<i64>,
    /// Decides what `~`, `H` and jitter draw; stored, so that nothing moves when a daemon restarts
    /// or a job is renamed.
    pub seed: i64,
}

/// One version of one schedule of a job, as it is stored.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Planned {
    /// Its number.
    pub id: ScheduleId,
    /// The job.
    pub job: String,
    /// The expression as it was written.
    pub expr: String,
    /// Name of the time zone; the system's where none is given.
    pub zone: Option<String>,
    /// The rule for daylight saving changes.
    pub dst: String,
    /// Where intervals are counted from.
    pub anchor: Option<UnixMs>,
    /// Instants after this one count.
    pub from: UnixMs,
    /// Instants up to this one count; open while nothing bounds the version.
    pub until: Option<UnixMs>,
    /// What bounds it beyond its expression.
    pub terms: Terms,
    /// The version of the calendar it goes by, and what that says, as JSON text.
    pub calendar: Option<(i64, String)>,
    /// Runs its fires have been given so far; counted only where the terms bound them.
    pub fired: i64,
}

/// Why a schedule cannot be read.
#[derive(Debug, thiserror::Error)]
pub enum UnreadableSchedule {
    /// Its expression.
    #[error(transparent)]
    Expr(#[from] ScheduleError),
    /// Its time zone: unknown, or lost by tzdata since it was stored.
    #[error(transparent)]
    Zone(#[from] ZoneError),
    /// Its rule for clock changes.
    #[error(transparent)]
    Dst(#[from] UnknownDstRule),
    /// Its calendar, as it is stored.
    #[error("its calendar cannot be read: {0}")]
    Calendar(#[from] serde_json::Error),
}

/// What somebody wrote of a schedule.
#[derive(Clone, Copy, Debug)]
pub struct Written<'a> {
    /// The expression.
    pub expr: &'a str,
    /// Name of the time zone.
    pub zone: Option<&'a str>,
    /// The rule for daylight saving changes.
    pub dst: &'a str,
    /// Where intervals are counted from.
    pub anchor: Option<UnixMs>,
    /// The terms, where it belongs to a job.
    pub terms: Option<&'a Terms>,
    /// What the calendar of the terms says, as JSON text.
    pub calendar: Option<&'a str>,
}

/// Makes a schedule of what is written; `system` is the zone of those that name none.
///
/// # Errors
/// An invalid expression or rule, an unknown zone, a calendar that cannot be read.
pub fn read_written(written: &Written<'_>, system: &Zone) -> Result<Schedule, UnreadableSchedule> {
    let terms = written.terms;
    let options = ParseOptions {
        zone: match written.zone {
            Some(name) => Zone::named(name)?,
            None => system.clone(),
        },
        dst: written.dst.parse()?,
        anchor: written.anchor.or_else(|| terms.and_then(|t| t.start_at)),
        seed: terms.map_or(0, |t| t.seed.cast_unsigned()),
        // `H` is spread by a job's name, so it means something only where there is a job.
        allow_hash: terms.is_some(),
    };
    let schedule = Schedule::parse(written.expr, &options)?;
    let Some(spec) = written.calendar else {
        return Ok(schedule);
    };
    let calendar: Calendar = serde_json::from_str(spec)?;
    let shift = terms.and_then(|t| t.shift).map(|shift| match shift {
        ShiftTo::Next => Shift::Next,
        ShiftTo::Previous => Shift::Previous,
    });
    Ok(schedule.with_calendar(Arc::new(calendar), shift))
}

/// Makes a schedule of an expression that belongs to no job.
///
/// # Errors
/// As [`read_written`].
pub fn read_schedule(
    expr: &str,
    zone: Option<&str>,
    dst: &str,
    anchor: Option<UnixMs>,
    system: &Zone,
) -> Result<Schedule, UnreadableSchedule> {
    let written = Written {
        expr,
        zone,
        dst,
        anchor,
        terms: None,
        calendar: None,
    };
    read_written(&written, system)
}

impl Planned {
    /// Makes it ready to be asked; `system` is the zone of those that name none.
    ///
    /// # Errors
    /// As [`read_written`].
    pub fn schedule(&self, system: &Zone) -> Result<Schedule, UnreadableSchedule> {
        let written = Written {
            expr: &self.expr,
            zone: self.zone.as_deref(),
            dst: &self.dst,
            anchor: self.anchor,
            terms: Some(&self.terms),
            calendar: self.calendar.as_ref().map(|(_, spec)| spec.as_str()),
        };
        read_written(&written, system)
    }
}
