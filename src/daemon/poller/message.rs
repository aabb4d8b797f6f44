//! What the core and a poller say to each other.
//!
//! Both are the same program, but a poller may be a little older than the core it talks to: fields
//! that are not known are passed over, and a kind of message that is not known reads as `Unknown`.

use std::collections::BTreeSet;

use serde::{Deserialize, Serialize};

use crate::model::{Cell, PollId, Secret, Source};
use crate::schedule::UnixMs;
use crate::source::{Gauges, SourceError};

/// From the core to a poller.
#[derive(Debug, Serialize, Deserialize)]
#[serde(tag = "type", rename_all = "snake_case")]
pub enum ToPoller {
    /// The source it is for. The first of all messages, said once.
    Open {
        /// The source.
        source: Box<Source>,
        /// Its password.
        #[serde(with = "passed")]
        secret: Option<Secret>,
    },
    /// From now on exactly these channels are to be listened to.
    Listen {
        /// Channels of PostgreSQL, or `data_version` for a file of SQLite.
        channels: BTreeSet<String>,
    },
    /// Ask the source something.
    Ask {
        /// What.
        ask: Ask,
    },
    /// Change something there.
    Act {
        /// What.
        act: Act,
    },
    /// Stop what is under way, close the connections, and end.
    Leave,
    /// Something a newer core says.
    #[serde(other)]
    Unknown,
}

/// A statement and the values bound to its names: all in it must be given, all given must be in it.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Wording {
    /// The statement.
    pub sql: String,
    /// Values by name.
    #[serde(default)]
    pub params: Vec<(String, Cell)>,
}

/// A poll.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Ask {
    /// Its number; no two under way have the same.
    pub poll: PollId,
    /// The watch, shown on servers as the one who asks.
    pub watch: String,
    /// A statement that claims rows before the query reads them, on the same connection.
    #[serde(default)]
    pub claim: Option<Wording>,
    /// The query.
    pub query: Wording,
    /// Whether to read which transactions are under way before the query, and which are not begun
    /// after it (PostgreSQL).
    #[serde(default)]
    pub transactions: bool,
    /// Whether the query changes something. A claim always does.
    #[serde(default)]
    pub write: bool,
    /// How long claim and query may take together, milliseconds. Waiting for a connection counts.
    pub timeout_ms: i64,
    /// The most rows to take.
    pub max_rows: usize,
    /// The most bytes of values to take, roughly.
    pub max_bytes: usize,
}

/// A statement that is executed once for each row of values, on one connection; each time is
/// committed by itself.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Act {
    /// Its number; no two under way have the same.
    pub id: u64,
    /// The watch.
    pub watch: String,
    /// The statement.
    pub sql: String,
    /// For each time the values by name.
    pub params: Vec<Vec<(String, Cell)>>,
    /// How long all of it may take, milliseconds.
    pub timeout_ms: i64,
}

/// From a poller to the core.
#[derive(Debug, Serialize, Deserialize)]
#[serde(tag = "type", rename_all = "snake_case")]
pub enum FromPoller {
    /// Its loop came round; said every second.
    Beat {
        /// How it stands.
        beat: Beat,
    },
    /// Some rows of an answer; more or the end of it follow.
    Rows {
        /// The poll.
        poll: PollId,
        /// The rows.
        rows: Vec<Vec<Cell>>,
    },
    /// A piece of one long row, in JSON.
    Piece {
        /// The poll.
        poll: PollId,
        /// The next characters of it.
        text: String,
        /// Whether the row is complete with this.
        last: bool,
    },
    /// The end of an answer.
    Answered {
        /// What there is to say of it beside the rows.
        answered: Box<Answered>,
    },
    /// What came of an [`Act`].
    Acted {
        /// It.
        acted: Acted,
    },
    /// Somebody said something on a channel, once or many times.
    Heard {
        /// The channel.
        channel: String,
    },
    /// A channel is not listened to any more, and is tried again until it is.
    Deaf {
        /// The channel.
        channel: String,
        /// Since when at the latest, Unix milliseconds: then it was still known to work.
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
    /// A connection was held longer than its time limit and the grace, and was given up.
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
    /// Something a newer poller says.
    #[serde(other)]
    Unknown,
}

/// How a poller stands.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Beat {
    /// The figures of its pool.
    pub gauges: Gauges,
    /// The channels that are being listened to at present.
    pub listening: BTreeSet<String>,
    /// Polls and acts under way, those that wait for their turn among them.
    pub under_way: u32,
    /// Its resident memory, bytes; 0 where that cannot be read.
    pub rss: u64,
}

/// What there is to say of an answer beside its rows.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub(in crate::daemon::poller) struct Answered {
    pub poll: i64,
    pub columns: Vec<String>,
    /// How many rows were sent before.
    pub rows: u64,
    pub truncated: bool,
    pub affected: u64,
    pub claimed: Option<u64>,
    pub transactions: Option<(i64, i64)>,
    pub took_ms: i64,
    pub wait_ms: i64,
    pub connection: String,
    pub error: Option<SourceError>,
}

/// What came of an [`Act`].
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Acted {
    /// Its number.
    pub id: u64,
    /// How many rows each time touched, in order, as far as it went.
    pub affected: Vec<u64>,
    /// What the time after those met; the rest was not tried.
    pub error: Option<SourceError>,
    /// How long it took, milliseconds.
    pub took_ms: i64,
}

/// A password in the one place where it has to be written out: a socket that only the two ends have.
mod passed {
    use serde::{Deserialize, Deserializer, Serialize, Serializer};

    use crate::model::Secret;

    pub fn serialize<S: Serializer>(secret: &Option<Secret>, s: S) -> Result<S::Ok, S::Error> {
        secret.as_ref().map(Secret::expose).serialize(s)
    }

    pub fn deserialize<'de, D: Deserializer<'de>>(d: D) -> Result<Option<Secret>, D::Error> {
        let text = Option::<String>::deserialize(d)?;
        Ok(text.map(Secret::new))
    }
}

#[cfg(test)]
mod tests {
    use crate::daemon::poller::message::{FromPoller, ToPoller};
    use crate::model::{PasswordFrom, PoolLimits, Secret, Source, SourceEngine};

    #[test]
    fn what_is_not_known_is_passed_over() {
        let known = br#"{"type":"heard","channel":"orders","colour":"red"}"#;
        assert!(matches!(
            serde_json::from_slice(known).unwrap(),
            FromPoller::Heard { .. }
        ));
        let unknown = br#"{"type":"sing","song":{"a":[1,2]}}"#;
        assert!(matches!(
            serde_json::from_slice(unknown).unwrap(),
            ToPoller::Unknown
        ));
        assert!(matches!(
            serde_json::from_slice(unknown).unwrap(),
            FromPoller::Unknown
        ));
    }

    #[test]
    fn a_password_crosses_and_is_not_printed() {
        let source = Source {
            name: "shop".to_owned(),
            engine: SourceEngine::Sqlite,
            dsn: "sqlite:/x".to_owned(),
            password: PasswordFrom::Stored,
            writable: false,
            limits: PoolLimits::default(),
            version: 1,
            created_at: 0,
            changed_at: 0,
        };
        let open = ToPoller::Open {
            source: Box::new(source.clone()),
            secret: Some(Secret::new("hush")),
        };
        assert!(!format!("{open:?}").contains("hush"));
        let text = serde_json::to_vec(&open).unwrap();
        let ToPoller::Open { source: s, secret } = serde_json::from_slice(&text).unwrap() else {
            panic!("another kind");
        };
        assert_eq!(*s, source);
        assert_eq!(secret.unwrap().expose(), "hush");
    }
}
