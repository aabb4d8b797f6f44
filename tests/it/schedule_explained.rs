//! Schedules taken apart: sets, day rule, warnings by kind, clock changes ahead.

use crake::schedule::{
    DstRule, Explanation, ParseOptions, WarningKind, explain, jitter_ms, note_for, random_delay,
    seed_of,
};
use proptest::prelude::any;
use proptest::prop_assert;

use crate::schedule_drawn::{FEW, check, instant};
use crate::schedule_text::{ms, parse, parse_with, zone};

fn explained(expr: &str, zone_name: &str, dst: DstRule) -> Explanation {
    let options = ParseOptions {
        zone: zone(zone_name),
        dst,
        ..ParseOptions::default()
    };
    explain(&parse_with(expr, &options), ms("2026-01-01T00:00:00Z"))
}

#[test]
fn schedule_explained_as_sets_and_rules() {
    let friday = explained("0 0 13 * 5", "UTC", DstRule::Vixie);
    assert_eq!(
        friday.words,
        "at 00:00 on the 13th of the month or on Friday"
    );
    assert_eq!(
        friday.day_rule.as_deref(),
        Some(
            "either day is enough: the 13th of the month, whatever weekday that is, or Friday, \
             whatever date that is"
        )
    );
    assert_eq!(friday.warnings[0].kind, WarningKind::EitherDay);
    let text = |expr: &str| {
        let fields = explained(expr, "UTC", DstRule::Vixie).fields;
        fields
            .iter()
            .map(|(name, set)| format!("{name}={set}"))
            .collect::<Vec<_>>()
            .join(" ")
    };
    assert_eq!(
        text("0,15-20,30,59 */5 1 jan-mar fri-sun"),
        "minute=0,15-20,30,59 hour=0,5,10,15,20 day of month=1 month=1-3 day of week=0,5,6"
    );
    assert_eq!(
        text("*/30 * * L,15W * FRI#2 2027"),
        "second=0,30 minute=all hour=all day of month=the last day and the working day nearest \
         the 15th month=all day of week=the 2nd Friday year=2027"
    );
    assert_eq!(text("every 1d"), "");
    let kinds = |expr: &str| {
        let warnings = explained(expr, "UTC", DstRule::Vixie).warnings;
        warnings
            .iter()
            .map(|warning| warning.kind)
            .collect::<Vec<_>>()
    };
    assert_eq!(kinds("0 0 30 2 *"), [WarningKind::NeverFires]);
    assert_eq!(kinds("*/7 * * * *"), [WarningKind::UnevenStep]);
    assert_eq!(kinds("*/60 * * * *"), [WarningKind::StepTooLarge]);
    assert_eq!(kinds("* 5 * * *"), [WarningKind::EveryMinute]);
    assert_eq!(kinds("0 0 */2 * 1"), [WarningKind::BothDays]);
    assert_eq!(kinds("0 0 12 ? * 2"), [WarningKind::WeekdayNumber]);
}

const AT_CHANGES: &[(&str, DstRule, &str, &str)] = &[
    (
        "30 2 * * *",
        DstRule::Vixie,
        "02:30 does not exist in America/New_York; runs at 03:00",
        "01:00 to 02:00 comes twice in America/New_York; no fire falls into it",
    ),
    (
        "0,30 2 * * *",
        DstRule::Vixie,
        "02:00 and 02:30 do not exist in America/New_York; run once, at 03:00",
        "01:00 to 02:00 comes twice in America/New_York; no fire falls into it",
    ),
    (
        "30 2 * * *",
        DstRule::Skip,
        "02:30 does not exist in America/New_York; not run that day",
        "01:00 to 02:00 comes twice in America/New_York; no fire falls into it",
    ),
    (
        "0 2,3 * * *",
        DstRule::Vixie,
        "02:00 does not exist in America/New_York; run as one with 03:00",
        "01:00 to 02:00 comes twice in America/New_York; no fire falls into it",
    ),
    (
        "30 1 * * *",
        DstRule::Vixie,
        "02:00 to 03:00 does not exist in America/New_York; no fire falls into it",
        "01:30 comes twice in America/New_York; only the first pass is run",
    ),
    (
        "30 1 * * *",
        DstRule::Both,
        "02:00 to 03:00 does not exist in America/New_York; no fire falls into it",
        "01:30 comes twice in America/New_York; both passes are run",
    ),
    (
        "*/10 * * * *",
        DstRule::Vixie,
        "02:00 to 02:50 (6 times) do not exist in America/New_York; not run that day",
        "01:00 to 01:50 (6 times) come twice in America/New_York; both passes are run",
    ),
    (
        "every 24h",
        DstRule::Vixie,
        "the clock of America/New_York is set forward by 60 minutes; fires go on as before, which is 60 minutes later on that clock",
        "the clock of America/New_York is set back by 60 minutes; fires go on as before, which is 60 minutes earlier on that clock",
    ),
    (
        "30 2 * * *",
        DstRule::Utc,
        "the clock of America/New_York is set forward by 60 minutes; fires go on as before, which is 60 minutes later on that clock",
        "the clock of America/New_York is set back by 60 minutes; fires go on as before, which is 60 minutes earlier on that clock",
    ),
];

