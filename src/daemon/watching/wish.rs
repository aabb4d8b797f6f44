//! What the watching thread and the store side say to each other.
//!
//! The watching thread writes nothing: it wishes, and is told what came of it. A wish that cannot be
//! carried out now, because the store cannot be written, waits with all that came after it.

use crate::daemon::watching::wording::Worded;
use crate::model::{Note, PollId, Secret, Source, SourceEngine};
use crate::schedule::UnixMs;
use crate::source::SourceError;
use crate::store::{Finished, Known, LastAsked, NewGauge, NewPoll, Owed, PollEnd, WatchRow};

/// What the watching thread wants of the store.
#[derive(Debug)]
pub enum Wish {
    /// A poll is to begin.
    Begin(NewPoll, SourceEngine),
    /// A poll that was due is not made, for this reason.
    Skip(NewPoll, String),
    /// Which of these keys of a poll's result are known, and which not since an instant.
    Known {
        /// The watch.
        watch: String,
        /// The poll.
        poll: PollId,
        /// The keys.
        keys: Vec<String>,
        /// The instant.
        since: UnixMs,
    },
    /// A poll is over.
    Finish(Box<PollEnd>),
    /// Watches are asked at other times than was said.
    Next(Vec<(String, Option<UnixMs>)>),
    /// Runs have ended: which watches may go on?
    Settle,
    /// What is the source of this watch to be told of rows; with `ended`, of those whose runs are over?
    Owed {
        /// The watch.
        watch: String,
        /// Whether it is told when runs are over, not when they are queued.
        ended: bool,
    },
    /// The source was told.
    Paid(Vec<i64>),
    /// How the connections to a source stand.
    Gauge(NewGauge),
    /// There are connections to these sources alone.
    Gauges(Vec<String>),
    /// Something worth telling, of a watch or in general.
    Tell(Option<String>, Note),
}

/// What the watching thread is told.
#[derive(Debug)]
pub enum Word {
    /// All watches, as they are defined now.
    Watches(Vec<Defined>),
    /// A poll has begun, and so it is to be asked; nothing where the watch is gone.
    Begun(String, Option<Box<Begun>>),
    /// The keys of a poll's result that are known.
    Known(String, PollId, Known),
    /// What became of the end of a poll.
    Finished(String, PollId, Finished),
    /// These watches may go on.
    Settled(Vec<String>),
    /// What the source of a watch is to be told.
    Owed(String, Vec<Owed>),
    /// Runs have ended.
    RunsEnded,
    /// End.
    Stop,
}

/// A watch as the store has it.
#[derive(Clone, Debug)]
pub struct Defined {
    /// The definition and what it remembers.
    pub row: WatchRow,
    /// Its source, if there is one.
    pub source: Option<(Source, Option<Secret>)>,
    /// The last poll.
    pub last: Option<LastAsked>,
    /// Whether it waits for runs.
    pub held: bool,
    /// Whether its source is still to be told of rows.
    pub owes: bool,
}

/// A poll that has begun.
#[derive(Debug)]
pub struct Begun {
    /// Its number.
    pub poll: PollId,
    /// The watch as it was then.
    pub row: WatchRow,
    /// What is asked, or why nothing can be.
    pub worded: Result<Worded, SourceError>,
}
