//! What keeps runs from being made or started though nothing failed: queues somebody paused, jobs
//! that are to follow others and are not there, earlier runs in the way.

use crate::schedule::UnixMs;
use crate::store::{Result, Store};
use crate::view::attention::{Attention, Kind, Level};
use crate::view::words::count;

/// Overlap skips in a row that are more than an accident.
const FLOOD: i64 = 3;

/// The queues that are paused.
///
/// # Errors
/// Those of reading.
pub(in crate::view) fn paused_queues(store: &Store, now: UnixMs) -> Result<Vec<Attention>> {
    if store.queues()?.iter().all(|q| q.paused_at.is_none()) {
        return Ok(Vec::new());
    }
    let rows = store.queue_rows(now, now)?.into_iter();
    Ok(rows
        .filter(|row| row.queue.paused_at.is_some())
        .map(|row| {
            let by = row.queue.paused_by.as_deref().unwrap_or("an SQL client");
            let why = row.pause_reason.as_ref();
            let why = why.map_or(String::new(), |why| format!(": {why}"));
            let name = &row.queue.name;
            Attention {
                level: Level::Warning,
                kind: Kind::Queue,
                what: "QUEUE",
                job: None,
                run: None,
                watch: None,
                since: row.queue.paused_at,
                text: format!(
                    "{name} is paused by {by}{why}; {} in it",
                    count(row.waiting, "run")
                ),
                hint: format!("crake queue set {name} --resume"),
            }
        })
        .collect())
}

/// The jobs that are named by others and are not there.
///
/// # Errors
/// Those of reading.
pub(in crate::view) fn unknown_follows(store: &Store) -> Result<Vec<Attention>> {
    let mut found = Vec::new();
    for row in store.unknown_follows()? {
        let follower = store.job(&row.follower)?.is_none();
        let text = match follower {
            true => format!("{} is to follow it, and there is no such job", row.follower),
            false => format!("it is to follow {}, and there is no such job", row.upstream),
        };
        found.push(Attention {
            level: Level::Warning,
            kind: Kind::Follower,
            what: "FOLLOWER",
            run: None,
            watch: None,
            since: None,
            text,
            hint: format!("crake edit {}", row.owner),
            job: Some(row.owner),
        });
    }
    Ok(found)
}

/// Fires that found an earlier run in the way, several in a row.
///
/// # Errors
/// Those of reading.
pub(in crate::view) fn floods(store: &Store) -> Result<Vec<Attention>> {
    let mut found = Vec::new();
    for (job, schedule) in store.overlapping()? {
        let skips = store.skips_in_a_row(schedule)?;
        let Some(skips) = skips.filter(|s| s.count >= FLOOD) else {
            continue;
        };
        let way = match skips.blocked_by {
            Some(run) => format!(", #{run} in the way"),
            None => String::new(),
        };
        found.push(Attention {
            level: Level::Warning,
            kind: Kind::Flood,
            what: "SKIPS",
            run: skips.blocked_by,
            watch: None,
            since: Some(skips.since),
            text: format!("{} skipped in a row{way}", count(skips.count, "fire")),
            hint: format!("crake fires {job}"),
            job: Some(job),
        });
    }
    Ok(found)
}
