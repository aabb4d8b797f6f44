//! What is to be said of a fire that does not come where it was written.

use std::sync::Arc;

use crate::schedule::{Civil, DstRule, Schedule, Shift, UnixMs, Zone, note_for};
use crate::view::time::in_full;

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
    if let Some(note) = note_for(schedule, at) {
        return Some(note);
    }
    let (from, why) = shifted_from(schedule, at)?;
    let day = in_full(from, schedule.zone());
    Some(format!("moved from {day}: {why}"))
}

/// Instants looked at to find the one that was moved.
const FARTHEST: usize = 1000;

/// The excluded instant in whose place a calendar's shift put another, and why it is excluded.
pub fn shifted_from(schedule: &Schedule, at: UnixMs) -> Option<(UnixMs, String)> {
    let (calendar, shift) = schedule.calendar()?;
    let shift = shift?;
    let own = schedule.clone().with_calendar(Arc::clone(calendar), None);
    if own.next_after(at - 1) == Some(at) {
        return None;
    }
    let further = |from: &UnixMs| match shift {
        Shift::Next => own.prev_before(*from),
        Shift::Previous => own.next_after(*from),
    };
    let time = |at: UnixMs| {
        let civil = schedule.zone().to_local(at);
        (civil.hour, civil.minute, civil.second)
    };
    std::iter::successors(further(&at), further)
        .take(FARTHEST)
        .find(|from| time(*from) == time(at) && own.excluded(*from).is_some())
        .and_then(|from| Some((from, own.excluded(from)?)))
}
