//! Schedules as people write them and as the store keeps them, made ready to be asked.

use std::sync::Arc;

use crate::cli::calendar;
use crate::cli::context::Context;
use crate::cli::error::{CliError, Kind};
use crate::model::{Planned, ShiftTo};
use crate::schedule::{Dialect, DstRule, ParseOptions, Schedule, Shift, Zone};
use crate::store::NewSchedule;
use crate::view::timetable::Timetable;

/// Reads an expression; the zone is the host's where none is named.
///
/// # Errors
/// An invalid expression or rule, an unknown zone.
pub fn read(ctx: &Context, new: &NewSchedule) -> Result<Schedule, CliError> {
    Ok(Schedule::parse(&new.expr, &options(ctx, new)?)?)
}

fn options(ctx: &Context, new: &NewSchedule) -> Result<ParseOptions, CliError> {
    Ok(ParseOptions {
        zone: zone_of(ctx, new.zone.as_deref())?,
        dst: dst_rule(&new.dst)?,
        anchor: new.anchor,
        seed: new.terms.seed.cast_unsigned(),
        allow_hash: false,
    })
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
    bounded(ctx, new, spec.as_deref(), 0)
}

/// Reads a schedule of the store.
///
/// # Errors
/// As [`read`]: tzdata may have lost a zone since it was stored.
pub fn stored(ctx: &Context, planned: &Planned) -> Result<Timetable, CliError> {
    let spec = planned.calendar.as_ref().map(|(_, spec)| spec.as_str());
    bounded(ctx, &as_new(planned), spec, planned.fired)
}

/// Reads a schedule of a job whose calendar, if it has one, says `spec`.
///
/// # Errors
/// As [`read`], and a calendar that is none.
pub fn bounded(
    ctx: &Context,
    new: &NewSchedule,
    spec: Option<&str>,
    fired: i64,
) -> Result<Timetable, CliError> {
    let options = ParseOptions {
        allow_hash: true,
        ..options(ctx, new)?
    };
    let mut schedule = Schedule::parse(&new.expr, &options)?;
    if let (Some(spec), Some(name)) = (spec, &new.terms.calendar) {
        let shift = new.terms.shift.map(|to| match to {
            ShiftTo::Next => Shift::Next,
            ShiftTo::Previous => Shift::Previous,
        });
        let calendar = calendar::read_stored(spec)?.with_name(name);
        schedule = schedule.with_calendar(Arc::new(calendar), shift);
    }
    Ok(Timetable::new(schedule, &new.terms, fired))
}

/// The part of a stored schedule that somebody wrote.
pub fn as_new(planned: &Planned) -> NewSchedule {
    NewSchedule::from(planned)
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

/// The rule for clock changes of a name.
///
/// # Errors
/// An unknown name.
pub fn dst_rule(word: &str) -> Result<DstRule, CliError> {
    word.parse()
        .map_err(|e: crate::schedule::UnknownDstRule| CliError::new(Kind::Invalid, e.to_string()))
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
