//! The verbs that look, run on stores written by hand: for people, for programs, and their errors.

use std::io::{BufRead, BufReader};
use std::process::Stdio;

use crake::model::{Exit, Fire, Outcome, Record, RunId, Verdict};
use serde_json::Value;

use crate::support::bench::{Bench, fire, fire_run, live_run, new_run, whole_run};

const MINUTE: i64 = 60_000;

#[track_caller]
fn keys(item: &Value, expected: &[&str]) {
    let object = item.as_object().unwrap();
    for key in expected {
        assert!(object.contains_key(*key), "no \"{key}\" in {item}");
    }
}

const RUN_KEYS: [&str; 18] = [
    "run",
    "job",
    "state",
    "outcome",
    "exit_code",
    "signal",
    "attempt",
    "planned_at",
    "queued_at",
    "started_at",
    "ended_at",
    "late_ms",
    "took_ms",
    "origin",
    "queue",
    "reason",
    "pid",
    "worker",
];

/// A job that succeeded, failed, runs and waits.
fn busy() -> Bench {
    let bench = Bench::new();
    let at = bench.now - 10 * MINUTE;
    bench.job("backup", None, at);
    let mut records = whole_run(1, "backup", Outcome::Succeeded, Exit::Code(0), at);
    records.extend(whole_run(
        2,
        "backup",
        Outcome::Failed,
        Exit::Code(7),
        at + MINUTE,
    ));
    records.extend(live_run(3, "backup", bench.now - MINUTE));
    records.push(Record::New(new_run(4, "backup", bench.now + MINUTE)));
    bench.record(&records);
    bench
}

#[test]
fn history_lists_runs_newest_first_with_every_key() {
    let bench = busy();
    let items = bench.items(&["history", "backup"]);
    let runs: Vec<i64> = items.iter().map(|i| i["run"].as_i64().unwrap()).collect();
    assert_eq!(runs, [4, 3, 2, 1]);
    items.iter().for_each(|item| keys(item, &RUN_KEYS));
    let failed = &items[2];
    assert_eq!(
        (&failed["state"], &failed["outcome"], &failed["exit_code"]),
        (&"failed".into(), &"failed".into(), &7.into())
    );
    assert_eq!(
        (&failed["late_ms"], &failed["took_ms"], &failed["worker"]),
        (&100.into(), &3_100.into(), &"w3".into())
    );
    assert!(items[0]["outcome"].is_null() && items[0]["started_at"].is_null());

    let text = bench.run(&["history", "-n", "2", "--state", "failed,succeeded"]);
    assert_eq!(text.code, 0);
    let lines: Vec<&str> = text.out.lines().collect();
    assert_eq!(lines.len(), 3, "{text:?}");
    assert!(lines[0].starts_with("RUN  JOB     STATE"), "{text:?}");
    assert!(lines[1].contains("#2") && lines[1].contains("x FAIL") && lines[1].contains("exit 7"));
    let since = bench.items(&["history", "--since", "5m"]);
    assert_eq!(since.len(), 2);
    let lines = bench.run(&["history", "--jsonl"]);
    assert_eq!(lines.out.lines().count(), 4);
}

#[test]
fn what_is_not_there_is_said_with_a_hint() {
    let bench = busy();
    let ran = bench.run(&["history", "bakcup"]);
    assert_eq!(ran.code, 3);
    assert!(ran.err.contains("no job named \"bakcup\"") && ran.err.contains("\"backup\""));
    let ran = bench.run(&["history", "--since", "whenever"]);
    assert_eq!(ran.code, 2);
    let ran = bench.run(&["history", "--state", "happy"]);
    assert!(ran.code == 2 && ran.err.contains("succeeded"), "{ran:?}");
    let ran = bench.run(&["fires", "nobody", "--json"]);
    assert_eq!((ran.code, &ran.json()["error"]["code"]), (3, &3.into()));
}

#[test]
fn ps_lists_what_runs_and_what_waits() {
    let bench = busy();
    let items = bench.items(&["ps"]);
    let states: Vec<&str> = items.iter().map(|i| i["state"].as_str().unwrap()).collect();
    assert_eq!(states, ["running", "queued"]);
    items.iter().for_each(|item| keys(item, &RUN_KEYS));
    assert_eq!(items[0]["pid"], 4711);
    let ran = bench.run(&["ps"]);
    assert!(
        ran.out.contains("pid 4711") && ran.out.contains("starts in"),
        "{ran:?}"
    );
    assert!(ran.out.contains("3.1s"), "what is usual: {ran:?}");
    assert_eq!(bench.items(&["ps", "--all"]).len(), 4);
    let empty = Bench::new().run(&["ps"]);
    assert_eq!((empty.code, empty.out.as_str()), (0, ""));
    assert!(empty.err.contains("nothing runs"));
}