#[test]
fn schedule_explained_at_clock_changes() {
    const NY: &str = "America/New_York";
    for (expr, dst, spring, fall) in AT_CHANGES.iter().copied() {
        let notes = explained(expr, NY, dst).dst_ahead;
        let got: Vec<&str> = notes.iter().map(|note| note.text.as_str()).collect();
        assert_eq!(
            got,
            [
                format!("2026-03-08: {spring}"),
                format!("2026-11-01: {fall}")
            ],
            "{expr} {dst}"
        );
        assert_eq!(notes[0].at, ms("2026-03-08T07:00:00Z"));
    }
    assert_eq!(explained("30 2 * * *", "UTC", DstRule::Vixie).dst_ahead, []);
    assert_eq!(explained("@reboot", NY, DstRule::Vixie).dst_ahead, []);
    let note = |expr: &str, at: &str| note_for(&parse(expr, NY), ms(at));
    assert_eq!(
        note("30 2 * * *", "2026-03-08T03:00:00-04:00").as_deref(),
        Some("moved from 02:30: the clock skips it")
    );
    assert_eq!(note("0 2,3 * * *", "2026-03-08T03:00:00-04:00"), None);
    assert_eq!(note("0 2 * * *", "2026-03-09T02:00:00-04:00"), None);
    assert_eq!(
        note("30 1 * * *", "2026-11-01T01:30:00-04:00").as_deref(),
        Some("the clock shows 01:30 twice, and this is the only run")
    );
    assert_eq!(
        note("*/30 * * * *", "2026-11-01T01:30:00-04:00").as_deref(),
        Some("the clock shows 01:30 twice, and this is the first run of two")
    );
    assert_eq!(
        note("*/30 * * * *", "2026-11-01T01:30:00-05:00").as_deref(),
        Some("the clock shows 01:30 twice, and this is the second run of two")
    );
    assert_eq!(note("*/30 * * * *", "2026-11-01T02:00:00-05:00"), None);
}

#[test]
fn schedule_numbers_drawn_of_a_name_stand() {
    // FNV-1a, from the test vectors of its authors.
    assert_eq!(seed_of(""), 0xcbf2_9ce4_8422_2325);
    assert_eq!(seed_of("foobar"), 0x8594_4171_f739_67e8);
    let hashed = |expr: &str, name: &str| {
        let options = ParseOptions {
            seed: seed_of(name),
            allow_hash: true,
            ..Default::default()
        };
        *parse_with(expr, &options).fields().expect("fields")
    };
    assert_eq!(
        hashed("H H(0-7) H * H", "backup"),
        hashed("H H(0-7) H * H", "backup")
    );
    let minutes: std::collections::BTreeSet<u64> = (0..200)
        .map(|n| hashed("H * * * *", &format!("job-{n}")).minute)
        .collect();
    assert!(minutes.len() > 50, "{} minutes", minutes.len());
    let six = hashed("H H/15 H(0-7) ? * H,THU", "backup");
    assert_eq!(
        (
            six.second.count_ones(),
            six.minute.count_ones(),
            six.hour.count_ones()
        ),
        (1, 4, 1)
    );
    assert!(six.hour < 1 << 8 && six.dow & 1 << 4 != 0);
    let error = crake::schedule::Schedule::parse(
        "0 0 H(5-2) * * ?",
        &ParseOptions {
            allow_hash: true,
            ..Default::default()
        },
    );
    let error = error.map_err(|error| (error.to_string(), error.column));
    assert_eq!(
        error,
        Err((
            "hour field, column 7: expected a range from low to high, found \"5-2\"".to_owned(),
            7
        ))
    );
}

#[test]
fn schedule_property_jitter_keeps_the_order() {
    check(
        FEW,
        (
            any::<u64>(),
            instant(),
            0..100_000_000_i64,
            1..100_000_000_i64,
        ),
        |(seed, at, max, step)| {
            let next = at + step;
            let first = jitter_ms(seed, at, max, Some(next));
            prop_assert!(first >= 0 && (first < max || max == 0) && at + first < next);
            prop_assert!(first == jitter_ms(seed, at, max, Some(next)));
            prop_assert!(next + jitter_ms(seed, next, max, None) > at + first);
            let (short, long) = (random_delay(seed, 45), random_delay(seed, 1440));
            prop_assert!(short <= 45 && long <= 1440 && short <= long);
            Ok(())
        },
    );
    let at = ms("2026-01-01T00:00:00Z");
    assert_eq!(jitter_ms(1, at, -5, None), 0);
    assert_eq!(jitter_ms(1, at, i64::MAX, Some(i64::MIN)), 0);
    let delays: Vec<u32> = (0..10_000).map(|seed| random_delay(seed, 3)).collect();
    for minute in 0..=3 {
        let share = delays.iter().filter(|delay| **delay == minute).count();
        assert!((2_300..2_700).contains(&share), "{minute}: {share}");
    }
}
