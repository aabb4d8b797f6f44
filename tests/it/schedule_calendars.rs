//! Calendars: what they read, what they exclude, and where a shift moves it.

use std::sync::Arc;

use crake::schedule::{Calendar, Shift, Zone};
use proptest::prelude::any;

use crate::schedule_drawn::{FEW, check, instant};
use crate::schedule_text::{ms, next, parse, zone};

pub fn toml(text: &str) -> Calendar {
    match Calendar::from_toml(text) {
        Ok(calendar) => calendar,
        Err(error) => panic!("{error}\n{text}"),
    }
}

fn ics(lines: &[&str]) -> Result<Calendar, String> {
    let text = format!(
        "BEGIN:VCALENDAR\r\nVERSION:2.0\r\n{}\r\nEND:VCALENDAR\r\n",
        lines.join("\r\n")
    );
    Calendar::from_ics(text.as_bytes()).map_err(|error| error.to_string())
}

fn event(lines: &[&str]) -> Calendar {
    let all = [&["BEGIN:VEVENT", "SUMMARY:off"], lines, &["END:VEVENT"]].concat();
    match ics(&all) {
        Ok(calendar) => calendar,
        Err(error) => panic!("{error}: {lines:?}"),
    }
}

/// Returns the days of a year on which noon UTC is excluded, as `MM-DD`.
fn days_off(calendar: &Calendar, year: i32) -> Vec<String> {
    let first = ms(&format!("{year}-01-01T12:00:00Z"));
    let days = (0..366).map(|day| first + day * 86_400_000);
    days.map(|at| (at, Zone::utc().to_local(at)))
        .filter(|(at, civil)| civil.year == year && calendar.excludes(*at, &Zone::utc()).is_some())
        .map(|(_, civil)| format!("{:02}-{:02}", civil.month, civil.day))
        .collect()
}

const OFFICE: &str = r#"
name = "office"
[exclude]
weekdays = ["sat", "sun"]
dates = ["2026-12-24"]
ranges = ["2026-08-03..2026-08-14"]
yearly = ["12-25", "01-01"]
hours = ["22:00-06:00"]
[include]
dates = ["2026-12-19"]
hours = ["09:00-12:00"]
"#;

#[test]
fn schedule_calendar_of_toml_says_why() {
    let calendar = toml(OFFICE);
    let zone = zone("Europe/Berlin");
    for (at, why) in [
        ("2026-12-18T10:00:00+01:00", None),
        ("2026-12-19T10:00:00+01:00", None),
        ("2026-12-19T12:00:00+01:00", Some("Saturday")),
        ("2026-12-20T23:30:00Z", Some("22:00 to 24:00")),
        ("2026-12-24T10:00:00+01:00", Some("2026-12-24")),
        ("2027-12-24T10:00:00+01:00", None),
        ("2026-12-25T10:00:00+01:00", Some("12-25 of every year")),
        (
            "2026-08-14T21:59:59+02:00",
            Some("2026-08-03 to 2026-08-14"),
        ),
        ("2026-08-17T05:59:59+02:00", Some("00:00 to 06:00")),
        ("2026-08-17T06:00:00+02:00", None),
    ] {
        let got = calendar
            .excludes(ms(at), &zone)
            .map(|exclusion| exclusion.why);
        let why = why.map(|why| match why {
            "22:00 to 24:00" => "00:00 to 06:00".to_owned(),
            why => why.to_owned(),
        });
        assert_eq!(got, why, "{at}");
    }
    let schedule = parse("0 10 * * *", "Europe/Berlin").with_calendar(Arc::new(calendar), None);
    let saturday = ms("2026-12-12T10:00:00+01:00");
    assert_eq!(schedule.prev_before(saturday + 1), Some(saturday));
    assert_eq!(
        schedule.excluded(saturday).as_deref(),
        Some("office: Saturday")
    );
    let only = toml("[include]\nweekdays = ['mon-fri']\nhours = ['09:00-17:00']");
    let open = |at| only.excludes(ms(at), &Zone::utc()).is_none();
    assert!(open("2026-11-20T09:00:00Z") && !open("2026-11-20T17:00:00Z"));
    assert!(!open("2026-11-21T09:00:00Z"));
}

