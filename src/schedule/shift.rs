//! Instants moved off the days a calendar excludes.
//!
//! The instants of a shifted schedule are its own, excluded ones among them, and the targets of
//! those excluded. A target lies on the far side of a run of days that are all excluded at that
//! time of day, so a search from any instant can stop at the first day wholly left alone. Its cost
//! grows with the fires within such a run; a shift is meant for schedules of a few fires a day.

use std::fmt;
use std::str::FromStr;

use crate::schedule::calendar::day_and_second;
use crate::schedule::civil::{Civil, DAY, FIRST_SECOND, LAST_SECOND};
use crate::schedule::{Resolved, Schedule, UnixMs};

/// Where an excluded instant is moved.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Shift {
    /// To the next working day: one the calendar allows and, where it says nothing of weekdays, not
    /// a Saturday or Sunday.
    Next,
    /// To the previous working day.
    Previous,
}

impl Shift {
    /// All shifts, in the order of their definition.
    pub const ALL: [Shift; 2] = [Shift::Next, Shift::Previous];

    /// Returns the name, as it is written and stored.
    pub fn as_str(self) -> &'static str {
        match self {
            Shift::Next => "next",
            Shift::Previous => "previous",
        }
    }
}

impl fmt::Display for Shift {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// A word that names no shift.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("unknown shift {0:?}; write next or previous")]
pub struct UnknownShift(pub String);

impl FromStr for Shift {
    type Err = UnknownShift;

    fn from_str(word: &str) -> Result<Shift, UnknownShift> {
        let found = Shift::ALL.into_iter().find(|shift| shift.as_str() == word);
        found.ok_or_else(|| UnknownShift(word.to_owned()))
    }
}

/// Days an instant is moved at most.
const FARTHEST: i64 = 366;

/// Returns the first instant strictly later than `after`.
pub(crate) fn next(schedule: &Schedule, shift: Shift, after: UnixMs) -> Option<UnixMs> {
    let own = schedule.base_next(after);
    let nearer = |best: Option<UnixMs>, at: UnixMs| Some(best.map_or(at, |best| best.min(at)));
    let later = |at: UnixMs| at > after;
    match shift {
        Shift::Next => {
            let first = schedule.base_prev(after.saturating_add(1));
            search(schedule, shift, own, (first, after, -1), nearer, later)
        }
        Shift::Previous => search(schedule, shift, own, (own, own?, 1), nearer, later),
    }
}

/// Returns the last instant strictly earlier than `before`.
pub(crate) fn prev(schedule: &Schedule, shift: Shift, before: UnixMs) -> Option<UnixMs> {
    let own = schedule.base_prev(before);
    let nearer = |best: Option<UnixMs>, at: UnixMs| Some(best.map_or(at, |best| best.max(at)));
    let earlier = |at: UnixMs| at < before;
    match shift {
        Shift::Previous => {
            let first = schedule.base_next(before.saturating_sub(1));
            search(schedule, shift, own, (first, before, 1), nearer, earlier)
        }
        Shift::Next => search(schedule, shift, own, (own, own?, -1), nearer, earlier),
    }
}

/// Walks the schedule's own instants from the first one away from the day of an origin, forward or
/// back, and returns the nearest of their targets that is `wanted`, or `best`.
fn search(
    schedule: &Schedule,
    shift: Shift,
    best: Option<UnixMs>,
    (first, origin, direction): (Option<UnixMs>, UnixMs, i64),
    nearer: impl Fn(Option<UnixMs>, UnixMs) -> Option<UnixMs>,
    wanted: impl Fn(UnixMs) -> bool,
) -> Option<UnixMs> {
    let mut best = best;
    let mut source = first;
    let origin = day_of(
        schedule,
        origin.clamp(FIRST_SECOND * 1000, LAST_SECOND * 1000),
    );
    let mut day = origin;
    while let Some(at) = source {
        let own_day = day_of(schedule, at);
        if (own_day - origin).abs() > FARTHEST + 1 {
            break;
        }
        // No target crosses a day on which nothing is excluded.
        while (own_day - day) * direction > 0 {
            day += direction;
            if leaves_alone(schedule, day) {
                return best;
            }
        }
        if let Some(target) = target(schedule, shift, at).filter(|target| wanted(*target)) {
            best = nearer(best, target);
        }
        source = match direction {
            1 => schedule.base_next(at),
            _ => schedule.base_prev(at),
        };
    }
    best
}

fn day_of(schedule: &Schedule, at: UnixMs) -> i64 {
    day_and_second(schedule.clock.to_local(at)).0
}

/// Says whether no instant is moved over a day. `false` is no answer.
fn leaves_alone(schedule: &Schedule, day: i64) -> bool {
    let Some(calendar) = &schedule.calendar else {
        return true;
    };
    // A change of the clock may take a time of the day away, or the day.
    let noon = (day * DAY + DAY / 2) * 1000;
    let far = 2 * DAY * 1000;
    let change = schedule.clock.next_transition(noon - far);
    change.is_none_or(|change| change.at > noon + far)
        && calendar.works_on(day)
        && calendar.leaves_alone(day)
}

/// Returns the instant an excluded one is moved to; none if it is not excluded or has no such day.
fn target(schedule: &Schedule, shift: Shift, at: UnixMs) -> Option<UnixMs> {
    let calendar = schedule.calendar.as_ref()?;
    calendar.excludes(at, &schedule.clock)?;
    let civil = schedule.clock.to_local(at);
    let (day, second) = day_and_second(civil);
    if calendar.never_allows(second) {
        return None;
    }
    let step = match shift {
        Shift::Next => 1,
        Shift::Previous => -1,
    };
    (1..=FARTHEST).find_map(|count| {
        let on = day + step * count;
        if !calendar.works_on(on) {
            return None;
        }
        let wall = Civil {
            millisecond: civil.millisecond,
            ..Civil::from_wall(on * DAY + i64::from(second))
        };
        let moved = match schedule.clock.resolve(wall) {
            Resolved::Unambiguous(at) => at,
            Resolved::Fold { first, .. } => first,
            Resolved::Gap { .. } if calendar.excludes_wall(on, second) => return None,
            Resolved::Gap { at, .. } => at,
        };
        let same_day = day_of(schedule, moved) == on;
        (same_day && calendar.excludes(moved, &schedule.clock).is_none()).then_some(moved)
    })
}
