//! What is wrong with the store, as a value: the same in the daemon's answer and in the views.

use serde::{Deserialize, Serialize};

use crate::model::words::words;
use crate::schedule::UnixMs;

words! {
    /// What kind of trouble the store is in.
    TroubleKind, "trouble" {
        /// Another program holds a lock for writing.
        Locked => "locked",
        /// The disk is full.
        Full => "full",
        /// The user's quota is used up.
        Quota => "quota",
        /// The file or its file system cannot be written.
        ReadOnly => "read_only",
        /// The file or its directory cannot be entered.
        Denied => "denied",
        /// What is in the file is no longer what was written.
        Damaged => "damaged",
        /// The file is gone.
        Deleted => "deleted",
        /// Another file stands in its place.
        Replaced => "replaced",
        /// The disk fails.
        Io => "io",
        /// A newer program has written the file.
        Newer => "newer",
        /// The write-ahead log grows, because somebody reads without an end.
        Wal => "wal",
        /// Anything else.
        Other => "other",
    }
}

impl TroubleKind {
    /// Whether the file has to be made anew.
    pub fn wants_rebuild(self) -> bool {
        matches!(
            self,
            TroubleKind::Damaged | TroubleKind::Deleted | TroubleKind::Replaced
        )
    }
}

/// A process that holds something of the store.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Holder {
    /// Its process id.
    pub pid: i32,
    /// Its program and arguments, cut short.
    pub command: String,
}

impl std::fmt::Display for Holder {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "pid {} ({})", self.pid, self.command)
    }
}

/// What is wrong with the store.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Trouble {
    /// What kind of trouble.
    pub kind: TroubleKind,
    /// Since when, on the wall clock.
    pub since: UnixMs,
    /// In words, without how long it has lasted.
    pub text: String,
    /// The process that causes it, where one is known.
    pub holder: Option<Holder>,
    /// Decisions that wait to be recorded.
    pub waiting: usize,
}

impl Trouble {
    /// The whole sentence, as it stands at an instant.
    pub fn told(&self, now: UnixMs) -> String {
        let seconds = (now - self.since).max(0) / 1000;
        let waiting = match self.waiting {
            0 => String::new(),
            1 => "; 1 decision waits".to_owned(),
            n => format!("; {n} decisions wait"),
        };
        format!("{} since {seconds} s{waiting}", self.text)
    }
}
