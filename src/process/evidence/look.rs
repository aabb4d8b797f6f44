//! One look at a tree: what it uses, and which process of it matters.

use std::collections::{BTreeMap, HashMap};

use crate::model::{Subject, Wait, WaitFor};
use crate::process::evidence::call::{Call, call_of};
use crate::process::evidence::peer::link_of;
use crate::process::evidence::processes::{
    Process, Reader, io_of, state_of, threads_of, turns_of, wchan_of,
};
use crate::process::evidence::wait::{kind, named};

/// A process with less than this part of a core is not the one that matters for being busy, percent.
const BUSY_PERCENT: i64 = 10;
/// Processes whose system call is looked at, those furthest from the worker.
const CALLS: usize = 32;
/// Threads looked at in one sample, over all processes.
const THREADS: usize = 64;
/// For so many samples a wait that goes on keeps the name it has been given.
const NAME_HOLDS: u32 = 10;

/// What one look shows.
#[derive(Clone, Debug, Default, PartialEq)]
pub(in crate::process) struct Reading {
    /// CPU time of those alive and of the children they have waited for, milliseconds.
    pub cpu_ms: i64,
    /// How long the busiest stood in line for a CPU since the last look, milliseconds.
    pub in_line_ms: i64,
    /// Bytes read and written, where that can be seen of all.
    pub io_bytes: Option<u64>,
    /// Whether anybody has read or written since the last look.
    pub io_moved: bool,
    pub rss_bytes: i64,
    pub processes: u32,
    pub more: bool,
    pub states: String,
    /// The one that matters, without how long; and what tells this state of it from an equal one
    /// later: how often it has got a CPU, where that counts.
    pub subject: Option<(Subject, u64)>,
}

#[derive(Clone, Copy)]
struct Before {
    cpu_ms: i64,
    io: Option<u64>,
}

/// Pid and start time.
type Who = (i32, u64);

/// Looks at the tree of one worker again and again.
pub(in crate::process) struct Looker {
    reader: Reader,
    worker: i32,
    before: HashMap<Who, Before>,
    in_line: Option<(Who, i64)>,
    name: Option<(Who, Option<Call>, Wait, u32)>,
}

/// A sleeping or stopped thread that may be the one that matters.
struct Candidate<'a> {
    process: &'a Process,
    state: char,
    call: Option<Call>,
    wchan: Option<String>,
    kind: Option<WaitFor>,
}

impl Looker {
    /// Looks at the descendants of this process.
    pub fn over(worker: i32) -> Looker {
        Looker {
            reader: Reader::new(),
            worker,
            before: HashMap::new(),
            in_line: None,
            name: None,
        }
    }

    /// Looks; `since_ms` have passed since the last time.
    pub fn look(&mut self, since_ms: i64) -> Reading {
        let tree = self.reader.descendants(self.worker);
        let mut reading = Reading {
            processes: u32::try_from(tree.found.len()).unwrap_or(u32::MAX),
            more: tree.more,
            io_bytes: Some(0),
            ..Reading::default()
        };
        let mut states: BTreeMap<char, u32> = BTreeMap::new();
        let mut now: HashMap<Who, Before> = HashMap::with_capacity(tree.found.len());
        let mut busiest: Option<(&Process, i64)> = None;
        for process in &tree.found {
            let who = (process.pid, process.start);
            let before = self.before.get(&who).copied();
            *states.entry(process.state).or_default() += 1;
            reading.cpu_ms += process.cpu_ms;
            reading.rss_bytes += process.rss_bytes;
            let used = process.own_cpu_ms - before.map_or(0, |b| b.cpu_ms);
            if busiest.is_none_or(|(_, most)| used > most) {
                busiest = Some((process, used));
            }
            let io = match process.state {
                'D' | 'Z' | 'X' => before.and_then(|b| b.io).or(Some(0)),
                _ => io_of(process.pid),
            };
            reading.io_moved |=
                io.is_some_and(|io| before.and_then(|b| b.io) != Some(io) && io > 0);
            reading.io_bytes = reading.io_bytes.zip(io).map(|(all, io)| all + io);
            let cpu_ms = process.own_cpu_ms;
            now.insert(who, Before { cpu_ms, io });
        }
        self.before = now;
        let words: Vec<String> = states.iter().map(|(s, n)| format!("{s}{n}")).collect();
        reading.states = words.join(" ");
        reading.in_line_ms = self.in_line(busiest.map(|(process, _)| process));
        let least = since_ms * BUSY_PERCENT / 100;
        let busy = busiest.filter(|(_, used)| *used > least.max(1));
        reading.subject = match busy {
            Some((process, _)) => Some((subject(process, 'R', None, None), 0)),
            None => self.idle_subject(&tree.found),
        };
        reading
    }

