//! The processes the daemon leaves work on the store to: `__check STORE` and `__copy STORE COPY`.

use std::ffi::OsString;
use std::fs;
use std::path::{Path, PathBuf};

use crate::clock::{Clock, SystemClock};
use crate::daemon::chore::DAMAGED;
use crate::model::TroubleKind;
use crate::store::{Store, StoreError};

/// What came of it, as an exit code and words.
enum End {
    Damaged(String),
    Failed(String),
}

impl From<StoreError> for End {
    fn from(e: StoreError) -> End {
        match e.trouble() {
            TroubleKind::Damaged => End::Damaged(e.to_string()),
            _ => End::Failed(e.to_string()),
        }
    }
}

impl From<std::io::Error> for End {
    fn from(e: std::io::Error) -> End {
        End::Failed(e.to_string())
    }
}

/// `__check` reads every page of a store; `__copy` also copies it into a file, in place of the copy
/// that is there, which becomes the one before.
pub fn chore(args: &[OsString]) -> u8 {
    let began = SystemClock.now().mono;
    after(
        began,
        match args {
            [_, store] => sound(Path::new(store)).map(drop),
            [_, store, copy] => copy_to(Path::new(store), Path::new(copy)),
            _ => Err(End::Failed("this is started by the daemon".to_owned())),
        },
    )
}

/// Says how long it took, milliseconds, and what is wrong.
fn after(began: i64, done: Result<(), End>) -> u8 {
    println!("{}", SystemClock.now().mono - began);
    match done {
        Ok(()) => 0,
        Err(End::Damaged(why)) => {
            println!("{why}");
            DAMAGED
        }
        Err(End::Failed(why)) => {
            println!("{why}");
            1
        }
    }
}

/// Opens a store that is sound.
fn sound(path: &Path) -> Result<Store, End> {
    // Whatever it takes, jobs and the daemon go first.
    let _ = rustix::process::nice(19);
    let store = Store::open_to_read(path)?;
    if store.path().is_none() {
        return Err(End::Damaged("nothing is in the file".to_owned()));
    }
    let faults = store.quick_check()?;
    if !faults.is_empty() {
        return Err(End::Damaged(faults.join("; ")));
    }
    Ok(store)
}

fn copy_to(path: &Path, copy: &Path) -> Result<(), End> {
    let store = sound(path)?;
    let dir = copy.parent().unwrap_or(Path::new("/"));
    if !dir.is_dir() {
        use std::os::unix::fs::DirBuilderExt;
        fs::DirBuilder::new().mode(0o700).create(dir)?;
    }
    let new = copy.with_extension("db.new");
    for part in ["", "-wal", "-shm", "-journal"] {
        let mut name = new.clone().into_os_string();
        name.push(part);
        let _ = fs::remove_file(PathBuf::from(name));
    }
    store.copy_to(&new)?;
    drop(store);
    drop(sound(&new)?);
    fs::File::open(&new)?.sync_all()?;
    if copy.exists() {
        fs::rename(copy, copy.with_extension("db.1"))?;
    }
    fs::rename(&new, copy)?;
    fs::File::open(dir)?.sync_all()?;
    Ok(())
}
