//! Sleeping until an instant of the wall clock, and noticing when that clock is set.

use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

use rustix::io::Errno;
use rustix::time::{
    Itimerspec, TimerfdClockId, TimerfdFlags, TimerfdTimerFlags, Timespec, timerfd_create,
    timerfd_settime,
};

use crate::schedule::UnixMs;

/// A timer on the wall clock. Its descriptor becomes readable at the instant, and at once when the
/// clock is set (`TFD_TIMER_CANCEL_ON_SET`, timerfd_create(2)).
pub struct Alarm {
    timer: OwnedFd,
}

impl Alarm {
    /// A timer that is not set.
    ///
    /// # Errors
    /// No descriptor left.
    pub fn new() -> std::io::Result<Alarm> {
        let flags = TimerfdFlags::CLOEXEC | TimerfdFlags::NONBLOCK;
        Ok(Alarm {
            timer: timerfd_create(TimerfdClockId::Realtime, flags)?,
        })
    }

    /// Sets the timer. An instant in the past makes it readable at once.
    pub fn set(&self, at: UnixMs) {
        let at = at.max(1);
        let value = Itimerspec {
            it_interval: Timespec {
                tv_sec: 0,
                tv_nsec: 0,
            },
            it_value: Timespec {
                tv_sec: at.div_euclid(1000),
                tv_nsec: at.rem_euclid(1000) * 1_000_000,
            },
        };
        let flags = TimerfdTimerFlags::ABSTIME | TimerfdTimerFlags::CANCEL_ON_SET;
        // Setting it may itself report that the clock was set (ECANCELED, measured); it is set all
        // the same, and the loop comes round anyway. Nothing else can be done about an error here:
        // the loop never sleeps longer than a few seconds.
        let _: Result<_, Errno> = timerfd_settime(&self.timer, flags, &value);
    }

    /// Takes note that it rang.
    pub fn hush(&self) {
        let mut count = [0_u8; 8];
        let _ = rustix::io::read(&self.timer, &mut count);
    }
}

impl AsFd for Alarm {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.timer.as_fd()
    }
}
