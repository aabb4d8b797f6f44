//! The ring: what is written comes back, what is torn does not.

use std::os::unix::fs::FileExt;

use crake::daemon::ring::{Appended, Ring, decode};
use crake::model::{Fence, Record, RunId, Start};
use proptest::prelude::*;

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
        assert_eq!(ring.append(&start(n)).expect("a place"), Appended::At(n));
    }
    ring.flush().expect("a flush");
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
        ring.append(&start(n)).expect("a place");
    }
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
fn a_full_ring_says_so_and_goes_on_when_the_store_has_caught_up() {
    let dir = tempfile::tempdir().expect("a directory");
    let (mut ring, _) = Ring::open(&dir.path().join("ring"), 0).expect("a ring");
    for n in 1..=4096 {
        assert_eq!(ring.append(&start(n)).expect("a place"), Appended::At(n));
    }
    assert_eq!(
        ring.append(&start(4097)).expect("an answer"),
        Appended::Nowhere
    );
    ring.recorded()
        .store(10, std::sync::atomic::Ordering::Release);
    assert_eq!(
        ring.append(&start(4097)).expect("a place"),
        Appended::At(4097)
    );
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
    let appended = ring.append(&Record::Fire(fire)).expect("an answer");
    assert_eq!(appended, Appended::At(1));
}

proptest! {
    #[test]
    fn any_bytes_are_read_without_harm(bytes in proptest::collection::vec(any::<u8>(), 0..600)) {
        let _ = decode(&bytes);
    }
}
