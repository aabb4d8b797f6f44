//! `crake audit`: the ledger against every schedule there ever was.

use std::io::{self, Write};

use crate::cli::alive;
use crate::cli::context::Context;
use crate::cli::error::CliError;
use crate::cli::moment::past;
use crate::cli::selector::known_job;
use crate::view::audit::{Audit, Kind, Question, audit as hold, decided_until};
use crate::view::items::Items;
use crate::view::text::clean_all;
use crate::view::time::stamp;
use crate::view::words::count;

/// Compute again what every schedule planned and hold the ledger against it
#[derive(clap::Args, Debug)]
#[command(
    after_help = "Examples:\n  crake audit\n  crake audit --since 7d backup-db --json\n\nExit code 0 where every planned instant has exactly one verdict and at most one run, else 1."
)]
pub struct AuditArgs {
    /// Of this job only
    #[arg(value_name = "JOB")]
    job: Option<String>,
    /// Instants since then: 2h, "yesterday 14:00", 2026-01-31, RFC 3339; all if not given
    #[arg(long, value_name = "T")]
    since: Option<String>,
}

/// Audits the ledger.
///
/// # Errors
/// No such job, and those of reading the store and of writing.
pub fn audit(ctx: &Context, args: AuditArgs) -> Result<u8, CliError> {
    let store = ctx.read()?;
    if let Some(job) = &args.job {
        known_job(&store, job)?;
    }
    let daemon = alive::daemon(ctx, &store)?;
    let found = hold(
        &store,
        &Question {
            since: args.since.map(|t| past(ctx, &t)).transpose()?,
            job: args.job.as_deref(),
            until: decided_until(&store, &daemon, ctx.now())?,
            unplanned_owed: !daemon.up,
            zone: &ctx.zone,
        },
    )?;
    let items = Items::new(&ctx.zone);
    ctx.answer_one(|| items.audit(&found), |out| write(ctx, &found, out))?;
    if !daemon.up {
        ctx.say(&match found.until {
            Some(at) => format!(
                "no daemon is running: what was due after {} is still owed, not missing",
                stamp(at, &ctx.zone, ctx.now())
            ),
            None => "no daemon ran here yet: everything is still owed".to_owned(),
        });
    }
    Ok(u8::from(!found.holds()))
}

fn write(ctx: &Context, audit: &Audit, out: &mut dyn Write) -> io::Result<()> {
    let now = ctx.now();
    let span = match (audit.since, audit.until) {
        (Some(since), Some(until)) => format!(
            "{} to {}",
            stamp(since, &ctx.zone, now),
            stamp(until, &ctx.zone, now)
        ),
        _ => "nothing decided yet".to_owned(),
    };
    writeln!(
        out,
        "{span}: {} planned, {} in the ledger, {} missing, {} extra, {} duplicate",
        audit.planned, audit.ledger, audit.missing, audit.extra, audit.duplicate
    )?;
    if let Some(at) = audit.kept_since {
        let at = stamp(at, &ctx.zone, now);
        writeln!(
            out,
            "the ledger is kept since {at}; what was before was pruned"
        )?;
    }
    for d in &audit.differences {
        let what = match d.kind {
            Kind::Missing => format!("{} without a row", count(d.count, "instant")),
            Kind::Extra => format!("{} in the ledger, never planned", count(d.count, "instant")),
            Kind::Duplicate => format!("one instant with {} runs", d.count),
        };
        writeln!(
            out,
            "  {:9} {}  {}  {what}",
            d.kind.as_str(),
            stamp(d.at, &ctx.zone, now),
            clean_all(&d.job)
        )?;
    }
    for (job, why) in &audit.unreadable {
        writeln!(out, "  unreadable {}: {}", clean_all(job), clean_all(why))?;
    }
    let word = if audit.holds() {
        "the ledger holds"
    } else {
        "THE LEDGER DOES NOT HOLD"
    };
    writeln!(out, "{word}")
}
