//! What `crake verify` answers.

use std::collections::BTreeMap;

use serde_json::{Value, json};

use crate::cli::context::{Context, Form};
use crate::cli::error::CliError;
use crate::schedule::{UnixMs, Zone};
use crate::view::time::{in_full, rfc3339};

/// What the two sides came to.
#[derive(Default)]
pub struct Findings {
    /// Fires planned in the span.
    pub expected: usize,
    /// Those of them that the log shows.
    pub matched: usize,
    /// Crake fires, cron did not.
    pub missing: Vec<Fire>,
    /// Cron fired, crake would not.
    pub extra: Vec<Fire>,
    /// Spans without a word of cron in which something was due.
    pub gaps: Vec<(UnixMs, UnixMs, usize)>,
    /// Commands of the log that no imported entry has.
    pub unknown: BTreeMap<(String, String), usize>,
    /// Entries that leave no trace in a log, or at no minute known beforehand.
    pub not_observable: Vec<String>,
    /// Entries that were not due in the span.
    pub not_seen: Vec<String>,
}

/// A fire of an imported entry.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Fire {
    /// The minute.
    pub at: UnixMs,
    /// The job.
    pub job: String,
    /// The user it runs as.
    pub user: String,
    /// The command.
    pub command: String,
}

impl Findings {
    /// Whether anything is left over, or cannot be said.
    pub fn differs(&self) -> bool {
        !(self.missing.is_empty() && self.extra.is_empty() && self.gaps.is_empty())
    }
}

/// Writes the answer.
///
/// # Errors
/// Those of writing.
pub fn answer(
    ctx: &Context,
    zone: &Zone,
    (since, until): (UnixMs, UnixMs),
    found: &Findings,
) -> Result<(), CliError> {
    ctx.answer_one(
        || item(zone, (since, until), found),
        |out| {
            let full = |at: UnixMs| in_full(at, zone);
            let (expected, matched) = (found.expected, found.matched);
            let span = format!("from {} to {}", full(since), full(until));
            writeln!(
                out,
                "{expected} fires planned {span}, {matched} found in the log"
            )?;
            for fire in &found.missing {
                let at = full(fire.at);
                writeln!(
                    out,
                    "missing  {at}  {}: crake fires, cron did not",
                    fire.job
                )?;
            }
            for fire in &found.extra {
                let at = full(fire.at);
                writeln!(
                    out,
                    "extra    {at}  {}: cron fired, crake does not",
                    fire.job
                )?;
            }
            for (from, to, n) in &found.gaps {
                let (from, to) = (full(*from), full(*to));
                writeln!(
                    out,
                    "gap      {from} to {to}: no word of cron, {n} fires were due"
                )?;
            }
            let verdict = if found.differs() {
                "They differ."
            } else {
                "They are equal."
            };
            writeln!(out, "{verdict}")
        },
    )?;
    if ctx.form == Form::Text {
        say_more(ctx, found);
    }
    Ok(())
}

fn say_more(ctx: &Context, found: &Findings) {
    for ((user, command), n) in &found.unknown {
        ctx.say(&format!(
            "note: not imported, {n} times in the log: ({user}) {command}"
        ));
    }
    if !found.not_seen.is_empty() {
        let jobs = found.not_seen.join(", ");
        ctx.say(&format!("note: not due in that time: {jobs}"));
    }
    if !found.not_observable.is_empty() {
        let jobs = found.not_observable.join(", ");
        ctx.say(&format!("note: no log can show: {jobs}"));
    }
}

fn item(zone: &Zone, (since, until): (UnixMs, UnixMs), found: &Findings) -> Value {
    let at = |at: UnixMs| rfc3339(at, zone);
    let fires = |all: &[Fire]| -> Vec<Value> {
        let fire = |fire: &Fire| json!({"at": at(fire.at), "job": fire.job, "user": fire.user, "command": fire.command});
        all.iter().map(fire).collect()
    };
    let gaps: Vec<Value> = found
        .gaps
        .iter()
        .map(|(from, to, n)| json!({"from": at(*from), "to": at(*to), "fires": n}))
        .collect();
    let unknown: Vec<Value> = found
        .unknown
        .iter()
        .map(|((user, command), n)| json!({"user": user, "command": command, "count": n}))
        .collect();
    json!({
        "since": at(since), "until": at(until),
        "verdict": if found.differs() { "differs" } else { "equal" },
        "expected": found.expected, "matched": found.matched,
        "missing": fires(&found.missing), "extra": fires(&found.extra), "gaps": gaps,
        "unknown": unknown, "not_observable": found.not_observable, "not_seen": found.not_seen,
    })
}
