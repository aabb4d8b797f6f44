//! The ring: what is written comes back, what is torn does not.

use std::os::unix::fs::FileExt;

use crake::daemon::recovery::Rings;
use crake::daemon::ring::{Appended, Owner, PLACES, Ring, Spare, decode, without_output};
use crake::model::{
    Ended, Exit, Fence, Next, Outcome, Output, Record, Report, RunId, Start, StopCause,
};
use proptest::prelude::*;
use tempfile::TempDir;

use crate::support::weather::{Disk, Weather};

fn start(n: i64) -> Record {
    Record::Start(Start {
        run: RunId(n),
        job: "job".to_owned(),
        attempt: 1,
        fence: Fence(n),
        at: n,
        boot_id: "0c8b8f5e-9a4e-4b43-9d86-2f9f3d1f5b11".to_owned(),
    })
}

#[test]
fn what_is_behind_the_store_comes_back_in_order() {
    let dir = tempfile::tempdir().expect("a directory");
    let path = dir.path().join("ring");
    let (mut ring, found) = Ring::open(&path, 0).expect("a ring");
    assert!(found.is_empty());
    for n in 1..=5 {
        assert_eq!(ring.append(&start(n)), Appended::At(n));
    }
    ring.flush(0, true);
    drop(ring);
    let (ring, found) = Ring::open(&path, 2).expect("a ring");
    let expected: Vec<(i64, Record)> = (3..=5).map(|n| (n, start(n))).collect();
    assert_eq!(found, expected);
    assert_eq!(ring.last(), 5);
}

#[test]
fn a_torn_place_is_dropped_and_the_others_stay() {
    let dir = tempfile::tempdir().expect("a directory");
    let path = dir.path().join("ring");
    let (mut ring, _) = Ring::open(&path, 0).expect("a ring");
    for n in 1..=3 {
        ring.append(&start(n));
    }
    ring.flush(0, true);
    drop(ring);
    let file = std::fs::File::options()
        .write(true)
        .open(&path)
        .expect("the file");
    file.write_all_at(b"torn", 2 * 512 + 100).expect("a write");
    let (ring, found) = Ring::open(&path, 0).expect("a ring");
    let numbers: Vec<i64> = found.iter().map(|(n, _)| *n).collect();
    assert_eq!(numbers, [1, 3]);
    assert_eq!(ring.last(), 3);
}

#[test]
fn a_record_with_the_longest_name_fits() {
    let dir = tempfile::tempdir().expect("a directory");
    let (mut ring, _) = Ring::open(&dir.path().join("ring"), 0).expect("a ring");
    let name = "j".repeat(64);
    let at = 1_772_942_400_000;
    let fire = crake::model::Fire {
        schedule: crake::model::ScheduleId(999_999),
        job: name.clone(),
        planned_at: at,
        verdict: crake::model::Verdict::Run,
        run: Some(RunId(1 << 41)),
        make: Some(crake::model::NewRun {
            run: RunId(1 << 41),
            job: name,
            queue: "q".repeat(20),
            priority: 5,
            origin: crake::model::Origin::CatchUp,
            origin_ref: None,
            schedule: Some(crake::model::ScheduleId(999_999)),
            planned_at: Some(at),
            queued_at: at,
            run_at: at,
            max_attempts: 1000,
        }),
        late_ms: 86_400_000,
        reason: Some(crake::model::MissReason::DaemonDown),
        note: None,
        blocked_by: None,
        decided_at: at,
        count: 1,
        until: at,
        next_at: Some(at),
    };
    let appended = ring.append(&Record::Fire(fire));
    assert_eq!(appended, Appended::At(1));
}

/// A ring file on a disk of its own, and an emergency ring beside it.
struct Two {
    dir: TempDir,
    disk: Disk,
}

impl Two {
    fn of(places: i64) -> Two {
        let dir = tempfile::tempdir().expect("a directory");
        let disk = Disk::new(&dir.path().join("ring"), places);
        Two { dir, disk }
    }

    fn open_as(&self, boot: &str, store: &str) -> (Ring, Vec<i64>) {
        let Rings {
            main,
            found,
            refuge,
        } = self.disk.rings(&self.dir.path().join("refuge"));
        let owner = Owner {
            boot_id: boot.to_owned(),
            store: store.to_owned(),
        };
        let spare = refuge.map(|refuge| Spare::new(refuge, owner));
        let (ring, found) = Ring::over(main, found, 0, spare);
        (ring, found.into_iter().map(|(n, _)| n).collect())
    }

