//! `crake watch pause`, `resume` and `rm`.

use std::io::{BufRead, Write};

use clap_complete::ArgValueCandidates;

use crate::cli::complete;
use crate::cli::context::Context;
use crate::cli::error::{CliError, Kind};
use crate::cli::{moment, watch};
use crate::model::Pause;
use crate::view::time::in_full;

/// Pause a watch: it is not asked meanwhile
#[derive(clap::Args)]
#[command(after_help = "\
Examples:
  crake watch pause orders --for 2h --reason 'the shop is being moved'")]
pub struct PauseWatchArgs {
    /// Name of the watch
    #[arg(add = ArgValueCandidates::new(complete::watch_names))]
    name: String,
    /// For this long
    #[arg(long = "for", value_name = "D", conflicts_with = "until", value_parser = moment::duration)]
    length: Option<i64>,
    /// Until this instant
    #[arg(long, value_name = "T")]
    until: Option<String>,
    /// Why, for those who wonder later
    #[arg(long, value_name = "TEXT")]
    reason: Option<String>,
}

/// Resume a paused watch; it is asked at once
#[derive(clap::Args)]
#[command(after_help = "Example:\n  crake watch resume orders")]
pub struct ResumeWatchArgs {
    /// Name of the watch
    #[arg(add = ArgValueCandidates::new(complete::watch_names))]
    name: String,
}

/// Remove a watch, with what it remembers; its runs stay
#[derive(clap::Args)]
#[command(after_help = "Example:\n  crake watch rm orders")]
pub struct RmWatchArgs {
    /// Name of the watch
    #[arg(add = ArgValueCandidates::new(complete::watch_names))]
    name: String,
}

/// Pauses a watch.
///
/// # Errors
/// No such watch; an end that has passed.
pub fn pause(ctx: &Context, args: &PauseWatchArgs) -> Result<u8, CliError> {
    let now = ctx.now();
    let until = match (args.length, &args.until) {
        (Some(ms), _) => Some(now + ms),
        (None, Some(text)) => Some(moment::future(ctx, text)?),
        (None, None) => None,
    };
    if until.is_some_and(|until| until <= now) {
        return Err(
            CliError::new(Kind::Usage, "the end of the pause has passed")
                .hint("write how long, such as --for 2h, or an instant to come"),
        );
    }
    let mut store = ctx.write()?;
    watch::find(&store, &args.name)?;
    store.pause_watch(
        &args.name,
        &Pause {
            from: now,
            until,
            by: ctx.user.name.clone(),
            reason: args.reason.clone(),
        },
    )?;
    ctx.nudge();
    let kept = watch::find(&store, &args.name)?;
    ctx.answer_one(
        || watch::definition(ctx, &kept),
        |out| {
            let until = match until {
                Some(until) => format!("until {}", in_full(until, &ctx.zone)),
                None => format!("until `crake watch resume {}`", args.name),
            };
            writeln!(out, "{} is paused, {until}", args.name)
        },
    )?;
    Ok(0)
}

/// Resumes a watch.
///
/// # Errors
/// No such watch.
pub fn resume(ctx: &Context, args: &ResumeWatchArgs) -> Result<u8, CliError> {
    let mut store = ctx.write()?;
    watch::find(&store, &args.name)?;
    let was_paused = store.resume_watch(&args.name, &ctx.user.name, ctx.now())?;
    ctx.nudge();
    let kept = watch::find(&store, &args.name)?;
    ctx.answer_one(
        || watch::definition(ctx, &kept),
        |out| {
            let verb = match was_paused {
                true => "is resumed, and asked at once",
                false => "was not paused",
            };
            writeln!(out, "{} {verb}", args.name)
        },
    )?;
    Ok(0)
}

/// Removes a watch.
///
/// # Errors
/// No such watch; nobody agreed.
pub fn rm(ctx: &Context, args: &RmWatchArgs) -> Result<u8, CliError> {
    let mut store = ctx.write()?;
    let row = watch::find(&store, &args.name)?;
    agreed(ctx, &format!("Remove the watch {}?", args.name), "removed")?;
    store.remove_watch(&args.name, &ctx.user.name, ctx.now())?;
    ctx.nudge();
    ctx.answer_one(
        || watch::definition(ctx, &row),
        |out| writeln!(out, "removed {}", args.name),
    )?;
    Ok(0)
}

/// Asks where questions may be asked; anything but yes is no.
///
/// # Errors
/// That it was no.
pub fn agreed(ctx: &Context, question: &str, done: &str) -> Result<(), CliError> {
    if !ctx.ask {
        return Ok(());
    }
    let mut error = std::io::stderr();
    write!(error, "{question} [y/N] ")?;
    error.flush()?;
    let mut answer = String::new();
    std::io::stdin().lock().read_line(&mut answer)?;
    match answer.trim() {
        "y" | "Y" | "yes" | "Yes" => Ok(()),
        _ => Err(CliError::new(Kind::Failed, format!("nothing was {done}"))),
    }
}
