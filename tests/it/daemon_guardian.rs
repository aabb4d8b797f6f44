//! What the guardian sees and tells, and what becomes of a core without one.

use rustix::process::Signal;
use serde_json::Value;

use crate::support::instance::{Instance, is_alive, signal};
use crate::support::wait::{mono, pass, until, within};

/// The guardian the daemon names.
fn guardian(instance: &Instance) -> Option<i32> {
    let pid = instance.status()["daemon"]["guardian"].as_i64()?;
    i32::try_from(pid).ok()
}

fn kinds(status: &Value) -> Vec<String> {
    let list = status["attention"].as_array().unwrap();
    list.iter()
        .map(|a| a["kind"].as_str().unwrap().to_owned())
        .collect()
}

#[test]
fn a_core_that_dies_again_and_again_is_told_of() {
    let mut instance = Instance::running();
    instance.add("tick", "true", &[]);
    for _ in 0..3 {
        let (killed, at) = (instance.kill_core(), mono());
        let next = instance.up_but_for(Some(killed));
        println!("core {killed} -> {next} after {} ms", mono() - at);
    }
    let status = instance.status();
    assert_eq!(status["daemon"]["deaths"], 3, "{status}");
    assert_eq!(status["daemon"]["ending"], "by signal 9", "{status}");
    assert!(kinds(&status).contains(&"flapping".to_owned()), "{status}");
    let words = instance.sandbox.ok(&["status"]).stdout;
    assert!(words.contains("FLAPPING"), "{words}");
    let check = instance.sandbox.run(&["check"]);
    assert_eq!(check.code, 2, "{check:?}");
    let told: Vec<String> = instance
        .sandbox
        .items(&["events"])
        .iter()
        .filter(|e| e["kind"] == "guardian")
        .map(|e| e["text"].as_str().unwrap().to_owned())
        .collect();
    let first = "the core ended by signal 9; started again after 100 ms";
    let third = "started again after 400 ms; 3 times in a row";
    assert_eq!(told.len(), 3, "{told:?}");
    assert!(told[0].starts_with(first), "{told:?}");
    assert!(told[2].contains(third), "{told:?}");
    assert_eq!(instance.stop(), 0);
}

#[test]
fn the_first_deaths_of_a_core_cost_less_than_two_seconds_each() {
    let mut instance = Instance::running();
    for _ in 0..3 {
        let killed = instance.kill_core();
        within(2_000, "another core keeps time", || {
            instance.core().filter(|pid| *pid != killed)
        });
    }
    assert_eq!(instance.stop(), 0);
}

#[test]
fn a_core_that_cannot_start_again_is_told_of_while_none_answers() {
    let mut instance = Instance::running();
    instance.add("tick", "true", &[]);
    let sql = instance.sql();
    sql.execute_batch("BEGIN IMMEDIATE").unwrap();
    let killed = instance.kill_core();
    let trying = until("status tells what keeps it from starting", || {
        let status = instance.status();
        let why = status["daemon"]["silent"].as_str()?.to_owned();
        (why.contains("again and again") && why.contains("locked")).then_some(status)
    });
    assert_eq!(trying["daemon"]["up"], false, "{trying}");
    assert_eq!(trying["daemon"]["guardian"], instance.guardian());
    assert_eq!(trying["attention"][0]["kind"], "daemon", "{trying}");
    assert_eq!(instance.sandbox.run(&["check"]).code, 2);
    sql.execute_batch("ROLLBACK").unwrap();
    instance.up_but_for(Some(killed));
    assert_eq!(instance.status()["daemon"]["silent"], Value::Null);
    assert_eq!(instance.stop(), 0);
    assert_eq!(instance.status()["daemon"]["silent"], Value::Null);
}

#[test]
fn a_daemon_that_meets_a_newer_store_is_told_of_by_status() {
    let instance = Instance::running();
    instance.add("tick", "true", &[]);
    let sql = instance.sql();
    sql.execute_batch("PRAGMA user_version = 99").unwrap();
    instance.kill_core();
    until("status tells both", || {
        let said = instance.sandbox.run(&["status"]);
        let told = said.stderr.contains("newer crake") && said.stderr.contains("again and again");
        (said.code == 5 && told).then_some(())
    });
    assert_eq!(instance.sandbox.run(&["check"]).code, 2);
}

#[test]
fn a_core_that_stands_still_is_seen_at_once_and_replaced() {
    let mut instance = Instance::running();
    instance.add("tick", "true", &["-s", "every 1s"]);
    instance.succeeded("tick", 1);
    let core = instance.core().unwrap();
    signal(core, Signal::STOP);
    let at = mono();
    within(5_000, "status says so", || {
        let status = instance.status();
        (status["daemon"]["up"] == false).then_some(())
    });
    within(5_000, "check says so", || {
        let check = instance.sandbox.run(&["check"]);
        (check.code == 2 && check.stdout.contains("does not answer")).then_some(())
    });
    let left = 15_000 - (mono() - at);
    within(left, "another core keeps time", || {
        instance.core().filter(|pid| *pid != core)
    });
    println!("replaced {} ms after it stood still", mono() - at);
    instance.stop_and_audit();
}

