//! One process started for a run: the order for it and the report of it.

use serde::{Deserialize, Serialize};

use crate::model::words::words;
use crate::model::{Command, Fence, Limits, Outcome, Raw, RunId};
use crate::schedule::UnixMs;

/// Everything a worker must know to carry one attempt. It looks nothing up.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Order {
    /// The run.
    pub run: RunId,
    /// Which attempt of it, from 1.
    pub attempt: u32,
    /// The claim that allows this start.
    pub fence: Fence,
    /// The job's name, for messages.
    pub job: String,
    /// What to execute.
    pub command: Command,
    /// The shell for a command line; `/bin/sh` where none is given.
    pub shell: Option<String>,
    /// The whole environment.
    pub env: Vec<(String, Raw)>,
    /// Working directory; that of the user where there is a user and none is given.
    pub cwd: Option<String>,
    /// What the job reads on standard input; without it, nothing (end of file at once).
    pub stdin: Option<Raw>,
    /// The file it reads there instead.
    #[serde(default)]
    pub stdin_file: Option<String>,
    /// File mode creation mask.
    pub umask: u32,
    /// Longest time from start to end, milliseconds.
    pub timeout_ms: Option<i64>,
    /// Longest time without a byte of output, milliseconds.
    pub silence_ms: Option<i64>,
    /// From SIGTERM to SIGKILL, milliseconds.
    pub kill_grace_ms: i64,
    /// Bytes of output kept; the middle is dropped.
    pub output_max: u64,
    /// As whom it runs and what it may take.
    #[serde(default)]
    pub limits: Limits,
    /// Variables that are taken from the user's entry in the list of users once it is looked up:
    /// some of `HOME`, `LOGNAME`, `SHELL` and `USER`.
    #[serde(default)]
    pub login: Vec<String>,
    /// A line for the shell to be run after exit code 0, which says whether the work was done.
    #[serde(default)]
    pub verify: Option<Raw>,
    /// The cron (`debian`, `cronie`) by whose ways it is started: both outputs are one, variables of
    /// the login session are added, and what it leaves running goes on.
    #[serde(default)]
    pub cron: Option<String>,
}

words! {
    /// Why we ended an attempt.
    StopCause, "stop cause" {
        /// The time limit.
        Timeout => "timeout",
        /// The silence limit.
        Silence => "silence",
        /// Somebody asked.
        Kill => "kill",
        /// A newer run of the job replaced it.
        Replaced => "replaced",
        /// The memory limit.
        Memory => "memory",
        /// The limit of CPU time.
        Cpu => "cpu",
    }
}

/// How the job's first process ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Exit {
    /// It exited with this code.
    Code(i32),
    /// This signal ended it.
    Signal(i32),
    /// It was never executed; the operating system's error number.
    Unspawnable(i32),
}

/// How much a job wrote and how much of it was kept.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Output {
    /// Bytes written by the job.
    pub total: u64,
    /// Bytes of them not kept.
    pub dropped: u64,
}

/// What a worker has to say of an attempt that ended.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Report {
    /// When its first process started.
    pub started_at: UnixMs,
    /// When it ended, Unix milliseconds.
    pub ended_at: UnixMs,
    /// How.
    pub exit: Exit,
    /// Whether and why we ended it.
    pub stop: Option<StopCause>,
    /// In words, where there is something to say (why it could not be executed, who survived).
    pub reason: Option<String>,
    /// CPU time of the tree that was waited for, milliseconds.
    pub cpu_ms: i64,
    /// Largest resident set of one process of it, bytes.
    pub max_rss: i64,
    /// What it wrote.
    pub output: Output,
}

impl Report {
    /// The outcome that follows from how it ended and who ended it.
    pub fn outcome(&self) -> Outcome {
        match (self.stop, self.exit) {
            (_, Exit::Unspawnable(_)) => Outcome::Unspawnable,
            (Some(StopCause::Timeout | StopCause::Silence), _) => Outcome::TimedOut,
            (
                Some(StopCause::Kill | StopCause::Replaced | StopCause::Memory | StopCause::Cpu),
                _,
            ) => Outcome::Killed,
            (None, Exit::Code(0)) => Outcome::Succeeded,
            (None, Exit::Code(_)) => Outcome::Failed,
            (None, Exit::Signal(_)) => Outcome::Signaled,
        }
    }

    /// The exit code; of a command that could not be executed 126 or 127, as a shell has it.
    pub fn exit_code(&self) -> Option<i32> {
        match self.exit {
            Exit::Code(code) => Some(code),
            Exit::Signal(_) => None,
            // ENOENT is 2 on every Unix this runs on.
            Exit::Unspawnable(2) => Some(127),
            Exit::Unspawnable(_) => Some(126),
        }
    }

    /// The signal that ended it.
    pub fn signal(&self) -> Option<i32> {
        match self.exit {
            Exit::Signal(signal) => Some(signal),
            Exit::Code(_) | Exit::Unspawnable(_) => None,
        }
    }
}

/// What a slot directory and its lock prove about the last order it took.
#[derive(Clone, Debug, PartialEq)]
pub enum Holding {
    /// A living worker carries it.
    Alive {
        /// The claim.
        fence: Fence,
        /// The job's first process, once there is one.
        pid: Option<i32>,
    },
    /// It ended and the report is on disk, not yet collected.
    Ended {
        /// The claim.
        fence: Fence,
        /// What the worker wrote.
        report: Report,
    },
    /// It was started, no report was written, and nobody holds the lock.
    Dead {
        /// The claim.
        fence: Fence,
        /// Whether the start was before the last boot of the host.
        other_boot: bool,
    },
}

impl Holding {
    /// The claim it speaks of.
    pub fn fence(&self) -> Fence {
        match self {
            Holding::Alive { fence, .. }
            | Holding::Ended { fence, .. }
            | Holding::Dead { fence, .. } => *fence,
        }
    }
}
