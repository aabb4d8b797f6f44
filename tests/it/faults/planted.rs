//! Something else than our own file at each path we open: refused or harmless, and nobody hangs.

use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};

use rustix::fs::{CWD, Mode, mkfifoat};

use rustix::process::Signal;

use crate::support::instance::{Instance, end_of, signal};
use crate::support::wait::until;

/// What is not to be touched.
const VICTIM: &[u8] = b"somebody else's file\n";

#[derive(Clone, Copy, Debug)]
enum Plant {
    Symlink,
    Fifo,
    Directory,
}

fn plant(what: Plant, at: &Path, victim: &Path) {
    let _ = std::fs::remove_file(at);
    let _ = std::fs::remove_dir_all(at);
    match what {
        Plant::Symlink => symlink(victim, at).unwrap(),
        Plant::Fifo => mkfifoat(CWD, at, Mode::RUSR | Mode::WUSR).unwrap(),
        Plant::Directory => std::fs::create_dir(at).unwrap(),
    }
}

fn victim(instance: &Instance) -> PathBuf {
    instance.sandbox.file("victim", VICTIM)
}

#[test]
fn what_is_planted_at_our_paths_before_a_start_is_refused_or_harmless() {
    let files = ["spool/lock", "spool/ring", "crake.sock", "spool/slots"];
    let slots = ["lock", "ledger", "out", "sock", "evidence"].map(|f| format!("spool/slots/1/{f}"));
    std::thread::scope(|scope| {
        for file in files.iter().map(|f| (*f).to_owned()).chain(slots) {
            scope.spawn(move || {
                for what in [Plant::Symlink, Plant::Fifo, Plant::Directory] {
                    start_over(what, &file);
                }
            });
        }
    });
}

/// A start of the daemon with something planted: it says why it cannot, or it works, and a job runs
/// to its end.
fn start_over(what: Plant, file: &str) {
    let mut instance = Instance::running();
    instance.add("once", "echo done", &[]);
    instance.ended(instance.request("once"));
    instance.kill_all();
    let victim = victim(&instance);
    plant(what, &instance.sandbox.path("home").join(file), &victim);
    let mut daemon = instance.daemon_command().spawn().unwrap();
    let works = until(&format!("{what:?} at {file}: an answer"), || {
        if instance.core().is_some() {
            return Some(true);
        }
        daemon.try_wait().unwrap().map(|_| false)
    });
    println!(
        "{what:?} at {file}: {}",
        if works { "works" } else { "refused" }
    );
    if works {
        instance.ended(instance.request("once"));
        signal(i32::try_from(daemon.id()).unwrap(), Signal::TERM);
        end_of(&mut daemon);
    } else {
        let said = instance.lines("daemon.err");
        let why = ["use", "take", "listen"].map(|verb| format!("error: cannot {verb}"));
        let told = said.iter().any(|l| why.iter().any(|w| l.starts_with(w)));
        assert!(told, "{what:?} at {file}: {said:?}");
    }
    let kept = std::fs::read(&victim).unwrap();
    assert_eq!(kept, VICTIM, "{what:?} at {file} was followed");
}

#[test]
fn what_a_job_plants_where_large_output_is_kept_is_not_followed() {
    for what in [Plant::Symlink, Plant::Fifo, Plant::Directory] {
        let instance = Instance::running();
        let victim = victim(&instance);
        let logs = instance.sandbox.path("home/logs");
        for fence in 1..20 {
            plant(what, &logs.join(format!("{fence}.out")), &victim);
        }
        instance.add("large", "head -c 300000 /dev/urandom", &[]);
        for _ in 0..2 {
            let ended = instance.ended(instance.request("large"));
            assert_eq!(ended["state"], "succeeded", "{what:?}: {ended}");
        }
        assert_eq!(
            std::fs::read(&victim).unwrap(),
            VICTIM,
            "{what:?} was followed"
        );
        let shown = instance
            .sandbox
            .command()
            .args(["logs", "--raw", "large"])
            .output();
        assert!(
            shown.unwrap().stdout.len() > 100_000,
            "{what:?}: output is lost"
        );
    }
}
