//! Recording decisions in the order in which they were made, where a set-back clock lies between.

use crate::crash;
use crate::daemon::zones::Zones;
use crate::model::{Record, RunId};
use crate::schedule::UnixMs;
use crate::store::{self, Store};

/// Records decisions. Where the clock was set back, what was decided before is recorded first, then
/// the ledger is rewound, then the rest is recorded: a later decision may be for an instant that
/// an earlier one was for as well. Gives the runs that were recorded under other numbers.
///
/// # Errors
/// Those of the store. Recording all of it again then changes nothing that was recorded.
pub fn record_in_order(
    store: &mut Store,
    zones: &Zones,
    records: &[Record],
    ring_seq: Option<i64>,
    now: UnixMs,
) -> store::Result<Vec<(RunId, RunId)>> {
    crash::point("before commit");
    let mut renumbered = Vec::new();
    let mut rest = records;
    while let Some(at) = rest.iter().position(|r| matches!(r, Record::Back(_))) {
        let (before, after) = rest.split_at(at + 1);
        renumbered.extend(store.record(before, None, now)?);
        rewind(store, zones, now)?;
        rest = after;
    }
    renumbered.extend(store.record(rest, ring_seq, now)?);
    crash::point("committed");
    Ok(renumbered)
}

/// Does the rewinding that is still to be done, if any is.
///
/// # Errors
/// Those of the store.
pub fn rewind(store: &mut Store, zones: &Zones, now: UnixMs) -> store::Result<()> {
    let Some(back) = store.rewind_wanted()? else {
        return Ok(());
    };
    let versions = zones.rewound(store, &back)?;
    store.rewind(&back, &versions, now)
}
