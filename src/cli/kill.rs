//! `crake kill`: ends runs.

use crate::cli::context::Context;
use crate::cli::error::CliError;
use crate::cli::selector::Prefer;
use crate::cli::stopping::stop;

/// End runs: SIGTERM to the whole process tree, SIGKILL after the job's grace
#[derive(clap::Args, Debug)]
#[command(
    after_help = "Examples:\n  crake kill 1842\n  crake kill etl-orders\n\nA run that still waits is taken back. Says what came of it; exit code 1 where a run is still there."
)]
pub struct KillArgs {
    /// The runs: 1842, JOB (the one that is alive), JOB~1
    #[arg(value_name = "RUN", required = true)]
    runs: Vec<String>,
}

/// Ends runs.
///
/// # Errors
/// No such run, a run that is over, no daemon that could end it, and those of the store.
pub fn kill(ctx: &Context, args: KillArgs) -> Result<u8, CliError> {
    stop(ctx, &args.runs, Prefer::Alive)
}
