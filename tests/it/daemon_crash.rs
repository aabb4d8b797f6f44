//! Whatever is killed, whenever: no outcome is lost and nothing is started twice.

use std::fs::File;
use std::io::Write;

use rustix::process::Signal;

use crate::support::instance::{Instance, is_alive, signal};
use crate::support::wait::{mono, pass, until, within};

#[test]
fn the_outcome_of_a_run_that_ended_while_nobody_was_there_is_known_to_the_next_daemon() {
    let mut instance = Instance::running();
    let line = "echo $$ >> starts; sleep 2; echo done; exit 3";
    instance.add("late", line, &[]);
    let run = instance.request("late");
    let pid: i32 = instance.until_lines("starts", 1)[0].parse().unwrap();
    instance.kill_all();
    assert!(is_alive(pid), "the job lives on");
    until("the job ends", || (!is_alive(pid)).then_some(()));
    instance.start();
    let ended = instance.ended(run);
    assert_eq!(ended["state"], "failed", "{ended}");
    assert_eq!(ended["exit_code"], 3, "{ended}");
    assert_eq!(ended["attempt"], 1, "{ended}");
    assert_eq!(instance.sandbox.ok(&["logs", "late"]).stdout, "done\n");
    assert_eq!(instance.lines("starts").len(), 1);
    assert_eq!(instance.stop(), 0);
}

#[test]
fn a_run_that_is_alive_is_adopted_with_its_true_code_and_its_whole_output() {
    let mut instance = Instance::running();
    let gate = instance.gate("gate");
    let line = "echo $$ >> starts; echo one; read x < gate; echo $x; exit 4";
    instance.add("gated", line, &[]);
    let run = instance.request("gated");
    instance.until_lines("starts", 1);
    instance.kill_all();
    instance.start();
    let ps = instance.sandbox.items(&["ps"]);
    assert_eq!(
        (&ps[0]["run"], &ps[0]["state"]),
        (&run.into(), &"running".into())
    );
    File::create(gate).unwrap().write_all(b"two\n").unwrap();
    let ended = instance.ended(run);
    assert_eq!(ended["state"], "failed", "{ended}");
    assert_eq!(ended["exit_code"], 4, "{ended}");
    assert_eq!(instance.sandbox.ok(&["logs", "gated"]).stdout, "one\ntwo\n");
    assert_eq!(instance.lines("starts").len(), 1);
}

#[test]
fn a_core_that_is_killed_is_replaced_and_the_jobs_go_on() {
    let mut instance = Instance::running();
    instance.add("tick", "true", &["-s", "every 1s"]);
    instance.succeeded("tick", 1);
    let (killed, at) = (instance.kill_core(), mono());
    let next = within(5_000, "another core answers", || {
        instance.core().filter(|pid| *pid != killed)
    });
    println!(
        "core {killed} was replaced by {next} after {} ms",
        mono() - at
    );
    let done: i64 = instance.cell("SELECT count(*) FROM run").unwrap();
    instance.succeeded("tick", done + 2);
    let missed: i64 = instance
        .cell("SELECT count(*) FROM fire WHERE verdict = 'missed'")
        .unwrap();
    assert_eq!(missed, 0, "what falls into a restart is late, not missed");
    instance.stop_and_audit();
}

#[test]
fn a_core_that_hangs_does_not_answer_and_is_replaced() {
    let mut instance = Instance::running();
    instance.add("tick", "true", &["-s", "every 1s"]);
    instance.succeeded("tick", 1);
    let core = instance.core().unwrap();
    signal(core, Signal::STOP);
    let status = instance.status();
    assert_eq!(status["daemon"]["up"], false, "{status}");
    assert!(status["daemon"]["silent"].is_string(), "{status}");
    assert_eq!(status["attention"][0]["kind"], "daemon", "{status}");
    let text = instance.sandbox.ok(&["status"]).stdout;
    assert!(text.contains("DAEMON DOES NOT ANSWER"), "{text}");
    let asked = instance.sandbox.run(&["run", "tick"]);
    assert_eq!(asked.code, 4, "{asked:?}");
    instance.up_but_for(Some(core));
    let done: i64 = instance.cell("SELECT count(*) FROM run").unwrap();
    instance.succeeded("tick", done + 1);
    instance.stop_and_audit();
}

#[test]
fn kill_9_at_any_moment_loses_no_fire_and_starts_nothing_twice() {
    let mut instance = Instance::running();
    for job in ["a", "b", "c", "d"] {
        let line = format!("echo {job} $CRAKE_RUN $CRAKE_ATTEMPT >> starts");
        instance.add(job, &line, &["-s", "every 1s", "--catch-up", "all"]);
    }
    instance.until_lines("starts", 4);
    // Any moment will do; these are spread over the second the jobs fire in.
    for moment in [130, 910, 370, 620, 40, 790, 250, 500, 980, 310] {
        pass(moment);
        if moment % 20 == 0 {
            instance.kill_all();
            instance.start();
        } else {
            let killed = instance.kill_core();
            instance.up_but_for(Some(killed));
        }
    }
    pass(1_000);
    let audit = instance.stop_and_audit();
    assert!(audit["planned"].as_i64().unwrap() > 20, "{audit}");
    // What was alive when the daemon stopped is over now; the next one only looks.
    instance.start();
    instance.until_sql("NOT EXISTS(SELECT 1 FROM run WHERE state IN ('queued', 'running'))");
    let mut starts = instance.lines("starts");
    let all = starts.len();
    starts.sort();
    starts.dedup();
    assert_eq!(starts.len(), all, "a run and attempt was started twice");
    let ended: i64 = instance
        .cell("SELECT count(*) FROM run WHERE state <> 'succeeded'")
        .unwrap();
    assert_eq!(ended, 0, "{:?}", instance.sandbox.items(&["history"]));
}

#[test]
fn a_guardian_short_of_descriptors_starts_the_core_once_there_are_some() {
    use rustix::process::{Pid, Resource, Rlimit, getrlimit, prlimit};
    let instance = Instance::running();
    let guardian = Pid::from_raw(instance.guardian());
    let limit = |current| Rlimit {
        current,
        maximum: getrlimit(Resource::Nofile).maximum,
    };
    let before = prlimit(guardian, Resource::Nofile, limit(Some(3))).unwrap();
    let dead = instance.kill_core();
    until("the guardian says so", || {
        let words = std::fs::read_to_string(instance.sandbox.path("daemon.err")).ok()?;
        words.contains("cannot be started").then_some(())
    });
    prlimit(guardian, Resource::Nofile, before).unwrap();
    assert_ne!(instance.up_but_for(Some(dead)), dead);
}
