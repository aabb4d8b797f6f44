//! Going on over another file, when the store had to be made anew.

use std::sync::atomic::Ordering;

use crate::daemon::care::PATIENCE;
use crate::daemon::keeper::Keeper;
use crate::daemon::sequence::record_in_order;
use crate::model::Record;
use crate::schedule::UnixMs;
use crate::store::{self, Store};

impl Keeper {
    /// What was written beside the records is looked at with the next step.
    pub fn look_anew(&mut self) {
        self.seen = -1;
    }

    /// Goes on over another store, which holds what the last one held: with what waits here, and
    /// with these records of the ring where it lacks them. Everything is looked at anew; what the
    /// firing side has stays what it is. Gives the store there was.
    ///
    /// # Errors
    /// Those of the new store.
    pub fn go_on_over(
        &mut self,
        mut store: Store,
        ring: &[(i64, Record)],
        now: UnixMs,
    ) -> store::Result<Store> {
        let (has, told) = (store.ring_seq()?, self.recorded.load(Ordering::Acquire));
        let lacks: Vec<Record> = ring
            .iter()
            .filter(|(seq, _)| *seq > has && *seq <= told)
            .map(|(_, record)| record.clone())
            .collect();
        let renumbered = record_in_order(&mut store, &self.zones, &lacks, Some(told), now)?;
        self.held.renumbered(renumbered);
        store.checkpoint_by_hand()?;
        store.set_patience(PATIENCE)?;
        (self.seen, self.reload, self.refill) = (-1, true, true);
        self.look_at = None;
        Ok(std::mem::replace(&mut self.store, store))
    }
}