#[test]
fn fires_and_missed_show_the_ledger() {
    let bench = Bench::new();
    let at = (bench.now / MINUTE - 10) * MINUTE;
    let planned = bench.job("tick", Some("* * * * *"), at - 1).remove(0);
    let row = |n: i64, verdict| Record::Fire(fire(&planned, at + n * MINUTE, verdict));
    bench.record(&[
        Record::Fire(fire_run(&planned, at, 1)),
        row(1, Verdict::Missed),
        row(2, Verdict::Missed),
        Record::Fire(Fire {
            blocked_by: Some(RunId(1)),
            ..fire(&planned, at + 3 * MINUTE, Verdict::Overlap)
        }),
    ]);
    let items = bench.items(&["fires", "tick"]);
    assert_eq!(items.len(), 4);
    for item in &items {
        let ours = [
            "job",
            "schedule",
            "planned_at",
            "verdict",
            "run",
            "late_ms",
            "reason",
        ];
        keys(item, &ours);
        keys(
            item,
            &["blocked_by", "decided_at", "expr", "note", "count", "until"],
        );
    }
    assert_eq!(
        (&items[0]["verdict"], &items[0]["blocked_by"]),
        (&"overlap".into(), &1.into())
    );
    assert_eq!(items[1]["reason"], "asleep");
    assert_eq!(bench.items(&["fires", "--verdict", "missed"]).len(), 2);
    let text = bench.run(&["fires", "-n", "1"]).out;
    assert!(
        text.contains("overlap") && text.contains("#1 in the way"),
        "{text}"
    );

    let items = bench.items(&["missed"]);
    assert_eq!(items.len(), 2, "decided one after the other");
    keys(
        &items[0],
        &[
            "job", "count", "from", "to", "reason", "policy", "state", "run", "schedule",
        ],
    );
    assert_eq!(
        (&items[0]["state"], &items[0]["policy"]),
        (&"open".into(), &"last".into())
    );
    let text = bench.run(&["missed"]).out;
    assert!(
        text.contains("host asleep") && text.contains("open"),
        "{text}"
    );
}

#[test]
fn missed_fires_are_caught_up_or_noted() {
    let bench = Bench::new();
    let at = (bench.now / MINUTE - 10) * MINUTE;
    let planned = bench.job("tick", Some("* * * * *"), at - 1).remove(0);
    let row = |n: i64| Record::Fire(fire(&planned, at + n * MINUTE, Verdict::Missed));
    bench.record(&[row(0), row(1), row(2)]);
    let made = bench.items(&["missed", "tick", "--catch-up", "all"]);
    let runs: Vec<i64> = made.iter().map(|m| m["run"].as_i64().unwrap()).collect();
    assert_eq!(runs, [1, 2, 3]);
    let history = bench.items(&["history"]);
    assert!(history.iter().all(|r| r["origin"] == "catch_up"));
    assert_eq!(history[0]["planned_at"], made[2]["planned_at"]);
    let states = bench.items(&["missed"]);
    assert!(states.iter().all(|m| m["state"] == "done"), "{states:?}");
    let again = bench.run(&["missed", "--catch-up", "last"]);
    assert_eq!(
        (again.code, again.out.as_str()),
        (0, "nothing open to catch up\n")
    );

    bench.record(&[row(3), row(4)]);
    let last = bench.items(&["missed", "--catch-up", "last"]);
    assert_eq!((last.len(), &last[0]["count"]), (1, &2.into()));
    bench.record(&[row(5)]);
    let ran = bench.run(&["missed", "--ack", "moved the host"]);
    assert_eq!(
        (ran.code, ran.out.as_str()),
        (0, "took note of 1 missed row\n")
    );
    assert!(bench.run(&["missed"]).out.contains("moved the host"));
}

