//! Schedules as the store holds them, made ready to be asked.

use std::sync::Arc;

use crate::engine::Armed;
use crate::model::Planned;
use crate::schedule::{ParseOptions, Schedule, UnixMs, Zone};
use crate::store::{self, Store};

/// What is needed to read a stored schedule: the host's own zone for those that name none.
#[derive(Clone, Debug)]
pub struct Zones {
    system: Zone,
}

impl Zones {
    /// With the zone for schedules that name none.
    pub fn new(system: Zone) -> Zones {
        Zones { system }
    }

    /// Reads a stored schedule.
    ///
    /// # Errors
    /// In words, where the expression or the zone is not understood.
    pub fn schedule(&self, planned: &Planned) -> Result<Schedule, String> {
        let zone = match &planned.zone {
            Some(name) => Zone::named(name).map_err(|e| e.to_string())?,
            None => self.system.clone(),
        };
        let dst = planned
            .dst
            .parse()
            .map_err(|_| format!("unknown dst rule \"{}\"", planned.dst))?;
        let options = ParseOptions {
            zone,
            dst,
            anchor: planned.anchor,
            ..ParseOptions::default()
        };
        Schedule::parse(&planned.expr, &options).map_err(|e| e.to_string())
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
            let schedule = match self.schedule(&row.planned) {
                Ok(schedule) => schedule,
                Err(error) => {
                    store.set_schedule_error(row.planned.id, Some(&error))?;
                    continue;
                }
            };
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
            });
        }
        store.plan_first(&first)?;
        Ok(armed)
    }
}
