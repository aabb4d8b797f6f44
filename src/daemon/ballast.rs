//! A file that takes up room, so that there is some when the disk is full: it is removed then, and
//! made again when there is plenty.

use std::fs;
use std::io::{self, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::PathBuf;

use crate::model::TroubleKind;

/// How much it takes up, bytes.
const SIZE: usize = 4 << 20;

/// Room there must be before it is made, bytes.
const PLENTY: u64 = 64 << 20;

/// The file.
pub struct Ballast {
    path: PathBuf,
}

impl Ballast {
    /// In a directory; nothing is made yet.
    pub fn new(spool: &std::path::Path) -> Ballast {
        Ballast {
            path: spool.join("ballast"),
        }
    }

    /// Makes it where it is missing and there is plenty of room.
    ///
    /// # Errors
    /// Those of writing; half a file is removed again.
    pub fn load(&self) -> io::Result<()> {
        if fs::metadata(&self.path).is_ok_and(|found| found.len() == SIZE as u64) {
            return Ok(());
        }
        let dir = self.path.parent().unwrap_or(std::path::Path::new("/"));
        let room = rustix::fs::statvfs(dir)?;
        if room.f_bavail.saturating_mul(room.f_frsize) < PLENTY {
            return Ok(());
        }
        let write = || {
            let mut file = fs::File::options()
                .write(true)
                .create(true)
                .truncate(true)
                .mode(0o600)
                .open(&self.path)?;
            // Not zeros alone: a file system that compresses would give no room back for those.
            let mut seed = 0x9e37_79b9_u32;
            let bytes: Vec<u8> = (0..SIZE)
                .map(|_| {
                    seed ^= seed << 13;
                    seed ^= seed >> 17;
                    seed ^= seed << 5;
                    seed.to_le_bytes()[1]
                })
                .collect();
            file.write_all(&bytes)?;
            file.sync_all()
        };
        write().inspect_err(|_| {
            let _ = fs::remove_file(&self.path);
        })
    }

    /// Gives its room back. Says whether there was any to give.
    pub fn drop_it(&self) -> bool {
        fs::remove_file(&self.path).is_ok()
    }

    /// What a failed write means, asked of the file system itself: SQLite tells a used-up quota
    /// from a disk that fails by no code.
    pub fn sound_out(&self, kind: TroubleKind) -> TroubleKind {
        if !matches!(kind, TroubleKind::Io | TroubleKind::Other) {
            return kind;
        }
        let path = self.path.with_file_name("probe");
        let tried = fs::write(&path, [1_u8; 4096]);
        let _ = fs::remove_file(&path);
        let Err(e) = tried else { return kind };
        match e.kind() {
            io::ErrorKind::StorageFull => TroubleKind::Full,
            io::ErrorKind::QuotaExceeded => TroubleKind::Quota,
            io::ErrorKind::ReadOnlyFilesystem => TroubleKind::ReadOnly,
            io::ErrorKind::PermissionDenied => TroubleKind::Denied,
            _ => kind,
        }
    }
}
