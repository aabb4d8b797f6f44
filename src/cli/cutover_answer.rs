//! What a cutover and a rollback answer.

use serde_json::{Value, json};

use crate::cli::context::Context;
use crate::cli::error::CliError;
use crate::schedule::UnixMs;
use crate::view::time::rfc3339;

/// What becomes of one table.
pub struct Done {
    /// The table.
    pub source: String,
    /// Jobs that take over, or give back.
    pub jobs: Vec<String>,
    /// Why nothing was done.
    pub skipped: Option<String>,
    /// From when on.
    pub at: Option<UnixMs>,
    /// Where the backup is.
    pub backup: Option<String>,
    /// Lines before and after.
    pub diff: Vec<(String, String)>,
}

/// Writes the answer of a cutover or a rollback.
///
/// # Errors
/// Those of writing.
pub fn answer(ctx: &Context, done: &[Done], dry_run: bool, what: &str) -> Result<(), CliError> {
    let item = |one: &Done| -> Value {
        let diff: Vec<Value> = one
            .diff
            .iter()
            .map(|(a, b)| json!({"from": a, "to": b}))
            .collect();
        json!({
            "table": one.source, "jobs": one.jobs, "skipped": one.skipped,
            "at": one.at.map(|at| rfc3339(at, &ctx.zone)), "backup": one.backup, "diff": diff,
            "dry_run": dry_run,
        })
    };
    ctx.answer(
        || done.iter().map(item).collect(),
        |out| {
            for one in done {
                if let Some(why) = &one.skipped {
                    writeln!(out, "{}: {why}", one.source)?;
                    continue;
                }
                let count = one.diff.len();
                if dry_run {
                    writeln!(out, "--- {0}\n+++ {0}", one.source)?;
                    for (from, to) in &one.diff {
                        writeln!(out, "-{from}\n+{to}")?;
                    }
                    writeln!(
                        out,
                        "{count} lines would be {what}. Nothing written (dry run)."
                    )?;
                } else {
                    let at = one.at.map(|at| rfc3339(at, &ctx.zone)).unwrap_or_default();
                    writeln!(out, "{}: {count} lines {what}, from {at} on", one.source)?;
                    if let Some(backup) = &one.backup {
                        writeln!(out, "  the file as it was: {backup}/before")?;
                    }
                }
            }
            if done.is_empty() {
                writeln!(out, "no table is there to be {what}")?;
            }
            Ok(())
        },
    )
}
