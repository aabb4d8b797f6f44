//! What a worker is born with beside its three standard files.

use std::ffi::{c_int, c_long, c_uint};
use std::io;
use std::os::fd::{AsRawFd, OwnedFd};

use nix::libc;
use nix::sys::signal::SigSet;
use rustix::io::FdFlags;

/// `close_range` has this number on every architecture.
const CLOSE_RANGE: c_long = 436;

/// Closes every file but 0, 1 and 2: files somebody up the line opened without close-on-exec would
/// stay open for as long as the worker lives, and every job would inherit them.
///
/// To be called first thing in the process, while nothing in it owns such a file.
pub fn close_strange_files() {
    close_range(3, c_uint::MAX);
}

/// Closes every file but 0, 1, 2 and `kept`, which is closed on exec. No other file may have an
/// owner in this process.
pub(in crate::process) fn close_files_but(kept: &OwnedFd) -> io::Result<()> {
    rustix::io::fcntl_setfd(kept, FdFlags::CLOEXEC)?;
    let number = c_uint::try_from(kept.as_raw_fd()).unwrap_or(3);
    if number > 3 {
        close_range(3, number - 1);
    }
    close_range(number.max(2) + 1, c_uint::MAX);
    Ok(())
}

#[expect(
    unsafe_code,
    reason = "files nobody in this process knows of can only be closed by number"
)]
fn close_range(first: c_uint, last: c_uint) {
    unsafe extern "C" {
        fn syscall(number: c_long, ...) -> c_long;
    }
    // SAFETY: the call takes no pointers. Callers see to it that no file in the range has an owner
    // in this process. Kernels before 5.9 answer that they do not know it.
    unsafe {
        syscall(CLOSE_RANGE, first, last, 0);
    }
}

/// Lets every signal through: what a parent up the line blocked would be blocked in every job for
/// ever, SIGTERM among them.
pub fn unblock_signals() {
    // It fails for no reason that could arise here.
    let _ = SigSet::empty().thread_set_mask();
}

/// Gives every signal its default effect and lets it through: what a parent up the line ignored
/// would be ignored by every job for ever.
#[expect(unsafe_code, reason = "no crate resets a signal by number alone")]
pub fn default_signals() {
    const LAST: c_int = 64;
    unblock_signals();
    // Rust ignores SIGPIPE in its own programs, which rely on it, and resets it at each start.
    for signal in (1..=LAST).filter(|signal| *signal != libc::SIGPIPE) {
        // SAFETY: the default effect runs no code of ours. SIGKILL, SIGSTOP and those the C library
        // keeps to itself are answered with an error.
        unsafe {
            libc::signal(signal, libc::SIG_DFL);
        }
    }
}
