//! Watches that begin anew, or go on without what they wait for.

use rusqlite::{Transaction, params};

use crate::model::Initial;
use crate::schedule::UnixMs;
use crate::store::held::release_held;
use crate::store::watches::{known, note, spec_text, watch_row};
use crate::store::{Result, Store, StoreError};

/// What a reset changes.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Reset {
    /// Where the cursor begins anew; the definition has it from then on.
    pub initial: Option<Initial>,
    /// Whether the keys it has seen are forgotten, and with them the last result of mode `changed`
    /// and the side of mode `threshold`.
    pub forget: bool,
}

impl Store {
    /// Gives up the polls whose runs a watch waits for, and lets it go on after what they found; it is
    /// due at once. Says how many.
    ///
    /// # Errors
    /// [`StoreError::NoSuchWatch`].
    pub fn skip_watch(&mut self, name: &str, by: &str, now: UnixMs) -> Result<usize> {
        self.write(|tx| {
            let changed = tx.execute(
                "UPDATE watch SET spec = spec, version = version + 1, next_at = ?2, updated_at = ?2
                 WHERE name = ?1",
                params![name, now],
            )?;
            known(changed, name)?;
            let given_up = release_held(tx, name, now)?;
            note(
                tx,
                name,
                format!("{by} let it go on without what it waited for"),
                now,
            )?;
            Ok(given_up)
        })
    }

    /// Lets a watch begin anew; it is due at once. What a poll that is under way brings is not
    /// remembered (the version grows), and polls that wait for their runs are given up.
    ///
    /// # Errors
    /// [`StoreError::NoSuchWatch`].
    pub fn reset_watch(&mut self, name: &str, reset: &Reset, by: &str, now: UnixMs) -> Result<()> {
        self.write(|tx| {
            let row =
                watch_row(tx, name)?.ok_or_else(|| StoreError::NoSuchWatch(name.to_owned()))?;
            if let Some(initial) = &reset.initial {
                let mut watch = row.watch.clone();
                watch.initial = initial.clone();
                let spec = spec_text(&watch)?;
                tx.execute("UPDATE watch SET spec = ?2 WHERE name = ?1", [name, &spec])?;
            }
            // Keys seen near an old place would hide rows after the new one.
            if reset.initial.is_some() || reset.forget {
                forget(tx, name)?;
            }
            tx.execute(
                "UPDATE watch SET spec = spec, version = version + 1, next_at = ?2, updated_at = ?2
                 WHERE name = ?1",
                params![name, now],
            )?;
            note(tx, name, format!("reset by {by}"), now)
        })
    }
}

/// Forgets what a watch remembers, the polls that wait for their runs among it.
pub(in crate::store) fn forget(tx: &Transaction<'_>, name: &str) -> Result<()> {
    tx.execute("UPDATE watch SET memory = '{}' WHERE name = ?1", [name])?;
    tx.execute("DELETE FROM seen WHERE watch = ?1", [name])?;
    tx.execute(
        "UPDATE poll SET held = NULL WHERE watch = ?1 AND held IS NOT NULL",
        [name],
    )?;
    Ok(())
}
