//! The process that decides on alerts and sends them: when it is started, and what it ends with.
//! Nothing it does, and nothing it talks to, is waited for.

use std::io::Read;
use std::process::{Child, Command, ExitStatus, Stdio};

use crate::clock::Now;
use crate::config::Paths;
use crate::model::{Level, Note};
use crate::store::Store;

/// It ends with this when there is nothing more to do.
pub const DONE: u8 = 0;

/// It ends with this when another one is at work.
pub const BUSY: u8 = 75;

/// The pause after one that met another, and after one that failed: the first, and the longest,
/// milliseconds.
const MET_MS: i64 = 1_000;
const FAILED_MS: i64 = 2_000;
const LONGEST_MS: i64 = 300_000;

/// Sees to it that the process is there when it is wanted.
#[derive(Default)]
pub struct Alerts {
    child: Option<Child>,
    /// Not before this, milliseconds since boot.
    again_at: i64,
    fails: u32,
}

impl Alerts {
    /// Looks whether the process has ended, and starts it where it is wanted. Gives what is to be
    /// told of it.
    pub fn look(&mut self, store: &Store, paths: &Paths, now: Now) -> Option<Note> {
        if let Some(child) = &mut self.child {
            let status = match child.try_wait() {
                Ok(None) => return None,
                Ok(Some(status)) => Ok(status),
                Err(e) => Err(e.to_string()),
            };
            let told = self.ended(status, now);
            self.child = None;
            if told.is_some() {
                return told;
            }
        }
        if now.boot < self.again_at {
            return None;
        }
        // A store that cannot be read is told of by others.
        let wanted = store.alerts_wanted_at(now.wall).ok().flatten();
        if wanted.is_none_or(|at| at > now.wall) {
            return None;
        }
        match start(paths) {
            Ok(child) => {
                self.child = Some(child);
                None
            }
            Err(e) => self.failed(&format!("its process cannot be started: {e}"), now),
        }
    }

    fn ended(&mut self, status: Result<ExitStatus, String>, now: Now) -> Option<Note> {
        let mut words = String::new();
        let out = self.child.as_mut().and_then(|child| child.stdout.take());
        if let Some(out) = out {
            // It has ended, and says a line at most.
            let _ = out.take(1_000).read_to_string(&mut words);
        }
        let status = match status {
            Ok(status) => status,
            Err(e) => return self.failed(&e, now),
        };
        match status.code() {
            Some(code) if code == i32::from(DONE) => {
                self.fails = 0;
                None
            }
            Some(code) if code == i32::from(BUSY) => {
                self.again_at = now.boot + MET_MS;
                None
            }
            // Somebody killed it: what it was at is done by the next.
            None => {
                self.again_at = now.boot + MET_MS;
                None
            }
            Some(_) => self.failed(words.trim(), now),
        }
    }

    fn failed(&mut self, why: &str, now: Now) -> Option<Note> {
        let pause = FAILED_MS.saturating_mul(1_i64 << self.fails.min(20));
        self.again_at = now.boot + pause.min(LONGEST_MS);
        self.fails = self.fails.saturating_add(1);
        // Once is enough, until it has worked again.
        (self.fails == 1).then(|| Note {
            at: now.wall,
            level: Level::Warn,
            kind: "alert".to_owned(),
            job: None,
            run: None,
            text: format!("alerts are neither decided nor sent at the moment: {why}"),
        })
    }
}

fn start(paths: &Paths) -> std::io::Result<Child> {
    // Through /proc/self/exe it is this very program, also after the file was replaced.
    Command::new("/proc/self/exe")
        .arg("__alert")
        .args([
            &paths.home,
            &paths.store,
            &paths.socket,
            &paths.spool,
            &paths.logs,
        ])
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
}
