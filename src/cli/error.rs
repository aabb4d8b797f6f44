//! What a command says when it cannot do what it was asked.

use std::io::Write;

use serde_json::json;

use crate::cli::context::Form;
use crate::config::{NoHome, Paths};
use crate::control::ControlError;
use crate::model::{NameError, TroubleKind, UnreadableSchedule};
use crate::schedule::{ScheduleError, ZoneError};
use crate::store::StoreError;
use crate::view::text::clean_all;

/// What kind of failure it was; the kind decides the exit code.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// It failed.
    Failed,
    /// It was asked wrongly.
    Usage,
    /// No such job or run.
    NotFound,
    /// The daemon is not reachable.
    NoDaemon,
    /// Refused: a name taken, an instance held.
    Refused,
    /// An invalid schedule or file.
    Invalid,
    /// Not allowed.
    Denied,
    /// Two things differ.
    Differs,
    /// Whoever read the answer went away, as `head` does; nothing is said about it.
    ReaderGone,
}

impl Kind {
    /// The exit code.
    pub fn code(self) -> u8 {
        match self {
            Kind::Failed => 1,
            Kind::Usage => 2,
            Kind::NotFound => 3,
            Kind::NoDaemon => 4,
            Kind::Refused => 5,
            Kind::Invalid => 6,
            Kind::Denied => 7,
            Kind::Differs => 8,
            Kind::ReaderGone => 0,
        }
    }
}

/// What a command says when it cannot do what it was asked: what, and what to do about it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CliError {
    /// What kind of failure it was.
    pub kind: Kind,
    /// What happened, without "error:".
    pub message: String,
    /// Lines shown beneath it as they are, for example a caret under a column.
    pub detail: Option<String>,
    /// What to do.
    pub hint: Option<String>,
}

impl CliError {
    /// An error without a hint.
    pub fn new(kind: Kind, message: impl Into<String>) -> CliError {
        CliError {
            kind,
            message: message.into(),
            detail: None,
            hint: None,
        }
    }

    /// The same with a hint.
    pub fn hint(mut self, hint: impl Into<String>) -> CliError {
        self.hint = Some(hint.into());
        self
    }

    /// The same with lines beneath it.
    pub fn detail(mut self, detail: impl Into<String>) -> CliError {
        self.detail = Some(detail.into());
        self
    }

    /// No job of that name; names the nearest one.
    pub fn no_job(name: &str, known: &[String]) -> CliError {
        let error = CliError::new(Kind::NotFound, format!("no job named \"{name}\""));
        match nearest(name, known) {
            Some(near) => error.hint(format!("did you mean \"{near}\"?")),
            None => error.hint("`crake list` shows the jobs there are"),
        }
    }
}

/// An error as people read it. Names and paths in it are not ours, and a terminal obeys what it is
/// shown.
pub fn in_words(error: &CliError) -> String {
    let mut words = format!("error: {}\n", clean_all(&error.message));
    for line in error.detail.iter().flat_map(|d| d.lines()) {
        words.push_str(&format!("{}\n", clean_all(line)));
    }
    if let Some(hint) = &error.hint {
        words.push_str(&format!("  tip: {}\n", clean_all(hint)));
    }
    words
}

/// The known word most like another, if one is like it at all.
pub fn nearest<'a>(word: &str, known: &'a [String]) -> Option<&'a String> {
    let like = |k: &&String| strsim::jaro_winkler(word, k);
    known
        .iter()
        .filter(|k| like(k) > 0.75)
        .max_by(|a, b| like(a).total_cmp(&like(b)))
}

/// What to do about a store that is damaged or gone.
const MENDED: &str = "a running daemon makes it anew within seconds, or start one: `crake daemon`; `crake doctor` says more";

/// What to do where the store is somebody else's.
const OF_OTHERS: &str = "only its owner may; other users have list, show, ps, history, run, logs, kill and cancel here, where its daemon serves them, for the jobs that run as them";

