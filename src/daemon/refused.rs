//! Records that the store refuses for good: one of them must not keep those behind it waiting.

use std::fs;
use std::io::Write;
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;

use crate::daemon::ailment::note;
use crate::daemon::sequence::record_in_order;
use crate::daemon::zones::Zones;
use crate::model::{Level, Record, RunId};
use crate::schedule::UnixMs;
use crate::store::{self, Store, StoreError};

/// Records decisions one by one. Those that are refused are put aside into a file and told of.
/// Gives the runs that were recorded under other numbers.
///
/// # Errors
/// Those of the store that are not about one record; all of it may be recorded again.
pub fn one_by_one(
    store: &mut Store,
    zones: &Zones,
    records: &[Record],
    ring_seq: Option<i64>,
    now: UnixMs,
    aside: Option<&Path>,
) -> store::Result<Vec<(RunId, RunId)>> {
    let mut renumbered = Vec::new();
    for record in records {
        match record_in_order(store, zones, std::slice::from_ref(record), None, now) {
            Ok(some) => renumbered.extend(some),
            Err(e) if e.is_refusal() => put_aside(store, record, &e, now, aside)?,
            Err(e) => return Err(e),
        }
    }
    store.record(&[], ring_seq, now)?;
    Ok(renumbered)
}

fn put_aside(
    store: &mut Store,
    record: &Record,
    why: &StoreError,
    now: UnixMs,
    aside: Option<&Path>,
) -> store::Result<()> {
    let text = serde_json::to_string(record).unwrap_or_else(|e| e.to_string());
    let kept = aside.is_some_and(|path| append(path, &text).is_ok());
    let place = match aside.filter(|_| kept) {
        Some(path) => format!("it is in {}", path.display()),
        None => format!("it was {text}"),
    };
    let text = format!("a decision was refused by the store and left out: {why}; {place}");
    eprintln!("crake: {text}");
    store.note(&note(now, Level::Error, text))
}

fn append(path: &Path, text: &str) -> std::io::Result<()> {
    let mut file = fs::File::options()
        .append(true)
        .create(true)
        .mode(0o600)
        .open(path)?;
    writeln!(file, "{text}")
}
