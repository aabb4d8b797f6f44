//! What `apply` says of files that are wrong: everything, each at its place, and nothing is written.

use serde_json::{Value, json};

use crate::support::sandbox::Sandbox;

/// Line, column and message of everything that is wrong with a file.
fn faults(text: &str) -> Vec<(u64, u64, String)> {
    let sandbox = Sandbox::new();
    sandbox.file("jobs.toml", text.as_bytes());
    let answer = sandbox.run(&["--json", "apply", "-f", "jobs.toml"]);
    assert_eq!(answer.code, 6, "{answer:?}");
    assert_eq!(sandbox.items(&["list"]).len(), 0);
    let error = answer.error();
    let items = error["faults"].as_array().expect("faults").clone();
    let item = |f: &Value| {
        assert_eq!(f["file"], "jobs.toml");
        let number = |key: &str| f[key].as_u64().expect("a number");
        let message = f["message"].as_str().expect("a text").to_owned();
        (number("line"), number("column"), message)
    };
    items.iter().map(item).collect()
}

/// The one thing that is wrong with a file.
#[track_caller]
fn fault(text: &str, line: u64, column: u64, says: &str) {
    let found = faults(text);
    assert_eq!(found.len(), 1, "{text}\n{found:?}");
    assert_eq!((found[0].0, found[0].1), (line, column), "{found:?}");
    assert!(found[0].2.contains(says), "{found:?}");
}

/// Lines of a job that are wrong, the column of the fault, and what is said of it.
const LINES: &[(&str, u64, &str)] = &[
    ("timout = \"5m\"", 1, "unknown key \"timout\" in job a"),
    ("timeout = \"5 minutes\"", 11, "no length of time"),
    ("timeout = 5", 11, "a text in quotes"),
    ("\tpriority = 12", 13, "write 0 to 9"),
    ("nice = 40", 8, "write -20 to 19"),
    ("overlap = \"skp\"", 11, "none of skip, queue"),
    // The word that is wrong within the expression.
    (
        "schedule = [\"@daily\", \"30 2 * * xyz\"]",
        33,
        "day of week",
    ),
    (
        "schedule = { expr = \"@daily\", zone = \"UTC\" }",
        12,
        "unknown key \"zone\"",
    ),
    ("schedule = { timezone = \"UTC\" }", 12, "has an expr"),
    ("timezone = \"Europe/Berln\"", 12, "unknown time zone"),
    ("queue = \"heavy\"", 9, "there is no queue \"heavy\""),
    (
        "calendar = \"hol\"\nschedule = \"@daily\"",
        12,
        "no calendar named",
    ),
    ("jitter = \"5s\"", 1, "no schedule to bound"),
    (
        "start = \"tomorrow\"\nschedule = \"@daily\"",
        9,
        "write a date",
    ),
    ("umask = 27", 9, "a text in quotes"),
    ("umask = \"99\"", 9, "no mask"),
    (
        "env = { \"A=B\" = \"x\" }",
        7,
        "cannot be a variable's name",
    ),
    ("env = { PORT = 80 }", 7, "the value of PORT as a text"),
    ("stdin = 5", 9, "a text in quotes"),
    ("user = \"no-such-user\"", 8, "no-such-user"),
    ("after = [\"two words\"]", 9, "cannot be a job's name"),
    ("enabled = \"no\"", 11, "true or false"),
    ("memory_max = \"2 gigs\"", 14, "no number of bytes"),
    (
        "retry = { max = 3, deley = \"30s\" }",
        9,
        "unknown key \"deley\"",
    ),
    ("retry = { max = 3, backoff = 3 }", 9, "backoff is 1"),
    ("keep = { days = 0 }", 8, "days: write 1 or more"),
];

#[test]
fn cli_apply_names_the_place_of_each_fault() {
    let job = |line: &str| format!("[job.a]\ncommand = \"x\"\n{line}\n");
    for &(line, column, says) in LINES {
        let found = faults(&job(line));
        assert_eq!(found.len(), 1, "{line}\n{found:?}");
        let (at, wanted) = (
            found[0].1,
            if line.starts_with("jitter") {
                6
            } else {
                column
            },
        );
        assert_eq!(at, wanted, "{line}\n{found:?}");
        assert!(found[0].2.contains(says), "{line}\n{found:?}");
    }
    fault(
        "[job.a]\ncommand = [\"x\", 1]\n",
        2,
        11,
        "each argument is a text",
    );
    fault("[job.a]\nretry = 1\n", 1, 6, "job a has no command");
    fault(
        "[job.\"two words\"]\ncommand = \"x\"\n",
        1,
        6,
        "cannot be a job's name",
    );
    fault(
        "[jobs.a]\ncommand = \"x\"\n",
        1,
        2,
        "unknown table \"jobs\"",
    );
    fault("[[job]]\nname = \"a\"\n", 1, 3, "job is a table of jobs");
    fault("[defaults]\nseed = 1\n", 2, 8, "a seed is of one job");
}

