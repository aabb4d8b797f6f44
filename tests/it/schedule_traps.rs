//! Mistakes other schedulers make, by number; the right answers were measured on real crons.

use crake::schedule::{DstRule, Fields, ParseOptions, Schedule, Zone};

use crate::schedule_text::{ms, next, parse, parse_with, refused, shown, zone};

const NEW_YORK: &str = "America/New_York";
const LORD_HOWE: &str = "Australia/Lord_Howe";

fn days(expr: &str, after: &str, count: usize) -> Vec<String> {
    let times = next(&parse(expr, "UTC"), after, count);
    times.iter().map(|time| time[..10].to_owned()).collect()
}

#[test]
fn schedule_trap_01_to_03_weekday_numbers_start_with_sunday_zero() {
    let monday_to_friday = days("0 9 * * 1-5", "2026-03-07T00:00:00Z", 6);
    let want = [
        "2026-03-09",
        "2026-03-10",
        "2026-03-11",
        "2026-03-12",
        "2026-03-13",
        "2026-03-16",
    ];
    assert_eq!(monday_to_friday, want);
    for sunday in ["0 12 * * 0", "0 12 * * 7", "0 12 * * sun"] {
        assert_eq!(
            days(sunday, "2026-03-05T00:00:00Z", 2),
            ["2026-03-08", "2026-03-15"]
        );
    }
}

#[test]
fn schedule_trap_04_to_06_day_rule() {
    let after = "2026-03-07T12:30:00Z";
    let want = [
        "2026-03-13",
        "2026-03-20",
        "2026-03-27",
        "2026-04-03",
        "2026-04-10",
        "2026-04-13",
    ];
    assert_eq!(days("0 12 13 * 5", after, 6), want);
    assert_eq!(
        days("0 0 */2 * 1", after, 3),
        ["2026-03-09", "2026-03-23", "2026-04-13"]
    );
    let odd_or_monday = days("0 0 1-31/2 * 1", after, 5);
    let want = [
        "2026-03-09",
        "2026-03-11",
        "2026-03-13",
        "2026-03-15",
        "2026-03-16",
    ];
    assert_eq!(odd_or_monday, want);
    // The star counts only as the first character of a field.
    assert_eq!(days("0 0 15 * 1,*", after, 2), ["2026-03-08", "2026-03-09"]);
    assert_eq!(days("0 0 15 * *,1", after, 2), ["2026-03-15", "2026-04-15"]);
}

#[test]
fn schedule_trap_07_to_11_what_is_taken_and_what_is_not() {
    let after = "2026-03-09T00:00:00Z";
    assert_eq!(
        days("0 0 * * fri-sun", after, 4),
        ["2026-03-13", "2026-03-14", "2026-03-15", "2026-03-20"]
    );
    assert_eq!(
        days("0 0 * * sat-sun", after, 2),
        ["2026-03-14", "2026-03-15"]
    );
    assert_eq!(
        next(&parse("*/60 * * * *", "UTC"), after, 1),
        ["2026-03-09T01:00:00+00:00"]
    );
    assert_eq!(
        next(&parse("0 */24 * * *", "UTC"), after, 1),
        ["2026-03-10T00:00:00+00:00"]
    );
    assert!(refused("5/15 * * * *").contains("write 5-59/15"));
    assert_eq!(
        next(&parse("0 12 * * MON", "UTC"), after, 1),
        ["2026-03-09T12:00:00+00:00"]
    );
    assert_eq!(days("@midnight", after, 1), ["2026-03-10"]);
    assert_eq!(days("@annually", after, 1), ["2027-01-01"]);
    let reboot = parse("@reboot", "UTC");
    assert!(reboot.is_reboot());
    assert_eq!(reboot.next_after(0), None);
    assert_eq!(reboot.prev_before(i64::MAX), None);
}

#[test]
fn schedule_trap_12_and_13_a_daily_job_in_a_gap_runs_after_it() {
    let daily = parse("30 2 * * *", NEW_YORK);
    let want = ["2026-03-08T03:00:00-04:00", "2026-03-09T02:30:00-04:00"];
    assert_eq!(next(&daily, "2026-03-07T12:00:00-05:00", 2), want);
    let midnight = parse("0 0 * * *", "America/Sao_Paulo");
    assert_eq!(
        next(&midnight, "2018-11-03T12:00:00-03:00", 1),
        ["2018-11-04T01:00:00-02:00"]
    );
}

