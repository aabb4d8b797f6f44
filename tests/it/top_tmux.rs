//! The dashboard in a real terminal: tmux types the keys and reads the screen.

use std::path::PathBuf;
use std::process::Command;

use rustix::process::{Pid, Signal, kill_process};

use crate::support::instance::Instance;
use crate::support::sandbox::Sandbox;
use crate::support::wait::{until, within};

/// A private tmux with one window in which a shell runs a command.
struct Tmux {
    server: String,
    dir: PathBuf,
}

/// Whether there is a tmux; says so where there is none, and fails in CI.
fn has_tmux() -> bool {
    let found = Command::new("tmux").arg("-V").output().is_ok();
    if !found {
        assert!(std::env::var_os("CI").is_none(), "CI has no tmux");
        eprintln!("SKIPPED: tmux is not installed");
    }
    found
}

impl Tmux {
    /// Runs a line in a shell of a new terminal.
    fn new(sandbox: &Sandbox, name: &str, line: &str) -> Tmux {
        let tmux = Tmux {
            server: format!("crake-{name}-{}", std::process::id()),
            dir: sandbox.path(""),
        };
        let home = sandbox.path("home");
        let line = format!(
            "cd {}; export CRAKE_HOME={} TZ=UTC LANG=C.UTF-8; crake() {{ {} \"$@\"; }}; {line}; exec sleep 600",
            sandbox.path("").display(),
            home.display(),
            env!("CARGO_BIN_EXE_crake"),
        );
        let size = ["-x", "100", "-y", "30"];
        tmux.run(
            &[
                &["new-session", "-d", "-s", "it"],
                &size[..],
                &["sh", "-c", &line],
            ]
            .concat(),
        );
        tmux
    }

    fn run(&self, args: &[&str]) -> String {
        let output = Command::new("tmux")
            .args(["-L", &self.server, "-f", "/dev/null"])
            .args(args)
            .env_remove("TMUX")
            .env("LC_ALL", "C.UTF-8")
            .current_dir(&self.dir)
            .output()
            .expect("tmux");
        assert!(output.status.success(), "{args:?}: {output:?}");
        String::from_utf8_lossy(&output.stdout).into_owned()
    }

    fn screen(&self) -> String {
        self.run(&["capture-pane", "-p", "-t", "it"])
    }

    fn keys(&self, keys: &[&str]) {
        self.run(&[&["send-keys", "-t", "it"], keys].concat());
    }

    /// Waits for a screen that has all of these.
    #[track_caller]
    fn see(&self, wanted: &[&str]) -> String {
        let mut last = String::new();
        let found = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| {
            until(&format!("{wanted:?} on the screen"), || {
                last = self.screen();
                wanted.iter().all(|text| last.contains(text)).then_some(())
            });
        }));
        assert!(found.is_ok(), "{wanted:?} is not on the screen:\n{last}");
        last
    }

    /// Waits for a screen that has none of this.
    #[track_caller]
    fn see_no(&self, text: &str) {
        until(&format!("no {text} on the screen"), || {
            (!self.screen().contains(text)).then_some(())
        });
    }

    /// That the terminal is as a shell needs it, by the `stty -a` the line ended with.
    #[track_caller]
    fn is_sane(&self) {
        let text = self.see(&["echoctl"]);
        let flags: Vec<&str> = text.split_whitespace().collect();
        for flag in ["echo", "icanon", "isig", "icrnl", "opost"] {
            assert!(flags.contains(&flag), "{flag} is off:\n{text}");
        }
        let modes = "#{alternate_on} #{cursor_flag} #{mouse_any_flag}";
        let modes = self.run(&["display-message", "-p", "-t", "it", modes]);
        assert_eq!(modes.trim(), "0 1 0", "screen, cursor, mouse");
    }
}

impl Drop for Tmux {
    fn drop(&mut self) {
        let _ = Command::new("tmux")
            .args(["-L", &self.server, "kill-server"])
            .output();
    }
}

/// The process of the dashboard in a terminal.
fn top_pid(tmux: &Tmux) -> Pid {
    let shell = tmux.run(&["display-message", "-p", "-t", "it", "#{pane_pid}"]);
    let pid = until("the dashboard's process", || {
        let path = format!("/proc/{0}/task/{0}/children", shell.trim());
        std::fs::read_to_string(path)
            .ok()?
            .split_whitespace()
            .next()?
            .parse()
            .ok()
    });
    Pid::from_raw(pid).expect("a process")
}

