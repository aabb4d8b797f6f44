//! A sandbox with a real daemon in it, whose processes end with the test.

use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use rusqlite::types::FromSql;
use rustix::fs::{FlockOperation, flock};
use rustix::process::{Pid, Signal, kill_process};
use serde_json::Value;

use crate::support::sandbox::{Answer, Sandbox};
use crate::support::wait::until;

/// A home with a daemon, which is started and ended by the test.
pub struct Instance {
    /// Where it lives; jobs run in its directory.
    pub sandbox: Sandbox,
    daemon: Option<Child>,
}

impl Instance {
    /// A home in which no daemon runs yet.
    pub fn new() -> Instance {
        Instance {
            sandbox: Sandbox::new(),
            daemon: None,
        }
    }

    /// A home of an ordinary user, with a daemon run by that user.
    pub fn of_nobody() -> Instance {
        let mut instance = Instance {
            sandbox: Sandbox::of_nobody(),
            daemon: None,
        };
        instance.start();
        instance
    }

    /// A home with a daemon.
    pub fn running() -> Instance {
        let mut instance = Instance::new();
        instance.start();
        instance
    }

    /// `crake daemon`, its words in a file.
    pub fn daemon_command(&self) -> Command {
        let words = File::options()
            .append(true)
            .create(true)
            .open(self.sandbox.path("daemon.err"))
            .unwrap();
        let mut command = self.sandbox.command();
        command.arg("daemon").stdout(Stdio::null()).stderr(words);
        command
    }

    /// Starts a daemon and waits until it answers.
    #[track_caller]
    pub fn start(&mut self) {
        self.start_by(self.daemon_command());
    }

    /// Starts a daemon by a command of the test's own and waits until it answers.
    #[track_caller]
    pub fn start_by(&mut self, mut command: Command) {
        assert!(self.daemon.is_none(), "there is one already");
        let before = self.core();
        self.daemon = Some(command.spawn().unwrap());
        self.up_but_for(before);
    }

    /// Starts a daemon over a store that cannot be read yet.
    pub fn start_blindly(&mut self) {
        assert!(self.daemon.is_none(), "there is one already");
        self.daemon = Some(self.daemon_command().spawn().unwrap());
    }

    /// The process of the core that answers, if one does.
    pub fn core(&self) -> Option<i32> {
        let daemon = &self.status()["daemon"];
        let pid = daemon["pid"].as_i64()?;
        daemon["up"].as_bool()?.then_some(pid as i32)
    }

    /// Waits until a core answers that is not the one named.
    #[track_caller]
    pub fn up_but_for(&self, other: Option<i32>) -> i32 {
        until("a daemon answers", || {
            self.core().filter(|pid| Some(*pid) != other)
        })
    }

    /// What `crake status --json` says.
    pub fn status(&self) -> Value {
        self.sandbox.item(&["status"])
    }

    /// The guardian's process.
    pub fn guardian(&self) -> i32 {
        let daemon = self.daemon.as_ref().expect("a daemon");
        i32::try_from(daemon.id()).unwrap()
    }

    /// Ends the daemon in good order. Gives its exit code.
    #[track_caller]
    pub fn stop(&mut self) -> i32 {
        signal(self.guardian(), Signal::TERM);
        let mut daemon = self.daemon.take().expect("a daemon");
        end_of(&mut daemon)
    }

    /// kill -9 of the guardian and of its core, as if the power went for them alone.
    pub fn kill_all(&mut self) {
        // A core that notices would start another guardian.
        let core = self.lock_holder();
        core.inspect(|core| signal(*core, Signal::STOP));
        signal(self.guardian(), Signal::KILL);
        self.daemon.take().expect("a daemon").wait().unwrap();
        let core = core.or_else(|| self.lock_holder());
        if let Some(core) = core {
            signal(core, Signal::KILL);
            until("the core is gone", || (!is_alive(core)).then_some(()));
            // Its last thread may still be on the way out, and with it the lock.
            let lock = File::open(self.sandbox.path("home/spool/lock")).unwrap();
            let free = || flock(&lock, FlockOperation::NonBlockingLockExclusive).ok();
            until("its lock is free", free);
        }
    }

