//! What a worker is born with beside its three standard files.

use std::ffi::{c_long, c_uint};

/// `close_range` has this number on every architecture.
const CLOSE_RANGE: c_long = 436;

/// Closes every file but 0, 1 and 2: files somebody up the line opened without close-on-exec would
/// stay open for as long as the worker lives, and every job would inherit them.
///
/// To be called first thing in the process, while nothing in it owns such a file.
#[expect(
    unsafe_code,
    reason = "files nobody in this process knows of can only be closed by number"
)]
pub(in crate::process) fn close_strange_files() {
    unsafe extern "C" {
        fn syscall(number: c_long, ...) -> c_long;
    }
    // SAFETY: the call takes no pointers. It is made before anything in the process opens a file,
    // so no owner loses one. Kernels before 5.9 answer that they do not know it.
    unsafe {
        syscall(CLOSE_RANGE, 3, c_uint::MAX, 0);
    }
}
