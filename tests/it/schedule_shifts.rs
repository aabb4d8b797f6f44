//! Shifted schedules beside the same thing done the slow way.

use std::collections::BTreeSet;
use std::sync::Arc;

use crake::schedule::{Calendar, DstRule, ParseOptions, Resolved, Schedule, Shift, UnixMs, Zone};
use proptest::prelude::any;
use proptest::{prop_assert, prop_assert_eq};

use crate::schedule_calendars::toml;
use crate::schedule_drawn::{FEW, MANY, check, instant, rule, zone_name};
use crate::schedule_text::{parse_with, shown, zone};

/// The targets of all excluded instants in a stretch, found the slow way.
fn brute_force(
    base: &Schedule,
    calendar: &Calendar,
    shift: Shift,
    five_days: bool,
    (from, to): (UnixMs, UnixMs),
) -> BTreeSet<UnixMs> {
    const DAY: i64 = 86_400_000;
    let clock = if base.dst() == DstRule::Utc {
        Zone::utc()
    } else {
        base.zone().clone()
    };
    let mut all = BTreeSet::new();
    for at in base
        .upcoming(from - 45 * DAY)
        .take_while(|at| *at < to + 45 * DAY)
    {
        all.insert(at);
        if calendar.excludes(at, &clock).is_none() {
            continue;
        }
        let civil = clock.to_local(at);
        let utc = |civil| match Zone::utc().resolve(civil) {
            Resolved::Unambiguous(at) => at,
            other => panic!("{other:?}"),
        };
        for count in 1..=44 {
            let moved = utc(civil)
                + if shift == Shift::Next {
                    count * DAY
                } else {
                    -count * DAY
                };
            let wanted = Zone::utc().to_local(moved);
            // Where the calendar says nothing of weekdays, a week has five working days.
            if five_days && matches!(wanted.weekday(), 0 | 6) {
                continue;
            }
            let found = match clock.resolve(wanted) {
                Resolved::Unambiguous(at) => at,
                Resolved::Gap { .. } if calendar.excludes(moved, &Zone::utc()).is_some() => {
                    continue;
                }
                Resolved::Gap { at, .. } => at,
                Resolved::Fold { first, .. } => first,
            };
            if clock.to_local(found).day == wanted.day && calendar.excludes(found, &clock).is_none()
            {
                all.insert(found);
                break;
            }
        }
    }
    all.into_iter()
        .filter(|at| (from + 1..to).contains(at))
        .collect()
}

const EXPRESSIONS: [&str; 10] = [
    "0 9 * * *",
    "30 2 * * *",
    "0 */6 * * *",
    "every 1d",
    "0 12 13 * 5",
    "15,45 1 * * *",
    "every 7h",
    "@monthly",
    "0 0 * * 1-5",
    "*/40 0-3 * * *",
];
const CALENDARS: [&str; 7] = [
    "[exclude]\nyearly = ['03-29', '10-25', '11-01', '12-25', '05-01']\nranges = ['2026-06-01..2026-06-12']",
    "[exclude]\nweekdays = ['sat', 'sun']",
    "[exclude]\nweekdays = ['mon-fri']\nyearly = ['03-29', '10-25', '11-01']",
    "[exclude]\nranges = ['1990-01-01..2059-12-31']\n[include]\nyearly = ['03-08', '03-30', '10-26', '11-02', '01-01', '06-01']\nweekdays = ['wed']",
    "[exclude]\nhours = ['00:00-03:00']\nweekdays = ['sun']",
    "[exclude]\nhours = ['08:00-12:30']\n[include]\nweekdays = ['tue']",
    "[include]\nweekdays = ['mon', 'thu']\nhours = ['01:30-18:00']",
];

fn shift_agrees(cases: u32) {
    let strategy = (
        0..10_usize,
        0..7_usize,
        any::<bool>(),
        zone_name(),
        instant(),
        (rule(), any::<bool>()),
    );
    check(
        cases,
        strategy,
        |(expr, calendar, later, zone_name, around, (dst, at_change))| {
            let zone = zone(zone_name);
            let change = zone.next_transition(around).filter(|_| at_change);
            let from = change.map_or(around, |change| {
                change.at - 3 * 86_400_000 + around % 100_000_000
            });
            let to = from + 20 * 86_400_000;
            let options = ParseOptions {
                zone,
                dst,
                ..Default::default()
            };
            let base = parse_with(EXPRESSIONS[expr], &options);
            let five_days = !CALENDARS[calendar].contains("weekdays");
            let calendar = toml(CALENDARS[calendar]);
            let shift = if later { Shift::Next } else { Shift::Previous };
            let want: Vec<UnixMs> = brute_force(&base, &calendar, shift, five_days, (from, to))
                .into_iter()
                .collect();
            let schedule = base.clone().with_calendar(Arc::new(calendar), Some(shift));
            let show = |times: &[UnixMs]| {
                times
                    .iter()
                    .map(|at| shown(*at, base.zone()))
                    .collect::<Vec<_>>()
            };
            let got: Vec<UnixMs> = schedule.upcoming(from).take_while(|at| *at < to).collect();
            prop_assert_eq!(show(&got), show(&want), "{:?} {}", schedule, from);
            let back =
                std::iter::successors(schedule.prev_before(to), |at| schedule.prev_before(*at));
            let mut back: Vec<UnixMs> = back.take_while(|at| *at > from).collect();
            back.reverse();
            prop_assert_eq!(show(&back), show(&want), "back: {:?}", schedule);
            for at in want {
                prop_assert!(
                    schedule.next_after(at - 1) == Some(at)
                        && schedule.prev_before(at + 1) == Some(at)
                );
            }
            Ok(())
        },
    );
}

#[test]
fn schedule_property_shift_agrees_with_brute_force() {
    shift_agrees(FEW / 4);
}

#[test]
#[ignore = "long"]
fn schedule_property_shift_agrees_with_brute_force_long() {
    shift_agrees(MANY);
}
