//! Where zone files are, and whether they are still what they were.

use std::collections::hash_map::DefaultHasher;
use std::fs::Metadata;
use std::hash::{Hash, Hasher};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

const TZDATA: &str = "/usr/share/zoneinfo";

/// What tells one state of a file from another: a package manager puts a new file in its place, an
/// administrator may write into the old one.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Stamp {
    device: u64,
    inode: u64,
    size: u64,
    seconds: i64,
    nanoseconds: i64,
}

impl Stamp {
    /// Returns the stamp of what a path leads to; none if there is nothing.
    pub fn of(path: &Path) -> Option<Stamp> {
        std::fs::metadata(path).ok().map(Stamp::new)
    }

    fn new(metadata: Metadata) -> Stamp {
        Stamp {
            device: metadata.dev(),
            inode: metadata.ino(),
            size: metadata.size(),
            seconds: metadata.mtime(),
            nanoseconds: metadata.mtime_nsec(),
        }
    }
}

/// Returns the tree of zone files: `TZDIR` if that is set, as the C library and jiff have it.
pub(crate) fn tzdata_dir() -> PathBuf {
    let named = std::env::var_os("TZDIR").filter(|dir| !dir.is_empty());
    named.map_or(PathBuf::from(TZDATA), PathBuf::from)
}

/// Returns one number for the state of several paths, links and what they lead to.
pub(crate) fn combined(paths: &[&Path]) -> u64 {
    // Within one process this hash is always the same, which is all that is asked of it.
    let mut hasher = DefaultHasher::new();
    for path in paths {
        Stamp::of(path).hash(&mut hasher);
        let link = std::fs::symlink_metadata(path).ok().map(Stamp::new);
        link.hash(&mut hasher);
    }
    hasher.finish()
}
