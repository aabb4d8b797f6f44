//! `crake status` while the disk of the store does not answer: what the daemon says of itself.
//!
//! Whoever reads the store then waits for the disk, and cannot even be killed.

use serde_json::Value;

use crate::cli::alive;
use crate::cli::context::Context;
use crate::cli::error::CliError;
use crate::store::Store;
use crate::view::items::Items;
use crate::view::status::{daemon_words, status};

/// What only the store knows.
const UNKNOWN: [&str; 6] = ["jobs", "paused", "running", "queued", "today", "next_at"];

/// Shows what can be known without the store, where that is all there is. Says whether it is.
///
/// # Errors
/// Those of writing.
pub fn blind_status(ctx: &Context) -> Result<bool, CliError> {
    let Some(daemon) = alive::cut_off(ctx) else {
        return Ok(false);
    };
    let now = ctx.now();
    let words = daemon_words(&daemon, &ctx.zone, now);
    let why = daemon.degraded.clone().unwrap_or_default();
    // One with nothing in it, for the form of the answer.
    let found = status(&Store::in_memory()?, daemon, &ctx.zone, now)?;
    ctx.answer_one(
        || {
            let mut item = Items::new(&ctx.zone).status(&found);
            for key in UNKNOWN {
                item[key] = Value::Null;
            }
            item
        },
        |out| {
            writeln!(out, "{words}")?;
            writeln!(out, "{why}")?;
            writeln!(
                out,
                "jobs go on firing; the rest is not known until the disk answers"
            )
        },
    )?;
    Ok(true)
}
