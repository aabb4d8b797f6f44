//! Limits of memory, CPU time and processes, with control groups and without; and the line that
//! verifies what a job did.

use std::fs;

use serde_json::Value;

use crate::support::facility;
use crate::support::instance::Instance;

/// Takes memory slowly enough to be seen, until it is ended.
const HOG: &str = "my @a; while (1) { push @a, 'x' x (1 << 20); select undef, undef, undef, 0.01 }";
const PERL: &str = "/usr/bin/perl";

/// Whether this host lets root limit memory by a control group.
fn groups() -> bool {
    let own = fs::read_to_string("/proc/self/cgroup").unwrap();
    let old = own.lines().any(|l| l.contains(":memory:"));
    let new = fs::read_to_string("/sys/fs/cgroup/cgroup.subtree_control").unwrap_or_default();
    facility::root() && facility::is_there("memory controller", old || new.contains("memory"))
}

fn reason(row: &Value) -> &str {
    row["reason"].as_str().unwrap_or_default()
}

fn hog(instance: &Instance) -> Value {
    let what = ["--", PERL, "-e", HOG];
    let head = ["add", "hog", "--cwd", "/", "--memory-max", "48M"];
    instance
        .sandbox
        .ok(&[&head[..], &["--timeout", "60s"], &what].concat());
    instance.outcome("hog")
}

#[test]
fn a_job_that_takes_too_much_memory_is_ended_by_its_group() {
    if !groups() {
        return;
    }
    let instance = Instance::running();
    let row = hog(&instance);
    assert_eq!(row["outcome"], "killed", "{row}");
    let said = "memory; it passed its limit of 48.0 MiB of memory; it used 48.0 MiB";
    assert_eq!(reason(&row), said);
    // The group is used again, and what was there before does not count.
    instance.add("small", "true", &["--memory-max", "48M"]);
    assert_eq!(instance.outcome("small")["outcome"], "succeeded");
}

#[test]
fn a_job_that_takes_too_much_memory_is_ended_without_a_group() {
    let instance = Instance::of_nobody();
    let row = hog(&instance);
    assert_eq!(row["outcome"], "killed", "{row}");
    let said = "memory; it passed its limit of 48.0 MiB of memory; it used ";
    assert!(reason(&row).starts_with(said), "{row}");
}

/// Starts so many sleepers and says how many there were.
const MANY: &str = "my $n = 0; for (1..40) { my $p = fork; last unless defined $p; \
  unless ($p) { sleep 60; exit } $n++ } print $n; kill 'KILL', 0 - getpgrp";

#[test]
fn there_are_never_more_processes_than_the_limit_says() {
    let mut all = vec![Instance::of_nobody()];
    if facility::root() {
        all.push(Instance::running());
    }
    for instance in all {
        let what = ["--", PERL, "-e", "$| = 1;", "-e", MANY];
        let head = ["add", "many", "--cwd", "/", "--processes-max", "12"];
        instance.sandbox.ok(&[&head[..], &what].concat());
        instance.outcome("many");
        let count: i64 = instance.output("many").trim().parse().unwrap();
        // Without a group the kernel counts all of the user, which others make more or fewer.
        assert!((1..40).contains(&count), "{count}");
        if rustix::process::geteuid().is_root() && instance.sandbox.is_own() {
            assert_eq!(count, 11);
        }
    }
}

#[test]
fn cpu_time_of_all_processes_together_is_limited() {
    let instance = Instance::of_nobody();
    let line = "(while :; do :; done) & (while :; do :; done) & wait";
    let flags = [
        "--cpu-max",
        "600ms",
        "--timeout",
        "60s",
        "--kill-grace",
        "100ms",
    ];
    instance.add("spin", line, &flags);
    let row = instance.outcome("spin");
    assert_eq!(row["outcome"], "killed", "{row}");
    let said = "cpu; it passed its limit of 600ms of CPU time; it used ";
    assert!(reason(&row).starts_with(said), "{row}");
    // Many processes, each of them short, count as well.
    let line = "while :; do sh -c 'i=0; while [ $i -lt 2000 ]; do i=$((i+1)); done'; done";
    instance.add("short", line, &flags);
    let row = instance.outcome("short");
    assert_eq!(row["outcome"], "killed", "{row}");
    assert!(reason(&row).starts_with("cpu; "), "{row}");
}

#[test]
fn what_a_job_did_is_verified_after_exit_code_0() {
    let instance = Instance::running();
    let verified = |name: &str, line: &str, verify: &str, flags: &[&str]| {
        instance.add(name, line, &[&["--verify", verify], flags].concat());
        instance.outcome(name)
    };
    let row = verified(
        "good",
        "echo done > made; echo did",
        "grep -q done made; echo $?",
        &[],
    );
    assert_eq!(row["outcome"], "succeeded", "{row}");
    assert_eq!(instance.output("good"), "did\n0\n");
    let row = verified("bad", "echo did", "echo code $CRAKE_EXIT_CODE; false", &[]);
    assert_eq!(
        (row["outcome"].as_str(), row["exit_code"].as_i64()),
        (Some("failed"), Some(1))
    );
    assert_eq!(reason(&row), "verify: exited with 1");
    assert_eq!(instance.output("bad"), "did\ncode 0\n");
    let row = verified("shot", "true", "kill -9 $$", &[]);
    assert_eq!(row["outcome"], "failed", "{row}");
    assert_eq!(reason(&row), "verify: ended by signal 9");
    let row = verified("failed", "exit 3", "echo never", &[]);
    assert_eq!((row["exit_code"].as_i64(), reason(&row)), (Some(3), ""));
    assert_eq!(instance.output("failed"), "");
    let row = verified("hangs", "true", "sleep 60", &["--timeout", "300ms"]);
    assert_eq!(row["outcome"], "timed_out", "{row}");
    assert_eq!(
        reason(&row),
        "timeout; it ran longer than 300ms, and was being verified"
    );
    if facility::root() {
        let flags = ["--user", "nobody", "--cwd", "/"];
        instance.sandbox.ok(&[
            &["add", "theirs", "-c", "true", "--verify", "id -un"],
            &flags[..],
        ]
        .concat());
        assert_eq!(instance.outcome("theirs")["outcome"], "succeeded");
        assert_eq!(instance.output("theirs"), "nobody\n");
    }
}

#[test]
fn an_attempt_knows_what_it_makes_up_for() {
    let instance = Instance::running();
    let line = "echo ${CRAKE_RECOVERY-none}; [ $CRAKE_ATTEMPT = 2 ]";
    instance.add("twice", line, &["--retry", "1", "--backoff", "10ms"]);
    instance.outcome("twice");
    let run = instance.sandbox.items(&["history", "twice"])[0]["run"]
        .as_i64()
        .unwrap();
    instance.ended(run);
    assert_eq!(instance.output(&format!("{run}.1")), "none\n");
    assert_eq!(instance.output(&format!("{run}.2")), "retry\n");
    let line = "echo ${CRAKE_RECOVERY-none}; [ $CRAKE_ATTEMPT = 2 ] || kill -9 $PPID; sleep 1";
    instance.add("shot", line, &["--on-lost", "retry", "--backoff", "10ms"]);
    let run = instance.request("shot");
    instance.ended(run);
    assert_eq!(instance.output(&format!("{run}.2")), "lost\n");
}
