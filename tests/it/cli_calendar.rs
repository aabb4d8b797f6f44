//! `calendar`, and what calendars do to the fires of a job, through the program.

use serde_json::{Value, json};

use crate::support::sandbox::Sandbox;

const HOLIDAYS: &str = "BEGIN:VCALENDAR\r\nVERSION:2.0\r\nBEGIN:VEVENT\r\n\
    DTSTART;VALUE=DATE:20290101\r\nSUMMARY:New Year\r\nEND:VEVENT\r\nEND:VCALENDAR\r\n";

/// A sandbox with the calendar `holidays`, whose one holiday is Monday 2029-01-01.
fn sandbox() -> Sandbox {
    let sandbox = Sandbox::new();
    sandbox.file("holidays.ics", HOLIDAYS.as_bytes());
    sandbox.ok(&["calendar", "add", "holidays", "-f", "holidays.ics"]);
    sandbox
}

fn ats(items: &[Value]) -> Vec<&str> {
    items
        .iter()
        .filter_map(|item| item["at"].as_str())
        .collect()
}

const NEXT: [&str; 4] = ["--from", "2028-12-29 12:00", "-n", "2"];

#[test]
fn cli_calendar_keeps_a_job_from_firing_on_a_holiday() {
    let sandbox = sandbox();
    let add = ["add", "report", "-s", "0 8 * * 1-5", "-c", "x"];
    sandbox.ok(&[&add[..], &["--calendar", "holidays"]].concat());
    let next = sandbox.items(&[&["next", "report"][..], &NEXT].concat());
    assert_eq!(
        ats(&next),
        ["2029-01-02T08:00:00+00:00", "2029-01-03T08:00:00+00:00"]
    );
    let all = sandbox.items(&[&["next", "report", "--all"][..], &NEXT].concat());
    assert_eq!(all[0]["at"], "2029-01-01T08:00:00+00:00");
    assert_eq!(all[0]["note"], "calendar: holidays: New Year");
    assert_eq!(all[0]["excluded"], "holidays: New Year");
    assert_eq!(all[1]["excluded"], Value::Null);
}

#[test]
fn cli_calendar_moves_a_fire_to_the_next_or_the_previous_day() {
    let sandbox = sandbox();
    let add = ["add", "report", "-s", "0 8 1 * *", "-c", "x"];
    sandbox.ok(&[&add[..], &["--calendar", "holidays", "--shift", "next"]].concat());
    let first = |sandbox: &Sandbox| {
        sandbox.items(&["next", "report", "--from", "2028-12-15", "-n", "1"])[0].clone()
    };
    let next = first(&sandbox);
    assert_eq!(next["at"], "2029-01-02T08:00:00+00:00");
    let note = next["note"].to_string();
    assert!(
        note.contains("moved from Mon 2029-01-01 08:00:00 UTC: holidays: New Year"),
        "{note}"
    );
    sandbox.ok(&["edit", "report", "--shift", "previous"]);
    assert_eq!(first(&sandbox)["at"], "2028-12-29T08:00:00+00:00");
    sandbox.ok(&["edit", "report", "--calendar", "none"]);
    assert_eq!(first(&sandbox)["at"], "2029-01-01T08:00:00+00:00");
    let plan = sandbox.item(&["show", "report"])["plans"][0].clone();
    assert_eq!(
        (&plan["calendar"], &plan["shift"]),
        (&Value::Null, &Value::Null)
    );
}

#[test]
fn cli_calendar_is_made_of_flags_toml_or_standard_input() {
    let sandbox = Sandbox::new();
    let flags = [
        "--exclude-weekdays",
        "sat,sun",
        "--exclude",
        "12-25",
        "--exclude",
    ];
    let add = ["calendar", "add", "office"];
    let made = sandbox.item(&[&add[..], &flags, &["2029-12-27..2029-12-31"]].concat());
    let rules = json!([
        "excludes weekdays sun, sat",
        "excludes dates 2029-12-27..2029-12-31",
        "excludes every year 12-25",
    ]);
    assert_eq!(made["rules"], rules);
    let toml = b"[exclude]\nhours = [\"22:00-06:00\"]\n";
    let fed = sandbox.feed(toml, &["calendar", "add", "night", "-f", "-"]);
    assert_eq!(fed.code, 0, "{fed:?}");
    let fed = sandbox.feed(HOLIDAYS.as_bytes(), &["calendar", "add", "days", "-f", "-"]);
    assert_eq!(fed.code, 0, "{fed:?}");
    let items = sandbox.items(&["calendar", "ls"]);
    let names: Vec<&str> = items.iter().filter_map(|i| i["name"].as_str()).collect();
    assert_eq!(names, ["days", "night", "office"]);
    let shown = sandbox.item(&["calendar", "show", "office", "--year", "2029"]);
    let days = shown["days"].as_array().expect("days");
    let christmas = days.iter().find(|d| d["date"] == "2029-12-25").expect("it");
    assert_eq!(christmas["why"], "12-25 of every year");
    assert_eq!(christmas["whole"], true);
    assert_eq!(days.iter().filter(|d| d["weekday"] == "sat").count(), 52);
    let text = sandbox
        .ok(&["calendar", "show", "office", "--year", "2029"])
        .stdout;
    assert!(
        text.contains("  2029-12-25 Tue  12-25 of every year\n"),
        "{text}"
    );
    assert!(text.contains("days for their day of the week"), "{text}");
    let text = sandbox.ok(&["calendar", "ls"]).stdout;
    assert!(text.starts_with("CALENDAR"), "{text}");
}

