//! `crake worker`: who carries the runs, and whether runs may start.

use clap::Subcommand;
use serde_json::json;

use crate::cli::alive;
use crate::cli::context::Context;
use crate::cli::error::CliError;
use crate::cli::listing::width;
use crate::view::items::Items;
use crate::view::table::Table;
use crate::view::text::size;
use crate::view::time::{rfc3339, short};
use crate::view::workers::{WorkerRow, workers};

/// Look at the workers that carry the runs, and stop and restart starting runs
#[derive(clap::Args)]
#[command(after_help = "\
Examples:
  crake worker ls
  crake worker drain && crake worker ls")]
pub struct WorkerArgs {
    #[command(subcommand)]
    verb: Verb,
}

#[derive(Subcommand)]
enum Verb {
    #[command(visible_alias = "list")]
    Ls(LsArgs),
    Drain(DrainArgs),
    Resume(ResumeArgs),
}

/// List the workers, the worst first, with what their jobs are doing
///
/// A worker is a process that carries one run. STATE says how that fares: idle, starting, running,
/// waiting (for something outside, named under WHY), overrun (past its next fire), stuck (past two,
/// or quiet far beyond its own history), spinning (a core busy for 30 s without output or I/O),
/// stopped (by a signal), disk_wait (the kernel waits for a disk), unkillable, lost (the worker is
/// gone). It works without a daemon.
#[derive(clap::Args)]
#[command(
    after_help = "Examples:\n  crake worker ls\n  crake worker ls --json | jq '.items[] | select(.state == \"stuck\")'"
)]
struct LsArgs {}

/// Let no run start until this is undone; those alive may end
///
/// Fires are decided and recorded as ever, and their runs wait. It holds across restarts.
#[derive(clap::Args)]
#[command(after_help = "Examples:\n  crake worker drain\n  crake worker drain --undo")]
struct DrainArgs {
    /// Let runs start again
    #[arg(long)]
    undo: bool,
}

/// Let runs start again after a drain
#[derive(clap::Args)]
#[command(after_help = "Examples:\n  crake worker resume")]
struct ResumeArgs {}

/// Looks at workers.
///
/// # Errors
/// Those of the store and of writing.
pub fn worker(ctx: &Context, args: WorkerArgs) -> Result<u8, CliError> {
    match args.verb {
        Verb::Ls(_) => list(ctx),
        Verb::Drain(args) => drain(ctx, !args.undo),
        Verb::Resume(_) => drain(ctx, false),
    }
}

fn list(ctx: &Context) -> Result<u8, CliError> {
    let store = ctx.read()?;
    let daemon = alive::daemon(ctx, &store)?;
    let rows = workers(&store, &daemon, &ctx.zone, ctx.now())?;
    let items = Items::new(&ctx.zone);
    let mut table = Table::new(&[
        "WORKER", "STATE", "RUN", "JOB", "FOR", "CPU", "MEM", "QUIET", "WHY",
    ]);
    for row in &rows {
        table.row(cells(row));
    }
    ctx.answer(
        || rows.iter().map(|row| items.worker(row)).collect(),
        |out| match table.is_empty() {
            true => Ok(()),
            false => table.write(out, width(ctx)),
        },
    )?;
    if !daemon.up {
        let note = match rows.is_empty() {
            true => "the daemon is down, and no worker is there",
            false => "the daemon is down; workers go on with what they carry",
        };
        ctx.say(note);
    } else if rows.is_empty() {
        ctx.say("no worker is there: the first run will bring one");
    }
    if let Some(drain) = store.drain()? {
        let since = rfc3339(drain.at, &ctx.zone);
        ctx.say(&format!("no run starts since {since}, said {}", drain.by));
    }
    Ok(0)
}

fn cells(row: &WorkerRow) -> [String; 9] {
    let maybe = |ms: Option<i64>| ms.map_or(String::new(), short);
    let evidence = row.evidence.as_ref();
    [
        row.worker.clone().unwrap_or_default(),
        row.judged.state.to_string(),
        row.run.map_or(String::new(), |run| format!("#{run}")),
        row.job.clone().unwrap_or_default(),
        maybe(row.busy_ms),
        evidence.map_or(String::new(), |e| format!("{}%", e.cpu_percent)),
        evidence.map_or(String::new(), |e| size(e.rss_bytes)),
        maybe(row.quiet_ms()),
        row.judged.why.clone(),
    ]
}

fn drain(ctx: &Context, on: bool) -> Result<u8, CliError> {
    let mut store = ctx.write()?;
    let changed = store.set_drain(on, &ctx.user.name, ctx.now())?;
    ctx.nudge();
    let running = store.counts(ctx.now())?.running;
    let text = match (on, changed) {
        (true, true) => format!("no run starts from now on; {running} alive may end"),
        (true, false) => format!("no run may start already; {running} alive"),
        (false, true) => "runs start again".to_owned(),
        (false, false) => "runs may start already".to_owned(),
    };
    let item = json!({"draining": on, "changed": changed, "running": running});
    ctx.answer_one(|| item, |out| writeln!(out, "{text}"))?;
    if !alive::is_up(ctx) {
        ctx.say("the daemon is down: this holds once it is back");
    }
    Ok(0)
}
