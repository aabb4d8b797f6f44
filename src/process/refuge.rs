//! The pool while the disk of its slots does not take what it is given, and what it sets aside for
//! a disk that is full.

use std::io;
use std::os::unix::fs::FileExt;
use std::path::PathBuf;

use crate::process::capture::HEADER_AND_BLOCK;
use crate::process::dirs::refuge_of;
use crate::process::evidence::lay_out;
use crate::process::ledger::Ledger;
use crate::process::place::Use;
use crate::process::pool::Pool;
use crate::process::slot::Slot;

/// Slots set aside at one go, so that no start has to wait for long.
const AT_ONCE: u32 = 4;

impl Pool {
    /// So many slots are to be ready for a disk without room. They are made little by little, when
    /// there is nothing else to do.
    #[must_use]
    pub fn with_reserve(mut self, slots: u32) -> Pool {
        self.reserve_until = slots;
        self
    }

    /// Slots of a core before us may be here; to be said before [`Pool::survey`]. Each directory has
    /// a number, from 1, which is always the same.
    pub fn with_refuges(&mut self, dirs: impl Iterator<Item = (u32, PathBuf)>) {
        dirs.for_each(|(index, dir)| self.dirs.add_refuge(index, dir));
    }

    /// From now on runs start in slots here, and the disk of the others is not touched: a thread
    /// that waits for it cannot be interrupted.
    ///
    /// # Errors
    /// The directory can be neither made nor used; then everything is as it was.
    pub fn take_refuge(&mut self, index: u32, dir: PathBuf) -> io::Result<()> {
        Slot::create(&dir)?;
        self.dirs.add_refuge(index, dir);
        self.refuge = Some(index);
        Ok(())
    }

    /// The disk takes again what it is given.
    pub fn leave_refuge(&mut self) {
        self.refuge = None;
        let (away, idle) = std::mem::take(&mut self.idle)
            .into_iter()
            .partition(|number| refuge_of(*number).is_some());
        self.idle = idle;
        let away: Vec<u32> = away;
        away.into_iter().for_each(|number| self.send_away(number));
    }

    /// Whether a slot may be used, or touched at all, at the moment.
    pub(in crate::process) fn is_open(&self, number: u32) -> bool {
        refuge_of(number) == self.refuge
    }

    /// Whether writing into a slot may wait for a disk that does not answer.
    pub(in crate::process) fn may_hang(&self, number: u32) -> bool {
        self.refuge.is_some() && refuge_of(number).is_none()
    }

    /// Removes slots in a refuge that is not needed any more.
    pub(in crate::process) fn tidy_refuge(&mut self) {
        if self.refuge.is_some() {
            return;
        }
        let vacant = |number: &u32| {
            let place = self.places.get(number);
            refuge_of(*number).is_some() && place.is_some_and(|p| p.used == Use::Vacant)
        };
        let vacant: Vec<u32> = self.places.keys().copied().filter(vacant).collect();
        for number in vacant {
            // With the lock in hand, so that nobody comes to life there meanwhile.
            let path = self.dirs.slot(number);
            if let Ok(Some(_lock)) = Slot::open(&path).and_then(|slot| slot.try_lock()) {
                // What cannot be removed is memory lost until the next boot, and no more.
                let _ = std::fs::remove_dir_all(&path);
            }
            self.places.remove(&number);
            if let Some(dir) = path.parent() {
                // The last one out takes the directory away.
                let gone = std::fs::remove_dir(dir).is_ok();
                if let Some(above) = dir.parent().filter(|_| gone) {
                    let _ = std::fs::remove_dir(above);
                }
            }
        }
    }

    /// Sets some more slots aside. Says whether any are still to be.
    pub(in crate::process) fn reserve_some(&mut self) -> bool {
        if self.refuge.is_some() || !self.surveyed {
            return false;
        }
        for _ in 0..AT_ONCE {
            if self.reserved >= self.reserve_until {
                return false;
            }
            self.reserved += 1;
            let number = self.reserved;
            let used = self.places.get(&number).map(|p| p.used);
            if used.is_none_or(|u| u == Use::Vacant) && self.reserve(number).is_err() {
                // No room, or no right: it is tried again by the next core.
                self.reserved = self.reserve_until;
            }
        }
        self.reserved < self.reserve_until
    }

    fn reserve(&self, number: u32) -> io::Result<()> {
        let slot = Slot::create(&self.dirs.slot(number))?;
        let Some(_lock) = slot.try_lock()? else {
            return Ok(());
        };
        Ledger::over(slot.file("ledger")?)?;
        lay_out(&slot.file("evidence")?)?;
        let out = slot.file("out")?;
        let len = usize::try_from(out.metadata()?.len()).unwrap_or(HEADER_AND_BLOCK);
        if len < HEADER_AND_BLOCK {
            out.write_all_at(&[0; HEADER_AND_BLOCK][len..], len as u64)?;
        }
        Ok(())
    }
}
