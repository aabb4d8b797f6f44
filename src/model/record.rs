//! What the firing thread decided, as it is handed to the store.
//!
//! The records that must survive a crash before they are in the store are written to the ring
//! first, in the same form; what is read back from the ring is recorded by the same code.

use serde::{Deserialize, Serialize};

use crate::model::words::words;
use crate::model::{
    Fence, MissReason, Origin, Outcome, Report, RunId, ScheduleId, StopCause, Verdict,
};
use crate::schedule::UnixMs;

/// One decision or one fact, in the order in which they happened.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Record {
    /// A planned instant got its verdict.
    #[serde(rename = "f")]
    Fire(Fire),
    /// A run was made by something other than a schedule.
    #[serde(rename = "n")]
    New(NewRun),
    /// An attempt was claimed.
    #[serde(rename = "s")]
    Start(Start),
    /// The job's first process of an attempt is alive.
    Spawned(Spawned),
    /// An attempt ended.
    Ended(Box<Ended>),
    /// A queued run ended without a start.
    #[serde(rename = "d")]
    Drop(Drop),
    /// Nobody was there to fire for a while.
    Gap(Gap),
    /// The wall clock was set back.
    #[serde(rename = "b")]
    Back(Back),
    /// Something worth telling.
    Note(Note),
}

/// A planned instant and its verdict. With `run`, the run exists from here on, queued.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Fire {
    /// The schedule version that planned it.
    #[serde(rename = "s")]
    pub schedule: ScheduleId,
    /// The job.
    #[serde(rename = "j")]
    pub job: String,
    /// The instant.
    #[serde(rename = "p")]
    pub planned_at: UnixMs,
    /// What became of it.
    #[serde(rename = "v")]
    pub verdict: Verdict,
    /// The run made for it, or the one that stands for it as well.
    #[serde(rename = "r", default, skip_serializing_if = "Option::is_none")]
    pub run: Option<RunId>,
    /// The run to be made: only with verdict `run`.
    #[serde(rename = "n", default, skip_serializing_if = "Option::is_none")]
    pub make: Option<NewRun>,
    /// Milliseconds from the instant to the decision.
    #[serde(rename = "l")]
    pub late_ms: i64,
    /// Why nobody was there at the instant.
    #[serde(rename = "w", default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<MissReason>,
    /// In words.
    #[serde(rename = "t", default, skip_serializing_if = "Option::is_none")]
    pub note: Option<String>,
    /// The run in whose way it came.
    #[serde(rename = "b", default, skip_serializing_if = "Option::is_none")]
    pub blocked_by: Option<RunId>,
    /// When it was decided.
    #[serde(rename = "d")]
    pub decided_at: UnixMs,
    /// How many instants this row stands for: more than one only where a long gap was folded.
    #[serde(rename = "c")]
    pub count: i64,
    /// The last instant this row stands for.
    #[serde(rename = "u")]
    pub until: UnixMs,
    /// The schedule's next instant not yet decided; none where it has no more.
    #[serde(rename = "x")]
    pub next_at: Option<UnixMs>,
}

/// A run to be made.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct NewRun {
    /// Its number.
    #[serde(rename = "r")]
    pub run: RunId,
    /// The job.
    #[serde(rename = "j")]
    pub job: String,
    /// The queue it waits in.
    #[serde(rename = "q")]
    pub queue: String,
    /// 0 goes first.
    #[serde(rename = "o")]
    pub priority: u8,
    /// What made it.
    #[serde(rename = "g")]
    pub origin: Origin,
    /// More on what made it, for example the number of another run.
    #[serde(rename = "f", default, skip_serializing_if = "Option::is_none")]
    pub origin_ref: Option<String>,
    /// The schedule and instant it was made for.
    #[serde(rename = "s", default, skip_serializing_if = "Option::is_none")]
    pub schedule: Option<ScheduleId>,
    /// The instant it was made for.
    #[serde(rename = "p", default, skip_serializing_if = "Option::is_none")]
    pub planned_at: Option<UnixMs>,
    /// When it was made.
    #[serde(rename = "a")]
    pub queued_at: UnixMs,
    /// Not to be started before this instant.
    #[serde(rename = "t")]
    pub run_at: UnixMs,
    /// Attempts allowed in all.
    #[serde(rename = "m")]
    pub max_attempts: u32,
}

