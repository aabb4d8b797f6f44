//! Changes of crontabs that were begun: settled by what the file says.
//!
//! A cutover notes what it is about to write, replaces the file in one step, and then lets the jobs
//! take over. The file is what counts: whoever dies between the steps, each entry is live in cron or
//! here, because whoever comes next looks at the file and finishes, or takes back, what was noted.

use std::fs::{self, DirBuilder, File, OpenOptions};
use std::io::{self, Seek, SeekFrom, Write};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::Path;
use std::time::Duration;

use rustix::fs::{FlockOperation, flock};
use rustix::io::Errno;

use crate::daemon::cron_program::{CronProgram, owner_of};
use crate::model::Pause;
use crate::schedule::UnixMs;
use crate::store::{CrontabRow, Result, Store};

/// Who pauses what waits for a cutover, and why.
pub const BY_IMPORT: &str = "import";
/// Cron still runs it.
pub const OBSERVED: &str = "observed: cron runs it until `crake cutover`";

/// How long a second change waits for the first to end.
const PATIENCE: (u32, Duration) = (300, Duration::from_millis(100));

/// The right to change tables. One process has it at a time, from before it notes what it is about to
/// do until that is settled; whoever settles for the dead takes it first. A `crontab` that was told to
/// install a table reads it from the file that is locked, so that the right ends with the last of
/// both: nobody looks at a table that is about to be replaced after all.
#[derive(Debug)]
pub struct Changing(File);

impl Changing {
    /// Takes the right, and waits half a minute where somebody else has it.
    ///
    /// # Errors
    /// Somebody has it still; those of the file.
    pub fn take(home: &Path) -> io::Result<Changing> {
        for _ in 0..PATIENCE.0 {
            if let Some(taken) = Changing::try_take(home)? {
                return Ok(taken);
            }
            std::thread::sleep(PATIENCE.1);
        }
        let text = "another change of crontabs is under way";
        Err(io::Error::new(io::ErrorKind::TimedOut, text))
    }

    /// Takes the right; none where somebody else has it.
    ///
    /// # Errors
    /// Those of the file.
    pub fn try_take(home: &Path) -> io::Result<Option<Changing>> {
        let dir = home.join("cutover");
        DirBuilder::new().recursive(true).mode(0o700).create(&dir)?;
        let file = OpenOptions::new()
            .read(true)
            .write(true)
            .create(true)
            .truncate(false)
            .mode(0o600)
            .open(dir.join("change"))?;
        match flock(&file, FlockOperation::NonBlockingLockExclusive) {
            Ok(()) => Ok(Some(Changing(file))),
            Err(Errno::WOULDBLOCK) => Ok(None),
            Err(e) => Err(e.into()),
        }
    }

    /// Puts a user's table in the place of the present one, by the `crontab` of this host.
    ///
    /// # Errors
    /// There is no such program, or it refuses, in its words.
    pub fn install(&mut self, owner: &str, table: &[u8]) -> io::Result<()> {
        let file = &mut self.0;
        file.set_len(0)?;
        file.seek(SeekFrom::Start(0))?;
        file.write_all(table)?;
        file.seek(SeekFrom::Start(0))?;
        let done = program()?.install(owner, file);
        // What a table says is nobody's business but its owner's.
        file.set_len(0)?;
        done
    }
}

fn program() -> io::Result<CronProgram> {
    let text = "there is no program `crontab` in PATH";
    CronProgram::find().ok_or_else(|| io::Error::new(io::ErrorKind::NotFound, text))
}

/// The bytes of a table, as they are now.
///
/// # Errors
/// A file that cannot be read, a table that `crontab` does not give.
pub fn bytes_of(source: &str) -> io::Result<Vec<u8>> {
    match owner_of(source) {
        Some(owner) => program()?.list(owner),
        None => fs::read(source),
    }
}

/// Settles every change that was begun by somebody who died, as far as the files tell. Says how many
/// were. While somebody is at it, nothing is done.
///
/// # Errors
/// Those of the store.
pub fn settle(store: &mut Store, now: UnixMs) -> Result<usize> {
    if store.begun_crontabs()?.is_empty() {
        return Ok(0);
    }
    let home = store.path().and_then(Path::parent).map(Path::to_path_buf);
    match home.map(|home| Changing::try_take(&home)) {
        Some(Ok(Some(_held))) => settle_held(store, now),
        _ => Ok(0),
    }
}

/// Settles every change that was begun; for whoever has the right to change tables.
///
/// # Errors
/// Those of the store.
pub fn settle_held(store: &mut Store, now: UnixMs) -> Result<usize> {
    let begun = store.begun_crontabs()?;
    let mut settled = 0;
    for table in &begun {
        if let Some(made) = is_made(table) {
            settled += usize::from(settle_one(store, &table.source, made, now)?);
        }
    }
    Ok(settled)
}

/// Ends a change of one table.
///
/// # Errors
/// Those of the store.
pub fn settle_one(store: &mut Store, source: &str, made: bool, now: UnixMs) -> Result<bool> {
    let pause = Pause {
        from: now,
        until: None,
        by: BY_IMPORT.to_owned(),
        reason: Some(OBSERVED.to_owned()),
    };
    store.settle_crontab(source, made, &pause, BY_IMPORT)
}

/// Whether a change that was begun was made; none where the file is neither what it was nor what it
/// was to become, which somebody has to look at.
pub fn is_made(table: &CrontabRow) -> Option<bool> {
    let intent = table.intent.as_ref()?;
    let bytes = bytes_of(&table.source).ok()?;
    if bytes == intent.wanted {
        return Some(true);
    }
    (bytes == table.bytes).then_some(false)
}
