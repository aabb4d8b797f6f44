//! One core under its guardian's eyes: whether it comes round, and what its end means.

use std::os::fd::OwnedFd;
use std::path::Path;

use rustix::process::{
    Pid, PidfdFlags, Signal, WaitOptions, getppid, kill_process, pidfd_open, waitpid,
};

use crate::clock::Clock;
use crate::daemon::core::BEAT_MS;
use crate::daemon::link::{GOODBYE, Heard, hear};
use crate::daemon::notify::Notifier;
use crate::daemon::program;
use crate::process::identity;

/// A core that has not come round for so long is stuck.
const STUCK_MS: i64 = 2 * BEAT_MS + 2_000;

/// A core that has not come round once after so long is stuck as well. It may take long to start:
/// a store on a slow disk is recovered, migrated or waited for.
const START_MS: i64 = 120_000;

/// How soon a firing loop that waits for a disk is looked at again.
const DISK_MS: i64 = 1_000;

/// What a core exits with that could not start because of something that passes by itself.
pub const NOT_YET: u8 = 111;

/// What is done when a core has ended.
pub(in crate::daemon) enum End {
    /// The guardian ends with this code.
    Leave(u8),
    /// Another core is started; the words say how this one ended.
    Again(String),
    /// A core of the new program is started.
    Upgrade,
}

/// A core that is watched.
pub struct Ward {
    pub(in crate::daemon) pid: Pid,
    pub(in crate::daemon) exit: OwnedFd,
    pub(in crate::daemon) line: OwnedFd,
    /// Whether it kept time before it was watched.
    pub(in crate::daemon) adopted: bool,
}

impl Ward {
    /// A living core, taken over from a guardian that is gone or from an older program in this
    /// process. `line` is the guardian's end.
    ///
    /// # Errors
    /// It is gone already.
    pub fn adopt(core: i32, line: OwnedFd) -> std::io::Result<Ward> {
        let gone = || std::io::Error::from(rustix::io::Errno::SRCH);
        let pid = Pid::from_raw(core).ok_or_else(gone)?;
        let exit = pidfd_open(pid, PidfdFlags::empty())?;
        // A number may have come to another process meanwhile. Ours is our parent or our child.
        let child = || waitpid(Some(pid), WaitOptions::NOHANG).is_ok_and(|ended| ended.is_none());
        if getppid() != Some(pid) && !child() {
            return Err(gone());
        }
        Ok(Ward {
            pid,
            exit,
            line,
            adopted: true,
        })
    }
}

/// The watch over one core.
pub(in crate::daemon) struct Watch<'a> {
    ward: &'a Ward,
    notifier: &'a Notifier,
    program: &'a Path,
    clock: &'a dyn Clock,
    /// When it last came round, and when the service manager was last told.
    last_beat: i64,
    told: i64,
    alive: bool,
    asked: u32,
    upgrading: bool,
    /// Whether somebody asked for an upgrade before time was kept.
    pub(in crate::daemon) postponed: bool,
    goodbye: bool,
    /// Whether the core's end of the line is closed.
    pub(in crate::daemon) closed: bool,
    on_disk: bool,
}

