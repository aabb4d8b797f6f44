//! The care of the store's file: whether it is still there and sound, its copy and its journal, its
//! write-ahead log, and room on the disk.

use std::io;
use std::path::PathBuf;
use std::time::Duration;

use crate::clock::Now;
use crate::config::Paths;
use crate::daemon::ailment::note;
use crate::daemon::ballast::Ballast;
use crate::daemon::chore::{Chore, Finding, Task};
use crate::daemon::crontabs;
use crate::daemon::journal::{self, FollowError, Journal};
use crate::daemon::keeper::Keeper;
use crate::daemon::mend;
use crate::model::{Level, Note, TroubleKind};
use crate::store::{Store, Whereabouts};

/// How long the store side waits for the lock of another writer: in short steps, so that facts keep
/// flowing.
pub const PATIENCE: Duration = Duration::from_millis(50);

/// How often the file is looked at, milliseconds.
const LOOK_MS: i64 = 2_000;

/// How often it is asked whether a process at work has ended, milliseconds.
const CHORE_MS: i64 = 200;

/// How often it is checked and copied where nothing else asks for it, milliseconds.
const DAY_MS: i64 = 86_400_000;

/// The shortest time between two checks, and how much longer than a check it is at least.
const CHECK_MS: i64 = 5_000;
const CHECK_SHARE: i64 = 20;

/// How often what nobody asks for any more is taken out, milliseconds.
const TIDY_MS: i64 = 3_600_000;

/// A task that failed is tried again after this time, milliseconds.
const AGAIN_MS: i64 = 600_000;

/// The journal is begun anew, with a copy, when it is larger than this, bytes.
const JOURNAL_MAX: u64 = 64 << 20;

/// The log is taken back into the file from this size on, and emptied where nobody uses it.
const LOG_TAKEN: u64 = 4 << 20;

/// A log of this size is an alarm, bytes.
const LOG_ALARM: u64 = 64 << 20;

/// What is wrong, with words for it.
pub type Fault = (TroubleKind, String);

/// The care of one store.
pub struct Care {
    paths: Paths,
    journal: Option<Journal>,
    boot_id: String,
    ballast: Ballast,
    chore: Option<Chore>,
    /// When the content of the file changed, as far as we know of it.
    changed: Option<i128>,
    looked: Option<i64>,
    check_at: i64,
    copy_at: i64,
    /// The generation that begins with the copy that is being made.
    copying: Option<u64>,
    check_wanted: bool,
    /// No check before this instant, so that they take no more than a small share of the time.
    rest_until: i64,
    tidy_at: i64,
    alarm: Option<Fault>,
    /// What is to be told as events.
    notes: Vec<Note>,
}

impl Care {
    /// The care of a store that is open. What was touched until now is written down first.
    pub fn new(paths: &Paths, boot_id: &str, now: Now) -> Care {
        let unbroken = journal::last_boot(&paths.spool).as_deref() == Some(boot_id)
            && !mend::copies(paths).is_empty();
        Care {
            paths: paths.clone(),
            journal: None,
            boot_id: boot_id.to_owned(),
            ballast: Ballast::new(&paths.spool),
            chore: None,
            changed: None,
            looked: None,
            check_at: now.boot,
            // After a power cut the end of the journal may be missing.
            copy_at: if unbroken {
                now.boot + DAY_MS
            } else {
                now.boot
            },
            copying: None,
            check_wanted: false,
            rest_until: now.boot,
            tidy_at: now.boot + TIDY_MS,
            alarm: None,
            notes: Vec::new(),
        }
    }

    /// Writes down what was committed. Says what keeps it from that.
    pub fn follow(&mut self, store: &mut Store, now: Now) -> Option<Fault> {
        let followed = self.journal().map_err(FollowError::from).and_then(|j| {
            j.follow(store, now.wall)?;
            Ok(())
        });
        match followed {
            Ok(()) => None,
            Err(FollowError::Store(e)) => Some((e.trouble(), e.to_string())),
            Err(e @ FollowError::Journal(_)) => {
                Some((self.ballast.sound_out(TroubleKind::Io), e.to_string()))
            }
        }
    }

    fn journal(&mut self) -> io::Result<&mut Journal> {
        if self.journal.is_none() {
            self.journal = Some(Journal::begin(&self.paths.spool, &self.boot_id)?);
        }
        self.journal
            .as_mut()
            .ok_or_else(|| io::Error::other("there is no journal"))
    }

