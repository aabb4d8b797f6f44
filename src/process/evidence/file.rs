//! The file `evidence` of a slot: the last sample, written in place.
//!
//! A plain write with a checksum, as in the ledger and for the same reason: it outlives the death of
//! any process, and a reader that comes in between finds nothing rather than half of it.

use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt;

use crate::model::Evidence;
use crate::process::ledger::{Spot, decode, encode};

const SPOT: Spot = Spot { at: 0, len: 2048 };

/// Gives the file its full size, so that no later write needs room on the disk.
pub(in crate::process) fn lay_out(file: &File) -> io::Result<()> {
    let len = usize::try_from(file.metadata()?.len()).unwrap_or(SPOT.len);
    match SPOT.len.checked_sub(len) {
        Some(0) | None => Ok(()),
        Some(lacking) => file.write_all_at(&[0; SPOT.len][..lacking], len as u64),
    }
}

/// Writes a sample in the place of the one before.
pub(in crate::process) fn write(file: &File, evidence: &Evidence) -> io::Result<()> {
    let bytes = encode(evidence, SPOT).or_else(|_| {
        // Only names can be too long; the figures matter more.
        let subject = None;
        encode(
            &Evidence {
                subject,
                ..evidence.clone()
            },
            SPOT,
        )
    })?;
    file.write_all_at(&bytes, 0)
}

/// Reads a sample from the bytes of the file, however few or damaged they are.
pub(in crate::process) fn read(bytes: &[u8]) -> Option<Evidence> {
    let mut place = [0; SPOT.len];
    let len = bytes.len().min(SPOT.len);
    place[..len].copy_from_slice(bytes.get(..len)?);
    decode(&place, SPOT)
}
