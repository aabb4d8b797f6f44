//! A directory in memory for the time in which the disk does not answer.
//!
//! It is made when it is first needed and removed when nothing in it is needed any more. Where it
//! is depends on nothing but the user and the instance, so that whatever was written there is found
//! by the next core, whoever starts it.

use std::fs::File;
use std::io;
use std::os::unix::fs::{DirBuilderExt, MetadataExt};
use std::path::{Path, PathBuf};

use rustix::fs::{Mode, OFlags};

/// What statfs(2) calls a file system in memory: tmpfs and ramfs.
const IN_MEMORY: [i64; 2] = [0x0102_1994, 0x8584_58f6];

/// The directories that may be the refuge of an instance, the best first.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Refuge {
    candidates: Vec<PathBuf>,
    /// Whether any file system will do.
    anywhere: bool,
}

impl Refuge {
    /// The refuge of the instance that keeps its ring in `spool`.
    pub fn of(spool: &Path) -> Refuge {
        // However the path is written, it is one instance.
        let spool = std::fs::canonicalize(spool).unwrap_or_else(|_| spool.to_owned());
        let name = fingerprint(spool.as_os_str().as_encoded_bytes());
        let uid = rustix::process::geteuid().as_raw();
        let own = match uid {
            0 => PathBuf::from("/run/crake").join(&name),
            uid => PathBuf::from(format!("/run/user/{uid}/crake-{name}")),
        };
        let shared = PathBuf::from(format!("/dev/shm/crake-{uid}-{name}"));
        Refuge {
            candidates: vec![own, shared],
            anywhere: false,
        }
    }

    /// One at the given place, whatever file system that is on.
    pub fn at(dir: &Path) -> Refuge {
        Refuge {
            candidates: vec![dir.to_owned()],
            anywhere: true,
        }
    }

    /// The directories that are there, are ours, and nobody else can write to, each with its
    /// number, from 1.
    pub fn existing(&self) -> Vec<(u32, PathBuf)> {
        let there = |(_, dir): &(u32, PathBuf)| is_ours(dir);
        self.numbered().filter(there).collect()
    }

    /// The directory with a number.
    pub fn numbered_so(&self, number: u32) -> Option<PathBuf> {
        self.existing()
            .into_iter()
            .find(|(n, _)| *n == number)
            .map(|(_, dir)| dir)
    }

    fn numbered(&self) -> impl Iterator<Item = (u32, PathBuf)> {
        (1..).zip(self.candidates.iter().cloned())
    }

    /// The directory and its number, made (mode 0700) where it is missing.
    ///
    /// # Errors
    /// There is no file system in memory in which we may make it, or somebody else was there first.
    pub fn make(&self) -> io::Result<(u32, PathBuf)> {
        let mut last = io::Error::from(io::ErrorKind::NotFound);
        for (number, dir) in self.numbered() {
            match make(&dir, self.anywhere) {
                Ok(()) => return Ok((number, dir)),
                Err(e) => last = e,
            }
        }
        Err(last)
    }

    /// Removes what is empty of it.
    pub fn remove(&self) {
        for dir in &self.candidates {
            // What is in use stays.
            let _ = std::fs::remove_dir(dir.join("slots"));
            let _ = std::fs::remove_dir(dir);
        }
    }
}

fn make(dir: &Path, anywhere: bool) -> io::Result<()> {
    let parent = dir.parent().ok_or(io::ErrorKind::NotFound)?;
    if !parent.is_dir() && parent.ends_with("crake") {
        let above = parent.parent().ok_or(io::ErrorKind::NotFound)?;
        in_memory(above)?;
        directory(parent)?;
    }
    if !anywhere {
        in_memory(parent)?;
    }
    directory(dir)?;
    if is_ours(dir) {
        return Ok(());
    }
    Err(io::Error::new(
        io::ErrorKind::PermissionDenied,
        format!("{} is not ours alone", dir.display()),
    ))
}

fn directory(dir: &Path) -> io::Result<()> {
    match std::fs::DirBuilder::new().mode(0o700).create(dir) {
        Err(e) if e.kind() != io::ErrorKind::AlreadyExists => Err(e),
        _ => Ok(()),
    }
}

/// Nothing is gained by a refuge on a disk.
fn in_memory(dir: &Path) -> io::Result<()> {
    // The type is signed on some machines, and of another width on others.
    #[allow(clippy::unnecessary_cast, clippy::useless_conversion)]
    let kind = rustix::fs::statfs(dir)?.f_type as i64;
    if IN_MEMORY.contains(&kind) {
        return Ok(());
    }
    Err(io::Error::other(format!(
        "{} is not in memory",
        dir.display()
    )))
}

/// Whether it is a directory of ours that nobody else can use; no link is followed.
fn is_ours(dir: &Path) -> bool {
    let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    let Ok(fd) = rustix::fs::open(dir, flags, Mode::empty()) else {
        return false;
    };
    File::from(fd).metadata().is_ok_and(|found| {
        found.uid() == rustix::process::geteuid().as_raw() && found.mode() & 0o077 == 0
    })
}

/// A short name for a path: the FNV-1a hash of 64 bits.
fn fingerprint(bytes: &[u8]) -> String {
    let step = |hash: u64, byte: &u8| (hash ^ u64::from(*byte)).wrapping_mul(0x0100_0000_01b3);
    let hash = bytes.iter().fold(0xcbf2_9ce4_8422_2325, step);
    format!("{hash:016x}")
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt;

    use crate::daemon::refuge::{Refuge, is_ours};

    #[test]
    fn a_directory_others_can_use_is_no_refuge() {
        let dir = tempfile::tempdir().unwrap();
        let mode = |bits| std::fs::set_permissions(dir.path(), PermissionsExt::from_mode(bits));
        mode(0o755).unwrap();
        assert!(!is_ours(dir.path()));
        mode(0o700).unwrap();
        assert!(is_ours(dir.path()));
    }

    #[test]
    fn a_link_is_no_refuge() {
        let dir = tempfile::tempdir().unwrap();
        let link = dir.path().join("link");
        std::fs::create_dir(dir.path().join("real")).unwrap();
        std::os::unix::fs::symlink(dir.path().join("real"), &link).unwrap();
        assert_eq!(Refuge::at(&link).existing(), []);
    }

    #[test]
    fn two_instances_have_two_refuges() {
        let (a, b) = (Refuge::of("/a".as_ref()), Refuge::of("/b".as_ref()));
        assert_ne!(a, b);
        assert_eq!(a, Refuge::of("/a".as_ref()));
    }
}
