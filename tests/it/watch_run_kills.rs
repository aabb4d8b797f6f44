//! kill -9 of core and poller while rows come in: none is lost.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::process::{Child, Command, Stdio};

use rustix::process::Signal;

use crate::support::instance::{end_of, signal};
use crate::support::wait::{mono, pass, within};
use crate::support::watching::Field;

/// Rows that are written while processes are killed.
const ROWS: usize = 10_000;

/// Rows of a queue that are claimed, one by one.
const QUEUED: usize = 150;

/// Longest time for all of it, milliseconds.
const LONGEST_MS: i64 = 240_000;

/// A process of its own that inserts rows one after the other, each in a transaction of its own.
fn inserter(path: &Path) -> Child {
    // A connection for each, as programs that start for one row have it.
    let code = format!(
        "import sqlite3, sys\n\
         for i in range({ROWS}):\n    \
             c = sqlite3.connect(sys.argv[1], timeout=60, isolation_level=None)\n    \
             c.execute(\"INSERT INTO outbox(v) VALUES(?)\", ('row %d' % i,))\n    \
             if i % {} == 0: c.execute(\"INSERT INTO queue(v) VALUES(?)\", (i,))\n    \
             c.close()\n",
        ROWS / QUEUED
    );
    let mut command = Command::new("python3");
    let command = command.args(["-c", &code]).arg(path);
    command.stdin(Stdio::null()).spawn().unwrap()
}

/// Pauses between kills, from 1 to 2 s, and whom to kill: always the same ones.
struct Dice(u64);

impl Dice {
    fn next(&mut self) -> u64 {
        self.0 = self
            .0
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1);
        self.0 >> 33
    }
}

/// All ids of one of the watches, with the names they were delivered under, and how often.
fn delivered(field: &Field, watch: &str) -> BTreeMap<i64, Vec<String>> {
    let mut found: BTreeMap<i64, Vec<String>> = BTreeMap::new();
    for one in field.got().iter().filter(|one| one["watch"] == watch) {
        for row in one["rows"].as_array().unwrap() {
            let name = one["delivery"].as_str().unwrap().to_owned();
            found
                .entry(row["id"].as_i64().unwrap())
                .or_default()
                .push(name);
        }
    }
    found
}

fn is_done(field: &Field) -> bool {
    let waiting = "SELECT count(*) FROM run WHERE state IN('queued', 'running')";
    delivered(field, "outbox").len() == ROWS
        && delivered(field, "queue").len() >= QUEUED
        && field.instance.cell::<i64>(waiting) == Some(0)
}

/// A table, a queue and a watch for each.
fn watched() -> Field {
    let mut field = Field::quiet();
    field.put(
        "CREATE TABLE outbox(id INTEGER PRIMARY KEY AUTOINCREMENT, v TEXT);
         CREATE TABLE queue(id INTEGER PRIMARY KEY, v, claim TEXT, at INT, done INT DEFAULT 0);
         PRAGMA synchronous = NORMAL",
    );
    field.instance.start();
    let cursor = [
        "--mode",
        "cursor",
        "--key",
        "id",
        "--initial",
        "min",
        // Nothing but the cursor itself keeps a row from being lost.
        "--lookback",
        "0",
        "--every",
        "200ms",
    ];
    field.watch("outbox", "SELECT id, v FROM outbox", &cursor);
    let consume = [
        "--mode",
        "consume",
        "--key",
        "id",
        "--every",
        "200ms",
        "--deliver",
        "row",
        "--visibility",
        "2s",
        "--claim",
        "UPDATE queue SET claim = :claim, at = :now_ms
         WHERE done = 0 AND (claim IS NULL OR at < :visible_before_ms)",
        "--ack",
        "UPDATE queue SET done = 1 WHERE id = :id",
    ];
    field.watch(
        "queue",
        "SELECT id FROM queue WHERE claim = :claim AND done = 0",
        &consume,
    );
    field
}

/// Kills core and poller in turn as it falls, until the rows are written. Says how often each.
fn kill_until_written(field: &Field, inserter: &mut Child) -> [i32; 2] {
    let (mut dice, mut kills) = (Dice(7), [0, 0]);
    let last = mono() + LONGEST_MS;
    while inserter.try_wait().unwrap().is_none() || kills[0].min(kills[1]) < 5 {
        assert!(mono() < last, "the rows took too long");
        pass(1_000 + i64::try_from(dice.next() % 1_000).unwrap());
        let poller = field
            .instance
            .cell::<i32>("SELECT pid FROM gauge WHERE pid IS NOT NULL");
        match (dice.next() % 2, poller) {
            (0, _) | (_, None) => {
                if field.instance.lock_holder().is_some() {
                    field.instance.kill_core();
                    kills[0] += 1;
                }
            }
            (_, Some(poller)) => {
                signal(poller, Signal::KILL);
                kills[1] += 1;
            }
        }
    }
    kills
}

#[test]
fn watch_run_kills_of_core_and_poller_lose_no_row() {
    let mut field = watched();
    let mut inserter = inserter(&field.instance.sandbox.path("shop.db"));
    let kills = kill_until_written(&field, &mut inserter);
    assert_eq!(end_of(&mut inserter), 0);
    within(LONGEST_MS, "everything is delivered", || {
        is_done(&field).then_some(())
    });
    eprintln!("{} kills of the core, {} of pollers", kills[0], kills[1]);
    field.instance.until_sql("NOT EXISTS(SELECT 1 FROM owed)");
    field.instance.up_but_for(None);
    field.instance.stop_and_audit();
    for (id, names) in delivered(&field, "outbox")
        .into_iter()
        .chain(delivered(&field, "queue"))
    {
        let distinct: BTreeSet<&String> = names.iter().collect();
        assert_eq!(distinct.len(), 1, "row {id} has several names: {names:?}");
    }
    let lost: i64 = field
        .instance
        .cell("SELECT count(*) FROM poll WHERE outcome = 'lost'")
        .unwrap();
    eprintln!("{lost} polls were lost");
}
