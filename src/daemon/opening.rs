//! Opening the store at a start, whatever state its file is in.

use crate::clock::Now;
use crate::config::Paths;
use crate::daemon::ailment::note;
use crate::daemon::mend::{self, MendError, Told};
use crate::daemon::recovery::{BeginError, Begun, Birth, Rings, begin_with};
use crate::daemon::refuge::Refuge;
use crate::daemon::sequence::record_in_order;
use crate::daemon::zones::Zones;
use crate::model::{Holding, Level, Record};
use crate::schedule::{UnixMs, Zone};
use crate::store::{Store, StoreError};

/// How often a start makes the store anew.
const TRIES: u32 = 2;

/// Opens the store and recovers. A store that is gone, or turns out to be damaged while it is read,
/// is made anew first, and an event says so.
///
/// # Errors
/// Those that cannot be mended.
pub fn open_and_begin(
    paths: &Paths,
    refuge: &Refuge,
    holdings: &[Holding],
    birth: &Birth,
    zone: &Zone,
    now: Now,
) -> Result<Begun, BeginError> {
    let of_mend = |e| match e {
        MendError::Store(e) => BeginError::Store(e),
        MendError::Io(source) => BeginError::Store(StoreError::Directory {
            path: paths.home.clone(),
            source,
        }),
    };
    let (mut store, mut told) = mend::open(paths, now.wall).map_err(of_mend)?;
    let mut tries = 0;
    loop {
        match try_once(store, told, paths, refuge, holdings, birth, zone, now) {
            Err(BeginError::Store(e)) if tries < TRIES && e.trouble().wants_rebuild() => {
                tries += 1;
                (store, told) = mend::at_start(paths, e, now.wall).map_err(of_mend)?;
            }
            done => return done,
        }
    }
}

/// Records what the ring holds and the store does not.
fn catch_up(
    store: &mut Store,
    zones: &Zones,
    ring: &[(i64, Record)],
    now: UnixMs,
) -> Result<(), StoreError> {
    let has = store.ring_seq()?;
    let lacks = ring.iter().filter(|(seq, _)| *seq > has);
    let records: Vec<Record> = lacks.map(|(_, record)| record.clone()).collect();
    let last = ring.last().map(|(seq, _)| *seq);
    record_in_order(store, zones, &records, last, now)?;
    Ok(())
}

#[expect(
    clippy::too_many_arguments,
    reason = "all that a start is made of, for one try of it"
)]
fn try_once(
    mut store: Store,
    told: Option<Told>,
    paths: &Paths,
    refuge: &Refuge,
    holdings: &[Holding],
    birth: &Birth,
    zone: &Zone,
    now: Now,
) -> Result<Begun, BeginError> {
    if let Some(told) = told {
        if told.lost && store.last_session()?.is_some() {
            // The ends of attempts are not in the ring, so that a claim proves nothing now.
            let zones = Zones::new(zone.clone());
            catch_up(&mut store, &zones, &mend::ring_entries(paths), now.wall)?;
            store.distrust_claims()?;
        }
        store.note(&note(now.wall, Level::Error, told.text))?;
    }
    let holdings = holdings.to_vec();
    let rings = Rings::open(&paths.ring(), Some(refuge.clone())).map_err(BeginError::Ring)?;
    begin_with(store, rings, holdings, birth, zone, now)
}