const SANE: &str = "crake top; echo code=$?; stty -a";

#[test]
fn top_in_a_terminal_shows_finds_and_kills() {
    if !has_tmux() {
        return;
    }
    let instance = Instance::running();
    let home = &instance.sandbox;
    home.ok(&[
        "add",
        "hang",
        "-c",
        "while :; do echo tick; sleep 0.2; done",
    ]);
    home.ok(&["add", "fails", "-c", "echo went wrong >&2; exit 3"]);
    home.ok(&["run", "hang", "-d"]);
    home.ok(&["run", "fails", "-d"]);
    let tmux = Tmux::new(home, "kill", SANE);
    tmux.see(&[
        "NEEDS ATTENTION",
        "FAIL",
        "fails",
        "exit 3",
        "RUNNING 1",
        "hang",
    ]);
    // The output of the living run, as it goes on.
    // The cursor is where it was when the first row came; it goes to the top and one down.
    tmux.keys(&["g", "j", "l"]);
    tmux.see(&["LOG #", "following", "| tick"]);
    let lines = || {
        tmux.screen()
            .split(" lines")
            .next()
            .and_then(|t| t.rsplit(' ').next()?.parse::<u32>().ok())
    };
    let before = until("a number of lines", lines);
    until("more output", || lines().filter(|now| *now > before));
    tmux.keys(&["Escape"]);
    tmux.see(&["NEEDS ATTENTION"]);
    // Enter is no, y is yes.
    tmux.keys(&["K"]);
    tmux.see(&["Kill run #", "[N] no"]);
    tmux.keys(&["Enter"]);
    tmux.see(&["nothing was done", "RUNNING 1"]);
    tmux.keys(&["K"]);
    tmux.see(&["Kill run #"]);
    tmux.keys(&["y"]);
    tmux.see(&["RUNNING 0", "KILLED", "gone after"]);
    // Filter, small, and large again.
    tmux.keys(&["2", "/", "fai", "Enter"]);
    tmux.see(&["fails"]);
    tmux.see_no("hang  ");
    tmux.run(&["resize-window", "-t", "it", "-x", "40", "-y", "10"]);
    tmux.see(&["fails", "? help"]);
    tmux.run(&["resize-window", "-t", "it", "-x", "30", "-y", "5"]);
    tmux.see(&["need attention"]);
    tmux.run(&["resize-window", "-t", "it", "-x", "100", "-y", "30"]);
    tmux.see(&["RUN TIMES", "fails"]);
    tmux.keys(&["q"]);
    tmux.see(&["code=0"]);
    tmux.is_sane();
}

#[test]
fn top_gives_the_terminal_back_whatever_ends_it() {
    if !has_tmux() {
        return;
    }
    let sandbox = Sandbox::new();
    for (name, signal) in [
        ("term", Signal::TERM),
        ("hup", Signal::HUP),
        ("int", Signal::INT),
    ] {
        let tmux = Tmux::new(&sandbox, name, SANE);
        tmux.see(&["DAEMON NOT ANSWERING", "no jobs yet"]);
        kill_process(top_pid(&tmux), signal).unwrap();
        tmux.see(&["code=0"]);
        tmux.is_sane();
    }
    let tmux = Tmux::new(
        &sandbox,
        "ctrl-c",
        "crake top --mouse; echo code=$?; stty -a",
    );
    tmux.see(&["no jobs yet"]);
    tmux.keys(&["C-c"]);
    tmux.see(&["code=0"]);
    tmux.is_sane();
}

#[test]
fn top_killed_outright_leaves_the_terminal_as_the_check_can_see() {
    if !has_tmux() {
        return;
    }
    let sandbox = Sandbox::new();
    let tmux = Tmux::new(&sandbox, "sigkill", SANE);
    tmux.see(&["no jobs yet"]);
    kill_process(top_pid(&tmux), Signal::KILL).unwrap();
    let text = tmux.see(&["echoctl"]);
    assert!(
        text.contains("-icanon") && text.contains("-echo "),
        "{text}"
    );
}