    /// Says more exactly what a fault is, and makes room where the disk is full.
    pub fn judge(&mut self, fault: Fault) -> Fault {
        let (kind, text) = fault;
        let kind = self.ballast.sound_out(kind);
        if kind == TroubleKind::Other {
            self.check_wanted = true;
        }
        let text = match kind {
            TroubleKind::Locked => "the store is locked by another program".to_owned(),
            TroubleKind::Full | TroubleKind::Quota => {
                if self.ballast.drop_it() {
                    eprintln!("crake: the ballast is removed, so that records find room");
                }
                let what = if kind == TroubleKind::Full {
                    "the disk is full"
                } else {
                    "the quota of this user is used up"
                };
                format!("{what} ({})", self.place())
            }
            _ => format!("{text} ({})", self.place()),
        };
        (kind, text)
    }

    fn place(&self) -> String {
        let dir = self.paths.store.parent();
        dir.map_or(String::new(), |dir| dir.display().to_string())
    }

    /// Looks at the file, every two seconds; at once where something is wrong already.
    pub fn look(&mut self, keeper: &mut Keeper, idle: bool, now: Now) -> Option<Fault> {
        if self.alarm.is_none() {
            self.alarm = self.finding(now);
        }
        if self.looked.is_some_and(|at| now.boot - at < LOOK_MS) {
            return self.alarm.clone();
        }
        self.looked = Some(now.boot);
        self.alarm = self.whereabouts(keeper.store());
        if self.alarm.is_none() {
            self.alarm = self.log(keeper.store());
            self.start_chore(keeper, now);
            self.settle_crontabs(keeper.store(), now);
            // Without room there is no ballast; it is tried again the next time.
            let _ = self.ballast.load();
        }
        if idle && self.alarm.is_none() && now.boot >= self.tidy_at {
            // What fails is tried again in an hour; where there is more it goes on at once.
            let more = keeper.store_mut().tidy(now.wall).is_ok_and(|n| n > 1_000);
            self.tidy_at = now.boot + if more { 0 } else { TIDY_MS };
        }
        self.alarm.clone()
    }

    /// Finishes what a cutover that died has left; over a connection of its own, so that the store
    /// side sees the change as anybody else's. What fails is tried again the next time.
    fn settle_crontabs(&self, store: &Store, now: Now) {
        if store.begun_crontabs().is_ok_and(|begun| !begun.is_empty())
            && let Ok(mut other) = Store::open(&self.paths.store)
        {
            let _ = crontabs::settle(&mut other, now.wall);
        }
    }

    fn whereabouts(&mut self, store: &Store) -> Option<Fault> {
        let path = self.paths.store.display();
        match store.whereabouts() {
            Whereabouts::Here { size: 0, .. } => {
                Some((TroubleKind::Damaged, format!("the store {path} is empty")))
            }
            Whereabouts::Here { changed, .. } => {
                // In write-ahead mode nobody writes the file but at a checkpoint, and ours are known.
                let strange = self.changed.is_some_and(|known| known != changed);
                self.check_wanted |= strange;
                self.changed = Some(changed);
                None
            }
            Whereabouts::Gone => Some((TroubleKind::Deleted, format!("the store {path} is gone"))),
            Whereabouts::Replaced => Some((
                TroubleKind::Replaced,
                format!("another file stands in the place of the store {path}"),
            )),
            Whereabouts::DirectoryGone => Some((
                TroubleKind::Denied,
                format!(
                    "the directory {} is gone; what is recorded goes to where it was moved",
                    self.place()
                ),
            )),
            Whereabouts::Hidden(why) => {
                Some((TroubleKind::Denied, format!("the store {path}: {why}")))
            }
        }
    }

    /// Takes the log back into the file.
    fn log(&mut self, store: &Store) -> Option<Fault> {
        let size = store.log_size();
        if size >= LOG_TAKEN {
            // One that somebody reads is taken back later; nobody is waited for.
            let _ = store.checkpoint(false);
            let _ = store.set_patience(Duration::ZERO);
            let _ = store.checkpoint(true);
            let _ = store.set_patience(PATIENCE);
            if let Whereabouts::Here { changed, .. } = store.whereabouts() {
                self.changed = Some(changed);
            }
        }
        let size = store.log_size();
        let mib = size >> 20;
        (size >= LOG_ALARM).then(|| {
            let text = format!("the write-ahead log of the store is {mib} MiB large");
            (TroubleKind::Wal, text)
        })
    }

