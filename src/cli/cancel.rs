//! `crake cancel`: takes back runs that have not started.

use crate::cli::context::Context;
use crate::cli::error::CliError;
use crate::cli::selector::Prefer;
use crate::cli::stopping::stop;

/// Take back runs that have not started
#[derive(clap::Args, Debug)]
#[command(
    after_help = "Examples:\n  crake cancel 1853\n  crake cancel billing-close\n\nA run that is alive is not touched; `crake kill` ends it."
)]
pub struct CancelArgs {
    /// The runs: 1842, JOB (the one that waits), JOB~1
    #[arg(value_name = "RUN", required = true)]
    runs: Vec<String>,
}

/// Takes runs back.
///
/// # Errors
/// No such run, a run that started or is over, and those of the store.
pub fn cancel(ctx: &Context, args: CancelArgs) -> Result<u8, CliError> {
    stop(ctx, &args.runs, Prefer::Waiting)
}
