//! What a worker took, started and saw the end of, on disk: the `ledger` file of its slot.
//!
//! Four fixed places in 4 KiB, each a magic number, a length, a checksum and JSON, each written by
//! one plain write. Such writes outlive the death of any process; only a power cut can take them,
//! and after another boot nothing of a run is alive anyway. The fence ties the places together: a
//! `child` or `exit` whose fence is not that of `started` is left over from an earlier run.

use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt;

use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

use crate::model::{Fence, Order, Report, RunId};
use crate::process::identity::Identity;
use crate::schedule::UnixMs;

const SIZE: usize = 4096;
const MAGIC: [u8; 4] = *b"crk1";
const HEADER: usize = 12;

/// A place in the file: where it begins and how long it is.
#[derive(Clone, Copy)]
pub(in crate::process) struct Spot {
    pub at: usize,
    pub len: usize,
}

const WORKER: Spot = Spot { at: 0, len: 512 };
const STARTED: Spot = Spot { at: 512, len: 1024 };
const CHILD: Spot = Spot { at: 1536, len: 512 };
const EXIT: Spot = Spot {
    at: 2048,
    len: 2048,
};

/// The order a worker took, written before anything of the job runs.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Started {
    /// The run.
    pub run: RunId,
    /// Which attempt of it.
    pub attempt: u32,
    /// The claim.
    pub fence: Fence,
    /// The boot in which it was taken.
    pub boot_id: String,
    /// The job's name, for people who look into the file.
    pub job: String,
    /// The worker.
    pub worker: Identity,
    /// When.
    pub at: UnixMs,
    /// Its time limit, where it has one.
    #[serde(default)]
    pub limit: Option<Limit>,
}

/// When a run is to be over.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Limit {
    /// By then (boot clock, milliseconds)...
    pub by: i64,
    /// ...and so much later with SIGKILL.
    pub grace_ms: i64,
}

impl Limit {
    /// That of an order taken now.
    pub fn of(order: &Order, now_boot: i64) -> Option<Limit> {
        order.timeout_ms.map(|limit| Limit {
            by: now_boot.saturating_add(limit),
            grace_ms: order.kill_grace_ms,
        })
    }
}

/// The job's first process.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Child {
    /// The claim it was started for.
    pub fence: Fence,
    /// The process.
    pub process: Identity,
}

/// The end of a run, written before anyone is told of it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Ended {
    /// The claim.
    pub fence: Fence,
    /// What there is to say of it.
    pub report: Report,
}

/// Everything a ledger says. Places that are empty or damaged are absent.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Entries {
    /// The worker that last came to life in the slot.
    pub worker: Option<Identity>,
    /// The last order taken and not yet collected.
    pub started: Option<Started>,
    /// The first process of that order.
    pub child: Option<Child>,
    /// The end of that order.
    pub exit: Option<Ended>,
}

/// Reads a ledger from the bytes of its file, however few or damaged they are.
pub fn decode_ledger(bytes: &[u8]) -> Entries {
    let started: Option<Started> = decode(bytes, STARTED);
    let fence = started.as_ref().map(|s| s.fence);
    Entries {
        worker: decode(bytes, WORKER),
        child: decode(bytes, CHILD).filter(|c: &Child| Some(c.fence) == fence),
        exit: decode(bytes, EXIT).filter(|e: &Ended| Some(e.fence) == fence),
        started,
    }
}

/// What a place holds; nothing where it is empty or damaged.
pub(in crate::process) fn decode<T: DeserializeOwned>(bytes: &[u8], spot: Spot) -> Option<T> {
    let place = bytes.get(spot.at..spot.at + spot.len)?;
    let (head, body) = place.split_at_checked(HEADER)?;
    let len = usize::try_from(u32::from_le_bytes(head.get(4..8)?.try_into().ok()?)).ok()?;
    let sum = u32::from_le_bytes(head.get(8..12)?.try_into().ok()?);
    let payload = body.get(..len)?;
    if head.get(..4)? != MAGIC || crc32fast::hash(payload) != sum {
        return None;
    }
    serde_json::from_slice(payload).ok()
}

/// The bytes of a place, from its beginning as far as they reach.
pub(in crate::process) fn encode<T: Serialize>(value: &T, spot: Spot) -> io::Result<Vec<u8>> {
    let payload = serde_json::to_vec(value)?;
    if payload.len() > spot.len - HEADER {
        return Err(io::Error::new(
            io::ErrorKind::FileTooLarge,
            "ledger entry too long",
        ));
    }
    let len = u32::try_from(payload.len()).unwrap_or(u32::MAX);
    let mut bytes = Vec::with_capacity(HEADER + payload.len());
    bytes.extend_from_slice(&MAGIC);
    bytes.extend_from_slice(&len.to_le_bytes());
    bytes.extend_from_slice(&crc32fast::hash(&payload).to_le_bytes());
    bytes.extend_from_slice(&payload);
    Ok(bytes)
}

/// The open `ledger` file of a slot.
pub(in crate::process) struct Ledger {
    file: File,
}

impl Ledger {
    /// Takes the file and gives it its full size, so that no later write needs room on the disk.
    pub fn over(file: File) -> io::Result<Ledger> {
        let len = usize::try_from(file.metadata()?.len()).unwrap_or(SIZE);
        if len < SIZE {
            file.write_all_at(&[0; SIZE][len..], len as u64)?;
        }
        Ok(Ledger { file })
    }

