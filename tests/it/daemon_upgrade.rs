//! A daemon that goes over to another program while jobs run.

use std::fs;
use std::io::Write;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use rustix::process::Signal;

use crate::support::instance::{Instance, end_of, signal};
use crate::support::wait::until;

/// A daemon started from a copy of the program.
struct Installed {
    instance: Instance,
    program: PathBuf,
    daemon: Child,
}

impl Installed {
    fn new() -> Installed {
        let instance = Instance::new();
        let program = instance.sandbox.path("bin-crake");
        place(Path::new(env!("CARGO_BIN_EXE_crake")), &program);
        let words = fs::File::create(instance.sandbox.path("daemon.err")).unwrap();
        let mut command = Command::new(&program);
        command
            .env_clear()
            .env("CRAKE_HOME", instance.sandbox.path("home"))
            .env("HOME", instance.sandbox.path(""))
            .env("TZ", "UTC")
            .current_dir(instance.sandbox.path(""))
            .arg("daemon")
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(words);
        let daemon = command.spawn().unwrap();
        until("a daemon answers", || instance.core());
        Installed {
            instance,
            program,
            daemon,
        }
    }

    /// What the guardian is executed from.
    fn executed(&self) -> PathBuf {
        fs::read_link(format!("/proc/{}/exe", self.daemon.id())).unwrap()
    }

    fn end(mut self) {
        signal(i32::try_from(self.daemon.id()).unwrap(), Signal::TERM);
        assert_eq!(end_of(&mut self.daemon), 0);
        let audit = self.instance.sandbox.run(&["audit"]);
        assert_eq!(audit.code, 0, "{audit:?}");
    }
}

/// Puts a program where another one may be running, as package managers do.
fn place(from: &Path, to: &Path) {
    let new = to.with_extension("new");
    fs::copy(from, &new).unwrap();
    fs::set_permissions(&new, fs::Permissions::from_mode(0o755)).unwrap();
    fs::rename(&new, to).unwrap();
}

fn script(installed: &Installed, text: &str) {
    let path = installed.instance.sandbox.file("script", text.as_bytes());
    place(&path, &installed.program);
}

#[test]
fn an_upgrade_leaves_running_jobs_alone_and_keeps_their_exit_codes() {
    let installed = Installed::new();
    let instance = &installed.instance;
    instance.add("tick", "true", &["-s", "every 1s"]);
    let gate = instance.gate("gate");
    let mut runs = Vec::new();
    for code in [0, 3, 7] {
        let name = format!("long{code}");
        instance.add(
            &name,
            &format!("echo $$ >> starts; read x < gate{code}; exit {code}"),
            &[],
        );
        instance.gate(&format!("gate{code}"));
        runs.push((instance.request(&name), code));
    }
    drop(gate);
    instance.until_lines("starts", 3);
    let (core, old) = (instance.core().unwrap(), installed.executed());
    place(Path::new(env!("CARGO_BIN_EXE_crake")), &installed.program);
    let said = instance.sandbox.ok(&["daemon", "--upgrade"]);
    assert!(said.stdout.contains("keeps time"), "{said:?}");
    let now = instance.core().unwrap();
    assert_ne!(now, core);
    until("the guardian is the new program", || {
        (installed.executed() == installed.program).then_some(())
    });
    assert_ne!(old, installed.executed().join("x"));
    for (run, code) in runs {
        let gate = instance.sandbox.path(&format!("gate{code}"));
        fs::File::create(gate).unwrap().write_all(b"on\n").unwrap();
        let ended = instance.ended(run);
        assert_eq!(ended["exit_code"], code, "{ended}");
    }
    assert_eq!(instance.lines("starts").len(), 3);
    let missed: Option<i64> = instance.cell("SELECT count(*) FROM fire WHERE verdict = 'missed'");
    assert_eq!(missed, Some(0));
    // The guardian that took over starts cores as well.
    let killed = instance.kill_core();
    instance.up_but_for(Some(killed));
    let events = instance.sandbox.items(&["events"]);
    assert!(events.iter().any(|e| e["kind"] == "upgrade"), "{events:?}");
    installed.end();
}

#[test]
fn a_program_that_is_none_of_ours_changes_nothing() {
    let installed = Installed::new();
    let core = installed.instance.core();
    place(Path::new("/bin/false"), &installed.program);
    let said = installed.instance.sandbox.run(&["daemon", "--upgrade"]);
    assert_eq!(said.code, 5, "{said:?}");
    assert!(said.stderr.contains("is no crake that works"), "{said:?}");
    assert_eq!(installed.instance.core(), core, "the old one goes on");
    until("it is told of", || {
        let events = installed.instance.sandbox.items(&["events"]);
        let told = |e: &serde_json::Value| e["kind"] == "upgrade" && e["level"] == "error";
        events.iter().any(told).then_some(())
    });
    fs::remove_file(&installed.program).unwrap();
    let said = installed.instance.sandbox.run(&["daemon", "--upgrade"]);
    assert!(said.stderr.contains("cannot be executed"), "{said:?}");
    // A core of the old program is still to be had.
    let killed = installed.instance.kill_core();
    installed.instance.up_but_for(Some(killed));
    installed.end();
}

#[test]
fn a_new_program_that_cannot_keep_time_is_given_up_for_the_old_one() {
    let installed = Installed::new();
    let core = installed.instance.core().unwrap();
    script(
        &installed,
        "#!/bin/sh\n[ \"$1\" = __program ] && echo crake 99.0 && exit 0\nexit 9\n",
    );
    let said = installed.instance.sandbox.run(&["daemon", "--upgrade"]);
    assert_eq!(said.code, 5, "{said:?}");
    assert!(
        said.stderr
            .contains("the old program goes on: it ended with code 9"),
        "{said:?}"
    );
    assert_ne!(installed.instance.core(), Some(core));
    assert!(
        installed.instance.core().is_some(),
        "the old one keeps time again"
    );
    assert!(
        installed
            .executed()
            .to_string_lossy()
            .ends_with("(deleted)")
    );
    installed.end();
}

#[test]
fn without_a_daemon_there_is_nothing_to_upgrade() {
    let instance = Instance::new();
    assert_eq!(instance.sandbox.run(&["daemon", "--upgrade"]).code, 4);
}
