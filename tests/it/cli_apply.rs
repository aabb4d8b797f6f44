//! `apply`: jobs as a file says them, all or none.

use serde_json::{Value, json};

use crate::support::sandbox::{Answer, Sandbox};

/// What becomes of each job, by `apply --json` with more arguments.
fn actions(sandbox: &Sandbox, args: &[&str]) -> Vec<(String, String)> {
    let args = [&["--json", "apply"], args].concat();
    let items = sandbox.run(&args).json()["items"].clone();
    let word = |item: &Value, key: &str| item[key].as_str().expect("a word").to_owned();
    let items = items.as_array().expect("items").iter();
    items.map(|i| (word(i, "job"), word(i, "action"))).collect()
}

fn pair(job: &str, action: &str) -> (String, String) {
    (job.to_owned(), action.to_owned())
}

fn names(sandbox: &Sandbox) -> Vec<String> {
    let items = sandbox.items(&["list"]);
    let name = |item: &Value| item["name"].as_str().expect("a name").to_owned();
    items.iter().map(name).collect()
}

/// A job with every field that is not as with a new one.
const FULL: &str = r#"
[job."full.one"]
description = "A \"quoted\" text"
command = ["/bin/sh", "-c", "echo 'a b'", ""]
schedule = ["H 2 * * *", { expr = "0 0 12 1W * ? 2030-2040", timezone = "Asia/Tokyo", dst = "skip" },
  { expr = "every 15m", anchor = 1700000000000 }]
timezone = "Europe/Berlin"
dst = "both"
calendar = "hol"
jitter = "30s"
start = 2026-01-31T08:00:00+01:00
end = "2099-12-31"
max_fires = 1000
catch_up = "all"
catch_up_window = "12h"
catch_up_max = 7
overlap = "allow"
max_parallel = 3
start_deadline = "1h"
queue = "slow"
priority = 2
queue_max = 9
timeout = "none"
silence = "1m30s"
kill_grace = "3s"
retry = { max = 3, delay = "30s", backoff = 2.0, max_delay = "5m" }
on_lost = "retry"
cwd = "/"
shell = "/bin/bash"
umask = "027"
env = { B = "2", A = "ein Wort", C = { b64 = "//4=" } }
stdin = "line\n\ttab\u0001"
output_max = "64K"
nice = 5
ionice = "best-effort:7"
memory_max = "2G"
cpu_max = "20m"
processes_max = 64
verify = "true"
on_success = ["other"]
on_failure = "other"
keep = { runs = 200, days = 90, log = "10M" }
tags = ["db", "night"]
owner = "ana"
runbook = "https://wiki/run"
seed = -5

[job.other]
command = '''
echo "three \ lines"
'''
enabled = false
shell = "/bin/bash"

[job.third]
command = "true"
after = ["full.one"]
schedule = "@daily"
"#;

fn with_surroundings() -> Sandbox {
    let sandbox = Sandbox::new();
    sandbox.ok(&["queue", "set", "slow", "--create", "--rank", "7"]);
    sandbox.ok(&["calendar", "add", "hol", "--exclude", "2026-12-25"]);
    sandbox
}

