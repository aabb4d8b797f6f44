//! Removing polls that need not be kept, folding equal ones, and files that no run reads any more.

use std::fs;
use std::path::Path;

use crate::daemon::pruner::is_old;
use crate::schedule::UnixMs;
use crate::store::{self, Store};

/// How long polls are kept, milliseconds.
const KEEP_MS: i64 = 30 * 86_400_000;

/// Equal polls that found nothing are kept one by one for so long, milliseconds.
const FOLD_MS: i64 = 3_600_000;

/// Polls looked at, or removed, in a step.
const POLLS: usize = 500;

/// Files looked at in a step.
const FILES: usize = 200;

/// How far a round through the polls has come.
#[derive(Debug)]
pub enum PollRound {
    /// After this watch.
    Watch(String),
    /// At the polls of this watch after this one, which are folded.
    Fold(String, i64),
    /// At the files.
    Files(Option<fs::ReadDir>),
}

impl PollRound {
    /// At the beginning.
    pub fn begin() -> PollRound {
        PollRound::Watch(String::new())
    }

    /// Goes one step. Says how many rows and how many files were removed, and where to go on.
    ///
    /// # Errors
    /// Those of the store.
    pub fn step(
        self,
        store: &mut Store,
        inputs: &Path,
        now: UnixMs,
    ) -> store::Result<((u64, u64), Option<PollRound>)> {
        match self {
            PollRound::Watch(after) => {
                let Some(watch) = store.next_polled(&after)? else {
                    return Ok(((0, 0), Some(PollRound::Files(None))));
                };
                let gone = store.remove_polls(&watch, now - KEEP_MS, POLLS)?;
                let next = match gone {
                    0 => PollRound::Fold(watch, 0),
                    _ => PollRound::Watch(after),
                };
                Ok(((gone, 0), Some(next)))
            }
            PollRound::Fold(watch, after) => {
                let (gone, last) = store.fold_polls(&watch, now - FOLD_MS, after, POLLS)?;
                let next = match last {
                    Some(last) => PollRound::Fold(watch, last),
                    None => PollRound::Watch(watch),
                };
                Ok(((gone, 0), Some(next)))
            }
            PollRound::Files(dir) => {
                let (files, dir) = sweep(store, dir, inputs, now)?;
                Ok(((0, files), dir.map(|dir| PollRound::Files(Some(dir)))))
            }
        }
    }
}

/// Removes files with input that no run names any more.
fn sweep(
    store: &Store,
    dir: Option<fs::ReadDir>,
    inputs: &Path,
    now: UnixMs,
) -> store::Result<(u64, Option<fs::ReadDir>)> {
    let mut removed = 0;
    // Without a directory there are no files.
    let Some(mut dir) = dir.or_else(|| fs::read_dir(inputs).ok()) else {
        return Ok((0, None));
    };
    for _ in 0..FILES {
        let Some(entry) = dir.next() else {
            return Ok((removed, None));
        };
        let Ok(entry) = entry else { continue };
        // A younger one may be that of a poll that is just being recorded.
        if !is_old(&entry, now) {
            continue;
        }
        let path = entry.path();
        if !store.has_input_file(&path.display().to_string())? && fs::remove_file(&path).is_ok() {
            removed += 1;
        }
    }
    Ok((removed, Some(dir)))
}
