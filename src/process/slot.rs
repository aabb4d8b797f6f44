//! A slot directory: `lock`, `ledger`, `out` and `sock`, reused by one worker after another.

use std::fs::File;
use std::io;
use std::os::fd::{AsRawFd, OwnedFd};
use std::path::{Path, PathBuf};

use rustix::fs::{AtFlags, FlockOperation, Mode, OFlags};
use rustix::net::{AddressFamily, SocketAddrUnix, SocketFlags, SocketType};

/// Where the output of the run in slot `number` is, for a [`crate::process::Follower`].
pub fn output_path(slots_dir: &Path, number: u32) -> PathBuf {
    directory(slots_dir, number).join("out")
}

/// The directory of slot `number`.
pub(in crate::process) fn directory(slots_dir: &Path, number: u32) -> PathBuf {
    slots_dir.join(number.to_string())
}

/// An open slot directory.
pub(in crate::process) struct Slot {
    dir: OwnedFd,
}

impl Slot {
    /// Opens the directory, making it (mode 0700) where it is missing.
    pub fn create(path: &Path) -> io::Result<Slot> {
        match rustix::fs::mkdir(path, Mode::RWXU) {
            Ok(()) | Err(rustix::io::Errno::EXIST) => Slot::open(path),
            Err(e) => Err(e.into()),
        }
    }

    /// Opens the directory.
    pub fn open(path: &Path) -> io::Result<Slot> {
        let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        let dir = rustix::fs::open(path, flags, Mode::empty())?;
        Ok(Slot { dir })
    }

    /// The mark by which processes of this slot are known to belong to it and not to a slot of
    /// another instance on the same host, whose fence numbers may be the same.
    pub fn mark(&self) -> io::Result<String> {
        let stat = rustix::fs::fstat(&self.dir)?;
        Ok(format!("{:x}.{}", stat.st_dev, stat.st_ino))
    }

    /// Opens a file of the slot for reading and writing, making it (mode 0600) where it is missing.
    pub fn file(&self, name: &str) -> io::Result<File> {
        let flags = OFlags::RDWR | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        let mode = Mode::RUSR | Mode::WUSR;
        // What is there is opened without the wish to make it: that would wait for a frozen disk.
        let fd = match rustix::fs::openat(&self.dir, name, flags, mode) {
            Err(rustix::io::Errno::NOENT) => {
                rustix::fs::openat(&self.dir, name, flags | OFlags::CREATE, mode)
            }
            opened => opened,
        };
        Ok(File::from(fd?))
    }

    /// Takes the lock, or nothing where a living worker holds it.
    ///
    /// The lock belongs to the open file description: handed to a worker as an open file it goes
    /// on being held without a gap when this process closes its own copy.
    pub fn try_lock(&self) -> io::Result<Option<File>> {
        let file = self.file("lock")?;
        match rustix::fs::flock(&file, FlockOperation::NonBlockingLockExclusive) {
            Ok(()) => Ok(Some(file)),
            Err(rustix::io::Errno::WOULDBLOCK) => Ok(None),
            Err(e) => Err(e.into()),
        }
    }

    /// Whether `file` is this slot's lock and is held by it.
    pub fn is_locked_by(&self, file: impl std::os::fd::AsFd) -> io::Result<bool> {
        let mine = rustix::fs::statat(&self.dir, "lock", AtFlags::SYMLINK_NOFOLLOW)?;
        let theirs = rustix::fs::fstat(&file)?;
        if (mine.st_dev, mine.st_ino) != (theirs.st_dev, theirs.st_ino) {
            return Ok(false);
        }
        Ok(rustix::fs::flock(&file, FlockOperation::NonBlockingLockExclusive).is_ok())
    }

    /// Listens on `sock`, in the place of whatever a worker before left there.
    pub fn listen(&self) -> io::Result<OwnedFd> {
        match rustix::fs::unlinkat(&self.dir, "sock", AtFlags::empty()) {
            Ok(()) | Err(rustix::io::Errno::NOENT) => {}
            Err(e) => return Err(e.into()),
        }
        let socket = stream_socket()?;
        rustix::net::bind(&socket, &self.address()?)?;
        rustix::net::listen(&socket, 4)?;
        Ok(socket)
    }

    /// Connects to the worker that listens on `sock`.
    pub fn connect(&self) -> io::Result<OwnedFd> {
        let socket = stream_socket()?;
        rustix::net::connect(&socket, &self.address()?)?;
        Ok(socket)
    }

    // A socket address holds 108 bytes; a home directory may be longer, so the path leads through
    // the open directory.
    fn address(&self) -> io::Result<SocketAddrUnix> {
        let path = format!("/proc/self/fd/{}/sock", self.dir.as_raw_fd());
        Ok(SocketAddrUnix::new(path)?)
    }
}

fn stream_socket() -> io::Result<OwnedFd> {
    Ok(rustix::net::socket_with(
        AddressFamily::UNIX,
        SocketType::STREAM,
        SocketFlags::CLOEXEC | SocketFlags::NONBLOCK,
        None,
    )?)
}
