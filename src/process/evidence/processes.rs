//! The tree of processes of a job at one instant, as far as it is looked at.
//!
//! Only files that the kernel answers without waiting are read: `stat`, `children`, `wchan`,
//! `schedstat`, and of processes that are not in uninterruptible sleep `io` and `syscall`, which
//! take a lock that an exec holds.

use std::collections::{HashMap, VecDeque};
use std::fs;

use crate::process::tree::everyone;

/// Processes looked at in one sample; a fork storm has any number.
const MOST: usize = 200;
/// Threads of one process asked for their children.
const THREADS: usize = 64;
/// Ticks of the CPU times in `/proc` are a hundredth of a second on every Linux in use.
const TICK_MS: i64 = 10;

/// One process.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(in crate::process) struct Process {
    pub pid: i32,
    pub name: String,
    pub state: char,
    pub threads: u32,
    /// In ticks since boot; with the pid it tells a process from every later one.
    pub start: u64,
    /// What it used itself, milliseconds.
    pub own_cpu_ms: i64,
    /// What it used together with the children it has waited for, milliseconds.
    pub cpu_ms: i64,
    pub rss_bytes: i64,
    parent: i32,
}

/// Everybody that descends from a worker.
#[derive(Clone, Debug, Default)]
pub(in crate::process) struct Processes {
    pub found: Vec<Process>,
    /// Whether there are more than were looked at.
    pub more: bool,
}

/// Reads trees; knows what this kernel offers.
pub(in crate::process) struct Reader {
    names_children: bool,
    page: i64,
}

impl Reader {
    /// Finds out what there is.
    pub fn new() -> Reader {
        let thread = rustix::thread::gettid().as_raw_nonzero();
        let children = format!("/proc/self/task/{thread}/children");
        Reader {
            names_children: fs::read(children).is_ok(),
            page: i64::try_from(rustix::param::page_size()).unwrap_or(4096),
        }
    }

    /// Everybody that descends from the worker, parents first, up to a bound.
    pub fn descendants(&self, worker: i32) -> Processes {
        // A kernel without CONFIG_PROC_CHILDREN is asked for everybody once, not once for each.
        let table = (!self.names_children).then(|| self.by_parent());
        let children = |pid: i32, threads: u32| match &table {
            Some(table) => table.get(&pid).cloned().unwrap_or_default(),
            None => children_of(pid, threads),
        };
        let mut waiting: VecDeque<i32> = children(worker, u32::MAX).into();
        let mut all = Processes::default();
        while let Some(pid) = waiting.pop_front() {
            if all.found.len() >= MOST {
                all.more = true;
                break;
            }
            if let Some(process) = self.process(pid) {
                waiting.extend(children(pid, process.threads));
                all.found.push(process);
            }
        }
        all
    }

    fn process(&self, pid: i32) -> Option<Process> {
        parse(&fs::read(format!("/proc/{pid}/stat")).ok()?, self.page)
    }

    fn by_parent(&self) -> HashMap<i32, Vec<i32>> {
        let mut table: HashMap<i32, Vec<i32>> = HashMap::new();
        for process in everyone().into_iter().filter_map(|pid| self.process(pid)) {
            table.entry(process.parent).or_default().push(process.pid);
        }
        table
    }
}

fn children_of(pid: i32, threads: u32) -> Vec<i32> {
    let of_thread = |thread: &str| {
        // One that has ended meanwhile has no children either: they are the worker's now.
        let text = fs::read_to_string(format!("/proc/{pid}/task/{thread}/children"));
        let text = text.unwrap_or_default();
        let numbers = text.split_ascii_whitespace().filter_map(|n| n.parse().ok());
        numbers.collect::<Vec<i32>>()
    };
    if threads == 1 {
        return of_thread(&pid.to_string());
    }
    threads_of(pid, THREADS)
        .into_iter()
        .flat_map(|thread| of_thread(&thread.to_string()))
        .collect()
}

/// The first threads of a process.
pub(in crate::process) fn threads_of(pid: i32, most: usize) -> Vec<i32> {
    let Ok(tasks) = fs::read_dir(format!("/proc/{pid}/task")) else {
        return Vec::new();
    };
    let names = tasks.flatten().take(most);
    names
        .filter_map(|e| e.file_name().to_str()?.parse().ok())
        .collect()
}