    /// What the process at work came to.
    fn finding(&mut self, now: Now) -> Option<Fault> {
        let chore = self.chore.as_mut()?;
        let finding = chore.finding(now.boot)?;
        let (task, took) = (chore.task, chore.took);
        self.chore = None;
        self.rest_until = now.boot + CHECK_MS.max(took * CHECK_SHARE);
        let copying = self.copying.take();
        let what = match task {
            Task::Check => "check",
            Task::Copy => "copy",
        };
        match finding {
            Finding::Sound => {
                self.check_at = now.boot + DAY_MS;
                if let Some(generation) = copying {
                    self.copied(generation, now);
                }
                let text = format!("{what} of the store: it is sound ({took} ms)");
                self.notes.push(note(now.wall, Level::Info, text));
                None
            }
            Finding::Damaged(why) => {
                let text = format!("the store {} is damaged: {why}", self.paths.store.display());
                Some((TroubleKind::Damaged, text))
            }
            Finding::Unknown(why) => {
                match task {
                    Task::Check => self.check_at = now.boot + AGAIN_MS,
                    Task::Copy => self.copy_at = now.boot + AGAIN_MS,
                }
                let text = format!("the {what} of the store could not be made: {why}");
                self.notes.push(note(now.wall, Level::Warn, text));
                None
            }
        }
    }

    /// A copy is in its place: the journals before the copy that came before it are of no use.
    fn copied(&mut self, generation: u64, now: Now) {
        self.copy_at = now.boot + DAY_MS;
        if let Some(journal) = &self.journal {
            let previous = mend::generation_of_previous(&self.paths).unwrap_or(generation);
            journal.forget_before(previous.min(generation));
        }
    }

    fn start_chore(&mut self, keeper: &mut Keeper, now: Now) {
        if self.chore.is_some() {
            return;
        }
        let large = self
            .journal
            .as_ref()
            .is_some_and(|j| j.size() > JOURNAL_MAX);
        let started = if now.boot >= self.copy_at || large {
            self.copy(keeper, now)
        } else if (self.check_wanted && now.boot >= self.rest_until) || now.boot >= self.check_at {
            Chore::start(Task::Check, &self.paths.store, &self.copy_path(), now.boot).map(Some)
        } else {
            return;
        };
        match started {
            Ok(Some(chore)) => {
                self.check_wanted = false;
                self.chore = Some(chore);
            }
            Ok(None) => {}
            Err(e) => {
                (self.check_at, self.copy_at) = (now.boot + AGAIN_MS, now.boot + AGAIN_MS);
                let text = format!("the store can be neither checked nor copied: {e}");
                self.notes.push(note(now.wall, Level::Warn, text));
            }
        }
    }

    /// Begins a copy and the journal that goes with it.
    fn copy(&mut self, keeper: &mut Keeper, now: Now) -> io::Result<Option<Chore>> {
        // Everything committed until now belongs to the journal before.
        if self.follow(keeper.store_mut(), now).is_some() {
            return Ok(None);
        }
        let generation = self.journal()?.turn_over()?;
        let said = keeper
            .store_mut()
            .set_meta("journal", &generation.to_string());
        if said.is_err() {
            return Ok(None);
        }
        self.copying = Some(generation);
        let copy = self.copy_path();
        Chore::start(Task::Copy, &self.paths.store, &copy, now.boot).map(Some)
    }

    fn copy_path(&self) -> PathBuf {
        mend::copy_of(&self.paths)
    }

    /// How long nobody need come round, milliseconds.
    pub fn rest(&self) -> i64 {
        if self.chore.is_some() {
            CHORE_MS
        } else {
            LOOK_MS
        }
    }

    /// What is to be told as events since the last time.
    pub fn take_notes(&mut self) -> Vec<Note> {
        std::mem::take(&mut self.notes)
    }

    /// The store was made anew: it is copied and looked at as at a start.
    pub fn made_anew(&mut self, now: Now) {
        (self.chore, self.copying, self.changed, self.alarm) = (None, None, None, None);
        (self.copy_at, self.looked, self.check_wanted) = (now.boot, None, false);
        if let Some(journal) = &mut self.journal {
            journal.from_the_start();
        }
    }

    /// Leaves a process that reads the old file.
    pub fn let_go(&mut self) {
        (self.chore, self.copying) = (None, None);
    }
}