#[test]
fn schedule_calendar_of_toml_is_refused_with_line_and_column() {
    for (text, want) in [
        (
            "[exclude]\nweekdays = [\"sat\", \"sonntag\"]",
            "line 2, column 20: expected a weekday, sun to sat, or a range such as mon-fri, found \"sonntag\"",
        ),
        (
            "[exclude]\ndates = [\"2026-02-29\"]",
            "line 2, column 10: expected a date that exists, YYYY-MM-DD, such as 2026-12-24, found \"2026-02-29\"",
        ),
        (
            "[exclude]\nranges = [\"2026-08-15..2026-08-01\"]",
            "line 2, column 11: expected a range of dates, first..last, such as 2026-08-01..2026-08-15, found \"2026-08-15..2026-08-01\"",
        ),
        (
            "[exclude]\nyearly = [\"13-25\"]",
            "line 2, column 11: expected a month and a day, MM-DD, such as 12-25, found \"13-25\"",
        ),
        (
            "[exclude]\nhours = [\"9-17\"]",
            "line 2, column 10: expected a range of hours, HH:MM-HH:MM, such as 00:00-06:00, found \"9-17\"",
        ),
        (
            "",
            "line 1, column 1: the calendar excludes and includes nothing",
        ),
    ] {
        let error = Calendar::from_toml(text).map_err(|error| error.to_string());
        assert_eq!(error, Err(want.to_owned()));
    }
    let unknown = Calendar::from_toml("[exclude]\nholidays = []").map_err(|e| (e.line, e.column));
    assert_eq!(unknown, Err((2, 1)));
    let bare = Calendar::from_toml("[exclude]\ndates = [2026-12-24]").map_err(|e| e.line);
    assert_eq!(bare, Err(2));
}

const EVENTS: &[(&[&str], i32, &str)] = &[
    (&["DTSTART;VALUE=DATE:20261224"], 2026, "12-24"),
    (
        &["DTSTART;VALUE=DATE:20261224", "DTEND;VALUE=DATE:20261227"],
        2026,
        "12-24 12-25 12-26",
    ),
    (
        &["DTSTART:20261224T000000", "DURATION:P2D"],
        2026,
        "12-24 12-25",
    ),
    (
        &["DTSTART:20261224T110000Z", "DTEND:20261224T120000Z"],
        2026,
        "",
    ),
    (
        &[
            "DTSTART;TZID=America/New_York:20261224T070000",
            "DURATION:PT1H",
        ],
        2026,
        "12-24",
    ),
    (
        &["DTSTART;VALUE=DATE:20201225", "RRULE:FREQ=YEARLY"],
        2026,
        "12-25",
    ),
    (
        &[
            "DTSTART;VALUE=DATE:20201126",
            "RRULE:FREQ=YEARLY;BYMONTH=11;BYDAY=4TH",
        ],
        2026,
        "11-26",
    ),
    (
        &[
            "DTSTART;VALUE=DATE:20200525",
            "RRULE:FREQ=YEARLY;BYMONTH=5;BYDAY=-1MO",
        ],
        2026,
        "05-25",
    ),
    (
        &[
            "DTSTART;VALUE=DATE:20261201",
            "RRULE:FREQ=DAILY;INTERVAL=2;COUNT=3",
        ],
        2026,
        "12-01 12-03 12-05",
    ),
    (
        &[
            "DTSTART;VALUE=DATE:20261201",
            "RRULE:FREQ=WEEKLY;BYDAY=TU,FR;UNTIL=20261211",
        ],
        2026,
        "12-01 12-04 12-08 12-11",
    ),
    (
        &[
            "DTSTART;VALUE=DATE:20261001",
            "RRULE:FREQ=WEEKLY;INTERVAL=2;COUNT=2",
            "EXDATE;VALUE=DATE:20261001",
        ],
        2026,
        "10-15",
    ),
    (
        &[
            "DTSTART;VALUE=DATE:20260131",
            "RRULE:FREQ=MONTHLY;BYMONTHDAY=-1;COUNT=3",
        ],
        2026,
        "01-31 02-28 03-31",
    ),
    (
        &["DTSTART;VALUE=DATE:20261224", "STATUS:CANCELLED"],
        2026,
        "",
    ),
];

