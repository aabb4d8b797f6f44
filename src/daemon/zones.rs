//! Schedules as the store holds them, made ready to be asked.

use std::sync::Arc;

use crate::engine::Armed;
use crate::schedule::{UnixMs, Zone};
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
