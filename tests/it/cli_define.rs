//! `add`, `list`, `show`, `pause`, `resume` and `rm`, through the program.

use std::process::Stdio;

use serde_json::{Value, json};

use crate::support::sandbox::Sandbox;

#[test]
fn cli_add_says_what_it_does_and_list_shows_it() {
    let sandbox = Sandbox::new();
    let args = [
        "add",
        "backup",
        "-s",
        "30 2 * * *",
        "--tz",
        "Europe/Berlin",
        "-c",
        "tar c ~",
    ];
    let added = sandbox.ok(&args);
    assert!(
        added.stdout.contains("at 02:30 every day (Europe/Berlin)"),
        "{added:?}"
    );
    let fires = added.stdout.lines().filter(|l| l.contains("02:30:00 CE"));
    assert_eq!(fires.count(), 3, "{added:?}");
    assert!(added.stderr.contains("no daemon"), "{added:?}");
    let list = sandbox.ok(&["list"]);
    let mut lines = list.stdout.lines();
    let heads: Vec<&str> = lines
        .next()
        .unwrap_or_default()
        .split_whitespace()
        .collect();
    assert_eq!(heads, ["JOB", "SCHEDULE", "LAST", "AGO", "NEXT"]);
    let row = lines.next().unwrap_or_default();
    assert!(
        row.starts_with("backup  30 2 * * * Europe/Berlin  -     -"),
        "{row}"
    );
}

/// Every flag of `add`, on lines as they belong together.
const EVERY_FLAG: &str = "-s @daily -s every_90s
--env K=v=w --umask 027 --stdin text --output-max 64K --cwd /tmp
--tag x --tag y --owner ana --description what_for --runbook https://run.example
--queue low --priority 2 --queue-max 9 --timeout none --silence 5m --kill-grace 2s
--retry 3 --backoff exp:1s..1m --on-lost retry
--catch-up all --catch-up-window 2d --catch-up-max 7
--overlap queue --max-parallel 2 --start-deadline 1h
-- /bin/echo a_b";

const KEYS: &str =
    "name schedules command argv paused queue next_at last running pause plans policy
engine shell env cwd stdin umask output_max tags owner runbook description origin version created_at
updated_at watches";

fn with_every_flag(sandbox: &Sandbox) {
    // An underscore stands for a blank, so that the flags can be split at blanks.
    let flags = EVERY_FLAG.split_whitespace().map(|word| match word {
        "every_90s" | "what_for" | "a_b" => word.replace('_', " "),
        word => word.to_owned(),
    });
    let mut args = vec!["add".to_owned(), "a".to_owned()];
    args.extend(flags);
    let added = sandbox.run(&args);
    assert_eq!(added.code, 0, "{added:?}");
}

#[test]
fn cli_items_have_every_key() {
    let sandbox = Sandbox::new();
    with_every_flag(&sandbox);
    let items = sandbox.items(&["list"]);
    let item = &items[0];
    for key in KEYS.split_whitespace() {
        assert!(item.get(key).is_some(), "{key} is missing: {item}");
    }
    assert_eq!(sandbox.item(&["show", "a"]), *item);
    let lines = sandbox.ok(&["--jsonl", "list"]);
    assert_eq!(lines.stdout.lines().count(), 1, "{lines:?}");
}

#[test]
fn cli_items_hold_what_the_flags_said() {
    let sandbox = Sandbox::new();
    with_every_flag(&sandbox);
    let item = sandbox.item(&["show", "a"]);
    assert_eq!(item["schedules"], json!(["@daily", "every 90s"]));
    assert_eq!(item["command"], Value::Null);
    assert_eq!(item["argv"], json!(["/bin/echo", "a b"]));
    assert_eq!(item["env"], json!({"K": "v=w"}));
    assert_eq!(item["umask"], "027");
    assert_eq!(item["output_max"], 65536);
    assert_eq!(item["plans"][0]["zone"], Value::Null);
    assert_eq!(
        item["policy"],
        json!({
            "priority": 2, "overlap": "queue", "max_parallel": 2, "queue_max": 9,
            "timeout_ms": null, "silence_ms": 300_000, "kill_grace_ms": 2000,
            "start_deadline_ms": 3_600_000, "retry": 3, "backoff": "exp:1s..1m",
            "on_lost": "retry", "catch_up": "all", "catch_up_window_ms": 172_800_000,
            "catch_up_max": 7,
        })
    );
}

#[test]
fn cli_add_refuses_a_name_that_is_taken_unless_told_to_replace() {
    let sandbox = Sandbox::new();
    sandbox.ok(&["add", "a", "-c", "one"]);
    let taken = sandbox.run(&["add", "a", "-c", "two", "--json"]);
    assert_eq!(taken.code, 5, "{taken:?}");
    assert!(
        taken.error()["hint"]
            .as_str()
            .is_some_and(|h| h.contains("--replace"))
    );
    let replaced = sandbox.item(&["add", "a", "-c", "two", "--replace"]);
    assert_eq!(
        (&replaced["command"], &replaced["version"]),
        (&json!("two"), &json!(2))
    );
}

