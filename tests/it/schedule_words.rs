//! What is said about a schedule: errors, warnings and the schedule itself in words.

use crake::schedule::{ParseOptions, describe};

use crate::schedule_text::{ms, parse, parse_with, refused, zone};

#[test]
fn schedule_errors_point_at_the_fault() {
    let message = refused("0 25 * * *");
    assert_eq!(
        message,
        "hour field, column 3: expected 0-23, found \"25\"\n0 25 * * *\n  ^^\n"
    );
    for (expr, part) in [
        ("@DAILY", "lower case: @daily"),
        ("@dayly", "did you mean @daily?"),
        ("daily", "did you mean @daily?"),
        ("0 0 $ * *", "0 0 0 L * ?"),
        ("0 0 1 sept *", "names have three letters here: sep"),
        (
            "*/5 * * *",
            "day of week field, column 10: expected a day of week field, found nothing",
        ),
        ("0 0 * * 3-0/2", "3-7"),
        ("0 0 1 nov-feb *", "Write 11-12,1-2"),
        ("0 0 * * fri-mon", "Write 5-6,0-1"),
        ("0 0 * * 7-1", "Write 0-1"),
        ("-5 * * * *", "cronie's flag against logging"),
        ("1,,2 * * * *", "minute field, column 3"),
        ("* * * * * * * *", "at most seven fields"),
        ("4294967301 * * * *", "found \"4294967301\""),
        ("é * * * *", "column 1"),
        ("0 é25 * * *", "column 3"),
    ] {
        let message = refused(expr);
        assert!(message.contains(part), "{expr:?}: {message}");
    }
}

#[test]
fn schedule_warnings_name_what_is_seldom_meant() {
    for (expr, part) in [
        ("0 0 31 4,6,9,11 *", "never fires"),
        ("0 0 0 30 2 ? 2030", "never fires"),
        ("*/60 * * * *", "Vixie's own cron runs on every minute"),
        ("*/7 * * * *", "uneven: after 56 comes 0, only 4 later"),
        ("0 */5 * * *", "uneven: after 20 comes 0, only 4 later"),
        ("0 0 13 * 5", "only one of"),
        ("* 5 * * *", "05:00 to 05:59"),
    ] {
        let found = parse(expr, "UTC").warnings();
        assert!(
            found.iter().any(|warning| warning.contains(part)),
            "{expr:?}: {found:?}"
        );
    }
    for quiet in [
        "*/5 * * * *",
        "0 9 * * 1-5",
        "@daily",
        "every 1d",
        "0 0 12 L * ?",
        "* * * * *",
    ] {
        assert_eq!(
            parse(quiet, "UTC").warnings(),
            Vec::<String>::new(),
            "{quiet}"
        );
    }
}

/// Expressions and what is said about them; `WORDS` stands for anything.
const WORDS: &[(&str, &str)] = &[
    ("30 2 * * *", "at 02:30 every day"),
    ("* * * * *", "every minute"),
    ("*/5 * * * *", "every 5 minutes"),
    ("0 * * * *", "at minute 0 past every hour"),
    (
        "*/7 * * * *",
        "at minute 0 to 56 in steps of 7 past every hour",
    ),
    ("0 9 * * 1-5", "at 09:00 on Monday to Friday"),
    ("0 9,17 * * *", "at 09:00 and 17:00 every day"),
    (
        "*/15 9-17 * * 1-5",
        "every 15 minutes past hour 9 to 17 on Monday to Friday",
    ),
    (
        "0 12 13 * 5",
        "at 12:00 on the 13th of the month or on Friday",
    ),
    (
        "0 0 1 */2 1",
        "at 00:00 on the 1st of the month or on Monday in January, March, May, July, September and November",
    ),
    (
        "0 0 */2 * 1",
        "at 00:00 on WORDS of the month if that is Monday",
    ),
    (
        "0 0 1,2,3,22 1 *",
        "at 00:00 on the 1st to the 3rd and the 22nd of the month in January",
    ),
    ("0 0 1 * 0-7", "at 00:00 every day"),
    ("@reboot", "when the machine has started"),
    ("0 0 12 L * ?", "at 12:00 on the last day of the month"),
    ("30 0 12 ? * FRI#2", "at 12:00:30 on the 2nd Friday"),
    (
        "0 0 12 LW * ? 2027",
        "at 12:00 on the last working day of the month, in 2027 only",
    ),
    (
        "*/10 * * * * ?",
        "at second 0 to 50 in steps of 10 of every minute",
    ),
    ("every 90s", "every 1 minute 30 seconds"),
    ("every 1h", "every hour"),
    ("every 1d", "every day at 00:00"),
    (
        "every 15m 09:00-17:30 mon-fri",
        "every 15 minutes from 09:00 to 17:30 on Monday to Friday",
    ),
    (
        "at 2027-01-31T08:00:00+01:00",
        "once, on 2027-01-31 at 07:00",
    ),
];

#[test]
fn schedule_in_words() {
    for (expr, words) in WORDS {
        let got = describe(&parse(expr, "UTC"));
        if let Some((start, end)) = words.split_once("WORDS") {
            assert!(
                got.starts_with(start) && got.ends_with(end),
                "{expr:?}: {got}"
            );
            continue;
        }
        assert_eq!(got, *words, "{expr:?}");
    }
    let anchor = Some(ms("2027-01-31T07:00:00Z"));
    let options = ParseOptions {
        zone: zone("Europe/Berlin"),
        anchor,
        ..ParseOptions::default()
    };
    let words = |expr| describe(&parse_with(expr, &options));
    assert_eq!(words("every 1month"), "every month on the 31st at 08:00");
    assert_eq!(
        words("every 2w"),
        "every 14 days at 08:00, counted from 2027-01-31"
    );
    assert_eq!(words("every 1w"), "every Sunday at 08:00");
    assert_eq!(
        words("every 15m"),
        "every 15 minutes, counted from 2027-01-31 at 08:00"
    );
}