    /// Everything it says.
    pub fn read(&self) -> io::Result<Entries> {
        let mut bytes = [0; SIZE];
        self.file.read_exact_at(&mut bytes, 0)?;
        Ok(decode_ledger(&bytes))
    }

    /// Writes who works here.
    pub fn write_worker(&self, worker: Identity) -> io::Result<()> {
        self.write(&worker, WORKER)
    }

    /// Writes what was taken.
    pub fn write_started(&self, started: &Started) -> io::Result<()> {
        match self.write(started, STARTED) {
            // The name is there for people only; the entry matters more.
            Err(e) if e.kind() == io::ErrorKind::FileTooLarge => {
                let job = String::new();
                self.write(
                    &Started {
                        job,
                        ..started.clone()
                    },
                    STARTED,
                )
            }
            written => written,
        }
    }

    /// Writes which process the job began with.
    pub fn write_child(&self, child: Child) -> io::Result<()> {
        self.write(&child, CHILD)
    }

    /// Writes the end; a reason too long for the place is shortened.
    pub fn write_exit(&self, ended: &Ended) -> io::Result<()> {
        let mut ended = ended.clone();
        loop {
            match (self.write(&ended, EXIT), &mut ended.report.reason) {
                (Err(e), Some(reason)) if e.kind() == io::ErrorKind::FileTooLarge => {
                    let half = reason.len() / 2;
                    let cut = (0..=half).rev().find(|i| reason.is_char_boundary(*i));
                    reason.truncate(cut.unwrap_or(0));
                    if reason.is_empty() {
                        ended.report.reason = None;
                    }
                }
                (written, _) => return written,
            }
        }
    }

    /// Forgets the run. Emptying `started` alone does it: without it the other places mean nothing,
    /// so there is no instant at which an old end could pass for that of a new run.
    pub fn clear(&self) -> io::Result<()> {
        self.file.write_all_at(&[0; HEADER], STARTED.at as u64)
    }

    fn write<T: Serialize>(&self, value: &T, spot: Spot) -> io::Result<()> {
        self.file
            .write_all_at(&encode(value, spot)?, spot.at as u64)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::{any, proptest};

    use crate::model::{Exit, Fence, Output, Report, RunId};
    use crate::process::identity::Identity;
    use crate::process::ledger::{Child, Ended, Ledger, Started, decode_ledger};

    fn ledger() -> Ledger {
        Ledger::over(tempfile::tempfile().unwrap()).unwrap()
    }

    fn started(fence: i64) -> Started {
        Started {
            run: RunId(1),
            attempt: 1,
            fence: Fence(fence),
            boot_id: "b".repeat(36),
            job: "nightly".to_owned(),
            worker: Identity { pid: 5, start: 6 },
            at: 7,
            limit: None,
        }
    }

    fn ended(fence: i64, reason: &str) -> Ended {
        Ended {
            fence: Fence(fence),
            report: Report {
                started_at: 1,
                ended_at: 2,
                exit: Exit::Code(3),
                stop: None,
                reason: Some(reason.to_owned()),
                cpu_ms: 4,
                max_rss: 5,
                output: Output::default(),
            },
        }
    }

    #[test]
    fn an_end_counts_only_for_the_start_with_its_fence() {
        let ledger = ledger();
        let process = Identity { pid: 8, start: 9 };
        ledger.write_started(&started(1)).unwrap();
        ledger
            .write_child(Child {
                fence: Fence(1),
                process,
            })
            .unwrap();
        ledger.write_exit(&ended(1, "done")).unwrap();
        let all = ledger.read().unwrap();
        assert_eq!(all.exit, Some(ended(1, "done")));
        assert_eq!(all.child.map(|c| c.process), Some(process));
        ledger.write_started(&started(2)).unwrap();
        let next = ledger.read().unwrap();
        assert_eq!((next.child, next.exit), (None, None));
        ledger.clear().unwrap();
        let none = ledger.read().unwrap();
        assert_eq!((none.started, none.child, none.exit), (None, None, None));
    }

    #[test]
    fn a_reason_too_long_for_its_place_is_shortened() {
        let ledger = ledger();
        ledger.write_started(&started(1)).unwrap();
        ledger.write_exit(&ended(1, &"ä\n".repeat(5_000))).unwrap();
        let kept = ledger.read().unwrap().exit.unwrap().report.reason.unwrap();
        assert!(
            kept.len() > 300 && kept.starts_with("ä\nä"),
            "{}",
            kept.len()
        );
    }

    #[test]
    fn a_name_too_long_for_its_place_is_left_out() {
        let ledger = ledger();
        let job = "\u{1}".repeat(900);
        ledger
            .write_started(&Started { job, ..started(1) })
            .unwrap();
        assert_eq!(ledger.read().unwrap().started.unwrap().fence, Fence(1));
    }

    proptest! {
        #[test]
        fn any_bytes_can_be_read(bytes in proptest::collection::vec(any::<u8>(), 0..5000)) {
            let _ = decode_ledger(&bytes);
        }

        #[test]
        fn a_flipped_byte_empties_its_place_or_changes_nothing(at in 0usize..4096, to in any::<u8>()) {
            use std::os::unix::fs::FileExt;
            let ledger = ledger();
            ledger.write_started(&started(1)).unwrap();
            ledger.write_exit(&ended(1, "r")).unwrap();
            ledger.file.write_all_at(&[to], at as u64).unwrap();
            let read = ledger.read().unwrap();
            assert!(read.started.is_none() || read.started == Some(started(1)));
            assert!(read.exit.is_none() || read.exit == Some(ended(1, "r")));
        }
    }
}
