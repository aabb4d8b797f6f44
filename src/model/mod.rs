//! The nouns: job, schedule, fire, verdict, run, attempt, outcome, and the records that pass
//! between the parts.
//!
//! Plain data with its legal values. Nothing here reads time, files or SQL; nothing here decides.

mod alert;
mod attempt;
mod backoff;
mod dsn;
mod duration;
mod evidence;
mod follow;
mod id;
mod imported;
mod job;
mod limits;
mod passed_on;
mod planned;
mod queue;
mod raw;
mod receiver;
mod record;
mod retention;
mod rows;
mod run;
mod secret;
mod source;
mod trouble;
mod verdict;
mod watch;
mod words;
mod worker;

pub use alert::{AlertKind, AlertState, TidingKind};
pub use attempt::{Exit, Holding, Order, Output, Report, StopCause};
pub use backoff::Backoff;
pub use dsn::{Address, Dsn, DsnError, SslMode};
pub use duration::{DurationError, format_duration, parse_duration};
pub use evidence::{Condition, Evidence, LONG_WAIT_MS, QUIET_MS, Subject, Wait, WaitFor};
pub use follow::{Follow, Whence};
pub use id::{Fence, RunId, ScheduleId};
pub use imported::{Imported, Said};
pub use job::{
    CatchUp, Command, Engine, Job, NameError, OnLost, Overlap, Pause, Policy, Spec, check_name,
};
pub use limits::{IoClass, IoNice, Limits};
pub use passed_on::PASSED_ON;
pub use planned::{
    Planned, ShiftTo, Terms, UnreadableSchedule, Written, read_schedule, read_written,
};
pub use queue::Queue;
pub use raw::Raw;
pub use receiver::{Means, Place, Quiet, Rate, Receiver, ReceiverRow, SecretFrom, redacted_url};
pub use record::{Back, Drop, Ended, Fire, Gap, Level, NewRun, Next, Note, Record, Spawned, Start};
pub use retention::{Keep, Retention, RunLimits};
pub use rows::{Cell, Rows};
pub use run::{Origin, Outcome, QueuedRun, RunState};
pub use secret::Secret;
pub use source::{PasswordFrom, PoolLimits, Source, SourceEngine};
pub use trouble::{Holder, Trouble, TroubleKind};
pub use verdict::{MissReason, Verdict};
pub use watch::{
    Advance, Deliver, Floor, Initial, LastResult, Mark, Memory, Mode, NextPoll, Page, PollId,
    PollLog, PollOutcome, Threshold, Trigger, Watch, WatchState,
};
pub use words::UnknownWord;
pub use worker::{BEAT_LOST_MS, Carried, SlotLook, WorkerState};