impl CliError {
    /// Adds what is known of a store that cannot be used: who holds a lock on it, and what the
    /// daemon says of it.
    pub fn of_store(mut self, paths: &Paths) -> CliError {
        if self.message == StoreError::Busy.to_string()
            && let Some(holder) = crate::process::writer(&paths.store)
        {
            self.message = format!("the store is locked by {holder}");
            self.hint = Some("try again when it has ended".to_owned());
        }
        let of_files = ["cannot open the store", "cannot use the directory"];
        if self.kind == Kind::Denied
            && of_files.iter().any(|head| self.message.starts_with(head))
            && paths.socket.exists()
        {
            self.hint = Some(OF_OTHERS.to_owned());
        }
        self
    }
}

impl From<StoreError> for CliError {
    fn from(e: StoreError) -> CliError {
        let message = e.to_string();
        if e.trouble() == TroubleKind::Damaged && matches!(e, StoreError::Sqlite(_)) {
            return CliError::new(Kind::Failed, format!("the store is damaged: {message}"))
                .hint(MENDED);
        }
        if e.is_of_the_disk() {
            return CliError::new(Kind::Failed, message)
                .hint("`df` tells whether there is room left where the store is");
        }
        match e {
            StoreError::Directory { source, .. } => {
                let kind = match source.kind() {
                    std::io::ErrorKind::PermissionDenied
                    | std::io::ErrorKind::ReadOnlyFilesystem => Kind::Denied,
                    _ => Kind::Failed,
                };
                CliError::new(kind, message)
                    .hint("choose another place with --home DIR or CRAKE_HOME=DIR")
            }
            StoreError::Open { .. } => CliError::new(Kind::Denied, message)
                .hint("choose another place with --home DIR or CRAKE_HOME=DIR"),
            StoreError::NotADatabase(path) if path.with_file_name("backup").is_dir() => {
                CliError::new(Kind::Failed, message).hint(MENDED)
            }
            StoreError::NotADatabase(_) | StoreError::Foreign(_) => {
                CliError::new(Kind::Invalid, message)
                    .hint("move it away, or choose another place with --home DIR")
            }
            StoreError::Newer { .. } => {
                CliError::new(Kind::Refused, message).hint("use the newer crake with this store")
            }
            StoreError::Busy => CliError::new(Kind::Refused, message)
                .hint("try again; `fuser` on the store tells who holds it"),
            StoreError::NameTaken(_) => CliError::new(Kind::Refused, message)
                .hint("choose another name, or replace the definition with --replace"),
            StoreError::NoSuchJob(_) => {
                CliError::new(Kind::NotFound, message).hint("`crake list` shows the jobs there are")
            }
            StoreError::ChangedMeanwhile(_) => {
                CliError::new(Kind::Refused, message).hint("look at it again and repeat the change")
            }
            StoreError::Alive(_) => CliError::new(Kind::Refused, message)
                .hint("`crake wait` waits for them, `crake kill` ends them"),
            StoreError::Moved(..) => {
                CliError::new(Kind::Refused, message).hint("nothing was changed: try again")
            }
            StoreError::Gone(_) | StoreError::Damaged(_) => {
                CliError::new(Kind::Failed, message).hint(MENDED)
            }
            StoreError::OldSqlite(_) | StoreError::Unreadable(_) | StoreError::Sqlite(_) => {
                CliError::new(Kind::Failed, message)
            }
            named => {
                let (kind, hint) = about_a_name(&named);
                CliError::new(kind, message).hint(hint)
            }
        }
    }
}