    fn open(&self) -> (Ring, Vec<i64>) {
        self.open_as("boot", "store")
    }

    fn spare_is_there(&self) -> bool {
        self.dir.path().join("refuge/ring").exists()
    }
}

fn write(ring: &mut Ring, numbers: std::ops::RangeInclusive<i64>, mono: i64) {
    numbers.for_each(|n| assert_eq!(ring.append(&start(n)), Appended::At(n)));
    ring.flush(mono, true);
}

fn recorded(ring: &Ring, up_to: i64) {
    ring.recorded()
        .store(up_to, std::sync::atomic::Ordering::Release);
}

#[test]
fn what_a_disk_that_hangs_does_not_take_is_found_all_the_same() {
    let two = Two::of(64);
    let (mut ring, _) = two.open();
    write(&mut ring, 1..=3, 0);
    two.disk.turns(Weather::Hangs);
    write(&mut ring, 4..=6, 100);
    assert!(ring.is_safe() && ring.is_cut_off());
    let told = ring.trouble(9_000).expect("words");
    assert!(told.contains("does not answer since 8 s"), "{told}");
    drop(ring);
    two.disk.abandoned(1);
    let (_, found) = two.open();
    assert_eq!(found, [1, 2, 3, 4, 5, 6], "each once");
}

#[test]
fn the_disk_is_gone_back_to_and_the_emergency_ring_goes() {
    for weather in [Weather::Hangs, Weather::Fails] {
        let two = Two::of(64);
        let (mut ring, _) = two.open();
        two.disk.turns(weather);
        write(&mut ring, 1..=6, 0);
        assert!(two.spare_is_there());
        two.disk.turns(Weather::Fair);
        // The first look hears or mends, the next one hears of the mending.
        ring.flush(60_000, true);
        ring.flush(60_001, true);
        assert!(!ring.is_cut_off(), "{weather:?}");
        assert!(two.spare_is_there(), "it is needed until all is recorded");
        recorded(&ring, 6);
        write(&mut ring, 7..=7, 60_002);
        assert!(!two.spare_is_there(), "{weather:?}");
        drop(ring);
        let (_, found) = two.open();
        assert_eq!(
            found,
            [1, 2, 3, 4, 5, 6, 7],
            "what failed was written again"
        );
    }
}

#[test]
fn a_fault_is_told_once_and_its_end_as_well() {
    let two = Two::of(64);
    let (mut ring, _) = two.open();
    two.disk.turns(Weather::Fails);
    ring.append(&start(1));
    assert_eq!(ring.flush(0, true).len(), 1);
    ring.append(&start(2));
    assert_eq!(ring.flush(1, true), []);
    two.disk.turns(Weather::Fair);
    let mut words = ring.flush(60_000, true);
    words.extend(ring.flush(60_001, true));
    assert_eq!(words.len(), 1, "{words:?}");
    assert_eq!(ring.trouble(60_002), None);
}

#[test]
fn an_emergency_ring_of_another_boot_or_store_is_passed_over() {
    for (boot, store, mine) in [
        ("boot", "store", true),
        ("other", "store", false),
        ("boot", "other", false),
        ("boot", "", true),
    ] {
        let two = Two::of(64);
        let (mut ring, _) = two.open();
        two.disk.turns(Weather::Hangs);
        write(&mut ring, 1..=2, 0);
        drop(ring);
        two.disk.abandoned(0);
        let (_, found) = two.open_as(boot, store);
        let expected: &[i64] = if mine { &[1, 2] } else { &[] };
        assert_eq!(found, expected, "{boot} {store}");
        assert_eq!(two.spare_is_there(), mine);
    }
}

#[test]
fn a_full_ring_says_so_and_nothing_is_overwritten() {
    let two = Two::of(8);
    let (mut ring, _) = two.open();
    (1..=6).for_each(|n| assert_eq!(ring.append(&start(n)), Appended::At(n)));
    let words = ring.flush(0, true);
    assert!(
        words.iter().any(|(_, t)| t.contains("75 % full")),
        "{words:?}"
    );
    assert!(!two.spare_is_there());
    write(&mut ring, 7..=30, 0);
    assert!(two.spare_is_there() && ring.is_safe() && !ring.is_cut_off());
    recorded(&ring, 10);
    write(&mut ring, 31..=31, 0);
    drop(ring);
    let (_, found) = two.open();
    let missing: Vec<i64> = (11..=31).filter(|n| !found.contains(n)).collect();
    assert_eq!(missing, [0; 0]);
}

