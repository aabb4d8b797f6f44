//! Crash points: named places at which a debug build kills itself when it is told to.
//!
//! `CRAKE_CRASH=POINT:N:FILE`: the process that comes by the point for the Nth time while the file
//! exists takes the file away and dies by SIGKILL, so that exactly one process dies, once. The tests
//! in `tests/it/faults/crash.rs` do this at each point. A release build has nothing of it: neither
//! the names nor the variable are in the program.

use std::process::Command;

/// A place at which a test may have the process killed.
#[inline]
pub fn point(name: &'static str) {
    #[cfg(debug_assertions)]
    armed::pass(name);
    #[cfg(not(debug_assertions))]
    let _ = name;
}

/// Hands what this process was told on to one whose environment is made from nothing.
#[inline]
pub fn pass_on(command: &mut Command) {
    #[cfg(debug_assertions)]
    if let Some(told) = std::env::var_os(armed::VARIABLE) {
        command.env(armed::VARIABLE, told);
    }
    #[cfg(not(debug_assertions))]
    let _ = command;
}

#[cfg(debug_assertions)]
mod armed {
    use std::path::{Path, PathBuf};
    use std::sync::OnceLock;
    use std::sync::atomic::{AtomicU32, Ordering};

    use rustix::process::{Signal, getpid, kill_process};

    /// Where it is said.
    pub(super) const VARIABLE: &str = "CRAKE_CRASH";

    struct Told {
        point: String,
        nth: u32,
        file: PathBuf,
        passed: AtomicU32,
    }

    static TOLD: OnceLock<Option<Told>> = OnceLock::new();

    pub(super) fn pass(name: &str) {
        let told = TOLD.get_or_init(|| read(&std::env::var(VARIABLE).ok()?));
        let Some(told) = told.as_ref().filter(|t| t.point == name) else {
            return;
        };
        if Path::exists(&told.file)
            && told.passed.fetch_add(1, Ordering::AcqRel) + 1 >= told.nth
            && std::fs::remove_file(&told.file).is_ok()
        {
            let _ = kill_process(getpid(), Signal::KILL);
        }
    }

    fn read(text: &str) -> Option<Told> {
        let (point, rest) = text.split_once(':')?;
        let (nth, file) = rest.split_once(':')?;
        Some(Told {
            point: point.to_owned(),
            nth: nth.parse().ok()?,
            file: file.into(),
            passed: AtomicU32::new(0),
        })
    }
}
