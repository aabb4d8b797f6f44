//! Answers recorded from the parsers and main loops of cronie, Debian's cron, OpenBSD and Quartz.

use crake::schedule::{ParseOptions, Schedule};
use serde_json::Value;

use crate::schedule_text::{ms, parse, shown};

fn rows(text: &str) -> Vec<Value> {
    text.lines()
        .map(|line| serde_json::from_str(line).expect("a row of JSON"))
        .collect()
}

fn text<'r>(row: &'r Value, key: &str) -> &'r str {
    row[key].as_str().expect("a string")
}

/// Checks `next` of every row forwards, and the same instants backwards.
fn check_rows(rows: &[Value]) {
    let mut wrong = Vec::new();
    for row in rows {
        let (expr, tz, after) = (text(row, "expr"), text(row, "tz"), text(row, "after"));
        let schedule = parse(expr, tz);
        let want: Vec<i64> = row["next"]
            .as_array()
            .expect("a list")
            .iter()
            .map(|at| ms(at.as_str().expect("a string")))
            .collect();
        let got: Vec<i64> = schedule.upcoming(ms(after)).take(want.len()).collect();
        let show = |times: &[i64]| -> Vec<String> {
            times.iter().map(|at| shown(*at, schedule.zone())).collect()
        };
        if got != want {
            let (got, want) = (show(&got), show(&want));
            wrong.push(format!(
                "{expr} | {tz} | {after}\n  got  {got:?}\n  want {want:?}"
            ));
            continue;
        }
        let backwards: Vec<i64> = want
            .windows(2)
            .filter_map(|pair| schedule.prev_before(pair[1]))
            .collect();
        if backwards != want[..want.len() - 1] {
            let (got, want) = (show(&backwards), show(&want[..want.len() - 1]));
            wrong.push(format!(
                "{expr} | {tz} | back\n  got  {got:?}\n  want {want:?}"
            ));
        }
    }
    assert!(
        wrong.is_empty(),
        "{} of {} wrong:\n{}",
        wrong.len(),
        rows.len(),
        wrong.join("\n")
    );
}

#[test]
fn schedule_vectors_crontab() {
    let rows = rows(include_str!("../data/vectors/crontab.jsonl"));
    assert_eq!(rows.len(), 1167);
    check_rows(&rows);
}

#[test]
fn schedule_vectors_seconds() {
    let rows = rows(include_str!("../data/vectors/seconds.jsonl"));
    assert_eq!(rows.len(), 141);
    check_rows(&rows);
}

#[test]
fn schedule_vectors_invalid_lines_are_refused_with_field_and_column() {
    let rows = rows(include_str!("../data/vectors/invalid.jsonl"));
    assert_eq!(rows.len(), 111);
    for row in rows {
        let expr = text(&row, "expr");
        let Err(error) = Schedule::parse(expr, &ParseOptions::default()) else {
            panic!("{expr:?} was accepted: {}", text(&row, "reason"));
        };
        let message = error.to_string();
        assert!(message.contains("column "), "{expr:?}: {message}");
        assert!(
            (1..=expr.chars().count() + 1).contains(&error.column),
            "{expr:?}: {message}"
        );
        // cronie names the field it stopped in; it reads a lack of fields as a fault of the first
        // missing one.
        let stopped = row["rejected_by"][0].as_str().expect("a string");
        let stopped = stopped
            .trim_start_matches("cronie parser: bad ")
            .replace('-', " ");
        let field = error.field.map_or("time specifier", |field| field.as_str());
        assert_eq!(field, stopped, "{expr:?}: {message}");
    }
}

#[test]
fn schedule_vectors_disagreements_follow_the_ruling() {
    let rows = rows(include_str!("../data/vectors/parser-disagreements.jsonl"));
    assert_eq!(rows.len(), 45);
    for row in rows {
        let (expr, right) = (text(&row, "expr"), text(&row, "right"));
        let parsed = Schedule::parse(expr, &ParseOptions::default());
        if right.starts_with("reject") {
            assert!(parsed.is_err(), "{expr:?} was accepted: {right}");
            continue;
        }
        let schedule = match parsed {
            Ok(schedule) => schedule,
            Err(error) => panic!("{expr:?}: {error}: {right}"),
        };
        assert_eq!(
            schedule.warnings().is_empty(),
            !right.contains("warning"),
            "{expr:?}: {:?}: {right}",
            schedule.warnings()
        );
        if right.contains("next = none") {
            assert_eq!(schedule.next_after(0), None, "{expr:?}");
        }
        if right.contains("minute 0") {
            assert_eq!(
                schedule.fields().map(|fields| fields.minute),
                Some(1),
                "{expr:?}"
            );
        }
        let dow = schedule.fields().map(|fields| fields.dow);
        if right.contains("accept as 5-7") {
            assert_eq!(dow, Some(0b110_0001), "{expr:?}");
        }
        if right.contains("accept as 6,7") {
            assert_eq!(dow, Some(0b100_0001), "{expr:?}");
        }
    }
}
