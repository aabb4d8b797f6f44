//! Where the slots are: on the instance's disk, and in memory while that disk does not answer.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

/// Slots in the first refuge have numbers above this, those in the second above twice this.
const STEP: u32 = 1_000_000;

/// The directories of slots.
#[derive(Debug)]
pub(in crate::process) struct Dirs {
    main: PathBuf,
    refuges: BTreeMap<u32, PathBuf>,
}

/// Which refuge a slot is in, from 1; nothing for one on the disk.
pub fn refuge_of(number: u32) -> Option<u32> {
    Some(number.saturating_sub(1) / STEP).filter(|index| *index > 0)
}

impl Dirs {
    /// Slots on the disk only.
    pub fn of(main: PathBuf) -> Dirs {
        Dirs {
            main,
            refuges: BTreeMap::new(),
        }
    }

    /// There are slots here as well.
    pub fn add_refuge(&mut self, index: u32, dir: PathBuf) {
        self.refuges.insert(index, dir);
    }

    /// The directory of a slot.
    pub fn slot(&self, number: u32) -> PathBuf {
        let dir = refuge_of(number).and_then(|index| self.refuges.get(&index));
        dir.unwrap_or(&self.main).join(number.to_string())
    }

    /// The directories themselves.
    pub fn all(&self) -> impl Iterator<Item = &Path> {
        std::iter::once(&self.main)
            .chain(self.refuges.values())
            .map(PathBuf::as_path)
    }

    /// The first number of a slot: on the disk, or in a refuge.
    pub fn first(refuge: Option<u32>) -> u32 {
        refuge.unwrap_or(0) * STEP + 1
    }
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use crate::process::dirs::{Dirs, refuge_of};

    #[test]
    fn a_number_says_where_its_slot_is() {
        let mut dirs = Dirs::of("/disk".into());
        dirs.add_refuge(1, "/memory".into());
        assert_eq!(dirs.slot(7), Path::new("/disk/7"));
        let first = Dirs::first(Some(1));
        assert_eq!((first, refuge_of(first)), (1_000_001, Some(1)));
        assert_eq!(dirs.slot(first), Path::new("/memory/1000001"));
        assert_eq!(refuge_of(Dirs::first(None)), None);
        assert_eq!(refuge_of(1_000_000), None);
    }
}