#[test]
fn cli_apply_round_trip_of_every_field_has_nothing_to_do() {
    let sandbox = with_surroundings();
    sandbox.file("jobs.toml", FULL.as_bytes());
    let first = sandbox.ok(&["apply", "-f", "jobs.toml"]);
    assert!(first.stdout.contains("3 new; 0 the same."), "{first:?}");
    let again = sandbox.ok(&["apply", "-f", "jobs.toml", "--exit-code"]);
    assert_eq!(again.stdout, "nothing to do; 3 the same\n");
    let item = sandbox.item(&["show", "full.one"]);
    assert_eq!(item["env"]["C"], json!({"b64": "//4="}));
    assert_eq!(item["keep_output"], 10 << 20);
    assert_eq!(item["policy"]["backoff"], "exp:30s..5m");
    assert_eq!(item["plans"].as_array().map(Vec::len), Some(3));
    let origin = item["origin"].as_str().expect("an origin");
    assert!(
        origin.starts_with("file:/") && origin.ends_with("/jobs.toml"),
        "{origin}"
    );
    assert_eq!(sandbox.item(&["show", "other"])["paused"], true);

    // What is exported is the same to the store it came from, and makes the same in another.
    let text = sandbox.ok(&["export"]).stdout;
    sandbox.file("exported.toml", text.as_bytes());
    let same = sandbox.ok(&["apply", "-f", "exported.toml", "--exit-code"]);
    assert!(
        same.stdout.starts_with("nothing to do; 3 the same\n"),
        "{same:?}"
    );
    let other = with_surroundings();
    other.file("jobs.toml", text.as_bytes());
    other.ok(&["apply", "-f", "jobs.toml"]);
    assert_eq!(other.ok(&["export"]).stdout, text);
    other.file("jobs.toml", FULL.as_bytes());
    let same = other.ok(&["apply", "-f", "jobs.toml", "--exit-code"]);
    assert_eq!(same.stdout, "nothing to do; 3 the same\n");
}

#[test]
fn cli_apply_knows_every_key_that_edit_and_export_write() {
    let sandbox = with_surroundings();
    sandbox.file("jobs.toml", FULL.as_bytes());
    sandbox.ok(&["apply", "-f", "jobs.toml"]);
    let schema: Value = serde_json::from_str(&sandbox.ok(&["apply", "--schema"]).stdout).unwrap();
    let keys = schema["definitions"]["job"]["properties"].clone();
    let keys = keys.as_object().expect("keys");
    // The editor shows every key there is of a job that says something of all.
    let editor = sandbox.file("editor", b"#!/bin/sh\ncat \"$1\" > shown\n");
    use std::os::unix::fs::PermissionsExt;
    std::fs::set_permissions(&editor, std::fs::Permissions::from_mode(0o755)).unwrap();
    let path = editor.display().to_string();
    for job in ["full.one", "third"] {
        sandbox.run_with("EDITOR", &path, &["edit", job]);
        let shown = std::fs::read_to_string(sandbox.path("shown")).unwrap();
        let shown: toml::Table = toml::from_str(&shown).unwrap();
        for key in shown.keys() {
            assert!(keys.contains_key(key), "{key} is in no schema");
        }
    }
    // And the example of each key is a value it can have.
    for (key, property) in keys {
        let table: toml::Value = toml::Value::try_from(&property["examples"][0]).unwrap();
        let mut job = toml::Table::new();
        job.insert("command".into(), "true".into());
        job.insert("schedule".into(), "@daily".into());
        job.insert("calendar".into(), "hol".into());
        job.insert(key.clone(), table);
        if key == "calendar" {
            job.insert("calendar".into(), "hol".into());
        }
        let jobs = toml::Table::from_iter([("x".to_owned(), toml::Value::Table(job))]);
        let file = toml::Table::from_iter([("job".to_owned(), toml::Value::Table(jobs))]);
        let text = toml::to_string(&file).unwrap();
        sandbox.file("one.toml", text.as_bytes());
        let answer = sandbox.run(&["apply", "-f", "one.toml", "-n"]);
        assert_eq!(answer.code, 0, "{text}\n{answer:?}");
    }
}

