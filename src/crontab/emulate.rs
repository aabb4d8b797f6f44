//! When a cron's own main loop runs an entry, minute by minute.
//!
//! A second way to the instants that `schedule` finds: bit sets looked up for each minute, as the
//! daemons do it, and nothing shared with the search. An import compares the two.

use crate::crontab::dialect::Dialect;
use crate::crontab::field::FieldSets;
use crate::schedule::{UnixMs, Zone, civil_of_day};

const MINUTE_MS: i64 = 60_000;

/// How a cron goes by its clock.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum CronClock {
    /// The main loop of both: what a jump of less than three hours skipped is made up for where
    /// neither minute nor hour is a star.
    Loop(Dialect),
    /// cronie under `CRON_TZ`: whatever that zone's clock shows.
    Shown,
}

/// The instants in `minutes` minutes after `from` at which a cron that has run since then starts
/// an entry. Several minutes made up for at one instant are one.
pub fn cron_fires(
    sets: &FieldSets,
    zone: &Zone,
    clock: CronClock,
    from: UnixMs,
    minutes: i64,
) -> Vec<UnixMs> {
    let first = from.div_euclid(MINUTE_MS);
    let mut wall = Wall::new(zone);
    let mut day = Day::default();
    let mut found = Vec::new();
    let mut handled = wall.minute(first);
    for minute in first + 1..=first + minutes {
        let now = wall.minute(minute);
        let runs = match clock {
            CronClock::Shown => day.matches(sets, now),
            CronClock::Loop(dialect) => turn(sets, dialect, &mut day, &mut handled, now),
        };
        if runs {
            found.push(minute * MINUTE_MS);
        }
    }
    found
}

/// One turn of the main loop: `handled` is the last minute of the clock that was dealt with.
/// Source: the main loops of cronie 1.7.2 and Debian cron 3.0pl1, as measured on a fake clock.
fn turn(sets: &FieldSets, dialect: Dialect, day: &mut Day, handled: &mut i64, now: i64) -> bool {
    let wild = sets.minute_star || sets.hour_star;
    let back = match dialect {
        Dialect::Debian => -179,
        Dialect::Cronie => -180,
    };
    let gap = now - *handled;
    let missed = *handled + 1..=now;
    if (back..=0).contains(&gap) {
        return wild && day.matches(sets, now);
    }
    *handled = now;
    match gap {
        2..=5 => missed.into_iter().any(|minute| day.matches(sets, minute)),
        6..=180 if !wild => missed.into_iter().any(|minute| day.matches(sets, minute)),
        _ => day.matches(sets, now),
    }
}

/// The minutes of a zone's clock; its changes are looked up one at a time.
struct Wall<'a> {
    zone: &'a Zone,
    offset: i64,
    until: i64,
}

impl Wall<'_> {
    fn new(zone: &Zone) -> Wall<'_> {
        Wall {
            zone,
            offset: 0,
            until: i64::MIN,
        }
    }

    fn minute(&mut self, minute: i64) -> i64 {
        if minute >= self.until {
            let at = minute * MINUTE_MS;
            self.offset = i64::from(self.zone.offset_seconds_at(at)).div_euclid(60);
            let next = self.zone.next_transition(at);
            self.until = next.map_or(i64::MAX, |next| {
                next.at.div_euclid(MINUTE_MS) + i64::from(next.at.rem_euclid(MINUTE_MS) > 0)
            });
        }
        minute + self.offset
    }
}

/// Whether the day of the minute asked for last matches.
#[derive(Default)]
struct Day {
    number: Option<i64>,
    matches: bool,
}

impl Day {
    fn matches(&mut self, sets: &FieldSets, minute: i64) -> bool {
        let number = minute.div_euclid(1440);
        if self.number != Some(number) {
            self.number = Some(number);
            self.matches = day_matches(sets, number);
        }
        let of_day = minute.rem_euclid(1440);
        self.matches && sets.hour >> (of_day / 60) & 1 == 1 && sets.minute >> (of_day % 60) & 1 == 1
    }
}

/// Whether an entry matches a local minute, counted from 1970.
pub(crate) fn matches_minute(sets: &FieldSets, minute: i64) -> bool {
    let of_day = minute.rem_euclid(1440);
    day_matches(sets, minute.div_euclid(1440))
        && sets.hour >> (of_day / 60) & 1 == 1
        && sets.minute >> (of_day % 60) & 1 == 1
}

fn day_matches(sets: &FieldSets, number: i64) -> bool {
    let (month, day, weekday) = civil_of_day(number);
    let dom = sets.dom >> day & 1 == 1;
    let dow = sets.dow >> weekday & 1 == 1;
    let days = match sets.either_day_matches() {
        true => dom || dow,
        false => dom && dow,
    };
    days && sets.month >> month & 1 == 1
}
