//! What people and programs are shown of the store: the same items for listings, JSON and screens.
//!
//! Read-only. Facts that do not stand in the store (whether the daemon answers, what time it is,
//! how wide the terminal is) are passed in.

pub mod alert_words;
pub mod attention;
mod attention_alerts;
pub mod attention_daemon;
pub mod attention_runs;
pub mod attention_watches;
pub mod audit;
pub mod calendar;
pub mod check;
pub mod doctor;
pub mod explain;
pub mod explain_words;
mod findings;
pub mod items;
pub mod metrics;
pub mod mismatch;
pub mod notes;
mod standing;
pub mod status;
pub mod status_news;
pub mod table;
pub mod text;
pub mod time;
pub mod timetable;
pub mod watch_items;
pub mod watches;
pub mod week;
pub mod words;
pub mod workers;

use crate::model::{SlotLook, Trouble};
use crate::schedule::UnixMs;

/// What is known of the daemon at this moment.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Daemon {
    /// Whether it answers.
    pub up: bool,
    /// Its process, where it answers.
    pub pid: Option<i32>,
    /// How long ago its firing loop last came round, milliseconds.
    pub beat_age_ms: Option<i64>,
    /// Since when it is up, or since when it is known to be gone.
    pub since: Option<UnixMs>,
    /// Why it works without its store, where it does.
    pub degraded: Option<String>,
    /// The same as a value.
    pub trouble: Option<Box<Trouble>>,
    /// Why it does not answer, where that is not simply because there is none.
    pub silent: Option<String>,
    /// The process that starts it again.
    pub guardian: Option<i32>,
    /// How often it died in a row, none of its lives as long as a minute.
    pub deaths: u32,
    /// How it ended the last time.
    pub ending: Option<String>,
    /// Its slots; workers outlive it.
    pub workers: Vec<SlotLook>,
}
