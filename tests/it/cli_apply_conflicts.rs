//! `apply` where somebody else changed a job, and where it is killed.

use std::fmt::Write;
use std::process::Stdio;

use serde_json::{Value, json};

use crate::support::sandbox::Sandbox;

fn with_a_file() -> Sandbox {
    let sandbox = Sandbox::new();
    let text = "[job.a]\ncommand = \"x\"\nschedule = \"@daily\"\n[job.b]\ncommand = \"x\"\n";
    sandbox.file("jobs.toml", text.as_bytes());
    sandbox.ok(&["apply", "-f", "jobs.toml"]);
    sandbox
}

fn change_file(sandbox: &Sandbox, from: &str, to: &str) {
    let text = std::fs::read_to_string(sandbox.path("jobs.toml")).unwrap();
    sandbox.file("jobs.toml", text.replace(from, to).as_bytes());
}

const APPLY: [&str; 3] = ["apply", "-f", "jobs.toml"];

#[test]
fn cli_apply_overwrites_what_was_changed_by_hand_only_when_told_so() {
    let sandbox = with_a_file();
    sandbox.ok(&["edit", "a", "--timeout", "7m"]);
    change_file(&sandbox, "[job.b]", "[job.b]\nretry = 2");
    let refused = sandbox.run(&APPLY);
    assert_eq!(refused.code, 5, "{refused:?}");
    assert!(
        refused.stdout.contains("! a  changed here by "),
        "{refused:?}"
    );
    assert!(refused.stdout.contains("timeout  1d -> 7m"), "{refused:?}");
    assert!(refused.stdout.contains("--force"), "{refused:?}");
    // Nothing at all was written.
    assert_eq!(sandbox.item(&["show", "b"])["policy"]["retry"], 0);
    let json = sandbox.run(&["--json", "apply", "-f", "jobs.toml"]);
    assert_eq!(json.error()["code"], 5);
    assert_eq!(json.json()["items"][0]["action"], "conflict");
    assert_eq!(sandbox.run(&[&APPLY[..], &["-n"]].concat()).code, 5);
    sandbox.ok(&[&APPLY[..], &["--force"]].concat());
    let a = sandbox.item(&["show", "a"]);
    assert_eq!(a["policy"]["timeout_ms"], 86_400_000);
    assert_eq!(sandbox.item(&["show", "b"])["policy"]["retry"], 2);
    let again = sandbox.ok(&APPLY);
    assert_eq!(again.stdout, "nothing to do; 2 the same\n");
}

#[test]
fn cli_apply_sees_no_conflict_in_what_the_file_says_as_well() {
    let sandbox = with_a_file();
    // Changed and changed back, and a change that was put into the file.
    sandbox.ok(&["edit", "b", "--timeout", "7m"]);
    sandbox.ok(&["edit", "b", "--timeout", "1d"]);
    sandbox.ok(&["edit", "a", "--timeout", "7m"]);
    change_file(&sandbox, "[job.a]", "[job.a]\ntimeout = \"7m\"");
    let same = sandbox.ok(&APPLY);
    assert_eq!(same.stdout, "nothing to do; 2 the same\n");
    change_file(&sandbox, "[job.b]", "[job.b]\nretry = 2");
    sandbox.ok(&APPLY);
    assert_eq!(sandbox.item(&["show", "b"])["policy"]["retry"], 2);
}

#[test]
fn cli_apply_leaves_pauses_made_by_hand_and_ends_its_own() {
    let sandbox = with_a_file();
    let paused = |job: &str| sandbox.item(&["show", job])["paused"] == true;
    sandbox.ok(&["pause", "a"]);
    let same = sandbox.ok(&APPLY);
    assert_eq!(same.stdout, "nothing to do; 2 the same\n");
    assert!(paused("a"));
    sandbox.ok(&["resume", "a"]);
    change_file(&sandbox, "[job.a]", "[job.a]\nenabled = false");
    let off = sandbox.ok(&APPLY);
    assert!(
        off.stdout.starts_with("~ a  enabled  true -> false\n"),
        "{off:?}"
    );
    assert!(paused("a"));
    assert_eq!(sandbox.ok(&APPLY).stdout, "nothing to do; 2 the same\n");
    let version = sandbox.item(&["show", "a"])["version"].clone();
    change_file(&sandbox, "enabled = false", "");
    sandbox.ok(&APPLY);
    assert!(!paused("a"));
    // The definition is the same, so it is no new version.
    assert_eq!(sandbox.item(&["show", "a"])["version"], version);
}

