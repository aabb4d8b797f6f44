//! `crake alerts log`: the outbox.

use clap_complete::ArgValueCandidates;
use serde_json::{Value, json};

use crate::cli::alerts::list::state;
use crate::cli::complete;
use crate::cli::context::Context;
use crate::cli::error::CliError;
use crate::cli::listing::{at, width};
use crate::model::{AlertState, UnknownWord};
use crate::store::{AlertFilter, AlertRow};
use crate::view::table::Table;
use crate::view::time::{rfc3339, stamp};

/// Show what was decided, for whom, and how its delivery stands
#[derive(clap::Args)]
#[command(
    after_help = "Examples:\n  crake alerts log\n  crake alerts log ops --state failed --json"
)]
pub struct LogAlertArgs {
    /// Only of this receiver
    #[arg(add = ArgValueCandidates::new(complete::receiver_names))]
    receiver: Option<String>,
    /// Only about this job
    #[arg(long, value_name = "JOB", add = ArgValueCandidates::new(complete::job_names))]
    job: Option<String>,
    /// Only in this state: pending, sent, failed, held, dropped
    #[arg(long, value_name = "STATE", value_parser = word)]
    state: Option<AlertState>,
    /// At most so many, the newest
    #[arg(short = 'n', long, value_name = "N", default_value_t = 20)]
    limit: usize,
}

fn word(text: &str) -> Result<AlertState, UnknownWord> {
    text.parse()
}

/// An alert as JSON.
pub fn item(ctx: &Context, alert: &AlertRow) -> Value {
    let time = |at: Option<i64>| at.map(|at| rfc3339(at, &ctx.zone));
    json!({
        "alert": alert.id,
        "receiver": alert.receiver_name,
        "kind": alert.kind,
        "job": alert.job,
        "run": alert.run,
        "state": alert.state,
        "subject": alert.subject,
        "text": alert.text,
        "decided_at": time(Some(alert.decided_at)),
        "message": alert.message,
        "attempts": alert.attempts,
        "next_at": time(alert.next_at),
        "sent_at": time(alert.sent_at),
        "error": alert.last_error,
    })
}

/// Shows the outbox, oldest first.
///
/// # Errors
/// Those of reading and writing.
pub fn log(ctx: &Context, args: &LogAlertArgs) -> Result<u8, CliError> {
    let store = ctx.read()?;
    let mut alerts = store.alerts(&AlertFilter {
        receiver: args.receiver.clone(),
        job: args.job.clone(),
        state: args.state,
        limit: args.limit,
    })?;
    alerts.reverse();
    let now = ctx.now();
    let mut table = Table::new(&[
        "ALERT", "DECIDED", "RECEIVER", "STATE", "TRIES", "WHAT", "WHY",
    ]);
    for alert in &alerts {
        let mut why = alert.last_error.clone().unwrap_or_default();
        if let Some(next) = alert.next_at {
            let next = stamp(next, &ctx.zone, now);
            why = format!("next {next} {why}");
        }
        table.row([
            alert.id.to_string(),
            at(ctx, Some(alert.decided_at), now),
            alert.receiver_name.clone(),
            state(alert.state).to_owned(),
            alert.attempts.to_string(),
            alert.subject.clone(),
            why.trim_end().to_owned(),
        ]);
    }
    ctx.answer(
        || alerts.iter().map(|a| item(ctx, a)).collect(),
        |out| match alerts.is_empty() {
            true => Ok(()),
            false => table.write(out, width(ctx)),
        },
    )?;
    if alerts.is_empty() {
        ctx.say("nothing was decided yet that anybody had to be told of");
    }
    Ok(0)
}
