//! What the screens show: read by the feed, handed over whole, never changed.

use std::collections::BTreeMap;
use std::sync::Arc;

use crate::model::{CatchUp, Gap, Outcome, Pause, RunId};
use crate::schedule::UnixMs;
use crate::store::{AttemptRow, EventRow, HistoryRow, LastEnd, MissedGroup, PollRow, RunRow};
use crate::view::status::Status;
use crate::view::watches::WatchView;
use crate::view::workers::Pace;

/// One look at an instance.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Data {
    /// When the store was read.
    pub read_at: UnixMs,
    /// Why it could not be read, where it could not; the rest is what was read before.
    pub error: Option<String>,
    /// Counts, the attention list, the day so far. None until the store was read.
    pub status: Option<Status>,
    /// Runs alive, then runs that wait.
    pub live: Vec<Live>,
    /// The runs that ended last, newest first.
    pub recent: Vec<RunRow>,
    /// What fires next.
    pub next: Vec<NextFire>,
    /// The local day in cells.
    pub day: Day,
    /// All jobs, by name.
    pub jobs: Arc<Vec<JobLine>>,
    /// The last runs of the jobs that are in sight, oldest first.
    pub bars: BTreeMap<String, Vec<Bar>>,
    /// The day of the jobs that are in sight.
    pub lanes: BTreeMap<String, Day>,
    /// More on the job under the cursor.
    pub chosen: Option<Chosen>,
    /// The window of runs asked for, newest first.
    pub runs: Vec<RunRow>,
    /// Whether there are older runs than those of the window.
    pub more_runs: bool,
    /// Missed fires.
    pub missed: Vec<MissedGroup>,
    /// When nobody was there to fire.
    pub gaps: Vec<Gap>,
    /// The workers.
    pub workers: Vec<Worker>,
    /// The watches.
    pub watches: Vec<WatchView>,
    /// The polls of one watch, the newest first.
    pub polls: Option<(String, Vec<PollLine>)>,
    /// The run asked for.
    pub run: Option<RunDetail>,
    /// The job asked for.
    pub job: Option<JobDetail>,
    /// The output asked for.
    pub log: Option<LogPage>,
    /// More on the alert that is selected.
    pub why: Option<Why>,
}

/// A poll and the runs it made.
#[derive(Clone, Debug, PartialEq)]
pub struct PollLine {
    /// The poll.
    pub poll: PollRow,
    /// Its runs, as far as they are named.
    pub runs: Vec<RunId>,
}

/// A run that is not over.
#[derive(Clone, Debug, PartialEq)]
pub struct Live {
    /// The run.
    pub run: RunRow,
    /// How it stands to its job's next fires.
    pub pace: Pace,
    /// The median of its job's last good runs, milliseconds.
    pub usual_ms: Option<i64>,
}

/// What a question about a job has to say.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Chosen {
    /// The job.
    pub job: String,
    /// When it fires next.
    pub next_at: Option<UnixMs>,
    /// From SIGTERM to SIGKILL, milliseconds.
    pub kill_grace_ms: i64,
    /// Whether it is paused.
    pub paused: bool,
    /// Its last run that is over.
    pub last: Option<RunId>,
    /// Fires missed that nobody did anything about.
    pub missed: i64,
    /// Most of them that are caught up at once.
    pub catch_up_max: u32,
}

/// A planned instant to come.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NextFire {
    /// When.
    pub at: UnixMs,
    /// The job.
    pub job: String,
    /// Its expression.
    pub expr: String,
}

/// The local day in cells of equal length.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Day {
    /// Its first instant.
    pub from: UnixMs,
    /// The length of a cell, milliseconds.
    pub cell_ms: i64,
    /// One for each.
    pub cells: Vec<Cell>,
}

/// What happened and is to happen in one cell of a day.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Cell {
    /// Runs that ended well.
    pub good: u32,
    /// Runs that failed.
    pub bad: u32,
    /// Fires missed.
    pub missed: u32,
    /// Schedules that fire in it.
    pub planned: u32,
    /// Runs that were alive in it and still are.
    pub alive: u32,
}

/// A job in a list.
#[derive(Clone, Debug, PartialEq)]
pub struct JobLine {
    /// Its name.
    pub name: String,
    /// Its expressions, as one text.
    pub schedule: String,
    /// The pause that holds or is to come.
    pub pause: Option<Pause>,
    /// The next instant not yet decided.
    pub next_at: Option<UnixMs>,
    /// Its last run that is over.
    pub last: Option<LastEnd>,
    /// Its runs that are alive.
    pub running: usize,
    /// Missed fires nobody did anything about.
    pub missed: i64,
    /// Its labels.
    pub tags: Vec<String>,
    /// Its queue.
    pub queue: String,
    /// Why it cannot be read or planned.
    pub error: Option<String>,
}

