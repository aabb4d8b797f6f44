//! Reads the `out` file of a slot.

use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt;
use std::path::Path;

use crate::model::Fence;
use crate::process::capture::block::{BLOCK, BlockHeader, Header, chunks, file_offset};
use crate::process::capture::{Captured, Chunk};
use crate::process::own_file::read_own;

/// Reads what was kept of the last run that wrote into this `out` file; nothing where there was
/// none. A run that is still writing is read as far as it got.
///
/// # Errors
/// The file is missing or cannot be read.
pub fn read_output(path: &Path) -> io::Result<Captured> {
    read(&read_own(path)?, None)
}

/// Reads what was kept of one run; nothing where another run's output is in the file.
pub(in crate::process) fn read_run(path: &Path, fence: Fence) -> io::Result<Captured> {
    read(&read_own(path)?, Some(fence.0))
}

fn read(file: &File, fence: Option<i64>) -> io::Result<Captured> {
    let Some(header) = read_header(file)? else {
        return Ok(Captured::default());
    };
    if fence.is_some_and(|fence| fence != header.fence) {
        return Ok(Captured::default());
    }
    // The blocks themselves say which of them belong to the run: a worker that was killed may have
    // left a header older than its blocks.
    let mut found: Vec<(u64, Vec<Chunk>)> = Vec::new();
    for position in 0..header.layout.blocks() {
        let Some((block, bytes)) = read_block(file, position)? else {
            break;
        };
        let ours = block.fence == header.fence && header.layout.position(block.seq) == position;
        if ours {
            found.push((block.seq, chunks(&bytes[..], &block)));
        } else if position < u64::from(header.layout.head) {
            break;
        }
    }
    found.sort_unstable_by_key(|(seq, _)| *seq);
    let chunks: Vec<Chunk> = found.into_iter().flat_map(|(_, chunks)| chunks).collect();
    let total = chunks.last().map_or(0, Chunk::end).max(header.total);
    let kept: u64 = chunks.iter().map(|c| c.bytes.len() as u64).sum();
    Ok(Captured {
        chunks,
        total,
        dropped: total.saturating_sub(kept),
    })
}

/// The file's header; nothing where it is absent, damaged or just being written.
pub(super) fn read_header(file: &File) -> io::Result<Option<Header>> {
    let mut bytes = [0; BLOCK];
    let len = read_at(file, &mut bytes, 0)?;
    Ok(Header::decode(&bytes[..len]))
}

/// The block at `position`: one whose checksum is wrong is given with fence 0 and nothing in it,
/// and nothing at the end of the file.
pub(super) fn read_block(
    file: &File,
    position: u64,
) -> io::Result<Option<(BlockHeader, Box<[u8; BLOCK]>)>> {
    let mut bytes = Box::new([0; BLOCK]);
    let len = read_at(file, &mut bytes[..], file_offset(position))?;
    if len == 0 {
        return Ok(None);
    }
    let damaged = BlockHeader {
        fence: 0,
        seq: u64::MAX,
        start: 0,
        used: 0,
    };
    let header = BlockHeader::decode(&bytes[..len]).unwrap_or(damaged);
    Ok(Some((header, bytes)))
}

fn read_at(file: &File, bytes: &mut [u8], offset: u64) -> io::Result<usize> {
    let mut got = 0;
    while got < bytes.len() {
        match file.read_at(&mut bytes[got..], offset + got as u64) {
            Ok(0) => break,
            Ok(count) => got += count,
            Err(e) if e.kind() == io::ErrorKind::Interrupted => {}
            Err(e) => return Err(e),
        }
    }
    Ok(got)
}
