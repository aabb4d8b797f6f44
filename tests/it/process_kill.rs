//! Jobs that do not want to end, ended by a daemon of root and by one of an ordinary user.

use std::fs;
use std::process::{Command, Stdio};

use rustix::process::Signal;
use serde_json::Value;

use crate::support::facility;
use crate::support::instance::{Instance, signal};
use crate::support::wait::{mono, until, within};

const KINDS: [&str; 6] = ["fork", "spin", "stop", "hop", "hop-away", "respawn"];
const GRACE_MS: i64 = 300;
const PERL: &str = "/usr/bin/perl";

/// Processes of the job, by a mark in their environment.
fn alive(mark: &str) -> Vec<String> {
    let mut found = Vec::new();
    for entry in fs::read_dir("/proc").unwrap().flatten() {
        let read = |name: &str| fs::read(entry.path().join(name)).unwrap_or_default();
        let environ = read("environ");
        if !environ.split(|b| *b == 0).any(|e| e == mark.as_bytes()) {
            continue;
        }
        let stat = String::from_utf8_lossy(&read("stat")).into_owned();
        if !stat.is_empty() && !stat.contains(") Z ") && !stat.contains(") X ") {
            found.push(stat);
        }
    }
    found
}

fn villain(instance: &Instance, name: &str, kind: &str, flags: &[&str]) -> String {
    let script = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/it/support/villains.pl");
    let script = instance
        .sandbox
        .file("villains.pl", &fs::read(script).unwrap());
    let mark = format!("MARK={}{name}", instance.sandbox.path("").display());
    let here = instance.sandbox.path("");
    let head = [
        "add",
        name,
        "--env",
        &mark,
        "--kill-grace",
        "300ms",
        "--cwd",
    ];
    let what = ["--", PERL, script.to_str().unwrap(), kind];
    instance
        .sandbox
        .ok(&[&head[..], &[here.to_str().unwrap()], flags, &what].concat());
    mark
}

fn instances() -> Vec<(&'static str, Instance)> {
    let mut all = vec![("an ordinary user", Instance::of_nobody())];
    if facility::root() {
        all.push(("root", Instance::running()));
        if facility::program("/usr/bin/unshare") {
            all.push(("root without cgroup.kill", without_version_2()));
        }
    }
    all
}

/// A daemon of root that sees no control groups of version 2; the freezer of version 1 takes their
/// place where the host has one.
fn without_version_2() -> Instance {
    let mut instance = Instance::new();
    let plain = instance.daemon_command();
    let mut command = Command::new("unshare");
    let line = "umount \"$(findmnt -n -t cgroup2 -o TARGET | head -n 1)\"; exec \"$@\"";
    command.args(["-m", "sh", "-c", line, "sh"]);
    command.arg(plain.get_program()).args(plain.get_args());
    command
        .env_clear()
        .current_dir(plain.get_current_dir().unwrap());
    command.envs(plain.get_envs().filter_map(|(k, v)| Some((k, v?))));
    command.stdout(Stdio::null()).stderr(Stdio::null());
    instance.start_by(command);
    instance
}

fn run_of(instance: &Instance, job: &str) -> i64 {
    instance.sandbox.items(&["history", job])[0]["run"]
        .as_i64()
        .unwrap()
}

/// Milliseconds from the first SIGTERM to the proof that nothing is left, as the worker tells them.
fn took(steps: &[Value]) -> i64 {
    let at = |what: &str| {
        let found = steps
            .iter()
            .find(|s| s["text"].as_str().unwrap().contains(what));
        let text = found.unwrap_or_else(|| panic!("no {what}: {steps:?}"))["at"].as_str();
        let at: chrono::DateTime<chrono::Utc> = text.unwrap().parse().unwrap();
        at.timestamp_millis()
    };
    at("gone after") - at("SIGTERM to")
}

/// How the control group is to be killed, where this host has one.
fn killed_by(who: &str) -> Option<&'static str> {
    let mounts = fs::read_to_string("/proc/self/mounts").unwrap();
    let own = fs::read_to_string("/proc/self/cgroup").unwrap();
    match who {
        "root" => mounts.contains(" cgroup2 rw").then_some("cgroup.kill"),
        "an ordinary user" => None,
        _ => own
            .contains(":freezer:")
            .then_some("SIGKILL to the frozen cgroup"),
    }
}

