//! What of a job's output is kept, and how it is read.

use std::fs;

use crake::model::Fence;
use crake::process::{Captured, Chunk, Follower, Stream, output_path, read_output};
use proptest::prelude::{any, prop, proptest};

use crate::process_house::House;
use crate::support::wait::until;

#[test]
fn both_streams_are_kept_in_order_with_their_times() {
    let mut house = House::new();
    let line = "echo a; sleep 0.05; echo b >&2; sleep 0.05; printf '\\377\\000\\033[31m'";
    let (report, captured) = house.run(&house.line(1, line));
    assert_eq!(captured.of(Stream::Out), b"a\n\xff\0\x1b[31m");
    assert_eq!(captured.of(Stream::Err), b"b\n");
    assert_eq!(captured.bytes(), b"a\nb\n\xff\0\x1b[31m");
    assert!(captured.chunks.is_sorted_by_key(|c| c.at));
    assert!(captured.chunks.iter().all(|c| c.at >= report.started_at));
    assert_eq!((report.output.total, report.output.dropped), (11, 0));
}

#[test]
fn of_much_output_head_and_tail_are_kept_and_the_file_stays_small() {
    let mut house = House::new();
    let mut order = house.line(
        1,
        "echo first; head -c 200000000 /dev/zero; echo; echo last",
    );
    order.output_max = 256 << 10;
    let (report, captured) = house.run(&order);
    assert_eq!(report.output.total, 200_000_000 + 6 + 1 + 5);
    assert_eq!(report.output.total, captured.total);
    assert_eq!(report.output.dropped, captured.dropped);
    let bytes = captured.bytes();
    assert_eq!(bytes.len() as u64, captured.total - captured.dropped);
    assert!(bytes.starts_with(b"first\n\0\0") && bytes.ends_with(b"\0\nlast\n"));
    assert!(
        (200 << 10..=256 << 10).contains(&bytes.len()),
        "{}",
        bytes.len()
    );
    let file = fs::metadata(house.slots().join("1/out")).unwrap().len();
    assert!(file <= (256 << 10) + 4096, "{file}");
    assert_eq!(Captured::decode(&captured.encode()).unwrap(), captured);

    // A smaller cap shrinks the file; none at all keeps only the count.
    let mut order = house.line(2, "head -c 100000 /dev/zero; echo end");
    order.output_max = 16 << 10;
    let (_, captured) = house.run(&order);
    assert!(captured.bytes().ends_with(b"\0end\n"));
    let mut order = house.line(3, "echo nothing of this");
    order.output_max = 0;
    let (report, captured) = house.run(&order);
    assert_eq!((captured.total, captured.dropped), (16, 16));
    assert_eq!(report.output.dropped, 16);
    assert!(captured.chunks.is_empty());
}

#[test]
fn small_pieces_fill_the_file_no_further_than_its_cap() {
    let mut house = House::new();
    let line = "i=0; while [ $i -lt 20000 ]; do echo $i; echo e >&2; i=$((i+1)); done";
    let mut order = house.line(1, line);
    order.output_max = 32 << 10;
    let (report, captured) = house.run(&order);
    assert_eq!(report.output.total, captured.total);
    assert_eq!(report.output.dropped, captured.dropped);
    let out = String::from_utf8(captured.of(Stream::Out)).unwrap();
    assert!(out.starts_with("0\n1\n") && out.ends_with("\n19998\n19999\n"));
    assert!(fs::metadata(house.slots().join("1/out")).unwrap().len() <= (32 << 10) + 4096);
}

#[test]
fn a_run_shows_nothing_of_the_output_before_it() {
    let mut house = House::new();
    house.run(&house.line(1, "head -c 50000 /dev/zero; echo secret"));
    let (_, captured) = house.run(&house.line(2, "echo mine"));
    assert_eq!(captured.bytes(), b"mine\n");
    house.start(&house.line(3, "/no/such/program"));
    house.ended(3);
    assert_eq!(
        house.pool().captured(Fence(3)).unwrap(),
        Captured::default()
    );
    assert_eq!(
        read_output(&house.slots().join("1/out")).unwrap().bytes(),
        b"mine\n"
    );
}

