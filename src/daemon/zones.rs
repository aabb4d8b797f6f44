//! Schedules as the store holds them, made ready to be asked.

use std::sync::Arc;

use crate::engine::Armed;
use crate::model::Back;
use crate::schedule::{UnixMs, Zone};
use crate::store::{self, Rewound, Store};

/// What is needed to read a stored schedule: the host's own zone for those that name none.
#[derive(Clone, Debug)]
pub struct Zones {
    system: Zone,
    stamp: u64,
    /// Whether schedules still have to go by the new rules.
    stale: bool,
    /// How often the clock was set back; what was read before the last time is out of date.
    epoch: u64,
}

impl Zones {
    /// With the zone for schedules that name none.
    pub fn new(system: Zone) -> Zones {
        Zones {
            system,
            stamp: Zone::edition_stamp(),
            stale: false,
            epoch: 0,
        }
    }

    /// The clock was set back once more, and the ledger with it.
    pub fn rewound_once(&mut self) {
        self.epoch += 1;
    }

    /// Whether the rules of the zones have changed on disk since the last time this was asked. If
    /// so they are read anew.
    fn changed(&mut self) -> bool {
        let stamp = Zone::edition_stamp();
        if std::mem::replace(&mut self.stamp, stamp) == stamp {
            return false;
        }
        Zone::reload();
        if let Ok(system) = Zone::named(self.system.name()) {
            self.system = system;
        }
        true
    }

    /// Makes the schedules in force anew where the rules of the zones have changed. Says how many
    /// there are then.
    ///
    /// # Errors
    /// Those of the store; it is done the next time.
    pub fn renew(&mut self, store: &mut Store, now: UnixMs) -> store::Result<Option<usize>> {
        self.stale |= self.changed();
        if !self.stale {
            return Ok(None);
        }
        let mut count = 0;
        for zone in store.zones_in_force()? {
            count += store.renew_zone(zone.as_deref(), now)?;
        }
        self.stale = false;
        Ok(Some(count))
    }

    /// Makes schedules ready to be asked, and plans the first instant of those that are new. One
    /// that cannot be read is marked and left out; it is never dropped.
    ///
    /// # Errors
    /// Those of the store.
    pub fn arm(&self, store: &mut Store, rows: Vec<store::Armed>) -> store::Result<Vec<Armed>> {
        let mut armed = Vec::new();
        let mut first = Vec::new();
        for row in rows {
            let schedule = match row.planned.schedule(&self.system) {
                Ok(schedule) => schedule,
                Err(error) => {
                    store.set_schedule_error(row.planned.id, Some(&error.to_string()))?;
                    continue;
                }
            };
            if row.failed {
                store.set_schedule_error(row.planned.id, None)?;
            }
            let mut next_at = row.next_at;
            if next_at == 0 {
                let until = row.planned.until.unwrap_or(UnixMs::MAX);
                let next = schedule
                    .next_after(row.planned.from)
                    .filter(|at| *at <= until);
                first.push((row.planned.id, next));
                match next {
                    Some(next) => next_at = next,
                    None => continue,
                }
            }
            armed.push(Armed {
                planned: row.planned,
                schedule: Arc::new(schedule),
                next_at,
                epoch: self.epoch,
            });
        }
        store.plan_first(&first)?;
        Ok(armed)
    }

    /// The versions that go on from where the clock was set back to, each with its next instant.
    /// One that cannot be read is left as it is.
    ///
    /// # Errors
    /// Those of the store.
    pub fn rewound(&self, store: &Store, back: &Back) -> store::Result<Vec<Rewound>> {
        let mut versions = Vec::new();
        for row in store.ahead_of(back.to)? {
            let Ok(schedule) = row.planned.schedule(&self.system) else {
                continue;
            };
            // One that is behind still owes what lies before; one still to be planned owes all.
            let behind = row.next_at <= back.to && row.owes;
            if behind || schedule.is_reboot() || !(back.all || schedule.follows_the_clock()) {
                continue;
            }
            let reopened = row.done;
            let ended = row.ended.filter(|_| !reopened);
            let start = row.planned.terms.start_at.map_or(UnixMs::MIN, |at| at - 1);
            let end = row.planned.terms.end_at.unwrap_or(UnixMs::MAX);
            let (from, until) = match (back.all, ended) {
                // It had ended while the clock was wrong.
                (true, Some(_)) => (back.to, back.to),
                (true, None) => (back.to.max(start), end),
                (false, ended) => (
                    back.to.max(row.planned.from),
                    ended.map_or(end, |ended| end.min(ended)),
                ),
            };
            versions.push(Rewound {
                schedule: row.planned.id,
                next_at: schedule.next_after(from).filter(|at| *at <= until),
                reopened,
            });
        }
        Ok(versions)
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use crate::daemon::zones::Zones;
    use crate::schedule::Zone;
    use crate::store::Store;

    #[test]
    fn new_rules_that_meet_a_fault_hold_afterwards() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("crake.db");
        let mut store = Store::open(&path).unwrap();
        store.set_patience(Duration::ZERO).unwrap();
        let client = rusqlite::Connection::open(&path).unwrap();
        client
            .execute_batch(
                "INSERT INTO schedule(job, expr, from_at) VALUES('hello', '* * * * *', 0);
                 BEGIN IMMEDIATE",
            )
            .unwrap();
        let mut zones = Zones::new(Zone::named("UTC").unwrap());
        zones.stale = true;
        zones.renew(&mut store, 1).unwrap_err();
        client.execute_batch("ROLLBACK").unwrap();
        assert_eq!(zones.renew(&mut store, 1).unwrap(), Some(1));
        assert_eq!(zones.renew(&mut store, 1).unwrap(), None);
    }
}
