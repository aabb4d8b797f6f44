//! Jobs that hang in different ways are told apart by what is seen of them, through the real daemon.

use std::net::TcpListener;

use rustix::process::Signal;
use serde_json::Value;

use crate::support::instance::{Instance, signal};
use crate::support::wait::{mono, until, within};

const KEYS: [&str; 12] = [
    "worker",
    "state",
    "run",
    "job",
    "queue",
    "pid",
    "beat_age_ms",
    "busy_ms",
    "cpu_percent",
    "rss_bytes",
    "quiet_ms",
    "evidence",
];

/// What `worker ls` says of the worker that carries a job.
pub fn worker_of(instance: &Instance, job: &str) -> Option<Value> {
    let rows = instance.sandbox.items(&["worker", "ls"]);
    rows.into_iter().find(|row| row["job"] == job)
}

/// The process of a job's run that is alive.
pub fn process_of(instance: &Instance, job: &str) -> i32 {
    let pid = until(&format!("a process of {job}"), || {
        let rows = instance.sandbox.items(&["ps"]);
        rows.iter().find(|r| r["job"] == job)?["pid"].as_i64()
    });
    i32::try_from(pid).unwrap()
}

fn state(instance: &Instance, job: &str) -> Option<String> {
    Some(worker_of(instance, job)?["state"].as_str()?.to_owned())
}

/// Waits until a job's worker is in a state, and gives its line.
#[track_caller]
fn seen(instance: &Instance, job: &str, wanted: &str, ms: i64) -> Value {
    let mut last = None;
    within(ms, &format!("{job} is {wanted}"), || {
        last = worker_of(instance, job);
        last.clone().filter(|row| row["state"] == wanted)
    })
}

fn words(row: &Value) -> String {
    row["evidence"].as_str().unwrap().to_owned()
}

/// How far a busy machine may be behind the times that are promised.
const SLACK_MS: i64 = 5_000;

/// Starts the five jobs; `waits` connects to this port.
fn start_five(instance: &Instance, port: u16) {
    let connect = format!("exec 3<>/dev/tcp/127.0.0.1/{port}; read x <&3");
    instance.add("spins", "while :; do :; done", &[]);
    instance.add("silent", "sleep 1000", &[]);
    instance.add("stops", "sleep 1001", &[]);
    let here = instance.sandbox.path("");
    let cwd = ["--cwd", here.to_str().unwrap()];
    let waits = [&["add", "waits"][..], &cwd, &["--", "bash", "-c", &connect]].concat();
    instance.sandbox.ok(&waits);
    for job in ["spins", "silent", "stops", "waits"] {
        instance.request(job);
    }
    instance.add("overruns", "sleep 1002", &["-s", "every 2s"]);
}

#[test]
fn five_ways_to_hang_are_told_apart() {
    let mut instance = Instance::running();
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let peer = listener.local_addr().unwrap();
    start_five(&instance, peer.port());
    let stops = process_of(&instance, "stops");
    process_of(&instance, "spins");
    let begun = mono();
    let (_held, _) = listener.accept().unwrap();

    signal(stops, Signal::STOP);
    let row = seen(&instance, "stops", "stopped", 2_000 + SLACK_MS);
    assert!(words(&row).contains("stopped by a signal"), "{row}");
    let row = seen(&instance, "waits", "waiting", 5_000 + SLACK_MS);
    let blocked = format!("blocked: read from {peer} for ");
    assert!(words(&row).contains(&blocked), "{row}");
    let row = seen(&instance, "overruns", "stuck", 6_000 + SLACK_MS);
    let late = "past two of its next fires; sleep (";
    assert!(words(&row).starts_with(late), "{row}");
    let row = until("a look at it", || {
        worker_of(&instance, "silent").filter(|row| row["quiet_ms"].is_i64())
    });
    let quiet = |row: &Value| row["quiet_ms"].as_i64().unwrap();
    let first = quiet(&row);

    let left = 31_000 + SLACK_MS - (mono() - begun);
    let row = seen(&instance, "spins", "spinning", left);
    assert!(mono() - begun >= 25_000, "said too early: {row}");
    assert!(words(&row).contains("without output or I/O"), "{row}");
    assert!(row["cpu_percent"].as_i64().unwrap() > 5, "{row}");

    // Half a minute later each is still what it was.
    let row = worker_of(&instance, "silent").unwrap();
    assert_eq!(row["state"], "running", "{row}");
    assert!(quiet(&row) - first > 15_000, "{first}: {row}");
    assert!(words(&row).contains("sleeping (nanosleep)"), "{row}");
    for (job, expected) in [
        ("stops", "stopped"),
        ("waits", "waiting"),
        ("overruns", "stuck"),
    ] {
        assert_eq!(state(&instance, job).as_deref(), Some(expected));
    }
    every_key_is_there(&instance);
    told_elsewhere(&instance);
    told_without_a_daemon(&mut instance);
}

