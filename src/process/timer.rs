//! A timer on the boot clock, which goes on while the host sleeps: a limit of an hour is over after
//! an hour, also if the host slept half of it.

use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

use rustix::time::{
    Itimerspec, TimerfdClockId, TimerfdFlags, TimerfdTimerFlags, Timespec, timerfd_create,
    timerfd_settime,
};

/// Becomes readable at an instant of the boot clock.
pub(in crate::process) struct BootTimer {
    fd: OwnedFd,
    set_to: Option<i64>,
}

impl BootTimer {
    /// A timer that is not set.
    pub fn new() -> io::Result<BootTimer> {
        let flags = TimerfdFlags::CLOEXEC | TimerfdFlags::NONBLOCK;
        let fd = timerfd_create(TimerfdClockId::Boottime, flags)?;
        Ok(BootTimer { fd, set_to: None })
    }

    /// Sets it to `at` (boot clock, milliseconds), or to never.
    pub fn set(&mut self, at: Option<i64>, now_boot: i64) -> io::Result<()> {
        if at == self.set_to {
            return Ok(());
        }
        // Zero would switch the timer off, so what is already due is due in a moment.
        let wait = at.map_or(0, |at| (at - now_boot).max(1));
        let value = Itimerspec {
            it_interval: Timespec::default(),
            it_value: Timespec {
                tv_sec: wait / 1000,
                tv_nsec: (wait % 1000) * 1_000_000,
            },
        };
        timerfd_settime(&self.fd, TimerfdTimerFlags::empty(), &value)?;
        self.set_to = at;
        Ok(())
    }

    /// Takes note that it rang; it must be set anew.
    pub fn rang(&mut self) {
        let mut count = [0; 8];
        if rustix::io::read(&self.fd, &mut count).is_ok() {
            self.set_to = None;
        }
    }
}

impl AsFd for BootTimer {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.fd.as_fd()
    }
}
