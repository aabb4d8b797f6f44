//! `crake queue`: where runs wait, and in which order they are served.

use clap::Subcommand;
use serde_json::{Value, json};

use crate::cli::context::Context;
use crate::cli::error::{CliError, Kind, nearest};
use crate::cli::listing::width;
use crate::model::check_name;
use crate::store::{QueueChange, QueueRow, Store};
use crate::view::table::Table;
use crate::view::time::{day_start, rfc3339, span, stamp};

/// Show and change the queues runs wait in
#[derive(clap::Args)]
#[command(after_help = "\
Examples:
  crake queue ls
  crake queue set normal --slots 5
  crake queue set heavy --create --slots 1
  crake queue set low --pause --reason 'backup window'

The queue of the lowest rank is served first. A run that waits moves up: five minutes of waiting
count as one queue, half a minute as one step of priority, so that none waits for ever.")]
pub struct QueueArgs {
    #[command(subcommand)]
    verb: Verb,
}

#[derive(Subcommand)]
enum Verb {
    Ls(LsArgs),
    Set(SetArgs),
}

/// List the queues with what runs and waits in them
#[derive(clap::Args)]
#[command(after_help = "Examples:\n  crake queue ls --json")]
struct LsArgs {}

/// Change a queue, make one or remove one
#[derive(clap::Args)]
#[command(after_help = "\
Examples:
  crake queue set normal --slots 5 --reserved 1
  crake queue set heavy --create --slots 1 --rank 10
  crake queue set heavy --rm
  crake queue set low --resume")]
struct SetArgs {
    /// Name of the queue
    name: String,
    /// Most of its runs alive at once, or none for no bound
    #[arg(long, value_name = "N|none", value_parser = slots)]
    slots: Option<Slots>,
    /// Slots that no other queue may take
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(0..=4096))]
    reserved: Option<u32>,
    /// Its place: 0 is served first
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(i64).range(0..=1_000_000))]
    rank: Option<i64>,
    /// Start none of its runs until it is resumed
    #[arg(long, conflicts_with = "resume")]
    pause: bool,
    /// Why it is paused
    #[arg(long, value_name = "TEXT", requires = "pause")]
    reason: Option<String>,
    /// Start its runs again
    #[arg(long)]
    resume: bool,
    /// Make it first
    #[arg(long, conflicts_with = "rm")]
    create: bool,
    /// Remove it; no job may go into it and no run be in it
    #[arg(long, conflicts_with_all = ["slots", "reserved", "rank", "pause", "resume"])]
    rm: bool,
}

/// A number of slots, or no bound.
#[derive(Clone, Copy, Debug)]
struct Slots(Option<u32>);

fn slots(text: &str) -> Result<Slots, String> {
    if text == "none" {
        return Ok(Slots(None));
    }
    match text.parse() {
        Ok(number @ 1..=4096) => Ok(Slots(Some(number))),
        _ => Err("write 1 to 4096, or none; --pause stops a queue".to_owned()),
    }
}

/// Shows or changes queues.
///
/// # Errors
/// No such queue, a name or a rank that is taken, one that is in use.
pub fn queue(ctx: &Context, args: QueueArgs) -> Result<u8, CliError> {
    match args.verb {
        Verb::Ls(_) => list(ctx),
        Verb::Set(args) => set(ctx, args),
    }
}

fn list(ctx: &Context) -> Result<u8, CliError> {
    let now = ctx.now();
    let rows = ctx.read()?.queue_rows(day_start(now, &ctx.zone), now)?;
    ctx.answer(
        || rows.iter().map(|row| item(ctx, row)).collect(),
        |out| {
            let mut table = Table::new(&[
                "QUEUE", "RANK", "SLOTS", "RESERVED", "RUNNING", "WAITING", "OLDEST", "LONGEST",
                "PAUSED",
            ]);
            for row in &rows {
                table.row([
                    row.queue.name.clone(),
                    row.queue.rank.to_string(),
                    row.queue.slots.map_or(String::new(), |n| n.to_string()),
                    row.queue.reserved.to_string(),
                    row.running.to_string(),
                    row.waiting.to_string(),
                    row.oldest_at.map_or(String::new(), |at| span(now - at)),
                    row.longest_wait_ms.map_or(String::new(), span),
                    paused(ctx, row),
                ]);
            }
            table.write(out, width(ctx))
        },
    )?;
    Ok(0)
}

