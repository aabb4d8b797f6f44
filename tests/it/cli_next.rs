//! `next`, through the program.

use serde_json::{Value, json};

use crate::support::sandbox::Sandbox;

fn ats(items: &[Value]) -> Vec<&str> {
    items
        .iter()
        .filter_map(|item| item["at"].as_str())
        .collect()
}

#[test]
fn cli_next_tells_the_fires_of_an_expression() {
    let sandbox = Sandbox::new();
    let items = sandbox.items(&[
        "next",
        "30 2 * * *",
        "--tz",
        "Europe/Berlin",
        "--from",
        "2027-03-27",
        "-n",
        "3",
    ]);
    assert_eq!(
        ats(&items),
        [
            "2027-03-27T02:30:00+01:00",
            "2027-03-28T03:00:00+02:00",
            "2027-03-29T02:30:00+02:00"
        ]
    );
    assert_eq!(items[0]["note"], Value::Null);
    assert_eq!(items[1]["note"], "moved from 02:30: the clock skips it");
    assert_eq!(
        (&items[0]["job"], &items[0]["schedule"]),
        (&Value::Null, &json!("30 2 * * *"))
    );
    assert_eq!(items[0]["zone"], "Europe/Berlin");
    assert!(items[0]["in_ms"].is_i64());
    assert!(!sandbox.path("home").exists());
}

#[test]
fn cli_next_says_nothing_of_a_jump_that_moves_nothing() {
    let sandbox = Sandbox::new();
    for expr in ["0 3 * * *", "*/30 * * * *", "@hourly", "every 90s"] {
        let args = [
            "next",
            expr,
            "--tz",
            "Europe/Berlin",
            "--from",
            "2027-03-28",
            "-n",
            "200",
        ];
        for item in sandbox.items(&args) {
            assert_eq!(item["note"], Value::Null, "{item}");
        }
    }
}

#[test]
fn cli_next_takes_instants_in_every_form() {
    let sandbox = Sandbox::new();
    for from in [
        "2027-01-31T08:00:00+01:00",
        "2027-01-31 07:00",
        "2027-01-31T07:00:00Z",
    ] {
        let items = sandbox.items(&["next", "0 7 * * *", "--from", from, "-n", "1"]);
        assert_eq!(
            ats(&items),
            ["2027-02-01T07:00:00+00:00"],
            "strictly after {from}"
        );
    }
    let args = [
        "next",
        "@daily",
        "--from",
        "2027-01-01",
        "--until",
        "2027-01-04",
    ];
    assert_eq!(sandbox.items(&args).len(), 3);
    let relative = sandbox.items(&["next", "* * * * *", "--from", "-2h", "-n", "1"]);
    assert!(
        relative[0]["in_ms"].as_i64().is_some_and(|ms| ms < 0),
        "{relative:?}"
    );
    let rule = [
        "next",
        "30 2 * * *",
        "--tz",
        "Europe/Berlin",
        "--dst",
        "skip",
        "--from",
    ];
    let items = sandbox.items(&[&rule[..], &["2027-03-28", "-n", "1"]].concat());
    assert_eq!(ats(&items), ["2027-03-29T02:30:00+02:00"]);
}

#[test]
fn cli_next_of_what_never_fires_is_empty_and_no_failure() {
    let sandbox = Sandbox::new();
    for expr in ["0 0 30 2 *", "@reboot", "at 2020-01-01T00:00:00Z"] {
        let answer = sandbox.ok(&["next", expr, "--json"]);
        assert_eq!(answer.json(), json!({"v": 1, "items": []}));
        assert!(answer.stderr.starts_with("note: "), "{answer:?}");
    }
}

#[test]
fn cli_next_prefers_a_job_to_an_expression_and_merges_all() {
    let sandbox = Sandbox::new();
    sandbox.ok(&[
        "add",
        "night",
        "-s",
        "0 2 * * *",
        "-s",
        "0 4 * * *",
        "-c",
        "x",
    ]);
    sandbox.ok(&[
        "add",
        "day",
        "-s",
        "0 12 * * *",
        "--tz",
        "Asia/Tokyo",
        "-c",
        "x",
    ]);
    let items = sandbox.items(&["next", "night", "--from", "2027-01-01", "-n", "3"]);
    assert_eq!(
        ats(&items),
        [
            "2027-01-01T02:00:00+00:00",
            "2027-01-01T04:00:00+00:00",
            "2027-01-02T02:00:00+00:00"
        ]
    );
    assert_eq!(items[0]["job"], "night");
    let items = sandbox.items(&["next", "--from", "2027-01-01", "-n", "3"]);
    let jobs: Vec<&str> = items
        .iter()
        .filter_map(|item| item["job"].as_str())
        .collect();
    assert_eq!(jobs, ["night", "day", "night"]);
    assert_eq!(items[1]["at"], "2027-01-01T12:00:00+09:00");
    let utc = sandbox.items(&[
        "next",
        "day",
        "--tz",
        "UTC",
        "--from",
        "2027-01-01",
        "-n",
        "1",
    ]);
    assert_eq!(ats(&utc), ["2027-01-01T03:00:00+00:00"]);
    sandbox.ok(&["pause", "day"]);
    let paused = sandbox.items(&["next", "day", "-n", "1"]);
    assert!(
        paused[0]["note"]
            .as_str()
            .is_some_and(|n| n.starts_with("paused by"))
    );
}

#[test]
fn cli_next_agrees_with_the_recorded_answers() {
    let sandbox = Sandbox::new();
    let rows = include_str!("../data/vectors/crontab.jsonl");
    let mut checked = 0;
    for line in rows.lines().step_by(20) {
        let row: Value = serde_json::from_str(line).expect("a row");
        let text = |key: &str| row[key].as_str().expect("a text").to_owned();
        let wanted = row["next"].as_array().expect("a list");
        let count = wanted.len().to_string();
        let (expr, tz, after) = (text("expr"), text("tz"), text("after"));
        let args = ["next", &expr, "--tz", &tz, "--from", &after, "-n", &count];
        let items = sandbox.items(&args);
        let wanted: Vec<&str> = wanted.iter().filter_map(Value::as_str).collect();
        assert_eq!(ats(&items), wanted, "{args:?}");
        checked += 1;
    }
    assert_eq!(checked, 59);
}
