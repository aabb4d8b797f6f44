//! The output of one attempt, from wherever it is: the slot of a worker that is at it, the store,
//! or a file the store names.

use std::path::PathBuf;

use crate::config::Paths;
use crate::daemon::refuge::Refuge;
use crate::model::RunId;
use crate::process::{Captured, Chunk, Follower, output_path, refuge_of};
use crate::store::{AttemptRow, Store, StoreError, StoredOutput};

/// Why output cannot be read.
#[derive(Debug, thiserror::Error)]
pub enum TranscriptError {
    /// The store.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// A slot.
    #[error(transparent)]
    Io(#[from] std::io::Error),
    /// Output that was kept and is not what was kept.
    #[error("the kept output{0}")]
    Kept(String),
}

/// What came since the last look.
#[derive(Debug, Default)]
pub struct Piece {
    /// What was written, in order; each byte comes once.
    pub chunks: Vec<Chunk>,
    /// Bytes that were written and not kept.
    pub dropped: u64,
    /// Whether nothing more will come of this attempt.
    pub done: bool,
}

/// Reads the output of one attempt piece by piece.
pub struct Transcript {
    slots: PathBuf,
    refuge: Refuge,
    run: RunId,
    attempt: u32,
    follower: Option<Follower>,
    offset: u64,
}

impl Transcript {
    /// Goes on after so many bytes of the output; from its start with 0.
    pub fn after(paths: &Paths, run: RunId, attempt: u32, offset: u64) -> Transcript {
        Transcript {
            slots: paths.slots(),
            refuge: Refuge::of(&paths.spool),
            run,
            attempt,
            follower: None,
            offset,
        }
    }

    /// How many bytes were read, or are known to be dropped.
    pub fn offset(&self) -> u64 {
        self.offset
    }

    /// Which attempt.
    pub fn attempt(&self) -> u32 {
        self.attempt
    }

    /// What came since the last call; it never waits.
    ///
    /// # Errors
    /// Those of the store, and a stored output that cannot be read.
    pub fn read(&mut self, store: &Store) -> Result<Piece, TranscriptError> {
        let attempts = store.attempts(self.run)?;
        let Some(attempt) = attempts.iter().find(|a| a.n == self.attempt) else {
            return Ok(Piece::default());
        };
        if attempt.ended_at.is_none() {
            let chunks = self.written(attempt)?;
            return Ok(self.fresh(chunks));
        }
        // The output is kept before the end is recorded, so what is not in the store was never
        // collected: by a worker that vanished, for example. Its slot may still have it.
        let kept = match store.output(self.run, self.attempt)? {
            Some(StoredOutput::Here(packed)) => Some(decode(&packed)?),
            Some(StoredOutput::File(path)) => Some(decode(&read_file(&path)?)?),
            None => None,
        };
        let (chunks, total) = match kept {
            Some(captured) => (captured.chunks, captured.total),
            None => (self.written_all(attempt)?, 0),
        };
        let mut piece = self.fresh(chunks);
        piece.dropped += total.saturating_sub(self.offset);
        self.offset = self.offset.max(total);
        piece.done = true;
        Ok(piece)
    }

    /// What the worker's slot has that was not read yet, some hundred KiB at most.
    fn written(&mut self, attempt: &AttemptRow) -> Result<Vec<Chunk>, TranscriptError> {
        if self.follower.is_none() {
            let Some(slot) = attempt.slot else {
                return Ok(Vec::new());
            };
            let slots = match refuge_of(slot).map(|n| self.refuge.numbered_so(n)) {
                None => self.slots.clone(),
                Some(Some(dir)) => dir.join("slots"),
                Some(None) => return Ok(Vec::new()),
            };
            let path = output_path(&slots, slot);
            // Another user's instance, or a slot that is gone: the store has it later.
            self.follower = Follower::open(&path, attempt.fence).ok();
        }
        match &mut self.follower {
            Some(follower) => Ok(follower.read()?.chunks),
            None => Ok(Vec::new()),
        }
    }

    fn written_all(&mut self, attempt: &AttemptRow) -> Result<Vec<Chunk>, TranscriptError> {
        let mut all = Vec::new();
        loop {
            let chunks = self.written(attempt)?;
            if chunks.is_empty() {
                return Ok(all);
            }
            all.extend(chunks);
        }
    }

    /// Takes away what was read before.
    fn fresh(&mut self, chunks: Vec<Chunk>) -> Piece {
        let mut piece = Piece::default();
        for mut chunk in chunks {
            let end = chunk.end();
            if end <= self.offset {
                continue;
            }
            if chunk.offset < self.offset {
                let known = usize::try_from(self.offset - chunk.offset).unwrap_or(usize::MAX);
                chunk.bytes.drain(..known.min(chunk.bytes.len()));
                chunk.offset = self.offset;
            }
            piece.dropped += chunk.offset - self.offset;
            self.offset = end;
            piece.chunks.push(chunk);
        }
        piece
    }
}

fn decode(packed: &[u8]) -> Result<Captured, TranscriptError> {
    Captured::decode(packed).map_err(|e| TranscriptError::Kept(format!(": {e}")))
}

fn read_file(path: &str) -> Result<Vec<u8>, TranscriptError> {
    std::fs::read(path).map_err(|e| TranscriptError::Kept(format!(" {path}: {e}")))
}
