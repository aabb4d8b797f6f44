//! The slots as anybody may look at them, with the core alive or dead. Nothing is changed.

use std::fs::{self, File};
use std::path::Path;

use rustix::fs::{FlockOperation, flock};

use crate::clock::Now;
use crate::model::{Carried, SlotLook};
use crate::process::evidence::file::read;
use crate::process::identity::Identity;
use crate::process::ledger::decode_ledger;

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
    let entries = decode_ledger(&fs::read(dir.join("ledger")).unwrap_or_default());
    let started = entries.started.as_ref();
    let same_boot = started.is_none_or(|s| s.boot_id == boot_id);
    let worker = entries.worker.filter(|_| same_boot).filter(Identity::lives);
    let evidence = read(&fs::read(dir.join("evidence")).unwrap_or_default())
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

fn is_locked(dir: &Path) -> bool {
    let Ok(file) = File::open(dir.join("lock")) else {
        return false;
    };
    flock(&file, FlockOperation::NonBlockingLockShared).is_err()
}
