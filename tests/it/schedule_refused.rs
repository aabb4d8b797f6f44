//! Every message about a refused schedule, whole: `tests/data/schedule/refused.txt` holds the
//! expression, what is said, where the caret stands, and the hint, for each of them.

use crake::schedule::{ParseOptions, Schedule};

const REFUSED: &str = include_str!("../data/schedule/refused.txt");

fn said(expr: &str) -> String {
    match Schedule::parse(expr, &ParseOptions::default()) {
        Ok(schedule) => panic!("{expr:?} was accepted as {schedule:?}"),
        Err(error) => {
            let caret = error.caret();
            let caret = caret.lines().nth(1).unwrap_or("");
            let hint = error.hint.unwrap_or("-".to_owned());
            assert!(!error.expected.is_empty(), "{expr}");
            format!(
                "{expr}\n{caret}\n{}\n{hint}\n",
                format_args!("{}", message(expr))
            )
        }
    }
}

fn message(expr: &str) -> String {
    let refusal = Schedule::parse(expr, &ParseOptions::default());
    refusal.map_or_else(|error| error.to_string(), |_| String::new())
}

#[test]
fn schedule_refusals_say_where_and_what_instead() {
    let rows: Vec<&str> = REFUSED.split("\n\n").collect();
    assert!(rows.len() >= 40, "{} rows", rows.len());
    for row in rows {
        let expr = row.lines().next().unwrap_or("");
        assert_eq!(said(expr).trim_end(), row.trim_end());
    }
}

#[test]
fn schedule_what_old_crons_swallow_is_refused_with_what_they_did() {
    let rows = include_str!("../data/vectors/parser-disagreements.jsonl");
    let mut told = 0;
    for row in rows.lines() {
        let row: serde_json::Value = serde_json::from_str(row).expect("JSON");
        let text = |key: &str| row[key].as_str().unwrap_or("");
        if !text("right").starts_with("reject") {
            continue;
        }
        let expr = text("expr");
        let hint = match Schedule::parse(expr, &ParseOptions::default()) {
            Ok(_) => panic!("{expr:?} was accepted"),
            Err(error) => error.hint.unwrap_or_default(),
        };
        let named = ["cron", "Debian"].iter().any(|word| hint.contains(word));
        assert!(named || expr == "0 0 $ * *", "{expr:?}: {hint:?}");
        told += 1;
    }
    assert!(told > 30, "{told}");
}
