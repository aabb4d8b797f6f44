//! Each dialect beyond the five fields: what it takes, what it refuses and what it answers.

use crake::schedule::{Dialect, DstRule, ParseOptions, Schedule};

use crate::schedule_text::{ms, next, parse, parse_with, refused, zone};

const NEW_YORK: &str = "America/New_York";

fn anchored(expr: &str, zone_name: &str, anchor: &str) -> Schedule {
    let anchor = Some(ms(anchor));
    parse_with(
        expr,
        &ParseOptions {
            zone: zone(zone_name),
            anchor,
            ..ParseOptions::default()
        },
    )
}

fn ruled(expr: &str, dst: DstRule) -> Schedule {
    parse_with(
        expr,
        &ParseOptions {
            zone: zone(NEW_YORK),
            dst,
            ..ParseOptions::default()
        },
    )
}

#[test]
fn schedule_every_counts_elapsed_time_from_the_anchor() {
    let ninety = anchored("every 90s", NEW_YORK, "2026-03-08T06:59:00Z");
    assert_eq!(
        next(&ninety, "2026-03-08T06:59:00Z", 2),
        ["2026-03-08T03:00:30-04:00", "2026-03-08T03:02:00-04:00"]
    );
    // Nothing is due before the anchor, and the anchor is the first fire.
    assert_eq!(
        next(&ninety, "2020-01-01T00:00:00Z", 1),
        ["2026-03-08T01:59:00-05:00"]
    );
    assert_eq!(ninety.prev_before(ms("2026-03-08T06:59:00Z")), None);
    for (expr, seconds) in [
        ("every 15m", 900),
        ("every 2h", 7200),
        ("every 1h30m", 5400),
        ("every 24h", 86_400),
        ("every 1 hour 30 minutes", 5400),
        ("every minute", 60),
        ("every 1500ms", 1),
    ] {
        let schedule = parse(expr, "UTC");
        assert_eq!(schedule.dialect(), Dialect::Every);
        assert_eq!(
            schedule.next_after(0).map(|at| at / 1000),
            Some(seconds),
            "{expr}"
        );
    }
    // A day of elapsed time moves on the wall clock when that changes.
    let day = anchored("every 24h", NEW_YORK, "2026-03-07T09:00:00-05:00");
    assert_eq!(
        next(&day, "2026-03-07T09:00:00-05:00", 1),
        ["2026-03-08T10:00:00-04:00"]
    );
}

#[test]
fn schedule_every_day_keeps_the_wall_time_of_the_anchor() {
    let daily = anchored("every 1d", NEW_YORK, "2026-03-06T02:30:00-05:00");
    assert_eq!(
        next(&daily, "2026-03-06T12:00:00-05:00", 3),
        [
            "2026-03-07T02:30:00-05:00",
            "2026-03-08T03:00:00-04:00",
            "2026-03-09T02:30:00-04:00"
        ]
    );
    let weekly = anchored("every 2w", NEW_YORK, "2026-10-18T01:30:00-04:00");
    assert_eq!(
        next(&weekly, "2026-10-18T12:00:00-04:00", 2),
        ["2026-11-01T01:30:00-04:00", "2026-11-15T01:30:00-05:00"]
    );
    // Without an anchor days begin at midnight of the zone.
    let midnight = parse("every 1d", NEW_YORK);
    assert_eq!(
        next(&midnight, "2026-07-01T12:00:00-04:00", 1),
        ["2026-07-02T00:00:00-04:00"]
    );
}

#[test]
fn schedule_every_month_does_not_drift_from_the_end() {
    let monthly = anchored("every 1month", NEW_YORK, "2027-01-31T08:00:00-05:00");
    assert_eq!(
        next(&monthly, "2027-01-31T08:00:00-05:00", 4),
        [
            "2027-02-28T08:00:00-05:00",
            "2027-03-31T08:00:00-04:00",
            "2027-04-30T08:00:00-04:00",
            "2027-05-31T08:00:00-04:00"
        ]
    );
    let yearly = anchored("every 1y", "UTC", "2024-02-29T00:00:00Z");
    assert_eq!(
        next(&yearly, "2027-06-01T00:00:00Z", 2),
        ["2028-02-29T00:00:00+00:00", "2029-02-28T00:00:00+00:00"]
    );
    let before = monthly.prev_before(ms("2027-03-31T08:00:00-04:00"));
    assert_eq!(before, Some(ms("2027-02-28T08:00:00-05:00")));
}

