//! Work on the store that is left to another process: checking it and copying it. A fresh process
//! sees the file as it is, not as it was read once, and no thread of the daemon waits for it.

use std::io::Read;
use std::path::Path;
use std::process::{Child, Command, Stdio};

/// What such a process exits with where it found the store damaged.
pub const DAMAGED: u8 = 20;

/// The longest such a process may take, milliseconds.
const LONGEST_MS: i64 = 15 * 60_000;

/// What is to be done.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Task {
    /// Reading every page.
    Check,
    /// Copying everything.
    Copy,
}

/// What came of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Finding {
    /// The store is sound, and was copied where that was asked.
    Sound,
    /// It is damaged; how, in words.
    Damaged(String),
    /// It could not be told; why, in words.
    Unknown(String),
}

/// A process at work.
pub struct Chore {
    /// What it does.
    pub task: Task,
    /// When it was started, milliseconds since boot.
    pub started: i64,
    /// How long it took, milliseconds, as it says itself.
    pub took: i64,
    child: Child,
}

impl Chore {
    /// Starts a process.
    ///
    /// # Errors
    /// No process or no descriptor left.
    pub fn start(task: Task, store: &Path, copy: &Path, now: i64) -> std::io::Result<Chore> {
        // Through /proc/self/exe it is this very program, also after the file was replaced.
        let mut command = Command::new("/proc/self/exe");
        match task {
            Task::Check => command.arg("__check").arg(store),
            Task::Copy => command.arg("__copy").arg(store).arg(copy),
        };
        let child = command
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()?;
        Ok(Chore {
            task,
            started: now,
            took: 0,
            child,
        })
    }

    /// What came of it, once it has ended.
    pub fn finding(&mut self, now: i64) -> Option<Finding> {
        let status = match self.child.try_wait() {
            Ok(Some(status)) => status,
            Ok(None) if now - self.started < LONGEST_MS => return None,
            Ok(None) => {
                self.end();
                return Some(Finding::Unknown("it took too long".to_owned()));
            }
            Err(e) => return Some(Finding::Unknown(e.to_string())),
        };
        let mut words = String::new();
        if let Some(out) = self.child.stdout.take() {
            // It has ended, and says a few lines at most.
            let _ = out.take(4096).read_to_string(&mut words);
        }
        let (took, words) = words.split_once('\n').unwrap_or_default();
        self.took = took.parse().unwrap_or(now - self.started);
        let words = words.trim().replace('\n', "; ");
        Some(match status.code() {
            Some(0) => Finding::Sound,
            Some(code) if code == i32::from(DAMAGED) => Finding::Damaged(words),
            _ => Finding::Unknown(format!("{status}: {words}")),
        })
    }

    fn end(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

impl Drop for Chore {
    fn drop(&mut self) {
        if matches!(self.child.try_wait(), Ok(None)) {
            self.end();
        }
    }
}
