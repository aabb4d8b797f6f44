//! A daemon with a job every second, and whether all of it is whole afterwards.

use std::fs::{self, File, OpenOptions};
use std::io::Read;
use std::os::unix::fs::{FileExt, MetadataExt};
use std::path::PathBuf;

use serde_json::Value;

use crate::support::instance::Instance;
use crate::support::wait::until;

/// The lateness that 99 of 100 fires stay below, milliseconds.
const LATE_MS: i64 = 250;

/// A daemon with a job every second, some of whose runs are in the file and not only in its log.
pub fn ticking() -> Instance {
    let mut instance = Instance::new();
    instance.add("tick", "echo $CRAKE_FIRE >> fires", &["-s", "every 1s"]);
    instance.add("other", "true", &["-s", "0 3 * * 1-5", "--tz", "UTC"]);
    instance.start();
    instance.succeeded("tick", 2);
    assert_eq!(instance.stop(), 0);
    instance.start();
    let before = instance.lines("fires").len();
    instance.until_lines("fires", before + 2);
    copied(&instance);
    instance
}

/// Waits until there is a copy.
fn copied(instance: &Instance) {
    let copy = instance.sandbox.path("home/backup/crake.db");
    until("a copy", || copy.exists().then_some(()));
}

/// What was put aside.
pub fn put_aside(instance: &Instance) -> Vec<PathBuf> {
    let dir = instance.sandbox.path("home/damaged");
    let entries = fs::read_dir(dir).map(|d| d.flatten().map(|e| e.path()).collect());
    entries.unwrap_or_default()
}

/// Waits until the store was made anew and the daemon is well.
pub fn mended(instance: &Instance, before: usize) -> Value {
    until("the store was put aside", || {
        (put_aside(instance).len() > before).then_some(())
    });
    until("the daemon is well again", || {
        let answer = instance.sandbox.run(&["status", "--json"]);
        if answer.code != 0 {
            return None;
        }
        let status = answer.json()["item"].clone();
        let well = status["daemon"]["up"] == true && status["daemon"]["degraded"].is_null();
        well.then_some(status)
    })
}

/// Every fire until now ran, on time, once, and the definitions are there.
pub fn whole(instance: &mut Instance) {
    let seen = instance.lines("fires").len();
    instance.until_lines("fires", seen + 2);
    instance.stop_and_audit();
    let sql = instance.sql();
    let mut late: Vec<i64> = sql
        .prepare("SELECT late_ms FROM fire WHERE verdict = 'run' ORDER BY late_ms")
        .unwrap()
        .query_map([], |row| row.get(0))
        .unwrap()
        .collect::<Result<_, _>>()
        .unwrap();
    // The first after each start is late by the start.
    late.truncate(late.len().saturating_sub(2));
    let p99 = late[(late.len() * 99 / 100).min(late.len() - 1)];
    assert!(p99 < LATE_MS, "{late:?}");
    let mut started = instance.lines("fires");
    let all = started.len();
    started.sort();
    started.dedup();
    assert_eq!(started.len(), all, "a fire ran twice");
    // The last may still have been at work, or before its start, when the daemon ended.
    let query = "SELECT count(*) FROM run WHERE job = 'tick' AND attempt > 0";
    let runs: i64 = instance.cell(query).unwrap();
    let runs = usize::try_from(runs).unwrap();
    assert!(runs == all || runs == all + 1, "{runs} runs, {all} starts");
    let query = "SELECT count(*) FROM run WHERE job = 'tick' AND state <> 'succeeded'";
    assert!(
        instance.cell::<i64>(query).unwrap() <= 1,
        "runs that did not end"
    );
    let jobs = instance.sandbox.items(&["list"]);
    let names: Vec<&str> = jobs.iter().map(|j| j["name"].as_str().unwrap()).collect();
    assert!(
        names.contains(&"tick") && names.contains(&"other"),
        "{names:?}"
    );
    let mode = fs::metadata(instance.sandbox.store()).unwrap().mode() & 0o777;
    assert_eq!(mode, 0o600, "the store is for its owner alone");
    let faults: String = instance.cell("PRAGMA integrity_check").unwrap();
    assert_eq!(faults, "ok");
}

fn garbage(len: usize) -> Vec<u8> {
    let mut bytes = vec![0_u8; len];
    File::open("/dev/urandom")
        .unwrap()
        .read_exact(&mut bytes)
        .unwrap();
    bytes
}

/// Overwrites a part of the store in place.
pub fn overwrite(instance: &Instance, part: impl Fn(u64) -> (u64, u64)) {
    let file = OpenOptions::new()
        .write(true)
        .open(instance.sandbox.store())
        .unwrap();
    let (from, len) = part(file.metadata().unwrap().len());
    let bytes = garbage(usize::try_from(len).unwrap());
    file.write_all_at(&bytes, from).unwrap();
}