#[test]
fn cli_calendar_files_that_are_wrong_are_named_with_line_and_column() {
    let sandbox = Sandbox::new();
    let toml = b"[exclude]\nweekdays = [\"sat\"]\ndates = [\"2029-02-30\"]\n";
    sandbox.file("days.toml", toml);
    let wrong = sandbox.run(&["calendar", "add", "a", "-f", "days.toml"]);
    assert_eq!(wrong.code, 6, "{wrong:?}");
    assert!(
        wrong
            .stderr
            .starts_with("error: days.toml: line 3, column 10: expected a date"),
        "{wrong:?}"
    );
    let ics = HOLIDAYS.replace("20290101", "20291301");
    sandbox.file("days.ics", ics.as_bytes());
    let wrong = sandbox.run(&["calendar", "add", "a", "-f", "days.ics", "--json"]);
    assert_eq!(wrong.code, 6, "{wrong:?}");
    let message = wrong.error()["message"].to_string();
    assert!(message.contains("days.ics: line 4, column"), "{message}");
    sandbox.file("days.bin", b"\n\xff\xfe");
    let wrong = sandbox.run(&["calendar", "add", "a", "-f", "days.bin"]);
    assert_eq!(wrong.code, 6, "{wrong:?}");
    assert!(wrong.stderr.contains("line 2, column 1"), "{wrong:?}");
    let wrong = sandbox.run(&["calendar", "add", "a", "--exclude", "2029-02-30"]);
    assert_eq!(wrong.code, 6, "{wrong:?}");
    assert!(
        wrong
            .stderr
            .starts_with("error: --exclude: expected a date"),
        "{wrong:?}"
    );
    let missing = sandbox.run(&["calendar", "add", "a", "-f", "none.ics"]);
    assert_eq!(missing.code, 1, "{missing:?}");
    assert!(
        missing.stderr.contains("cannot read none.ics"),
        "{missing:?}"
    );
    assert_eq!(sandbox.run(&["calendar", "add", "a"]).code, 2);
    assert_eq!(
        sandbox
            .run(&["calendar", "add", "none", "--exclude", "12-25"])
            .code,
        2
    );
    assert_eq!(
        sandbox
            .run(&["calendar", "add", "a/b", "--exclude", "12-25"])
            .code,
        2
    );
}

#[test]
fn cli_calendar_in_use_stays_and_can_be_replaced() {
    let sandbox = sandbox();
    let add = ["add", "report", "-s", "0 8 * * *", "-c", "x", "--calendar"];
    sandbox.ok(&[&add[..], &["holidays"]].concat());
    let refused = sandbox.run(&["calendar", "rm", "holidays"]);
    assert_eq!(refused.code, 5, "{refused:?}");
    assert!(
        refused.stderr.contains("in use by \"report\""),
        "{refused:?}"
    );
    let again = ["calendar", "add", "holidays", "--exclude", "2029-01-02"];
    let taken = sandbox.run(&again);
    assert_eq!(taken.code, 5, "{taken:?}");
    assert!(
        taken.stderr.contains("there is a calendar named"),
        "{taken:?}"
    );
    let replaced = sandbox.item(&[&again[..], &["--replace"]].concat());
    assert_eq!(replaced["jobs"], json!(["report"]));
    let from = ["next", "report", "--from", "2029-01-01", "-n", "2"];
    assert_eq!(
        ats(&sandbox.items(&from)),
        ["2029-01-01T08:00:00+00:00", "2029-01-03T08:00:00+00:00"]
    );
    sandbox.ok(&["edit", "report", "--calendar", "none"]);
    sandbox.ok(&["calendar", "rm", "holidays"]);
    assert!(sandbox.items(&["calendar", "ls"]).is_empty());
}

#[test]
fn cli_calendar_errors_name_the_nearest() {
    let sandbox = sandbox();
    let add = [
        "add",
        "a",
        "-s",
        "@daily",
        "-c",
        "x",
        "--calendar",
        "holidys",
    ];
    for args in [
        &add[..],
        &["calendar", "show", "holidys"],
        &["calendar", "rm", "holidys"],
    ] {
        let wrong = sandbox.run(args);
        assert_eq!(wrong.code, 3, "{wrong:?}");
        assert_eq!(
            wrong.stderr,
            "error: no calendar named \"holidys\"\n  tip: did you mean \"holidays\"?\n"
        );
    }
}
