//! What bounds a schedule beyond its expression, through the program.

use serde_json::{Value, json};

use crate::support::sandbox::Sandbox;

const HOURLY: [&str; 6] = ["add", "a", "-s", "@hourly", "-c", "x"];

fn plan(sandbox: &Sandbox, job: &str) -> Value {
    sandbox.item(&["show", job])["plans"][0].clone()
}

fn ats(items: &[Value]) -> Vec<&str> {
    items
        .iter()
        .filter_map(|item| item["at"].as_str())
        .collect()
}

#[test]
fn cli_terms_bound_what_fires() {
    let sandbox = Sandbox::new();
    let terms = [
        "--start",
        "2029-01-01 05:00",
        "--end",
        "2029-01-01T08:30:00Z",
    ];
    sandbox.ok(&[
        &HOURLY[..],
        &terms,
        &["--max-fires", "3", "--jitter", "10m"],
    ]
    .concat());
    let next = sandbox.items(&["next", "a"]);
    assert_eq!(
        ats(&next),
        [
            "2029-01-01T05:00:00+00:00",
            "2029-01-01T06:00:00+00:00",
            "2029-01-01T07:00:00+00:00"
        ]
    );
    assert_eq!(sandbox.item(&["show", "a"])["next_at"], next[0]["at"]);
    let plan = plan(&sandbox, "a");
    assert_eq!(plan["start_at"], "2029-01-01T05:00:00+00:00");
    assert_eq!(plan["end_at"], "2029-01-01T08:30:00+00:00");
    assert_eq!(
        (&plan["max_fires"], &plan["jitter_ms"]),
        (&json!(3), &json!(600_000))
    );
    assert_eq!(plan["fired"], 0);
    assert_eq!(sandbox.items(&["list"])[0]["plans"][0], plan);
    let text = sandbox.ok(&["show", "a"]).stdout;
    for line in [
        "starting up to 10m later",
        "from Mon 2029-01-01 05:00:00 UTC on",
        "at most 3",
    ] {
        assert!(text.contains(line), "{line}: {text}");
    }
}

#[test]
fn cli_terms_stay_when_a_job_is_edited_and_go_when_told() {
    let sandbox = Sandbox::new();
    let terms = [
        "--start",
        "2029-01-01",
        "--max-fires",
        "3",
        "--jitter",
        "10m",
    ];
    sandbox.ok(&[&HOURLY[..], &terms].concat());
    sandbox.ok(&["edit", "a", "-s", "30 * * * *", "--timeout", "5m"]);
    let kept = plan(&sandbox, "a");
    assert_eq!(
        (&kept["max_fires"], &kept["jitter_ms"]),
        (&json!(3), &json!(600_000))
    );
    sandbox.ok(&["edit", "a", "--set", "jitter=5m", "--set", "end=2030-01-01"]);
    let set = plan(&sandbox, "a");
    assert_eq!(set["jitter_ms"], 300_000);
    assert_eq!(set["end_at"], "2030-01-01T00:00:00+00:00");
    assert_eq!(set["start_at"], "2029-01-01T00:00:00+00:00");
    let none = [
        "--start",
        "none",
        "--end",
        "none",
        "--max-fires",
        "none",
        "--jitter",
        "none",
    ];
    sandbox.ok(&[&["edit", "a"][..], &none].concat());
    let gone = plan(&sandbox, "a");
    for key in [
        "start_at",
        "end_at",
        "max_fires",
        "calendar",
        "shift",
        "fired",
    ] {
        assert_eq!(gone[key], Value::Null, "{key}");
    }
    assert_eq!(gone["jitter_ms"], 0);
    assert!(
        sandbox
            .ok(&["edit", "a", "--jitter", "0s"])
            .stdout
            .contains("nothing changed")
    );
}

#[test]
fn cli_terms_count_every_from_the_start() {
    let sandbox = Sandbox::new();
    let start = [
        "add",
        "a",
        "-s",
        "every 7h",
        "-c",
        "x",
        "--start",
        "2029-01-01 01:00",
    ];
    sandbox.ok(&start);
    let of = |sandbox: &Sandbox| sandbox.items(&["next", "a", "-n", "2"]);
    let first = ["2029-01-01T01:00:00+00:00", "2029-01-01T08:00:00+00:00"];
    assert_eq!(ats(&of(&sandbox)), first);
    sandbox.ok(&["edit", "a", "--set", "start=2029-01-01 03:00"]);
    assert_eq!(of(&sandbox)[0]["at"], "2029-01-01T03:00:00+00:00");
    sandbox.ok(&["edit", "a", "--set", "timeout=5m"]);
    assert_eq!(of(&sandbox)[1]["at"], "2029-01-01T10:00:00+00:00");
}

#[test]
fn cli_terms_that_make_no_sense_are_refused() {
    let sandbox = Sandbox::new();
    let refused = |more: &[&str], code: i32, words: &str| {
        let answer = sandbox.run(&[&HOURLY[..], more].concat());
        assert_eq!(answer.code, code, "{answer:?}");
        assert!(answer.stderr.contains(words), "{words}: {answer:?}");
    };
    refused(&["--jitter", "61m"], 6, "fires as little as 1h apart");
    refused(
        &["--start", "2029-01-02", "--end", "2029-01-01"],
        6,
        "before it starts",
    );
    refused(&["--shift", "next"], 2, "--calendar NAME");
    refused(&["--start", "2029"], 2, "no instant");
    refused(&["--max-fires", "0"], 2, "write 1 or more");
    refused(&["--jitter", "soon"], 2, "--jitter");
    let none = sandbox.run(&["add", "a", "-c", "x", "--jitter", "5m"]);
    assert_eq!(none.code, 2, "{none:?}");
    assert!(none.stderr.contains("no schedule to bound"), "{none:?}");
    assert!(sandbox.items(&["list"]).is_empty());
    sandbox.ok(&HOURLY);
    for setting in ["jitter=2h", "max_fires=0", "shift=sideways", "end=never"] {
        let wrong = sandbox.run(&["edit", "a", "--set", setting]);
        assert_eq!(wrong.code, 6, "{setting}: {wrong:?}");
    }
}

#[test]
fn cli_terms_draw_once_for_a_job_and_never_again() {
    let sandbox = Sandbox::new();
    let from = ["--from", "2029-01-01", "-n", "1"];
    let at = |job: &str| {
        let next = sandbox.items(&[&["next", job][..], &from].concat());
        next[0]["at"].to_string()
    };
    sandbox.ok(&["add", "backup", "-s", "H H * * *", "-c", "x"]);
    sandbox.ok(&["add", "ping", "-s", "0~59 0~23 * * *", "-c", "x"]);
    let (backup, ping) = (at("backup"), at("ping"));
    sandbox.ok(&["edit", "backup", "--name", "archive", "--timeout", "5m"]);
    assert_eq!(at("archive"), backup);
    sandbox.ok(&["edit", "ping", "--set", "timeout=5m"]);
    assert_eq!(at("ping"), ping);
    sandbox.ok(&["add", "other", "-s", "H H * * *", "-c", "x"]);
    assert_ne!(at("other"), backup);
    let wrong = sandbox.run(&["next", "H 2 * * *"]);
    assert_eq!(wrong.code, 6, "{wrong:?}");
    assert!(
        wrong.stderr.contains("tip: H needs the name of a job"),
        "{wrong:?}"
    );
}
