//! Schedules as the store holds them, made ready to be asked.

use crate::model::Planned;
use crate::schedule::{ParseOptions, Schedule, Zone};

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
}
