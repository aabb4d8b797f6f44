//! What a job writes: kept head and tail, the middle dropped and counted.

mod block;
mod follower;
mod pack;
mod reader;
mod recorder;

pub use follower::{Followed, Follower};
pub use pack::DecodeError;
pub use reader::read_output;

pub(in crate::process) use block::HEADER_AND_BLOCK;
pub(in crate::process) use reader::read_run;
pub(in crate::process) use recorder::Recorder;

use crate::schedule::UnixMs;

/// Which of the job's two outputs.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Stream {
    /// Standard output.
    Out,
    /// Standard error.
    Err,
}

/// Bytes written to one stream at about one instant.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Chunk {
    /// Which stream.
    pub stream: Stream,
    /// When the worker read the first of them.
    pub at: UnixMs,
    /// How many bytes of both streams came before; where this is more than the end of the chunk
    /// before, bytes were dropped in between.
    pub offset: u64,
    /// The bytes, raw.
    pub bytes: Vec<u8>,
}

impl Chunk {
    /// The offset just after it.
    pub fn end(&self) -> u64 {
        self.offset + self.bytes.len() as u64
    }
}

/// The output of one attempt, as far as it was kept.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Captured {
    /// What was kept, in the order it was written.
    pub chunks: Vec<Chunk>,
    /// Bytes the job wrote.
    pub total: u64,
    /// Bytes of them that were not kept.
    pub dropped: u64,
}

impl Captured {
    /// The kept bytes of both streams as they came.
    pub fn bytes(&self) -> Vec<u8> {
        self.chunks
            .iter()
            .flat_map(|c| c.bytes.iter().copied())
            .collect()
    }

    /// The kept bytes of one stream.
    pub fn of(&self, stream: Stream) -> Vec<u8> {
        let of_stream = self.chunks.iter().filter(|c| c.stream == stream);
        of_stream.flat_map(|c| c.bytes.iter().copied()).collect()
    }
}
