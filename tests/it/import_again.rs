//! Imports that follow an import: the same entry stays the same job.

use std::collections::BTreeMap;

use serde_json::{Value, json};

use crate::support::corpus::corpus;
use crate::support::sandbox::Sandbox;

const TABLE: &str = "A=1\n# Name: first\n1 1 * * * /opt/copy a\n2 2 * * * /opt/copy b\nB=2\n3 3 * * * /opt/clean\n4 4 * * * /opt/clean\n@daily /opt/last\n";

/// The id of each entry by its command and the word for what became of it.
fn entries(item: &Value) -> Vec<(String, String, String)> {
    let text = |v: &Value| v.as_str().unwrap_or_default().to_owned();
    let jobs = item["jobs"].as_array().expect("jobs");
    jobs.iter()
        .map(|job| {
            (
                text(&job["written"]),
                text(&job["id"]),
                text(&job["action"]),
            )
        })
        .collect()
}

fn ids(item: &Value) -> BTreeMap<String, String> {
    entries(item)
        .into_iter()
        .map(|(schedule, id, _)| (schedule, id))
        .collect()
}

#[test]
fn import_again_of_every_file_changes_nothing() {
    for file in corpus() {
        let sandbox = Sandbox::new();
        let path = file.path.display().to_string();
        let args = [
            "import",
            &path,
            "--dialect",
            "cronie",
            "--format",
            &file.format,
            "--days",
            "0",
        ];
        let first = sandbox.item(&args);
        let before = sandbox.items(&["list"]);
        let again = sandbox.item(&args);
        let moved = entries(&again)
            .into_iter()
            .filter(|(_, _, action)| {
                !["unchanged", "ignored", "never", "refused"].contains(&action.as_str())
            })
            .collect::<Vec<_>>();
        assert!(moved.is_empty(), "{}: {moved:?}", file.name);
        let id = |item: &Value| {
            entries(item)
                .into_iter()
                .map(|(_, id, _)| id)
                .collect::<Vec<_>>()
        };
        assert_eq!(id(&first), id(&again), "{}", file.name);
        assert_eq!(sandbox.items(&["list"]), before, "{}", file.name);
    }
}

#[test]
fn import_again_keeps_ids_whatever_is_moved_edited_or_set() {
    let sandbox = Sandbox::new();
    let path = sandbox
        .file("table", TABLE.as_bytes())
        .display()
        .to_string();
    let args = ["import", &path];
    let first = ids(&sandbox.item(&args));
    assert_eq!(first.len(), 5);

    // Turned round, without the settings that hold for what stands below them.
    let lines: Vec<&str> = TABLE.lines().collect();
    let order = [0, 1, 2, 3, 4, 7, 6, 5];
    let turned: Vec<&str> = order.iter().map(|at| lines[*at]).collect();
    sandbox.file("table", (turned.join("\n") + "\n").as_bytes());
    let item = sandbox.item(&args);
    assert_eq!(ids(&item), first);
    let actions: Vec<String> = entries(&item)
        .into_iter()
        .map(|(.., action)| action)
        .collect();
    assert_eq!(
        actions,
        ["unchanged", "unchanged", "moved", "unchanged", "moved"]
    );

    // One schedule edited: exactly that job changes, and it is the one of the same command.
    let edited = turned
        .join("\n")
        .replace("2 2 * * * /opt/copy b", "22 2 * * * /opt/copy b")
        + "\n";
    sandbox.file("table", edited.as_bytes());
    let item = sandbox.item(&args);
    let changed: Vec<_> = entries(&item)
        .into_iter()
        .filter(|(.., a)| a == "changed")
        .collect();
    let id = first["2 2 * * *"].clone();
    assert_eq!(
        changed,
        [("22 2 * * *".to_owned(), id, "changed".to_owned())]
    );

    // One variable more: the entries below it change, those above do not.
    let set = edited.replace("B=2\n", "B=2\nC=3\n");
    sandbox.file("table", set.as_bytes());
    let item = sandbox.item(&args);
    let actions: Vec<String> = entries(&item)
        .into_iter()
        .map(|(.., action)| action)
        .collect();
    assert_eq!(
        actions,
        ["unchanged", "unchanged", "changed", "changed", "changed"]
    );
    assert_eq!(sandbox.items(&["list"]).len(), 5);
    let again = sandbox.ok(&args);
    assert!(again.stdout.contains("Nothing changed."), "{again:?}");
}

