//! Wishes to have runs ended.

use crate::daemon::held::Held;
use crate::model::{Drop, Outcome, Record, RunId};
use crate::schedule::UnixMs;
use crate::store::{self, Store};

/// The runs somebody wants ended that are the firing side's to end, by the numbers it knows, and who
/// wants it. A run that only waits in the store is taken back here.
///
/// # Errors
/// Those of the store.
pub fn cancelled(
    store: &mut Store,
    held: &Held,
    now: UnixMs,
) -> store::Result<Vec<(RunId, Option<String>)>> {
    let (mut known, mut drops) = (Vec::new(), Vec::new());
    for wish in store.cancelled()? {
        if wish.queued && !held.runs().contains(&wish.run) {
            let by = wish.by.as_deref().unwrap_or("an SQL client");
            let job = store.run(wish.run)?.map(|r| r.job);
            drops.push(Record::Drop(Drop {
                run: wish.run,
                job: job.unwrap_or_default(),
                outcome: Outcome::Cancelled,
                reason: format!("cancelled by {by}"),
                at: now,
            }));
            continue;
        }
        known.push((held.given_number(wish.run), wish.by));
    }
    if !drops.is_empty() {
        store.record(&drops, None, now)?;
    }
    Ok(known)
}
