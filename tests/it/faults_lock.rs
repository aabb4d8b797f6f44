//! The store locked, full or held back by others: records wait, fires do not, and whoever causes it is
//! named.

use std::fs::{self, File};
use std::io::{Read, Write};
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};

use crate::support::instance::Instance;
use crate::support::ticking::{ticking, whole};
use crate::support::wait::{mono, until, within};

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
}
