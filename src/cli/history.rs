//! `crake history`: what ran, and how it ended.

use crate::cli::context::Context;
use crate::cli::error::CliError;
use crate::cli::listing::{at, width};
use crate::cli::moment::past;
use crate::cli::selector::known_job;
use crate::cli::through_daemon;
use crate::control::Petition;
use crate::model::{Origin, RunState, UnknownWord};
use crate::store::RunFilter;
use crate::view::items::{Items, late_ms, took_ms};
use crate::view::table::Table;
use crate::view::time::span;
use crate::view::words;

/// List runs, the newest first
#[derive(clap::Args, Debug)]
#[command(
    after_help = "Examples:\n  crake history\n  crake history backup-db -n 5\n  crake history --state failed,lost --since 2d --json\n  crake history --origin watch:orders"
)]
pub struct HistoryArgs {
    /// Of this job only
    #[arg(value_name = "JOB")]
    job: Option<String>,
    /// At most so many
    #[arg(short = 'n', long = "lines", value_name = "N", default_value_t = 100)]
    limit: usize,
    /// In one of these states only: queued, running, succeeded, failed, signaled, timed_out,
    /// killed, cancelled, expired, lost, interrupted, unspawnable
    #[arg(long, value_name = "S,..", value_delimiter = ',', value_parser = state)]
    state: Vec<RunState>,
    /// Made by this only: schedule, catch_up, manual, enqueue, retry, boot, sql, run, watch, or
    /// watch:NAME
    #[arg(long, value_name = "BY", value_parser = origin)]
    origin: Option<(Origin, Option<String>)>,
    /// Made since then: 2h, "yesterday 14:00", 2026-01-31, RFC 3339
    #[arg(long, value_name = "T")]
    since: Option<String>,
}

fn state(word: &str) -> Result<RunState, UnknownWord> {
    word.parse()
}

/// An origin, with `watch:NAME` for one watch.
fn origin(text: &str) -> Result<(Origin, Option<String>), UnknownWord> {
    match text.split_once(':') {
        Some(("watch", name)) => Ok((Origin::Watch, Some(name.to_owned()))),
        _ => Ok((text.parse()?, None)),
    }
}

/// Lists runs.
///
/// # Errors
/// No such job, and those of reading the store and of writing.
pub fn history(ctx: &Context, args: HistoryArgs) -> Result<u8, CliError> {
    let now = ctx.now();
    let filter = RunFilter {
        job: args.job,
        origin: args.origin,
        states: args.state,
        since: args.since.map(|t| past(ctx, &t)).transpose()?,
        after: None,
        limit: Some(args.limit),
        ..RunFilter::default()
    };
    let job = filter.job.iter().map(|job| through_daemon::job(job));
    let petitions: Vec<Petition> = job.chain([through_daemon::runs(&filter, false)]).collect();
    let store = ctx.look(&petitions)?;
    if let Some(job) = &filter.job {
        known_job(&store, job)?;
    }
    let runs = store.runs(&filter)?;
    let items = Items::new(&ctx.zone);
    ctx.answer(
        || runs.iter().map(|run| items.run(run)).collect(),
        |out| {
            let mut table = Table::new(&[
                "RUN", "JOB", "STATE", "STARTED", "LATE", "TOOK", "TRY", "BY", "DETAIL",
            ]);
            for run in &runs {
                table.row([
                    format!("#{}", run.run),
                    run.job.clone(),
                    format!("{} {}", words::sign(run.state), words::state(run.state)),
                    at(ctx, run.started_at, now),
                    late_ms(run).map_or(String::new(), span),
                    took_ms(run).map_or(String::new(), span),
                    format!("{}/{}", run.attempt, run.max_attempts),
                    words::made_by(run),
                    words::detail(run),
                ]);
            }
            table.write(out, width(ctx))
        },
    )?;
    Ok(0)
}
