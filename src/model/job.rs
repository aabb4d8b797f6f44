//! A job: a named command and the rules by which it is run.

use std::fmt;

use serde::{Deserialize, Serialize};

use crate::model::words::words;
use crate::model::{Backoff, Follow, Imported, Keep, Limits, Raw};
use crate::schedule::UnixMs;

words! {
    /// What becomes of fires missed while nobody was there.
    CatchUp, "catch-up rule" {
        /// They stay missed.
        None => "none",
        /// The latest of them is run once.
        Last => "last",
        /// Each is run, up to the job's limit.
        All => "all",
    }
}

words! {
    /// What becomes of a fire while an earlier run of the job is alive.
    Overlap, "overlap rule" {
        /// It gets no run.
        Skip => "skip",
        /// Its run waits.
        Queue => "queue",
        /// The earlier run is ended and the new one takes its place.
        Replace => "replace",
        /// Both run.
        Allow => "allow",
    }
}

words! {
    /// What becomes of a run whose worker vanished or whose host went down.
    OnLost, "on-lost rule" {
        /// It is over, outcome `lost` or `interrupted`.
        Fail => "fail",
        /// It is attempted again, whatever the lost attempt may have done.
        Retry => "retry",
    }
}

/// What to execute.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Command {
    /// A line for the shell (`sh -c LINE`).
    Line(Raw),
    /// A program and its arguments, executed directly.
    Argv(Vec<Raw>),
}

impl Command {
    /// The command as one line for people.
    pub fn display(&self) -> String {
        match self {
            Command::Line(line) => line.lossy(),
            Command::Argv(argv) => {
                let words: Vec<String> = argv.iter().map(|a| quote(&a.lossy())).collect();
                words.join(" ")
            }
        }
    }
}

fn quote(word: &str) -> String {
    let plain = |c: char| c.is_ascii_alphanumeric() || "-_./:=@%+,".contains(c);
    if !word.is_empty() && word.chars().all(plain) {
        word.to_owned()
    } else {
        format!("'{}'", word.replace('\'', "'\\''"))
    }
}

/// Whose rules hold for the environment, the day fields and the input of a job.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Engine {
    /// Ours.
    #[default]
    Native,
    /// Those of a cron, named by its dialect (`debian`, `cronie`), kept from a crontab.
    Cron(String),
}

/// What a worker needs to execute the job, and what people want to know of it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Spec {
    /// What to execute.
    pub command: Command,
    /// Whose rules hold.
    #[serde(default)]
    pub engine: Engine,
    /// The shell for a command line.
    #[serde(default)]
    pub shell: Option<String>,
    /// Variables on top of the base environment.
    #[serde(default)]
    pub env: Vec<(String, Raw)>,
    /// Working directory; the home directory where none is given.
    #[serde(default)]
    pub cwd: Option<String>,
    /// Standard input.
    #[serde(default)]
    pub stdin: Option<Raw>,
    /// File mode creation mask; 022 where none is given.
    #[serde(default)]
    pub umask: Option<u32>,
    /// Bytes of output kept of each attempt.
    #[serde(default = "Spec::default_output_max")]
    pub output_max: u64,
    /// As whom it runs and what it may take.
    #[serde(flatten)]
    pub limits: Limits,
    /// A line for the shell that says whether what exited with 0 did its work.
    #[serde(default)]
    pub verify: Option<Raw>,
    /// Labels.
    #[serde(default)]
    pub tags: Vec<String>,
    /// Who looks after it.
    #[serde(default)]
    pub owner: Option<String>,
    /// Where its runbook is.
    #[serde(default)]
    pub runbook: Option<String>,
    /// What it is for.
    #[serde(default)]
    pub description: Option<String>,
    /// Which jobs follow it, and which it follows.
    #[serde(default, skip_serializing_if = "Follow::is_none")]
    pub follow: Follow,
    /// How long its runs are kept.
    #[serde(default, skip_serializing_if = "Keep::is_none")]
    pub keep: Keep,
    /// Where the definition came from, for example `crontab:FILE:14`.
    #[serde(default)]
    pub origin: Option<String>,
    /// What is kept of the crontab it came from.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub imported: Option<Box<Imported>>,
}

impl Spec {
    /// 1 MiB.
    pub fn default_output_max() -> u64 {
        1 << 20
    }

    /// A job that executes `command` and is otherwise as a new one.
    pub fn of(command: Command) -> Spec {
        Spec {
            command,
            engine: Engine::Native,
            shell: None,
            env: Vec::new(),
            cwd: None,
            stdin: None,
            umask: None,
            output_max: Spec::default_output_max(),
            limits: Limits::default(),
            verify: None,
            tags: Vec::new(),
            owner: None,
            runbook: None,
            description: None,
            follow: Follow::default(),
            keep: Keep::default(),
            origin: None,
            imported: None,
        }
    }
}