/// One run as a bar.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Bar {
    /// When it started.
    pub at: UnixMs,
    /// How it ended; none while it is alive.
    pub outcome: Option<Outcome>,
    /// How long it took, milliseconds.
    pub took_ms: i64,
}

/// A worker and what is known of what it carries. The keys are those of `crake worker ls`.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Worker {
    /// Its name, as `w3`.
    pub name: String,
    /// `idle`, `running`, `stuck` and so on.
    pub state: String,
    /// The queue of its run.
    pub queue: Option<String>,
    /// Its run.
    pub run: Option<RunId>,
    /// The job of its run.
    pub job: Option<String>,
    /// The job's first process.
    pub pid: Option<i32>,
    /// How long it has been at it, milliseconds.
    pub busy_ms: Option<i64>,
    /// How much of a core the job uses.
    pub cpu_percent: Option<i64>,
    /// Its resident set, bytes.
    pub rss_bytes: Option<i64>,
    /// How long it wrote nothing, milliseconds.
    pub quiet_ms: Option<i64>,
    /// The clauses that led to the state, each in words.
    pub evidence: Vec<String>,
}

/// Everything about one run.
#[derive(Clone, Debug, PartialEq)]
pub struct RunDetail {
    /// The run.
    pub run: RunRow,
    /// Its attempts.
    pub attempts: Vec<AttemptRow>,
    /// What was told of it, oldest first.
    pub events: Vec<EventRow>,
    /// Who asked for it.
    pub requested_by: Option<String>,
    /// How it stands to its job's next fires.
    pub pace: Pace,
    /// The median of its job's last good runs, milliseconds.
    pub usual_ms: Option<i64>,
    /// The last run of its job that went well, before it.
    pub last_good: Option<RunRow>,
    /// When its job fires next.
    pub next_at: Option<UnixMs>,
}

/// Everything about one job.
#[derive(Clone, Debug, PartialEq)]
pub struct JobDetail {
    /// Its name.
    pub name: String,
    /// Its definition as the editor shows it.
    pub toml: Result<String, String>,
    /// What it executes.
    pub command: String,
    /// Each schedule: expression, what it means, zone.
    pub schedules: Vec<(String, String, String)>,
    /// What its queue, limits and rules are, in words.
    pub rules: Vec<String>,
    /// Its catch-up rule.
    pub catch_up: CatchUp,
    /// Its last runs, newest first.
    pub runs: Vec<RunRow>,
    /// Fires of the seven days from today, by day and hour.
    pub week: crate::view::week::Grid,
    /// Changes of the clock in that week.
    pub changes: Vec<String>,
    /// When it fires next.
    pub next_at: Option<UnixMs>,
    /// Who changed it when, newest first.
    pub history: Vec<HistoryRow>,
}

/// One line of output.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LogLine {
    /// When its first byte was read.
    pub at: UnixMs,
    /// Whether it came from standard error.
    pub err: bool,
    /// As it was written, bytes that are no UTF-8 replaced; not yet safe to be shown.
    pub text: String,
}

/// A window of the output of one attempt.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct LogPage {
    /// The run.
    pub run: RunId,
    /// Which attempt.
    pub attempt: u32,
    /// The number of the first line of the window, from 0.
    pub first: usize,
    /// The lines of the window.
    pub lines: Arc<Vec<LogLine>>,
    /// Lines there are in all.
    pub total: usize,
    /// Bytes written and not kept.
    pub dropped: u64,
    /// Whether nothing more will come.
    pub done: bool,
    /// Why it cannot be read.
    pub error: Option<String>,
}

/// More on an alert.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Why {
    /// The job it is about.
    pub job: Option<String>,
    /// The run it is about, with the end of its output.
    pub run: Option<RunRow>,
    /// The last lines of its output.
    pub tail: Vec<LogLine>,
    /// The last run of its job that went well.
    pub last_good: Option<RunRow>,
    /// When its job fires next.
    pub next_at: Option<UnixMs>,
    /// Where the job's runbook is.
    pub runbook: Option<String>,
    /// Who looks after the job.
    pub owner: Option<String>,
    /// What else went wrong within the hour before and after.
    pub also: Vec<String>,
}