#[test]
fn a_guardian_that_is_killed_gets_a_successor_that_keeps_the_living_core() {
    let instance = Instance::running();
    instance.add("tick", "echo on >> starts", &["-s", "every 1s"]);
    let core = instance.core().unwrap();
    let mut last = instance.guardian();
    for _ in 0..2 {
        signal(last, Signal::KILL);
        let next = until("another guardian is there", || {
            guardian(&instance).filter(|pid| *pid != last)
        });
        assert_eq!(instance.core(), Some(core), "the core lives on");
        last = next;
    }
    let told = instance.lines("starts").len();
    instance.until_lines("starts", told + 2);
    let killed = instance.kill_core();
    assert_eq!(killed, core);
    let next = instance.up_but_for(Some(core));
    assert_eq!(guardian(&instance), Some(last), "it starts the next core");
    // Whoever stops the daemon stops it through the guardian that is there now.
    signal(last, Signal::TERM);
    until("guardian and core are gone", || {
        (!is_alive(last) && !is_alive(next)).then_some(())
    });
    assert_eq!(instance.status()["daemon"]["silent"], Value::Null);
    let audit = instance.sandbox.run(&["audit"]);
    assert_eq!(audit.code, 0, "{audit:?}");
    let missed: Option<i64> = instance.cell("SELECT count(*) FROM fire WHERE verdict = 'missed'");
    assert_eq!(missed, Some(0));
}

#[test]
fn a_core_that_stands_still_under_an_adopting_guardian_is_replaced_too() {
    let instance = Instance::running();
    let (core, first) = (instance.core().unwrap(), instance.guardian());
    signal(first, Signal::KILL);
    let second = until("another guardian is there", || {
        guardian(&instance).filter(|pid| *pid != first)
    });
    signal(core, Signal::STOP);
    within(20_000, "another core keeps time", || {
        instance.core().filter(|pid| *pid != core)
    });
    signal(second, Signal::TERM);
    until("the guardian is gone", || (!is_alive(second)).then_some(()));
}

#[test]
fn a_core_told_to_end_behind_the_back_of_its_guardian_is_not_started_again() {
    let instance = Instance::running();
    let (core, first) = (instance.core().unwrap(), instance.guardian());
    signal(first, Signal::KILL);
    let second = until("another guardian is there", || {
        guardian(&instance).filter(|pid| *pid != first)
    });
    signal(core, Signal::TERM);
    until("both are gone", || {
        (!is_alive(core) && !is_alive(second)).then_some(())
    });
}

#[test]
fn a_lock_that_a_dying_daemon_still_holds_is_waited_for() {
    let mut instance = Instance::new();
    let mut dead = std::process::Command::new("true").spawn().unwrap();
    dead.wait().unwrap();
    let text = format!("{}\n", dead.id());
    let path = instance.sandbox.file("home/spool/lock", text.as_bytes());
    let held = std::fs::File::open(path).unwrap();
    rustix::fs::flock(&held, rustix::fs::FlockOperation::LockExclusive).unwrap();
    // A daemon that does not wait has left long before that.
    let release = std::thread::spawn(move || {
        pass(500);
        drop(held);
    });
    instance.start();
    release.join().unwrap();
    assert_eq!(instance.stop(), 0);
}

/// A process whose thread waits as one does that waits for a disk: posix_spawn(3) sleeps so until
/// its child executes something, and this child first waits at a named pipe.
const SLEEPER: &str = "import os, sys
action = (os.POSIX_SPAWN_OPEN, 0, sys.argv[1], os.O_RDONLY, 0)
os.posix_spawn('/bin/true', ['true'], {}, file_actions=[action])";

#[test]
fn a_thread_that_waits_for_a_disk_is_told_from_one_that_sleeps() {
    use crake::process::identity::waits_for_disk;
    let instance = Instance::new();
    let gate = instance.gate("gate");
    let mut python = std::process::Command::new("python3");
    let spawned = python.arg("-c").arg(SLEEPER).arg(&gate).spawn();
    let Ok(mut child) = spawned else {
        assert!(std::env::var_os("CI").is_none(), "CI has python3");
        eprintln!("SKIPPED: there is no python3");
        return;
    };
    let pid = i32::try_from(child.id()).unwrap();
    until("it waits", || waits_for_disk(pid, "python3").then_some(()));
    assert!(!waits_for_disk(pid, "firing"), "another thread is meant");
    // The one who opens the pipe lets it go on.
    drop(std::fs::File::options().write(true).open(&gate).unwrap());
    child.wait().unwrap();
    assert!(!waits_for_disk(pid, "python3"));
    let running = Instance::running();
    assert!(!waits_for_disk(running.core().unwrap(), "api"));
}