fn paused(ctx: &Context, row: &QueueRow) -> String {
    let Some(at) = row.queue.paused_at else {
        return String::new();
    };
    let by = row.queue.paused_by.as_deref().unwrap_or("an SQL client");
    let why = row.pause_reason.as_ref();
    let why = why.map_or(String::new(), |why| format!(": {why}"));
    format!("{} by {by}{why}", stamp(at, &ctx.zone, ctx.now()))
}

fn item(ctx: &Context, row: &QueueRow) -> Value {
    let at = |at: Option<i64>| at.map(|at| rfc3339(at, &ctx.zone));
    json!({
        "name": row.queue.name,
        "rank": row.queue.rank,
        "slots": row.queue.slots,
        "reserved": row.queue.reserved,
        "running": row.running,
        "waiting": row.waiting,
        "oldest_at": at(row.oldest_at),
        "oldest_wait_ms": row.oldest_at.map(|at| ctx.now() - at),
        "longest_wait_ms": row.longest_wait_ms,
        "paused": row.queue.paused_at.is_some(),
        "paused_at": at(row.queue.paused_at),
        "paused_by": row.queue.paused_by,
        "pause_reason": row.pause_reason,
    })
}

fn set(ctx: &Context, args: SetArgs) -> Result<u8, CliError> {
    let (mut store, now) = (ctx.write()?, ctx.now());
    if args.create {
        check_name(&args.name).map_err(|e| {
            CliError::new(
                Kind::Usage,
                e.to_string().replace("a job's name", "a queue's name"),
            )
        })?;
    } else {
        known(&store, &args.name)?;
    }
    if args.rm {
        store.remove_queue(&args.name)?;
        ctx.nudge();
        let (name, value) = (&args.name, json!({"name": args.name, "removed": true}));
        ctx.answer_one(|| value, |out| writeln!(out, "removed {name}"))?;
        return Ok(0);
    }
    let change = QueueChange {
        slots: args.slots.map(|slots| slots.0),
        reserved: args.reserved,
        rank: args.rank,
        paused: match (args.pause, args.resume) {
            (true, _) => Some((true, args.reason)),
            (_, true) => Some((false, None)),
            (false, false) => None,
        },
    };
    if change == QueueChange::default() && !args.create {
        let error = CliError::new(Kind::Usage, "there is nothing to change");
        return Err(error.hint("say what, such as --slots 5, --pause or --resume"));
    }
    store.set_queue(&args.name, &change, args.create, &ctx.user.name, now)?;
    ctx.nudge();
    let rows = store.queue_rows(day_start(now, &ctx.zone), now)?;
    let row = rows.iter().find(|row| row.queue.name == args.name);
    ctx.answer_one(
        || row.map_or(Value::Null, |row| item(ctx, row)),
        |out| {
            let Some(row) = row else { return Ok(()) };
            let bound = match row.queue.slots {
                Some(n) => format!("at most {n} of its runs at once"),
                None => "any number of its runs at once".to_owned(),
            };
            let (name, rank, reserved) = (&args.name, row.queue.rank, row.queue.reserved);
            writeln!(out, "{name}: rank {rank}, {bound}, {reserved} reserved")?;
            match row.queue.paused_at {
                Some(_) => writeln!(out, "  PAUSED {}", paused(ctx, row)),
                None => Ok(()),
            }
        },
    )?;
    Ok(0)
}

fn known(store: &Store, name: &str) -> Result<(), CliError> {
    let names: Vec<String> = store.queues()?.into_iter().map(|q| q.name).collect();
    if names.iter().any(|known| known == name) {
        return Ok(());
    }
    let error = CliError::new(Kind::NotFound, format!("no queue named \"{name}\""));
    Err(match nearest(name, &names) {
        Some(near) => error.hint(format!("did you mean \"{near}\"?")),
        None => error.hint("--create makes it; `crake queue ls` shows those there are"),
    })
}
