//! Writes what a job says into the `out` file, within its cap and without ever failing the job.

use std::fs::File;
use std::os::unix::fs::FileExt;

use crate::model::{Fence, Output};
use crate::process::capture::Stream;
use crate::process::capture::block::{
    BLOCK, BLOCK_HEADER, BlockHeader, CHUNK_HEADER, Header, Layout, file_offset, seal_chunk,
};
use crate::schedule::UnixMs;

/// Bytes of one stream that come within this many milliseconds make one chunk.
const MERGE_MS: i64 = 10;

/// The chunk that is still growing.
struct Open {
    at_byte: usize,
    stream: Stream,
    at: UnixMs,
    len: usize,
}

/// The recording of one run.
pub(in crate::process) struct Recorder {
    file: File,
    fence: i64,
    layout: Layout,
    seq: u64,
    block: Box<[u8; BLOCK]>,
    used: usize,
    start: u64,
    open: Option<Open>,
    dirty: bool,
    total: u64,
    // Output bytes that are safely in each block of the region: what is written and not here was
    // dropped, whether the ring went over it or the disk refused it.
    kept: Vec<u32>,
}

impl Recorder {
    /// Begins the recording of a run, of which about `max` bytes are kept.
    pub fn begin(file: File, fence: Fence, max: u64) -> Recorder {
        let layout = Layout::of(max);
        // A run with a larger cap may have been here before.
        let longest = file_offset(layout.blocks());
        if file.metadata().is_ok_and(|m| m.len() > longest) {
            // If this fails the file is merely longer than need be.
            let _ = file.set_len(longest);
        }
        let recorder = Recorder {
            file,
            fence: fence.0,
            layout,
            seq: 0,
            block: Box::new([0; BLOCK]),
            used: BLOCK_HEADER,
            start: 0,
            open: None,
            dirty: false,
            total: 0,
            kept: Vec::new(),
        };
        recorder.write_header(false);
        recorder
    }

    /// Takes bytes in. They are in the file after the next [`Recorder::flush`].
    pub fn push(&mut self, stream: Stream, at: UnixMs, mut bytes: &[u8]) {
        if self.layout.blocks() == 0 {
            self.total += bytes.len() as u64;
            return;
        }
        while !bytes.is_empty() {
            let taken = self.put(stream, at, bytes);
            self.total += taken as u64;
            bytes = &bytes[taken..];
            if !bytes.is_empty() {
                self.next_block();
            }
        }
    }

    /// Writes what is not in the file yet.
    pub fn flush(&mut self) {
        if self.dirty {
            self.write_block();
            self.write_header(false);
        }
    }

    /// Bytes of output so far.
    pub fn total(&self) -> u64 {
        self.total
    }

    /// Ends the recording and says how much there was.
    pub fn finish(mut self) -> Output {
        self.flush();
        self.write_header(true);
        Output {
            total: self.total,
            dropped: self.dropped(),
        }
    }

    fn dropped(&self) -> u64 {
        let kept: u64 = self.kept.iter().map(|k| u64::from(*k)).sum();
        self.total.saturating_sub(kept)
    }

    fn put(&mut self, stream: Stream, at: UnixMs, bytes: &[u8]) -> usize {
        let room = BLOCK - self.used;
        let merges = |o: &&mut Open| o.stream == stream && (o.at..o.at + MERGE_MS).contains(&at);
        if let Some(open) = self.open.as_mut().filter(merges) {
            let taken = room.min(bytes.len());
            open.len += taken;
            seal_chunk(&mut self.block[open.at_byte..], stream, open.at, open.len);
            self.copy(&bytes[..taken]);
            return taken;
        }
        if room <= CHUNK_HEADER {
            return 0;
        }
        let taken = (room - CHUNK_HEADER).min(bytes.len());
        let at_byte = self.used;
        seal_chunk(&mut self.block[at_byte..], stream, at, taken);
        self.used += CHUNK_HEADER;
        self.open = Some(Open {
            at_byte,
            stream,
            at,
            len: taken,
        });
        self.copy(&bytes[..taken]);
        taken
    }

    fn copy(&mut self, bytes: &[u8]) {
        self.block[self.used..self.used + bytes.len()].copy_from_slice(bytes);
        self.used += bytes.len();
        self.dirty = true;
    }

    fn next_block(&mut self) {
        self.write_block();
        self.seq += 1;
        self.start = self.total;
        self.used = BLOCK_HEADER;
        self.open = None;
    }

    fn write_block(&mut self) {
        self.dirty = false;
        let header = BlockHeader {
            fence: self.fence,
            seq: self.seq,
            start: self.start,
            used: self.used,
        };
        header.seal(&mut self.block);
        let position = self.layout.position(self.seq);
        let written = self
            .file
            .write_all_at(&self.block[..self.used], file_offset(position));
        let Ok(index) = usize::try_from(position) else {
            return;
        };
        if self.kept.len() <= index {
            self.kept.resize(index + 1, 0);
        }
        // A write that failed may have torn what was there before.
        self.kept[index] = match written {
            Ok(()) => u32::try_from(self.total - self.start).unwrap_or(0),
            Err(_) => 0,
        };
    }

    fn write_header(&self, closed: bool) {
        let begun = u64::from(self.used > BLOCK_HEADER);
        let header = Header {
            fence: self.fence,
            layout: self.layout,
            blocks: self.seq + begun,
            total: self.total,
            dropped: self.dropped(),
            closed,
        };
        // Readers get along with an old header; the job must not notice a full disk.
        let _ = self.file.write_all_at(&header.encode(), 0);
    }
}
