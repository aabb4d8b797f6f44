//! The format of the `out` file.
//!
//! Block 0 is the header. The blocks after it are the head (filled once, in order) and the tail (a
//! ring). A block carries the fence of its run, its number in that run, how many bytes of output
//! came before it, and a checksum, so that a reader needs no lock: a block half written, of another
//! run, or overtaken by the ring shows as such. Chunks never cross blocks. Nothing is truncated or
//! made anew for a run.

use crate::process::capture::{Chunk, Stream};

/// Bytes of a block in the file.
pub(super) const BLOCK: usize = 4096;
/// Bytes of an `out` file with room for the header and the first block of output.
pub(in crate::process) const HEADER_AND_BLOCK: usize = 2 * BLOCK;
/// Bytes of it before the chunks.
pub(super) const BLOCK_HEADER: usize = 32;
/// Bytes before the data of a chunk.
pub(super) const CHUNK_HEADER: usize = 11;

const MAGIC: [u8; 8] = *b"crkout01";
const HEADER: usize = 56;

/// How the blocks of a run are laid out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Layout {
    /// Blocks of the head.
    pub head: u32,
    /// Blocks of the tail.
    pub tail: u32,
}

impl Layout {
    /// Half of `max` bytes for the head, half for the tail, in whole blocks; at least one and two,
    /// so that the newest bytes are always among those kept. Nothing at all where `max` is 0.
    pub fn of(max: u64) -> Layout {
        if max == 0 {
            return Layout { head: 0, tail: 0 };
        }
        let half = u32::try_from(max / 2 / BLOCK as u64).unwrap_or(u32::MAX / 4);
        Layout {
            head: half.clamp(1, u32::MAX / 4),
            tail: half.clamp(2, u32::MAX / 4),
        }
    }

    /// Blocks in all, without the header.
    pub fn blocks(self) -> u64 {
        u64::from(self.head) + u64::from(self.tail)
    }

    /// Which block of the region holds block number `seq` of the run.
    pub fn position(self, seq: u64) -> u64 {
        let head = u64::from(self.head);
        if seq < head {
            seq
        } else {
            head + (seq - head) % u64::from(self.tail).max(1)
        }
    }

    /// The oldest block number after the head that is still there when `next` is the next one.
    pub fn oldest_of_tail(self, next: u64) -> u64 {
        next.saturating_sub(u64::from(self.tail))
            .max(u64::from(self.head))
    }
}

/// Where the block at `position` of the region begins in the file.
pub(super) fn file_offset(position: u64) -> u64 {
    (position + 1) * BLOCK as u64
}

/// The first block of the file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Header {
    /// The claim of the run.
    pub fence: i64,
    /// How its blocks lie.
    pub layout: Layout,
    /// Blocks begun.
    pub blocks: u64,
    /// Bytes written by the job.
    pub total: u64,
    /// Bytes of them not kept.
    pub dropped: u64,
    /// Whether nothing more will come.
    pub closed: bool,
}

impl Header {
    pub fn encode(&self) -> [u8; HEADER] {
        let mut bytes = [0; HEADER];
        bytes[..8].copy_from_slice(&MAGIC);
        bytes[8..16].copy_from_slice(&self.fence.to_le_bytes());
        bytes[16..20].copy_from_slice(&self.layout.head.to_le_bytes());
        bytes[20..24].copy_from_slice(&self.layout.tail.to_le_bytes());
        bytes[24..32].copy_from_slice(&self.blocks.to_le_bytes());
        bytes[32..40].copy_from_slice(&self.total.to_le_bytes());
        bytes[40..48].copy_from_slice(&self.dropped.to_le_bytes());
        bytes[48] = u8::from(self.closed);
        let sum = crc32fast::hash(&bytes[..52]);
        bytes[52..].copy_from_slice(&sum.to_le_bytes());
        bytes
    }

