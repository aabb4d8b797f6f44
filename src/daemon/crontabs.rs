//! Changes of crontabs that were begun: settled by what the file says.
//!
//! A cutover notes what it is about to write, replaces the file in one step, and then lets the jobs
//! take over. The file is what counts: whoever dies between the steps, each entry is live in cron or
//! here, because whoever comes next looks at the file and finishes, or takes back, what was noted.

use std::fs;

use crate::model::Pause;
use crate::schedule::UnixMs;
use crate::store::{CrontabRow, Result, Store};

/// Who pauses what waits for a cutover, and why.
pub const BY_IMPORT: &str = "import";
/// Cron still runs it.
pub const OBSERVED: &str = "observed: cron runs it until `crake cutover`";

/// Settles every change that was begun, as far as the files tell. Says how many were.
///
/// # Errors
/// Those of the store.
pub fn settle(store: &mut Store, now: UnixMs) -> Result<usize> {
    let begun = store.begun_crontabs()?;
    let mut settled = 0;
    for table in &begun {
        if let Some(made) = is_made(table) {
            settled += usize::from(settle_one(store, &table.source, made, now)?);
        }
    }
    Ok(settled)
}

/// Ends a change of one table.
///
/// # Errors
/// Those of the store.
pub fn settle_one(store: &mut Store, source: &str, made: bool, now: UnixMs) -> Result<bool> {
    let pause = Pause {
        from: now,
        until: None,
        by: BY_IMPORT.to_owned(),
        reason: Some(OBSERVED.to_owned()),
    };
    store.settle_crontab(source, made, &pause, BY_IMPORT)
}

/// Whether a change that was begun was made; none where the file is neither what it was nor what it
/// was to become, which somebody has to look at.
pub fn is_made(table: &CrontabRow) -> Option<bool> {
    let intent = table.intent.as_ref()?;
    let bytes = fs::read(&table.source).ok()?;
    if bytes == intent.wanted {
        return Some(true);
    }
    (bytes == table.bytes).then_some(false)
}