#[test]
fn cli_apply_defaults_hold_for_the_jobs_of_their_file() {
    let sandbox = Sandbox::new();
    sandbox.file(
        "jobs/a.toml",
        br#"
[defaults]
timeout = "5m"
jitter = "10s"
tags = ["a"]
env = { ONE = "1", TWO = "2" }
enabled = false
[job.a]
command = "x"
schedule = "@daily"
env = { TWO = "own" }
[job.b]
command = "x"
timeout = "7m"
enabled = true
tags = []
"#,
    );
    sandbox.file("jobs/b.toml", b"[job.c]\ncommand = \"x\"\n");
    sandbox.file("jobs/.hidden.toml", b"nothing of ours");
    sandbox.file("jobs/readme.txt", b"nothing of ours");
    sandbox.ok(&["apply", "-f", "jobs"]);
    let (a, b) = (sandbox.item(&["show", "a"]), sandbox.item(&["show", "b"]));
    let c = sandbox.item(&["show", "c"]);
    assert_eq!(a["env"], json!({"ONE": "1", "TWO": "own"}));
    assert_eq!(a["plans"][0]["jitter_ms"], 10_000);
    assert_eq!([&a["tags"], &b["tags"]], [&json!(["a"]), &json!([])]);
    let limits = [&a, &b, &c].map(|job| job["policy"]["timeout_ms"].as_i64());
    assert_eq!(limits, [300_000, 420_000, 86_400_000].map(Some));
    let paused = [&a, &b, &c].map(|job| job["paused"] == true);
    assert_eq!(paused, [true, false, false]);
}

#[test]
fn cli_apply_shows_what_changes_and_when_it_takes_effect() {
    let sandbox = Sandbox::new();
    let old = "[job.backup]\nschedule = \"30 2 * * *\"\ncommand = \"x\"\ntimeout = \"20m\"\n";
    sandbox.file(
        "jobs.toml",
        format!("{old}[job.old]\ncommand = \"x\"\n").as_bytes(),
    );
    sandbox.ok(&["apply", "-f", "jobs.toml"]);
    let new = old.replace("20m", "30m") + "[job.new]\ncommand = \"y\"\nschedule = \"@hourly\"\n";
    sandbox.file("jobs.toml", new.as_bytes());
    let plan = sandbox.run(&["apply", "-f", "jobs.toml", "-n", "--prune", "--exit-code"]);
    assert_eq!(plan.code, 8, "{plan:?}");
    let lines: Vec<&str> = plan.stdout.lines().collect();
    assert_eq!(lines[0], "~ backup  timeout  20m -> 30m");
    assert!(lines[1].starts_with("          first effect: ") && lines[1].contains("02:30:00"));
    assert!(lines[2].starts_with("+ new     @hourly  next "), "{plan:?}");
    assert!(
        lines[3].starts_with("- old     no longer in file:/"),
        "{plan:?}"
    );
    assert_eq!(
        lines[4],
        "1 change, 1 new, 1 removed; 0 the same. Nothing written (dry run)."
    );
    assert_eq!(names(&sandbox), ["backup", "old"]);
    let items = sandbox.run(&["--json", "apply", "-f", "jobs.toml", "-n", "--prune"]);
    let change = items.json()["items"][0].clone();
    assert_eq!(
        change["changes"],
        json!([{"key": "timeout", "old": "20m", "new": "30m"}])
    );
    assert_eq!(
        [&change["line"], &change["written"]],
        [&json!(1), &json!(false)]
    );
    assert!(
        change["first_effect_at"]
            .as_str()
            .is_some_and(|at| at.contains("T02:30:00"))
    );
    let done = sandbox.run(&["apply", "-f", "jobs.toml", "--prune", "--exit-code"]);
    assert_eq!(done.code, 8, "{done:?}");
    assert_eq!(names(&sandbox), ["backup", "new"]);
    sandbox.ok(&["rm", "--undo", "old"]);
}