#[test]
fn schedule_every_within_hours_of_the_day() {
    let office = parse("every 4h 09:00-17:30 mon-fri", NEW_YORK);
    assert_eq!(
        next(&office, "2026-03-06T12:00:00-05:00", 4),
        [
            "2026-03-06T13:00:00-05:00",
            "2026-03-06T17:00:00-05:00",
            "2026-03-09T09:00:00-04:00",
            "2026-03-09T13:00:00-04:00"
        ]
    );
    let closing = parse("every 15m 09:00-17:30", "UTC");
    assert_eq!(
        next(&closing, "2026-03-06T17:15:00Z", 2),
        ["2026-03-06T17:30:00+00:00", "2026-03-07T09:00:00+00:00"]
    );
    let weekend = parse("every 12h sat,sun", "UTC");
    assert_eq!(
        next(&weekend, "2026-03-07T12:00:00Z", 2),
        ["2026-03-08T00:00:00+00:00", "2026-03-08T12:00:00+00:00"]
    );
}

#[test]
fn schedule_every_refuses_with_a_reason() {
    for (expr, part) in [
        ("every", "every 90s"),
        ("every 500ms", "one second"),
        ("every 0s", "one second"),
        ("every 15", "every 15m for minutes"),
        ("every 15x", "column 7"),
        ("every 1d12h", "either elapsed time"),
        ("every 999999999999h", "at most 400 years"),
        ("every 99999999999999999999s", "at most 400 years"),
        ("every 15m 17:30-09:00", "two schedules"),
        ("every 15m 09:00", "column 16"),
        ("every 15m 25:00-26:00", "a time of day"),
        ("every 1d 09:00-17:30", "go with s, m and h only"),
        (
            "every 15m 09:00-17:30 noday",
            "day of week field, column 23",
        ),
        ("every 15m 09:00-17:30 mon tue", "the end of the schedule"),
        ("@every 15m", "every 15m, without the @"),
    ] {
        let message = refused(expr);
        assert!(message.contains(part), "{expr:?}: {message}");
    }
}

#[test]
fn schedule_at_is_one_instant() {
    let instant = ms("2027-01-31T07:00:00Z");
    for expr in [
        "at 2027-01-31T08:00:00+01:00",
        "at 2027-01-31T07:00:00Z",
        "at 2027-01-31 08:00:00+01:00",
        "at 2027-01-31 02:00",
        "at 2027-01-31T02:00:00",
    ] {
        let schedule = parse(expr, NEW_YORK);
        assert_eq!(schedule.dialect(), Dialect::At);
        assert_eq!(schedule.next_after(instant - 1), Some(instant), "{expr}");
        assert_eq!(schedule.next_after(instant), None, "{expr}");
        assert_eq!(schedule.prev_before(instant + 1), Some(instant), "{expr}");
        assert_eq!(schedule.prev_before(instant), None, "{expr}");
    }
    // A local time in a gap is the first instant after it, one in a fold the first pass.
    let gap = parse("at 2026-03-08 02:30", NEW_YORK);
    assert_eq!(
        next(&gap, "2026-01-01T00:00:00Z", 1),
        ["2026-03-08T03:00:00-04:00"]
    );
    let fold = parse("at 2026-11-01 01:30", NEW_YORK);
    assert_eq!(
        next(&fold, "2026-01-01T00:00:00Z", 1),
        ["2026-11-01T01:30:00-04:00"]
    );
    for wrong in [
        "at",
        "at noon",
        "at 2027-02-30 08:00",
        "at 2027-01-31",
        "at 27-01-31 08:00",
    ] {
        assert!(refused(wrong).contains("an instant such as"), "{wrong}");
    }
    assert!(refused("at 2027-01-31 08:00 Europe/Berlin").contains("the end of the schedule"));
}

