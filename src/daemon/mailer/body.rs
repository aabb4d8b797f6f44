//! The body of a letter: what the job wrote, as far as it was kept.

use crate::config::Paths;
use crate::daemon::transcript::{Transcript, TranscriptError};
use crate::letter::Letter;
use crate::model::Spec;
use crate::process::Chunk;
use crate::store::{AttemptRow, MailRow, Store};

/// What the job wrote, as far as it was kept; nothing where that is not in the store yet.
///
/// # Errors
/// Output that cannot be read.
pub fn body(
    store: &Store,
    paths: &Paths,
    row: &MailRow,
    attempt: &AttemptRow,
) -> Result<Option<Vec<u8>>, TranscriptError> {
    let all_dropped = attempt.out_dropped >= attempt.out_bytes;
    if store.output(row.run, row.attempt)?.is_none() && !all_dropped {
        return Ok(None);
    }
    let piece = Transcript::after(paths, row.run, row.attempt, 0).read(store)?;
    let (mut text, mut at) = (Vec::new(), 0);
    for Chunk { offset, bytes, .. } in &piece.chunks {
        if *offset > at {
            text.extend(left_out((*offset - at).cast_signed()));
        }
        text.extend_from_slice(bytes);
        at = *offset + bytes.len() as u64;
    }
    let missing = attempt.out_bytes.unwrap_or(0) - at.cast_signed();
    if missing > 0 {
        text.extend(left_out(missing));
    }
    Ok(Some(text))
}

/// The words in the place of output that was not kept.
pub fn left_out(bytes: i64) -> Vec<u8> {
    format!("\n[crake: {bytes} bytes are left out here]\n").into_bytes()
}

/// What a cron writes where there is no shell; nothing for what it does not mail.
pub fn unspawnable(spec: &Spec, letter: &Letter, reason: Option<&str>) -> Vec<u8> {
    let shell = spec.shell.as_deref().unwrap_or("/bin/sh");
    let why = reason.and_then(|reason| reason.strip_prefix(shell)?.strip_prefix(": "));
    why.map(|why| letter.without_shell(shell, why).into_bytes())
        .unwrap_or_default()
}
