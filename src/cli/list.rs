//! `crake list`: the jobs there are.

use crate::cli::context::Context;
use crate::cli::error::CliError;
use crate::cli::item::JobItem;
use crate::cli::listing::width;
use crate::control::Petition;
use crate::daemon::crontabs::{BY_IMPORT, OBSERVED};
use crate::model::{Outcome, Pause};
use crate::schedule::UnixMs;
use crate::view::table::Table;
use crate::view::time::{in_short, relative, short};

/// List the jobs: schedule, last run, next fire
#[derive(clap::Args)]
#[command(after_help = "\
Examples:
  crake list
  crake list --json | jq -r '.items[] | select(.paused) | .name'")]
pub struct ListArgs {}

/// Lists the jobs.
///
/// # Errors
/// Those of reading the store.
pub fn list(ctx: &Context, _args: ListArgs) -> Result<u8, CliError> {
    let store = ctx.look(&[Petition::List { after: None }])?;
    let items: Result<Vec<JobItem>, CliError> = store
        .jobs()?
        .into_iter()
        .map(|row| JobItem::of(ctx, &store, row))
        .collect();
    let items = items?;
    if store.job_names()?.len() > items.len() {
        for (name, why) in store.unreadable_jobs()? {
            ctx.say(&format!("warning: the job {name} cannot be read: {why}"));
        }
    }
    ctx.answer(
        || items.iter().map(|item| item.json(ctx)).collect(),
        |out| match items.is_empty() {
            true => Ok(()),
            false => table(ctx, &items).write(out, width(ctx)),
        },
    )?;
    if items.is_empty() {
        ctx.say("no jobs yet: `crake import` reads your crontab, `crake add` makes one");
    }
    Ok(0)
}

fn table(ctx: &Context, items: &[JobItem]) -> Table {
    let mut table = Table::new(&["JOB", "SCHEDULE", "LAST", "AGO", "NEXT"]);
    let now = ctx.now();
    for item in items {
        let exprs: Vec<String> = item
            .row
            .schedules
            .iter()
            .map(|(planned, _)| match &planned.zone {
                Some(zone) => format!("{} {zone}", planned.expr),
                None => planned.expr.clone(),
            })
            .collect();
        let ago = item.last.as_ref().and_then(|run| run.ended_at);
        table.row([
            item.row.job.name.clone(),
            exprs.join(", "),
            last(item),
            ago.map(|at| short(now - at)).unwrap_or_default(),
            next(ctx, item, now),
        ]);
    }
    table
}

/// How the last run ended, or that one is alive.
fn last(item: &JobItem) -> String {
    if item.running > 0 {
        return "running".to_owned();
    }
    let Some(run) = &item.last else {
        return "-".to_owned();
    };
    match (run.state.outcome(), run.exit_code, run.signal) {
        (Some(Outcome::Succeeded), _, _) => "ok".to_owned(),
        (Some(Outcome::Failed), Some(code), _) => format!("FAIL {code}"),
        (Some(Outcome::Signaled), _, Some(signal)) => format!("FAIL signal {signal}"),
        (Some(outcome), _, _) => outcome.as_str().to_owned(),
        (None, _, _) => "-".to_owned(),
    }
}

fn next(ctx: &Context, item: &JobItem, now: UnixMs) -> String {
    match (item.pause(now), hand_over(item, now)) {
        (_, Some(words)) => {
            let at = |at: UnixMs| in_short(at, now, &ctx.zone);
            match words {
                HandOver::ToUs(from) => {
                    let next = item.next_at.map(|next| format!(", next {}", at(next)));
                    format!("takes over at {}{}", at(from), next.unwrap_or_default())
                }
                HandOver::ToCron(from) => format!("cron runs it from {}", at(from)),
                HandOver::Cron => "cron runs it".to_owned(),
            }
        }
        (Some(pause), None) => paused(ctx, pause, now),
        (None, None) => fires(ctx, item, now),
    }
}

/// Who runs a job that a crontab tells of, where it is not simply us.
enum HandOver {
    /// Cron, until we do.
    ToUs(UnixMs),
    /// We, until cron does.
    ToCron(UnixMs),
    /// Cron: the job is observed.
    Cron,
}

/// A cutover and a rollback count from the next minute on; until then the pause alone would tell what
/// is no longer, or not yet, true.
fn hand_over(item: &JobItem, now: UnixMs) -> Option<HandOver> {
    let observed = |p: &&Pause| p.by == BY_IMPORT && p.reason.as_deref() == Some(OBSERVED);
    let mut pauses = item.row.job.pauses.iter().filter(observed);
    let (is, will) = (
        pauses.clone().find(|p| p.covers(now)),
        pauses.find(|p| p.from > now),
    );
    match (is, item.pause(now), will) {
        // Somebody else's pause says more.
        (_, Some(pause), _) if pause.by != BY_IMPORT => None,
        (Some(pause), ..) => Some(pause.until.map_or(HandOver::Cron, HandOver::ToUs)),
        (None, None, Some(pause)) => Some(HandOver::ToCron(pause.from)),
        _ => None,
    }
}

/// When it fires next.
fn fires(ctx: &Context, item: &JobItem, now: UnixMs) -> String {
    if item.schedules.iter().any(Result::is_err) {
        return "ERROR: see `crake show`".to_owned();
    }
    match item.next_at {
        Some(at) => format!("{} ({})", in_short(at, now, &ctx.zone), relative(at, now)),
        None if item
            .schedules
            .iter()
            .flatten()
            .any(|t| t.schedule.is_reboot()) =>
        {
            "at boot".to_owned()
        }
        None => "-".to_owned(),
    }
}

/// A pause in words.
fn paused(ctx: &Context, pause: &Pause, now: UnixMs) -> String {
    match pause.until {
        Some(until) => format!(
            "paused by {} until {}",
            pause.by,
            in_short(until, now, &ctx.zone)
        ),
        None => format!("paused by {}", pause.by),
    }
}
