//! Which alerts are due: what happened, what the receiver asks for and what it was told before.

use serde::{Deserialize, Serialize};

use crate::model::{AlertKind, Outcome, Receiver, RunId};
use crate::schedule::UnixMs;

/// A job that turned from well to unwell or back so often in this span is restless.
const TURNS: usize = 4;
const TURNS_MS: i64 = 3_600_000;

/// A restless job is calm again when it has not turned for so long.
const CALM_MS: i64 = 30 * 60_000;

/// Something that happened to a job.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Happening {
    /// A run started.
    Started(RunId),
    /// A run started late.
    Late(RunId, i64),
    /// A run is over. `odd` says that it took far longer or far shorter than usual.
    Ended {
        /// The run.
        run: RunId,
        /// How it ended.
        outcome: Outcome,
        /// `long` or `short`, where it was one.
        odd: Option<AlertKind>,
    },
    /// A live run that is out of the ordinary: `stuck` or `long`.
    Alive(RunId, AlertKind),
    /// A fire that nobody was there for, by its schedule and instant.
    Missed(i64, UnixMs),
}

/// What a receiver was told of a job.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Told {
    /// Failures in a row.
    pub fails: u32,
    /// The kind and the run of the failure that made it unwell, while it is.
    pub unwell: Option<(AlertKind, RunId)>,
    /// Whether the receiver knows it to be unwell.
    pub said: bool,
    /// The run it was told of as stuck.
    pub stuck: Option<RunId>,
    /// Whether it was told that the job does not succeed any more.
    pub silent: bool,
    /// When it lately turned from well to unwell or back.
    pub turns: Vec<UnixMs>,
    /// Whether it turns so often that nothing is said until it is calm.
    pub restless: bool,
}

impl Told {
    /// When to look again, whatever happens.
    pub fn look_at(&self) -> Option<UnixMs> {
        let last = self.turns.last().filter(|_| self.restless);
        last.map(|at| at + CALM_MS)
    }
}

/// That a receiver is to be told.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Decision {
    /// Of what.
    pub kind: AlertKind,
    /// Of which run.
    pub run: Option<RunId>,
    /// What tells it from every other decision for this receiver and job.
    pub key: String,
    /// Failures in a row, where it is about one.
    pub fails: u32,
    /// In words, what is to be said beside.
    pub note: Option<String>,
    /// Why it is recorded and not sent.
    pub dropped: Option<String>,
}

impl Decision {
    fn of(kind: AlertKind, run: Option<RunId>, key: String) -> Decision {
        Decision {
            kind,
            run,
            key,
            fails: 0,
            note: None,
            dropped: None,
        }
    }

    fn of_run(kind: AlertKind, run: RunId) -> Decision {
        Decision::of(kind, Some(run), run.to_string())
    }
}

/// Decides what a receiver is told of something that happened, and remembers it.
pub fn decide(
    receiver: &Receiver,
    told: &mut Told,
    happening: &Happening,
    now: UnixMs,
) -> Vec<Decision> {
    if receiver.pings() {
        return ping(happening).into_iter().collect();
    }
    let mut found = match happening {
        Happening::Started(_) => Vec::new(),
        Happening::Late(run, late_ms) => match *late_ms > receiver.late_ms {
            true => vec![Decision::of_run(AlertKind::Late, *run)],
            false => Vec::new(),
        },
        Happening::Alive(run, kind) => alive(receiver, told, *run, *kind),
        Happening::Missed(schedule, at) => {
            let key = format!("{schedule}@{at}");
            vec![Decision::of(AlertKind::Missed, None, key)]
        }
        Happening::Ended { run, outcome, odd } => {
            let mut found = ended(receiver, told, *run, *outcome, now);
            found.extend(odd.map(|kind| Decision::of_run(kind, *run)));
            found
        }
    };
    found.retain(|decision| receiver.wants(decision.kind));
    found
}

fn ping(happening: &Happening) -> Option<Decision> {
    match happening {
        Happening::Started(run) => Some(Decision::of_run(AlertKind::Started, *run)),
        Happening::Ended { run, outcome, .. } => match outcome {
            Outcome::Succeeded => Some(Decision::of_run(AlertKind::Succeeded, *run)),
            Outcome::Cancelled => None,
            _ => Some(Decision::of_run(AlertKind::Failed, *run)),
        },
        Happening::Late(..) | Happening::Alive(..) | Happening::Missed(..) => None,
    }
}