#[test]
fn cli_apply_takes_jobs_of_others_only_when_told_so() {
    let sandbox = Sandbox::new();
    sandbox.ok(&["add", "same", "-c", "x"]);
    sandbox.ok(&["add", "other", "-c", "x"]);
    let text = "[job.same]\ncommand = \"x\"\n[job.other]\ncommand = \"y\"\n";
    sandbox.file("jobs.toml", text.as_bytes());
    let refused = sandbox.run(&APPLY);
    assert_eq!(refused.code, 5, "{refused:?}");
    assert!(
        refused.stdout.contains("! other  it was added by hand"),
        "{refused:?}"
    );
    assert!(
        refused
            .stdout
            .contains("1 of the same are not of this file"),
        "{refused:?}"
    );
    sandbox.ok(&[&APPLY[..], &["--adopt"]].concat());
    assert_eq!(sandbox.ok(&APPLY).stdout, "nothing to do; 2 the same\n");
    sandbox.file("jobs.toml", b"[job.other]\ncommand = \"y\"\n");
    sandbox.ok(&[&APPLY[..], &["--prune"]].concat());
    assert_eq!(sandbox.items(&["list"]).len(), 1);
    // What came from a crontab stays with it.
    sandbox.file("table", b"0 1 * * * echo hello\n");
    sandbox.ok(&["import", "table"]);
    let imported = sandbox.items(&["list"]);
    let imported = imported.iter().find(|j| j["name"] != "other").unwrap();
    let name = imported["name"].as_str().unwrap();
    let text = format!("[job.{name}]\ncommand = \"y\"\n");
    sandbox.file("third.toml", text.as_bytes());
    let refused = sandbox.run(&["apply", "-f", "third.toml", "--adopt", "--force"]);
    assert_eq!(refused.code, 5, "{refused:?}");
    assert!(
        refused.stdout.contains("it came from crontab:"),
        "{refused:?}"
    );
}

#[test]
fn cli_apply_turns_who_follows_whom_around() {
    let sandbox = Sandbox::new();
    let text = |a: &str, b: &str| {
        format!("[job.a]\ncommand = \"x\"\n{a}\n[job.b]\ncommand = \"x\"\n{b}\n")
    };
    sandbox.file("jobs.toml", text("", "after = \"a\"").as_bytes());
    sandbox.ok(&APPLY);
    // Between the two there would be a circle.
    sandbox.file("jobs.toml", text("after = \"b\"", "").as_bytes());
    sandbox.ok(&APPLY);
    assert_eq!(sandbox.item(&["show", "a"])["after"], json!(["b"]));
    assert_eq!(sandbox.item(&["show", "b"])["after"], json!([]));
}

#[test]
fn cli_show_history_tells_what_each_change_changed() {
    let sandbox = with_a_file();
    change_file(
        &sandbox,
        "[job.a]",
        "[job.a]\nretry = 2\nenv = { K = \"v\" }",
    );
    sandbox.ok(&APPLY);
    sandbox.ok(&["pause", "a"]);
    sandbox.ok(&["edit", "a", "-s", "@hourly"]);
    let item = sandbox.item(&["show", "a", "--history"]);
    let history = item["history"].as_array().unwrap();
    let what: Vec<&Value> = history.iter().map(|h| &h["what"]).collect();
    assert_eq!(what, ["changed", "paused", "applied", "applied"]);
    assert_eq!(
        history[0]["changes"],
        json!([{"key": "schedule", "old": ["@daily"], "new": ["@hourly"]}])
    );
    assert_eq!(history[1]["changes"], json!([]));
    assert_eq!(
        history[2]["changes"],
        json!([{"key": "retry", "old": 0, "new": 2}, {"key": "env.K", "old": null, "new": "v"}])
    );
    assert_eq!(history[3]["changes"], Value::Null);
    let text = sandbox.ok(&["show", "a", "--history"]).stdout;
    assert!(text.contains("retry  0 -> 2\n"), "{text}");
}