/// What to do where a queue, a calendar, a source or a follower is not as the command takes it to be.
fn about_a_name(error: &StoreError) -> (Kind, &'static str) {
    match error {
        StoreError::NoSuchQueue(_) => (
            Kind::NotFound,
            "the queues are high, normal and low, and those you made",
        ),
        StoreError::QueueTaken(_) => (
            Kind::Refused,
            "`crake queue set` without --create changes it",
        ),
        StoreError::RankTaken(..) => (
            Kind::Refused,
            "`crake queue ls` shows the ranks; give the other one first another",
        ),
        StoreError::QueueInUse(_) => (
            Kind::Refused,
            "move its jobs with `crake edit JOB --queue Q` and let its runs end",
        ),
        StoreError::Circle(_) => (
            Kind::Refused,
            "take one of them out: `crake edit JOB --on-success none`",
        ),
        StoreError::NoSuchCalendar(_) => (
            Kind::NotFound,
            "`crake calendar ls` shows the calendars there are",
        ),
        StoreError::CalendarInUse(..) => (
            Kind::Refused,
            "take it from the job first, or put another in its place with --replace",
        ),
        StoreError::SourceTaken(_) => (
            Kind::Refused,
            "choose another name, or put this in its place with --replace",
        ),
        StoreError::NoSuchSource(_) => (
            Kind::NotFound,
            "`crake source ls` shows the sources there are",
        ),
        StoreError::SourceInUse(..) => (Kind::Refused, "remove them first: `crake watch rm NAME`"),
        StoreError::WatchTaken(_) => (
            Kind::Refused,
            "choose another name, or put this in its place with --replace",
        ),
        StoreError::NoSuchWatch(_) => (
            Kind::NotFound,
            "`crake watch ls` shows the watches there are",
        ),
        StoreError::ReceiverTaken(_) => (
            Kind::Refused,
            "choose another name, or put this in its place with --replace",
        ),
        StoreError::NoSuchReceiver(_) => (
            Kind::NotFound,
            "`crake alerts ls` shows the receivers there are",
        ),
        _ => (Kind::Failed, "`crake doctor` looks for what is wrong"),
    }
}

impl From<ControlError> for CliError {
    fn from(e: ControlError) -> CliError {
        CliError::new(Kind::NoDaemon, e.to_string()).hint("start it with `crake daemon`")
    }
}

impl From<NoHome> for CliError {
    fn from(e: NoHome) -> CliError {
        CliError::new(Kind::Failed, e.to_string())
            .hint("say where with --home DIR or CRAKE_HOME=DIR")
    }
}

impl From<std::io::Error> for CliError {
    fn from(e: std::io::Error) -> CliError {
        let kind = match e.kind() {
            std::io::ErrorKind::BrokenPipe => Kind::ReaderGone,
            std::io::ErrorKind::PermissionDenied => Kind::Denied,
            _ => Kind::Failed,
        };
        CliError::new(kind, e.to_string())
    }
}

impl From<UnreadableSchedule> for CliError {
    fn from(e: UnreadableSchedule) -> CliError {
        match e {
            UnreadableSchedule::Expr(e) => e.into(),
            UnreadableSchedule::Zone(e) => e.into(),
            e @ (UnreadableSchedule::Dst(_) | UnreadableSchedule::Calendar(_)) => {
                CliError::new(Kind::Invalid, e.to_string())
            }
        }
    }
}

impl From<ZoneError> for CliError {
    fn from(e: ZoneError) -> CliError {
        match e {
            ZoneError::Unknown {
                name,
                nearest: Some(near),
            } => CliError::new(Kind::Invalid, format!("unknown time zone \"{name}\""))
                .hint(format!("did you mean {near}?")),
            other => CliError::new(Kind::Invalid, other.to_string())
                .hint("write a name such as Europe/Berlin or UTC"),
        }
    }
}

impl From<ScheduleError> for CliError {
    fn from(e: ScheduleError) -> CliError {
        let caret: Vec<String> = e.caret().lines().map(|l| format!("  {l}")).collect();
        let error =
            CliError::new(Kind::Invalid, format!("invalid schedule: {e}")).detail(caret.join("\n"));
        match e.hint {
            Some(hint) => error.hint(hint),
            None => error,
        }
    }
}

impl From<NameError> for CliError {
    fn from(e: NameError) -> CliError {
        CliError::new(Kind::Usage, e.to_string())
            .hint("write letters, digits and . _ - such as backup-home")
    }
}

/// Says what went wrong: words on standard error, and one object on standard output where answers
/// are JSON. Gives the exit code.
pub fn tell(error: &CliError, form: Form) -> u8 {
    let code = error.kind.code();
    if error.kind == Kind::ReaderGone {
        return code;
    }
    let words = in_words(error);
    // Nobody is left to tell where these two cannot be written.
    let _ = std::io::stderr().write_all(words.as_bytes());
    if form != Form::Text {
        let object = json!({"v": 1, "error": {
            "code": code, "message": error.message, "hint": error.hint,
        }});
        let _ = writeln!(std::io::stdout(), "{object}");
    }
    code
}
