//! `crake doctor`: what is wrong, or about to be, and what to do about it.

use crate::cli::context::Context;
use crate::cli::cutover_state;
use crate::cli::doctor_facts::gather;
use crate::cli::error::CliError;
use crate::view::doctor::{State, examine, items, write};

/// Check the daemon, the store, the host and the jobs for what goes wrong in silence
///
/// One line for each check, with what to do about it beneath: daemon, store, tzdata, schedules,
/// clock, space, cron (another one that may run imported jobs as well), path and watches. Exits with 0 if
/// no check fails, whatever it warns of, and with 1 otherwise.
#[derive(clap::Args, Debug)]
#[command(
    after_help = "Examples:\n  crake doctor\n  crake doctor --json | jq '.items[] | select(.state != \"ok\")'"
)]
pub struct DoctorArgs {}

/// Makes the checks. What is wrong is the answer, and no error of this command.
///
/// # Errors
/// Those of writing.
pub fn doctor(ctx: &Context, _: DoctorArgs) -> Result<u8, CliError> {
    cutover_state::settle(ctx);
    let checks = examine(&gather(ctx)?);
    ctx.answer(|| items(&checks), |out| write(&checks, out))?;
    let failed = checks.iter().any(|check| check.state == State::Fail);
    Ok(u8::from(failed))
}