/// The state of one thread.
pub(in crate::process) fn state_of(pid: i32, thread: i32) -> Option<char> {
    let bytes = fs::read(format!("/proc/{pid}/task/{thread}/stat")).ok()?;
    Some(parse(&bytes, 1)?.state)
}

fn parse(bytes: &[u8], page: i64) -> Option<Process> {
    // The name stands in parentheses and may hold any character, so fields count from the last one.
    let open = bytes.iter().position(|b| *b == b'(')?;
    let close = bytes.iter().rposition(|b| *b == b')')?;
    let pid = std::str::from_utf8(bytes.get(..open)?).ok()?;
    let name = String::from_utf8_lossy(bytes.get(open + 1..close)?).into_owned();
    let rest = std::str::from_utf8(bytes.get(close + 1..)?).ok()?;
    let fields: Vec<&str> = rest.split_ascii_whitespace().collect();
    let number = |index: usize| fields.get(index)?.parse::<i64>().ok();
    let own_cpu_ms = (number(11)? + number(12)?) * TICK_MS;
    Some(Process {
        pid: pid.trim().parse().ok()?,
        name,
        state: fields.first()?.chars().next()?,
        threads: fields.get(17)?.parse().ok()?,
        start: fields.get(19)?.parse().ok()?,
        own_cpu_ms,
        cpu_ms: own_cpu_ms + (number(13)? + number(14)?) * TICK_MS,
        rss_bytes: number(21)? * page,
        parent: fields.get(1)?.parse().ok()?,
    })
}

/// Bytes a process and the children it waited for have read and written, as `read` and `write` count.
pub(in crate::process) fn io_of(pid: i32) -> Option<u64> {
    let text = fs::read_to_string(format!("/proc/{pid}/io")).ok()?;
    let field = |name: &str| {
        let line = text.lines().find_map(|line| line.strip_prefix(name))?;
        line.trim().parse::<u64>().ok()
    };
    Some(field("rchar:")? + field("wchar:")?)
}

/// How long a process stood in line for a CPU, milliseconds, and how often it got one. Of a process
/// with several threads this tells of the first.
pub(in crate::process) fn turns_of(pid: i32) -> Option<(i64, u64)> {
    let text = fs::read_to_string(format!("/proc/{pid}/schedstat")).ok()?;
    let mut fields = text.split_ascii_whitespace();
    let waited: i64 = fields.nth(1)?.parse().ok()?;
    Some((waited / 1_000_000, fields.next()?.parse().ok()?))
}

/// The kernel's function a thread sleeps in.
pub(in crate::process) fn wchan_of(pid: i32, thread: i32) -> Option<String> {
    let text = fs::read_to_string(format!("/proc/{pid}/task/{thread}/wchan")).ok()?;
    let name = text.trim();
    (!name.is_empty() && name != "0").then(|| name.to_owned())
}

#[cfg(test)]
mod tests {
    use crate::process::evidence::processes::{Reader, io_of, parse, turns_of};

    #[test]
    fn the_fields_are_counted_from_the_end_of_the_name() {
        let text = b"42 (a) S (b) R 7 42 42 0 -1 4194304 1 2 3 4 50 25 10 5 20 0 3 0 9876 1 12 9";
        let process = parse(text, 4096).unwrap();
        assert_eq!(process.name, "a) S (b");
        assert_eq!((process.pid, process.parent, process.state), (42, 7, 'R'));
        assert_eq!((process.threads, process.start), (3, 9876));
        assert_eq!((process.own_cpu_ms, process.cpu_ms), (750, 900));
        assert_eq!(process.rss_bytes, 12 * 4096);
        for nonsense in [&b""[..], b"42", b"42 (x", b"42 (x) R 1 2"] {
            assert_eq!(parse(nonsense, 4096), None);
        }
    }

    #[test]
    fn a_child_is_found_either_way() {
        let mut child = std::process::Command::new("sleep");
        let mut child = child.arg("1000").spawn().unwrap();
        let me = i32::try_from(std::process::id()).unwrap();
        let pid = i32::try_from(child.id()).unwrap();
        let mut reader = Reader::new();
        for _ in 0..2 {
            let all = reader.descendants(me);
            assert!(all.found.iter().any(|p| p.pid == pid), "{all:?}");
            reader.names_children = false;
        }
        assert!(io_of(pid).is_some() && turns_of(pid).is_some());
        child.kill().unwrap();
        child.wait().unwrap();
    }
}
