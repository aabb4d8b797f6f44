//! Run numbers that are put aside for the firing side.

use crate::daemon::fact::Fact;
use crate::daemon::keeper::{AHEAD_MS, Keeper};
use crate::engine::PROVISIONAL;
use crate::model::RunId;
use crate::schedule::UnixMs;
use crate::store;

impl Keeper {
    /// Puts run numbers aside for the firing side, about as many as it will soon use. Once clients
    /// have drawn higher ones, those still aside are given up, so that numbers grow with time.
    pub(in crate::daemon::keeper) fn numbers(
        &mut self,
        now: UnixMs,
        facts: &mut Vec<Fact>,
    ) -> store::Result<()> {
        let (wanted, then) = self.store.numbers_wanted(now + AHEAD_MS)?;
        self.numbers_at = then.map(|at| at - AHEAD_MS / 2);
        let last = self.store.last_number()?.0;
        let left = self.numbers_end - self.numbers_used;
        if last == self.numbers_end && left * 2 >= wanted {
            return Ok(());
        }
        let first = if last == self.numbers_end {
            self.store.reserve_numbers(wanted - left.max(0))?;
            self.numbers_used + 1
        } else {
            self.store.reserve_numbers(wanted)?.0
        };
        self.numbers_used = first - 1;
        self.numbers_end = self.store.last_number()?.0;
        facts.push(Fact::Numbers(RunId(first), RunId(self.numbers_end + 1)));
        Ok(())
    }

    /// A number was used.
    pub(in crate::daemon::keeper) fn number_used(&mut self, run: RunId) {
        if run.0 < PROVISIONAL {
            self.numbers_used = self.numbers_used.max(run.0);
        }
    }
}
