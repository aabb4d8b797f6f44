//! Schedules as they are stored: an expression, a zone, and the terms that bound it.

use serde::{Deserialize, Serialize};

use crate::model::ScheduleId;
use crate::model::words::words;
use crate::schedule::UnixMs;

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
