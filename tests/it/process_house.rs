//! A pool of real workers in a directory of its own.

use std::fs;
use std::os::fd::{AsFd, OwnedFd};
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use crake::clock::SystemClock;
use crake::model::{Command, Fence, Holding, Limits, Order, Raw, Report, RunId};
use crake::process::identity::Identity;
use crake::process::{Captured, Entries, Event, Pool, decode_ledger, identity};
use rustix::process::{Pid, Signal, kill_process};
use tempfile::TempDir;

use crate::support::wait::{PATIENCE_MS, mono};

pub struct House {
    pub dir: TempDir,
    pub pool: Option<Pool>,
    wake: OwnedFd,
    _waker: OwnedFd,
    pub log: Vec<Event>,
}

impl House {
    pub fn new() -> House {
        let (wake, waker) = rustix::pipe::pipe().unwrap();
        let mut house = House {
            dir: tempfile::tempdir().unwrap(),
            pool: None,
            wake,
            _waker: waker,
            log: Vec::new(),
        };
        assert_eq!(house.reopen(), []);
        house
    }

    /// The core dies: its sockets close and nobody tells the workers anything.
    pub fn crash(&mut self) {
        self.pool = None;
    }

    pub fn reopen(&mut self) -> Vec<Holding> {
        self.reopen_in_boot(identity::boot_id().unwrap())
    }

    pub fn reopen_in_boot(&mut self, boot_id: String) -> Vec<Holding> {
        let clock = Arc::new(SystemClock);
        let pool = Pool::open(&self.slots(), clock, boot_id).unwrap();
        let mut pool = pool.with_program(env!("CARGO_BIN_EXE_crake"));
        let found = pool.survey();
        self.pool = Some(pool);
        found
    }

    pub fn slots(&self) -> PathBuf {
        self.dir.path().join("slots")
    }

    pub fn pool(&mut self) -> &mut Pool {
        self.pool.as_mut().unwrap()
    }

    /// An environment variable all processes of this house's jobs inherit.
    pub fn mark(&self) -> String {
        self.dir.path().display().to_string()
    }

    pub fn order(&self, fence: i64, command: Command) -> Order {
        Order {
            run: RunId(fence),
            attempt: 1,
            fence: Fence(fence),
            job: "test".to_owned(),
            command,
            shell: None,
            env: vec![
                ("PATH".to_owned(), Raw::from("/usr/bin:/bin")),
                ("HOUSE".to_owned(), Raw::from(self.mark())),
            ],
            cwd: None,
            stdin: None,
            stdin_file: None,
            umask: 0o022,
            timeout_ms: None,
            silence_ms: None,
            kill_grace_ms: 200,
            output_max: 1 << 20,
            limits: Limits::default(),
            login: Vec::new(),
            verify: None,
            cron: None,
        }
    }

    pub fn line(&self, fence: i64, line: &str) -> Order {
        self.order(fence, Command::Line(Raw::from(line)))
    }

    pub fn start(&mut self, order: &Order) {
        self.pool().start(order).unwrap();
    }

    /// Waits for the first event, past or to come, that `look` takes.
    #[track_caller]
    pub fn see<T>(&mut self, what: &str, look: impl Fn(&Event) -> Option<T>) -> T {
        let last = mono() + PATIENCE_MS;
        loop {
            if let Some(found) = self.log.iter().find_map(&look) {
                return found;
            }
            assert!(mono() < last, "no event {what}; seen: {:?}", self.log);
            let pool = self.pool.as_mut().unwrap();
            let events = pool.wait(self.wake.as_fd(), Some(Duration::from_millis(100)));
            self.log.extend(events);
        }
    }

    /// Lets the pool do what is to be done.
    pub fn turn(&mut self, longest: Duration) {
        let pool = self.pool.as_mut().unwrap();
        let events = pool.wait(self.wake.as_fd(), Some(longest));
        self.log.extend(events);
    }

    #[track_caller]
    pub fn started(&mut self, fence: i64) -> (i32, u32) {
        self.see("started", |event| match event {
            Event::Started {
                fence: f,
                pid,
                slot,
                ..
            } if f.0 == fence => Some((*pid, *slot)),
            _ => None,
        })
    }

    #[track_caller]
    pub fn ended(&mut self, fence: i64) -> Report {
        self.see("ended", |event| match event {
            Event::Ended { fence: f, report } if f.0 == fence => Some(report.clone()),
            _ => None,
        })
    }

    #[track_caller]
    pub fn lost(&mut self, fence: i64) -> String {
        self.see("lost", |event| match event {
            Event::Lost { fence: f, reason } if f.0 == fence => Some(reason.clone()),
            _ => None,
        })
    }

    /// Runs an order to its end, reads its output and collects it.
    #[track_caller]
    pub fn run(&mut self, order: &Order) -> (Report, Captured) {
        self.start(order);
        let report = self.ended(order.fence.0);
        let captured = self.pool().captured(order.fence).unwrap();
        self.pool().collected(order.fence);
        (report, captured)
    }

    pub fn ledger(&self, slot: u32) -> Entries {
        let path = self.slots().join(slot.to_string()).join("ledger");
        decode_ledger(&fs::read(path).unwrap_or_default())
    }

    /// Processes alive that carry this house's mark in environment or arguments.
    pub fn inhabitants(&self) -> Vec<String> {
        let mark = self.mark();
        let holds = |bytes: Vec<u8>| String::from_utf8_lossy(&bytes).contains(&mark);
        let mut found = Vec::new();
        for entry in fs::read_dir("/proc").unwrap().flatten() {
            let is_pid = entry.file_name().to_string_lossy().parse::<u32>().is_ok();
            let read = |name: &str| fs::read(entry.path().join(name)).unwrap_or_default();
            // A worker's own arguments name its slot directory.
            let cmdline = read("cmdline");
            let worker = String::from_utf8_lossy(&cmdline).contains("__worker");
            if is_pid && !worker && (holds(read("environ")) || holds(cmdline)) {
                let stat = String::from_utf8_lossy(&read("stat")).into_owned();
                if !stat.contains(") Z ") && !stat.is_empty() {
                    found.push(stat);
                }
            }
        }
        found
    }
}

pub fn kill(pid: i32) {
    if let Some(pid) = Pid::from_raw(pid) {
        let _ = kill_process(pid, Signal::KILL);
    }
}

impl Drop for House {
    fn drop(&mut self) {
        if let Some(pool) = self.pool.take() {
            pool.shutdown();
        }
        // A test that failed must not leave its processes to the next one.
        for slot in 1..=64 {
            if let Some(worker) = self.ledger(slot).worker.filter(Identity::exists)
                && std::thread::panicking()
            {
                kill(worker.pid);
            }
        }
        for stat in self.inhabitants() {
            kill(
                stat.split(' ')
                    .next()
                    .and_then(|pid| pid.parse().ok())
                    .unwrap_or(0),
            );
        }
    }
}
