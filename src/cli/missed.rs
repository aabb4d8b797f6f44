//! `crake missed`: fires nobody was there for, and what to do about them.

use serde_json::{Value, json};

use crate::cli::context::Context;
use crate::cli::error::{CliError, Kind};
use crate::cli::listing::{at, width};
use crate::cli::moment::past;
use crate::cli::selector::known_job;
use crate::schedule::UnixMs;
use crate::store::{CaughtUp, MissedGroup};
use crate::view::items::{Items, missed_state};
use crate::view::table::Table;
use crate::view::time::{rfc3339, stamp};
use crate::view::words::{self, count};

/// How many runs to make for what was missed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
enum CatchUp {
    /// One run, which stands for all of them
    Last,
    /// One run for each, in order
    All,
}

/// List the fires nobody was there for; catch them up or take note of them
#[derive(clap::Args, Debug)]
#[command(
    after_help = "Examples:\n  crake missed\n  crake missed backup-db --catch-up last\n  crake missed --ack 'moved the host'\n\nSTATE is open, done (a run was made up for them), acked, or dropped (the job is gone)."
)]
pub struct MissedArgs {
    /// Of this job only
    #[arg(value_name = "JOB")]
    job: Option<String>,
    /// Make runs now for the open ones
    #[arg(long, value_name = "last|all", conflicts_with = "ack")]
    catch_up: Option<CatchUp>,
    /// Take note of the open ones
    #[arg(long, value_name = "NOTE", num_args = 0..=1, default_missing_value = "")]
    ack: Option<String>,
    /// Missed since then: 2h, "yesterday 14:00", 2026-01-31, RFC 3339
    #[arg(long, value_name = "T")]
    since: Option<String>,
}

/// Lists missed fires, or acts on them.
///
/// # Errors
/// No such job, and those of the store and of writing.
pub fn missed(ctx: &Context, args: MissedArgs) -> Result<u8, CliError> {
    let since = args.since.as_deref().map(|t| past(ctx, t)).transpose()?;
    let since = since.unwrap_or(i64::MIN);
    let job = args.job.as_deref();
    let groups = {
        let store = ctx.read()?;
        if let Some(job) = job {
            known_job(&store, job)?;
        }
        store.missed(job, since)?
    };
    match (args.catch_up, &args.ack) {
        (Some(how), _) => catch_up(ctx, &groups, how, since),
        (None, Some(note)) => ack(ctx, job, note, since),
        (None, None) => list(ctx, &groups),
    }
}

fn list(ctx: &Context, groups: &[MissedGroup]) -> Result<u8, CliError> {
    let items = Items::new(&ctx.zone);
    let now = ctx.now();
    ctx.answer(
        || groups.iter().map(|g| items.missed(g)).collect(),
        |out| {
            let mut table = Table::new(&["JOB", "FIRES", "FROM", "TO", "WHY", "POLICY", "STATE"]);
            for g in groups {
                table.row([
                    g.job.clone(),
                    g.count.to_string(),
                    at(ctx, Some(g.from), now),
                    at(ctx, Some(g.to), now),
                    words::reason(g.reason).to_owned(),
                    g.policy.map_or(String::new(), |p| p.to_string()),
                    state(ctx, g, now),
                ]);
            }
            if table.is_empty() {
                return writeln!(out, "nothing was missed");
            }
            table.write(out, width(ctx))
        },
    )?;
    Ok(0)
}

fn state(ctx: &Context, group: &MissedGroup, now: UnixMs) -> String {
    let word = missed_state(group);
    match (group.run, group.acked_at) {
        (Some(run), _) => format!("{word} #{run}"),
        (None, Some(at)) => {
            let note = group.ack_note.as_deref().unwrap_or_default();
            format!("{word} {} {note}", stamp(at, &ctx.zone, now))
                .trim_end()
                .to_owned()
        }
        (None, None) => word.to_owned(),
    }
}

fn catch_up(
    ctx: &Context,
    groups: &[MissedGroup],
    how: CatchUp,
    since: UnixMs,
) -> Result<u8, CliError> {
    let mut jobs: Vec<&str> = groups
        .iter()
        .filter(|g| missed_state(g) == "open")
        .map(|g| g.job.as_str())
        .collect();
    jobs.sort_unstable();
    jobs.dedup();
    if jobs.is_empty() {
        ctx.answer(Vec::new, |out| writeln!(out, "nothing open to catch up"))?;
        return Ok(0);
    }
    let mut made: Vec<(String, CaughtUp)> = Vec::new();
    let mut store = ctx.write()?;
    for job in jobs {
        let most = store
            .job(job)?
            .map_or(0, |row| row.job.policy.catch_up_max as usize);
        let each = how == CatchUp::All;
        let runs = store.catch_up(job, each, most, since, &ctx.user.name, ctx.now())?;
        made.extend(runs.into_iter().map(|run| (job.to_owned(), run)));
    }
    ctx.nudge();
    tell(ctx, &made)?;
    if !crate::cli::alive::is_up(ctx) {
        ctx.say("no daemon is running; they wait until one is");
    }
    Ok(0)
}

fn tell(ctx: &Context, made: &[(String, CaughtUp)]) -> Result<(), CliError> {
    let now = ctx.now();
    let item = |(job, c): &(String, CaughtUp)| -> Value {
        json!({
            "run": c.run,
            "job": job,
            "planned_at": rfc3339(c.planned_at, &ctx.zone),
            "count": c.count,
        })
    };
    ctx.answer(
        || made.iter().map(item).collect(),
        |out| {
            for (job, c) in made {
                let at = stamp(c.planned_at, &ctx.zone, now);
                writeln!(
                    out,
                    "#{} {job} for {at} ({})",
                    c.run,
                    count(c.count, "fire")
                )?;
            }
            Ok(())
        },
    )
}

fn ack(ctx: &Context, job: Option<&str>, note: &str, since: UnixMs) -> Result<u8, CliError> {
    if since != i64::MIN {
        return Err(CliError::new(
            Kind::Usage,
            "--ack takes note of all that is open; it takes no --since",
        ));
    }
    let note = Some(note).filter(|n| !n.is_empty());
    let noted = ctx
        .write()?
        .acknowledge_missed(job, &ctx.user.name, note, ctx.now())?;
    ctx.nudge();
    let noted = i64::try_from(noted).unwrap_or(i64::MAX);
    ctx.answer_one(
        || json!({"acked": noted}),
        |out| writeln!(out, "took note of {}", count(noted, "missed row")),
    )?;
    Ok(0)
}
