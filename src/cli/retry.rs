//! `crake retry`: a run again.

use crate::cli::alive;
use crate::cli::context::Context;
use crate::cli::ending::title;
use crate::cli::error::{CliError, Kind};
use crate::cli::moment::past;
use crate::cli::selector::select;
use crate::cli::waiting::is_over;
use crate::model::{Origin, RunState};
use crate::store::{RunFilter, RunRow, Store};
use crate::view::items::Items;
use crate::view::words::is_failure;

/// How far back `--failed` looks where nothing else is said, milliseconds.
const LATELY_MS: i64 = 86_400_000;

/// Do a run again: the same job, with the arguments and variables the run was given
#[derive(clap::Args, Debug)]
#[command(
    after_help = "Examples:\n  crake retry 1846\n  crake retry backup-db@fail\n  crake retry --failed --since 2h"
)]
pub struct RetryArgs {
    /// The run: 1842, JOB (its latest), JOB~1, JOB@fail
    #[arg(value_name = "RUN", required_unless_present = "failed")]
    run: Option<String>,
    /// Every job whose latest run failed
    #[arg(long, conflicts_with = "run")]
    failed: bool,
    /// With --failed: of those that ended since then; a day if not given
    #[arg(long, value_name = "T", requires = "failed")]
    since: Option<String>,
}

/// Asks for runs again.
///
/// # Errors
/// No such run, one that is not over, one whose job is gone, and those of the store.
pub fn retry(ctx: &Context, args: RetryArgs) -> Result<u8, CliError> {
    let old = {
        let store = ctx.read()?;
        match args.run {
            Some(name) => vec![ended(&store, &name)?],
            None => failed(ctx, &store, args.since.as_deref())?,
        }
    };
    let mut store = ctx.write()?;
    let mut made: Vec<RunRow> = Vec::new();
    for run in &old {
        let again = store.retry(run.run, &run.job, &ctx.user.name, ctx.now())?;
        made.extend(store.run(again)?);
    }
    ctx.nudge();
    let items = Items::new(&ctx.zone);
    ctx.answer(
        || made.iter().map(|r| items.run(r)).collect(),
        |out| {
            for (old, new) in old.iter().zip(&made) {
                writeln!(out, "#{} {} for #{}", new.run, new.job, old.run)?;
            }
            Ok(())
        },
    )?;
    if made.is_empty() {
        ctx.say("no job's latest run failed in that time");
    } else if !alive::is_up(ctx) {
        ctx.say("no daemon is running; it waits until one is");
    }
    Ok(0)
}

fn ended(store: &Store, name: &str) -> Result<RunRow, CliError> {
    let run = select(store, name)?.run;
    if is_over(&run) {
        return Ok(run);
    }
    let what = format!("{} is not over", title(&run));
    Err(CliError::new(Kind::Refused, what).hint(format!("crake wait {}", run.run)))
}

/// The latest run of each job where it failed and is not being done again already.
fn failed(ctx: &Context, store: &Store, since: Option<&str>) -> Result<Vec<RunRow>, CliError> {
    let since = match since {
        Some(text) => past(ctx, text)?,
        None => ctx.now() - LATELY_MS,
    };
    let live = store.runs(&RunFilter {
        states: vec![RunState::Queued, RunState::Running],
        ..RunFilter::default()
    })?;
    let again = |run: &RunRow| {
        let number = run.run.to_string();
        live.iter()
            .any(|r| r.origin == Origin::Retry && r.origin_ref.as_deref() == Some(&number))
    };
    let mut found: Vec<RunRow> = store
        .ended_badly(since)?
        .into_iter()
        .filter(|r| r.state.outcome().is_some_and(is_failure))
        .filter(|r| r.ended_at.is_some_and(|at| at >= since))
        .filter(|r| !again(r))
        .collect();
    found.sort_by_key(|r| r.run);
    Ok(found)
}
