//! The main loop of the crons, minute by minute, against our search: two ways to the same instants.

use std::collections::BTreeSet;

use crake::crontab::{CronClock, Dialect, FieldSets, Format, Table, cron_fires};
use crake::schedule::{DstRule, ParseOptions, Schedule, UnixMs, Zone};

use crate::support::corpus::corpus;

/// 2026-02-01T00:00Z: 400 days from here hold three changes of every zone that has any.
const FROM: UnixMs = 1_769_904_000_000;
const DAYS: i64 = 400;

fn compare(expr: &str, sets: &FieldSets, zone: &str, dialect: Dialect, from: UnixMs, days: i64) {
    let options = ParseOptions {
        zone: Zone::named(zone).expect("a zone"),
        dst: DstRule::Vixie,
        ..ParseOptions::default()
    };
    let schedule = Schedule::parse(expr, &options).expect("a schedule");
    let until = from + days * 86_400_000;
    let ours: Vec<UnixMs> = schedule
        .upcoming(from)
        .take_while(|at| *at <= until)
        .collect();
    let theirs = cron_fires(
        sets,
        &options.zone,
        CronClock::Loop(dialect),
        from,
        days * 1440,
    );
    let differ = ours.iter().zip(&theirs).find(|(a, b)| a != b);
    assert_eq!(
        ours.len(),
        theirs.len(),
        "{expr} in {zone} as {dialect}: {differ:?}"
    );
    assert_eq!(differ, None, "{expr} in {zone} as {dialect}");
}

fn sets_of(expr: &str) -> FieldSets {
    let table = Table::parse(
        format!("{expr} x\n").as_bytes(),
        Dialect::Cronie,
        Format::User,
    );
    let sets = table.entries().next().map(|(_, entry)| entry.sets);
    sets.unwrap_or_else(|| panic!("{expr}"))
}

#[test]
fn crontab_emulated_loops_agree_at_clock_changes() {
    let hard = [
        "30 2 * * *",
        "*/10 2 * * *",
        "0,30 2 * * *",
        "0-59 2 * * *",
        "30 1 * * *",
        "*/20 1 * * *",
        "5 * * * *",
        "0 3 * * 0",
        "0 */2 * * *",
        "59 1 * * sun",
        "0 0 1 * 1",
        "0 0 */2 * 1",
        "15 2 29 3 *",
    ];
    let zones = [
        "America/New_York",
        "Europe/Berlin",
        "Australia/Lord_Howe",
        "America/Havana",
        "UTC",
    ];
    for expr in hard {
        for zone in zones {
            for dialect in Dialect::ALL {
                compare(expr, &sets_of(expr), zone, dialect, FROM, DAYS);
            }
        }
        // Apia lost a whole day at the end of 2011.
        compare(
            expr,
            &sets_of(expr),
            "Pacific/Apia",
            Dialect::Cronie,
            1_322_697_600_000,
            60,
        );
    }
}

#[test]
fn crontab_emulated_loops_agree_on_every_entry_of_the_corpus() {
    let mut seen = BTreeSet::new();
    for file in corpus() {
        let format: Format = file.format.parse().expect("a format");
        for dialect in Dialect::ALL {
            let table = Table::parse(&file.bytes, dialect, format);
            for (_, entry) in table.entries() {
                let Some(expr) = entry.effective.as_ref().filter(|_| !entry.reboot) else {
                    continue;
                };
                if seen.insert((dialect.as_str(), expr.clone())) {
                    let zone = ["Europe/London", "Australia/Lord_Howe"][seen.len() % 2];
                    compare(expr, &entry.sets, zone, dialect, FROM, DAYS);
                }
            }
        }
    }
    eprintln!("{} schedules compared over {DAYS} days", seen.len());
}
