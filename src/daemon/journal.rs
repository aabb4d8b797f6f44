//! The journal: every row of the store that changed since its last copy, as it was then.
//!
//! Copy and journal together are the store once more, for the day its file is damaged or gone. A
//! frame is appended after each commit, with all rows that were touched by whomever; it is not
//! flushed, because after a power cut the store itself is whole. A torn tail is dropped. A journal
//! has a number, its generation; a copy says with which generation it begins, and those after it
//! count as well, so that an unfinished copy harms nothing.

use std::fs::{self, File, OpenOptions};
use std::io::{self, BufReader, Read, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use crate::schedule::UnixMs;
use crate::store::{Image, Store, StoreError, VERSION};

/// Marks a frame: "crkj".
const MAGIC: u32 = 0x6372_6b6a;

/// Magic, length, checksum.
const HEADER: usize = 12;

/// Longest body of a frame that is read, bytes.
const LONGEST: usize = 256 << 20;

/// What a frame holds.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Frame {
    /// The first: of which version the rows are, and the boot of the host it was begun in.
    #[serde(rename = "h")]
    Head {
        /// The version of the schema.
        version: i64,
        /// The boot.
        boot_id: String,
    },
    /// Rows that changed.
    #[serde(rename = "f")]
    Rows {
        /// When.
        #[serde(rename = "a")]
        at: UnixMs,
        /// Up to which place of the ring everything was recorded then.
        #[serde(rename = "s")]
        ring_seq: i64,
        /// The rows, in the order in which they were last touched.
        #[serde(rename = "i")]
        images: Vec<Image>,
    },
}

/// Why the journal could not follow the store.
#[derive(Debug, thiserror::Error)]
pub enum FollowError {
    /// The store could not be read.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The journal could not be written.
    #[error("the journal cannot be written: {0}")]
    Journal(#[from] io::Error),
}

/// The journal that is being written.
pub struct Journal {
    dir: PathBuf,
    boot_id: String,
    generation: u64,
    file: File,
    size: u64,
    mark: i64,
}

impl Journal {
    /// Begins one in a directory, after those that are there.
    ///
    /// # Errors
    /// Those of making the file.
    pub fn begin(dir: &Path, boot_id: &str) -> io::Result<Journal> {
        let generation = generations(dir).last().map_or(1, |last| last + 1);
        let (file, size) = make(dir, generation, boot_id)?;
        Ok(Journal {
            dir: dir.to_path_buf(),
            boot_id: boot_id.to_owned(),
            generation,
            file,
            size,
            mark: 0,
        })
    }

    /// Its number.
    pub fn generation(&self) -> u64 {
        self.generation
    }

    /// Its size, bytes.
    pub fn size(&self) -> u64 {
        self.size
    }

    /// Writes down what changed in the store since the last time.
    ///
    /// # Errors
    /// Those of reading the store and of writing; what was not written is written the next time.
    pub fn follow(&mut self, store: &mut Store, now: UnixMs) -> Result<(), FollowError> {
        while let Some((mark, images)) = store.touched_after(self.mark)? {
            let ring_seq = store.ring_seq()?;
            let at = now;
            self.append(&Frame::Rows {
                at,
                ring_seq,
                images,
            })?;
            self.mark = mark;
            store.journaled_up_to(mark);
        }
        Ok(())
    }

    /// Another store is followed from now on.
    pub fn from_the_start(&mut self) {
        self.mark = 0;
    }

    /// Goes on in a new file, with which a copy that is made from now on begins.
    ///
    /// # Errors
    /// Those of making the file; then the old one goes on.
    pub fn turn_over(&mut self) -> io::Result<u64> {
        let next = self.generation + 1;
        let (file, size) = make(&self.dir, next, &self.boot_id)?;
        (self.file, self.size, self.generation) = (file, size, next);
        Ok(next)
    }

    /// Removes the journals before a generation.
    pub fn forget_before(&self, generation: u64) {
        for old in generations(&self.dir) {
            if old < generation {
                // One that stays is removed the next time.
                let _ = fs::remove_file(path_of(&self.dir, old));
            }
        }
    }

