//! Output written for people, line by line, and for programs.

use std::io::{self, Write};

use serde_json::{Value, json};

use crate::model::Raw;
use crate::process::{Chunk, Stream};
use crate::schedule::{UnixMs, Zone};
use crate::view::text::clean_all;
use crate::view::time::{clock, rfc3339};

/// A line longer than this is shown in pieces.
const LONGEST: usize = 64 * 1024;

/// A line of a job's output.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Line {
    /// Which stream.
    pub stream: Stream,
    /// When its first byte was read.
    pub at: UnixMs,
    /// The bytes, without the line break.
    pub bytes: Vec<u8>,
}

impl Line {
    /// For a terminal: time, stream and text, made safe.
    pub fn shown(&self, zone: &Zone) -> String {
        let mark = match self.stream {
            Stream::Out => '|',
            Stream::Err => 'E',
        };
        let text = clean_all(&String::from_utf8_lossy(&self.bytes));
        format!("{} {mark} {text}", clock(self.at, zone))
    }

    /// For programs.
    pub fn item(&self, run: i64, attempt: u32, zone: &Zone) -> Value {
        json!({
            "run": run,
            "attempt": attempt,
            "at": rfc3339(self.at, zone),
            "stream": word(self.stream),
            "text": Raw(self.bytes.clone()),
        })
    }
}

/// The word for a stream.
pub fn word(stream: Stream) -> &'static str {
    match stream {
        Stream::Out => "out",
        Stream::Err => "err",
    }
}

/// Puts lines together from chunks; the two streams do not get into each other's lines.
#[derive(Default)]
pub struct Lines {
    out: Option<Line>,
    err: Option<Line>,
}

impl Lines {
    /// The lines that a chunk completes.
    pub fn take(&mut self, chunk: &Chunk) -> Vec<Line> {
        let open = match chunk.stream {
            Stream::Out => &mut self.out,
            Stream::Err => &mut self.err,
        };
        let mut done = Vec::new();
        for piece in chunk.bytes.split_inclusive(|b| *b == b'\n') {
            let line = open.get_or_insert_with(|| Line {
                stream: chunk.stream,
                at: chunk.at,
                bytes: Vec::new(),
            });
            let whole = piece.ends_with(b"\n");
            let text = piece.strip_suffix(b"\n").unwrap_or(piece);
            line.bytes.extend_from_slice(text);
            if whole || line.bytes.len() >= LONGEST {
                done.extend(open.take());
            }
        }
        done
    }

    /// The lines that were begun and not ended.
    pub fn rest(&mut self) -> Vec<Line> {
        let mut rest: Vec<Line> = self.out.take().into_iter().chain(self.err.take()).collect();
        rest.sort_by_key(|line| line.at);
        rest
    }
}

/// Only the last lines of what was written so far, counted over both streams.
pub fn last_lines(chunks: Vec<Chunk>, wanted: usize) -> Vec<Chunk> {
    let mut kept = Vec::new();
    let mut breaks = 0;
    let mut first = true;
    for mut chunk in chunks.into_iter().rev() {
        let mut cut = None;
        for (at, _) in chunk
            .bytes
            .iter()
            .enumerate()
            .rev()
            .filter(|b| *b.1 == b'\n')
        {
            // The break at the very end ends the last line and begins none.
            let ends = first && at + 1 == chunk.bytes.len();
            if !ends {
                breaks += 1;
            }
            if breaks >= wanted {
                cut = Some(at + 1);
                break;
            }
        }
        first = false;
        if let Some(cut) = cut {
            chunk.offset += cut as u64;
            chunk.bytes.drain(..cut);
            kept.push(chunk);
            break;
        }
        kept.push(chunk);
    }
    kept.reverse();
    kept
}

/// Passes a chunk on exactly as it was written, each stream to its own.
///
/// # Errors
/// Those of writing.
pub fn pass_on(chunk: &Chunk) -> io::Result<()> {
    match chunk.stream {
        Stream::Out => {
            let mut out = io::stdout().lock();
            out.write_all(&chunk.bytes)?;
            out.flush()
        }
        Stream::Err => io::stderr().lock().write_all(&chunk.bytes),
    }
}
