//! What is on a disk after a power cut.

use super::disk::Op;
use crate::sim::dice::Dice;

/// Bytes a disk writes whole or not at all.
const SECTOR: usize = 512;

/// The disk after cuts at later and later moments.
pub struct Images<'a> {
    log: &'a [Op],
    stable: Vec<u8>,
    done: usize,
    ignored: usize,
}

impl<'a> Images<'a> {
    /// Of a disk that held `base` when the log began. One that lies has not carried out the last
    /// `ignored` flushes, although it said so.
    pub fn new(base: Vec<u8>, log: &'a [Op], ignored: usize) -> Images<'a> {
        Images {
            log,
            stable: base,
            done: 0,
            ignored,
        }
    }

    /// The disk after a cut before entry `cut` of the log, which is no earlier than the last one
    /// asked for: everything up to the last flush, and of what was written after it a random half
    /// of the sectors.
    pub fn after(&mut self, cut: usize, dice: &mut Dice) -> Vec<u8> {
        let flush = |at: &usize| matches!(self.log[*at], Op::Flush);
        let safe = (0..cut).rev().filter(flush).nth(self.ignored);
        let safe = safe.unwrap_or(0).max(self.done);
        for op in &self.log[self.done..safe] {
            if let Op::Write(at, bytes) = op {
                put(&mut self.stable, *at, bytes);
            }
        }
        self.done = safe;
        let mut image = self.stable.clone();
        for op in &self.log[safe..cut] {
            if let Op::Write(at, bytes) = op {
                for (index, sector) in bytes.chunks(SECTOR).enumerate() {
                    if dice.below(2) == 0 {
                        put(&mut image, at + (index * SECTOR) as u64, sector);
                    }
                }
            }
        }
        image
    }
}

fn put(disk: &mut [u8], at: u64, bytes: &[u8]) {
    let at = usize::try_from(at).expect("an address");
    disk[at..at + bytes.len()].copy_from_slice(bytes);
}
