//! Schedules as people write them and as the store keeps them, made ready to be asked.

use crate::cli::context::Context;
use crate::cli::error::CliError;
use crate::model::Planned;
use crate::schedule::{Civil, Dialect, DstRule, Schedule, UnixMs, Zone};
use crate::store::NewSchedule;

/// Reads an expression; the zone is the host's where none is named.
///
/// # Errors
/// An invalid expression or rule, an unknown zone.
pub fn read(ctx: &Context, new: &NewSchedule) -> Result<Schedule, CliError> {
    Ok(new.schedule(&ctx.zone)?)
}

/// Reads a schedule of the store.
///
/// # Errors
/// As [`read`]: tzdata may have lost a zone since it was stored.
pub fn stored(ctx: &Context, planned: &Planned) -> Result<Schedule, CliError> {
    Ok(planned.schedule(&ctx.zone)?)
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

/// The time a fire was written for, where the clock skips it and the fire comes right after.
pub fn moved_from(schedule: &Schedule, at: UnixMs) -> Option<Civil> {
    let fields = schedule.fields()?;
    if schedule.dst() != DstRule::Vixie {
        return None;
    }
    let jump = schedule
        .zone()
        .next_transition(at - 1)
        .filter(|jump| jump.at == at && jump.after_seconds > jump.before_seconds)?;
    // The same fields on a clock that never jumps say what was written for the hours skipped.
    let steady = Schedule::from_fields(schedule.text(), *fields, Zone::utc(), DstRule::Utc);
    let skipped_from = at + i64::from(jump.before_seconds) * 1000;
    let skipped_until = at + i64::from(jump.after_seconds) * 1000;
    let written = steady.next_after(skipped_from - 1)?;
    let shown_itself = steady.next_after(skipped_until - 1) == Some(skipped_until);
    (written < skipped_until && !shown_itself).then(|| Zone::utc().to_local(written))
}

/// What is to be said of a fire, if anything.
pub fn note(schedule: &Schedule, at: UnixMs) -> Option<String> {
    let written = moved_from(schedule, at)?;
    Some(format!(
        "moved from {:02}:{:02}: the clock skips it",
        written.hour, written.minute
    ))
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
