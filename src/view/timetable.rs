//! A schedule with the terms that bound it: what it really plans.

use crate::model::Terms;
use crate::schedule::{Schedule, UnixMs};

/// Instants in a row that a calendar may exclude before the search is given up: no schedule that
/// anybody means has so long a rest, and one that never comes to an end must not be waited for.
const GIVE_UP: usize = 500_000;

/// A schedule with the terms that bound it.
#[derive(Clone, Debug)]
pub struct Timetable {
    /// The schedule, under its calendar where it has one.
    pub schedule: Schedule,
    /// What bounds it.
    pub terms: Terms,
    /// Runs its fires may still be given, where their number is bounded.
    pub left: Option<i64>,
}

/// An instant a timetable plans.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Upcoming {
    /// The instant.
    pub at: UnixMs,
    /// Why its calendar excludes it, where it does: such an instant gets no run.
    pub excluded: Option<String>,
}

impl Timetable {
    /// With what bounds it, and the number of runs its fires were given so far.
    pub fn new(schedule: Schedule, terms: &Terms, fired: i64) -> Timetable {
        Timetable {
            schedule,
            terms: terms.clone(),
            left: terms.max_fires.map(|most| (most - fired).max(0)),
        }
    }

    /// The first instant later than `after`, excluded or not.
    pub fn next_after(&self, after: UnixMs) -> Option<UnixMs> {
        // The start itself counts.
        let from = self.terms.start_at.map_or(after, |s| after.max(s - 1));
        let end = self.terms.end_at.unwrap_or(UnixMs::MAX);
        self.schedule.next_after(from).filter(|at| *at <= end)
    }

    /// The last instant earlier than `before`, excluded or not.
    pub fn prev_before(&self, before: UnixMs) -> Option<UnixMs> {
        let until = self.terms.end_at.map_or(before, |e| before.min(e + 1));
        let start = self.terms.start_at.unwrap_or(UnixMs::MIN);
        self.schedule.prev_before(until).filter(|at| *at >= start)
    }

    /// The instants later than `after`, in order, those that are excluded marked. Where the number
    /// of fires is bounded it is used up from `now` on.
    pub fn upcoming(&self, after: UnixMs, now: UnixMs) -> impl Iterator<Item = Upcoming> + '_ {
        let counted = self.left.is_some() && after > now;
        let from = if counted { now } else { after };
        self.counted(from).skip_while(move |up| up.at <= after)
    }

    /// The instants later than `after` that get a run.
    pub fn fires(&self, after: UnixMs, now: UnixMs) -> impl Iterator<Item = UnixMs> + '_ {
        let kept = |up: Upcoming| up.excluded.is_none().then_some(up.at);
        self.upcoming(after, now).filter_map(kept)
    }

    fn counted(&self, after: UnixMs) -> impl Iterator<Item = Upcoming> + '_ {
        let mut left = self.left.unwrap_or(i64::MAX);
        let mut last = after;
        let mut skipped = 0;
        std::iter::from_fn(move || {
            if left == 0 || skipped > GIVE_UP {
                return None;
            }
            let at = self.next_after(last)?;
            last = at;
            let excluded = self.excluded(at);
            if excluded.is_some() {
                skipped += 1;
            } else {
                skipped = 0;
                left -= 1;
            }
            Some(Upcoming { at, excluded })
        })
    }

    /// Why the calendar excludes an instant, if it does.
    pub fn excluded(&self, at: UnixMs) -> Option<String> {
        self.schedule.excluded(at)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::schedule::ParseOptions;

    const HOUR: i64 = 3_600_000;

    fn hourly(terms: &Terms, fired: i64) -> Timetable {
        let schedule = Schedule::parse("0 * * * *", &ParseOptions::default()).unwrap();
        Timetable::new(schedule, terms, fired)
    }

    #[test]
    fn start_and_end_count_themselves() {
        let terms = Terms {
            start_at: Some(5 * HOUR),
            end_at: Some(7 * HOUR),
            ..Terms::default()
        };
        let table = hourly(&terms, 0);
        let fires: Vec<i64> = table.fires(0, 0).collect();
        assert_eq!(fires, [5 * HOUR, 6 * HOUR, 7 * HOUR]);
        assert_eq!(table.prev_before(100 * HOUR), Some(7 * HOUR));
        assert_eq!(table.prev_before(5 * HOUR), None);
    }

    #[test]
    fn a_bounded_number_of_fires_is_used_up_from_now_on() {
        let terms = Terms {
            max_fires: Some(4),
            ..Terms::default()
        };
        let table = hourly(&terms, 1);
        assert_eq!(table.fires(0, 0).count(), 3);
        let late: Vec<i64> = table.fires(2 * HOUR, 0).collect();
        assert_eq!(late, [3 * HOUR]);
        assert_eq!(hourly(&terms, 9).fires(0, 0).count(), 0);
    }
}
