//! Whatever happens to the file of the store, fires go on, and nothing of what was recorded is lost.

use std::fs::{self, File, OpenOptions};
use std::io::{Read, Write};
use std::os::unix::fs::FileExt;
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};

use crake::daemon::journal::Journal;
use crake::daemon::mend;
use crake::model::{Exit, Outcome, Record, RunId, TroubleKind};
use crake::store::{Store, StoreError};
use serde_json::Value;

use crate::support::bench::{Bench, ended, fire_run, job, started};
use crate::support::instance::Instance;
use crate::support::wait::{mono, pass, until, within};

/// The lateness that 99 of 100 fires stay below, milliseconds.
const LATE_MS: i64 = 250;

/// A process that holds the write lock, and says so.
struct Locker(Child);

impl Locker {
    fn of(store: &std::path::Path) -> Locker {
        let text = "import sqlite3, sys\n\
            c = sqlite3.connect(sys.argv[1], isolation_level=None)\n\
            c.execute('BEGIN IMMEDIATE')\n\
            print('locked', flush=True)\n\
            sys.stdin.read()\n";
        let mut child = Command::new("python3")
            .args(["-c", text, store.to_str().unwrap(), "loader"])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .expect("python3");
        let mut word = [0_u8; 6];
        let out = child.stdout.as_mut().unwrap();
        out.read_exact(&mut word).expect("the lock");
        Locker(child)
    }

    fn end(mut self) {
        drop(self.0.stdin.take());
        self.0.wait().unwrap();
    }
}

