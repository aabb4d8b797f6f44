//! A terminal that a test types into and reads.

use std::path::PathBuf;
use std::process::Command;

use rustix::process::Pid;

use crate::support::sandbox::Sandbox;
use crate::support::wait::until;

/// A private tmux with one window in which a shell runs a command.
pub struct Tmux {
    server: String,
    dir: PathBuf,
}

/// Whether there is a tmux; says so where there is none, and fails in CI.
pub fn has_tmux() -> bool {
    let found = Command::new("tmux").arg("-V").output().is_ok();
    if !found {
        assert!(std::env::var_os("CI").is_none(), "CI has no tmux");
        eprintln!("SKIPPED: tmux is not installed");
    }
    found
}

impl Tmux {
    /// Runs a line in a shell of a new terminal.
    pub fn new(sandbox: &Sandbox, name: &str, line: &str) -> Tmux {
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

    /// Runs a command of tmux.
    pub fn run(&self, args: &[&str]) -> String {
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

    /// What is on the screen.
    pub fn screen(&self) -> String {
        self.run(&["capture-pane", "-p", "-t", "it"])
    }

    /// Types.
    pub fn keys(&self, keys: &[&str]) {
        self.run(&[&["send-keys", "-t", "it"], keys].concat());
    }

    /// Waits for a screen that has all of these.
    #[track_caller]
    pub fn see(&self, wanted: &[&str]) -> String {
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
    pub fn see_no(&self, text: &str) {
        until(&format!("no {text} on the screen"), || {
            (!self.screen().contains(text)).then_some(())
        });
    }

    /// That the terminal is as a shell needs it, by the `stty -a` the line ended with.
    #[track_caller]
    pub fn is_sane(&self) {
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
pub fn top_pid(tmux: &Tmux) -> Pid {
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

/// Shows the dashboard, then how the terminal was left.
pub const SANE: &str = "crake top; echo code=$?; stty -a";
