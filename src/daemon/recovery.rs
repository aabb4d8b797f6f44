//! The world as it is found at a start: store, ring and the workers' ledgers, and nothing else.
//!
//! Each claim without a recorded outcome is settled by what the files prove. No case needs a clock
//! or a timeout to be decided:
//!
//! | ledger of a slot | lock | means |
//! |---|---|---|
//! | carries the claim, no exit | held | its worker is alive: adopted |
//! | carries the claim, exit written | either | it ended like that |
//! | carries the claim, no exit | free, same boot | its worker was killed: `lost` |
//! | carries the claim, no exit | free, other boot | the host went down: `interrupted` |
//! | no slot carries it | same boot | it never reached a worker: started now |
//! | no slot carries it | other boot | whether it ran is not known: `interrupted` |

use std::path::Path;
use std::sync::Arc;

use crate::clock::Now;
use crate::daemon::adoption::adopt;
use crate::daemon::fact::Fact;
use crate::daemon::firing::{FAR_MS, LATE_MS};
use crate::daemon::keeper::Keeper;
use crate::daemon::refuge::Refuge;
use crate::daemon::ring::{AtOnce, Medium, Owner, Ring, RingFile, Spare};
use crate::daemon::sequence::record_in_order;
use crate::daemon::zones::Zones;
use crate::engine::{Armed, Numbers, PROVISIONAL, World};
use crate::model::{Back, Fence, Gap, Holding, Level, MissReason, Note, Planned, Record, RunId};
use crate::process::identity;
use crate::schedule::{UnixMs, Zone};
use crate::store::{self, Session, Store, StoreError};

/// How this process came to be.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Birth {
    /// This process.
    pub pid: i32,
    /// The boot of the host.
    pub boot_id: String,
    /// Most runs alive at once.
    pub slots: u32,
    /// Whether a guardian started it again after its predecessor died. What fell due in the
    /// seconds between is then late, not missed.
    pub again: bool,
}

/// A core that is started again within this time has missed nothing, milliseconds.
pub const AGAIN_MS: i64 = 10_000;

/// What recovery found.
#[derive(Debug)]
pub struct Recovered {
    /// The world.
    pub world: World,
    /// Runs that were claimed and never reached a worker.
    pub unstarted: Vec<RunId>,
    /// Claims in slots that no run waits for any more.
    pub leftover: Vec<Fence>,
    /// `@reboot` schedules that owe a fire for this boot, and the instant of it.
    pub booted: (UnixMs, Vec<Planned>),
}

/// Everything a core begins with.
pub struct Begun {
    /// The ring.
    pub ring: Ring,
    /// The store side.
    pub keeper: Keeper,
    /// What recovery found.
    pub found: Recovered,
    /// What the firing side must know first.
    pub facts: Vec<Fact>,
}