#[test]
fn audit_exits_0_only_where_the_ledger_holds() {
    let bench = Bench::new();
    let at = (bench.now / MINUTE - 10) * MINUTE;
    let planned = bench.job("tick", Some("* * * * *"), at - 1).remove(0);
    let fires = (0..=5).map(|n| Record::Fire(fire_run(&planned, at + n * MINUTE, n + 1)));
    let mut store = bench.store();
    store.plan_first(&[(planned.id, Some(at))]).unwrap();
    bench.record(&fires.collect::<Vec<_>>());
    bench.session(at + 5 * MINUTE);
    let good = bench.run(&["audit", "--json"]);
    assert_eq!(good.code, 0, "{good:?}");
    let item = &good.json()["item"];
    keys(
        item,
        &[
            "since",
            "until",
            "planned",
            "ledger",
            "missing",
            "extra",
            "duplicate",
        ],
    );
    assert_eq!((&item["planned"], &item["ledger"]), (&6.into(), &6.into()));
    assert!(good.err.contains("still owed"), "{good:?}");

    bench.session(at + 7 * MINUTE);
    let bad = bench.run(&["audit"]);
    assert_eq!(bad.code, 1, "{bad:?}");
    assert!(
        bad.out.contains("2 missing") && bad.out.contains("DOES NOT HOLD"),
        "{bad:?}"
    );
    assert_eq!(bench.run(&["audit", "nobody"]).code, 3);
    assert_eq!(Bench::new().run(&["audit"]).code, 0);
}

#[test]
fn status_shows_a_daemon_that_is_down_and_one_that_is_up() {
    let bench = busy();
    let ran = bench.run(&["status", "--json"]);
    assert_eq!(ran.code, 0);
    let item = ran.json()["item"].clone();
    keys(
        &item,
        &[
            "daemon",
            "jobs",
            "paused",
            "running",
            "queued",
            "attention",
            "today",
            "next_at",
        ],
    );
    keys(&item["daemon"], &["up", "pid", "beat_age_ms", "since"]);
    keys(
        &item["today"],
        &["succeeded", "failed", "missed", "skipped"],
    );
    assert_eq!(item["daemon"]["up"], false);
    assert_eq!((&item["running"], &item["queued"]), (&1.into(), &1.into()));
    let kinds: Vec<&Value> = item["attention"]
        .as_array()
        .unwrap()
        .iter()
        .map(|a| {
            keys(
                a,
                &[
                    "level", "kind", "what", "job", "run", "since", "text", "hint",
                ],
            );
            &a["kind"]
        })
        .collect();
    assert_eq!(kinds, ["daemon", "lost", "failed"]);
    let ran = bench.run(&["status"]);
    assert!(ran.out.contains("DAEMON DOWN"), "{ran:?}");
    assert!(ran.out.contains("! FAIL  backup  exit 7"), "{ran:?}");
    assert!(ran.out.contains("crake logs 2"), "{ran:?}");
    assert_eq!(bench.run(&[]).code, 0, "crake alone");

    bench.daemon(|_| {});
    let ran = bench.run(&["status"]);
    assert!(
        ran.out.contains("daemon up 0s (pid 812, beat 300ms)"),
        "{ran:?}"
    );
    assert!(ran.out.contains("1 needs attention"), "{ran:?}");
}

fn tell(bench: &Bench, text: &str) {
    let note = crake::model::Note {
        at: bench.now,
        level: crake::model::Level::Warn,
        kind: "kill".to_owned(),
        job: Some("tick".to_owned()),
        run: Some(RunId(1)),
        text: text.to_owned(),
    };
    bench.store().note(&note).unwrap();
}

#[test]
fn events_are_shown_oldest_first_and_followed() {
    let bench = Bench::new();
    tell(&bench, "one");
    tell(&bench, "two\x1b[2J");
    let items = bench.items(&["events"]);
    keys(
        &items[0],
        &["id", "at", "level", "kind", "job", "run", "text"],
    );
    assert_eq!(items.len(), 2);
    let text = bench.run(&["events", "-n", "1"]).out;
    assert!(text.ends_with("warn   kill  two\n"), "{text:?}");

    let mut following = bench
        .command(&["events", "-f", "-n", "1", "--json"])
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut lines = BufReader::new(following.stdout.take().unwrap()).lines();
    let mut next = || -> Value { serde_json::from_str(&lines.next().unwrap().unwrap()).unwrap() };
    assert_eq!(next()["id"], 2);
    tell(&bench, "three");
    assert_eq!(next()["text"], "three");
    following.kill().unwrap();
    following.wait().unwrap();
}