/// The rules by which a job's fires become runs.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Policy {
    /// The queue its runs wait in.
    pub queue: String,
    /// 0 goes first, 9 last.
    pub priority: u8,
    /// What becomes of a fire while an earlier run is alive.
    pub overlap: Overlap,
    /// Most runs of it alive at once; 1, or without bound where overlap is allowed.
    pub max_parallel: Option<u32>,
    /// Most runs of it that may wait.
    pub queue_max: u32,
    /// Longest time from start to end, milliseconds.
    pub timeout_ms: Option<i64>,
    /// Longest time without output, milliseconds.
    pub silence_ms: Option<i64>,
    /// From SIGTERM to SIGKILL, milliseconds.
    pub kill_grace_ms: i64,
    /// Latest start after the planned instant, milliseconds.
    pub start_deadline_ms: Option<i64>,
    /// Attempts after the first.
    pub retry: u32,
    /// The wait between attempts.
    #[serde(with = "backoff_text")]
    pub backoff: Backoff,
    /// What becomes of a run whose worker vanished.
    pub on_lost: OnLost,
    /// What becomes of missed fires.
    pub catch_up: CatchUp,
    /// Fires missed longer ago than this are not caught up, milliseconds.
    pub catch_up_window_ms: Option<i64>,
    /// Most fires caught up at once where all are.
    pub catch_up_max: u32,
}

impl Default for Policy {
    fn default() -> Policy {
        Policy {
            queue: "normal".to_owned(),
            priority: 5,
            overlap: Overlap::Skip,
            max_parallel: None,
            queue_max: 100,
            timeout_ms: Some(86_400_000),
            silence_ms: None,
            kill_grace_ms: 10_000,
            start_deadline_ms: None,
            retry: 0,
            backoff: Backoff::default(),
            on_lost: OnLost::Fail,
            catch_up: CatchUp::Last,
            catch_up_window_ms: None,
            catch_up_max: 100,
        }
    }
}

impl Policy {
    /// What a cron does: every fire runs at once, nothing is caught up, nothing is ended.
    pub fn cron() -> Policy {
        Policy {
            overlap: Overlap::Allow,
            timeout_ms: None,
            catch_up: CatchUp::None,
            ..Policy::default()
        }
    }

    /// Most runs of the job alive at once.
    pub fn parallel(&self) -> u32 {
        match (self.max_parallel, self.overlap) {
            (Some(n), _) => n.max(1),
            (None, Overlap::Allow) => u32::MAX,
            (None, _) => 1,
        }
    }

    /// Attempts allowed in all.
    pub fn max_attempts(&self) -> u32 {
        self.retry.saturating_add(1)
    }
}

mod backoff_text {
    use serde::{Deserialize, Deserializer, Serializer, de};

    use crate::model::Backoff;

    pub fn serialize<S: Serializer>(backoff: &Backoff, s: S) -> Result<S::Ok, S::Error> {
        s.collect_str(backoff)
    }

    pub fn deserialize<'de, D: Deserializer<'de>>(d: D) -> Result<Backoff, D::Error> {
        String::deserialize(d)?.parse().map_err(de::Error::custom)
    }
}

/// A span of time in which a job's fires are not run.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Pause {
    /// From this instant on, including it.
    pub from: UnixMs,
    /// Up to this instant, not including it; open where there is none.
    pub until: Option<UnixMs>,
    /// Who paused it.
    pub by: String,
    /// Why.
    pub reason: Option<String>,
}

impl Pause {
    /// Whether an instant lies in it.
    pub fn covers(&self, at: UnixMs) -> bool {
        self.from <= at && self.until.is_none_or(|until| at < until)
    }
}

/// A job as the daemon and the views know it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Job {
    /// Its name, unique in a store.
    pub name: String,
    /// What to execute.
    pub spec: Spec,
    /// By which rules.
    pub policy: Policy,
    /// Pauses that are open or were lately.
    pub pauses: Vec<Pause>,
    /// Grows with each change of the definition.
    pub version: i64,
    /// Present in the list of jobs; false for the one-off commands of `enqueue`.
    pub listed: bool,
}

impl Job {
    /// The pause that covers an instant.
    pub fn paused_at(&self, at: UnixMs) -> Option<&Pause> {
        self.pauses.iter().find(|p| p.covers(at))
    }
}

/// A name that cannot be a job's.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NameError(pub String, pub &'static str);

impl fmt::Display for NameError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "\"{}\" cannot be a job's name: {}", self.0, self.1)
    }
}

impl std::error::Error for NameError {}

/// Checks a job's name: 1 to 64 bytes, no blanks, no control characters, not a number, and none
/// of `~ @ # * ? /`, which mean something where runs are named.
///
/// # Errors
/// Says which rule it breaks.
pub fn check_name(name: &str) -> Result<(), NameError> {
    let fail = |why| Err(NameError(name.to_owned(), why));
    if name.is_empty() || name.len() > 64 {
        return fail("a name has 1 to 64 bytes");
    }
    if name.starts_with('-') {
        return fail("a name does not start with a hyphen");
    }
    if name.chars().all(|c| c.is_ascii_digit()) {
        return fail("a number alone names a run");
    }
    if name.chars().any(|c| c.is_whitespace() || c.is_control()) {
        return fail("a name has no blanks and no control characters");
    }
    if name.chars().any(|c| "~@#*?/\\\"'".contains(c)) {
        return fail("the characters ~ @ # * ? / \\ and quotes are not allowed in a name");
    }
    Ok(())
}