fn every_key_is_there(instance: &Instance) {
    for row in instance.sandbox.items(&["worker", "ls"]) {
        let keys: Vec<&String> = row.as_object().unwrap().keys().collect();
        assert_eq!(keys.len(), KEYS.len(), "{row}");
        assert!(KEYS.iter().all(|key| row.get(key).is_some()), "{row}");
        if row["job"].is_string() {
            assert!(row["beat_age_ms"].as_i64().unwrap() < 5_000, "{row}");
            assert!(row["rss_bytes"].as_i64().unwrap() > 0, "{row}");
        }
    }
}

fn told_without_a_daemon(instance: &mut Instance) {
    instance.kill_all();
    assert_eq!(state(instance, "stops").as_deref(), Some("stopped"));
    assert_eq!(state(instance, "waits").as_deref(), Some("waiting"));
    let answer = instance.sandbox.ok(&["worker", "ls"]);
    assert!(answer.stderr.contains("the daemon is down"), "{answer:?}");
    let first = answer.stdout.lines().nth(1).unwrap_or_default();
    assert!(first.contains("stopped"), "the worst first: {answer:?}");
}

/// The same is on the list of what needs attention, among the events and in `ps` and `explain`.
fn told_elsewhere(instance: &Instance) {
    let list = instance.status()["attention"].clone();
    let listed = |kind: &str, job: &str| {
        let mut rows = list.as_array().unwrap().iter();
        rows.any(|a| a["kind"] == kind && a["job"] == job)
    };
    for (kind, job) in [
        ("spinning", "spins"),
        ("stopped", "stops"),
        ("stuck", "overruns"),
    ] {
        assert!(listed(kind, job), "{kind} {job}: {list}");
    }
    for (kind, job) in [
        ("overrun", "overruns"),
        ("stuck", "overruns"),
        ("stopped", "stops"),
        ("spinning", "spins"),
    ] {
        let count = format!(
            "(SELECT count(*) FROM event WHERE kind = '{kind}' AND job = '{job}' AND level = 'warn') = 1"
        );
        instance.until_sql(&count);
    }
    let ps = instance.sandbox.ok(&["ps"]).stdout;
    assert!(ps.contains("STOPPED") && ps.contains("SPINNING"), "{ps}");
    let run = instance.cell::<i64>("SELECT id FROM run WHERE job = 'waits'");
    let run = run.unwrap().to_string();
    let told = instance.sandbox.ok(&["explain", &run]).stdout;
    assert!(
        told.contains("waiting: ") && told.contains("blocked: read from"),
        "{told}"
    );
}

#[test]
fn a_worker_that_does_not_come_round_and_one_that_was_killed_are_lost() {
    let mut instance = Instance::running();
    instance.add("job", "sleep 1000", &[]);
    instance.request("job");
    let row = until("it beats", || {
        worker_of(&instance, "job").filter(|row| row["beat_age_ms"].is_i64())
    });
    let worker = i32::try_from(row["pid"].as_i64().unwrap()).unwrap();
    signal(worker, Signal::STOP);
    let row = seen(&instance, "job", "lost", 6_000 + SLACK_MS);
    assert!(words(&row).contains("last came round"), "{row}");
    signal(worker, Signal::CONT);
    seen(&instance, "job", "running", 2_000 + SLACK_MS);
    instance.kill_all();
    signal(worker, Signal::KILL);
    let row = seen(&instance, "job", "lost", SLACK_MS);
    assert!(words(&row).contains("the worker is gone"), "{row}");
    instance.start();
    instance.until_sql("EXISTS(SELECT 1 FROM run WHERE job = 'job' AND state = 'lost')");
}

#[test]
fn the_process_that_matters_is_not_the_shell_that_waits_for_it() {
    let instance = Instance::running();
    let gate = instance.gate("gate");
    // Somebody holds the pipe open, so that the reader waits for bytes and not for a writer.
    let _held = std::fs::File::options()
        .read(true)
        .write(true)
        .open(gate)
        .unwrap();
    let line = "(sh -c 'cat < gate; :'; true) | cat | cat; true";
    instance.add("deep", line, &[]);
    instance.request("deep");
    let row = seen(&instance, "deep", "waiting", 5_000 + SLACK_MS);
    let words = words(&row);
    assert!(
        words.starts_with("cat (") && words.contains("/gate"),
        "{row}"
    );
}
