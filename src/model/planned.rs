//! Schedules as they are stored, and the one way they are read.

use serde::{Deserialize, Serialize};

use crate::model::ScheduleId;
use crate::schedule::{
    ParseOptions, Schedule, ScheduleError, UnixMs, UnknownDstRule, Zone, ZoneError,
};

/// One version of one schedule of a job, as it is stored.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
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
    /// Instants up to this one count; open while the version is in force.
    pub until: Option<UnixMs>,
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
}

/// Makes a schedule of what is stored of one; `system` is the zone of those that name none.
///
/// # Errors
/// An invalid expression or rule, an unknown zone.
pub fn read_schedule(
    expr: &str,
    zone: Option<&str>,
    dst: &str,
    anchor: Option<UnixMs>,
    system: &Zone,
) -> Result<Schedule, UnreadableSchedule> {
    let options = ParseOptions {
        zone: match zone {
            Some(name) => Zone::named(name)?,
            None => system.clone(),
        },
        dst: dst.parse()?,
        anchor,
        ..ParseOptions::default()
    };
    Ok(Schedule::parse(expr, &options)?)
}

impl Planned {
    /// Makes it ready to be asked; `system` is the zone of those that name none.
    ///
    /// # Errors
    /// As [`read_schedule`].
    pub fn schedule(&self, system: &Zone) -> Result<Schedule, UnreadableSchedule> {
        let zone = self.zone.as_deref();
        read_schedule(&self.expr, zone, &self.dst, self.anchor, system)
    }
}
