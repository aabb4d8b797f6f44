//! An instance of its own, and the program run in it.

use std::ffi::OsStr;
use std::io::Write;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

use serde_json::Value;
use tempfile::TempDir;

/// The number of the user and of the group `nobody` on the hosts tests are run on.
pub const NOBODY: u32 = 65534;

/// A directory with an instance in it; nothing of the caller's environment comes in.
pub struct Sandbox {
    dir: TempDir,
    /// As whom the program is run, where that is not the test's own user.
    user: Option<u32>,
}

/// What a command answered.
#[derive(Debug)]
pub struct Answer {
    pub code: i32,
    pub stdout: String,
    pub stderr: String,
}

impl Sandbox {
    pub fn new() -> Sandbox {
        Sandbox {
            dir: TempDir::new().expect("a directory"),
            user: None,
        }
    }

    /// One that belongs to an ordinary user, as whom the program is run from a copy that user can
    /// reach. Where the test itself is run by an ordinary user, that is the one.
    pub fn of_nobody() -> Sandbox {
        let mut sandbox = Sandbox::new();
        if rustix::process::geteuid().is_root() {
            // Written by a process of its own: what another thread starts meanwhile would hold the
            // copy open for writing, and it could not be executed.
            let copy = Command::new("cp")
                .arg(env!("CARGO_BIN_EXE_crake"))
                .arg(sandbox.path("crake"))
                .status();
            assert!(copy.expect("cp").success());
            std::os::unix::fs::chown(sandbox.path(""), Some(NOBODY), Some(NOBODY))
                .expect("another owner");
            sandbox.user = Some(NOBODY);
        }
        sandbox
    }

    /// The program as another user runs it: from a copy that everybody can reach, in a home that
    /// everybody may pass through. Only root can.
    pub fn command_of(&self, user: u32) -> Command {
        if !self.path("crake").exists() {
            let copy = Command::new("cp")
                .arg(env!("CARGO_BIN_EXE_crake"))
                .arg(self.path("crake"))
                .status();
            assert!(copy.expect("cp").success());
        }
        let ours = self.command();
        let mut command = Command::new(self.path("crake"));
        command.uid(user).gid(user).env_clear();
        command.envs(
            ours.get_envs()
                .filter_map(|(name, value)| Some((name, value?))),
        );
        command.current_dir("/").stdin(Stdio::null());
        command
    }

    /// Whether the program is run by the user of the test.
    pub fn is_own(&self) -> bool {
        self.user.is_none()
    }

    /// A path in the sandbox.
    pub fn path(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    /// The store.
    pub fn store(&self) -> PathBuf {
        self.path("home/crake.db")
    }

    /// Writes a file into the sandbox.
    pub fn file(&self, name: &str, content: &[u8]) -> PathBuf {
        let path = self.path(name);
        std::fs::create_dir_all(path.parent().expect("a parent")).expect("a directory");
        std::fs::write(&path, content).expect("a file");
        path
    }

    /// The program, ready to be given arguments.
    pub fn command(&self) -> Command {
        let mut command = match self.user {
            Some(user) => {
                let mut command = Command::new(self.path("crake"));
                command.uid(user).gid(user);
                command
            }
            None => Command::new(env!("CARGO_BIN_EXE_crake")),
        };
        command
            .env_clear()
            .env("CRAKE_HOME", self.path("home"))
            // No test writes to people.
            .env("CRAKE_SENDMAIL", "")
            .env("HOME", self.dir.path())
            .env("PATH", "/usr/bin:/bin")
            .env("TMPDIR", self.dir.path())
            .env("TZ", "UTC")
            .current_dir(self.dir.path())
            .stdin(Stdio::null());
        command
    }

    /// Runs the program.
    pub fn run<S: AsRef<OsStr>>(&self, args: &[S]) -> Answer {
        let output = self.command().args(args).output().expect("the program");
        Answer::of(output)
    }

    /// Runs the program with a variable set.
    pub fn run_with(&self, variable: &str, value: &str, args: &[&str]) -> Answer {
        let mut command = self.command();
        let output = command.env(variable, value).args(args).output();
        Answer::of(output.expect("the program"))
    }

    /// Runs the program with something on its standard input.
    pub fn feed(&self, input: &[u8], args: &[&str]) -> Answer {
        let mut child = self
            .command()
            .args(args)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .expect("the program");
        let mut stdin = child.stdin.take().expect("its input");
        // A program that refuses before it has read everything closes its end.
        match stdin.write_all(input) {
            Err(e) if e.kind() == std::io::ErrorKind::BrokenPipe => {}
            other => other.expect("room for the input"),
        }
        drop(stdin);
        Answer::of(child.wait_with_output().expect("its end"))
    }

    /// Runs the program, which must succeed.
    pub fn ok(&self, args: &[&str]) -> Answer {
        let answer = self.run(args);
        assert_eq!(answer.code, 0, "{args:?}: {answer:?}");
        answer
    }

    /// The items of an answer in JSON, which must succeed.
    pub fn items(&self, args: &[&str]) -> Vec<Value> {
        let mut args = args.to_vec();
        args.insert(0, "--json");
        let value = self.ok(&args).json();
        assert_eq!(value["v"], 1, "{value}");
        value["items"].as_array().expect("items").clone()
    }

    /// The one item of an answer in JSON, which must succeed.
    pub fn item(&self, args: &[&str]) -> Value {
        let mut args = args.to_vec();
        args.insert(0, "--json");
        let value = self.ok(&args).json();
        assert_eq!(value["v"], 1, "{value}");
        value["item"].clone()
    }
}

impl Answer {
    pub fn of(output: Output) -> Answer {
        Answer {
            code: output.status.code().unwrap_or(-1),
            stdout: String::from_utf8_lossy(&output.stdout).into_owned(),
            stderr: String::from_utf8_lossy(&output.stderr).into_owned(),
        }
    }

    /// Standard output as JSON.
    pub fn json(&self) -> Value {
        serde_json::from_str(&self.stdout).unwrap_or_else(|e| panic!("{e}: {self:?}"))
    }

    /// The error of an answer in JSON, whose code must be the exit code.
    pub fn error(&self) -> Value {
        let error = self.json()["error"].clone();
        assert_eq!(error["code"], self.code, "{self:?}");
        error
    }
}

/// The path of a file of the package.
pub fn in_package(path: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join(path)
}