/// A daemon with a job every second, some of whose runs are in the file and not only in its log.
fn ticking() -> Instance {
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

fn put_aside(instance: &Instance) -> Vec<PathBuf> {
    let dir = instance.sandbox.path("home/damaged");
    let entries = fs::read_dir(dir).map(|d| d.flatten().map(|e| e.path()).collect());
    entries.unwrap_or_default()
}

/// Waits until the store was made anew and the daemon is well.
fn mended(instance: &Instance, before: usize) -> Value {
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
fn whole(instance: &mut Instance) {
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
    let faults: String = instance.cell("PRAGMA integrity_check").unwrap();
    assert_eq!(faults, "ok");
}

fn locked_for(ms: i64) {
    let mut instance = ticking();
    let locker = Locker::of(&instance.sandbox.store());
    let pid = i64::from(locker.0.id());
    let began = mono();
    within(5_000, "status names the holder", || {
        let status = instance.status();
        let trouble = &status["daemon"]["trouble"];
        let named = trouble["kind"] == "locked" && trouble["holder"]["pid"] == pid;
        named.then(|| {
            let told = status["daemon"]["degraded"].as_str().unwrap().to_owned();
            assert!(told.contains(&format!("pid {pid} (python3")), "{told}");
        })
    });
    // Reading needs no lock.
    assert_eq!(instance.sandbox.items(&["list"]).len(), 2);
    instance.sandbox.items(&["history"]);
    // A command that writes says who is in its way.
    let answer = instance.sandbox.run(&["pause", "other"]);
    assert_eq!(answer.code, 5, "{answer:?}");
    assert!(answer.stderr.contains(&format!("pid {pid}")), "{answer:?}");
    until("the time of the lock", || {
        (mono() - began >= ms).then_some(())
    });
    let during = instance.lines("fires").len();
    locker.end();
    instance.succeeded("tick", i64::try_from(during).unwrap());
    instance.until_sql(
        "EXISTS(SELECT 1 FROM event WHERE kind = 'store' AND text LIKE 'the store is locked by pid%')",
    );
    instance.until_sql(
        "EXISTS(SELECT 1 FROM event WHERE kind = 'store' AND text LIKE 'the store is back after%')",
    );
    whole(&mut instance);
}

#[test]
fn a_lock_held_by_a_stranger_delays_records_and_no_fire() {
    locked_for(12_000);
}

#[test]
#[ignore = "takes half a minute"]
fn a_lock_held_for_half_a_minute_delays_records_and_no_fire() {
    locked_for(30_000);
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
fn overwrite(instance: &Instance, part: impl Fn(u64) -> (u64, u64)) {
    let file = OpenOptions::new()
        .write(true)
        .open(instance.sandbox.store())
        .unwrap();
    let (from, len) = part(file.metadata().unwrap().len());
    let bytes = garbage(usize::try_from(len).unwrap());
    file.write_all_at(&bytes, from).unwrap();
}

fn damaged_while_running(part: impl Fn(u64) -> (u64, u64)) {
    let mut instance = ticking();
    // Defined after the copy was made: the journal alone has it.
    instance.add("late", "true", &["-s", "@daily"]);
    overwrite(&instance, part);
    mended(&instance, 0);
    whole(&mut instance);
    let late = instance.sandbox.run(&["show", "late"]);
    assert_eq!(late.code, 0, "{late:?}");
    assert!(
        put_aside(&instance)
            .iter()
            .any(|p| p.to_str().unwrap().ends_with("Z"))
    );
}

#[test]
fn a_store_overwritten_whole_is_made_anew() {
    damaged_while_running(|size| (0, size));
}

#[test]
fn a_store_whose_header_is_overwritten_is_made_anew() {
    damaged_while_running(|_| (0, 100));
}

#[test]
fn a_store_with_damaged_pages_in_the_middle_is_made_anew() {
    damaged_while_running(|size| (size / 2 / 4096 * 4096, 4096 * 4));
}

#[test]
fn a_store_cut_to_nothing_is_made_anew() {
    let mut instance = ticking();
    File::create(instance.sandbox.store()).unwrap();
    mended(&instance, 0);
    whole(&mut instance);
}

#[test]
fn a_deleted_store_comes_back() {
    let mut instance = ticking();
    fs::remove_file(instance.sandbox.store()).unwrap();
    // A command that comes meanwhile makes no empty one.
    let answer = instance.sandbox.run(&["add", "new", "-c", "true"]);
    if answer.code != 0 {
        assert!(answer.stderr.contains("gone"), "{answer:?}");
    }
    mended(&instance, 0);
    whole(&mut instance);
}

#[test]
fn a_copy_put_in_the_place_of_the_store_is_put_aside() {
    let mut instance = ticking();
    let store = instance.sandbox.store();
    let old = instance.sandbox.path("old.db");
    fs::copy(&store, &old).unwrap();
    pass(1_500);
    fs::rename(&old, &store).unwrap();
    mended(&instance, 0);
    whole(&mut instance);
}

#[test]
fn a_daemon_starts_over_a_damaged_store() {
    let mut instance = ticking();
    assert_eq!(instance.stop(), 0);
    overwrite(&instance, |size| (0, size));
    let answer = instance.sandbox.run(&["list"]);
    assert_eq!(answer.code, 1, "{answer:?}");
    assert!(answer.stderr.contains("crake daemon"), "{answer:?}");
    let runs = instance.lines("fires").len();
    instance.start_blindly();
    mended(&instance, 0);
    instance.until_lines("fires", runs + 2);
    whole(&mut instance);
}

/// A command that had the store open writes into a file nobody reads any more.
#[test]
fn a_write_into_a_replaced_file_is_refused() {
    let bench = Bench::new();
    let mut store = bench.store();
    let path = bench.paths().store;
    let copy = path.with_extension("copy");
    store.copy_to(&copy).unwrap();
    store
        .put_job(&job("a"), &[], false, "ana", bench.now)
        .unwrap();
    fs::rename(&copy, &path).unwrap();
    let refused = store.put_job(&job("b"), &[], false, "ana", bench.now);
    assert!(matches!(refused, Err(StoreError::Moved(..))), "{refused:?}");
    fs::remove_file(&path).unwrap();
    let refused = store.put_job(&job("c"), &[], false, "ana", bench.now);
    assert!(matches!(refused, Err(StoreError::Moved(..))), "{refused:?}");
    store.abandon();
}

/// One record that the schema refuses kept every later one waiting, and was tried for ever.
#[test]
fn a_decision_that_is_refused_for_good_keeps_no_other_waiting() {
    let instance = Instance::running();
    instance.add("bad", "true", &["-s", "every 1s"]);
    instance.add("good", "true", &["-s", "every 1s"]);
    instance.succeeded("good", 1);
    let trigger = "CREATE TRIGGER sick BEFORE INSERT ON fire
        WHEN NEW.schedule = (SELECT id FROM schedule WHERE job = 'bad')
        BEGIN SELECT RAISE(ABORT, 'no'); END";
    instance.sql().execute_batch(trigger).unwrap();
    let done: i64 = instance
        .cell("SELECT count(*) FROM run WHERE job = 'good'")
        .unwrap();
    instance.succeeded("good", done + 2);
    let refused = instance.sandbox.path("home/spool/refused");
    until("what was refused is put aside", || {
        refused.exists().then_some(())
    });
    instance.until_sql(
        "EXISTS(SELECT 1 FROM event WHERE level = 'error' AND text LIKE 'a decision was refused%')",
    );
}

/// A file system of its own that can be filled; its end with the value.
struct SmallDisk(PathBuf);

impl SmallDisk {
    fn at(path: PathBuf, mib: u32) -> Option<SmallDisk> {
        fs::create_dir_all(&path).unwrap();
        let size = format!("size={mib}m");
        let mount = Command::new("mount")
            .args(["-t", "tmpfs", "-o", &size, "tmpfs"])
            .arg(&path)
            .output();
        if mount.is_ok_and(|done| done.status.success()) {
            return Some(SmallDisk(path));
        }
        eprintln!("SKIPPED: mounting a file system needs root");
        None
    }

    /// Leaves no block free.
    fn fill(&self) -> PathBuf {
        let path = self.0.join("filler");
        let mut file = File::create(&path).unwrap();
        for len in [1 << 16, 1 << 12, 1] {
            while file.write_all(&vec![1; len]).is_ok() {}
        }
        path
    }
}

impl Drop for SmallDisk {
    fn drop(&mut self) {
        let _ = Command::new("umount").arg("-l").arg(&self.0).status();
    }
}

#[test]
fn a_full_disk_stops_no_fire_and_no_look() {
    let mut instance = Instance::new();
    let home = instance.sandbox.path("home");
    let Some(disk) = SmallDisk::at(home, 100) else {
        return;
    };
    instance.add("tick", "echo $CRAKE_FIRE >> fires", &["-s", "every 1s"]);
    instance.add("other", "true", &["-s", "@daily"]);
    instance.start();
    instance.succeeded("tick", 1);
    let ballast = instance.sandbox.path("home/spool/ballast");
    until("the ballast", || ballast.exists().then_some(()));
    let filler = disk.fill();
    // The ballast gives room to what is decided next.
    let done: i64 = instance.cell("SELECT count(*) FROM run").unwrap();
    until("the ballast is given up", || {
        (!ballast.exists()).then_some(())
    });
    instance.succeeded("tick", done + 2);
    // Without a daemon the store can be looked at.
    assert_eq!(instance.stop(), 0);
    let again = disk.fill();
    for command in ["list", "status", "history"] {
        let answer = instance.sandbox.run(&[command]);
        assert_eq!(answer.code, 0, "{command}: {answer:?}");
    }
    fs::remove_file(filler).unwrap();
    let _ = fs::remove_file(again);
    instance.start();
    until("the ballast is back", || ballast.exists().then_some(()));
    whole(&mut instance);
    drop(instance);
    drop(disk);
}

/// A reader that never ends keeps the log from being taken back; it is named.
#[test]
fn a_reader_without_an_end_is_named() {
    let instance = ticking();
    let text = "import sqlite3, sys\n\
        c = sqlite3.connect(sys.argv[1], isolation_level=None)\n\
        c.execute('BEGIN'); c.execute('SELECT count(*) FROM fire').fetchall()\n\
        print('locked', flush=True)\n\
        sys.stdin.read()\n";
    let mut reader = Command::new("python3")
        .args(["-c", text, instance.sandbox.store().to_str().unwrap()])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut word = [0_u8; 6];
    reader
        .stdout
        .as_mut()
        .unwrap()
        .read_exact(&mut word)
        .unwrap();
    let sql = instance.sql();
    sql.execute_batch("CREATE TABLE bulk(x)").unwrap();
    for _ in 0..70 {
        let row = "INSERT INTO bulk VALUES(randomblob(1000000))";
        sql.execute(row, []).unwrap();
    }
    drop(sql);
    let pid = i64::from(reader.id());
    until("the reader is named", || {
        let status = instance.status();
        let trouble = &status["daemon"]["trouble"];
        (trouble["kind"] == "wal" && trouble["holder"]["pid"] == pid).then_some(())
    });
    drop(reader.stdin.take());
    reader.wait().unwrap();
    until("the log is taken back", || {
        let wal = instance.sandbox.path("home/crake.db-wal");
        (fs::metadata(wal).unwrap().len() < 32 << 20).then_some(())
    });
    until("the daemon is well again", || {
        instance.status()["daemon"]["degraded"]
            .is_null()
            .then_some(())
    });
    assert!(Store::open_to_read(&instance.sandbox.store()).is_ok());
}

/// Without the journal nobody knows which claims ended: none of them may be started again.
#[test]
fn no_fire_runs_twice_when_the_journal_is_lost_as_well() {
    let mut instance = ticking();
    assert_eq!(instance.stop(), 0);
    overwrite(&instance, |size| (0, size));
    for entry in fs::read_dir(instance.sandbox.path("home/spool")).unwrap() {
        let path = entry.unwrap().path();
        if path.to_str().unwrap().contains("journal.") {
            fs::remove_file(path).unwrap();
        }
    }
    instance.start_blindly();
    mended(&instance, 0);
    let seen = instance.lines("fires").len();
    let mut started = instance.until_lines("fires", seen + 2);
    let all = started.len();
    started.sort();
    started.dedup();
    assert_eq!(started.len(), all, "a fire ran twice");
    instance
        .until_sql("EXISTS(SELECT 1 FROM event WHERE level = 'error' AND text LIKE '%lost: %')");
    instance.stop_and_audit();
}

/// As a last resort what can still be read of the damaged file is taken.
#[test]
fn what_can_still_be_read_is_taken_where_there_is_no_copy() {
    let mut instance = ticking();
    assert_eq!(instance.stop(), 0);
    let last_page = |size: u64| (size - 4096, 4096);
    overwrite(&instance, last_page);
    overwrite(&instance, |_| (40, 4));
    fs::remove_dir_all(instance.sandbox.path("home/backup")).unwrap();
    let answer = instance.sandbox.run(&["daemon", "--help"]);
    assert_eq!(answer.code, 0);
    instance.start_blindly();
    until("a daemon answers", || {
        let answer = instance.sandbox.run(&["list", "--json"]);
        (answer.code == 0 && answer.json()["items"].as_array()?.len() == 2).then_some(())
    });
    let seen = instance.lines("fires").len();
    instance.until_lines("fires", seen + 2);
}

/// A table that the triggers forget would be missing from a store that is made anew.
#[test]
fn every_table_is_followed_by_the_journal() {
    let bench = Bench::new();
    drop(bench.store());
    let sql = rusqlite::Connection::open(bench.paths().store).unwrap();
    let missing: String = sql
        .query_row(
            "SELECT coalesce(group_concat(name), '') FROM sqlite_master t WHERE type = 'table'
               AND name NOT LIKE 'sqlite%' AND name NOT IN('change', 'touched')
               AND 4 <> (SELECT count(*) FROM sqlite_master g WHERE g.type = 'trigger'
                 AND g.tbl_name = t.name AND g.name LIKE 'touched%')",
            [],
            |row| row.get(0),
        )
        .unwrap();
    assert_eq!(missing, "");
}

/// Old events and the provisional numbers of runs that are over were kept for ever.
#[test]
fn what_nobody_asks_for_any_more_is_taken_out() {
    let bench = Bench::new();
    let mut store = bench.store();
    let sql = rusqlite::Connection::open(bench.paths().store).unwrap();
    let day = 86_400_000_i64;
    for (id, age) in [(1, 100), (2, 91), (3, 1)] {
        let at = bench.now - age * day;
        let row = "INSERT INTO event(id, at, level, kind, text) VALUES(?1, ?2, 'info', 'x', 'y')";
        sql.execute(row, [id, at]).unwrap();
    }
    sql.execute_batch(
        "INSERT INTO run(id, job, state, origin, accepted, ended_at) VALUES(1, 'a', 'failed', 'schedule', 1, 5);
         INSERT INTO run(id, job, origin, accepted) VALUES(2, 'a', 'schedule', 1);
         INSERT INTO meta VALUES('renumbered.1099511627776', '1'), ('renumbered.1099511627777', '2'),
           ('renumbered.1099511627778', '1')",
    )
    .unwrap();
    assert_eq!(store.tidy(bench.now).unwrap(), 3);
    let left: String = sql
        .query_row("SELECT group_concat(id) FROM event", [], |r| r.get(0))
        .unwrap();
    assert_eq!(left, "3");
    let left: i64 = sql
        .query_row(
            "SELECT count(*) FROM meta WHERE key LIKE 'renumbered.%'",
            [],
            |r| r.get(0),
        )
        .unwrap();
    assert_eq!(left, 2, "the one of a queued run, and the highest");
}

/// Records fires with their runs from begin to end, `each` fires in a batch; gives the milliseconds.
fn record_fires(
    bench: &Bench,
    store: &mut Store,
    journal: Option<&mut Journal>,
    of: (i64, i64),
    each: i64,
) -> i64 {
    let mut journal = journal;
    let planned = &store.every_schedule().unwrap()[0].planned.clone();
    let began = mono();
    let mut run = of.0;
    while run < of.1 {
        let mut records = Vec::new();
        for run in run..run + each {
            let at = bench.now + run * 1_000;
            records.push(Record::Fire(fire_run(planned, at, run)));
            records.extend(started(RunId(run), "tick", 1, run, at));
            records.push(ended(
                RunId(run),
                "tick",
                run,
                Outcome::Succeeded,
                Exit::Code(0),
                at + 10,
            ));
        }
        store.record(&records, Some(run), bench.now).unwrap();
        if let Some(journal) = journal.as_deref_mut() {
            journal.follow(store, bench.now).unwrap();
        }
        run += each;
    }
    mono() - began
}

#[test]
#[ignore = "prints figures"]
fn figures_of_the_journal_and_of_making_a_store_anew() {
    let bench = Bench::new();
    let paths = bench.paths();
    bench.job("tick", Some("every 1s"), bench.now - 1_000);
    let mut store = bench.store();
    store.checkpoint_by_hand().unwrap();
    fs::create_dir_all(&paths.spool).unwrap();
    fs::create_dir_all(mend::copy_of(&paths).parent().unwrap()).unwrap();
    let mut journal = Journal::begin(&paths.spool, "boot").unwrap();
    store.set_meta("journal", "1").unwrap();
    store.copy_to(&mend::copy_of(&paths)).unwrap();
    let alone = record_fires(&bench, &mut store, None, (1, 2_001), 1);
    let with = record_fires(&bench, &mut store, Some(&mut journal), (2_001, 4_001), 1);
    println!("2000 batches of one whole fire: {alone} ms without the journal, {with} ms with it");
    let many = record_fires(
        &bench,
        &mut store,
        Some(&mut journal),
        (4_001, 100_001),
        100,
    );
    println!(
        "96000 fires in batches of 100: {many} ms; journal of {} MiB",
        journal.size() >> 20
    );
    let began = mono();
    let made = mend::make(&paths, None, TroubleKind::Damaged, 0).unwrap();
    let mended = mend::put_in_place(&paths, made, bench.now).unwrap();
    println!("made anew in {} ms: {}", mono() - began, mended.text);
    store.abandon();
    let sql = rusqlite::Connection::open(&paths.store).unwrap();
    for table in ["fire", "run", "attempt"] {
        let query = format!("SELECT count(*) FROM {table}");
        let rows: i64 = sql.query_row(&query, [], |r| r.get(0)).unwrap();
        assert_eq!(rows, 100_000, "{table}");
    }
}
