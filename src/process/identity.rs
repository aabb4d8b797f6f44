//! Which process is meant: a pid alone is reused within seconds on a busy host.

use std::fs;
use std::io;

use serde::{Deserialize, Serialize};

/// A process of this boot, told apart from every later one with the same pid.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Identity {
    /// Its process id.
    pub pid: i32,
    /// When it started, in clock ticks since boot (field 22 of `/proc/PID/stat`).
    pub start: u64,
}

impl Identity {
    /// The process that has this pid now, if there is one.
    pub fn of(pid: i32) -> Option<Identity> {
        let start = start_time(pid)?;
        Some(Identity { pid, start })
    }

    /// Whether that very process still exists, be it as a zombie.
    pub fn exists(&self) -> bool {
        is_same(self.pid, self.start)
    }

    /// Whether that very process still exists and is no zombie.
    pub fn lives(&self) -> bool {
        stat(self.pid).is_some_and(|s| s.start == self.start && !matches!(s.state, 'Z' | 'X'))
    }
}

/// The fields of `/proc/PID/stat` that say whose a process is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::process) struct Stat {
    /// `R`, `S`, `D`, `T`, `Z` and so on.
    pub state: char,
    /// Parent.
    pub parent: i32,
    /// Session.
    pub session: i32,
    /// Start time in ticks since boot.
    pub start: u64,
    /// CPU time used by it and by the children it waited for, ticks.
    pub cpu: u64,
    /// Threads.
    pub threads: u64,
    /// Resident set, pages.
    pub rss: u64,
}

/// Reads `/proc/PID/stat`; nothing where there is no such process.
pub(in crate::process) fn stat(pid: i32) -> Option<Stat> {
    parse_stat(&fs::read(format!("/proc/{pid}/stat")).ok()?)
}

fn parse_stat(bytes: &[u8]) -> Option<Stat> {
    // The name stands in parentheses and may itself hold spaces and parentheses, so the fields are
    // counted from the last closing one.
    let close = bytes.iter().rposition(|b| *b == b')')?;
    let rest = std::str::from_utf8(bytes.get(close + 1..)?).ok()?;
    let fields: Vec<&str> = rest.split_ascii_whitespace().collect();
    // proc_pid_stat(5) counts from 1 and begins two fields earlier.
    let number = |field: usize| fields.get(field - 3)?.parse::<u64>().ok();
    Some(Stat {
        state: fields.first()?.chars().next()?,
        parent: fields.get(1)?.parse().ok()?,
        session: fields.get(3)?.parse().ok()?,
        start: number(22)?,
        cpu: (14..=17).filter_map(number).sum(),
        threads: number(20)?,
        rss: number(24)?,
    })
}

/// When the process with this pid started, in clock ticks since boot.
pub fn start_time(pid: i32) -> Option<u64> {
    stat(pid).map(|stat| stat.start)
}

/// Whether the process with this pid is the one that started at `start`.
pub fn is_same(pid: i32, start: u64) -> bool {
    start_time(pid) == Some(start)
}

/// Whether there is a process with this pid that has not ended, waited for or not.
pub fn is_running(pid: i32) -> bool {
    stat(pid).is_some_and(|stat| !matches!(stat.state, 'Z' | 'X'))
}

/// Threads and resident memory, in bytes, of a process.
pub fn burden(pid: i32) -> Option<(u64, u64)> {
    let page = rustix::param::page_size() as u64;
    stat(pid).map(|stat| (stat.threads, stat.rss * page))
}

/// Whether a thread of a process, named by its name, sleeps where no signal reaches it: in most
/// cases it waits for a disk (state `D`, proc_pid_stat(5)).
pub fn waits_for_disk(pid: i32, thread: &str) -> bool {
    let Ok(threads) = fs::read_dir(format!("/proc/{pid}/task")) else {
        return false;
    };
    threads.flatten().any(|task| {
        let file = |name| fs::read(task.path().join(name)).unwrap_or_default();
        file("comm").trim_ascii_end() == thread.as_bytes()
            && parse_stat(&file("stat")).is_some_and(|stat| stat.state == 'D')
    })
}

/// The kernel's random name for the present boot.
///
/// # Errors
/// `/proc` cannot be read.
pub fn boot_id() -> io::Result<String> {
    Ok(fs::read_to_string("/proc/sys/kernel/random/boot_id")?
        .trim()
        .to_owned())
}

/// A name nobody else has.
///
/// # Errors
/// `/proc` cannot be read.
pub fn new_id() -> io::Result<String> {
    Ok(fs::read_to_string("/proc/sys/kernel/random/uuid")?
        .trim()
        .to_owned())
}

#[cfg(test)]
mod tests {
    use crate::process::identity::{Identity, parse_stat};

    #[test]
    fn a_name_with_parentheses_and_spaces_does_not_shift_the_fields() {
        let text = b"42 (a) b (c) S 1 42 7 0 -1 4194304 1 2 3 4 5 6 7 8 20 0 1 0 9876 1 2 3";
        let stat = parse_stat(text).unwrap();
        assert_eq!(
            (stat.state, stat.parent, stat.session, stat.start),
            ('S', 1, 7, 9876)
        );
    }

    #[test]
    fn nonsense_is_no_process() {
        assert_eq!(parse_stat(b""), None);
        assert_eq!(parse_stat(b"1 (x) S"), None);
    }

    #[test]
    fn this_process_is_itself_and_no_other() {
        let pid = i32::try_from(std::process::id()).unwrap();
        let me = Identity::of(pid).unwrap();
        assert!(me.exists());
        let other = Identity {
            start: me.start + 1,
            ..me
        };
        assert!(!other.exists());
    }
}