#[test]
fn schedule_trap_14_to_18_folds() {
    let daily = parse("30 1 * * *", NEW_YORK);
    let want = ["2026-11-01T01:30:00-04:00", "2026-11-02T01:30:00-05:00"];
    assert_eq!(next(&daily, "2026-10-31T12:00:00-04:00", 2), want);
    let hourly = parse("@hourly", NEW_YORK);
    assert_eq!(
        next(&hourly, "2026-11-01T01:00:00-04:00", 1),
        ["2026-11-01T01:00:00-05:00"]
    );
    let thrice = parse("*/20 1 * * *", NEW_YORK);
    assert_eq!(
        next(&thrice, "2026-11-01T01:00:00-04:00", 5),
        [
            "2026-11-01T01:20:00-04:00",
            "2026-11-01T01:40:00-04:00",
            "2026-11-01T01:00:00-05:00",
            "2026-11-01T01:20:00-05:00",
            "2026-11-01T01:40:00-05:00"
        ]
    );
    let half = parse("*/30 * * * *", NEW_YORK);
    assert_eq!(
        next(&half, "2026-11-01T01:05:00-05:00", 1),
        ["2026-11-01T01:30:00-05:00"]
    );
    let third = parse("*/20 * * * *", NEW_YORK);
    assert_eq!(
        next(&third, "2026-11-01T00:50:00-04:00", 4),
        [
            "2026-11-01T01:00:00-04:00",
            "2026-11-01T01:20:00-04:00",
            "2026-11-01T01:40:00-04:00",
            "2026-11-01T01:00:00-05:00"
        ]
    );
}

#[test]
fn schedule_trap_19_and_20_half_an_hour_at_lord_howe() {
    let fold = parse("45 1 * * *", LORD_HOWE);
    assert_eq!(
        next(&fold, "2026-04-04T12:00:00+11:00", 2),
        ["2026-04-05T01:45:00+11:00", "2026-04-06T01:45:00+10:30"]
    );
    let gap = parse("15 2 * * *", LORD_HOWE);
    assert_eq!(
        next(&gap, "2026-10-03T12:00:00+10:30", 1),
        ["2026-10-04T02:30:00+11:00"]
    );
}

#[test]
fn schedule_trap_21_and_22_years_after_2100() {
    assert_eq!(
        days("0 0 29 2 *", "2097-01-01T00:00:00Z", 1),
        ["2104-02-29"]
    );
    let summer = parse("0 9 1 7 *", NEW_YORK);
    assert_eq!(
        next(&summer, "2101-01-01T00:00:00Z", 1),
        ["2101-07-01T09:00:00-04:00"]
    );
    // The table of a zone ends in 2502 and is then read 400 years earlier.
    assert_eq!(
        next(&summer, "2901-01-01T00:00:00Z", 1),
        ["2901-07-01T09:00:00-04:00"]
    );
    assert_eq!(
        next(&summer, "2499-08-01T00:00:00Z", 2),
        ["2500-07-01T09:00:00-04:00", "2501-07-01T09:00:00-04:00"]
    );
}

#[test]
fn schedule_trap_23_zones_are_those_of_the_system() {
    // What Casablanca does in autumn 2026 depends on the edition; that tzdata is asked does not.
    let table = std::fs::read("/usr/share/zoneinfo/Africa/Casablanca");
    let Ok(_) = table else { return };
    let shown = parse("0 9 * * *", "Africa/Casablanca");
    let at = shown.next_after(ms("2026-11-20T00:00:00Z"));
    let offset = zone("Africa/Casablanca").offset_seconds_at(ms("2026-11-20T09:00:00Z"));
    assert_eq!(
        at,
        Some(ms("2026-11-20T09:00:00Z") - i64::from(offset) * 1000)
    );
    assert!(!Zone::edition().is_empty());
}

#[test]
fn schedule_trap_24_an_unknown_zone_is_an_error() {
    let unknown = |name: &str| match Zone::named(name) {
        Ok(zone) => panic!("{name:?} is {zone}"),
        Err(error) => error.to_string(),
    };
    assert!(unknown("Nowhere/Bad").contains("unknown time zone \"Nowhere/Bad\""));
    assert!(unknown("Europe/Berln").ends_with("did you mean Europe/Berlin?"));
    assert!(unknown("Berlin").ends_with("did you mean Europe/Berlin?"));
    for name in [
        "",
        "../etc/passwd",
        "/etc/localtime",
        "Europe//Berlin",
        "a b",
        "right/UTC",
        "é",
    ] {
        unknown(name);
    }
    assert_eq!(
        Zone::named("europe/berlin").map(|zone| zone.name().to_owned()),
        Ok("Europe/Berlin".to_owned())
    );
}

#[test]
fn schedule_trap_25_quartz_tokens_are_read_or_refused_by_name() {
    assert!(refused("0 0 L * *").contains("0 0 12 L * ?"));
    assert!(refused("0 0 * * FRI#2").contains("FRI#2"));
    assert!(refused("0 0 15W * *").contains("W belongs to the form with seconds"));
    assert_eq!(
        days("0 0 0 L * ?", "2026-02-01T00:00:00Z", 1),
        ["2026-02-28"]
    );
    assert_eq!(
        days("0 0 0 ? * FRI#2", "2026-02-01T00:00:00Z", 1),
        ["2026-02-13"]
    );
    assert_eq!(
        days("0 0 0 15W * ?", "2026-02-01T00:00:00Z", 1),
        ["2026-02-16"]
    );
}

