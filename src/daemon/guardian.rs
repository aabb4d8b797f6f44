//! The guardian: the parent of the core.
//!
//! It touches no disk. It starts the core, passes signals on, tells the service manager how things
//! are, and starts another core when the one there is dies or its firing loop stops coming round.
//! One that takes the place of a guardian that was killed begins with the core that is alive.

use std::ffi::OsString;
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::process::CommandExt;
use std::path::PathBuf;
use std::process::{Command, Stdio};

use rustix::event::{PollFd, PollFlags, poll};
use rustix::process::{Pid, PidfdFlags, pidfd_open};

use crate::clock::Clock;
use crate::crash;
use crate::daemon::core::timespec;
use crate::daemon::link;
use crate::daemon::notify::{Notifier, VARIABLES};
use crate::daemon::restarts::Restarts;
use crate::daemon::ward::{End, Ward, Watch};
use crate::process::{shield, unblock_signals};

/// The first pause before a core is started again, and the longest.
const FIRST_PAUSE_MS: i64 = 100;
const LONGEST_PAUSE_MS: i64 = 30_000;

/// A core that lived so long starts the pauses anew.
pub const STEADY_MS: i64 = 60_000;

/// This very program, also after its file was replaced.
pub const ITSELF: &str = "/proc/self/exe";

/// What the guardian remembers from one core to the next.
struct Course {
    /// Whether time was kept: then whatever keeps a core from starting may pass.
    kept_time: bool,
    /// What the next core is started from.
    program: PathBuf,
    /// Whether that is a new program that has not kept time yet.
    trial: bool,
    again: bool,
    restarts: Restarts,
    pause: i64,
}

/// The guardian.
pub struct Guardian<'a> {
    /// What the core is started with.
    pub arguments: Vec<OsString>,
    /// Where the program it was started from lies, or another one by now.
    pub program: PathBuf,
    /// Becomes readable at each signal that asks to end.
    pub signals: OwnedFd,
    /// Becomes readable at each signal that asks to go on as the program that lies there now.
    pub upgrades: OwnedFd,
    /// The service manager.
    pub notifier: Notifier,
    /// The clock.
    pub clock: &'a dyn Clock,
}

