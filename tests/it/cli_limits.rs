//! The flags and keys that limit a job, from `add` through `edit` to `show`.

use serde_json::json;

use crate::support::sandbox::Sandbox;

const KEYS: [&str; 7] = [
    "user",
    "nice",
    "ionice",
    "memory_max",
    "cpu_max_ms",
    "processes_max",
    "verify",
];

fn limits(sandbox: &Sandbox, job: &str) -> Vec<serde_json::Value> {
    let item = sandbox.item(&["show", job]);
    KEYS.map(|key| item.get(key).expect(key).clone()).to_vec()
}

fn full() -> Vec<serde_json::Value> {
    vec![
        json!(null),
        json!(5),
        json!("best-effort:6"),
        json!(64 << 20),
        json!(90_000),
        json!(20),
        json!("test -s out"),
    ]
}

const FLAGS: [&str; 12] = [
    "--nice",
    "5",
    "--ionice",
    "best-effort:6",
    "--memory-max",
    "64M",
    "--cpu-max",
    "90s",
    "--processes-max",
    "20",
    "--verify",
    "test -s out",
];

#[test]
fn limits_given_as_flags_are_shown_and_taken_away_by_none() {
    let sandbox = Sandbox::new();
    sandbox.ok(&["add", "plain", "-c", "true"]);
    assert_eq!(limits(&sandbox, "plain"), vec![json!(null); 7]);
    sandbox.ok(&[&["add", "full", "-c", "true"][..], &FLAGS].concat());
    assert_eq!(limits(&sandbox, "full"), full());
    let shown = sandbox.ok(&["show", "full"]).stdout;
    let may =
        "may use      64M of memory, 1m30s of CPU time, 20 processes, nice 5, ionice best-effort:6";
    assert!(shown.contains(may), "{shown}");
    assert!(shown.contains("verified by  test -s out"), "{shown}");
    sandbox.ok(&["edit", "full", "--nice", "-3", "--verify", "none"]);
    let after = limits(&sandbox, "full");
    assert_eq!((&after[1], &after[6]), (&json!(-3), &json!(null)));
    let none = ["nice", "ionice", "memory-max", "cpu-max", "processes-max"];
    for flag in none {
        sandbox.ok(&["edit", "full", &format!("--{flag}"), "none"]);
    }
    assert_eq!(limits(&sandbox, "full"), vec![json!(null); 7]);
}

#[test]
fn limits_are_keys_of_the_definition_as_well() {
    let sandbox = Sandbox::new();
    sandbox.ok(&["add", "one", "-c", "true"]);
    for set in [
        "nice=5",
        "ionice=best-effort:6",
        "memory_max=64M",
        "cpu_max=90s",
        "processes_max=20",
        "verify=test -s out",
    ] {
        sandbox.ok(&["edit", "one", "--set", set]);
    }
    assert_eq!(limits(&sandbox, "one"), full());
    sandbox.ok(&["edit", "one", "--set", "memory_max=", "--set", "verify="]);
    let after = limits(&sandbox, "one");
    assert_eq!((&after[3], &after[6]), (&json!(null), &json!(null)));
    for wrong in [
        "nice=20",
        "ionice=fast",
        "memory_max=0",
        "cpu_max=0s",
        "processes_max=0",
    ] {
        let answer = sandbox.run(&["edit", "one", "--set", wrong]);
        assert_eq!(answer.code, 6, "{wrong}: {answer:?}");
        let key = wrong.split('=').next().unwrap();
        assert!(answer.stderr.contains(key), "{wrong}: {answer:?}");
    }
}

#[test]
fn limits_that_are_none_are_refused() {
    let sandbox = Sandbox::new();
    for (flag, value) in [
        ("--nice", "20"),
        ("--nice", "high"),
        ("--ionice", "idle:2"),
        ("--memory-max", "0"),
        ("--memory-max", "lots"),
        ("--cpu-max", "0"),
        ("--processes-max", "0"),
        ("--user", "4711"),
    ] {
        let answer = sandbox.run(&["add", "one", "-c", "true", flag, value]);
        assert_eq!(answer.code, 2, "{flag} {value}: {answer:?}");
    }
}

#[test]
fn limits_of_an_enqueued_command_are_kept_with_its_run() {
    let sandbox = Sandbox::new();
    let head = ["enqueue", "--name", "once", "--output-max", "64K"];
    sandbox.ok(&[&head[..], &FLAGS, &["--", "true"]].concat());
    assert_eq!(limits(&sandbox, "once"), full());
    assert_eq!(sandbox.item(&["show", "once"])["output_max"], 64 << 10);
}
