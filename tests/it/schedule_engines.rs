//! The same answers from elsewhere: the `cron` crate as a second engine in UTC, and the main loop
//! of cron replayed minute by minute around clock changes.

use std::collections::BTreeSet;
use std::str::FromStr;

use chrono::DateTime;
use crake::schedule::{ParseOptions, UnixMs, Zone};
use proptest::{prop_assert, prop_assert_eq};

use crate::schedule_drawn::{
    Drawn, FEW, MANY, busy_expression, check, expression, instant, zone_name,
};
use crate::schedule_text::{parse_with, shown, zone};

/// Writes the drawn sets as lists the `cron` crate reads; it counts weekdays from 1 and demands
/// both day fields, so the either-day rule takes two of its schedules.
fn second_engine(drawn: &Drawn) -> Vec<cron::Schedule> {
    let list = |values: &BTreeSet<u32>| {
        values
            .iter()
            .map(u32::to_string)
            .collect::<Vec<_>>()
            .join(",")
    };
    let [minute, hour, dom, month, dow] = &drawn.fields;
    let weekdays: BTreeSet<u32> = dow.values.iter().map(|day| day % 7 + 1).collect();
    let (dom_list, dow_list) = (list(&dom.values), list(&weekdays));
    let day_fields = if dom.star || dow.star {
        vec![(dom_list, dow_list)]
    } else {
        vec![(dom_list, "*".to_owned()), ("*".to_owned(), dow_list)]
    };
    let with_days = |(dom, dow): (String, String)| {
        let [minute, hour, month] = [minute, hour, month].map(|field| list(&field.values));
        let text = format!("0 {minute} {hour} {dom} {month} {dow}");
        cron::Schedule::from_str(&text).expect("lists of numbers")
    };
    day_fields.into_iter().map(with_days).collect()
}

fn second_engine_agrees(cases: u32) {
    check(cases, (expression(), instant()), |(drawn, after)| {
        let schedule = parse_with(&drawn.text(), &ParseOptions::default());
        let engines = second_engine(&drawn);
        let mut at = after;
        for _ in 0..4 {
            let Some(from) = DateTime::from_timestamp_millis(at) else {
                break;
            };
            let theirs = engines
                .iter()
                .filter_map(|engine| engine.after(&from).next())
                .min();
            let ours = schedule.next_after(at);
            let Some(theirs) = theirs else {
                let beyond = ours.is_none_or(|ours| ours > 4_133_980_800_000);
                prop_assert!(beyond, "{}: {ours:?}", drawn.text());
                break;
            };
            prop_assert_eq!(
                ours,
                Some(theirs.timestamp_millis()),
                "{} {}",
                drawn.text(),
                from
            );
            at = theirs.timestamp_millis();
        }
        Ok(())
    });
}

#[test]
fn schedule_property_the_cron_crate_agrees_in_utc() {
    second_engine_agrees(FEW);
}

#[test]
#[ignore = "long"]
fn schedule_property_the_cron_crate_agrees_in_utc_long() {
    second_engine_agrees(MANY);
}

/// Replays the main loop of cronie over every minute of a stretch of real time and returns the
/// instants at which it starts the job, several starts at one instant counted once.
fn replay(drawn: &Drawn, zone: &Zone, from: UnixMs, minutes: i64) -> Vec<UnixMs> {
    let wall_minute = |at: UnixMs| (at / 1000 + i64::from(zone.offset_seconds_at(at))) / 60;
    let minutes_of_hour = &drawn.fields[0].values;
    let matches = |minute: i64| {
        minutes_of_hour.contains(&(minute.rem_euclid(60) as u32))
            && DateTime::from_timestamp(minute * 60, 0).is_some_and(|wall| drawn.matches(wall))
    };
    let wild = drawn.is_wild();
    let mut handled = wall_minute(from - 60_000);
    let mut starts = Vec::new();
    for step in 0..minutes {
        let at = from + step * 60_000;
        let now = wall_minute(at);
        let due = match now - handled {
            1..=5 => (handled + 1..=now).any(matches),
            6..=180 if wild => matches(now),
            6..=180 => (handled + 1..=now).any(matches),
            -180..=0 => wild && matches(now),
            _ => matches(now),
        };
        if now > handled || now - handled < -180 {
            handled = now;
        }
        if due {
            starts.push(at);
        }
    }
    starts
}

fn main_loop_agrees(cases: u32) {
    let strategy = (busy_expression(), zone_name(), instant(), 0..1440_i64);
    check(cases, strategy, |(drawn, zone_name, around, lead)| {
        let zone = zone(zone_name);
        let change = zone
            .next_transition(around)
            .map_or(around, |change| change.at);
        // The replay starts a day before anything it is asked about, clear of older changes.
        let from = change / 60_000 * 60_000 - (1440 + lead) * 60_000;
        if zone
            .next_transition(from - 86_400_000 * 2)
            .is_some_and(|older| older.at < from)
        {
            return Ok(());
        }
        let minutes = 1440 * 4;
        let end = from + minutes * 60_000;
        let options = ParseOptions {
            zone: zone.clone(),
            ..Default::default()
        };
        let schedule = parse_with(&drawn.text(), &options);
        let show = |times: &[UnixMs]| -> Vec<String> {
            times.iter().map(|at| shown(*at, &zone)).collect()
        };
        let want = replay(&drawn, &zone, from, minutes);
        let got: Vec<UnixMs> = schedule
            .upcoming(from - 1)
            .take_while(|at| *at < end)
            .collect();
        prop_assert_eq!(show(&got), show(&want), "{} {}", drawn.text(), zone_name);
        let mut back: Vec<UnixMs> =
            std::iter::successors(schedule.prev_before(end), |at| schedule.prev_before(*at))
                .take_while(|at| *at >= from)
                .collect();
        back.reverse();
        prop_assert_eq!(
            show(&back),
            show(&want),
            "back: {} {}",
            drawn.text(),
            zone_name
        );
        // From any instant in between the answer is the next start of the same run.
        let middle = from + (lead * 7919 % minutes) * 60_000 + lead * 13;
        let next = want.iter().copied().find(|at| *at > middle);
        if next.is_some() {
            prop_assert_eq!(
                schedule.next_after(middle),
                next,
                "{} {}",
                drawn.text(),
                middle
            );
        }
        Ok(())
    });
}

#[test]
fn schedule_property_the_main_loop_of_cron_agrees_at_clock_changes() {
    main_loop_agrees(FEW);
}

#[test]
#[ignore = "long"]
fn schedule_property_the_main_loop_of_cron_agrees_at_clock_changes_long() {
    main_loop_agrees(MANY);
}