#[test]
fn schedule_rules_for_clock_changes_differ_as_documented() {
    let gap_day = |dst| next(&ruled("30 2 * * *", dst), "2026-03-07T12:00:00-05:00", 1);
    assert_eq!(gap_day(DstRule::Vixie), ["2026-03-08T03:00:00-04:00"]);
    assert_eq!(gap_day(DstRule::Skip), ["2026-03-09T02:30:00-04:00"]);
    assert_eq!(gap_day(DstRule::Both), ["2026-03-09T02:30:00-04:00"]);
    assert_eq!(gap_day(DstRule::Utc), ["2026-03-07T21:30:00-05:00"]);
    let fold_day = |dst| next(&ruled("30 1 * * *", dst), "2026-11-01T00:00:00-04:00", 2);
    let first = "2026-11-01T01:30:00-04:00";
    assert_eq!(
        fold_day(DstRule::Vixie),
        [first, "2026-11-02T01:30:00-05:00"]
    );
    assert_eq!(
        fold_day(DstRule::Skip),
        [first, "2026-11-02T01:30:00-05:00"]
    );
    assert_eq!(
        fold_day(DstRule::Both),
        [first, "2026-11-01T01:30:00-05:00"]
    );
    for rule in DstRule::ALL {
        assert_eq!(rule.to_string().parse(), Ok(rule));
    }
    assert!("Vixie".parse::<DstRule>().is_err());
}

#[test]
fn schedule_seconds_dialect() {
    let after = "2026-03-06T00:00:00Z";
    // 1 is Sunday, as in the cron crate and Quartz; a warning says so.
    let numbered = parse("0 0 9 ? * 2", "UTC");
    assert_eq!(next(&numbered, after, 1), ["2026-03-09T09:00:00+00:00"]);
    assert!(numbered.warnings()[0].contains("count from 1 = SUN"));
    assert_eq!(
        next(&parse("0 0 9 ? * 6L", "UTC"), after, 1),
        ["2026-03-27T09:00:00+00:00"]
    );
    assert_eq!(
        next(&parse("0 0 9 ? * FRI-SUN", "UTC"), after, 3),
        [
            "2026-03-06T09:00:00+00:00",
            "2026-03-07T09:00:00+00:00",
            "2026-03-08T09:00:00+00:00"
        ]
    );
    assert_eq!(
        next(&parse("0 0 9 1,L * ?", "UTC"), after, 2),
        ["2026-03-31T09:00:00+00:00", "2026-04-01T09:00:00+00:00"]
    );
    // Both day fields must match; a crontab would take either.
    assert_eq!(
        next(&parse("0 0 9 13 * FRI", "UTC"), after, 2),
        ["2026-03-13T09:00:00+00:00", "2026-11-13T09:00:00+00:00"]
    );
    for (expr, part) in [
        (
            "60 * * * * *",
            "second field, column 1: expected 0-59, found \"60\"",
        ),
        ("0 0,61 * * * *", "minute field, column 5"),
        ("0 0 12 L-31 * ?", "day of month field, column 8"),
        ("0 0 12 32W * ?", "day of month field, column 8"),
        ("0 0 12 ? * FRI#6", "#1 to #5"),
        ("0 0 12 ? * L", "name the day"),
        ("0 0 12 ? * 0", "write SUN"),
        ("0 0 12 ? * FRI-MON", "write FRI-SAT,SUN-MON"),
        ("0 0 12 ? * sunny", "day of week field, column 12"),
        ("0 0 12 ? FOO *", "month field, column 10"),
        ("? 0 12 * * *", "? stands alone"),
        ("0 0 22-2 * * *", "backwards"),
        ("0 */60 * * * *", "a step is from 1"),
        ("0 0 12 * * ? 2200", "year field, column 14"),
        ("0 0 12 1,,2 * ?", "empty"),
    ] {
        let message = refused(expr);
        assert!(message.contains(part), "{expr:?}: {message}");
    }
}

#[test]
fn schedule_hash_spreads_by_seed_and_only_where_it_is_asked_for() {
    assert!(refused("H * * * *").contains("H needs the name of a job"));
    let minutes = |expr: &str, seed| {
        let options = ParseOptions {
            seed,
            allow_hash: true,
            ..ParseOptions::default()
        };
        parse_with(expr, &options)
            .fields()
            .map_or(0, |fields| fields.minute)
    };
    for seed in 0..300 {
        assert_eq!(minutes("H * * * *", seed).count_ones(), 1);
        assert!(minutes("H(0-29) * * * *", seed) < 1 << 30);
        let quarters = minutes("H/15 * * * *", seed);
        let first = quarters.trailing_zeros();
        assert!(first < 15);
        assert_eq!(quarters, 0x2000_4000_8001 << first, "{quarters:x}");
        assert_eq!(minutes("H(0-29)/10 * * * *", seed).count_ones(), 3);
    }
}
