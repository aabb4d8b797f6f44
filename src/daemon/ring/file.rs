//! A ring file: places of 512 bytes, written in place.

use std::fs::File;
use std::io;
use std::os::unix::fs::{FileExt, MetadataExt};
use std::path::{Path, PathBuf};

use crate::daemon::ring::form::{PLACE, Place, decode};
use crate::model::Record;
use crate::process::own_file::open_own;

/// Places in the file: some minutes of a very busy host, some hours of a common one.
pub const PLACES: i64 = 16_384;

/// Fewer than this no version of the program ever made.
const FEWEST: i64 = 4_096;

/// An open ring file.
pub struct RingFile {
    file: File,
    path: PathBuf,
    places: i64,
    /// Device and inode.
    identity: (u64, u64),
}

impl RingFile {
    /// Opens the file, or makes it with all its places written, so that no later write needs room.
    /// A file with fewer places is left as it is; see [`RingFile::grow`].
    ///
    /// # Errors
    /// Those of opening and allocating the file.
    pub fn open(path: &Path) -> io::Result<RingFile> {
        let file = open_own(path)?;
        let found = file.metadata()?;
        let mut ring = RingFile {
            identity: (found.dev(), found.ino()),
            places: i64::try_from(found.len()).unwrap_or(0) / PLACE as i64,
            file,
            path: path.to_owned(),
        };
        if ring.places < FEWEST {
            ring.allocate()?;
        }
        Ok(ring)
    }

    /// How many places there are.
    pub fn places(&self) -> i64 {
        self.places
    }

    /// Everything readable in it, whatever its number of places was when it was written, in order.
    ///
    /// # Errors
    /// Those of reading.
    pub fn read(&self) -> io::Result<Vec<(i64, Record)>> {
        let mut bytes = vec![0_u8; usize::try_from(self.places).unwrap_or(0) * PLACE];
        self.file.read_exact_at(&mut bytes, 0)?;
        let mut found: Vec<_> = bytes.chunks_exact(PLACE).filter_map(decode).collect();
        found.sort_by_key(|(number, _)| *number);
        Ok(found)
    }

    /// Gives a file of an older version its full number of places. Only for one of which everything
    /// is recorded: where a number belongs changes with it.
    ///
    /// # Errors
    /// Those of writing. It is as it was then.
    pub fn grow(&mut self) -> io::Result<()> {
        if self.places < PLACES {
            self.allocate()?;
        }
        Ok(())
    }

    // Written out, not only reserved: a later write in place then needs no block.
    fn allocate(&mut self) -> io::Result<()> {
        let before = self.places;
        let zeros = vec![0_u8; usize::try_from(PLACES).unwrap_or(0) * PLACE];
        let written = self
            .file
            .write_all_at(&zeros, 0)
            .and_then(|()| self.file.sync_all());
        if let Err(e) = written {
            // As long as before, so that the next start finds a whole file.
            let _ = self.file.set_len(before.unsigned_abs() * PLACE as u64);
            return Err(e);
        }
        if let Some(dir) = self.path.parent() {
            File::open(dir)?.sync_all()?;
        }
        self.places = PLACES;
        Ok(())
    }

    /// Writes places, neighbours with one call.
    ///
    /// # Errors
    /// Those of writing, and that the file is not the one its path leads to any more.
    pub fn write(&self, places: &[(i64, Place)]) -> io::Result<()> {
        if places.is_empty() {
            return Ok(());
        }
        let there = std::fs::symlink_metadata(&self.path)?;
        if (there.dev(), there.ino()) != self.identity {
            return Err(io::Error::other("the file was replaced by another"));
        }
        let mut rest = places;
        while let Some((first, _)) = rest.first() {
            let joins = |(i, place): &(usize, &(i64, Place))| {
                place.0 == first + *i as i64 && (*i == 0 || place.0.rem_euclid(self.places) != 0)
            };
            let count = rest.iter().enumerate().take_while(joins).count();
            let (now, later) = rest.split_at(count);
            let bytes: Vec<u8> = now.iter().flat_map(|(_, place)| **place).collect();
            let at = first.rem_euclid(self.places).unsigned_abs() * PLACE as u64;
            self.file.write_all_at(&bytes, at)?;
            rest = later;
        }
        Ok(())
    }

    /// Makes what was written safe from a power cut.
    ///
    /// # Errors
    /// Those of flushing.
    pub fn sync(&self) -> io::Result<()> {
        Ok(rustix::fs::fdatasync(&self.file)?)
    }

    /// Opens what is at the path now; makes it where nothing is.
    ///
    /// # Errors
    /// See [`RingFile::open`].
    pub fn reopen(&mut self) -> io::Result<()> {
        let mut found = RingFile::open(&self.path)?;
        if found.places < self.places {
            // Not ours: nothing in it is of use.
            found.allocate()?;
        }
        *self = found;
        Ok(())
    }
}
