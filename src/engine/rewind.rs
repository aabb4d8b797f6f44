//! What a wall clock that was set back means for the world.

use crate::engine::World;
use crate::model::{Back, ScheduleId};

impl World {
    /// The wall clock was set back: all schedules, or those that follow the clock, go on from there.
    /// Those whose number of fires is bounded are forgotten: the store counts what is left of them
    /// and brings them again.
    pub fn rewind(&mut self, back: &Back) {
        self.epoch += 1;
        self.evicted.clear();
        for armed in self.armed.values_mut() {
            armed.epoch = self.epoch;
        }
        let ids: Vec<ScheduleId> = self
            .armed
            .values()
            // One that is behind still owes what lies before.
            .filter(|a| a.next_at > back.to)
            .filter(|a| back.all || a.schedule.follows_the_clock())
            .map(|a| a.planned.id)
            .collect();
        for id in ids {
            let Some(mut armed) = self.armed.get(&id).cloned() else {
                continue;
            };
            self.disarm(id);
            if armed.planned.terms.max_fires.is_some() {
                continue;
            }
            let start = armed.planned.terms.start_at.map(|at| at - 1);
            if back.all {
                armed.planned.from = back.to.max(start.unwrap_or(back.to));
            }
            let from = back.to.max(armed.planned.from);
            if let Some(next_at) = armed.schedule.next_after(from) {
                armed.next_at = next_at;
                self.arm(armed);
            }
        }
    }
}
