//! `crake rm`: jobs that are no longer wanted, and their way back.

use std::io::{BufRead, Write};

use clap_complete::engine::ArgValueCandidates;
use serde_json::json;

use crate::cli::after_flags::refuse_followed;
use crate::cli::complete;
use crate::cli::context::Context;
use crate::cli::error::{CliError, Kind};
use crate::cli::item::{self, JobItem};
use crate::store::StoreError;

/// Remove jobs; their runs and history stay, and --undo brings them back
#[derive(clap::Args)]
#[command(after_help = "\
Examples:
  crake rm backup
  crake rm --undo backup")]
pub struct RmArgs {
    /// Names of the jobs
    #[arg(required = true, value_name = "JOB", add = ArgValueCandidates::new(complete::job_names))]
    jobs: Vec<String>,
    /// Bring removed jobs back
    #[arg(long)]
    undo: bool,
    /// Also where another job follows it or is followed by it
    #[arg(long, conflicts_with = "undo")]
    force: bool,
}

/// Removes jobs, or brings them back.
///
/// # Errors
/// No such job; nothing is removed then.
pub fn rm(ctx: &Context, args: RmArgs) -> Result<u8, CliError> {
    if args.undo {
        return undo(ctx, &args.jobs);
    }
    let mut jobs = args.jobs;
    jobs.sort();
    jobs.dedup();
    let mut store = ctx.write()?;
    let mut items = Vec::new();
    for name in &jobs {
        let row = item::find(&store, name)?;
        if !args.force {
            refuse_followed(&store, name, &jobs)?;
        }
        items.push(JobItem::of(ctx, &store, row)?);
    }
    if ctx.ask && !agreed(&jobs)? {
        return Err(CliError::new(Kind::Failed, "nothing was removed"));
    }
    for name in &jobs {
        store.remove_job(name, &ctx.user.name, ctx.now())?;
    }
    ctx.nudge();
    ctx.answer(
        || items.iter().map(|item| item.json(ctx)).collect(),
        |out| {
            for name in &jobs {
                writeln!(
                    out,
                    "removed {name}; `crake rm --undo {name}` brings it back"
                )?;
            }
            Ok(())
        },
    )?;
    Ok(0)
}

/// Asks; anything but yes is no.
fn agreed(jobs: &[String]) -> Result<bool, CliError> {
    let mut error = std::io::stderr();
    write!(error, "Remove {}? [y/N] ", jobs.join(", "))?;
    error.flush()?;
    let mut answer = String::new();
    std::io::stdin().lock().read_line(&mut answer)?;
    Ok(matches!(answer.trim(), "y" | "Y" | "yes" | "Yes"))
}

fn undo(ctx: &Context, jobs: &[String]) -> Result<u8, CliError> {
    let mut store = ctx.write()?;
    let mut restored = Vec::new();
    for name in jobs {
        match store.restore_job(name, &ctx.user.name, ctx.now()) {
            Ok(paused) => restored.push((name, paused)),
            Err(StoreError::NoSuchJob(_)) => {
                let mut error = CliError::no_job(name, &store.removed_names()?);
                error.message = format!("no job named \"{name}\" was removed");
                if error
                    .hint
                    .as_ref()
                    .is_some_and(|hint| hint.starts_with('`'))
                {
                    error.hint = None;
                }
                return Err(error);
            }
            Err(StoreError::NameTaken(_)) => {
                let text = format!("there is a job named \"{name}\" already");
                return Err(CliError::new(Kind::Refused, text).hint(format!(
                    "give it another name first: `crake edit {name} --name NEW`"
                )));
            }
            Err(e) => return Err(e.into()),
        }
    }
    ctx.nudge();
    ctx.answer(
        || {
            restored
                .iter()
                .map(|(name, paused)| json!({"name": name, "paused": paused}))
                .collect()
        },
        |out| {
            for (name, paused) in &restored {
                let pause = match paused {
                    true => "; it was paused and still is",
                    false => "",
                };
                writeln!(out, "{name} is back{pause}")?;
            }
            Ok(())
        },
    )?;
    Ok(0)
}
