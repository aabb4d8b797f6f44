//! Runs as those who ask for them see them: output, exit code, and no process left behind.

use crate::support::instance::{Instance, is_alive};
use crate::support::wait::until;

#[test]
fn run_exits_as_the_job_did_and_keeps_its_streams_apart() {
    let instance = Instance::running();
    let code = |name: &str| {
        let answer = instance.sandbox.run(&["run", name]);
        (answer.code, answer.stdout, answer.stderr)
    };
    instance.add("seven", "echo out; echo err >&2; exit 7", &[]);
    let (exit, out, err) = code("seven");
    assert_eq!((exit, out.as_str()), (7, "out\n"), "{err}");
    assert!(
        err.contains("err\n") && err.contains("FAIL exit 7"),
        "{err}"
    );
    instance.add("shot", "kill -USR1 $$", &[]);
    assert_eq!(code("shot").0, 128 + 10);
    instance
        .sandbox
        .ok(&["add", "nowhere", "--", "/no/such/file"]);
    assert_eq!(code("nowhere").0, 127);
    let plain = instance.sandbox.file("plain", b"no program");
    let plain = plain.to_str().unwrap();
    instance.sandbox.ok(&["add", "plain", "--", plain]);
    assert_eq!(code("plain").0, 126);
    instance.add("slow", "echo begun; sleep 60", &["--timeout", "300ms"]);
    let (exit, out, _) = code("slow");
    assert_eq!((exit, out.as_str()), (124, "begun\n"));
    let states: Vec<String> = ["seven", "shot", "nowhere", "plain", "slow"]
        .iter()
        .map(|job| instance.sandbox.items(&["history", job])[0]["state"].to_string())
        .collect();
    let wanted = [
        "failed",
        "signaled",
        "unspawnable",
        "unspawnable",
        "timed_out",
    ];
    assert_eq!(states, wanted.map(|w| format!("\"{w}\"")));
}

#[test]
fn a_run_that_is_killed_leaves_no_process_behind() {
    let instance = Instance::running();
    let deaf = "trap '' TERM; echo $$ >> pids; while :; do sleep 1; done";
    instance.sandbox.file("deaf", deaf.as_bytes());
    let line = "sh deaf & setsid sh deaf & setsid sh -c 'sh deaf & sh deaf' & sh deaf";
    instance.add("stubborn", line, &["--kill-grace", "200ms"]);
    let run = instance.request("stubborn");
    let pids = instance.until_lines("pids", 5);
    let killed = instance.sandbox.run(&["kill", "stubborn"]);
    assert_eq!(killed.code, 0, "{killed:?}");
    for pid in pids {
        let pid: i32 = pid.parse().unwrap();
        until("the process is gone", || (!is_alive(pid)).then_some(()));
    }
    assert_eq!(instance.ended(run)["state"], "killed");
    let again = instance.sandbox.run(&["kill", &run.to_string()]);
    assert_eq!(again.code, 5, "{again:?}");
}

#[test]
fn large_output_is_kept_to_its_limit_with_head_and_tail() {
    let instance = Instance::running();
    let line = "echo first; head -c 3000000 /dev/zero | tr '\\0' 'x' | fold; echo last";
    instance.add("loud", line, &["--output-max", "256K"]);
    let followed = instance.sandbox.run(&["run", "loud"]);
    assert_eq!(followed.code, 0, "{}", followed.stderr);
    let kept = instance.sandbox.ok(&["logs", "loud"]).stdout;
    assert!(kept.starts_with("first\n") && kept.ends_with("last\n"));
    assert!(kept.len() < 400_000, "{}", kept.len());
}