    fn append(&mut self, frame: &Frame) -> io::Result<()> {
        let bytes = encode(frame)?;
        if let Err(e) = self.file.write_all(&bytes) {
            // Half a frame would hide every later one.
            self.file.set_len(self.size)?;
            return Err(e);
        }
        self.size += bytes.len() as u64;
        Ok(())
    }
}

fn make(dir: &Path, generation: u64, boot_id: &str) -> io::Result<(File, u64)> {
    let mut file = OpenOptions::new()
        .append(true)
        .create_new(true)
        .mode(0o600)
        .open(path_of(dir, generation))?;
    let head = encode(&Frame::Head {
        version: VERSION,
        boot_id: boot_id.to_owned(),
    })?;
    if let Err(e) = file.write_all(&head) {
        // One without a head would be found by the next start.
        let _ = fs::remove_file(path_of(dir, generation));
        return Err(e);
    }
    Ok((file, head.len() as u64))
}

fn encode(frame: &Frame) -> io::Result<Vec<u8>> {
    let body = serde_json::to_vec(frame)?;
    let length = u32::try_from(body.len()).map_err(io::Error::other)?;
    let mut bytes = Vec::with_capacity(HEADER + body.len());
    bytes.extend(MAGIC.to_le_bytes());
    bytes.extend(length.to_le_bytes());
    bytes.extend(crc32fast::hash(&body).to_le_bytes());
    bytes.extend(body);
    Ok(bytes)
}

fn path_of(dir: &Path, generation: u64) -> PathBuf {
    dir.join(format!("journal.{generation}"))
}

/// The numbers of the journals in a directory, lowest first.
pub fn generations(dir: &Path) -> Vec<u64> {
    let Ok(entries) = fs::read_dir(dir) else {
        return Vec::new();
    };
    let mut found: Vec<u64> = entries
        .flatten()
        .filter_map(|e| {
            e.file_name()
                .to_str()?
                .strip_prefix("journal.")?
                .parse()
                .ok()
        })
        .collect();
    found.sort_unstable();
    found
}

/// The boot in which the latest journal was begun.
pub fn last_boot(dir: &Path) -> Option<String> {
    let last = *generations(dir).last()?;
    match Frames::open(dir, last).ok()?.next()? {
        Frame::Head { boot_id, .. } => Some(boot_id),
        Frame::Rows { .. } => None,
    }
}

/// Bytes of all journals in a directory.
pub fn total_size(dir: &Path) -> u64 {
    let sizes = generations(dir)
        .into_iter()
        .filter_map(|g| fs::metadata(path_of(dir, g)).ok());
    sizes.map(|found| found.len()).sum()
}

/// The frames of a journal, up to its end or to the first that is torn.
pub struct Frames {
    file: BufReader<File>,
    torn: bool,
}

impl Frames {
    /// Opens a journal to read.
    ///
    /// # Errors
    /// Those of opening it.
    pub fn open(dir: &Path, generation: u64) -> io::Result<Frames> {
        let file = BufReader::new(File::open(path_of(dir, generation))?);
        Ok(Frames { file, torn: false })
    }

    /// Whether what was read ended before the file did.
    pub fn torn(&self) -> bool {
        self.torn
    }

    fn read(&mut self) -> Option<Frame> {
        let mut head = [0_u8; HEADER];
        if self.file.read(&mut head[..1]).ok()? == 0 {
            return None;
        }
        let frame = self.rest(&mut head);
        self.torn = frame.is_none();
        frame
    }

    fn rest(&mut self, head: &mut [u8; HEADER]) -> Option<Frame> {
        self.file.read_exact(&mut head[1..]).ok()?;
        let word = |at: usize| Some(u32::from_le_bytes(head.get(at..at + 4)?.try_into().ok()?));
        let length = word(4)? as usize;
        if word(0)? != MAGIC || length > LONGEST {
            return None;
        }
        let mut body = Vec::new();
        let read = self.file.by_ref().take(length as u64);
        if { read }.read_to_end(&mut body).ok()? < length || crc32fast::hash(&body) != word(8)? {
            return None;
        }
        serde_json::from_slice(&body).ok()
    }
}

impl Iterator for Frames {
    type Item = Frame;

    fn next(&mut self) -> Option<Frame> {
        if self.torn {
            return None;
        }
        self.read()
    }
}
