//! What an instance acknowledged, and how much its disk had been told by then.

use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::Duration;

use super::disk::Disk;
use crate::support::instance::Instance;
use crate::support::wait::{mono, pass};

/// What was acknowledged before a position in the disk's log.
pub struct Acked {
    /// Jobs that started: run and attempt.
    pub starts: Vec<(usize, String)>,
    /// Runs that were over: number, state and exit code.
    pub ends: Vec<(usize, i64, String, Option<i64>)>,
    /// Definitions and how far they had got: 1 added, 2 changed, 3 paused.
    pub definitions: Vec<(usize, String, u8)>,
}

impl Acked {
    /// Where the first of each kind stands.
    pub fn first(&self) -> usize {
        let firsts = [
            self.starts.first().map(|a| a.0),
            self.ends.first().map(|a| a.0),
            self.definitions.first().map(|a| a.0),
        ];
        firsts.into_iter().flatten().max().unwrap_or(0)
    }
}

/// Works an instance for a while, and writes down what it acknowledges.
pub fn record(instance: &Instance, disk: &Disk, ms: i64) -> Acked {
    let line = |code: u8| format!("echo $CRAKE_RUN $CRAKE_ATTEMPT >> starts; exit {code}");
    for (job, code) in [("a", 0), ("b", 3)] {
        instance.add(job, &line(code), &["-s", "every 1s", "--overlap", "allow"]);
    }
    let long = "echo $CRAKE_RUN $CRAKE_ATTEMPT >> starts; sleep 1.5; exit 7";
    instance.add("long", long, &["-s", "every 1s", "--overlap", "allow"]);
    instance.add("asked", &line(5), &["--overlap", "allow"]);
    let over = AtomicBool::new(false);
    thread::scope(|scope| {
        let starts = scope.spawn(|| watch_starts(instance, disk, &over));
        let ends = scope.spawn(|| watch_ends(instance, disk, &over));
        scope.spawn(|| lock_now_and_then(instance, &over));
        let definitions = change(instance, disk, mono() + ms);
        over.store(true, Ordering::Release);
        Acked {
            starts: starts.join().unwrap(),
            ends: ends.join().unwrap(),
            definitions,
        }
    })
}

fn change(instance: &Instance, disk: &Disk, until: i64) -> Vec<(usize, String, u8)> {
    let mut acked = Vec::new();
    let mut number = 0;
    while mono() < until {
        let name = format!("d{number}");
        for (level, args) in [
            (1, vec!["add", &name, "-c", "true"]),
            (2, vec!["add", &name, "-c", "true changed", "--replace"]),
            (3, vec!["pause", &name]),
        ] {
            instance.sandbox.ok(&args);
            acked.push((disk.position(), name.clone(), level));
            instance.sandbox.ok(&["run", "-d", "asked"]);
        }
        number += 1;
    }
    acked
}

/// While a stranger holds the store's lock, claims are safe only if the ring is.
fn lock_now_and_then(instance: &Instance, over: &AtomicBool) {
    let sql = instance.sql();
    sql.busy_timeout(Duration::from_secs(5)).unwrap();
    while !over.load(Ordering::Acquire) {
        if sql.execute_batch("BEGIN IMMEDIATE").is_ok() {
            pass(700);
            sql.execute_batch("COMMIT").unwrap();
        }
        pass(500);
    }
}

fn watch_starts(instance: &Instance, disk: &Disk, over: &AtomicBool) -> Vec<(usize, String)> {
    let mut acked: Vec<(usize, String)> = Vec::new();
    while !over.load(Ordering::Acquire) {
        let lines = instance.lines("starts");
        let position = disk.position();
        // The last line may be half written.
        let whole = lines.len().saturating_sub(1);
        for line in lines.into_iter().take(whole).skip(acked.len()) {
            acked.push((position, line));
        }
        thread::sleep(Duration::from_millis(1));
    }
    acked
}

fn watch_ends(
    instance: &Instance,
    disk: &Disk,
    over: &AtomicBool,
) -> Vec<(usize, i64, String, Option<i64>)> {
    let sql = instance.sql();
    sql.busy_timeout(Duration::from_secs(5)).unwrap();
    let mut query = sql
        .prepare("SELECT id, state, exit_code FROM run WHERE ended_at IS NOT NULL")
        .unwrap();
    let mut acked: Vec<(usize, i64, String, Option<i64>)> = Vec::new();
    while !over.load(Ordering::Acquire) {
        let rows = query.query_map([], |r| Ok((r.get(0)?, r.get(1)?, r.get(2)?)));
        let rows: Vec<(i64, String, Option<i64>)> = rows.unwrap().map(Result::unwrap).collect();
        let position = disk.position();
        for (run, state, code) in rows {
            if !acked.iter().any(|a| a.1 == run) {
                acked.push((position, run, state, code));
            }
        }
        thread::sleep(Duration::from_millis(2));
    }
    acked
}
