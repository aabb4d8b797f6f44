//! What the clock of a zone shows, and when it shows it.

use crate::schedule::UnixMs;
use crate::schedule::civil::{Civil, WallSecond};
use crate::schedule::offsets::Segment;
use crate::schedule::zone::Zone;

/// What the wall clock of a zone shows, as instants. Times are Unix milliseconds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Resolved {
    /// The clock shows it once.
    Unambiguous(UnixMs),
    /// The clock never shows it: it jumps over it at `at`, forward by `shift_seconds`.
    Gap { at: UnixMs, shift_seconds: i32 },
    /// The clock shows it twice.
    Fold { first: UnixMs, second: UnixMs },
}

/// A change of the offset from UTC.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Transition {
    /// The first instant with the new offset, Unix milliseconds.
    pub at: UnixMs,
    /// The offset before, in seconds east of UTC.
    pub before_seconds: i32,
    /// The offset from `at` on, in seconds east of UTC.
    pub after_seconds: i32,
}

impl Zone {
    /// Returns the seconds east of UTC at an instant.
    pub fn offset_seconds_at(&self, at: UnixMs) -> i32 {
        self.table().at(at.div_euclid(1000)).offset as i32
    }

    /// Returns what the wall clock shows at an instant.
    pub fn to_local(&self, at: UnixMs) -> Civil {
        let wall = at.div_euclid(1000) + i64::from(self.offset_seconds_at(at));
        Civil {
            millisecond: at.rem_euclid(1000) as u32,
            ..Civil::from_wall(wall)
        }
    }

    /// Returns the instants at which the wall clock shows `civil`.
    pub fn resolve(&self, civil: Civil) -> Resolved {
        let milliseconds = i64::from(civil.millisecond);
        match self.resolve_wall(civil.to_wall()) {
            Resolved::Unambiguous(at) => Resolved::Unambiguous(at + milliseconds),
            Resolved::Fold { first, second } => Resolved::Fold {
                first: first + milliseconds,
                second: second + milliseconds,
            },
            gap => gap,
        }
    }

    pub(crate) fn resolve_wall(&self, wall: WallSecond) -> Resolved {
        // No offset is as large as a day and a half, so every candidate stretch lies in here.
        let table = self.table();
        let mut segment = table.at(wall - 129_600);
        let mut first = None;
        loop {
            let shown = (segment.wall_start()..segment.wall_end()).contains(&wall);
            let instant = (wall - segment.offset) * 1000;
            match first {
                None if shown => first = Some(instant),
                Some(first) if shown => {
                    return Resolved::Fold {
                        first,
                        second: instant,
                    };
                }
                _ => {}
            }
            let Some(next) = table
                .after(&segment)
                .filter(|next| next.start <= wall + 129_600)
            else {
                return Resolved::Unambiguous(first.unwrap_or(instant));
            };
            if first.is_none() && (segment.wall_end()..next.wall_start()).contains(&wall) {
                let shift_seconds = (next.offset - segment.offset) as i32;
                return Resolved::Gap {
                    at: next.start * 1000,
                    shift_seconds,
                };
            }
            segment = next;
        }
    }

    /// Returns the first change of offset strictly after an instant.
    pub fn next_transition(&self, after: UnixMs) -> Option<Transition> {
        let segment = self.table().at(after.div_euclid(1000));
        let next = self.table().after(&segment)?;
        transition(&segment, &next)
    }

    /// Returns the last change of offset strictly before an instant.
    pub fn prev_transition(&self, before: UnixMs) -> Option<Transition> {
        let segment = self.table().at(before.saturating_sub(1).div_euclid(1000));
        let prev = self.table().before(&segment)?;
        transition(&prev, &segment)
    }
}

/// Returns the change between two stretches; none where milliseconds cannot name its instant.
fn transition(before: &Segment, after: &Segment) -> Option<Transition> {
    Some(Transition {
        at: after.start.checked_mul(1000)?,
        before_seconds: before.offset as i32,
        after_seconds: after.offset as i32,
    })
}