/// The claim of one attempt.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Start {
    /// The run.
    #[serde(rename = "r")]
    pub run: RunId,
    /// The job.
    #[serde(rename = "j")]
    pub job: String,
    /// Which attempt, from 1.
    #[serde(rename = "n")]
    pub attempt: u32,
    /// Its number.
    #[serde(rename = "f")]
    pub fence: Fence,
    /// When it was claimed.
    #[serde(rename = "a")]
    pub at: UnixMs,
    /// The boot of the host it was claimed in.
    #[serde(rename = "b")]
    pub boot_id: String,
}

/// The job's first process is alive.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Spawned {
    /// The run.
    pub run: RunId,
    /// Which attempt.
    pub attempt: u32,
    /// Its claim.
    pub fence: Fence,
    /// Its process.
    pub pid: i32,
    /// The slot of the worker that carries it.
    pub slot: u32,
    /// When it started.
    pub at: UnixMs,
}

/// What follows the end of an attempt.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Next {
    /// The run is over.
    Final,
    /// The run waits for its next attempt until this instant.
    Retry(UnixMs),
}

/// An attempt ended.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Ended {
    /// The run.
    pub run: RunId,
    /// The job.
    pub job: String,
    /// Which attempt.
    pub attempt: u32,
    /// Its claim.
    pub fence: Fence,
    /// How the attempt ended.
    pub outcome: Outcome,
    /// What its worker reported; nothing where the worker vanished.
    pub report: Option<Report>,
    /// In words, where there is more to say.
    pub reason: Option<String>,
    /// When.
    pub at: UnixMs,
    /// What follows.
    pub next: Next,
    /// Whether a slot directory holds its output and waits to be collected.
    pub collect: bool,
}

/// A queued run ended without a start.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Drop {
    /// The run.
    #[serde(rename = "r")]
    pub run: RunId,
    /// The job.
    #[serde(rename = "j")]
    pub job: String,
    /// `cancelled` or `expired`.
    #[serde(rename = "o")]
    pub outcome: Outcome,
    /// Why.
    #[serde(rename = "w")]
    pub reason: String,
    /// When.
    #[serde(rename = "a")]
    pub at: UnixMs,
}

/// A span of time in which nobody was there to fire.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Gap {
    /// The last instant at which somebody is known to have been there.
    pub from: UnixMs,
    /// The first instant at which somebody was there again.
    pub until: UnixMs,
    /// Why.
    pub reason: MissReason,
}

/// The wall clock was set back further than lateness explains. Schedules that follow the clock go on
/// from where it is now; what had been decided for the time after that is taken out of the ledger.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Back {
    /// Where it was set to.
    #[serde(rename = "t")]
    pub to: UnixMs,
    /// Whether all schedules go on from there: the clock had been wrong. After a smaller step those
    /// that name fixed times wait until it passes where they were.
    #[serde(rename = "l")]
    pub all: bool,
}

words! {
    /// How much an event matters.
    Level, "level" {
        /// For the record.
        Info => "info",
        /// Worth a look.
        Warn => "warn",
        /// Somebody should act.
        Error => "error",
    }
}

/// Something worth telling.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Note {
    /// When.
    pub at: UnixMs,
    /// How much it matters.
    pub level: Level,
    /// One word for its kind, for example `kill`.
    pub kind: String,
    /// The job it concerns.
    pub job: Option<String>,
    /// The run it concerns.
    pub run: Option<RunId>,
    /// In words.
    pub text: String,
}

impl Note {
    /// A note on a span in which nobody was there, made at its end.
    pub fn gap(gap: &Gap) -> Note {
        let seconds = (gap.until - gap.from) / 1000;
        Note {
            at: gap.until,
            level: Level::Warn,
            kind: "gap".to_owned(),
            job: None,
            run: None,
            text: format!("nobody fired for {seconds} s: {}", gap.reason),
        }
    }

    /// A note on a wall clock that was set.
    pub fn clock(at: UnixMs, ms: i64) -> Note {
        Note {
            at,
            level: Level::Info,
            kind: "clock".to_owned(),
            job: None,
            run: None,
            text: format!("the wall clock was set by {ms} ms"),
        }
    }

    /// A note on a run that is being ended.
    pub fn stop(at: UnixMs, job: &str, run: RunId, why: StopCause) -> Note {
        Note {
            at,
            level: Level::Info,
            kind: "kill".to_owned(),
            job: Some(job.to_owned()),
            run: Some(run),
            text: format!("ending run {run} of {job}: {why}"),
        }
    }
}