#[test]
fn without_any_room_decisions_stand_in_memory_and_that_is_said() {
    let dir = tempfile::tempdir().expect("a directory");
    let (mut ring, _) = Ring::open(&dir.path().join("ring"), 0).expect("a ring");
    (1..=PLACES).for_each(|n| assert_eq!(ring.append(&start(n)), Appended::At(n)));
    ring.flush(0, true);
    assert!(ring.is_safe());
    ring.append(&start(PLACES + 1));
    let words = ring.flush(0, true);
    assert!(!ring.is_safe());
    assert!(
        words.iter().any(|(_, t)| t.contains("no place")),
        "{words:?}"
    );
    recorded(&ring, 10);
    ring.flush(0, true);
    assert!(ring.is_safe(), "there is room again");
}

#[test]
fn a_ring_file_that_is_deleted_or_replaced_is_noticed_and_made_anew() {
    for replace in [false, true] {
        let dir = tempfile::tempdir().expect("a directory");
        let path = dir.path().join("ring");
        let (mut ring, _) = Ring::open(&path, 0).expect("a ring");
        write(&mut ring, 1..=3, 0);
        std::fs::remove_file(&path).expect("it was there");
        if replace {
            std::fs::write(&path, b"something else").expect("a file");
        }
        write(&mut ring, 4..=4, 0);
        assert!(ring.is_cut_off());
        ring.flush(60_000, true);
        ring.flush(60_000, true);
        assert!(!ring.is_cut_off() && ring.is_safe());
        drop(ring);
        let (_, found) = Ring::open(&path, 0).expect("a ring");
        let numbers: Vec<i64> = found.iter().map(|(n, _)| *n).collect();
        assert_eq!(numbers, [1, 2, 3, 4]);
    }
}

#[test]
fn a_ring_of_an_older_version_is_read_and_grows() {
    let dir = tempfile::tempdir().expect("a directory");
    let path = dir.path().join("ring");
    let (mut ring, _) = Ring::open(&path, 3_999).expect("a ring");
    write(&mut ring, 4_000..=4_000, 0);
    drop(ring);
    let file = std::fs::File::options().write(true).open(&path);
    file.expect("the file").set_len(4_096 * 512).expect("a cut");
    let (ring, found) = Ring::open(&path, 3_000).expect("a ring");
    assert_eq!(found.len(), 1);
    recorded(&ring, 4_000);
    let mut ring = ring.in_thread(&path).expect("a thread");
    let length = std::fs::metadata(&path).expect("the file").len();
    assert_eq!(length, PLACES.unsigned_abs() * 512);
    write(&mut ring, 4_001..=4_900, 0);
    assert!(!ring.is_cut_off());
    drop(ring);
    let (_, found) = Ring::open(&path, 4_000).expect("a ring");
    assert_eq!(found.len(), 900);
}

#[test]
fn the_end_of_an_attempt_fits_whatever_was_said_of_it() {
    let long = "long ".repeat(500);
    let ended = Ended {
        run: RunId(1 << 41),
        job: "j".repeat(64),
        attempt: 1_000,
        fence: Fence(1 << 41),
        outcome: Outcome::Interrupted,
        report: Some(Report {
            started_at: 1_772_942_400_000,
            ended_at: 1_772_942_400_000,
            exit: Exit::Unspawnable(111),
            stop: Some(StopCause::Replaced),
            reason: Some(long.clone()),
            cpu_ms: i64::MAX / 1_000_000,
            max_rss: i64::MAX / 1_000_000,
            output: Output {
                total: 1 << 50,
                dropped: 0,
            },
        }),
        reason: Some(long),
        at: 1_772_942_400_000,
        next: Next::Retry(1_772_942_400_000),
        collect: true,
    };
    let dir = tempfile::tempdir().expect("a directory");
    let path = dir.path().join("ring");
    let (mut ring, _) = Ring::open(&path, 0).expect("a ring");
    assert_eq!(ring.append(&without_output(&ended)), Appended::At(1));
    ring.flush(0, true);
    drop(ring);
    let (_, found) = Ring::open(&path, 0).expect("a ring");
    let [(1, Record::Ended(read))] = &found[..] else {
        panic!("{found:?}");
    };
    let report = read.report.as_ref().expect("a report");
    assert_eq!((read.fence, read.next), (ended.fence, ended.next));
    assert_eq!(
        report.output.dropped, report.output.total,
        "it is not with it"
    );
}

proptest! {
    #[test]
    fn any_bytes_are_read_without_harm(bytes in proptest::collection::vec(any::<u8>(), 0..600)) {
        let _ = decode(&bytes);
    }
}
