//! `crake prune`: what need not be kept any longer.

use std::io::{IsTerminal, Write, stderr};

use clap_complete::engine::ArgValueCandidates;
use serde_json::json;

use crate::cli::complete;
use crate::cli::context::Context;
use crate::cli::error::{CliError, Kind};
use crate::cli::flags::bytes;
use crate::cli::selector::known_job;
use crate::clock::Clock;
use crate::daemon::pruner::{Pruner, Removed, Scope};
use crate::model::{Retention, format_duration, parse_duration};
use crate::store::Store;
use crate::view::time::{rfc3339, stamp};
use crate::view::words::count;

/// Before progress is shown, milliseconds.
const QUIET_MS: i64 = 500;

/// Remove runs, output and rows of the ledger that need not be kept any longer
#[derive(clap::Args, Debug)]
#[command(after_help = "\
Examples:
  crake prune -n
  crake prune --older 90d
  crake prune backup-db --keep 50
  crake prune --output-only --older 7d
  crake prune --set runs=400d --set least=20 --set output=30d --set output-bytes=1G

The daemon does the same by itself, a little at a time: output goes after 30 days or where all of it
is more than 1 GiB, runs, ledger and events after 400 days; the last 20 runs of each job stay.
--set changes that, `crake add --keep-runs N --keep-for D --keep-output B` says otherwise for a job.
`crake audit` says from when on the ledger is kept.")]
pub struct PruneArgs {
    /// Of this job only
    #[arg(value_name = "JOB", add = ArgValueCandidates::new(complete::job_names))]
    job: Option<String>,
    /// Say what would be removed and remove nothing
    #[arg(short = 'n', long)]
    dry_run: bool,
    /// What is older than this
    #[arg(long, value_name = "D")]
    older: Option<String>,
    /// All but so many runs of each job
    #[arg(long, value_name = "N")]
    keep: Option<u32>,
    /// Output alone: the runs stay
    #[arg(long, conflicts_with = "keep")]
    output_only: bool,
    /// Change how long things are kept, and remove nothing now: runs=D, least=N, output=D,
    /// output-bytes=B; may be given more than once
    #[arg(long, value_name = "KEY=VALUE", conflicts_with_all = ["older", "keep", "output_only", "dry_run", "job"])]
    set: Vec<String>,
}

/// Prunes.
///
/// # Errors
/// No such job, what is no length of time, and those of the store.
pub fn prune(ctx: &Context, args: PruneArgs) -> Result<u8, CliError> {
    if !args.set.is_empty() {
        return set(ctx, &args.set);
    }
    let older = args.older.as_deref().map(parse_duration).transpose();
    let scope = Scope {
        job: args.job,
        older_ms: older.map_err(|e| CliError::new(Kind::Usage, e.to_string()))?,
        most: args.keep,
        output_only: args.output_only,
        dry: args.dry_run,
    };
    let mut store = ctx.write()?;
    if let Some(job) = &scope.job {
        known_job(&store, job)?;
    }
    let removed = round(ctx, &mut store, scope.clone())?;
    tell(ctx, &store, &scope, &removed)?;
    Ok(0)
}

fn round(ctx: &Context, store: &mut Store, scope: Scope) -> Result<Removed, CliError> {
    let (begun, now) = (ctx.clock.now().mono, ctx.now());
    let progress = stderr().is_terminal();
    let mut pruner = Pruner::new(&ctx.paths.logs, scope).with_inputs(&ctx.paths.spool);
    let (mut removed, mut shown) = (Removed::default(), false);
    loop {
        let (more, done) = pruner.step(store, now)?;
        removed.add(more);
        if progress && (done && shown || !done && ctx.clock.now().mono - begun > QUIET_MS) {
            shown = true;
            let text = if done {
                String::new()
            } else {
                in_words(&removed)
            };
            // Whoever closed standard error does not want to see it.
            let _ = write!(stderr(), "\r\x1b[K{text}");
        }
        if done {
            return Ok(removed);
        }
    }
}

fn in_words(removed: &Removed) -> String {
    let n = |number: u64, thing: &str| count(i64::try_from(number).unwrap_or(i64::MAX), thing);
    format!(
        "{}, {} ({}), {}, {}",
        n(removed.runs, "run"),
        n(removed.outputs, "output"),
        n(removed.output_bytes, "byte"),
        n(removed.files, "file"),
        n(removed.rows, "row"),
    )
}

fn tell(ctx: &Context, store: &Store, scope: &Scope, removed: &Removed) -> Result<(), CliError> {
    let (since, settings) = (store.ledger_since()?, store.retention()?);
    ctx.answer_one(
        || {
            json!({
                "dry_run": scope.dry,
                "job": scope.job,
                "runs": removed.runs,
                "outputs": removed.outputs,
                "output_bytes": removed.output_bytes,
                "files": removed.files,
                "rows": removed.rows,
                "ledger_since": since.map(|at| rfc3339(at, &ctx.zone)),
                "settings": item(&settings),
            })
        },
        |out| {
            let verb = if scope.dry { "would remove" } else { "removed" };
            writeln!(out, "{verb} {}", in_words(removed))?;
            match since {
                Some(at) => writeln!(
                    out,
                    "the ledger is kept since {}",
                    stamp(at, &ctx.zone, ctx.now())
                ),
                None => Ok(()),
            }
        },
    )
}

fn item(settings: &Retention) -> serde_json::Value {
    json!({
        "runs_ms": settings.runs_ms,
        "least": settings.least,
        "output_ms": settings.output_ms,
        "output_bytes": settings.output_bytes,
    })
}

fn set(ctx: &Context, settings: &[String]) -> Result<u8, CliError> {
    let mut store = ctx.write()?;
    let mut retention = store.retention()?;
    for setting in settings {
        change(&mut retention, setting)?;
    }
    store.set_retention(&retention)?;
    ctx.answer_one(
        || item(&retention),
        |out| {
            writeln!(
                out,
                "runs {}, at least the last {}; output {}, at most {} bytes",
                format_duration(retention.runs_ms),
                retention.least,
                format_duration(retention.output_ms),
                retention.output_bytes
            )
        },
    )?;
    Ok(0)
}

fn change(retention: &mut Retention, setting: &str) -> Result<(), CliError> {
    let wrong = |text: String| CliError::new(Kind::Usage, text);
    let (key, value) = setting.split_once('=').unwrap_or((setting, ""));
    let length = || match parse_duration(value) {
        Ok(ms) if ms >= 60_000 => Ok(ms),
        Ok(_) => Err(wrong(format!("{key}: write a minute or more"))),
        Err(e) => Err(wrong(format!("{key}: {e}"))),
    };
    match key {
        "runs" => retention.runs_ms = length()?,
        "output" => retention.output_ms = length()?,
        "least" => {
            let number = value.parse();
            retention.least = number.map_err(|_| wrong(format!("{key}: write a number")))?;
        }
        "output-bytes" => retention.output_bytes = bytes(value).map_err(wrong)?,
        _ => {
            return Err(wrong(format!("\"{setting}\" sets nothing"))
                .hint("write runs=400d, least=20, output=30d or output-bytes=1G"));
        }
    }
    Ok(())
}