#[test]
fn cli_apply_prunes_only_jobs_of_its_own_origin() {
    let sandbox = Sandbox::new();
    let job = |name: &str| format!("[job.{name}]\ncommand = \"x\"\n");
    sandbox.ok(&["add", "by-hand", "-c", "x"]);
    for (dir, names) in [("one", ["a", "b"]), ("two", ["c", "d"])] {
        let text = names.map(job).concat();
        sandbox.file(&format!("{dir}/jobs.toml"), text.as_bytes());
        sandbox.ok(&["apply", "-f", &format!("{dir}/jobs.toml")]);
    }
    // A file of the same name in another folder is another origin.
    sandbox.file("one/jobs.toml", job("a").as_bytes());
    let kept = sandbox.ok(&["apply", "-f", "one/jobs.toml"]);
    assert!(
        kept.stdout.contains("no longer in the file: b; --prune"),
        "{kept:?}"
    );
    sandbox.ok(&["apply", "-f", "one/jobs.toml", "--prune"]);
    assert_eq!(names(&sandbox), ["a", "by-hand", "c", "d"]);
    // A name of one's own outlives the place of the file.
    sandbox.ok(&[
        "apply",
        "-f",
        "two/jobs.toml",
        "--origin",
        "prod",
        "--adopt",
    ]);
    let moved = sandbox.feed(
        job("c").as_bytes(),
        &["apply", "-f", "-", "--origin", "prod", "--prune"],
    );
    assert_eq!(moved.code, 0, "{moved:?}");
    assert_eq!(names(&sandbox), ["a", "by-hand", "c"]);
    // A folder that is empty is a mistake, and removes nothing.
    std::fs::create_dir(sandbox.path("empty")).unwrap();
    let empty = sandbox.run(&["apply", "-f", "empty", "--origin", "prod", "--prune"]);
    assert_eq!(empty.code, 6, "{empty:?}");
    // So is a file that was cut off before its first job.
    let cut = ["apply", "-f", "-", "--origin", "prod", "--prune"];
    assert_eq!(sandbox.feed(b"# jobs\n", &cut).code, 5);
    let nameless: Answer = sandbox.feed(b"", &["apply", "-f", "-"]);
    assert_eq!(nameless.code, 2, "{nameless:?}");
    assert_eq!(names(&sandbox), ["a", "by-hand", "c"]);
    let meant = sandbox.feed(b"", &[&cut[..], &["--force"]].concat());
    assert_eq!(meant.code, 0, "{meant:?}");
    assert_eq!(names(&sandbox), ["a", "by-hand"]);
}

#[test]
fn cli_apply_does_not_remove_what_others_need() {
    let sandbox = Sandbox::new();
    let both = "[job.a]\ncommand = \"x\"\n[job.b]\ncommand = \"x\"\nafter = \"a\"\n";
    sandbox.file("jobs.toml", both.as_bytes());
    sandbox.ok(&["apply", "-f", "jobs.toml"]);
    sandbox.file(
        "jobs.toml",
        both.replace("[job.a]\ncommand = \"x\"\n", "").as_bytes(),
    );
    let prune = ["-f", "jobs.toml", "--prune"];
    assert_eq!(
        actions(&sandbox, &prune),
        [pair("a", "conflict"), pair("b", "same")]
    );
    assert_eq!(names(&sandbox), ["a", "b"]);
    // Without the line that needs it both go on well.
    sandbox.file("jobs.toml", b"[job.b]\ncommand = \"x\"\n");
    assert_eq!(
        actions(&sandbox, &prune),
        [pair("a", "remove"), pair("b", "change")]
    );
    assert_eq!(names(&sandbox), ["b"]);
}

#[test]
fn cli_apply_knows_a_place_again_whatever_is_behind_its_links() {
    let sandbox = Sandbox::new();
    for release in ["1", "2"] {
        sandbox.file(
            &format!("releases/{release}/jobs.toml"),
            format!("[job.a]\ncommand = \"{release}\"\n").as_bytes(),
        );
        let current = sandbox.path("current");
        let _ = std::fs::remove_file(&current);
        std::os::unix::fs::symlink(sandbox.path(&format!("releases/{release}")), &current).unwrap();
        sandbox.ok(&["apply", "-f", "current/jobs.toml"]);
        sandbox.ok(&[
            "apply",
            "-f",
            "releases/../current/./jobs.toml",
            "--exit-code",
        ]);
    }
    let a = sandbox.item(&["show", "a"]);
    assert_eq!([&a["command"], &a["version"]], [&json!("2"), &json!(2)]);
}
