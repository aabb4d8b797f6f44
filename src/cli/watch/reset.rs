//! `crake watch reset` and `skip`: a watch that is to begin elsewhere, or to go on all the same.

use clap_complete::ArgValueCandidates;

use crate::cli::complete;
use crate::cli::context::Context;
use crate::cli::error::{CliError, Kind};
use crate::cli::watch;
use crate::cli::watch::rest::agreed;
use crate::cli::watch::values::{initial, place};
use crate::model::{Initial, Mode};
use crate::store::Reset;
use crate::view::watch_items::in_short;

/// Let a watch begin anew: at a place of its cursor, or without the keys it has seen
#[derive(clap::Args)]
#[command(
    group = clap::ArgGroup::new("what").required(true).multiple(true),
    after_help = "\
Examples:
  crake watch reset orders --cursor 4711
  crake watch reset orders --to now
  crake watch reset invoices --forget-seen

Rows after the new place are delivered, those that were delivered before among them."
)]
pub struct ResetArgs {
    /// Name of the watch
    #[arg(add = ArgValueCandidates::new(complete::watch_names))]
    name: String,
    /// Mode cursor: go on after these values, one for each key column
    #[arg(
        long,
        value_name = "VALUES",
        group = "what",
        conflicts_with = "to",
        allow_hyphen_values = true
    )]
    cursor: Option<String>,
    /// Mode cursor: go on after what is there now, or from the very first row
    #[arg(long, value_name = "now|min", group = "what", value_parser = ["now", "min"])]
    to: Option<String>,
    /// Forget what was seen: keys, the last result, the side of a limit
    #[arg(long, group = "what")]
    forget_seen: bool,
}

/// Give up the poll whose runs a watch waits for, and go on after it
#[derive(clap::Args)]
#[command(after_help = "\
Examples:
  crake watch skip orders

A watch with --advance succeeded waits for its runs. Where one failed for good, `crake retry RUN` does
it again; this lets the watch go on without it.")]
pub struct SkipArgs {
    /// Name of the watch
    #[arg(add = ArgValueCandidates::new(complete::watch_names))]
    name: String,
}

/// Lets a watch begin anew.
///
/// # Errors
/// No such watch, a place that is none, nobody agreed.
pub fn reset(ctx: &Context, args: &ResetArgs) -> Result<u8, CliError> {
    let mut store = ctx.write()?;
    let row = watch::find(&store, &args.name)?;
    let key = &row.watch.key;
    if (args.cursor.is_some() || args.to.is_some()) && row.watch.mode != Mode::Cursor {
        let text = format!("{} has mode {}, and no cursor", args.name, row.watch.mode);
        return Err(CliError::new(Kind::Invalid, text)
            .hint("--forget-seen lets watches of the other modes begin anew"));
    }
    let initial = match (&args.cursor, &args.to) {
        (Some(values), _) => Some(Initial::Value(place(values, key)?)),
        (None, Some(word)) => Some(initial(word, key)?),
        (None, None) => None,
    };
    let where_to = match &initial {
        Some(Initial::Now) => "after what is there now".to_owned(),
        Some(Initial::Min) => "at the very first row".to_owned(),
        Some(Initial::Value(cells)) => {
            let parts: Vec<serde_json::Value> = cells.iter().map(|c| c.to_json()).collect();
            format!("after {}", in_short(&serde_json::Value::Array(parts)))
        }
        None => "without anything seen".to_owned(),
    };
    let question = format!("Let {} begin anew, {where_to}?", args.name);
    agreed(ctx, &question, "changed")?;
    let reset = Reset {
        initial,
        forget: args.forget_seen,
    };
    store.reset_watch(&args.name, &reset, &ctx.user.name, ctx.now())?;
    ctx.nudge();
    let kept = watch::find(&store, &args.name)?;
    ctx.answer_one(
        || watch::definition(ctx, &kept),
        |out| writeln!(out, "{} begins anew, {where_to}", args.name),
    )?;
    Ok(0)
}

/// Lets a watch go on that waits for runs.
///
/// # Errors
/// No such watch, one that does not wait, nobody agreed.
pub fn skip(ctx: &Context, args: &SkipArgs) -> Result<u8, CliError> {
    let mut store = ctx.write()?;
    watch::find(&store, &args.name)?;
    let held = store.held_polls(&args.name)?;
    let Some(poll) = held.first() else {
        let text = format!("{} does not wait for any run", args.name);
        return Err(CliError::new(Kind::Refused, text)
            .hint("`crake watch ls` shows which watches are blocked"));
    };
    let question = format!(
        "Give up poll {} of {}, and go on after what it found?",
        poll.poll, args.name
    );
    agreed(ctx, &question, "changed")?;
    store.skip_watch(&args.name, &ctx.user.name, ctx.now())?;
    ctx.nudge();
    let kept = watch::find(&store, &args.name)?;
    ctx.answer_one(
        || watch::definition(ctx, &kept),
        |out| writeln!(out, "{} goes on without what it waited for", args.name),
    )?;
    Ok(0)
}
