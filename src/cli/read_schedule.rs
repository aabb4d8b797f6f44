//! Schedules as people write them and as the store keeps them, made ready to be asked.

use crate::cli::calendar;
use crate::cli::context::Context;
use crate::cli::error::CliError;
use crate::model::{Planned, Written, read_written};
use crate::schedule::{Dialect, Schedule, Zone};
use crate::store::NewSchedule;
use crate::view::timetable::Timetable;

/// Reads an expression; the zone is the host's where none is named.
///
/// # Errors
/// An invalid expression or rule, an unknown zone.
pub fn read(ctx: &Context, new: &NewSchedule) -> Result<Schedule, CliError> {
    Ok(new.schedule(&ctx.zone)?)
}

/// Reads a schedule of a job, with what bounds it; its calendar is looked up.
///
/// # Errors
/// An invalid expression or rule, an unknown zone or calendar.
pub fn drafted(ctx: &Context, new: &NewSchedule) -> Result<Timetable, CliError> {
    let spec = match &new.terms.calendar {
        Some(name) => Some(calendar::find(&ctx.read()?, name)?.spec),
        None => None,
    };
    let written = Written {
        expr: &new.expr,
        zone: new.zone.as_deref(),
        dst: &new.dst,
        anchor: new.anchor,
        terms: Some(&new.terms),
        calendar: spec.as_deref(),
    };
    let schedule = read_written(&written, &ctx.zone)?;
    Ok(Timetable::new(schedule, &new.terms, 0))
}

/// Reads a schedule of the store.
///
/// # Errors
/// As [`read`]: tzdata may have lost a zone since it was stored.
pub fn stored(ctx: &Context, planned: &Planned) -> Result<Timetable, CliError> {
    let schedule = planned.schedule(&ctx.zone)?;
    Ok(Timetable::new(schedule, &planned.terms, planned.fired))
}

/// The zone of a name, or the host's.
///
/// # Errors
/// An unknown zone.
pub fn zone_of(ctx: &Context, name: Option<&str>) -> Result<Zone, CliError> {
    match name {
        Some(name) => Ok(Zone::named(name)?),
        None => Ok(ctx.zone.clone()),
    }
}

/// The part of a stored schedule that somebody wrote.
pub fn as_new(planned: &Planned) -> NewSchedule {
    NewSchedule::from(planned)
}

/// Whether a text was meant as a schedule rather than as a job's name.
pub fn looks_like_schedule(text: &str) -> bool {
    text.contains(char::is_whitespace)
        || text.starts_with('@')
        || matches!(text, "every" | "at" | "*")
}

/// Why a schedule has no fires at all, in words.
pub fn why_none(schedule: &Schedule) -> &'static str {
    match schedule.dialect() {
        Dialect::Nickname if schedule.is_reboot() => {
            "fires when the machine has started, at no time of day"
        }
        Dialect::At => "that instant has passed",
        _ => "never fires: no such day comes",
    }
}