#[test]
fn cli_apply_tells_everything_that_is_wrong_at_once() {
    let found = faults(
        "[defaults]\ntimeout = \"soon\"\n[job.a]\nretry = -1\n[job.b]\ncommand = \"x\"\nfrob = 1\n",
    );
    let places: Vec<(u64, u64)> = found.iter().map(|f| (f.0, f.1)).collect();
    // Defaults are told of once, however many jobs have them.
    assert_eq!(places, [(2, 11), (3, 6), (4, 9), (7, 1)], "{found:?}");
    // As much of broken TOML as can be told.
    let found = faults("[job.a\ncommand = \"y\" \"z\"\nx = = 3\n");
    let lines: Vec<u64> = found.iter().map(|f| f.0).collect();
    assert!([1, 2, 3].iter().all(|n| lines.contains(n)), "{found:?}");
}

#[test]
fn cli_apply_shows_the_line_with_a_caret_and_a_hint() {
    let sandbox = Sandbox::new();
    let text = "[job.a]\ncommand = \"x\"\nschedule = \"30 25 * * *\"\ntimout = \"5m\"\n";
    sandbox.file("jobs.toml", text.as_bytes());
    let answer = sandbox.run(&["apply", "-f", "jobs.toml"]);
    assert_eq!((answer.code, answer.stdout.as_str()), (6, ""));
    let lines: Vec<&str> = answer.stderr.lines().collect();
    assert!(
        lines[0].starts_with("jobs.toml:3:16: invalid schedule: hour"),
        "{answer:?}"
    );
    assert_eq!(lines[1], "  3 | schedule = \"30 25 * * *\"");
    assert_eq!(lines[2], "    |                ^^");
    assert!(answer.stderr.ends_with(
        "jobs.toml:4:1: unknown key \"timout\" in job a\n  4 | timout = \"5m\"\n    | ^^^^^^\n  \
         tip: did you mean \"timeout\"?\nerror: 2 faults in the jobs files; nothing was written\n"
    ), "{answer:?}");
}

#[test]
fn cli_apply_of_a_folder_that_is_half_valid_changes_nothing() {
    let sandbox = Sandbox::new();
    sandbox.file(
        "jobs/a.toml",
        b"[job.a]\ncommand = \"x\"\n[job.old]\ncommand = \"x\"\n",
    );
    sandbox.ok(&["apply", "-f", "jobs"]);
    let before = sandbox.items(&["list"]);
    sandbox.file("jobs/a.toml", b"[job.a]\ncommand = \"changed\"\n");
    sandbox.file(
        "jobs/b.toml",
        b"[job.b]\ncommand = \"x\"\nschedule = \"* *\"\n",
    );
    sandbox.file("jobs/c.toml", b"[job.a]\ncommand = \"twice\"\n");
    sandbox.file("jobs/d.toml", b"# \xff\n");
    let answer = sandbox.run(&["--json", "apply", "-f", "jobs", "--prune", "--force"]);
    assert_eq!(answer.code, 6, "{answer:?}");
    let error = answer.error();
    let faults = error["faults"].as_array().expect("faults");
    let files: Vec<&Value> = faults.iter().map(|f| &f["file"]).collect();
    assert_eq!(
        files,
        [
            &json!("jobs/b.toml"),
            &json!("jobs/c.toml"),
            &json!("jobs/d.toml")
        ]
    );
    let twice = faults[1]["message"].as_str().unwrap();
    assert!(
        twice.contains("defined in jobs/a.toml:1 already"),
        "{twice}"
    );
    assert_eq!(sandbox.items(&["list"]), before);
    let missing = sandbox.run(&["apply", "-f", "nowhere.toml"]);
    assert_eq!(missing.code, 6, "{missing:?}");
}

#[test]
fn cli_apply_refuses_circles_before_anything_is_written() {
    let found = faults(
        "[job.a]\ncommand = \"x\"\nafter = \"b\"\n[job.b]\ncommand = \"x\"\nafter = \"a\"\n",
    );
    assert_eq!(found.len(), 1, "{found:?}");
    assert!(
        found[0].2.ends_with("in a circle: a -> b -> a"),
        "{found:?}"
    );
    let sandbox = Sandbox::new();
    sandbox.ok(&["add", "kept", "--after", "a", "-c", "x"]);
    sandbox.file("jobs.toml", b"[job.a]\ncommand = \"x\"\nafter = \"kept\"\n");
    let answer = sandbox.run(&["apply", "-f", "jobs.toml", "-n"]);
    assert_eq!(answer.code, 6, "{answer:?}");
    let unknown = "[job.a]\ncommand = \"x\"\non_success = \"later\"\n";
    sandbox.file("jobs.toml", unknown.as_bytes());
    let warned = sandbox.ok(&["apply", "-f", "jobs.toml"]);
    assert!(
        warned
            .stderr
            .contains("a names \"later\", and there is no such job"),
        "{warned:?}"
    );
}
