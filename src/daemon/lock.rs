//! The lock of an instance, and its directories.

use std::fs::File;
use std::io::{Read, Seek, Write};
use std::os::unix::fs::DirBuilderExt;

use rustix::fs::{FlockOperation, flock};

use crate::config::Paths;
use crate::daemon::core::{CoreError, io_error};
use crate::process::identity;
use crate::process::own_file::open_own;
use crate::store::StoreError;

/// How often, and at what pauses, a lock is tried that a dying process still holds.
const TRIES: u32 = 500;
const PAUSE: std::time::Duration = std::time::Duration::from_millis(10);

/// Takes the lock that says who keeps time here; held as long as the file is open.
pub(in crate::daemon) fn take_lock(paths: &Paths) -> Result<File, CoreError> {
    let fail = |source| io_error("cannot take the lock", source);
    let mut file = open_own(&paths.lock()).map_err(fail)?;
    let mut tries = 0;
    while flock(&file, FlockOperation::NonBlockingLockExclusive).is_err() {
        let mut pid = String::new();
        file.rewind().map_err(fail)?;
        file.read_to_string(&mut pid).map_err(fail)?;
        // One that was killed keeps its files until its last thread has ended.
        let dying = pid
            .trim()
            .parse()
            .is_ok_and(|pid| !identity::is_running(pid));
        if dying && tries < TRIES {
            tries += 1;
            std::thread::sleep(PAUSE);
            continue;
        }
        return Err(CoreError::Held {
            home: paths.home.display().to_string(),
            pid: pid.trim().to_owned(),
        });
    }
    file.rewind().map_err(fail)?;
    file.set_len(0).map_err(fail)?;
    writeln!(file, "{}", rustix::process::getpid().as_raw_nonzero()).map_err(fail)?;
    Ok(file)
}

pub(in crate::daemon) fn make_dir(dir: &std::path::Path) -> Result<(), CoreError> {
    if dir.is_dir() {
        return Ok(());
    }
    std::fs::DirBuilder::new()
        .recursive(true)
        .mode(0o700)
        .create(dir)
        .map_err(|source| {
            CoreError::Store(StoreError::Directory {
                path: dir.to_path_buf(),
                source,
            })
        })
}
