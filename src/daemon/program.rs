//! The program the daemon was started from, and whether what lies there now can take its place.

use std::io::Read;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use rustix::event::{PollFd, PollFlags, poll};
use rustix::process::{Pid, PidfdFlags, pidfd_open};

use crate::daemon::core::timespec;

/// What a program answers that is one of ours, before its version.
pub const ANSWER: &str = "crake ";

/// The question it answers.
pub const QUESTION: &str = "__program";

/// How long a new program may take to answer, milliseconds.
const PATIENCE_MS: i64 = 5_000;

/// The path a program was called by, made absolute: links on the way to it are followed anew each
/// time, so that a link set to another version leads to that one.
pub fn called_by(
    name: Option<&Path>,
    search: Option<&std::ffi::OsStr>,
    fallback: PathBuf,
) -> PathBuf {
    let Some(name) = name else {
        return fallback;
    };
    if name.components().count() > 1 {
        return std::path::absolute(name).unwrap_or(fallback);
    }
    let mut dirs = search.map(std::env::split_paths).into_iter().flatten();
    let found = dirs.find(|dir| crate::process::is_executable(&dir.join(name)));
    found
        .and_then(|dir| std::path::absolute(dir.join(name)).ok())
        .unwrap_or(fallback)
}

/// Asks what lies at a path whether it is a program of ours that works. Gives its version.
///
/// # Errors
/// Why it cannot take the place of this one, in words.
pub fn try_out(path: &Path) -> Result<String, String> {
    let shown = path.display();
    let mut command = Command::new(path);
    command
        .arg(QUESTION)
        .stdin(Stdio::null())
        .stdout(Stdio::piped());
    let mut child = command
        .spawn()
        .map_err(|e| format!("{shown} cannot be executed: {e}"))?;
    let pid = Pid::from_child(&child);
    let in_time = pidfd_open(pid, PidfdFlags::empty()).is_ok_and(|exit| {
        let mut fds = [PollFd::new(&exit, PollFlags::IN)];
        poll(&mut fds, Some(&timespec(PATIENCE_MS))).is_ok_and(|n| n > 0)
    });
    if !in_time {
        let _ = child.kill();
    }
    let status = child
        .wait()
        .map_err(|e| format!("{shown} cannot be watched: {e}"))?;
    if !in_time {
        return Err(format!("{shown} does not answer"));
    }
    // It is over, so nobody holds the other end but what it may have left behind.
    let mut answer = [0_u8; 256];
    let n = match child.stdout.take() {
        Some(mut out) if status.success() => out.read(&mut answer).unwrap_or(0),
        _ => 0,
    };
    let text = String::from_utf8_lossy(&answer[..n]);
    match text.trim_end().strip_prefix(ANSWER) {
        Some(version) => Ok(version.to_owned()),
        None => Err(format!("{shown} is no crake that works ({status})")),
    }
}