#[test]
fn top_stops_and_goes_on_as_a_job_of_the_shell() {
    if !has_tmux() {
        return;
    }
    let sandbox = Sandbox::new();
    let line = "set -m; crake top; echo stopped; stty -a; read x; fg; echo code=$?";
    let tmux = Tmux::new(&sandbox, "stop", line);
    tmux.see(&["no jobs yet"]);
    tmux.keys(&["C-z"]);
    tmux.see(&["stopped"]);
    tmux.is_sane();
    tmux.keys(&["Enter"]);
    tmux.see(&["no jobs yet"]);
    tmux.see_no("stopped");
    tmux.keys(&["?"]);
    tmux.see(&["any key closes"]);
    tmux.keys(&["x", "q"]);
    tmux.see(&["code=0"]);
}

#[test]
fn top_gives_the_terminal_to_the_editor_and_takes_it_back() {
    if !has_tmux() {
        return;
    }
    let instance = Instance::running();
    instance.sandbox.ok(&["add", "one", "-c", "true"]);
    let line = "export EDITOR='sh -c \"read x; echo tags = [\\\\\\\"\\$x\\\\\\\"] > \\$1.new; grep -v ^tags \\$1 >> \\$1.new; mv \\$1.new \\$1\" sh'; crake top jobs; stty -a";
    let tmux = Tmux::new(&instance.sandbox, "editor", line);
    tmux.see(&["RUN TIMES", "one"]);
    tmux.keys(&["e"]);
    // Every key goes to the editor while it has the terminal.
    tmux.see_no("RUN TIMES");
    tmux.keys(&["quick", "Enter"]);
    tmux.see(&["Enter goes back"]);
    tmux.keys(&["Enter"]);
    tmux.see(&["RUN TIMES", "one"]);
    let tags = &instance.sandbox.item(&["show", "one"])["tags"];
    assert_eq!(tags[0], "quick", "{tags}");
    tmux.keys(&["q"]);
    tmux.is_sane();
}

#[test]
fn top_says_within_five_seconds_that_the_daemon_is_dead() {
    if !has_tmux() {
        return;
    }
    let mut instance = Instance::running();
    instance
        .sandbox
        .ok(&["add", "talks", "-c", "echo said before"]);
    instance.sandbox.ok(&["run", "talks"]);
    let tmux = Tmux::new(&instance.sandbox, "dead", SANE);
    tmux.see(&["daemon up", "talks"]);
    instance.kill_all();
    within(5_000, "the death of the daemon is told", || {
        tmux.screen().contains("DAEMON NOT ANSWERING").then_some(())
    });
    tmux.keys(&["3"]);
    tmux.see(&["RUNS 1", "talks"]);
    tmux.keys(&["l"]);
    tmux.see(&["LOG #", "said before"]);
    tmux.keys(&["Escape", "K"]);
    tmux.see(&["the daemon does not answer"]);
    instance.start();
    tmux.see(&["daemon up"]);
    tmux.keys(&["q"]);
    tmux.is_sane();
}

#[test]
fn top_uses_no_colour_where_none_is_wanted() {
    if !has_tmux() {
        return;
    }
    let sandbox = Sandbox::new();
    let tmux = Tmux::new(&sandbox, "mono", "export NO_COLOR=1; crake top; stty -a");
    tmux.see(&["no jobs yet"]);
    let painted = tmux.run(&["capture-pane", "-e", "-p", "-t", "it"]);
    for color in [
        "[31m", "[32m", "[33m", "[36m", ";31m", ";32m", ";33m", ";36m",
    ] {
        assert!(!painted.contains(color), "{color}: {painted:?}");
    }
    assert!(
        painted.contains("\u{1b}[1m") || painted.contains("\u{1b}[0;1m"),
        "bold stays: {painted:?}"
    );
}

#[test]
fn top_without_a_terminal_points_to_what_works() {
    let sandbox = Sandbox::new();
    let answer = sandbox.run(&["top"]);
    assert_eq!(answer.code, 2, "{answer:?}");
    assert!(answer.stderr.contains("status --watch"), "{answer:?}");
    let plain = sandbox.run_with("CRAKE_PLAIN", "1", &["top"]);
    assert!(plain.stderr.contains("CRAKE_PLAIN"), "{plain:?}");
    let once = sandbox.ok(&["top", "--once", "--size", "60x12", "jobs"]);
    assert_eq!(once.stdout.lines().count(), 12, "{once:?}");
    assert!(once.stdout.contains("No jobs yet"), "{once:?}");
    assert_eq!(sandbox.run(&["top", "nonsense"]).code, 2);
}
