//! Follows a run's output while it is being written.

use std::fs::File;
use std::io;
use std::path::Path;

use crate::model::Fence;
use crate::process::capture::Chunk;
use crate::process::capture::block::{Header, chunks};
use crate::process::capture::reader::{read_block, read_header};
use crate::process::own_file::read_own;

/// Blocks read at one go, so that no call takes memory without bound.
const AT_ONCE: usize = 64;

/// Reads a run's output from its beginning, piece by piece, as it grows.
///
/// Nothing is missed while the reader stays within the tail region of the file; what the writer
/// has gone over is counted.
pub struct Follower {
    file: File,
    fence: i64,
    seq: u64,
    offset: u64,
}

/// What came since the last look.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Followed {
    /// What was written, in order.
    pub chunks: Vec<Chunk>,
    /// Bytes that were dropped before they could be read.
    pub missed: u64,
    /// Whether that was all: the run is over and everything was read, or another run took the slot.
    /// A worker that was killed cannot say so; that its run is lost has to be learnt elsewhere.
    pub ended: bool,
}

impl Follower {
    /// Begins at the start of the run's output.
    ///
    /// # Errors
    /// The file is missing or cannot be read.
    pub fn open(path: &Path, fence: Fence) -> io::Result<Follower> {
        Ok(Follower {
            file: read_own(path)?,
            fence: fence.0,
            seq: 0,
            offset: 0,
        })
    }

    /// What was written since the last call, some hundred KiB at most; empty where there is nothing
    /// new. It never waits.
    ///
    /// # Errors
    /// The file cannot be read.
    pub fn read(&mut self) -> io::Result<Followed> {
        let mut got = Followed::default();
        let Some(header) = read_header(&self.file)? else {
            return Ok(got);
        };
        if header.fence != self.fence {
            // Before its first write the run's fence is not in the file either; whoever follows a
            // run that was reported as started sees it there.
            got.ended = true;
            return Ok(got);
        }
        for _ in 0..AT_ONCE {
            if self.seq >= header.blocks || !self.step(&header, &mut got)? {
                break;
            }
        }
        if header.closed && self.seq >= header.blocks.saturating_sub(1) {
            let read_all = self.offset >= header.total;
            // What the disk refused never comes.
            let refused = !read_all && got.chunks.is_empty();
            if refused {
                got.missed += header.total - self.offset;
                self.offset = header.total;
            }
            got.ended = read_all || refused;
        }
        Ok(got)
    }

    // Reads the block it stands at; says whether there is a next one to go on with.
    fn step(&mut self, header: &Header, got: &mut Followed) -> io::Result<bool> {
        if header.layout.blocks() == 0 {
            return Ok(false);
        }
        let oldest = header.layout.oldest_of_tail(header.blocks);
        if self.seq >= u64::from(header.layout.head) && self.seq < oldest {
            self.seq = oldest;
        }
        let last = self.seq + 1 >= header.blocks;
        let position = header.layout.position(self.seq);
        let block = read_block(&self.file, position)?;
        match block {
            Some((block, bytes)) if block.fence == self.fence && block.seq == self.seq => {
                for chunk in chunks(&bytes[..], &block) {
                    self.take(chunk, got);
                }
            }
            // The ring went past while we read.
            Some((block, _)) if block.fence == self.fence && block.seq != u64::MAX => {
                if block.seq > self.seq {
                    self.seq = block.seq;
                    return Ok(true);
                }
                return Ok(self.pass_over(last));
            }
            // Half written at this moment, or refused by the disk.
            _ => {
                let lost = header.closed || header.blocks > self.seq + 2;
                return Ok(lost && self.pass_over(last));
            }
        }
        Ok(self.pass_over(last))
    }

    // The last block may still grow, so it is looked at again.
    fn pass_over(&mut self, last: bool) -> bool {
        if !last {
            self.seq += 1;
        }
        !last
    }

    fn take(&mut self, mut chunk: Chunk, got: &mut Followed) {
        if chunk.end() <= self.offset {
            return;
        }
        if chunk.offset < self.offset {
            let known = usize::try_from(self.offset - chunk.offset).unwrap_or(usize::MAX);
            chunk.bytes.drain(..known.min(chunk.bytes.len()));
            chunk.offset = self.offset;
        }
        got.missed += chunk.offset - self.offset;
        self.offset = chunk.end();
        got.chunks.push(chunk);
    }
}
