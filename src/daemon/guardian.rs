//! The guardian: the parent of the core.
//!
//! It touches no disk and knows nothing. It starts the core, passes signals on, and starts another
//! core when the one there is dies or its firing loop stops coming round.

use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::process::ExitStatusExt;
use std::process::{Child, Command, Stdio};

use rustix::event::{PollFd, PollFlags, poll};
use rustix::pipe::{PipeFlags, pipe_with};
use rustix::process::{Pid, PidfdFlags, Signal, kill_process, pidfd_open};

use crate::clock::Clock;
use crate::crash;
use crate::daemon::core::{BEAT_MS, timespec};

/// A core that has not come round for so long is stuck.
const STUCK_MS: i64 = 2 * BEAT_MS + 2_000;

/// A core that has not come round once after so long is stuck as well. It may take long to start:
/// a store on a slow disk is recovered, migrated or waited for.
const START_MS: i64 = 120_000;

/// The first pause before a core is started again, and the longest.
const FIRST_PAUSE_MS: i64 = 100;
const LONGEST_PAUSE_MS: i64 = 30_000;

/// A core that lived so long starts the pauses anew.
const STEADY_MS: i64 = 60_000;

/// What a core exits with that could not start because of something that passes by itself.
pub const NOT_YET: u8 = 111;

/// What is done about it.
enum End {
    /// The guardian ends with this code.
    Leave(u8),
    /// Another core is started.
    Again,
}

/// The guardian.
pub struct Guardian<'a> {
    /// What the core is started with.
    pub arguments: Vec<std::ffi::OsString>,
    /// Becomes readable at each signal that asks to end.
    pub signals: OwnedFd,
    /// The clock.
    pub clock: &'a dyn Clock,
}

impl Guardian<'_> {
    /// Keeps a core alive until told to end. Gives the exit code.
    ///
    /// # Errors
    /// No process or no descriptor left at the very start; later it is tried again.
    pub fn run(&self) -> std::io::Result<u8> {
        let mut again = false;
        let mut pause = FIRST_PAUSE_MS;
        loop {
            let started = self.clock.now().mono;
            match self.watch(again) {
                Ok(End::Leave(code)) => return Ok(code),
                Ok(End::Again) => {}
                Err(e) if !again => return Err(e),
                // Descriptors and processes may be short for a while; jobs are not to wait for a
                // person then.
                Err(e) => eprintln!("crake: the core cannot be started: {e}"),
            }
            if self.clock.now().mono - started > STEADY_MS {
                pause = FIRST_PAUSE_MS;
            }
            eprintln!("crake: the core is started again in {pause} ms");
            if self.told_to_end(pause) {
                return Ok(0);
            }
            pause = (pause * 2).min(LONGEST_PAUSE_MS);
            again = true;
        }
    }

    /// Starts one core and waits for its end.
    fn watch(&self, again: bool) -> std::io::Result<End> {
        let (beats, to_us) = pipe_with(PipeFlags::CLOEXEC | PipeFlags::NONBLOCK)?;
        // Through /proc/self/exe it is this very program, also after the file was replaced.
        let mut command = Command::new("/proc/self/exe");
        command.arg("__core").args(&self.arguments);
        if again {
            command.arg("--again");
        }
        // The beats leave through descriptor 0, the one that can be passed on without a fork.
        let mut core = command.stdin(Stdio::from(to_us)).spawn()?;
        crash::point("guardian spawned");
        let pid = Pid::from_child(&core);
        let exit = match pidfd_open(pid, PidfdFlags::empty()) {
            Ok(exit) => exit,
            Err(e) => {
                // One that cannot be watched must not keep the next from the lock.
                core.kill()?;
                core.wait()?;
                return Err(e.into());
            }
        };
        let mut last_beat = self.clock.now().mono;
        let (mut alive, mut asked) = (false, 0);
        loop {
            let mut fds = [
                PollFd::new(&exit, PollFlags::IN),
                PollFd::new(&beats, PollFlags::IN),
                PollFd::new(&self.signals, PollFlags::IN),
            ];
            let limit = if alive { STUCK_MS } else { START_MS };
            let silent = self.clock.now().mono - last_beat;
            let _ = poll(&mut fds, Some(&timespec((limit - silent).max(1))));
            let ready: Vec<bool> = fds.iter().map(|f| !f.revents().is_empty()).collect();
            if ready[2] && drain(&self.signals) {
                // The second time means at once.
                let signal = if asked == 0 {
                    Signal::TERM
                } else {
                    Signal::KILL
                };
                asked += 1;
                let _ = kill_process(pid, signal);
            }
            if ready[1] && drain(&beats) {
                last_beat = self.clock.now().mono;
                alive = true;
            }
            if ready[0] {
                return ended(&mut core, alive || again, asked > 0);
            }
            if self.clock.now().mono - last_beat > limit {
                eprintln!(
                    "crake: the firing loop has not come round for {limit} ms; killing the core"
                );
                let _ = kill_process(pid, Signal::KILL);
                last_beat = self.clock.now().mono;
            }
        }
    }

    /// Waits for a signal for a while.
    fn told_to_end(&self, ms: i64) -> bool {
        let mut fds = [PollFd::new(&self.signals, PollFlags::IN)];
        let _ = poll(&mut fds, Some(&timespec(ms)));
        !fds[0].revents().is_empty() && drain(&self.signals)
    }
}

/// What a core's end means. `kept_time` says whether this core or one before it did.
fn ended(core: &mut Child, kept_time: bool, asked: bool) -> std::io::Result<End> {
    let status = core.wait()?;
    let code = status.code().and_then(|c| u8::try_from(c).ok());
    Ok(match code {
        Some(code) if asked || code == 0 => End::Leave(code),
        // It said why it cannot start, to somebody who is there to read it. Once time was kept
        // here, whatever keeps a core from starting may pass, and nobody may be there.
        Some(code) if !kept_time && code != NOT_YET => End::Leave(code),
        _ if asked => End::Leave(1),
        _ => {
            let how = match status.signal() {
                Some(signal) => format!("by signal {signal}"),
                None => format!("with code {}", code.unwrap_or(255)),
            };
            eprintln!("crake: the core ended {how}");
            End::Again
        }
    })
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
