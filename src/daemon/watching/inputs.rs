//! Files with what runs of watches read, where that is long.

use std::fs::{self, File};
use std::io::{self, Write};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use crate::model::PollId;
use crate::store::NewDelivery;

/// What is longer than this is kept in a file, bytes.
pub const LONG: usize = 4 * 1024;

/// So many files are flushed one by one; with more the whole file system is.
const ONE_BY_ONE: usize = 32;

/// The directory of the files, under the spool.
pub fn dir_of(spool: &Path) -> PathBuf {
    spool.join("input")
}

/// Puts what is long into files, which are on the disk when this returns. Where that fails it stays
/// in the row.
pub fn put_aside(spool: &Path, poll: PollId, runs: &mut [NewDelivery]) {
    let long = |run: &NewDelivery| run.input.as_ref().is_some_and(|text| text.len() > LONG);
    let count = runs.iter().filter(|run| long(run)).count();
    if count == 0 {
        return;
    }
    let dir = dir_of(spool);
    let many = count > ONE_BY_ONE;
    let mut written: Vec<(usize, PathBuf)> = Vec::new();
    let done = make(&dir).and_then(|()| {
        for (n, run) in runs.iter().enumerate().filter(|(_, run)| long(run)) {
            let text = run.input.as_deref().unwrap_or_default();
            written.push((n, write(&dir, poll, n, text, !many)?));
        }
        let dir = File::open(&dir)?;
        match many {
            true => rustix::fs::syncfs(&dir).map_err(io::Error::from),
            false => dir.sync_all(),
        }
    });
    for (n, path) in written {
        if done.is_err() {
            let _ = fs::remove_file(&path);
        } else if let Some(run) = runs.get_mut(n) {
            run.input_path = Some(path.display().to_string());
            run.input = None;
        }
    }
}

/// The files of a poll of which nothing came.
pub fn take_away(runs: &[NewDelivery]) {
    for path in runs.iter().filter_map(|run| run.input_path.as_ref()) {
        // What stays is found by the pruner.
        let _ = fs::remove_file(path);
    }
}

fn make(dir: &Path) -> io::Result<()> {
    let mut builder = fs::DirBuilder::new();
    builder.recursive(true).mode(0o700).create(dir)
}

fn write(dir: &Path, poll: PollId, n: usize, text: &str, flush: bool) -> io::Result<PathBuf> {
    let mut again = 0;
    loop {
        let path = dir.join(match again {
            0 => format!("{poll}-{n}.json"),
            _ => format!("{poll}-{n}-{again}.json"),
        });
        let mut options = File::options();
        let opened = options.write(true).create_new(true).mode(0o600).open(&path);
        let mut file = match opened {
            // Numbers of polls may come again where a store was made anew.
            Err(e) if e.kind() == io::ErrorKind::AlreadyExists && again < 100 => {
                again += 1;
                continue;
            }
            opened => opened?,
        };
        let done = file
            .write_all(text.as_bytes())
            .and_then(|()| if flush { file.sync_data() } else { Ok(()) });
        if let Err(e) = done {
            let _ = fs::remove_file(&path);
            return Err(e);
        }
        return Ok(path);
    }
}