impl Guardian<'_> {
    /// Keeps a core alive until told to end; begins with one that is alive where there is one.
    /// Gives the exit code.
    ///
    /// # Errors
    /// No process or no descriptor left at the very start; later it is tried again.
    pub fn run(&self, mut adopted: Option<Ward>, again: bool) -> std::io::Result<u8> {
        // The core and its workers inherit both.
        shield();
        unblock_signals();
        let mut course = Course {
            kept_time: again,
            program: PathBuf::from(ITSELF),
            trial: false,
            again,
            restarts: Restarts::default(),
            pause: FIRST_PAUSE_MS,
        };
        loop {
            let started = self.clock.now().mono;
            let ward = match adopted.take() {
                Some(ward) => Ok(ward),
                None => self.start(&course),
            };
            let how = match ward {
                Ok(ward) => match self.watch(&ward, &mut course) {
                    End::Leave(code) => return Ok(code),
                    End::Upgrade => {
                        course.program.clone_from(&self.program);
                        course.restarts = Restarts {
                            upgraded: true,
                            ..Restarts::default()
                        };
                        (course.trial, course.again) = (true, true);
                        continue;
                    }
                    End::Again(how) => how,
                },
                Err(e) if !course.again => return Err(e),
                // Descriptors and processes may be short for a while; jobs are not to wait for a
                // person then.
                Err(e) => {
                    eprintln!("crake: the core cannot be started: {e}");
                    format!("before it began: {e}")
                }
            };
            course.again = true;
            if course.trial {
                course.fall_back(&self.program, &how);
                continue;
            }
            if self.clock.now().mono - started > STEADY_MS {
                (course.pause, course.restarts.deaths) = (FIRST_PAUSE_MS, 0);
            }
            eprintln!("crake: the core is started again in {} ms", course.pause);
            self.notifier
                .say(&format!("STATUS=the core ended {how}; starting it again"));
            if self.told_to_end(course.pause) {
                return Ok(0);
            }
            course.restarts = Restarts {
                deaths: course.restarts.deaths + 1,
                ending: Some(how),
                pause_ms: course.pause,
                ..Restarts::default()
            };
            course.pause = (course.pause * 2).min(LONGEST_PAUSE_MS);
        }
    }

    /// Starts a core.
    fn start(&self, course: &Course) -> std::io::Result<Ward> {
        let (theirs, ours) = link::line()?;
        let mut command = Command::new(&course.program);
        command.arg("__core").args(&self.arguments);
        command.arg("--program").arg(&self.program);
        let pid = rustix::process::getpid().as_raw_nonzero();
        command.arg("--guardian").arg(pid.to_string());
        if self.notifier.is_there() {
            command.arg("--managed");
        }
        if let Some(every) = self.notifier.every_ms() {
            command.arg("--beat").arg((every / 2).max(1).to_string());
        }
        if course.again {
            let facts = serde_json::to_string(&course.restarts).unwrap_or_default();
            command.arg("--again").arg(facts);
        }
        for variable in VARIABLES {
            command.env_remove(variable);
        }
        // The beats leave through descriptor 0, the one that can be passed on without a fork.
        let mut core = command.stdin(Stdio::from(theirs)).spawn()?;
        crash::point("guardian spawned");
        let pid = Pid::from_child(&core);
        match pidfd_open(pid, PidfdFlags::empty()) {
            Ok(exit) => Ok(Ward {
                pid,
                exit,
                line: ours,
                adopted: false,
            }),
            Err(e) => {
                // One that cannot be watched must not keep the next from the lock.
                core.kill()?;
                core.wait()?;
                Err(e.into())
            }
        }
    }

    /// Watches a core until its end.
    fn watch(&self, ward: &Ward, course: &mut Course) -> End {
        let mut watch = Watch::begin(ward, &self.notifier, &self.program, self.clock);
        if ward.adopted {
            self.ready(ward, course);
        }
        loop {
            let mut fds = [
                PollFd::new(&ward.exit, PollFlags::IN),
                PollFd::new(&self.signals, PollFlags::IN),
                PollFd::new(&self.upgrades, PollFlags::IN),
                PollFd::new(&ward.line, PollFlags::IN),
            ];
            // The other end closes a moment before the process has ended.
            let open = if watch.closed { 3 } else { 4 };
            let _ = poll(&mut fds[..open], Some(&timespec(watch.patience())));
            let ready: Vec<bool> = fds.iter().map(|f| !f.revents().is_empty()).collect();
            if ready[1] && drain(&self.signals) {
                watch.tell_to_end();
            }
            if ready[3] && watch.hear() {
                self.ready(ward, course);
            }
            if ready[0] {
                watch.hear();
                return watch.ended(course.kept_time);
            }
            let asked = ready[2] && drain(&self.upgrades);
            if asked || (watch.postponed && ready[3]) {
                watch.upgrade();
            }
            watch.look();
        }
    }

    /// Time is kept.
    fn ready(&self, ward: &Ward, course: &mut Course) {
        (course.kept_time, course.again) = (true, true);
        let pid = ward.pid;
        let status = format!("READY=1\nSTATUS=keeping time: process {pid}");
        self.notifier.say(&status);
        if std::mem::take(&mut course.trial) {
            eprintln!("crake: going on as {}", self.program.display());
            self.become_new(ward);
        }
    }

    /// Goes on as the new program in this very process: whoever waits for the guardian sees no end
    /// of it. Comes back only where that fails; then the old guardian keeps the new core.
    fn become_new(&self, ward: &Ward) {
        let Ok(line) = ward.line.try_clone() else {
            return;
        };
        let error = Command::new(&self.program)
            .arg("__guardian")
            .arg(ward.pid.to_string())
            .arg(&self.program)
            .args(&self.arguments)
            .stdin(Stdio::from(line))
            .exec();
        eprintln!("crake: the guardian itself cannot go on as the new program: {error}");
    }

    /// Waits for a signal for a while.
    fn told_to_end(&self, ms: i64) -> bool {
        let mut fds = [PollFd::new(&self.signals, PollFlags::IN)];
        let _ = poll(&mut fds, Some(&timespec(ms)));
        !fds[0].revents().is_empty() && drain(&self.signals)
    }
}

impl Course {
    /// Goes back to the program that kept time.
    fn fall_back(&mut self, new: &std::path::Path, how: &str) {
        let new = new.display();
        let why = format!("{new} could not keep time, the old program goes on: it ended {how}");
        eprintln!("crake: {why}");
        self.program = PathBuf::from(ITSELF);
        self.trial = false;
        self.restarts = Restarts {
            refused: Some(why),
            ..Restarts::default()
        };
    }
}

/// Reads what is there. Says whether there was anything.
fn drain(fd: &impl AsFd) -> bool {
    let mut bytes = [0_u8; 256];
    let mut any = false;
    while rustix::io::read(fd, &mut bytes).is_ok_and(|n| n > 0) {
        any = true;
    }
    any
}