#[test]
fn schedule_trap_26_to_28_dead_lines() {
    let backwards = refused("0 22-2 * * *");
    assert!(backwards.contains("hour field, column 3"), "{backwards}");
    assert!(backwards.contains("0 22-2 * * *\n  ^^^^\n"), "{backwards}");
    let hint = "22-2 is backwards; cronie and Debian's cron accept it and run at none of its \
                values. Write 22-23,0-2";
    assert!(backwards.ends_with(hint), "{backwards}");
    let never = parse("0 0 30 2 *", NEW_YORK);
    assert_eq!(never.next_after(ms("2026-01-01T00:00:00Z")), None);
    assert_eq!(never.prev_before(ms("2026-01-01T00:00:00Z")), None);
    assert!(never.warnings()[0].starts_with("never fires"));
    for lax in ["******", "0 0 12 1 , 2 *", "0 0 12 1, 2 * ?"] {
        refused(lax);
    }
}

#[test]
fn schedule_trap_29_and_30_wild_and_fixed_jobs_in_a_gap() {
    let wild = parse("*/10 2 * * *", NEW_YORK);
    assert_eq!(
        next(&wild, "2026-03-07T12:00:00-05:00", 1),
        ["2026-03-09T02:00:00-04:00"]
    );
    let twice = parse("0,30 2 * * *", NEW_YORK);
    assert_eq!(
        next(&twice, "2026-03-07T12:00:00-05:00", 2),
        ["2026-03-08T03:00:00-04:00", "2026-03-09T02:00:00-04:00"]
    );
}

#[test]
fn schedule_trap_31_a_lost_day_is_not_made_up_for() {
    let noon = parse("0 12 * * *", "Pacific/Apia");
    assert_eq!(
        next(&noon, "2011-12-29T00:00:00-10:00", 2),
        ["2011-12-29T12:00:00-10:00", "2011-12-31T12:00:00+14:00"]
    );
}

#[test]
fn schedule_trap_32_one_second_before_a_gap() {
    let daily = parse("34 2 * * *", NEW_YORK);
    assert_eq!(
        next(&daily, "2026-03-08T01:59:59-05:00", 1),
        ["2026-03-08T03:00:00-04:00"]
    );
}

#[test]
fn schedule_trap_34_a_fixed_job_waits_until_the_clock_passes() {
    // The fall change is a clock set back: in the second pass the daily job is not due again.
    let daily = parse("30 1 * * *", NEW_YORK);
    assert_eq!(
        next(&daily, "2026-11-01T01:05:00-05:00", 1),
        ["2026-11-02T01:30:00-05:00"]
    );
    let before = daily.prev_before(ms("2026-11-01T01:45:00-05:00"));
    let before = before.map(|at| shown(at, daily.zone()));
    assert_eq!(before.as_deref(), Some("2026-11-01T01:30:00-04:00"));
}

#[test]
fn schedule_trap_37_a_random_minute_stands() {
    let options = |seed| ParseOptions {
        seed,
        ..ParseOptions::default()
    };
    let minute = |seed| {
        let schedule = parse_with("1~5 * * * *", &options(seed));
        schedule
            .fields()
            .map(|fields| fields.minute.trailing_zeros())
    };
    let drawn: Vec<_> = (0..200).map(minute).collect();
    assert_eq!(drawn, (0..200).map(minute).collect::<Vec<_>>());
    assert!(
        (1..=5).all(|value| drawn.contains(&Some(value))),
        "{drawn:?}"
    );
    assert!(
        drawn.iter().flatten().all(|value| (1..=5).contains(value)),
        "{drawn:?}"
    );
    for (expr, low, high) in [
        ("~ * * * *", 0, 59),
        ("~9 * * * *", 0, 9),
        ("50~ * * * *", 50, 59),
    ] {
        for seed in 0..300 {
            let schedule = parse_with(expr, &options(seed));
            let value = schedule
                .fields()
                .map(|fields| fields.minute.trailing_zeros());
            assert!(
                (low..=high).contains(&value.unwrap_or(99)),
                "{expr}: {value:?}"
            );
        }
    }
}

#[test]
fn schedule_trap_38_an_empty_day_set_still_runs_on_its_weekdays() {
    assert!(refused("0 0 25-5 * 1").contains("backwards"));
    // cronie and Debian read the same line as Mondays; a reader of their dialect says so.
    let fields = Fields {
        minute: 1,
        hour: 1,
        dom: 0,
        dow: 0b10,
        minute_star: false,
        hour_star: false,
        dom_star: false,
        dow_star: false,
        ..Fields::default()
    };
    let mondays = Schedule::from_fields("0 0 25-5 * 1", fields, Zone::utc(), DstRule::Vixie);
    assert_eq!(
        next(&mondays, "2026-03-07T00:00:00Z", 2),
        ["2026-03-09T00:00:00+00:00", "2026-03-16T00:00:00+00:00"]
    );
    let empty = Fields { hour: 0, ..fields };
    let never = Schedule::from_fields("0 22-2 * * *", empty, Zone::utc(), DstRule::Vixie);
    assert_eq!(never.next_after(0), None);
}
