//! The slots as anybody may look at them, with the core alive or dead. Nothing is changed.

use std::fs;
use std::io::Read;
use std::path::Path;

use rustix::fs::{FlockOperation, flock};

use crate::clock::Now;
use crate::model::{Carried, SlotLook};
use crate::process::evidence::file::read;
use crate::process::identity::Identity;
use crate::process::ledger::decode_ledger;
use crate::process::own_file::read_own;

/// What each slot shows that has a living worker or an attempt nobody has collected, in the order
/// of their numbers. `boot_id` is that of the present boot.
pub fn slot_looks(slots_dir: &Path, boot_id: &str, now: Now) -> Vec<SlotLook> {
    let Ok(entries) = fs::read_dir(slots_dir) else {
        return Vec::new();
    };
    let names = entries
        .flatten()
        .filter_map(|e| e.file_name().into_string().ok());
    let mut numbers: Vec<u32> = names.filter_map(|name| name.parse().ok()).collect();
    numbers.sort_unstable();
    let look = |slot: u32| look_at(&slots_dir.join(slot.to_string()), slot, boot_id, now);
    let looks = numbers.into_iter().map(look);
    looks.filter(|l| l.alive || l.carried.is_some()).collect()
}

fn look_at(dir: &Path, slot: u32, boot_id: &str, now: Now) -> SlotLook {
    let entries = decode_ledger(&bytes_of(&dir.join("ledger")));
    let started = entries.started.as_ref();
    let same_boot = started.is_none_or(|s| s.boot_id == boot_id);
    let worker = entries.worker.filter(|_| same_boot).filter(Identity::lives);
    let evidence = read(&bytes_of(&dir.join("evidence")))
        .filter(|e| started.is_some_and(|s| s.fence == e.fence));
    let carried = started.map(|s| Carried {
        run: s.run,
        job: s.job.clone(),
        fence: s.fence,
        taken_at: s.at,
        pid: entries.child.map(|c| c.process.pid),
        ended: entries.exit.as_ref().map(|e| e.report.clone()),
    });
    let beat = evidence.as_ref().filter(|_| same_boot).map(|e| e.beat_boot);
    SlotLook {
        slot,
        // A worker that is seen holds the lock. The lock itself is tried only where none is seen,
        // because whoever tries it holds it for a moment.
        alive: worker.is_some() || same_boot && is_locked(dir),
        pid: worker.map(|w| w.pid),
        carried,
        evidence,
        beat_age_ms: beat.map(|beat| (now.boot - beat).max(0)),
    }
}

// Whoever looks must not wait for what may lie there in the place of a file of ours.
fn bytes_of(path: &Path) -> Vec<u8> {
    let mut bytes = Vec::new();
    // Half a ledger says as little as none.
    let _ = read_own(path).and_then(|mut file| file.read_to_end(&mut bytes));
    bytes
}

fn is_locked(dir: &Path) -> bool {
    let Ok(file) = read_own(&dir.join("lock")) else {
        return false;
    };
    flock(&file, FlockOperation::NonBlockingLockShared).is_err()
}
