//! The ring: a preallocated file of fixed places in which decisions are made durable before
//! anything is carried out.
//!
//! A place is 512 bytes, written in place and flushed with one `fdatasync` for all that is decided
//! at an instant: no lock, no allocation, no SQLite, so it works while the store is locked and
//! while the disk is full. The store is filled from it afterwards. A place is torn at worst by a
//! power cut while it was not yet flushed; its checksum then drops it, and nothing had been
//! carried out for it.

use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};

use crate::model::{Drop, Fire, Record};
use crate::process::own_file::open_own;

/// Bytes of one place: a disk writes a sector of 512 bytes whole or not at all.
const PLACE: usize = 512;

/// Places in the file.
const PLACES: i64 = 4096;

/// Marks a place in use, and the form of what is in it.
const MAGIC: u32 = 0x6372_6b31;

/// Magic, length, checksum, number.
const HEADER: usize = 20;

/// The ring file, as the firing thread holds it.
pub struct Ring {
    file: File,
    next: i64,
    recorded: Arc<AtomicI64>,
    dirty: bool,
}

/// What appending came to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Appended {
    /// It is in the ring, at this number.
    At(i64),
    /// The ring has no place for it: it is full of what the store has not taken yet, or the record
    /// is too long. It is known in memory only.
    Nowhere,
}

impl Ring {
    /// Opens the ring, or makes and preallocates it. `recorded` says up to which number everything
    /// is in the store; what is behind it and readable is given back, in order.
    ///
    /// # Errors
    /// Those of opening, reading and allocating the file.
    pub fn open(path: &Path, recorded: i64) -> io::Result<(Ring, Vec<(i64, Record)>)> {
        let file = open_own(path)?;
        let size = PLACES.unsigned_abs() * PLACE as u64;
        if file.metadata()?.len() < size {
            // Written out, not only reserved: a later write in place then needs no block.
            file.write_all_at(&vec![0_u8; PLACES.unsigned_abs() as usize * PLACE], 0)?;
            file.sync_all()?;
            if let Some(dir) = path.parent() {
                File::open(dir)?.sync_all()?;
            }
        }
        let mut found = read_all(&file)?;
        found.sort_by_key(|(number, _)| *number);
        let last = found.last().map_or(0, |(number, _)| *number);
        found.retain(|(number, _)| *number > recorded);
        let ring = Ring {
            file,
            next: last.max(recorded) + 1,
            recorded: Arc::new(AtomicI64::new(recorded)),
            dirty: false,
        };
        Ok((ring, found))
    }

    /// Where the store thread says up to which number everything is recorded.
    pub fn recorded(&self) -> Arc<AtomicI64> {
        Arc::clone(&self.recorded)
    }

    /// The number of the last place written.
    pub fn last(&self) -> i64 {
        self.next - 1
    }

    /// Places that hold what the store has not taken yet.
    pub fn in_use(&self) -> i64 {
        self.last() - self.recorded.load(Ordering::Acquire)
    }

    /// Writes one record into the next place. It survives the death of this process at once and a
    /// power cut after [`Ring::flush`].
    ///
    /// # Errors
    /// Those of writing.
    pub fn append(&mut self, record: &Record) -> io::Result<Appended> {
        if self.in_use() >= PLACES {
            return Ok(Appended::Nowhere);
        }
        let Some(place) = encode(self.next, record) else {
            return Ok(Appended::Nowhere);
        };
        self.file.write_all_at(&place, offset(self.next))?;
        let number = self.next;
        self.next += 1;
        self.dirty = true;
        Ok(Appended::At(number))
    }

    /// Makes what was appended safe from a power cut.
    ///
    /// # Errors
    /// Those of flushing.
    pub fn flush(&mut self) -> io::Result<()> {
        if self.dirty {
            rustix::fs::fdatasync(&self.file)?;
            self.dirty = false;
        }
        Ok(())
    }
}

/// Whether a record must be in the ring: those that something is carried out for, or that could
/// not be decided the same way again.
pub fn belongs(record: &Record) -> bool {
    match record {
        Record::Fire(_) | Record::New(_) | Record::Start(_) | Record::Drop(_) | Record::Back(_) => {
            true
        }
        // The worker's ledger keeps these until the store has them.
        Record::Spawned(_) | Record::Ended(_) => false,
        Record::Gap(_) | Record::Note(_) => false,
    }
}

fn offset(number: i64) -> u64 {
    (number.rem_euclid(PLACES)).unsigned_abs() * PLACE as u64
}

fn encode(number: i64, record: &Record) -> Option<[u8; PLACE]> {
    let mut body = serde_json::to_vec(record).ok()?;
    if body.len() > PLACE - HEADER {
        body = serde_json::to_vec(&without_words(record)?).ok()?;
    }
    let mut place = [0_u8; PLACE];
    if body.len() > PLACE - HEADER {
        return None;
    }
    place[0..4].copy_from_slice(&MAGIC.to_le_bytes());
    place[4..8].copy_from_slice(&u32::try_from(body.len()).ok()?.to_le_bytes());
    place[12..20].copy_from_slice(&number.to_le_bytes());
    place[HEADER..HEADER + body.len()].copy_from_slice(&body);
    let sum = crc32fast::hash(&place[12..HEADER + body.len()]);
    place[8..12].copy_from_slice(&sum.to_le_bytes());
    Some(place)
}

/// What people wrote may be of any length; the decision stands without it.
fn without_words(record: &Record) -> Option<Record> {
    match record {
        Record::Fire(fire) => Some(Record::Fire(Fire {
            note: None,
            ..fire.clone()
        })),
        Record::Drop(drop) => Some(Record::Drop(Drop {
            reason: drop.outcome.to_string(),
            ..drop.clone()
        })),
        _ => None,
    }
}

/// Reads one place; nothing where it was never written, is torn, or is of another form.
pub fn decode(place: &[u8]) -> Option<(i64, Record)> {
    let word = |at: usize| -> Option<[u8; 4]> { place.get(at..at + 4)?.try_into().ok() };
    if u32::from_le_bytes(word(0)?) != MAGIC {
        return None;
    }
    let length = u32::from_le_bytes(word(4)?) as usize;
    let body = place.get(HEADER..HEADER.checked_add(length)?)?;
    let sum = crc32fast::hash(place.get(12..HEADER + length)?);
    if sum != u32::from_le_bytes(word(8)?) {
        return None;
    }
    let number = i64::from_le_bytes(place.get(12..20)?.try_into().ok()?);
    Some((number, serde_json::from_slice(body).ok()?))
}

fn read_all(file: &File) -> io::Result<Vec<(i64, Record)>> {
    let mut bytes = vec![0_u8; PLACES.unsigned_abs() as usize * PLACE];
    file.read_exact_at(&mut bytes, 0)?;
    Ok(bytes.chunks_exact(PLACE).filter_map(decode).collect())
}
