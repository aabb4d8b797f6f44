//! Nanoseconds for one "when next", beside the `cron` crate and croner in the same run.
//!
//! `cargo bench --bench schedule` walks each expression through the same instants in every engine
//! and prints the best of several rounds. An engine that does not take an expression, or answers
//! something else at the first instant, shows a dash or a mark: `*` stands for another answer.

use std::hint::black_box;
use std::str::FromStr;

use chrono::{DateTime, TimeZone, Utc};
use chrono_tz::America::New_York;
use crake::clock::{Clock, SystemClock};
use crake::schedule::{ParseOptions, Schedule, Zone};
use croner::parser::{CronParser, Seconds};

/// Rounds of which the fastest counts: a busy machine only ever adds to a time.
const ROUNDS: usize = 5;
/// How long a round lasts at least; the clock counts milliseconds, so this is good to two percent.
const ROUND_MS: i64 = 60;
/// 2026-01-01T00:00:00Z.
const FIRST: i64 = 1_767_225_600_000;
/// Between the instants asked about: 5 days, 7 hours, 13 minutes, 17 seconds.
const STRIDE: i64 = 457_997_000;

/// Ours, the `cron` crate's (if it has such a form) and croner's.
const EXPRESSIONS: &[(&str, Option<&str>, &str)] = &[
    ("*/5 * * * *", Some("0 */5 * * * *"), "*/5 * * * *"),
    ("0 9 * * 1-5", Some("0 0 9 * * MON-FRI"), "0 9 * * 1-5"),
    ("30 4 1,15 * *", Some("0 30 4 1,15 * *"), "30 4 1,15 * *"),
    ("0 0 13 * 5", None, "0 0 13 * 5"),
    ("0 0 29 2 *", Some("0 0 0 29 2 *"), "0 0 29 2 *"),
    ("0 0 0 29 2 MON", Some("0 0 0 29 2 MON"), "0 0 29 2 +1"),
    ("0 0 30 2 *", Some("0 0 0 30 2 *"), "0 0 30 2 *"),
    ("15 2 * * *", Some("0 15 2 * * *"), "15 2 * * *"),
    ("0 0 12 L * ?", None, "0 12 L * *"),
    ("0 0 12 ? * FRI#2", None, "0 12 * * FRI#2"),
    ("@hourly", Some("@hourly"), "@hourly"),
    ("*/10 * * * * *", Some("*/10 * * * * *"), "*/10 * * * * *"),
];

/// Returns the best nanoseconds of one call, given the number of the call.
fn measure(mut call: impl FnMut(i64)) -> f64 {
    let clock = SystemClock;
    let mut best = f64::INFINITY;
    for _ in 0..ROUNDS {
        let begun = clock.now().mono;
        let (mut calls, mut batch, mut spent) = (0_i64, 1, 0);
        // The clock is read between batches that double, so that reading it costs nothing.
        while spent < ROUND_MS {
            for _ in 0..batch {
                call(calls % 4096);
                calls += 1;
            }
            batch *= 2;
            spent = clock.now().mono - begun;
        }
        best = best.min(spent as f64 * 1e6 / calls as f64);
    }
    best
}

/// The nanoseconds of an engine, and what it said first.
type Measured = Option<(f64, Option<i64>)>;

fn ours(text: &str, zone: &Zone) -> Measured {
    let options = ParseOptions {
        zone: zone.clone(),
        ..ParseOptions::default()
    };
    let schedule = Schedule::parse(text, &options).ok()?;
    let time = measure(|call| {
        black_box(schedule.next_after(black_box(FIRST + call * STRIDE)));
    });
    Some((time, schedule.next_after(FIRST)))
}

fn instant<Z: TimeZone>(zone: &Z, call: i64) -> DateTime<Z> {
    let utc = DateTime::<Utc>::from_timestamp_millis(FIRST + call * STRIDE);
    utc.unwrap_or_default().with_timezone(zone)
}

fn cron_crate<Z: TimeZone>(text: Option<&str>, zone: &Z) -> Measured {
    let schedule = cron::Schedule::from_str(text?).ok()?;
    let time = measure(|call| {
        black_box(schedule.after(&instant(zone, black_box(call))).next());
    });
    let first = schedule.after(&instant(zone, 0)).next();
    Some((time, first.map(|at| at.timestamp_millis())))
}

fn croner<Z: TimeZone>(text: &str, zone: &Z) -> Measured {
    let parser = CronParser::builder().seconds(Seconds::Optional).build();
    let schedule = parser.parse(text).ok()?;
    let next = |call| schedule.find_next_occurrence(&instant(zone, call), false);
    let time = measure(|call| {
        black_box(next(black_box(call)).is_ok());
    });
    Some((time, next(0).ok().map(|at| at.timestamp_millis())))
}

fn column(theirs: Measured, ours: (f64, Option<i64>)) -> String {
    match theirs {
        None => format!("{:>11} {:>9}", "-", ""),
        Some((time, first)) => {
            let mark = if first == ours.1 { " " } else { "*" };
            format!("{time:>10.0}{mark} {:>8.1}x", time / ours.0)
        }
    }
}

fn main() {
    println!("ns per next; x: times as long as crake; *: answers something else");
    println!(
        "{:<18} {:<8} {:>8} {:>11} {:>9} {:>11} {:>9}",
        "expression", "zone", "crake", "cron", "", "croner", ""
    );
    let new_york = match Zone::named("America/New_York") {
        Ok(zone) => zone,
        Err(error) => return println!("{error}"),
    };
    for (text, cron_text, croner_text) in EXPRESSIONS {
        let rows = [
            (
                "UTC",
                ours(text, &Zone::utc()),
                cron_crate(*cron_text, &Utc),
                croner(croner_text, &Utc),
            ),
            (
                "New_York",
                ours(text, &new_york),
                cron_crate(*cron_text, &New_York),
                croner(croner_text, &New_York),
            ),
        ];
        for (zone, ours, cron, croner) in rows {
            let Some(ours) = ours else {
                println!("{text:<18} {zone:<8} refused");
                continue;
            };
            println!(
                "{text:<18} {zone:<8} {:>8.1} {} {}",
                ours.0,
                column(cron, ours),
                column(croner, ours)
            );
        }
    }
}
