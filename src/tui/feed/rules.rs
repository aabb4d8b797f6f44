//! What needs attention by what is recorded, found anew only when something was recorded.

use crate::schedule::UnixMs;
use crate::store::{Result, Store};
use crate::view::attention::{Attention, recorded};

/// How long what was found holds where nothing was recorded, milliseconds: what somebody took note
/// of until an instant comes back by itself.
const HOLDS_MS: i64 = 300_000;

/// What was found last.
#[derive(Default)]
pub struct Rules {
    found: Vec<Attention>,
    found_at: Option<UnixMs>,
}

impl Rules {
    /// Something was recorded.
    pub fn forget(&mut self) {
        self.found_at = None;
    }

    /// What the rules find.
    ///
    /// # Errors
    /// Those of reading.
    pub fn recorded(&mut self, store: &Store, now: UnixMs) -> Result<Vec<Attention>> {
        let holds = |at: UnixMs| (0..HOLDS_MS).contains(&(now - at));
        if !self.found_at.is_some_and(holds) {
            self.found = recorded(store, now)?;
            self.found_at = Some(now);
        }
        Ok(self.found.clone())
    }
}