#[test]
fn schedule_calendar_of_ics_follows_rfc_5545() {
    for (lines, year, want) in EVENTS.iter().copied() {
        let calendar = event(lines);
        assert_eq!(days_off(&calendar, year).join(" "), want, "{lines:?}");
        let json = serde_json::to_string(&calendar).expect("JSON");
        assert_eq!(serde_json::from_str::<Calendar>(&json).ok(), Some(calendar));
    }
}

#[test]
fn schedule_calendar_of_ics_unfolds_and_overrides() {
    let folded = ics(&[
        "X-WR-CALNAME:Feiertage",
        "BEGIN:VEVENT",
        "DTSTART;VALUE=DATE:20261225",
        "SUMMARY;LANGUAGE=de:Weih",
        " nachten\\, 1. Tag",
        "BEGIN:VALARM",
        "SUMMARY:not this",
        "END:VALARM",
        "END:VEVENT",
    ]);
    let folded = folded.expect("a calendar");
    let schedule = parse("@daily", "UTC").with_calendar(Arc::new(folded), None);
    let why = schedule.excluded(ms("2026-12-25T00:00:00Z"));
    assert_eq!(why.as_deref(), Some("Feiertage: Weihnachten, 1. Tag"));
    let moved = ics(&[
        "BEGIN:VEVENT",
        "UID:a",
        "DTSTART;VALUE=DATE:20261201",
        "RRULE:FREQ=WEEKLY;COUNT=2",
        "END:VEVENT",
        "BEGIN:VEVENT",
        "UID:a",
        "RECURRENCE-ID;VALUE=DATE:20261208",
        "DTSTART;VALUE=DATE:20261210",
        "END:VEVENT",
    ]);
    assert_eq!(
        days_off(&moved.expect("a calendar"), 2026).join(" "),
        "12-01 12-10"
    );
}

const BROKEN: &[(&[&str], &str)] = &[
    (
        &["DTSTART:2026-12-24"],
        "line 4, column 1: DTSTART is no date such as 20261224 or 20261224T180000: \"2026-12-24\"",
    ),
    (&["SUMMARY:x"], "line 3, column 1: the event has no DTSTART"),
    (
        &["DTSTART:20261224", "RRULE:FREQ=HOURLY"],
        "line 5, column 1: RRULE: FREQ=HOURLY is not understood",
    ),
    (
        &["DTSTART:20261224", "RRULE:FREQ=YEARLY;BYEASTER=1"],
        "line 5, column 1: RRULE: BYEASTER=1 is not understood",
    ),
    (
        &["DTSTART:20261224", "RRULE:FREQ=YEARLY;BYDAY=20MO"],
        "line 5, column 1: RRULE: BYDAY=20MO is not understood",
    ),
    (
        &["DTSTART:20261224", "RRULE:COUNT=3"],
        "line 5, column 1: RRULE: FREQ is missing",
    ),
    (
        &["DTSTART:20261224", "DTEND:20261223"],
        "line 3, column 1: the event ends before it begins, or takes more than three years",
    ),
    (
        &["DTSTART:20261224", "DURATION:8H"],
        "line 5, column 1: not a DURATION such as P1D or PT8H: \"8H\"",
    ),
    (
        &["DTSTART:20261224", "RDATE:20261231"],
        "line 5, column 1: RDATE is not understood; give each date its own VEVENT",
    ),
    (
        &["nonsense"],
        "line 4, column 1: a line is NAME:value, and this one has no colon",
    ),
];

