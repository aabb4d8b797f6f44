//! `crake pause`: no fires of a job for a while.

use clap_complete::engine::ArgValueCandidates;

use crate::cli::complete;
use crate::cli::context::Context;
use crate::cli::error::{CliError, Kind};
use crate::cli::item::{self, JobItem};
use crate::cli::moment::future;
use crate::model::{Pause, parse_duration};
use crate::view::time::in_full;

/// Pause a job: its fires are recorded and not run
#[derive(clap::Args)]
#[command(after_help = "\
Examples:
  crake pause backup --for 2h --reason 'disk is being replaced'
  crake pause report --until '2027-01-02 08:00'")]
pub struct PauseArgs {
    /// Name of the job
    #[arg(add = ArgValueCandidates::new(complete::job_names))]
    job: String,
    /// For this long
    #[arg(long = "for", value_name = "D", conflicts_with = "until")]
    length: Option<String>,
    /// Until this instant
    #[arg(long, value_name = "T")]
    until: Option<String>,
    /// Why, for those who wonder later
    #[arg(long, value_name = "TEXT")]
    reason: Option<String>,
}

/// Pauses a job.
///
/// # Errors
/// No such job; an end that has passed.
pub fn pause(ctx: &Context, args: PauseArgs) -> Result<u8, CliError> {
    let now = ctx.now();
    let until = match (&args.length, &args.until) {
        (Some(length), _) => {
            let ms =
                parse_duration(length).map_err(|e| CliError::new(Kind::Usage, e.to_string()))?;
            Some(now + ms)
        }
        (None, Some(text)) => Some(future(ctx, text)?),
        (None, None) => None,
    };
    if until.is_some_and(|until| until <= now) {
        return Err(
            CliError::new(Kind::Usage, "the end of the pause has passed")
                .hint("write how long, such as --for 2h, or an instant to come"),
        );
    }
    let mut store = ctx.write()?;
    let row = item::find(&store, &args.job)?;
    // Saying the same again changes nothing; a new end or reason takes the place of the old.
    let same = row.job.paused_at(now).is_some_and(|known| {
        known.until == until && (args.reason.is_none() || known.reason == args.reason)
    });
    if !same {
        store.pause_job(
            &args.job,
            &Pause {
                from: now,
                until,
                by: ctx.user.name.clone(),
                reason: args.reason.clone(),
            },
        )?;
        ctx.nudge();
    }
    let item = JobItem::of(ctx, &store, item::find(&store, &args.job)?)?;
    ctx.answer_one(
        || item.json(ctx),
        |out| {
            let until = match until {
                Some(until) => format!("until {}", in_full(until, &ctx.zone)),
                None => format!("until `crake resume {}`", args.job),
            };
            let verb = if same {
                "is paused already"
            } else {
                "is paused"
            };
            writeln!(out, "{} {verb}, {until}", args.job)
        },
    )?;
    Ok(0)
}