    fn in_line(&mut self, busiest: Option<&Process>) -> i64 {
        let now = busiest
            .filter(|p| p.threads == 1)
            .and_then(|p| Some(((p.pid, p.start), turns_of(p.pid)?.0)));
        let before = std::mem::replace(&mut self.in_line, now);
        match (before, now) {
            (Some((who, before)), Some((same, now))) if who == same => (now - before).max(0),
            _ => 0,
        }
    }

    // Nobody is busy: the plainest trouble first, and who waits for a child is never to blame.
    fn idle_subject(&mut self, found: &[Process]) -> Option<(Subject, u64)> {
        let mut threads = THREADS;
        let mut best: Option<(u8, Candidate<'_>)> = None;
        for process in found.iter().rev().take(CALLS) {
            let candidate = candidate(process, &mut threads);
            let rank = rank(candidate.state, candidate.kind);
            if best.as_ref().is_none_or(|(least, _)| rank < *least) {
                best = Some((rank, candidate));
            }
        }
        let (_, c) = best?;
        let wait = c
            .kind
            .filter(|_| c.state == 'S')
            .map(|kind| self.name(&c, kind));
        let turns = match c.state {
            // In and out of the disk all the time is not waiting for it.
            'D' => turns_of(c.process.pid).map_or(0, |(_, turns)| turns),
            _ => 0,
        };
        Some((subject(c.process, c.state, wait, c.wchan), turns))
    }

    // To name a peer takes tables as long as the host has connections, so a name is kept a while.
    fn name(&mut self, c: &Candidate<'_>, kind: WaitFor) -> Wait {
        let who = (c.process.pid, c.process.start);
        if let Some((known, call, wait, held)) = &mut self.name
            && *known == who
            && same_wait(call.as_ref(), c.call.as_ref())
            && *held < NAME_HOLDS
        {
            *held += 1;
            return wait.clone();
        }
        let wait = named(who.0, kind, c.call.as_ref(), c.wchan.as_deref());
        self.name = Some((who, c.call.clone(), wait.clone(), 0));
        wait
    }
}

// The first argument is the file; the others may be times that run down.
fn same_wait(a: Option<&Call>, b: Option<&Call>) -> bool {
    let key = |c: Option<&Call>| c.map(|c| (c.number, c.args[0]));
    key(a) == key(b)
}

fn subject(process: &Process, state: char, wait: Option<Wait>, wchan: Option<String>) -> Subject {
    Subject {
        pid: process.pid,
        name: process.name.clone(),
        state,
        wait,
        wchan,
        for_ms: 0,
    }
}

fn rank(state: char, kind: Option<WaitFor>) -> u8 {
    match (state, kind) {
        ('D', _) => 0,
        ('T' | 't', _) => 1,
        ('R', _) => 2,
        ('Z' | 'X', _) => 9,
        (_, Some(WaitFor::Outside)) => 3,
        (_, Some(WaitFor::Time)) => 4,
        (_, None) => 5,
        (_, Some(WaitFor::Inside)) => 6,
        (_, Some(WaitFor::Child)) => 7,
    }
}

// Of a process with several threads the one that says most.
fn candidate<'a>(process: &'a Process, budget: &mut usize) -> Candidate<'a> {
    let first = look_at(process, process.pid, process.state);
    if process.threads == 1 || rank(first.state, first.kind) <= 1 {
        return first;
    }
    let others = threads_of(process.pid, *budget);
    *budget -= others.len().min(*budget);
    let mut best = first;
    for thread in others {
        let state = state_of(process.pid, thread).unwrap_or('S');
        let other = look_at(process, thread, state);
        if rank(other.state, other.kind) < rank(best.state, best.kind) {
            best = other;
        }
    }
    best
}

fn look_at(process: &Process, thread: i32, state: char) -> Candidate<'_> {
    let call = match state {
        'S' => call_of(process.pid, thread),
        _ => None,
    };
    let wchan = match state {
        'R' | 'Z' | 'X' => None,
        _ => wchan_of(process.pid, thread),
    };
    let mut kind = match state {
        'S' => kind(call.as_ref(), wchan.as_deref()),
        _ => None,
    };
    if kind == Some(WaitFor::Outside)
        && let Some(call) = call
            .as_ref()
            .filter(|c| matches!(c.name, Some("read" | "write")))
        && link_of(process.pid, call.args[0]).is_some_and(|link| link.starts_with("pipe:"))
    {
        kind = Some(WaitFor::Inside);
    }
    Candidate {
        process,
        state,
        call,
        wchan,
        kind,
    }
}
