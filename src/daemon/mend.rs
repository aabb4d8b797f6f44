//! Making the store anew when its file is damaged, deleted or replaced.
//!
//! What is there is put aside and never removed. The new file comes from the best of what there is:
//! the file itself, where it is only no longer at its path; the latest sound copy and the journals
//! since; or what can still be read of a damaged file.

use std::fs;
use std::io;
use std::os::unix::fs::DirBuilderExt;
use std::path::{Path, PathBuf};

use crate::config::Paths;
use crate::daemon::journal::{Frame, Frames, generations};
use crate::daemon::ring::RingFile;
use crate::model::{Record, TroubleKind};
use crate::schedule::UnixMs;
use crate::store::{Remaking, Store, StoreError};

/// The files a store consists of, by what follows its name.
const PARTS: [&str; 3] = ["-wal", "-shm", ""];

/// Why no store could be made.
#[derive(Debug, thiserror::Error)]
pub enum MendError {
    /// The store.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The files.
    #[error("{0}")]
    Io(#[from] io::Error),
}

/// A store that was made anew.
pub struct Mended {
    /// The store, in its place.
    pub store: Store,
    /// What was done, for people.
    pub text: String,
    /// Whether something that was recorded is not in it.
    pub lost: bool,
}

/// What is to be told of a store that was made anew at a start.
pub struct Told {
    /// What was done, for people.
    pub text: String,
    /// Whether something that was recorded is not in it.
    pub lost: bool,
}

/// Where a new store came from.
struct Source {
    words: String,
    until: Option<UnixMs>,
    lost: Option<String>,
}

/// A file that was made and is not in its place yet.
pub struct Made {
    path: PathBuf,
    source: Source,
}

/// Makes a new store beside the old one. `live` is the connection that still has the old one open.
///
/// # Errors
/// Those of writing.
pub fn make(
    paths: &Paths,
    live: Option<&Store>,
    kind: TroubleKind,
    numbers: i64,
) -> Result<Made, MendError> {
    let path = paths.store.with_extension("db.new");
    let from_live = live
        .filter(|_| matches!(kind, TroubleKind::Deleted | TroubleKind::Replaced))
        .and_then(|live| of_live(&path, live).ok());
    let (remaking, source) = match from_live {
        Some(made) => made,
        None => match of_copies(paths, &path)? {
            Some(made) => made,
            None => of_remains(paths, &path)?,
        },
    };
    remaking.finish(&path, numbers)?;
    Ok(Made { path, source })
}

/// Puts it in the place of the old one, which is put aside. Nobody of this process may have the old
/// one open any more.
///
/// # Errors
/// Those of moving and opening.
pub fn put_in_place(paths: &Paths, made: Made, now: UnixMs) -> Result<Mended, MendError> {
    let aside = put_aside(&paths.store, &made.path, now)?;
    let store = Store::open(&paths.store)?;
    let mut text = format!("it was made anew from {}", made.source.words);
    if let Some(until) = made.source.until.and_then(stamp) {
        text.push_str(&format!(", with everything up to {until}"));
    }
    let lost = made.source.lost.is_some();
    match made.source.lost {
        Some(lost) => text.push_str(&format!("; lost: {lost}")),
        None => text.push_str("; nothing that was recorded is lost"),
    }
    if let Some(aside) = aside {
        text.push_str(&format!("; what was there is in {}", aside.display()));
    }
    Ok(Mended { store, text, lost })
}

/// The file itself still is open, and sound.
fn of_live(path: &Path, live: &Store) -> Result<(Remaking, Source), MendError> {
    clear(path)?;
    live.copy_to(path)?;
    let remaking = Remaking::of_copy(path)?;
    let source = Source {
        words: "the file the daemon still had open".to_owned(),
        until: None,
        lost: None,
    };
    Ok((remaking, source))
}

/// The latest copy that is sound, and the journals since.
fn of_copies(paths: &Paths, path: &Path) -> Result<Option<(Remaking, Source)>, MendError> {
    for copy in copies(paths) {
        clear(path)?;
        if fs::copy(&copy, path).is_err() {
            continue;
        }
        let Ok(mut remaking) = Remaking::of_copy(path) else {
            continue;
        };
        let first = remaking.generation()?;
        let (until, hole) = replay(&paths.spool, first, &mut remaking)?;
        let name = copy.display();
        let source = Source {
            words: format!("the copy {name} and the journal"),
            until,
            lost: loss(hole, remaking.refused()),
        };
        return Ok(Some((remaking, source)));
    }
    Ok(None)
}

/// What can be read of the damaged file, then whatever journals there are.
fn of_remains(paths: &Paths, path: &Path) -> Result<(Remaking, Source), MendError> {
    clear(path)?;
    let mut remaking = Remaking::empty(path)?;
    let rows = match fs::metadata(&paths.store) {
        Ok(found) if found.len() > 0 => remaking.salvage(&paths.store)?,
        _ => 0,
    };
    let (until, _) = replay(&paths.spool, 0, &mut remaking)?;
    let source = Source {
        words: format!("{rows} rows that could still be read and the journal, for want of a copy"),
        until,
        lost: Some("what could not be read".to_owned()),
    };
    Ok((remaking, source))
}

/// Puts the journals from a generation on into a store. Says up to when they reach, and whether one
/// is missing or cut short in between.
fn replay(
    spool: &Path,
    first: u64,
    remaking: &mut Remaking,
) -> Result<(Option<UnixMs>, bool), MendError> {
    let (mut until, mut hole, mut expected) = (None, false, first);
    let wanted: Vec<u64> = generations(spool)
        .into_iter()
        .filter(|g| *g >= first)
        .collect();
    for generation in &wanted {
        hole |= *generation != expected && first > 0;
        expected = generation + 1;
        let mut frames = Frames::open(spool, *generation)?;
        for frame in frames.by_ref() {
            match frame {
                Frame::Head { version, .. } => remaking.at_least(version)?,
                Frame::Rows {
                    at,
                    ring_seq,
                    images,
                } => {
                    remaking.put(&images, ring_seq, at)?;
                    until = Some(at);
                }
            }
        }
        // The last may end in the middle of a frame: its rows are touched still, or in the ring.
        hole |= frames.torn() && Some(generation) != wanted.last();
    }
    hole |= first > 0 && wanted.is_empty();
    Ok((until, hole))
}

fn loss(hole: bool, refused: u64) -> Option<String> {
    match (hole, refused) {
        (false, 0) => None,
        (true, _) => Some("a part of the journal cannot be read".to_owned()),
        (false, n) => Some(format!("{n} rows of the journal that do not fit")),
    }
}

/// The copies there are, latest first.
pub fn copies(paths: &Paths) -> Vec<PathBuf> {
    let latest = copy_of(paths);
    let previous = latest.with_extension("db.1");
    [latest, previous]
        .into_iter()
        .filter(|copy| copy.exists())
        .collect()
}

/// Where the latest copy is.
pub fn copy_of(paths: &Paths) -> PathBuf {
    let dir = paths.store.parent().unwrap_or(Path::new("/"));
    dir.join("backup").join("crake.db")
}

/// The generation of the journal that begins with the copy before the latest.
pub fn generation_of_previous(paths: &Paths) -> Option<u64> {
    Remaking::generation_of(&copy_of(paths).with_extension("db.1"))
}

/// What the ring file holds, in order.
pub fn ring_entries(paths: &Paths) -> Vec<(i64, Record)> {
    if !paths.ring().exists() {
        return Vec::new();
    }
    // Where it cannot be read it holds nothing that could be used.
    let file = RingFile::open(&paths.ring());
    let mut found = file.and_then(|file| file.read()).unwrap_or_default();
    found.sort_by_key(|(seq, _)| *seq);
    found
}

/// Where damaged stores are put.
pub fn aside_of(store: &Path) -> PathBuf {
    store.parent().unwrap_or(Path::new("/")).join("damaged")
}

fn clear(path: &Path) -> io::Result<()> {
    for part in ["", "-wal", "-shm", "-journal"] {
        match fs::remove_file(with_suffix(path, part)) {
            Err(e) if e.kind() != io::ErrorKind::NotFound => return Err(e),
            _ => {}
        }
    }
    Ok(())
}

fn with_suffix(path: &Path, suffix: &str) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(suffix);
    PathBuf::from(name)
}

