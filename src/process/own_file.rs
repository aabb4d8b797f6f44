//! Files of ours, opened so that what somebody else planted in their place is refused.

use std::fs::File;
use std::io;
use std::path::Path;

use rustix::fs::{FileType, Mode, OFlags};

/// Opens a file for reading and writing, making it (mode 0600) where it is missing. Neither a
/// symbolic link is followed nor a named pipe waited for.
///
/// # Errors
/// Those of opening, and that it is no regular file.
pub fn open_own(path: &Path) -> io::Result<File> {
    // Making a file waits for a disk that is frozen, so one that is there is opened as it is.
    match open(path, OFlags::RDWR) {
        Err(e) if e.kind() == io::ErrorKind::NotFound => open(path, OFlags::RDWR | OFlags::CREATE),
        opened => opened,
    }
}

/// Opens a file for reading in the same way.
///
/// # Errors
/// Those of opening, and that it is no regular file.
pub fn read_own(path: &Path) -> io::Result<File> {
    open(path, OFlags::RDONLY)
}

fn open(path: &Path, flags: OFlags) -> io::Result<File> {
    let flags = flags | OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::NOCTTY | OFlags::CLOEXEC;
    let file = match rustix::fs::open(path, flags, Mode::RUSR | Mode::WUSR) {
        Err(rustix::io::Errno::LOOP) => return Err(strange(path)),
        opened => opened?,
    };
    let mode = rustix::fs::fstat(&file)?.st_mode;
    if FileType::from_raw_mode(mode) != FileType::RegularFile {
        return Err(strange(path));
    }
    Ok(File::from(file))
}

fn strange(path: &Path) -> io::Error {
    io::Error::other(format!("{} is not a file of ours", path.display()))
}
