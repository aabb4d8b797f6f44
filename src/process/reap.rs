//! Collects children that ended, with what they used.

use std::ffi::{c_int, c_long};

use rustix::io::Errno;

use crate::model::Exit;

/// A child that ended and was waited for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::process) struct Death {
    /// Its process id, which may be reused from now on.
    pub pid: i32,
    /// How it ended.
    pub exit: Exit,
    /// CPU time of it and of the children it waited for, milliseconds.
    pub cpu_ms: i64,
    /// The largest resident set among them, bytes. The kernel counts what the worker itself had
    /// resident when the job was started, some 3 MB, as the least.
    pub max_rss: i64,
}

/// What is left to wait for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::process) enum Reaped {
    /// One ended.
    One(Death),
    /// There are children, and none of them has ended.
    Alive,
    /// There is no child at all. For a subreaper this proves that nothing it ever started, nor
    /// anything those started, is left.
    Nobody,
}

/// `struct rusage` as the kernel and glibc have it where `long` is the machine word; the room at
/// the end is what musl reserves in its own.
#[repr(C)]
struct Usage {
    user: [c_long; 2],
    system: [c_long; 2],
    max_rss_kib: c_long,
    rest: [c_long; 13],
    reserved: [c_long; 24],
}

const NOHANG: c_int = 1;
/// Children that do not send SIGCHLD count as well.
const ALL: c_int = 0x4000_0000;

#[expect(
    unsafe_code,
    reason = "neither std nor rustix tells what a child used when waiting for it; wait4 does"
)]
fn wait4(status: &mut c_int, usage: &mut Usage) -> c_int {
    unsafe extern "C" {
        fn wait4(pid: c_int, status: *mut c_int, options: c_int, usage: *mut Usage) -> c_int;
    }
    // SAFETY: both pointers come from exclusive references that outlive the call, and `Usage` is
    // at least as large as every libc's `struct rusage`.
    unsafe { wait4(-1, status, NOHANG | ALL, usage) }
}

/// Waits for one child, whichever, without blocking.
#[allow(
    clippy::useless_conversion,
    reason = "a long has 32 bits on some hosts"
)]
pub(in crate::process) fn reap() -> Reaped {
    loop {
        let mut status = 0;
        let mut usage = Usage {
            user: [0; 2],
            system: [0; 2],
            max_rss_kib: 0,
            rest: [0; 13],
            reserved: [0; 24],
        };
        let pid = wait4(&mut status, &mut usage);
        if pid == 0 {
            return Reaped::Alive;
        }
        if pid < 0 {
            match std::io::Error::last_os_error().raw_os_error() {
                Some(e) if e == Errno::CHILD.raw_os_error() => return Reaped::Nobody,
                Some(e) if e == Errno::INTR.raw_os_error() => continue,
                // Never known to happen; whoever asks gives up after a while.
                _ => return Reaped::Alive,
            }
        }
        let signal = status & 0x7f;
        let exit = if signal == 0 {
            Exit::Code((status >> 8) & 0xff)
        } else {
            Exit::Signal(signal)
        };
        return Reaped::One(Death {
            pid,
            exit,
            cpu_ms: millis(usage.user) + millis(usage.system),
            max_rss: i64::from(usage.max_rss_kib).saturating_mul(1024),
        });
    }
}

#[allow(
    clippy::useless_conversion,
    reason = "a long has 32 bits on some hosts"
)]
fn millis([seconds, micros]: [c_long; 2]) -> i64 {
    i64::from(seconds) * 1000 + i64::from(micros) / 1000
}
