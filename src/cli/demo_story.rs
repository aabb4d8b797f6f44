//! What the demonstration tells: the changes in the store, as lines.

use std::collections::HashMap;

use crate::cli::error::CliError;
use crate::model::{Origin, Outcome, RunState, Verdict};
use crate::schedule::UnixMs;
use crate::store::{FireFilter, RunFilter, RunRow, Store};

/// What has come true so far.
#[derive(Clone, Copy, Debug, Default)]
pub struct Seen {
    /// A run succeeded.
    pub succeeded: bool,
    /// A run succeeded after a failed attempt.
    pub retried: bool,
    /// A run was ended at its time limit.
    pub timed_out: bool,
    /// A missed fire was caught up.
    pub caught_up: bool,
}

/// Tells each change once.
pub struct Story {
    began: UnixMs,
    runs: HashMap<i64, (RunState, u32)>,
    fires: UnixMs,
    /// What has come true so far.
    pub seen: Seen,
}

impl Story {
    /// A story that begins now.
    pub fn new(began: UnixMs) -> Story {
        Story {
            began,
            runs: HashMap::new(),
            fires: 0,
            seen: Seen::default(),
        }
    }

    /// The lines for what has changed since the last look.
    ///
    /// # Errors
    /// Those of reading.
    pub fn look(&mut self, store: &Store) -> Result<Vec<String>, CliError> {
        let mut lines = Vec::new();
        self.missed(store, &mut lines)?;
        let mut runs = store.runs(&RunFilter::default())?;
        runs.reverse();
        for run in runs {
            let now = (run.state, run.attempt);
            let before = self.runs.insert(run.run.0, now);
            if before == Some(now) {
                continue;
            }
            if let Some((at, text)) = self.change(store, &run, before.map(|(_, n)| n))? {
                lines.push(self.line(at, &text));
            }
        }
        Ok(lines)
    }

    fn missed(&mut self, store: &Store, lines: &mut Vec<String>) -> Result<(), CliError> {
        let filter = FireFilter {
            verdict: Some(Verdict::Missed),
            ..FireFilter::default()
        };
        let mut fires = store.fires(&filter)?;
        fires.retain(|f| f.decided_at > self.fires);
        fires.reverse();
        for fire in fires {
            self.fires = self.fires.max(fire.decided_at);
            let reason = fire.reason.map_or("", |r| r.as_str());
            let then = match fire.run {
                Some(run) => format!(", made up for by run #{run}"),
                None => String::new(),
            };
            lines.push(self.line(
                fire.planned_at,
                &format!("      {:7} missed: {reason}{then}", fire.job),
            ));
        }
        Ok(())
    }

    /// What to say of a run that changed, and when it happened.
    fn change(
        &mut self,
        store: &Store,
        run: &RunRow,
        attempts_before: Option<u32>,
    ) -> Result<Option<(UnixMs, String)>, CliError> {
        let head = format!("#{:<4} {:7}", run.run, run.job);
        Ok(match run.state {
            RunState::Ended(outcome) => {
                self.note(run, outcome);
                let took = match (run.started_at, run.ended_at) {
                    (Some(from), Some(to)) => format!(" after {} ms", to - from),
                    _ => String::new(),
                };
                let tries = match run.attempt {
                    0 | 1 => String::new(),
                    n => format!(", attempt {n}"),
                };
                let origin = match run.origin {
                    Origin::CatchUp => ", caught up late",
                    _ => "",
                };
                let text = format!("{head} {outcome}{took}{tries}{origin}");
                Some((run.ended_at.unwrap_or(self.began), text))
            }
            RunState::Queued if attempts_before.is_some() => {
                let attempts = store.attempts(run.run)?;
                let at = attempts.last().and_then(|a| a.ended_at);
                let text = format!("{head} attempt {} failed, trying again", run.attempt);
                Some((at.unwrap_or(self.began), text))
            }
            RunState::Running if run.job == "hang" => {
                let text = format!("{head} started: it ignores SIGTERM and has children");
                Some((run.started_at.unwrap_or(self.began), text))
            }
            RunState::Queued | RunState::Running => None,
        })
    }

    fn note(&mut self, run: &RunRow, outcome: Outcome) {
        let succeeded = outcome == Outcome::Succeeded;
        self.seen.succeeded |= succeeded;
        self.seen.retried |= succeeded && run.attempt > 1;
        self.seen.timed_out |= outcome == Outcome::TimedOut;
        self.seen.caught_up |= succeeded && run.origin == Origin::CatchUp;
    }

    fn line(&self, at: UnixMs, text: &str) -> String {
        let ms = (at - self.began).max(0);
        format!("  {:>3}.{:03}s  {text}", ms / 1000, ms % 1000)
    }
}