#[test]
fn import_again_keeps_what_was_changed_here_and_shows_conflicts_three_ways() {
    let sandbox = Sandbox::new();
    let path = sandbox
        .file("table", b"1 1 * * * /opt/copy\n")
        .display()
        .to_string();
    sandbox.ok(&["import", &path]);
    sandbox.ok(&["edit", "copy", "-s", "9 9 * * *"]);
    let kept = sandbox.item(&["import", &path]);
    assert_eq!(kept["jobs"][0]["action"], "unchanged");
    assert_eq!(kept["jobs"][0]["kept"], json!(["schedule"]));
    assert_eq!(
        sandbox.item(&["show", "copy"])["schedules"],
        json!(["9 9 * * *"])
    );

    sandbox.file("table", b"5 5 * * * /opt/copy\n");
    let item = sandbox.item(&["import", &path]);
    let job = &item["jobs"][0];
    assert_eq!(job["action"], "conflict", "{job}");
    let conflict = &job["conflicts"][0];
    assert_eq!(conflict["key"], "schedule");
    let three = ["base", "ours", "theirs"].map(|side| conflict[side][0].clone());
    assert_eq!(
        three,
        [json!("1 1 * * *"), json!("9 9 * * *"), json!("5 5 * * *")]
    );
    assert_eq!(
        sandbox.item(&["show", "copy"])["schedules"],
        json!(["9 9 * * *"])
    );

    // What the table changed besides is taken where only the table changed it.
    sandbox.file("table", b"A=1\n1 1 * * * /opt/copy\n");
    let merged = sandbox.item(&["import", &path]);
    assert_eq!(merged["jobs"][0]["action"], "changed", "{merged}");
    let job = sandbox.item(&["show", "copy"]);
    assert_eq!(
        (&job["schedules"], &job["env"]),
        (&json!(["9 9 * * *"]), &json!({"A": "1"}))
    );
}

#[test]
fn import_again_pauses_what_is_gone_and_goes_on_when_it_is_back() {
    let sandbox = Sandbox::new();
    let path = sandbox
        .file("table", b"1 1 * * * /opt/a\n2 2 * * * /opt/b\n")
        .display()
        .to_string();
    sandbox.ok(&["import", &path]);
    sandbox.file("table", b"1 1 * * * /opt/a\n");
    let gone = sandbox.item(&["import", &path]);
    assert_eq!(gone["gone"], json!(["b"]));
    assert_eq!(sandbox.item(&["show", "b"])["paused"], true);
    sandbox.file("table", b"1 1 * * * /opt/a\n#2 2 * * * /opt/b\n");
    let disabled = sandbox.item(&["import", &path, "--include-disabled"]);
    assert_eq!(disabled["disabled"], 1);
    assert_eq!(disabled["jobs"][1]["disabled"], true);
    assert_eq!(sandbox.item(&["show", "b"])["paused"], true);
    sandbox.file("table", b"1 1 * * * /opt/a\n2 2 * * * /opt/b\n");
    let back = sandbox.item(&["import", &path]);
    assert_eq!(back["jobs"][1]["action"], "changed", "{back}");
    assert_eq!(sandbox.item(&["show", "b"])["paused"], false);
}

/// A host with tables in all their places.
fn host(sandbox: &Sandbox) -> String {
    sandbox.file("root/etc/debian_version", b"12\n");
    sandbox.file(
        "root/etc/crontab",
        b"17 * * * * root run-parts /etc/cron.hourly\n",
    );
    sandbox.file("root/etc/cron.d/good", b"1 1 * * * root /opt/d\n");
    sandbox.file("root/etc/cron.d/not.read", b"2 2 * * * root /opt/no\n");
    sandbox.file("root/var/spool/cron/crontabs/root", b"3 3 * * * /opt/r\n");
    sandbox.file(
        "root/etc/anacrontab",
        b"1 5 cron.daily nice run-parts /etc/cron.daily\n",
    );
    sandbox.file("root/etc/cron.daily/0anacron", b"#!/bin/sh\n");
    sandbox.path("root").display().to_string()
}

#[test]
fn import_scan_finds_every_table_and_observes_what_cron_runs() {
    if !crate::support::facility::root() {
        return;
    }
    let sandbox = Sandbox::new();
    let root = host(&sandbox);
    let args = ["import", "--scan", "--root", &root, "--dialect", "debian"];
    let items = sandbox.items(&args);
    let files: Vec<String> = items
        .iter()
        .map(|item| item["file"].as_str().unwrap_or_default().replace(&root, ""))
        .collect();
    assert_eq!(
        files,
        [
            "/etc/crontab",
            "/etc/cron.d/good",
            "/var/spool/cron/crontabs/root",
            "/etc/anacrontab"
        ]
    );
    assert!(items.iter().all(|item| item["observed"] == true));
    for job in sandbox.items(&["list"]) {
        assert_eq!(job["paused"], true, "{job}");
    }
    let said = sandbox.ok(&[
        "import",
        "--scan",
        "-n",
        "--root",
        &root,
        "--dialect",
        "debian",
    ]);
    assert!(said.stderr.contains("W23"), "{said:?}");
    let again = sandbox.items(&args);
    assert!(
        again
            .iter()
            .flat_map(|i| i["jobs"].as_array().unwrap().clone())
            .all(|j| j["action"] == "unchanged")
    );
}
