//! How the end of a run is told: a line for people, an exit code for scripts.

use crate::model::{Outcome, RunState};
use crate::store::RunRow;
use crate::view::items::took_ms;
use crate::view::text::clean_all;
use crate::view::time::span;
use crate::view::words;

/// What crake exits with where it is not the job that failed.
pub const OURS: u8 = 125;

/// What timeout(1) exits with.
pub const TIMED_OUT: u8 = 124;

/// Added to the number of a signal, as a shell does.
const SIGNALED: i32 = 128;

/// The exit code that stands for a run: the job's own where it has one, else as `timeout` and the
/// shell have it, else 125.
pub fn exit_code(run: &RunRow) -> u8 {
    let RunState::Ended(outcome) = run.state else {
        return OURS;
    };
    let code = |code: i32| u8::try_from(code).unwrap_or(1);
    match outcome {
        Outcome::Succeeded => 0,
        Outcome::Failed => run.exit_code.map_or(1, code),
        Outcome::Signaled => run.signal.map_or(OURS, |s| code(SIGNALED + s)),
        Outcome::TimedOut => TIMED_OUT,
        Outcome::Killed => 137,
        Outcome::Unspawnable => run.exit_code.map_or(126, code),
        Outcome::Cancelled | Outcome::Expired | Outcome::Lost | Outcome::Interrupted => OURS,
    }
}

/// How a run ended: `FAIL exit 1 after 12.0s`.
pub fn words(run: &RunRow) -> String {
    let mut text = words::state(run.state).to_owned();
    let detail = words::detail(run);
    if !detail.is_empty() {
        text.push_str(&format!(" {}", clean_all(&detail)));
    }
    if let Some(took) = took_ms(run) {
        text.push_str(&format!(" after {}", span(took)));
    }
    text
}

/// `run #1860 backup-db`.
pub fn title(run: &RunRow) -> String {
    format!("run #{} {}", run.run, clean_all(&run.job))
}
