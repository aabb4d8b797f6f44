//! A watch: a query that is asked again and again, and starts a job for what it finds.

use std::fmt;

use serde::{Deserialize, Serialize};

use crate::model::words::words;
use crate::model::{Cell, Pause};
use crate::schedule::UnixMs;

words! {
    /// What counts as found.
    Mode, "mode" {
        /// Every row of the result, at every poll.
        Rows => "rows",
        /// Rows after the last one seen, in the order of the key columns.
        Cursor => "cursor",
        /// Rows whose key was not seen before, for tables without an order.
        New => "new",
        /// What differs from the result before: rows added, removed, changed.
        Changed => "changed",
        /// Rows that the query claims, to be acknowledged.
        Consume => "consume",
        /// A number that crosses a limit.
        Threshold => "threshold",
    }
}

words! {
    /// How many runs the rows of a poll make.
    Deliver, "delivery" {
        /// One for each row.
        Row => "row",
        /// One for each so many rows.
        Batch => "batch",
    }
}

words! {
    /// When a cursor moves on, or a claim is acknowledged.
    Advance, "advance" {
        /// Once the runs stand in the queue.
        Enqueued => "enqueued",
        /// Once the runs have succeeded.
        Succeeded => "succeeded",
    }
}

words! {
    /// How much of each poll is kept.
    PollLog, "log level" {
        /// That it took place and how it ended.
        Off => "off",
        /// The query as well.
        Query => "query",
        /// The values it was asked with as well.
        Params => "params",
        /// The rows that were delivered as well.
        Rows => "rows",
    }
}

words! {
    /// What caused a poll.
    Trigger, "trigger" {
        /// The watch's own interval.
        Timer => "timer",
        /// The source said that something changed.
        Notify => "notify",
        /// Somebody asked.
        Manual => "manual",
        /// The way back to a source that was away.
        Reconnect => "reconnect",
        /// The poll before could not take all there was.
        More => "more",
    }
}

words! {
    /// How a poll ended.
    PollOutcome, "poll outcome" {
        /// It has not ended.
        Running => "running",
        /// It found something.
        Ok => "ok",
        /// It found nothing.
        Empty => "empty",
        /// The query was refused, or what it gave cannot be used.
        Error => "error",
        /// It took longer than its time limit.
        Timeout => "timeout",
        /// The source could not be reached, or no connection was free.
        NoConnection => "no_connection",
        /// It was due while the one before was under way.
        Skipped => "skipped",
        /// The process that asked vanished.
        Lost => "lost",
    }
}

words! {
    /// How a watch stands, computed by whoever looks.
    WatchState, "watch state" {
        /// A poll is under way, within its time limit.
        Running => "running",
        /// The last poll went well, the next is ahead.
        Idle => "idle",
        /// Rows were delivered within the last interval.
        Active => "active",
        /// The last poll went wrong.
        Failing => "failing",
        /// A poll is overdue, or outlived its time limit.
        Stalled => "stalled",
        /// It waits for a run before it goes on.
        Blocked => "blocked",
        /// It is further behind than it may be.
        Lagging => "lagging",
        /// Its source is gone.
        NoSource => "no_source",
        /// Somebody paused it.
        Paused => "paused",
    }
}

/// Number of a poll, unique in a store.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
pub struct PollId(pub i64);

impl fmt::Display for PollId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// Where a cursor begins.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Initial {
    /// After what is there at the first poll.
    #[default]
    Now,
    /// Before everything.
    Min,
    /// After these values of the key columns.
    Value(Vec<Cell>),
}

/// The limits of mode `threshold`. The value is *in* once it lies beyond one of them, and *out* again
/// once it is back within `rearm` (without it, within the limit).
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Threshold {
    /// In when the value is greater.
    pub above: Option<f64>,
    /// In when the value is less.
    pub below: Option<f64>,
    /// How far back it must come before it can cross again.
    pub rearm: Option<f64>,
    /// Whether coming back makes a run as well.
    #[serde(default)]
    pub on_return: bool,
}

/// A watch as it is defined.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Watch {
    /// Its name, unique in a store.
    pub name: String,
    /// The source it asks.
    pub source: String,
    /// The query.
    pub query: String,
    /// Values bound to its names.
    #[serde(default)]
    pub params: Vec<(String, Cell)>,
    /// What counts as found.
    pub mode: Mode,
    /// The columns that tell rows apart.
    #[serde(default)]
    pub key: Vec<String>,
    /// Where the cursor begins.
    #[serde(default)]
    pub initial: Initial,
    /// How far back a cursor looks again where its first column is a number.
    pub lookback_ids: i64,
    /// How far back it looks where that is an instant, milliseconds.
    pub lookback_ms: i64,
    /// A statement that claims rows before the query reads them.
    #[serde(default)]
    pub claim: Option<String>,
    /// A statement for each delivered row: it was taken.
    #[serde(default)]
    pub ack: Option<String>,
    /// A statement for each delivered row: it was not taken.
    #[serde(default)]
    pub nack: Option<String>,
    /// After this a claim that was not acknowledged counts as given up, milliseconds.
    pub visibility_ms: i64,
    /// The limits of mode `threshold`.
    #[serde(default)]
    pub limits: Threshold,
    /// The job that is run.
    pub job: String,
    /// One run for each row or for each batch.
    pub deliver: Deliver,
    /// Rows of a batch.
    pub batch_max: u32,
    /// From one poll to the next, milliseconds.
    pub every_ms: i64,
    /// Longest time of a poll, milliseconds.
    pub timeout_ms: i64,
    /// The channel, or `data_version`, that causes a poll at once.
    #[serde(default)]
    pub listen: Option<String>,
    /// When the cursor moves on.
    pub advance: Advance,
    /// Whether a poll that finds nothing makes a run as well.
    #[serde(default)]
    pub on_empty: bool,
    /// How much of each poll is kept.
    pub log: PollLog,
    /// Parameters and columns whose values are kept nowhere.
    #[serde(default)]
    pub redact: Vec<String>,
    /// Rows taken from one poll.
    pub max_rows: u32,
    /// Keys remembered by mode `new`.
    pub seen_max: u32,
    /// How long keys are remembered by mode `new`, milliseconds.
    pub seen_ms: i64,
    /// Since when, by whom and why it is paused.
    #[serde(default)]
    pub paused: Option<Pause>,
}

