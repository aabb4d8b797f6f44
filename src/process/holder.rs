//! Who holds a lock on the store: SQLite's locks are those of fcntl(2), and `/proc/locks` names
//! the process of each.
//!
//! The files are only looked at (`stat`), never opened: closing any descriptor of a file drops every
//! such lock that this process has on it.

use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use crate::model::Holder;

/// Bytes of the `-shm` file that SQLite locks (walformat, "WAL Locks"): one writer, one checkpoint,
/// one recovery, then the readers.
const WRITE: u64 = 120;
const RECOVER: u64 = 122;
const READERS: std::ops::RangeInclusive<u64> = 123..=127;

/// Most bytes of a command line that are shown, and that are read.
const SHOWN: usize = 80;
const READ: usize = 4096;

/// One lock of a file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Lock {
    /// None for a lock of an open file description, which belongs to no process.
    pid: Option<i32>,
    write: bool,
    from: u64,
    until: u64,
}

impl Lock {
    fn covers(&self, byte: u64) -> bool {
        self.from <= byte && byte <= self.until
    }
}

/// The process other than this one that keeps others from writing the store.
pub fn writer(store: &Path) -> Option<Holder> {
    let shm = beside(store, "-shm");
    let table = fs::read_to_string("/proc/locks").ok()?;
    let of_shm = others(&table, &shm);
    let held = |byte| of_shm.iter().find(move |l| l.write && l.covers(byte));
    if let Some(lock) = held(WRITE).or_else(|| held(RECOVER)) {
        return named(lock, &shm);
    }
    // A program that locks the file itself, as SQLite does without a write-ahead log.
    let of_store = others(&table, store);
    let lock = of_store.iter().find(|l| l.write)?;
    named(lock, store)
}

/// The processes other than this one that are in the middle of reading the store.
pub fn readers(store: &Path) -> Vec<Holder> {
    let shm = beside(store, "-shm");
    let table = fs::read_to_string("/proc/locks").unwrap_or_default();
    let reading = |l: &&Lock| !l.write && READERS.clone().any(|byte| l.covers(byte));
    let mut found: Vec<Holder> = Vec::new();
    for lock in others(&table, &shm).iter().filter(reading) {
        if let Some(holder) = named(lock, &shm)
            && !found.contains(&holder)
        {
            found.push(holder);
        }
    }
    found
}

fn beside(store: &Path, suffix: &str) -> PathBuf {
    let mut name = store.as_os_str().to_owned();
    name.push(suffix);
    PathBuf::from(name)
}

/// The locks that other processes have on a file.
fn others(table: &str, file: &Path) -> Vec<Lock> {
    let Ok(found) = fs::metadata(file) else {
        return Vec::new();
    };
    let (major, minor) = (
        rustix::fs::major(found.dev()),
        rustix::fs::minor(found.dev()),
    );
    let exact = format!("{major:02x}:{minor:02x}:{}", found.ino());
    let own = rustix::process::getpid().as_raw_nonzero().get();
    let all: Vec<(&str, Lock)> = table.lines().filter_map(parse).collect();
    let here = |name: &str| name == exact;
    // Where a file system shows processes another device number, the inode alone must do.
    let ending = format!(":{}", found.ino());
    let by_inode = !all.iter().any(|(name, _)| here(name));
    all.into_iter()
        .filter(|(name, _)| here(name) || (by_inode && name.ends_with(&ending)))
        .map(|(_, lock)| lock)
        .filter(|lock| lock.pid != Some(own))
        .collect()
}

/// One line of `/proc/locks`: `1: POSIX  ADVISORY  WRITE 4711 fd:01:12345 120 120`. A line with an
/// arrow tells of one who waits.
fn parse(line: &str) -> Option<(&str, Lock)> {
    let fields: Vec<&str> = line.split_ascii_whitespace().collect();
    let [_, kind, _, mode, pid, file, from, until] = fields[..] else {
        return None;
    };
    if !matches!(kind, "POSIX" | "OFDLCK") {
        return None;
    }
    let pid: i32 = pid.parse().ok()?;
    Some((
        file,
        Lock {
            pid: (pid > 0).then_some(pid),
            write: mode == "WRITE",
            from: from.parse().ok()?,
            until: until.parse().unwrap_or(u64::MAX),
        },
    ))
}

fn named(lock: &Lock, file: &Path) -> Option<Holder> {
    let pid = lock.pid.or_else(|| opener(file))?;
    Some(Holder {
        pid,
        command: command(pid),
    })
}

/// A process other than this one that has the file open.
fn opener(file: &Path) -> Option<i32> {
    let wanted = fs::metadata(file).ok()?;
    let own = rustix::process::getpid().as_raw_nonzero().get();
    let same = |found: &fs::Metadata| (found.dev(), found.ino()) == (wanted.dev(), wanted.ino());
    fs::read_dir("/proc").ok()?.flatten().find_map(|entry| {
        let pid: i32 = entry.file_name().to_str()?.parse().ok()?;
        let mut open = fs::read_dir(entry.path().join("fd")).ok()?.flatten();
        let has = open.any(|fd| fs::metadata(fd.path()).is_ok_and(|found| same(&found)));
        (pid != own && has).then_some(pid)
    })
}

/// What a process runs, on one short line: names of processes are not ours.
fn command(pid: i32) -> String {
    use std::io::Read;
    let mut bytes = Vec::new();
    if let Ok(file) = fs::File::open(format!("/proc/{pid}/cmdline")) {
        // What cannot be read is not shown.
        let _ = file.take(READ as u64).read_to_end(&mut bytes);
    }
    let text = String::from_utf8_lossy(&bytes);
    let mut words = text.split('\0').filter(|w| !w.is_empty());
    let shown = match words.next() {
        Some(program) => {
            let name = program.rsplit('/').next().unwrap_or(program);
            let rest: Vec<&str> = words.collect();
            format!("{name} {}", rest.join(" "))
        }
        None => fs::read_to_string(format!("/proc/{pid}/comm")).unwrap_or_default(),
    };
    let clean = shown.chars().map(|c| if c.is_control() { ' ' } else { c });
    let short: String = clean.take(SHOWN).collect();
    let short = short.trim();
    if short.is_empty() { "?" } else { short }.to_owned()
}

#[cfg(test)]
mod tests {
    use super::{Lock, parse};

    #[test]
    fn lines_of_the_lock_table_are_read() {
        let line = "12: POSIX  ADVISORY  WRITE 4711 fd:01:12345 120 120";
        let lock = Lock {
            pid: Some(4711),
            write: true,
            from: 120,
            until: 120,
        };
        assert_eq!(parse(line), Some(("fd:01:12345", lock)));
        let line = "3: OFDLCK ADVISORY  READ -1 08:02:9 0 EOF";
        let lock = Lock {
            pid: None,
            write: false,
            from: 0,
            until: u64::MAX,
        };
        assert_eq!(parse(line), Some(("08:02:9", lock)));
        assert_eq!(parse("12: -> POSIX ADVISORY WRITE 1 fd:01:1 120 120"), None);
        assert_eq!(parse("1: FLOCK ADVISORY WRITE 1 fd:01:1 0 EOF"), None);
        assert_eq!(parse("nonsense"), None);
    }
}
