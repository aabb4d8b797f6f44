//! What the core hears of a poller.

use crate::daemon::poller::message::{Acted, Beat};
use crate::model::{PollId, Rows};
use crate::schedule::UnixMs;
use crate::source::SourceError;

/// What a poll brought.
#[derive(Clone, Debug, PartialEq)]
pub struct Reply {
    /// The rows, and whether there were more.
    pub rows: Rows,
    /// How many rows the query touched, as the engine counts.
    pub affected: u64,
    /// How many rows the claim touched, where there was one.
    pub claimed: Option<u64>,
    /// The oldest transaction under way before the query, and the first not begun after it, where
    /// that was asked and the server tells.
    pub transactions: Option<(i64, i64)>,
}

/// The end of a poll.
#[derive(Clone, Debug, PartialEq)]
pub struct Answer {
    /// Which.
    pub poll: PollId,
    /// How long claim and query took, milliseconds.
    pub took_ms: i64,
    /// How long it waited for a connection, milliseconds.
    pub wait_ms: i64,
    /// The server's number for the connection; empty where it had none.
    pub connection: String,
    /// What came of it.
    pub result: Result<Reply, SourceError>,
}

/// What is heard of a poller.
#[derive(Debug)]
pub enum PollerEvent {
    /// Its loop came round.
    Beat(Beat),
    /// A poll is over.
    Answered(Box<Answer>),
    /// An act is over.
    Acted(Acted),
    /// Somebody said something on a channel, once or many times.
    Heard {
        /// The channel.
        channel: String,
    },
    /// A channel is not listened to any more; it is tried again.
    Deaf {
        /// The channel.
        channel: String,
        /// Since when at the latest, Unix milliseconds.
        since: UnixMs,
        /// Why.
        error: SourceError,
    },
    /// A channel is listened to.
    Listening {
        /// The channel.
        channel: String,
        /// Since when it was not, Unix milliseconds; nothing the first time.
        again_after: Option<UnixMs>,
    },
    /// A connection was held too long and given up.
    Leak {
        /// The watch that took it.
        owner: String,
        /// For what.
        sql: String,
        /// How long it had been out, milliseconds.
        held_ms: i64,
        /// The server's number for it.
        connection: String,
    },
    /// The process has ended, and nothing of it is left. Told once; nothing comes after it.
    Gone {
        /// How, in words.
        how: String,
    },
}