    pub fn decode(bytes: &[u8]) -> Option<Header> {
        let bytes = bytes.get(..HEADER)?;
        if bytes[..8] != MAGIC || crc32fast::hash(&bytes[..52]) != u32_at(bytes, 52)? {
            return None;
        }
        Some(Header {
            fence: u64_at(bytes, 8)?.cast_signed(),
            layout: Layout {
                head: u32_at(bytes, 16)?,
                tail: u32_at(bytes, 20)?,
            },
            blocks: u64_at(bytes, 24)?,
            total: u64_at(bytes, 32)?,
            dropped: u64_at(bytes, 40)?,
            closed: bytes[48] != 0,
        })
    }
}

/// What precedes the chunks of a block.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct BlockHeader {
    /// The claim of the run.
    pub fence: i64,
    /// The block's number in the run.
    pub seq: u64,
    /// Bytes of output before it.
    pub start: u64,
    /// Bytes used of the block, this header included.
    pub used: usize,
}

impl BlockHeader {
    /// Completes a block whose chunks are in place.
    pub fn seal(&self, block: &mut [u8; BLOCK]) {
        block[..8].copy_from_slice(&self.fence.to_le_bytes());
        block[8..16].copy_from_slice(&self.seq.to_le_bytes());
        block[16..24].copy_from_slice(&self.start.to_le_bytes());
        let used = u32::try_from(self.used).unwrap_or(0);
        block[24..28].copy_from_slice(&used.to_le_bytes());
        let sum = checksum(block, self.used);
        block[28..32].copy_from_slice(&sum.to_le_bytes());
    }

    /// Reads a block's header where the block is whole.
    pub fn decode(block: &[u8]) -> Option<BlockHeader> {
        let used = usize::try_from(u32_at(block, 24)?).ok()?;
        if !(BLOCK_HEADER..=block.len()).contains(&used) {
            return None;
        }
        (checksum(block, used) == u32_at(block, 28)?).then_some(BlockHeader {
            fence: u64_at(block, 0)?.cast_signed(),
            seq: u64_at(block, 8)?,
            start: u64_at(block, 16)?,
            used,
        })
    }
}

fn checksum(block: &[u8], used: usize) -> u32 {
    let mut hasher = crc32fast::Hasher::new();
    hasher.update(&block[..28]);
    hasher.update(&block[BLOCK_HEADER..used]);
    hasher.finalize()
}

/// Writes the header of a chunk of `len` bytes to `place`.
pub(super) fn seal_chunk(place: &mut [u8], stream: Stream, at: i64, len: usize) {
    place[..8].copy_from_slice(&at.to_le_bytes());
    let len = u16::try_from(len).unwrap_or(0);
    place[8..10].copy_from_slice(&len.to_le_bytes());
    place[10] = match stream {
        Stream::Out => 1,
        Stream::Err => 2,
    };
}

/// The chunks of a whole block.
pub(super) fn chunks(block: &[u8], header: &BlockHeader) -> Vec<Chunk> {
    let mut found = Vec::new();
    let mut offset = header.start;
    let mut rest = block.get(BLOCK_HEADER..header.used).unwrap_or(&[]);
    while let Some((head, tail)) = rest.split_at_checked(CHUNK_HEADER) {
        let len = usize::from(u16::from_le_bytes([head[8], head[9]]));
        let (Some(at), Some((bytes, next))) = (u64_at(head, 0), tail.split_at_checked(len)) else {
            break;
        };
        let stream = if head[10] == 2 {
            Stream::Err
        } else {
            Stream::Out
        };
        found.push(Chunk {
            stream,
            at: at.cast_signed(),
            offset,
            bytes: bytes.to_vec(),
        });
        offset += len as u64;
        rest = next;
    }
    found
}

fn u64_at(bytes: &[u8], at: usize) -> Option<u64> {
    let field = bytes.get(at..at + 8)?.try_into().ok()?;
    Some(u64::from_le_bytes(field))
}

fn u32_at(bytes: &[u8], at: usize) -> Option<u32> {
    let field = bytes.get(at..at + 4)?.try_into().ok()?;
    Some(u32::from_le_bytes(field))
}