    /// The daemon was killed by the test itself.
    pub fn forget_daemon(&mut self) {
        if let Some(mut daemon) = self.daemon.take() {
            let _ = daemon.kill();
            daemon.wait().unwrap();
        }
    }

    /// Starts a daemon in the place of one whose core was the one named.
    #[track_caller]
    pub fn start_again(&mut self, core: i32) {
        until("the core is gone", || (!is_alive(core)).then_some(()));
        self.daemon = Some(self.daemon_command().spawn().unwrap());
        self.up_but_for(Some(core));
    }

    /// Stops the daemon through the guardian it has by now.
    #[track_caller]
    pub fn stop_whoever_guards(&mut self) {
        let status = self.status();
        let pid = |key: &str| i32::try_from(status["daemon"][key].as_i64().unwrap()).unwrap();
        let (guardian, core) = (pid("guardian"), pid("pid"));
        signal(guardian, Signal::TERM);
        until("the daemon is gone", || (!is_alive(core)).then_some(()));
        self.forget_daemon();
    }

    /// kill -9 of the core alone. Gives its process.
    pub fn kill_core(&self) -> i32 {
        let core = self.lock_holder().expect("a core");
        signal(core, Signal::KILL);
        core
    }

    /// Who wrote its number into the lock, and is alive.
    pub fn lock_holder(&self) -> Option<i32> {
        let text = fs::read_to_string(self.sandbox.path("home/spool/lock")).ok()?;
        let pid = text.trim().parse().ok()?;
        is_alive(pid).then_some(pid)
    }

    /// The store, as any SQL client opens it.
    pub fn sql(&self) -> rusqlite::Connection {
        rusqlite::Connection::open(self.sandbox.store()).unwrap()
    }

    /// The first column of the first row of an SQL query.
    pub fn cell<T: FromSql>(&self, query: &str) -> Option<T> {
        self.sql().query_row(query, [], |row| row.get(0)).ok()
    }

    /// Waits until an SQL condition holds.
    #[track_caller]
    pub fn until_sql(&self, condition: &str) {
        let sql = self.sql();
        let query = format!("SELECT 1 WHERE {condition}");
        until(condition, || sql.query_row(&query, [], |_| Ok(())).ok());
    }

    /// Waits until a job has so many runs that succeeded.
    #[track_caller]
    pub fn succeeded(&self, job: &str, count: i64) {
        self.until_sql(&format!(
            "(SELECT count(*) FROM run WHERE job = '{job}' AND state = 'succeeded') >= {count}"
        ));
    }

    /// Waits until a run is over, and gives what `history` says of it.
    #[track_caller]
    pub fn ended(&self, run: i64) -> Value {
        self.until_sql(&format!(
            "(SELECT ended_at FROM run WHERE id = {run}) IS NOT NULL"
        ));
        let runs = self.sandbox.items(&["history", "-n", "1000"]);
        let row = runs.into_iter().find(|r| r["run"] == run);
        row.expect("the run in the history")
    }

    /// Runs a job to its end, whichever, and gives what `history` says of it.
    #[track_caller]
    pub fn outcome(&self, job: &str) -> Value {
        self.sandbox.run(&["run", job]);
        let row = self.sandbox.items(&["history", job]).into_iter().next();
        row.expect("the run in the history")
    }

    /// What the last run of a job wrote.
    #[track_caller]
    pub fn output(&self, job: &str) -> String {
        self.sandbox.ok(&["logs", job, "--raw"]).stdout
    }

    /// The words of the events of one kind that concern a run, in order.
    pub fn told(&self, kind: &str, run: i64) -> Vec<Value> {
        let events = self.sandbox.items(&["events", "-n", "1000"]);
        let wanted = |e: &Value| e["kind"] == kind && e["run"] == run;
        events.into_iter().filter(wanted).collect()
    }

    /// Asks for a run and gives its number.
    #[track_caller]
    pub fn request(&self, job: &str) -> i64 {
        number(&self.sandbox.ok(&["run", "-d", job]))
    }