/// Why a core cannot begin.
#[derive(Debug, thiserror::Error)]
pub enum BeginError {
    /// The store.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The ring.
    #[error("the ring: {0}")]
    Ring(#[source] std::io::Error),
}

/// The store's name for itself, by which an emergency ring belongs to it.
const STORE_ID: &str = "store_id";

/// Opens the ring, recovers, and gathers what the firing side must know.
///
/// # Errors
/// Those of the store and of the ring file.
pub fn begin(
    store: Store,
    ring: &Path,
    holdings: Vec<Holding>,
    birth: &Birth,
    zone: &Zone,
    now: Now,
) -> Result<Begun, BeginError> {
    let rings = Rings::open(ring, None).map_err(BeginError::Ring)?;
    begin_with(store, rings, holdings, birth, zone, now)
}

/// The two ring files of an instance.
pub struct Rings {
    /// The ring file.
    pub main: Box<dyn Medium>,
    /// What was found in it.
    pub found: Vec<(i64, Record)>,
    /// Where the emergency ring is, where there may be one.
    pub refuge: Option<Refuge>,
}

impl Rings {
    /// Opens the ring file, or makes it.
    ///
    /// # Errors
    /// Those of the file.
    pub fn open(path: &Path, refuge: Option<Refuge>) -> std::io::Result<Rings> {
        let file = RingFile::open(path)?;
        Ok(Rings {
            found: file.read()?,
            main: Box::new(AtOnce::over(file)),
            refuge,
        })
    }
}

/// The same with ring files that are open already.
///
/// # Errors
/// Those of the store.
pub fn begin_with(
    mut store: Store,
    rings: Rings,
    holdings: Vec<Holding>,
    birth: &Birth,
    zone: &Zone,
    now: Now,
) -> Result<Begun, BeginError> {
    let known = store.meta(STORE_ID)?;
    let spare = rings.refuge.map(|refuge| {
        let owner = Owner {
            boot_id: birth.boot_id.clone(),
            store: known.clone().unwrap_or_default(),
        };
        Spare::new(refuge, owner)
    });
    let (mut ring, entries) = Ring::over(rings.main, rings.found, store.ring_seq()?, spare);
    let zones = Zones::new(zone.clone());
    let found = recover(&mut store, &entries, holdings, birth, &zones, now)?;
    let id = match known {
        Some(id) => id,
        None => {
            let id = identity::new_id().map_err(BeginError::Ring)?;
            store.set_meta(STORE_ID, &id)?;
            id
        }
    };
    ring.owned_by(&id);
    ring.settled();
    let mut keeper = Keeper::new(store, zones, ring.recorded());
    keeper.recorded_up_to(ring.last());
    let mut facts = keeper.begin(now.wall)?;
    facts.extend(boot_fires(&keeper, &found, zone)?);
    Ok(Begun {
        ring,
        keeper,
        found,
        facts,
    })
}

/// The fires of `@reboot` schedules for this boot.
fn boot_fires(keeper: &Keeper, found: &Recovered, zone: &Zone) -> Result<Vec<Fact>, StoreError> {
    let (boot_at, planned) = &found.booted;
    let mut facts = Vec::new();
    for planned in planned {
        let Some(job) = keeper.store().job(&planned.job)? else {
            continue;
        };
        if let Ok(schedule) = planned.schedule(zone) {
            let armed = Armed {
                planned: planned.clone(),
                schedule: Arc::new(schedule),
                next_at: *boot_at,
                epoch: 0,
            };
            facts.push(Fact::Due(vec![(Arc::new(job.job), vec![armed])]));
        }
    }
    Ok(facts)
}

/// Takes what the ring holds into the store, opens a session, and makes a world of what is there.
///
/// # Errors
/// Those of the store.
pub fn recover(
    store: &mut Store,
    ring: &[(i64, Record)],
    holdings: Vec<Holding>,
    birth: &Birth,
    zones: &Zones,
    now: Now,
) -> store::Result<Recovered> {
    let last = store.last_session()?;
    if last.is_none() {
        // Nothing was decided over this store: what the ring holds is of another that stood here.
        let seq = ring.last().map(|(seq, _)| *seq);
        store.record(&[], seq, now.wall)?;
    }
    let ring = ring.get(..).filter(|_| last.is_some()).unwrap_or_default();
    let records: Vec<Record> = ring.iter().map(|(_, record)| record.clone()).collect();
    // The time the last session was alive must be read before anything is recorded under it.
    if !records.is_empty() {
        let alive = last.as_ref().map_or(now.wall, |s| s.alive_at);
        let seq = ring.last().map(|(seq, _)| *seq);
        record_in_order(store, zones, &records, seq, alive)?;
    }
    if let Some(back) = last.as_ref().and_then(|s| set_back(s, now.wall)) {
        store.record(&[Record::Back(back)], None, now.wall)?;
    }
    store.give_back_numbers()?;
    let highest = holdings.iter().map(|h| h.fence().0).max().unwrap_or(0);
    let fence = Fence(store.last_fence()?.0.max(highest) + 1);
    let numbers = Numbers::with_provisional(store.next_provisional(PROVISIONAL)?);
    let mut world = World::new(birth.slots, &birth.boot_id, fence, numbers);
    let boot_at = boot_at(store, last.as_ref(), birth, now)?;
    for gap in gaps(last.as_ref(), birth, boot_at, now.wall) {
        world.gap(gap);
    }
    if let Some(last) = &last {
        tell_gap(store, last, birth, boot_at, now.wall)?;
    }
    let reboot = store.reboot_schedules(boot_at)?;
    store.open_session(&Session {
        pid: birth.pid,
        boot_id: birth.boot_id.clone(),
        version: env!("CARGO_PKG_VERSION").to_owned(),
        started_at: now.wall,
        alive_at: now.wall,
        stopped_at: None,
    })?;
    let (unstarted, leftover) = adopt(store, &mut world, holdings, birth, now.wall)?;
    Ok(Recovered {
        world,
        unstarted,
        leftover,
        booted: (boot_at, reboot),
    })
}

/// Whether the wall clock was set back while nobody was there.
fn set_back(last: &Session, now: UnixMs) -> Option<Back> {
    let by = last.alive_at - now;
    (by > LATE_MS).then_some(Back {
        to: now,
        all: by > FAR_MS,
    })
}

/// When the host booted, the same instant for as long as it is up: reckoned at the first start of
/// the daemon in a boot and kept, because the wall clock may be set afterwards.
fn boot_at(
    store: &mut Store,
    last: Option<&Session>,
    birth: &Birth,
    now: Now,
) -> store::Result<UnixMs> {
    if last.is_some_and(|s| s.boot_id == birth.boot_id)
        && let Some(known) = store.meta("boot_at")?.and_then(|v| v.parse().ok())
    {
        return Ok(known);
    }
    let boot_at = (now.wall - now.boot).div_euclid(1000) * 1000;
    store.set_meta("boot_at", &boot_at.to_string())?;
    Ok(boot_at)
}

/// The spans in which undecided instants were missed. They are open at the far end: whatever is
/// still undecided from before this start was not decided by anybody.
fn gaps(last: Option<&Session>, birth: &Birth, boot_at: UnixMs, now: UnixMs) -> Vec<Gap> {
    let until = if birth.again { now - AGAIN_MS } else { now };
    let down = |from| Gap {
        from,
        until,
        reason: MissReason::DaemonDown,
    };
    let rebooted = last.is_some_and(|s| s.boot_id != birth.boot_id);
    if !rebooted || boot_at >= until {
        return vec![down(UnixMs::MIN)];
    }
    let off = Gap {
        from: UnixMs::MIN,
        until: boot_at,
        reason: MissReason::HostOff,
    };
    vec![off, down(boot_at - 1)]
}

/// Writes the gap between two sessions down for people.
fn tell_gap(
    store: &mut Store,
    last: &Session,
    birth: &Birth,
    boot_at: UnixMs,
    now: UnixMs,
) -> store::Result<()> {
    let from = last.stopped_at.unwrap_or(last.alive_at).min(now);
    let mut records = Vec::new();
    let mut told = |from, until, reason| {
        if until > from {
            records.push(Record::Gap(Gap {
                from,
                until,
                reason,
            }));
        }
    };
    if last.boot_id == birth.boot_id {
        told(from, now, MissReason::DaemonDown);
    } else {
        told(from, boot_at, MissReason::HostOff);
        told(boot_at.max(from), now, MissReason::DaemonDown);
    }
    let how = match (last.stopped_at, birth.again) {
        (Some(_), _) => "after it was stopped",
        (None, true) => "again by its guardian, because it had died",
        (None, false) => "after it had died",
    };
    records.push(Record::Note(Note {
        at: now,
        level: if last.stopped_at.is_some() {
            Level::Info
        } else {
            Level::Warn
        },
        kind: "daemon".to_owned(),
        job: None,
        run: None,
        text: format!(
            "the daemon was started {how}; it was away for {} ms",
            now - from
        ),
    }));
    // Recording a gap must not make the last session look alive until now.
    store.record(&records, None, last.alive_at)?;
    Ok(())
}