fn alive(receiver: &Receiver, told: &mut Told, run: RunId, kind: AlertKind) -> Vec<Decision> {
    if kind == AlertKind::Stuck && receiver.wants(kind) {
        if told.stuck == Some(run) {
            return Vec::new();
        }
        told.stuck = Some(run);
    }
    vec![Decision::of_run(kind, run)]
}

fn ended(
    receiver: &Receiver,
    told: &mut Told,
    run: RunId,
    outcome: Outcome,
    now: UnixMs,
) -> Vec<Decision> {
    let was_stuck = told.stuck.take_if(|stuck| *stuck == run).is_some();
    match AlertKind::of_outcome(outcome) {
        Some(kind) if receiver.wants(kind) => {
            told.fails = told.fails.saturating_add(1);
            if told.fails < receiver.after || told.unwell.is_some() {
                return Vec::new();
            }
            told.unwell = Some((kind, run));
            let mut decision = Decision::of_run(kind, run);
            decision.fails = told.fails;
            turn(told, &mut decision, now);
            vec![decision]
        }
        None if outcome == Outcome::Succeeded => {
            told.fails = 0;
            let was_silent = std::mem::take(&mut told.silent);
            let mut decision = Decision::of_run(AlertKind::Recovered, run);
            if told.unwell.take().is_some() {
                turn(told, &mut decision, now);
                vec![decision]
            } else if was_stuck || was_silent {
                vec![decision]
            } else {
                Vec::new()
            }
        }
        _ => Vec::new(),
    }
}

/// The job turned from well to unwell or back. One that does so over and over is told of once more,
/// and then only when it has become calm.
fn turn(told: &mut Told, decision: &mut Decision, now: UnixMs) {
    told.turns
        .retain(|at| (0..TURNS_MS).contains(&(now - at)) || told.restless);
    told.turns.push(now);
    if told.restless {
        // How long it has been calm follows from the last; the others are not needed any more.
        told.turns.drain(..told.turns.len() - 1);
        decision.dropped = Some("it fails and recovers over and over".to_owned());
        return;
    }
    told.said = told.unwell.is_some();
    if told.turns.len() > TURNS {
        told.restless = true;
        decision.note = Some(format!(
            "It fails and recovers over and over. Nothing more is said of that until it stays as it is for {} min.",
            CALM_MS / 60_000
        ));
    }
}

/// Looks whether a restless job has become calm, and says what the receiver does not know.
pub fn calm(receiver: &Receiver, told: &mut Told, now: UnixMs) -> Option<Decision> {
    if told.look_at().is_none_or(|at| at > now) {
        return None;
    }
    (told.restless, told.turns) = (false, Vec::new());
    let (kind, run) = match (told.unwell, told.said) {
        (Some((kind, run)), false) => (kind, Some(run)),
        (None, true) => (AlertKind::Recovered, None),
        _ => return None,
    };
    told.said = told.unwell.is_some();
    let mut decision = Decision::of(kind, run, format!("calm@{now}"));
    (decision.fails, decision.note) = (told.fails, Some("It is calm now.".to_owned()));
    receiver.wants(kind).then_some(decision)
}

/// Looks whether a job has gone without success for longer than the receiver allows; `since` is its
/// last success, or when it was made. Gives when to look again where it has not.
pub fn silence(
    receiver: &Receiver,
    told: &mut Told,
    since: UnixMs,
    now: UnixMs,
) -> (Option<Decision>, Option<UnixMs>) {
    let Some(limit) = receiver.silent_ms.filter(|_| !receiver.pings()) else {
        return (None, None);
    };
    if told.silent || !receiver.wants(AlertKind::Silent) {
        return (None, None);
    }
    match since.saturating_add(limit) {
        at if at > now => (None, Some(at)),
        _ => {
            told.silent = true;
            let decision = Decision::of(AlertKind::Silent, None, format!("since {since}"));
            (Some(decision), None)
        }
    }
}