#[test]
fn cli_add_paused_fires_nothing_until_resumed() {
    let sandbox = Sandbox::new();
    let item = sandbox.item(&["add", "a", "-s", "@hourly", "--pause", "-c", "x"]);
    assert_eq!(
        (&item["paused"], &item["next_at"]),
        (&json!(true), &Value::Null)
    );
    assert!(sandbox.ok(&["list"]).stdout.contains("paused by "));
    let item = sandbox.item(&["resume", "a"]);
    assert_eq!(item["paused"], false);
    assert!(item["next_at"].is_string(), "{item}");
}

#[test]
fn cli_pause_and_resume_may_be_said_twice() {
    let sandbox = Sandbox::new();
    sandbox.ok(&["add", "a", "-s", "@hourly", "-c", "x"]);
    let paused = sandbox.item(&["pause", "a", "--for", "36h", "--reason", "disk"]);
    assert_eq!(paused["pause"]["reason"], "disk");
    assert!(paused["pause"]["until"].is_string() && paused["next_at"].is_string());
    assert!(paused["next_at"].as_str() > paused["pause"]["until"].as_str());
    sandbox.ok(&["pause", "a"]);
    let again = sandbox.ok(&["pause", "a"]);
    assert!(again.stdout.contains("already"), "{again:?}");
    sandbox.ok(&["resume", "a"]);
    let again = sandbox.ok(&["resume", "a"]);
    assert!(again.stdout.contains("was not paused"), "{again:?}");
    let past = sandbox.run(&["pause", "a", "--until", "2020-01-01"]);
    assert_eq!(past.code, 2, "{past:?}");
}

#[test]
fn cli_rm_can_be_undone_and_a_pause_survives_it() {
    let sandbox = Sandbox::new();
    sandbox.ok(&["add", "a", "-s", "@hourly", "--retry", "2", "-c", "x"]);
    sandbox.ok(&["pause", "a"]);
    let before = sandbox.item(&["show", "a"]);
    let removed = sandbox.ok(&["rm", "a"]);
    assert!(removed.stdout.contains("crake rm --undo a"), "{removed:?}");
    assert_eq!(sandbox.run(&["show", "a"]).code, 3);
    sandbox.ok(&["rm", "--undo", "a"]);
    let after = sandbox.item(&["show", "a"]);
    for key in ["schedules", "command", "policy", "paused"] {
        assert_eq!(after[key], before[key]);
    }
    let again = sandbox.run(&["rm", "--undo", "a"]);
    assert_eq!(again.code, 5, "{again:?}");
    let never = sandbox.run(&["rm", "--undo", "b"]);
    assert_eq!(never.code, 3, "{never:?}");
}

#[test]
fn cli_rm_removes_all_or_nothing() {
    let sandbox = Sandbox::new();
    sandbox.ok(&["add", "a", "-c", "x"]);
    assert_eq!(sandbox.run(&["rm", "a", "b"]).code, 3);
    assert_eq!(sandbox.items(&["list"]).len(), 1);
}

#[test]
fn cli_show_tells_everything_in_words() {
    let sandbox = Sandbox::new();
    sandbox.ok(&[
        "add",
        "a",
        "-s",
        "0 8 * * mon-fri",
        "--timeout",
        "5m",
        "-c",
        "echo hi",
    ]);
    sandbox.ok(&["pause", "a", "--reason", "holidays"]);
    let shown = sandbox.ok(&["show", "a", "--history"]).stdout;
    for part in [
        "echo hi",
        "08:00",
        "Monday",
        "timeout 5m",
        "PAUSED",
        "holidays",
        "version 1",
    ] {
        assert!(shown.contains(part), "{part} is missing:\n{shown}");
    }
    let item = sandbox.item(&["show", "a", "--history"]);
    let what: Vec<&str> = item["history"]
        .as_array()
        .expect("a list")
        .iter()
        .filter_map(|row| row["what"].as_str())
        .collect();
    assert_eq!(what, ["paused", "added"]);
}

#[test]
fn cli_empty_list_says_what_to_do_and_makes_nothing() {
    let sandbox = Sandbox::new();
    let list = sandbox.ok(&["list"]);
    assert_eq!(list.stdout, "");
    assert!(list.stderr.contains("crake import"), "{list:?}");
    assert!(!sandbox.path("home").exists());
    assert!(sandbox.items(&["list"]).is_empty());
}

#[test]
fn a_home_made_by_several_at_once_serves_all_of_them() {
    for _ in 0..10 {
        let sandbox = Sandbox::new();
        let start = |args: &[&str]| {
            let mut command = sandbox.command();
            command.args(args).stdout(Stdio::null());
            command.stderr(Stdio::piped()).spawn().unwrap()
        };
        let mut all = Vec::new();
        for name in ["a", "b", "c", "d", "e", "f"] {
            all.push(start(&["add", name, "-c", "true"]));
            all.push(start(&["status"]));
        }
        for child in all {
            let ended = child.wait_with_output().unwrap();
            let words = String::from_utf8_lossy(&ended.stderr).into_owned();
            assert!(ended.status.success(), "{words}");
        }
        assert_eq!(sandbox.items(&["list"]).len(), 6);
    }
}
