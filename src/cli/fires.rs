//! `crake fires`: what became of each planned instant.

use crate::cli::context::Context;
use crate::cli::error::CliError;
use crate::cli::listing::{at, width};
use crate::cli::moment::past;
use crate::cli::selector::known_job;
use crate::model::Verdict;
use crate::schedule::UnixMs;
use crate::store::{FireFilter, FireRow};
use crate::view::items::Items;
use crate::view::table::Table;
use crate::view::time::{span, stamp};
use crate::view::words;

/// List planned instants and what became of each, the latest first
#[derive(clap::Args, Debug)]
#[command(
    after_help = "Examples:\n  crake fires backup-db\n  crake fires --verdict overlap --since yesterday"
)]
pub struct FiresArgs {
    /// Of this job only
    #[arg(value_name = "JOB")]
    job: Option<String>,
    /// At most so many
    #[arg(short = 'n', long = "lines", value_name = "N", default_value_t = 100)]
    limit: usize,
    /// With this verdict only: run, coalesced, missed, overlap, calendar, paused, expired, error
    #[arg(long, value_name = "V")]
    verdict: Option<Verdict>,
    /// Planned since then: 2h, "yesterday 14:00", 2026-01-31, RFC 3339
    #[arg(long, value_name = "T")]
    since: Option<String>,
}

/// Lists rows of the ledger.
///
/// # Errors
/// No such job, and those of reading the store and of writing.
pub fn fires(ctx: &Context, args: FiresArgs) -> Result<u8, CliError> {
    let store = ctx.read()?;
    let now = ctx.now();
    if let Some(job) = &args.job {
        known_job(&store, job)?;
    }
    let fires = store.fires(&FireFilter {
        job: args.job,
        verdict: args.verdict,
        since: args.since.map(|t| past(ctx, &t)).transpose()?,
        limit: Some(args.limit),
    })?;
    let items = Items::new(&ctx.zone);
    ctx.answer(
        || fires.iter().map(|fire| items.fire(fire)).collect(),
        |out| {
            let mut table = Table::new(&[
                "PLANNED", "JOB", "VERDICT", "RUN", "LATE", "SCHEDULE", "DETAIL",
            ]);
            for fire in &fires {
                table.row([
                    at(ctx, Some(fire.planned_at), now),
                    fire.job.clone(),
                    words::verdict(fire.verdict).to_owned(),
                    fire.run.map_or(String::new(), |run| format!("#{run}")),
                    span(fire.late_ms),
                    fire.expr.clone(),
                    detail(ctx, fire, now),
                ]);
            }
            table.write(out, width(ctx))
        },
    )?;
    Ok(0)
}

fn detail(ctx: &Context, fire: &FireRow, now: UnixMs) -> String {
    let mut parts = Vec::new();
    if fire.count > 1 {
        let until = stamp(fire.until, &ctx.zone, now);
        parts.push(format!("{} fires until {until}", fire.count));
    }
    parts.extend(fire.reason.map(|r| words::reason(r).to_owned()));
    parts.extend(fire.blocked_by.map(|run| format!("#{run} in the way")));
    parts.extend(fire.note.clone());
    parts.join(", ")
}
