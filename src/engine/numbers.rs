//! The numbers new runs get.

use crate::model::RunId;

/// Numbers from here on are provisional: the store gives such a run another number when it records
/// it. They are used when the numbers put aside by the store have run out, because many fires fell
/// due at once or because the store cannot be written, and can never be a client's.
pub const PROVISIONAL: i64 = 1 << 40;

/// Numbers the store has put aside, and where provisional ones go on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Numbers {
    next: i64,
    end: i64,
    provisional: i64,
}

impl Default for Numbers {
    fn default() -> Numbers {
        Numbers {
            next: 1,
            end: 1,
            provisional: PROVISIONAL,
        }
    }
}

impl Numbers {
    /// Provisional numbers go on from here.
    pub fn with_provisional(from: RunId) -> Numbers {
        Numbers {
            provisional: from.0.max(PROVISIONAL),
            ..Numbers::default()
        }
    }

    /// The store has put aside the numbers from `first` to before `end`.
    pub fn aside(&mut self, first: RunId, end: RunId) {
        self.next = self.next.max(first.0);
        self.end = self.end.max(end.0);
    }

    /// A number for a new run.
    pub fn take(&mut self) -> RunId {
        let from = if self.next < self.end {
            &mut self.next
        } else {
            &mut self.provisional
        };
        let number = RunId(*from);
        *from += 1;
        number
    }

    /// This number is in use.
    pub fn used(&mut self, run: RunId) {
        let (next, used) = if run.0 >= PROVISIONAL {
            (&mut self.provisional, run.0)
        } else {
            (&mut self.next, run.0)
        };
        *next = (*next).max(used + 1);
    }
}