#[test]
fn schedule_calendar_of_ics_is_refused_with_the_line() {
    for (lines, want) in BROKEN.iter().copied() {
        let all = [&["BEGIN:VEVENT"], lines, &["END:VEVENT"]].concat();
        assert_eq!(ics(&all), Err(want.to_owned()));
    }
    let cut = Calendar::from_ics(b"BEGIN:VCALENDAR\nBEGIN:VEVENT").map_err(|e| e.to_string());
    assert_eq!(
        cut,
        Err("line 2, column 1: BEGIN:VEVENT has no END; the file is cut short".to_owned())
    );
    assert!(Calendar::from_ics(b"<html>").is_err());
}

#[test]
fn schedule_calendar_files_never_panic() {
    let lines = "(BEGIN:VEVENT|END:VEVENT|DTSTART:[0-9T]{6,16}Z?|RRULE:FREQ=(DAILY|WEEKLY|MONTHLY|YEARLY)(;(COUNT|INTERVAL|BYMONTH|BYMONTHDAY)=-?[0-9]{1,3}|;BYDAY=-?[0-9]?(MO|SU))*|DURATION:P[0-9]{1,20}[DWT]|.{0,20})";
    let file = proptest::collection::vec(lines, 0..8);
    check(
        FEW,
        (file, any::<String>(), instant()),
        |(lines, text, at)| {
            let file = format!("BEGIN:VCALENDAR\n{}\nEND:VCALENDAR", lines.join("\n"));
            let zone = zone("Europe/Berlin");
            for calendar in [
                Calendar::from_ics(file.as_bytes()),
                Calendar::from_ics(text.as_bytes()),
                Calendar::from_toml(&text),
            ]
            .into_iter()
            .flatten()
            {
                calendar.excludes(at, &zone);
            }
            Ok(())
        },
    );
}

#[test]
fn schedule_shift_moves_off_days_excluded() {
    let holidays = Arc::new(toml(
        "[exclude]\nweekdays = ['sat', 'sun']\nyearly = ['12-25', '01-01']",
    ));
    let shifted = |expr: &str, shift: &str| {
        let shift = shift.parse::<Shift>().expect("a shift");
        parse(expr, "Europe/Berlin").with_calendar(holidays.clone(), Some(shift))
    };
    // The 1st of November is a Sunday, of January 2027 a holiday and a Friday.
    assert_eq!(
        next(&shifted("0 9 1 * *", "next"), "2026-10-30T00:00:00Z", 5),
        [
            "2026-11-01T09:00:00+01:00",
            "2026-11-02T09:00:00+01:00",
            "2026-12-01T09:00:00+01:00",
            "2027-01-01T09:00:00+01:00",
            "2027-01-04T09:00:00+01:00"
        ]
    );
    assert_eq!(
        next(&shifted("0 9 1 * *", "previous"), "2026-10-30T00:00:00Z", 5),
        [
            "2026-10-30T09:00:00+01:00",
            "2026-11-01T09:00:00+01:00",
            "2026-12-01T09:00:00+01:00",
            "2026-12-31T09:00:00+01:00",
            "2027-01-01T09:00:00+01:00"
        ]
    );
    assert!("later".parse::<Shift>().is_err());
}

/// A list of holidays says nothing of weekends, and still nobody works on them.
#[test]
fn schedule_shift_takes_saturday_and_sunday_for_no_working_days_unless_told() {
    let shifted = |text: &str| {
        parse("0 8 * * 1-5", "Europe/Berlin").with_calendar(Arc::new(toml(text)), Some(Shift::Next))
    };
    // Christmas 2026 is a Friday.
    let holidays = shifted("[exclude]\nyearly = ['12-25']");
    assert_eq!(
        next(&holidays, "2026-12-25T12:00:00Z", 1),
        ["2026-12-28T08:00:00+01:00"]
    );
    let told = shifted("[exclude]\nyearly = ['12-25']\nweekdays = ['sun']");
    assert_eq!(
        next(&told, "2026-12-25T12:00:00Z", 1),
        ["2026-12-26T08:00:00+01:00"]
    );
}