/// Puts what is at a store's path aside and a new file there. The log goes first: a new file must
/// never stand beside the log of another, which SQLite would take for its own.
fn put_aside(store: &Path, new: &Path, now: UnixMs) -> io::Result<Option<PathBuf>> {
    let dir = aside_of(store);
    fs::DirBuilder::new()
        .recursive(true)
        .mode(0o700)
        .create(&dir)?;
    let name = store.file_name().unwrap_or_default().to_string_lossy();
    let stamp = stamp(now).unwrap_or_else(|| now.to_string());
    let mut aside = dir.join(format!("{name}-{stamp}"));
    let mut again = 1;
    while PARTS.iter().any(|p| with_suffix(&aside, p).exists()) {
        aside = dir.join(format!("{name}-{stamp}-{again}"));
        again += 1;
    }
    let mut any = false;
    for part in PARTS {
        match fs::rename(with_suffix(store, part), with_suffix(&aside, part)) {
            Ok(()) => any = true,
            Err(e) if e.kind() == io::ErrorKind::NotFound => {}
            Err(e) => return Err(e),
        }
    }
    // Whoever opened what was there a moment ago may have made a log and an index of it again.
    for part in ["-wal", "-shm"] {
        let _ = fs::remove_file(with_suffix(store, part));
    }
    fs::rename(new, store)?;
    if let Some(parent) = store.parent() {
        fs::File::open(parent)?.sync_all()?;
    }
    Ok(any.then_some(aside))
}

/// An instant in UTC, fit for the name of a file.
fn stamp(at: UnixMs) -> Option<String> {
    let at = jiff::Timestamp::from_millisecond(at).ok()?;
    Some(at.strftime("%Y%m%dT%H%M%S%.3fZ").to_string())
}

/// Opens the store at a start; where it is gone or damaged it is made anew first, and what was done
/// is told.
///
/// # Errors
/// Those of opening that cannot be mended.
pub fn open(paths: &Paths, now: UnixMs) -> Result<(Store, Option<Told>), MendError> {
    match Store::open(&paths.store) {
        Ok(store) => Ok((store, None)),
        Err(e) => at_start(paths, e, now),
    }
}

/// Makes a store anew at a start, because of what opening or reading it said. A file that never was
/// a store of ours is left alone: somebody named the wrong place.
///
/// # Errors
/// What was said, where there is nothing to make it of; those of writing.
pub fn at_start(
    paths: &Paths,
    why: StoreError,
    now: UnixMs,
) -> Result<(Store, Option<Told>), MendError> {
    let never_ours = copies(paths).is_empty() && generations(&paths.spool).is_empty();
    if never_ours || !why.trouble().wants_rebuild() {
        return Err(why.into());
    }
    eprintln!("crake: {why}; making it anew");
    let made = make(paths, None, why.trouble(), 0)?;
    let mended = put_in_place(paths, made, now)?;
    let text = format!("{why}; {}", mended.text);
    eprintln!("crake: {text}");
    let lost = mended.lost;
    Ok((mended.store, Some(Told { text, lost })))
}