#[test]
fn a_follower_sees_a_live_run_without_a_gap() {
    let mut house = House::new();
    let line = "i=0; while [ $i -lt 3000 ]; do echo line $i; i=$((i+1)); done; read x <$HOUSE/gate; echo bye";
    rustix::fs::mkfifoat(rustix::fs::CWD, house.dir.path().join("gate"), 0o600.into()).unwrap();
    house.start(&house.line(1, line));
    let (_, slot) = house.started(1);
    let mut follower = Follower::open(&output_path(&house.slots(), slot), Fence(1)).unwrap();
    let mut seen = Vec::new();
    until("the last line before the gate", || {
        let got = follower.read().unwrap();
        assert_eq!((got.missed, got.ended), (0, false));
        seen.extend(got.chunks.iter().flat_map(|c| c.bytes.clone()));
        seen.ends_with(b"line 2999\n").then_some(())
    });
    fs::write(house.dir.path().join("gate"), "\n").unwrap();
    house.ended(1);
    until("the end", || {
        let got = follower.read().unwrap();
        seen.extend(got.chunks.iter().flat_map(|c| c.bytes.clone()));
        got.ended.then_some(())
    });
    let lines: String = (0..3000).map(|i| format!("line {i}\n")).collect();
    assert_eq!(String::from_utf8(seen).unwrap(), lines + "bye\n");
    house.pool().collected(Fence(1));
    house.run(&house.line(2, "echo other"));
    let after = follower.read().unwrap();
    assert!(
        after.ended && after.chunks.is_empty(),
        "it never shows another run"
    );
}

#[test]
fn a_follower_that_comes_late_knows_how_much_it_missed() {
    let mut house = House::new();
    let mut order = house.line(1, "head -c 1000000 /dev/zero; echo end");
    order.output_max = 64 << 10;
    house.start(&order);
    let (_, slot) = house.started(1);
    let report = house.ended(1);
    let mut follower = Follower::open(&output_path(&house.slots(), slot), Fence(1)).unwrap();
    let (mut seen, mut missed) = (Vec::new(), 0);
    until("the end", || {
        let got = follower.read().unwrap();
        missed += got.missed;
        seen.extend(got.chunks.iter().flat_map(|c| c.bytes.clone()));
        got.ended.then_some(())
    });
    assert!(seen.ends_with(b"\0end\n"));
    assert_eq!(missed, report.output.dropped);
    assert_eq!(seen.len() as u64 + missed, report.output.total);
}

proptest! {
    #[test]
    fn packed_output_comes_back_the_same(
        pieces in prop::collection::vec((any::<bool>(), any::<i64>(), 0u64..9999, prop::collection::vec(any::<u8>(), 0..50)), 0..20),
        total in any::<u64>(),
        dropped in any::<u64>(),
    ) {
        let mut chunks: Vec<Chunk> = Vec::new();
        for (err, at, gap, bytes) in pieces {
            let offset = chunks.last().map_or(0, Chunk::end) + gap;
            let stream = if err { Stream::Err } else { Stream::Out };
            chunks.push(Chunk { stream, at, offset, bytes });
        }
        let captured = Captured { chunks, total, dropped };
        assert_eq!(Captured::decode(&captured.encode()).unwrap(), captured);
    }

    #[test]
    fn any_bytes_can_be_unpacked_or_refused(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
        let _ = Captured::decode(&bytes);
    }

    #[test]
    fn any_bytes_can_stand_in_the_output_file(bytes in prop::collection::vec(any::<u8>(), 0..9000)) {
        let file = tempfile::NamedTempFile::new().unwrap();
        fs::write(file.path(), &bytes).unwrap();
        assert_eq!(read_output(file.path()).unwrap(), Captured::default());
        Follower::open(file.path(), Fence(1)).unwrap().read().unwrap();
    }
}
