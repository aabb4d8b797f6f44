//! The output of one attempt, read here or asked of the daemon.

use crate::cli::context::Context;
use crate::cli::error::{CliError, Kind};
use crate::cli::through_daemon::{Sight, output};
use crate::daemon::transcript::{Transcript, TranscriptError};
use crate::model::RunId;

pub use crate::daemon::transcript::Piece;

/// Reads the output of one attempt piece by piece.
pub struct Reader<'a> {
    ctx: &'a Context,
    run: RunId,
    attempt: u32,
    here: Transcript,
    /// How many bytes the daemon has passed on.
    passed: u64,
}

impl<'a> Reader<'a> {
    /// Begins at the start of the output.
    pub fn new(ctx: &'a Context, run: RunId, attempt: u32) -> Reader<'a> {
        Reader {
            ctx,
            run,
            attempt,
            here: Transcript::after(&ctx.paths, run, attempt, 0),
            passed: 0,
        }
    }

    /// Which attempt.
    pub fn attempt(&self) -> u32 {
        self.attempt
    }

    /// What came since the last call; it never waits.
    ///
    /// # Errors
    /// Those of the store, and a stored output that cannot be read.
    pub fn read(&mut self, sight: &Sight) -> Result<Piece, CliError> {
        match sight.is_through() {
            false => Ok(self.here.read(sight)?),
            true => output(self.ctx, self.run, self.attempt, &mut self.passed),
        }
    }
}

impl From<TranscriptError> for CliError {
    fn from(e: TranscriptError) -> CliError {
        match e {
            TranscriptError::Store(e) => e.into(),
            TranscriptError::Io(e) => e.into(),
            kept @ TranscriptError::Kept(_) => CliError::new(Kind::Failed, kept.to_string()),
        }
    }
}