#[test]
fn nothing_of_a_killed_job_is_left_when_its_grace_is_over() {
    if !facility::program(PERL) {
        return;
    }
    for (who, instance) in instances() {
        for kind in KINDS {
            let mark = villain(&instance, kind, kind, &[]);
            instance.request(kind);
            until("the job has grown", || {
                (alive(&mark).len() >= 2).then_some(())
            });
            let begun = mono();
            let killed = instance.sandbox.run(&["kill", kind]);
            assert_eq!(killed.code, 0, "{who}, {kind}: {killed:?}");
            within(
                (begun + GRACE_MS + 1_000 - mono()).max(1),
                &format!("{who}, {kind}: nothing is left"),
                || alive(&mark).is_empty().then_some(()),
            );
            let steps = instance.told("kill", run_of(&instance, kind));
            if let Some(how) = killed_by(who) {
                assert!(steps.iter().any(|s| s["text"] == how), "{steps:?}");
            }
            let took = took(&steps);
            assert!(took <= GRACE_MS + 1_000, "{who}, {kind}: {steps:?}");
            eprintln!("{who}, {kind}: gone {took} ms after SIGTERM");
        }
    }
}

#[test]
fn nothing_of_a_job_is_left_when_its_time_is_over() {
    if !facility::program(PERL) {
        return;
    }
    for (who, instance) in instances() {
        for kind in KINDS {
            let mark = villain(&instance, kind, kind, &["--timeout", "2s"]);
            let row = instance.outcome(kind);
            assert_eq!(row["outcome"], "timed_out", "{who}, {kind}: {row}");
            assert_eq!(alive(&mark), Vec::<String>::new(), "{who}, {kind}");
            let steps = instance.told("kill", row["run"].as_i64().unwrap());
            let first = steps[0]["text"].as_str().unwrap();
            assert!(first.starts_with("timeout: SIGTERM to "), "{steps:?}");
            assert!(took(&steps) <= GRACE_MS + 1_000, "{who}, {kind}: {steps:?}");
        }
    }
}

#[test]
fn every_step_of_ending_a_run_is_told_in_order() {
    let instance = Instance::running();
    let deaf = "trap '' TERM; while :; do sleep 1; done";
    instance.add("deaf", deaf, &["--kill-grace", "400ms"]);
    let run = instance.request("deaf");
    until("it runs", || {
        let rows = instance.sandbox.items(&["ps"]);
        rows.iter().any(|r| r["pid"].is_number()).then_some(())
    });
    instance.sandbox.ok(&["kill", "deaf"]);
    let told = instance.told("kill", run);
    let words: Vec<&str> = told.iter().map(|e| e["text"].as_str().unwrap()).collect();
    assert!(words[0].starts_with("ending run "), "{words:?}");
    assert!(words[1].starts_with("kill: SIGTERM to "), "{words:?}");
    assert!(words[2].starts_with("SIGKILL after 0.4 s to "), "{words:?}");
    assert!(
        words.last().unwrap().starts_with("gone after 0."),
        "{words:?}"
    );
    let times: Vec<&str> = told.iter().map(|e| e["at"].as_str().unwrap()).collect();
    assert!(times.is_sorted(), "{times:?}");
}

#[test]
fn a_worker_that_is_stopped_is_ended_with_its_run_by_the_core() {
    let instance = Instance::running();
    let mark = format!("MARK={}", instance.sandbox.path("").display());
    let line = "trap '' TERM; setsid env -i sleep 1000 & sleep 1000";
    let flags = ["--env", &mark, "--kill-grace", "100ms", "--on-lost", "fail"];
    instance.add("held", line, &[&flags[..], &["--timeout", "1s"]].concat());
    let run = instance.request("held");
    until("it runs", || (alive(&mark).len() >= 2).then_some(()));
    let worker = fs::read_dir("/proc").unwrap().flatten().find_map(|entry| {
        let line = fs::read(entry.path().join("cmdline")).ok()?;
        let line = String::from_utf8_lossy(&line).into_owned();
        let home = instance.sandbox.path("home").display().to_string();
        let pid: i32 = entry.file_name().to_str()?.parse().ok()?;
        let children = fs::read_to_string(format!("/proc/{pid}/task/{pid}/children")).ok()?;
        let found = line.contains("__worker") && line.contains(&home) && !children.is_empty();
        found.then_some(pid)
    });
    signal(worker.expect("its worker"), Signal::STOP);
    let row = instance.ended(run);
    assert_eq!(row["outcome"], "lost", "{row}");
    let reason = row["reason"].as_str().unwrap();
    assert!(
        reason.contains("did not end it in time and was killed"),
        "{reason}"
    );
    until("nothing is left", || alive(&mark).is_empty().then_some(()));
    let home = instance.sandbox.path("home").display().to_string();
    until("its sleeper without a mark is gone", || {
        let sleeps = fs::read_dir("/proc").unwrap().flatten().any(|entry| {
            let read = |name: &str| fs::read(entry.path().join(name)).unwrap_or_default();
            let cwd = fs::read_link(entry.path().join("cwd")).unwrap_or_default();
            read("cmdline").starts_with(b"sleep\x001000")
                && home.starts_with(cwd.to_str().unwrap_or("-"))
                && cwd.components().count() > 1
        });
        (!sleeps).then_some(())
    });
}
