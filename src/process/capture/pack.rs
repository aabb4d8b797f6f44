//! Captured output as compact bytes, for a column of a database.

use crate::process::capture::{Captured, Chunk, Stream};

const VERSION: u8 = 1;

/// Bytes that are no captured output.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("these bytes are no captured output")]
pub struct DecodeError;

impl Captured {
    /// Packs it: a version, the totals and, for each chunk, stream, time and offset as differences
    /// from the chunk before, length and bytes; numbers take one byte for each seven bits.
    pub fn encode(&self) -> Vec<u8> {
        let mut bytes = vec![VERSION];
        put(&mut bytes, self.total);
        put(&mut bytes, self.dropped);
        let (mut at, mut end) = (0_i64, 0_u64);
        for chunk in &self.chunks {
            let stream = match chunk.stream {
                Stream::Out => 0,
                Stream::Err => 1,
            };
            let step = chunk.at.wrapping_sub(at);
            // Zigzag: the clock may have been set back between two chunks.
            put(&mut bytes, ((step << 1) ^ (step >> 63)).cast_unsigned());
            put(&mut bytes, chunk.offset.wrapping_sub(end));
            put(&mut bytes, ((chunk.bytes.len() as u64) << 1) | stream);
            bytes.extend_from_slice(&chunk.bytes);
            (at, end) = (chunk.at, chunk.end());
        }
        bytes
    }

    /// Unpacks it.
    ///
    /// # Errors
    /// The bytes were not made by [`Captured::encode`].
    pub fn decode(bytes: &[u8]) -> Result<Captured, DecodeError> {
        let (version, mut rest) = bytes.split_first().ok_or(DecodeError)?;
        if *version != VERSION {
            return Err(DecodeError);
        }
        let mut captured = Captured {
            total: take(&mut rest)?,
            dropped: take(&mut rest)?,
            chunks: Vec::new(),
        };
        let (mut at, mut end) = (0_i64, 0_u64);
        while !rest.is_empty() {
            let zigzag = take(&mut rest)?;
            at = at.wrapping_add((zigzag >> 1).cast_signed() ^ -(zigzag & 1).cast_signed());
            let offset = end.checked_add(take(&mut rest)?).ok_or(DecodeError)?;
            let tagged = take(&mut rest)?;
            let len = usize::try_from(tagged >> 1).map_err(|_| DecodeError)?;
            let (data, tail) = rest.split_at_checked(len).ok_or(DecodeError)?;
            let stream = if tagged & 1 == 1 {
                Stream::Err
            } else {
                Stream::Out
            };
            rest = tail;
            end = offset.checked_add(len as u64).ok_or(DecodeError)?;
            captured.chunks.push(Chunk {
                stream,
                at,
                offset,
                bytes: data.to_vec(),
            });
        }
        Ok(captured)
    }
}

fn put(bytes: &mut Vec<u8>, mut number: u64) {
    while number >= 0x80 {
        bytes.push((number & 0x7f) as u8 | 0x80);
        number >>= 7;
    }
    bytes.push(number as u8);
}

fn take(bytes: &mut &[u8]) -> Result<u64, DecodeError> {
    let mut number = 0_u64;
    for shift in (0..64).step_by(7) {
        let (byte, rest) = bytes.split_first().ok_or(DecodeError)?;
        *bytes = rest;
        number |= u64::from(byte & 0x7f) << shift;
        if byte & 0x80 == 0 {
            return Ok(number);
        }
    }
    Err(DecodeError)
}