    /// Defines a job as a line for the shell, run in the sandbox.
    #[track_caller]
    pub fn add(&self, name: &str, line: &str, flags: &[&str]) {
        let here = self.sandbox.path("");
        let here = here.to_str().unwrap();
        let args = [&["add", name, "-c", line, "--cwd", here], flags].concat();
        self.sandbox.ok(&args);
    }

    /// The lines jobs wrote to a file in their directory.
    pub fn lines(&self, file: &str) -> Vec<String> {
        let text = fs::read_to_string(self.sandbox.path(file)).unwrap_or_default();
        text.lines().map(str::to_owned).collect()
    }

    /// Waits until a file has so many lines, and gives them.
    #[track_caller]
    pub fn until_lines(&self, file: &str, count: usize) -> Vec<String> {
        until(&format!("{count} lines in {file}"), || {
            let lines = self.lines(file);
            (lines.len() >= count).then_some(lines)
        })
    }

    /// A named pipe a job can be made to wait at.
    pub fn gate(&self, name: &str) -> PathBuf {
        let path = self.sandbox.path(name);
        let mode = rustix::fs::Mode::RUSR | rustix::fs::Mode::WUSR;
        rustix::fs::mkfifoat(rustix::fs::CWD, &path, mode).unwrap();
        path
    }

    /// Stops the daemon and holds the ledger against the schedules, to the last instant.
    #[track_caller]
    pub fn stop_and_audit(&mut self) -> Value {
        assert_eq!(self.stop(), 0, "{:?}", self.lines("daemon.err"));
        let answer = self.sandbox.run(&["audit", "--json"]);
        assert_eq!(answer.code, 0, "{answer:?}");
        let item = answer.json()["item"].clone();
        for key in ["missing", "extra", "duplicate"] {
            assert_eq!(item[key], 0, "{item}");
        }
        item
    }
}

impl Drop for Instance {
    fn drop(&mut self) {
        if self.daemon.is_some() {
            self.kill_all();
        }
        // Workers and jobs outlive the daemon; nothing but this test names the directory.
        let home = self.sandbox.path("");
        for pid in processes_that_name(home.to_str().unwrap()) {
            let _ = kill_process(pid, Signal::KILL);
        }
    }
}

/// Who has a directory in its arguments or works in it, the test itself left out.
pub fn processes_that_name(dir: &str) -> Vec<Pid> {
    let names = |proc: PathBuf| {
        let bytes = fs::read(proc.join("cmdline")).unwrap_or_default();
        let named = bytes.windows(dir.len()).any(|w| w == dir.as_bytes());
        named || fs::read_link(proc.join("cwd")).is_ok_and(|cwd| cwd.starts_with(dir))
    };
    let numbers = fs::read_dir("/proc").unwrap().flatten();
    numbers
        .filter_map(|entry| Some((entry.file_name().to_str()?.parse().ok()?, entry.path())))
        .filter(|(_, proc)| names(proc.clone()))
        .filter_map(|(pid, _)| Pid::from_raw(pid))
        .filter(|pid| *pid != rustix::process::getpid())
        .collect()
}

/// Sends a signal to a process of this test.
pub fn signal(pid: i32, signal: Signal) {
    let _ = kill_process(Pid::from_raw(pid).unwrap(), signal);
}

/// Whether a process is there and no zombie.
pub fn is_alive(pid: i32) -> bool {
    let stat = fs::read_to_string(Path::new("/proc").join(pid.to_string()).join("stat"));
    stat.is_ok_and(|s| !s.contains(") Z "))
}

/// Waits for the end of a child and gives its exit code.
#[track_caller]
pub fn end_of(child: &mut Child) -> i32 {
    let status = until("the process ends", || child.try_wait().unwrap());
    status.code().unwrap_or(-1)
}

/// The number of the run a command printed.
#[track_caller]
pub fn number(answer: &Answer) -> i64 {
    let text = answer.stdout.trim();
    text.parse().unwrap_or_else(|e| panic!("{e}: {answer:?}"))
}
