//! `crake resume`: the end of a pause.

use clap_complete::engine::ArgValueCandidates;

use crate::cli::complete;
use crate::cli::context::Context;
use crate::cli::error::CliError;
use crate::cli::item::{self, JobItem};
use crate::view::time::{in_full, relative};

/// Resume a paused job
#[derive(clap::Args)]
#[command(after_help = "\
Example:
  crake resume backup")]
pub struct ResumeArgs {
    /// Name of the job
    #[arg(add = ArgValueCandidates::new(complete::job_names))]
    job: String,
}

/// Resumes a job.
///
/// # Errors
/// No such job.
pub fn resume(ctx: &Context, args: ResumeArgs) -> Result<u8, CliError> {
    let mut store = ctx.write()?;
    item::find(&store, &args.job)?;
    let now = ctx.now();
    let was_paused = store.resume_job(&args.job, &ctx.user.name, now)?;
    if was_paused {
        ctx.nudge();
    }
    let item = JobItem::of(ctx, &store, item::find(&store, &args.job)?)?;
    ctx.answer_one(
        || item.json(ctx),
        |out| {
            let verb = match was_paused {
                true => "is resumed",
                false => "was not paused",
            };
            let next = match item.next_at {
                Some(at) => format!("; next {} ({})", in_full(at, &ctx.zone), relative(at, now)),
                None => String::new(),
            };
            writeln!(out, "{} {verb}{next}", args.job)
        },
    )?;
    Ok(0)
}
