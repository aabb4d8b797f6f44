//! The words and signs a state is shown by. A state never shows by its colour alone.

use crate::model::{MissReason, Outcome, RunState, Verdict};
use crate::store::RunRow;

/// The word for a state in listings.
pub fn state(state: RunState) -> &'static str {
    match state {
        RunState::Queued => "queued",
        RunState::Running => "run",
        RunState::Ended(outcome) => self::outcome(outcome),
    }
}

/// The word for an outcome in listings; what somebody has to look at is in capitals.
pub fn outcome(outcome: Outcome) -> &'static str {
    match outcome {
        Outcome::Succeeded => "ok",
        Outcome::Failed | Outcome::Signaled | Outcome::Unspawnable => "FAIL",
        Outcome::TimedOut => "TIMEOUT",
        Outcome::Killed => "KILLED",
        Outcome::Cancelled => "cancelled",
        Outcome::Expired => "EXPIRED",
        Outcome::Lost => "LOST",
        Outcome::Interrupted => "INTERRUPTED",
    }
}

/// The sign for a state, in ASCII.
pub fn sign(state: RunState) -> char {
    match state {
        RunState::Queued => 'o',
        RunState::Running => '>',
        RunState::Ended(Outcome::Succeeded) => '+',
        RunState::Ended(Outcome::Cancelled | Outcome::Killed) => '-',
        RunState::Ended(Outcome::Lost | Outcome::Interrupted) => '?',
        RunState::Ended(_) => 'x',
    }
}

/// Whether somebody has to look at it.
pub fn is_failure(outcome: Outcome) -> bool {
    !matches!(
        outcome,
        Outcome::Succeeded | Outcome::Cancelled | Outcome::Killed
    )
}

/// What made a run: its origin, and the watch where it was one.
pub fn made_by(run: &RunRow) -> String {
    match &run.watch {
        Some(watch) => format!("{} {watch}", run.origin),
        None => run.origin.to_string(),
    }
}

/// How a run ended, or why it waits, in a few words; empty where there is nothing to say.
pub fn detail(run: &RunRow) -> String {
    let mut parts = Vec::new();
    match (run.state, run.exit_code, run.signal) {
        (RunState::Ended(Outcome::Succeeded), ..) => {}
        (RunState::Ended(_), _, Some(signal)) => parts.push(format!("signal {signal}")),
        (RunState::Ended(_), Some(code), _) => parts.push(format!("exit {code}")),
        _ => {}
    }
    if run.max_attempts > 1 && run.attempt > 0 {
        parts.push(format!("({}/{})", run.attempt, run.max_attempts));
    }
    if let Some(reason) = &run.reason {
        parts.push(reason.clone());
    }
    if let Some(ack) = &run.ack {
        let note = ack.note.as_ref();
        let note = note.map_or(String::new(), |note| format!(": {note}"));
        parts.push(format!("[acked by {}{note}]", ack.by));
    }
    parts.join(" ")
}

/// The word for a verdict in listings.
pub fn verdict(verdict: Verdict) -> &'static str {
    match verdict {
        Verdict::Missed => "MISSED",
        Verdict::Error => "ERROR",
        other => other.as_str(),
    }
}

/// Why nobody was there.
pub fn reason(reason: MissReason) -> &'static str {
    match reason {
        MissReason::HostOff => "host off",
        MissReason::Asleep => "host asleep",
        MissReason::DaemonDown => "daemon down",
        MissReason::ClockStep => "clock set past it",
        MissReason::Overload => "daemon overloaded",
    }
}

/// `1 job`, `2 jobs`.
pub fn count(number: i64, thing: &str) -> String {
    let s = if number == 1 { "" } else { "s" };
    format!("{number} {thing}{s}")
}
