//! `edit`, by flags, by keys and in an editor.

use std::os::unix::fs::PermissionsExt;

use serde_json::{Value, json};

use crate::support::sandbox::{Answer, Sandbox};

fn with_a_job() -> Sandbox {
    let sandbox = Sandbox::new();
    let args = [
        "add",
        "a",
        "-s",
        "@daily",
        "--tz",
        "Europe/Berlin",
        "--env",
        "K=v",
        "-c",
        "x",
    ];
    sandbox.ok(&args);
    sandbox
}

/// Runs `edit a` with a shell script as the editor; `$1` is the file.
fn edit_with(sandbox: &Sandbox, script: &str) -> Answer {
    let editor = sandbox.file("editor", format!("#!/bin/sh\n{script}\n").as_bytes());
    std::fs::set_permissions(&editor, std::fs::Permissions::from_mode(0o755)).expect("a mode");
    sandbox.run_with("EDITOR", &editor.display().to_string(), &["edit", "a"])
}

#[test]
fn cli_edit_by_flags_keeps_what_is_not_given() {
    let sandbox = with_a_job();
    let item = sandbox.item(&["edit", "a", "--timeout", "5m", "--retry", "2"]);
    assert_eq!(item["policy"]["timeout_ms"], 300_000);
    assert_eq!(item["policy"]["retry"], 2);
    assert_eq!(item["schedules"], json!(["@daily"]));
    assert_eq!(item["plans"][0]["zone"], "Europe/Berlin");
    let item = sandbox.item(&["edit", "a", "-s", "0 3 * * *"]);
    assert_eq!(item["schedules"], json!(["0 3 * * *"]));
    assert_eq!(item["plans"][0]["zone"], "Europe/Berlin");
    let item = sandbox.item(&["edit", "a", "--tz", "system"]);
    assert_eq!(item["plans"][0]["zone"], Value::Null);
    assert_eq!(item["env"], json!({"K": "v"}));
    let same = sandbox.ok(&["edit", "a", "--timeout", "5m"]);
    assert!(same.stdout.contains("nothing changed"), "{same:?}");
}

#[test]
fn cli_edit_sets_keys() {
    let sandbox = with_a_job();
    let item = sandbox.item(&[
        "edit",
        "a",
        "--set",
        "timeout=7m",
        "--set",
        "tags=[\"x\", \"y\"]",
        "--set",
        "owner=12",
        "--set",
        "schedule=every 90s",
    ]);
    assert_eq!(item["policy"]["timeout_ms"], 420_000);
    assert_eq!(item["tags"], json!(["x", "y"]));
    assert_eq!(item["owner"], "12");
    assert_eq!(item["schedules"], json!(["every 90s"]));
    let item = sandbox.item(&["edit", "a", "--set", "owner="]);
    assert_eq!(item["owner"], Value::Null);
    for (setting, says) in [
        ("frob=1", "unknown field"),
        ("priority=11", "0 to 9"),
        ("schedule=61 * * * *", "minute field"),
        ("timezone=Europe/Berln", "unknown time zone"),
    ] {
        let wrong = sandbox.run(&["edit", "a", "--set", setting]);
        assert_eq!(wrong.code, 6, "{wrong:?}");
        assert!(wrong.stderr.contains(says), "{wrong:?}");
    }
}

#[test]
fn cli_edit_in_an_editor() {
    let sandbox = with_a_job();
    let done = edit_with(&sandbox, "sed -i 's/^timeout.*/timeout = \"9m\"/' \"$1\"");
    assert_eq!(done.code, 0, "{done:?}");
    assert_eq!(
        sandbox.item(&["show", "a"])["policy"]["timeout_ms"],
        540_000
    );
    let done = edit_with(&sandbox, "true");
    assert!(done.stdout.contains("nothing changed"), "{done:?}");
    let wrong = edit_with(&sandbox, "sed -i 's/@daily/61 * * * */' \"$1\"");
    assert_eq!(wrong.code, 6, "{wrong:?}");
    assert!(wrong.stderr.contains("your text is kept in"), "{wrong:?}");
    let failed = edit_with(&sandbox, "exit 3");
    assert_eq!(failed.code, 1, "{failed:?}");
    let nobody = sandbox.run(&["edit", "a"]);
    assert_eq!(nobody.code, 2, "{nobody:?}");
}

#[test]
fn cli_edit_refuses_a_definition_changed_meanwhile() {
    let sandbox = with_a_job();
    let crake = env!("CARGO_BIN_EXE_crake");
    let script = format!(
        "{crake} edit a --retry 1 >&2; echo 'owner = \"b\"' > \"$1.new\"; cat \"$1\" >> \"$1.new\"; mv \"$1.new\" \"$1\""
    );
    let refused = edit_with(&sandbox, &script);
    assert_eq!(refused.code, 5, "{refused:?}");
    let item = sandbox.item(&["show", "a"]);
    assert_eq!(
        (&item["owner"], &item["policy"]["retry"]),
        (&Value::Null, &json!(1))
    );
}

#[test]
fn cli_edit_renames_nothing_that_is_at_work() {
    let sandbox = with_a_job();
    let store = rusqlite::Connection::open(sandbox.store()).expect("the store");
    store
        .execute("INSERT INTO run(job) VALUES('a')", [])
        .expect("a run");
    drop(store);
    let refused = sandbox.run(&["edit", "a", "--name", "b"]);
    assert_eq!(refused.code, 5, "{refused:?}");
    assert!(refused.stderr.contains("queued or running"), "{refused:?}");
    assert_eq!(sandbox.item(&["show", "a"])["name"], "a");
}

#[test]
fn cli_edit_renames_with_history() {
    let sandbox = with_a_job();
    sandbox.ok(&["add", "taken", "-c", "x"]);
    assert_eq!(sandbox.run(&["edit", "a", "--name", "taken"]).code, 5);
    assert_eq!(sandbox.run(&["edit", "a", "--name", "17"]).code, 2);
    let item = sandbox.item(&["edit", "a", "--name", "b", "--retry", "1"]);
    assert_eq!(
        (&item["name"], &item["policy"]["retry"]),
        (&json!("b"), &json!(1))
    );
    assert_eq!(item["schedules"], json!(["@daily"]));
    assert_eq!(sandbox.run(&["show", "a"]).code, 3);
    let history = sandbox.item(&["show", "b", "--history"])["history"].clone();
    assert_eq!(history[0]["what"], "renamed from a");
    assert_eq!(history.as_array().map(Vec::len), Some(3));
}