impl Watch {
    /// A watch with the values that hold where nothing is said.
    pub fn of(name: &str, source: &str, query: &str, job: &str) -> Watch {
        Watch {
            name: name.to_owned(),
            source: source.to_owned(),
            query: query.to_owned(),
            params: Vec::new(),
            mode: Mode::Rows,
            key: Vec::new(),
            initial: Initial::Now,
            lookback_ids: 1_000,
            lookback_ms: 60_000,
            claim: None,
            ack: None,
            nack: None,
            visibility_ms: 300_000,
            limits: Threshold::default(),
            job: job.to_owned(),
            deliver: Deliver::Batch,
            batch_max: 500,
            every_ms: 60_000,
            timeout_ms: 30_000,
            listen: None,
            advance: Advance::Enqueued,
            on_empty: false,
            log: PollLog::Params,
            redact: Vec::new(),
            max_rows: 10_000,
            seen_max: 100_000,
            seen_ms: 30 * 86_400_000,
            paused: None,
        }
    }

    /// What is wrong with the definition, if anything.
    pub fn fault(&self) -> Option<String> {
        let keyed = matches!(self.mode, Mode::Cursor | Mode::New | Mode::Consume);
        if keyed && self.key.is_empty() {
            return Some(format!("mode {} needs a key: --key COLUMN", self.mode));
        }
        let limits = &self.limits;
        if self.mode == Mode::Threshold && limits.above.is_none() && limits.below.is_none() {
            return Some("mode threshold needs --above or --below".to_owned());
        }
        if let Initial::Value(cells) = &self.initial
            && cells.len() != self.key.len()
        {
            let (given, wanted) = (cells.len(), self.key.len());
            return Some(format!(
                "--initial has {given} values for {wanted} key columns"
            ));
        }
        let taken = self.ack.is_some() || self.nack.is_some() || self.claim.is_some();
        if taken && self.mode != Mode::Consume {
            return Some("--claim, --ack and --nack belong to mode consume".to_owned());
        }
        if self.every_ms < 100 {
            return Some("--every is at least 100ms".to_owned());
        }
        if self.timeout_ms < 1 || self.batch_max < 1 || self.max_rows < 1 {
            return Some("--timeout, --batch-max and --max-rows are more than nothing".to_owned());
        }
        None
    }

    /// Whether what stands under this name, of a parameter or a column, is to be kept nowhere.
    pub fn redacts(&self, name: &str) -> bool {
        self.redact.iter().any(|r| r.eq_ignore_ascii_case(name))
    }
}

/// How far a cursor of PostgreSQL had come when all transactions below a number were begun.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Mark {
    /// The first transaction that was not begun yet.
    pub before: i64,
    /// Where the cursor was.
    pub cursor: Vec<Cell>,
    /// The poll that brought it there.
    pub poll: PollId,
}

/// What a watch remembers from one poll to the next, beside the keys it has seen.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Memory {
    /// The key of the last row.
    #[serde(default)]
    pub cursor: Option<Vec<Cell>>,
    /// Where the cursor began. What lies before is not looked back for: it was never to be delivered.
    #[serde(default)]
    pub began: Option<Vec<Cell>>,
    /// Up to here no row can come any more, where the source tells which transactions are over.
    #[serde(default)]
    pub floor: Option<Floor>,
    /// Where the cursor was while transactions were under way that may still commit.
    #[serde(default)]
    pub marks: Vec<Mark>,
    /// Where to go on, while a result larger than one poll may take is read in pages.
    #[serde(default)]
    pub page: Option<Page>,
    /// Whether there was a poll that went well.
    #[serde(default)]
    pub begun: bool,
    /// A digest of the last result of mode `changed`, and the result by key where it is not too large.
    #[serde(default)]
    pub last: Option<LastResult>,
    /// Whether the value of mode `threshold` is in.
    #[serde(default)]
    pub inside: bool,
    /// How often it has crossed.
    #[serde(default)]
    pub crossings: i64,
}

/// Up to where every row has been read that can ever be there.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Floor {
    /// Nowhere yet: a transaction under way may still bring the very first row.
    Start,
    /// Up to this key.
    At(Vec<Cell>),
}

/// A result that is read in pages.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Page {
    /// The key of the last row of the page before.
    pub after: Vec<Cell>,
    /// The oldest transaction that was under way when the first page was read.
    pub oldest: Option<i64>,
}

/// The last result of mode `changed`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct LastResult {
    /// A digest of it.
    pub digest: String,
    /// Its columns.
    pub columns: Vec<String>,
    /// Its rows by key, unless it is too large to be kept.
    pub rows: Option<Vec<(String, Vec<Cell>)>>,
}

/// When a watch is to be asked next, and why.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct NextPoll {
    /// When, Unix milliseconds.
    pub at: UnixMs,
    /// Why.
    pub trigger: Trigger,
}