/// A file with many jobs, each of which follows another.
fn many(count: usize) -> String {
    let mut text = "[defaults]\ntimezone = \"Europe/Berlin\"\n".to_owned();
    for n in 0..count {
        let minute = n % 60;
        writeln!(
            text,
            "[job.job-{n}]\ncommand = [\"/bin/echo\", \"{n}\"]\nschedule = \"{minute} * * * *\""
        )
        .unwrap();
        if n % 2 == 1 {
            writeln!(text, "after = \"job-{}\"", n - 1).unwrap();
        }
    }
    text
}

fn jobs_in(sandbox: &Sandbox) -> i64 {
    let sql = rusqlite::Connection::open(sandbox.store()).unwrap();
    sql.query_row("SELECT count(*) FROM job", [], |row| row.get(0))
        .unwrap()
}

#[test]
fn cli_apply_writes_a_thousand_jobs_in_one_transaction() {
    let sandbox = Sandbox::new();
    sandbox.file("jobs.toml", b"[job.first]\ncommand = \"x\"\n");
    sandbox.ok(&APPLY);
    sandbox.file("jobs.toml", many(1_000).as_bytes());
    let sql = rusqlite::Connection::open(sandbox.store()).unwrap();
    let count = || -> i64 {
        sql.query_row("SELECT count(*) FROM job", [], |row| row.get(0))
            .unwrap()
    };
    let mut command = sandbox.command();
    let mut child = command.args(APPLY).stdout(Stdio::null()).spawn().unwrap();
    // Whoever looks meanwhile sees none of them or all.
    let status = loop {
        let seen = count();
        assert!([1, 1_001].contains(&seen), "{seen} jobs were seen");
        if let Some(status) = child.try_wait().unwrap() {
            break status;
        }
    };
    assert!(status.success());
    assert_eq!(count(), 1_001);
    let row: (i64, i64, i64) = sql
        .query_row(
            "SELECT count(*), count(DISTINCT at), (SELECT count(*) FROM follow)
               FROM history WHERE job <> 'first'",
            [],
            |row| Ok((row.get(0)?, row.get(1)?, row.get(2)?)),
        )
        .unwrap();
    assert_eq!(row, (1_000, 1, 500));
    let again = sandbox.ok(&APPLY);
    let same = "nothing to do; 1000 the same\nno longer in the file: first;";
    assert!(again.stdout.starts_with(same), "{again:?}");
}

#[test]
fn cli_apply_killed_at_any_point_writes_all_or_nothing() {
    if !cfg!(debug_assertions) {
        eprintln!("SKIPPED: crash points are in debug builds only");
        return;
    }
    let sandbox = Sandbox::new();
    sandbox.file("jobs.toml", b"[job.old]\ncommand = \"x\"\n");
    sandbox.ok(&APPLY);
    sandbox.file("jobs.toml", many(60).as_bytes());
    let file = sandbox.path("crash-here");
    let prune = [&APPLY[..], &["--prune"]].concat();
    for (point, nth, after) in [
        ("apply wrote a job", 1, 1),
        ("apply wrote a job", 33, 1),
        ("apply wrote a job", 60, 1),
        ("apply committed", 1, 60),
    ] {
        std::fs::write(&file, b"").unwrap();
        let told = format!("{point}:{nth}:{}", file.display());
        let died = sandbox.run_with("CRAKE_CRASH", &told, &prune);
        assert_eq!(died.code, -1, "{point}: {died:?}");
        assert_eq!(jobs_in(&sandbox), after, "{point} {nth}");
    }
    let again = sandbox.ok(&prune);
    assert_eq!(again.stdout, "nothing to do; 60 the same\n");
}
