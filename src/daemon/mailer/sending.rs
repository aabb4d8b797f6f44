//! A mail program at work.

use std::fs::File;
use std::io::{self, Read, Seek};
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::{Child, Command, Stdio};

use rustix::fs::MemfdFlags;
use rustix::process::{Pid, Signal, kill_process_group};

use crate::process::Mail;

/// The longest it may take, milliseconds.
const LONGEST_MS: i64 = 300_000;

/// Bytes of what it says that are told.
const WORDS: u64 = 512;

/// A mail program at work.
pub struct Sending {
    child: Child,
    /// What it writes to standard error.
    said: File,
    since: i64,
}

impl Sending {
    /// Starts it, in a process group of its own; `now` is milliseconds since boot.
    ///
    /// # Errors
    /// No process, no memory or no descriptor left.
    pub fn begin(program: &Path, mail: &Mail, body: &[u8], now: i64) -> io::Result<Sending> {
        let papers = mail.write(body)?;
        let said = File::from(rustix::fs::memfd_create("said", MemfdFlags::CLOEXEC)?);
        // Through /proc/self/exe it is this very program, also after the file was replaced.
        let child = Command::new("/proc/self/exe")
            .arg("__mail")
            .arg(program)
            .env_clear()
            .process_group(0)
            .stdin(papers)
            .stdout(Stdio::null())
            .stderr(said.try_clone()?)
            .spawn()?;
        Ok(Sending {
            child,
            said,
            since: now,
        })
    }

    /// How it ended, once it has: well, or in words. One that takes too long is ended.
    pub fn end(&mut self, now: i64) -> Option<Result<(), String>> {
        let how = match self.child.try_wait() {
            Ok(Some(status)) if status.success() => return Some(Ok(())),
            Ok(Some(status)) => status.to_string(),
            Ok(None) if now - self.since <= LONGEST_MS => return None,
            Ok(None) => {
                let _ = kill_process_group(Pid::from_child(&self.child), Signal::KILL);
                let _ = self.child.wait();
                "it took too long and was ended".to_owned()
            }
            Err(e) => e.to_string(),
        };
        let mut words = Vec::new();
        // What it said is a help and no more.
        let _ = self.said.rewind();
        let _ = (&self.said).take(WORDS).read_to_end(&mut words);
        let words = String::from_utf8_lossy(&words).trim().replace('\n', "; ");
        let more = if words.is_empty() { "" } else { ": " };
        Some(Err(format!("{how}{more}{words}")))
    }
}
