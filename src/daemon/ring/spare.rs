//! The emergency ring: a second ring file, in memory, for what the first one does not take.
//!
//! It holds places of the same form under numbers of the same sequence. Its first place says which
//! boot and which store it belongs to; one that belongs to another is of no use to anybody.

use std::fs::File;
use std::io;
use std::os::unix::fs::{FileExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use rustix::fs::OFlags;
use serde::{Deserialize, Serialize};

use crate::daemon::refuge::Refuge;
use crate::daemon::ring::file::PLACES;
use crate::daemon::ring::form::{PLACE, Place, decode};
use crate::model::Record;

/// Whose it is.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Owner {
    /// The boot of the host.
    pub boot_id: String,
    /// The store.
    pub store: String,
}

/// The emergency ring; there is a file only as long as one is needed.
pub struct Spare {
    refuge: Refuge,
    owner: Owner,
    open: Option<(File, PathBuf)>,
}

impl Spare {
    /// None is made yet.
    pub fn new(refuge: Refuge, owner: Owner) -> Spare {
        Spare {
            refuge,
            owner,
            open: None,
        }
    }

    /// Names the store it belongs to.
    pub fn owned_by(&mut self, store: &str) {
        self.owner.store = store.to_owned();
    }

    /// What an emergency ring of an earlier core holds, and removes those of other boots and stores.
    /// Where the store has no name yet (it is empty here), any is taken for its own.
    pub fn found(&mut self) -> Vec<(i64, Record)> {
        let mut all = Vec::new();
        for (_, dir) in self.refuge.existing() {
            let path = dir.join("ring");
            match read(&path) {
                Ok(Some((owner, records))) if self.owner.is(&owner) => all.extend(records),
                Ok(_) => drop(std::fs::remove_file(&path)),
                Err(_) => {}
            }
        }
        all
    }

    /// Writes places. Nothing is flushed: memory is all there is.
    ///
    /// # Errors
    /// No file can be had, or no room.
    pub fn write(&mut self, places: &[(i64, Place)]) -> io::Result<()> {
        let file = match &self.open {
            Some((file, _)) => file,
            None => &self.open.insert(self.make()?).0,
        };
        for (number, place) in places {
            file.write_all_at(&place[..], offset(*number))?;
        }
        Ok(())
    }

    fn make(&self) -> io::Result<(File, PathBuf)> {
        let path = self.refuge.make()?.1.join("ring");
        let file = File::options()
            .read(true)
            .write(true)
            .create(true)
            .truncate(false)
            .mode(0o600)
            .custom_flags(OFlags::NOFOLLOW.bits().cast_signed())
            .open(&path)?;
        // Memory is taken only where something is written.
        file.set_len(offset(PLACES - 1) + PLACE as u64)?;
        let owner = serde_json::to_vec(&self.owner)?;
        let mut first = [0_u8; PLACE];
        let place = first.get_mut(..owner.len());
        place
            .ok_or(io::ErrorKind::InvalidData)?
            .copy_from_slice(&owner);
        file.write_all_at(&first, 0)?;
        Ok((file, path))
    }

    /// Nothing in it is needed any more, also not what an earlier core left.
    pub fn remove(&mut self) {
        self.open = None;
        for (_, dir) in self.refuge.existing() {
            // What cannot be removed is removed the next time; it is recorded by then as it is now.
            let _ = std::fs::remove_file(dir.join("ring"));
        }
        self.refuge.remove();
    }

    /// Whether there is a file.
    pub fn is_open(&self) -> bool {
        self.open.is_some()
    }

    /// Where it is, for messages.
    pub fn path(&self) -> Option<&Path> {
        self.open.as_ref().map(|(_, path)| path.as_path())
    }
}

impl Owner {
    fn is(&self, other: &Owner) -> bool {
        self.boot_id == other.boot_id && (self.store.is_empty() || self.store == other.store)
    }
}

fn offset(number: i64) -> u64 {
    (number.rem_euclid(PLACES) + 1).unsigned_abs() * PLACE as u64
}

type Found = Option<(Owner, Vec<(i64, Record)>)>;

fn read(path: &Path) -> io::Result<Found> {
    let file = File::options()
        .read(true)
        .custom_flags((OFlags::NOFOLLOW | OFlags::NONBLOCK).bits().cast_signed())
        .open(path)?;
    if !file.metadata()?.is_file() {
        return Ok(None);
    }
    let mut bytes = vec![0_u8; offset(PLACES - 1) as usize + PLACE];
    if file.read_exact_at(&mut bytes, 0).is_err() {
        return Ok(None);
    }
    let (first, places) = bytes.split_at(PLACE);
    let end = first.iter().position(|b| *b == 0).unwrap_or(PLACE);
    let Ok(owner) = serde_json::from_slice(first.get(..end).unwrap_or_default()) else {
        return Ok(None);
    };
    let mut records: Vec<_> = places.chunks_exact(PLACE).filter_map(decode).collect();
    records.sort_by_key(|(number, _)| *number);
    Ok(Some((owner, records)))
}