impl<'a> Watch<'a> {
    pub(in crate::daemon) fn begin(
        ward: &'a Ward,
        notifier: &'a Notifier,
        program: &'a Path,
        clock: &'a dyn Clock,
    ) -> Watch<'a> {
        let now = clock.now().mono;
        Watch {
            ward,
            notifier,
            program,
            clock,
            last_beat: now,
            told: now,
            alive: ward.adopted,
            asked: 0,
            upgrading: false,
            postponed: false,
            goodbye: false,
            closed: false,
            on_disk: false,
        }
    }

    fn now(&self) -> i64 {
        self.clock.now().mono
    }

    fn limit(&self) -> i64 {
        if self.alive { STUCK_MS } else { START_MS }
    }

    /// How long may be slept.
    pub(in crate::daemon) fn patience(&self) -> i64 {
        let left = self.limit() - (self.now() - self.last_beat);
        let every = self.notifier.every_ms();
        let left = if self.on_disk {
            left.max(DISK_MS)
        } else {
            left
        };
        // A core that starts beats not, and the service manager's watchdog knows no such phase.
        match every.filter(|_| !self.alive) {
            Some(every) => left.min(every / 2).max(1),
            None => left.max(1),
        }
    }

    /// The first time means in good order, the second at once.
    pub(in crate::daemon) fn tell_to_end(&mut self) {
        let signal = if self.asked == 0 {
            self.notifier.say("STOPPING=1\nSTATUS=stopping");
            Signal::TERM
        } else {
            Signal::KILL
        };
        self.asked += 1;
        let _ = kill_process(self.ward.pid, signal);
    }

    /// Takes what the core says. Says whether it has come round for the first time.
    pub(in crate::daemon) fn hear(&mut self) -> bool {
        match hear(&self.ward.line) {
            Heard::Nothing => return false,
            Heard::Closed => {
                self.closed = true;
                return false;
            }
            Heard::Bytes(bytes) => self.goodbye |= bytes.contains(&GOODBYE),
        }
        self.last_beat = self.now();
        self.on_disk = false;
        self.feed();
        !std::mem::replace(&mut self.alive, true)
    }

    /// Tells the watchdog of the service manager, not oftener than it wants.
    fn feed(&mut self) {
        let Some(every) = self.notifier.every_ms() else {
            return;
        };
        let now = self.now();
        if now - self.told >= every / 2 {
            self.told = now;
            self.notifier.say("WATCHDOG=1");
        }
    }

    /// Looks whether the firing loop comes round, and ends a core whose does not.
    pub(in crate::daemon) fn look(&mut self) {
        let silent = self.now() - self.last_beat;
        if silent <= self.limit() {
            if !self.alive {
                self.feed();
            }
            return;
        }
        let pid = self.ward.pid;
        // SIGKILL does not end what waits for a disk, and its lock would stay held.
        if self.alive && identity::waits_for_disk(pid.as_raw_nonzero().get(), "firing") {
            if !std::mem::replace(&mut self.on_disk, true) {
                eprintln!("crake: the firing loop has waited for the disk for {silent} ms");
                let status = "STATUS=the firing loop waits for the disk";
                self.notifier.say(status);
            }
            return;
        }
        eprintln!("crake: the firing loop has not come round for {silent} ms; killing the core");
        let _ = kill_process(pid, Signal::KILL);
        self.last_beat = self.now();
    }

    /// Takes the program that lies where ours lay, if it works.
    pub(in crate::daemon) fn upgrade(&mut self) {
        // One that is just starting is let start first.
        self.postponed = !self.alive;
        if self.upgrading || self.asked > 0 || !self.alive {
            return;
        }
        let path = self.program;
        match program::try_out(path) {
            Ok(version) => {
                eprintln!("crake: going over to {} {version}", path.display());
                self.upgrading = true;
                let _ = kill_process(self.ward.pid, Signal::TERM);
            }
            Err(why) => {
                eprintln!("crake: not upgraded: {why}");
                let _ = rustix::io::write(&self.ward.line, format!("{why}\n").as_bytes());
            }
        }
    }

    /// What the core's end means.
    pub(in crate::daemon) fn ended(&self, time_was_kept: bool) -> End {
        let status = waitpid(Some(self.ward.pid), WaitOptions::empty());
        let status = status.ok().flatten().map(|(_, status)| status);
        let code = match status {
            Some(status) => status.exit_status().and_then(|c| u8::try_from(c).ok()),
            // Another process was its parent. What it was told to do it says itself.
            None => self.goodbye.then_some(0),
        };
        let kept_time = self.alive || time_was_kept;
        match code {
            _ if self.asked > 0 => End::Leave(code.unwrap_or(1)),
            _ if self.upgrading => End::Upgrade,
            Some(0) => End::Leave(0),
            // It said why it cannot start, to somebody who is there to read it. Once time was kept
            // here, whatever keeps a core from starting may pass, and nobody may be there.
            Some(code) if !kept_time && code != NOT_YET => End::Leave(code),
            _ => {
                let signal = status.and_then(|s| s.terminating_signal());
                let how = match (code, signal) {
                    (Some(code), _) => format!("with code {code}"),
                    (None, Some(signal)) => format!("by signal {signal}"),
                    (None, None) => "nobody saw how".to_owned(),
                };
                eprintln!("crake: the core ended {how}");
                End::Again(how)
            }
        }
    }
}
