//! `crake watch`: queries that are asked again and again, and start a job for what they find.

mod add;
mod attempt;
mod check;
mod polls;
mod reset;
mod rest;
mod test;
mod values;

use std::io::{self, Write};

use clap::Subcommand;
use clap_complete::ArgValueCandidates;
use serde_json::Value;

use crate::cli::context::Context;
use crate::cli::error::{CliError, Kind, nearest};
use crate::cli::listing::width;
use crate::cli::watch::add::AddWatchArgs;
use crate::cli::watch::polls::{PollArgs, PollsArgs, TailArgs};
use crate::cli::watch::reset::{ResetArgs, SkipArgs};
use crate::cli::watch::rest::{PauseWatchArgs, ResumeWatchArgs, RmWatchArgs};
use crate::cli::watch::test::TestWatchArgs;
use crate::cli::{alive, complete};
use crate::model::{Initial, Mode, Watch, format_duration};
use crate::store::{Store, WatchRow};
use crate::view::table::Table;
use crate::view::text::clean_all;
use crate::view::time::{in_full, relative, short, span};
use crate::view::watch_items::{self, in_short, pool_in_short};
use crate::view::watches::{WatchView, view, views};

/// Keep watches: queries whose rows start jobs
#[derive(clap::Args)]
#[command(after_help = "\
Examples:
  crake watch add orders --source shop --job ship --mode cursor --key id \\
    --query 'SELECT id, customer FROM orders' --every 10s
  crake watch test orders
  crake watch ls
  crake watch polls orders --failed
  crake watch tail")]
pub struct WatchArgs {
    #[command(subcommand)]
    verb: Verb,
}

#[derive(Subcommand)]
enum Verb {
    Add(Box<AddWatchArgs>),
    #[command(visible_alias = "list")]
    Ls(LsWatchArgs),
    Show(ShowWatchArgs),
    Test(TestWatchArgs),
    Poll(PollArgs),
    Polls(PollsArgs),
    Tail(TailArgs),
    Pause(PauseWatchArgs),
    Resume(ResumeWatchArgs),
    Reset(ResetArgs),
    Skip(SkipArgs),
    Rm(RmWatchArgs),
}

/// List the watches and how they stand
#[derive(clap::Args)]
#[command(
    after_help = "Examples:\n  crake watch ls\n  crake watch ls --json | jq '.items[].state'"
)]
struct LsWatchArgs {}

/// Show a watch: its definition, how it stands, where it is
#[derive(clap::Args)]
#[command(after_help = "Examples:\n  crake watch show orders")]
struct ShowWatchArgs {
    /// Name of the watch
    #[arg(add = ArgValueCandidates::new(complete::watch_names))]
    name: String,
}

/// Keeps watches.
///
/// # Errors
/// No such watch, one that is taken, a definition that cannot work.
pub fn watch(ctx: &Context, args: WatchArgs) -> Result<u8, CliError> {
    match args.verb {
        Verb::Add(args) => add::add(ctx, *args),
        Verb::Ls(_) => list(ctx),
        Verb::Show(args) => show(ctx, &args.name),
        Verb::Test(args) => test::test(ctx, &args),
        Verb::Poll(args) => polls::poll(ctx, &args),
        Verb::Polls(args) => polls::polls(ctx, &args),
        Verb::Tail(args) => polls::tail(ctx, &args),
        Verb::Pause(args) => rest::pause(ctx, &args),
        Verb::Resume(args) => rest::resume(ctx, &args),
        Verb::Reset(args) => reset::reset(ctx, &args),
        Verb::Skip(args) => reset::skip(ctx, &args),
        Verb::Rm(args) => rest::rm(ctx, &args),
    }
}

/// Finds a watch.
///
/// # Errors
/// No such watch, with the nearest name there is.
pub fn find(store: &Store, name: &str) -> Result<WatchRow, CliError> {
    if let Some(found) = store.watch(name)? {
        return Ok(found);
    }
    let names: Vec<String> = store.watches()?.into_iter().map(|w| w.watch.name).collect();
    let error = CliError::new(Kind::NotFound, format!("no watch named \"{name}\""));
    Err(match nearest(name, &names) {
        Some(near) => error.hint(format!("did you mean \"{near}\"?")),
        None => error.hint("`crake watch ls` shows the watches there are"),
    })
}

/// The definition of a watch as an item of an answer.
pub fn definition(ctx: &Context, row: &WatchRow) -> Value {
    watch_items::definition(row, &ctx.zone)
}

fn list(ctx: &Context) -> Result<u8, CliError> {
    let store = ctx.read()?;
    let now = ctx.now();
    let watches = views(&store, &alive::daemon(ctx, &store)?, now)?;
    ctx.answer(
        || {
            let item = |view| watch_items::watch(view, &ctx.zone);
            watches.iter().map(item).collect()
        },
        |out| match watches.is_empty() {
            true => Ok(()),
            false => write_list(ctx, out, &watches, now),
        },
    )?;
    if watches.is_empty() {
        ctx.say("no watches yet: `crake watch add --help` shows how to make one");
    }
    for (name, why) in store.unreadable_watches()? {
        ctx.say(&format!("warning: the watch {name} cannot be read: {why}"));
    }
    Ok(0)
}

fn write_list(
    ctx: &Context,
    out: &mut dyn Write,
    watches: &[WatchView],
    now: i64,
) -> io::Result<()> {
    let mut table = Table::new(&[
        "WATCH", "SOURCE", "STATE", "EVERY", "LAST", "ROWS", "RUNS/H", "CURSOR", "POOL", "WHY",
    ]);
    for view in watches {
        let row = &view.row;
        let last = view.last.as_ref();
        let rows = view.ended.as_ref().and_then(|p| p.rows);
        let age = last.map(|p| short(now - p.last_at.unwrap_or(p.started_at)));
        let none = || "-".to_owned();
        table.row([
            row.watch.name.clone(),
            row.watch.source.clone(),
            state_word(view),
            format_duration(row.watch.every_ms),
            age.unwrap_or_else(none),
            rows.map_or_else(none, |rows| rows.to_string()),
            view.runs_1h.to_string(),
            in_short(&view.cursor()),
            pool(view),
            why(view),
        ]);
    }
    table.write(out, width(ctx))
}

/// The state; one that somebody should look at in capitals.
fn state_word(view: &WatchView) -> String {
    use crate::model::WatchState::{Blocked, Failing, NoSource, Stalled};
    let word = view.health.state.as_str();
    match view.health.state {
        Failing | Stalled | Blocked | NoSource => word.to_uppercase(),
        _ => word.to_owned(),
    }
}

/// The pool, where its process has said anything.
fn pool(view: &WatchView) -> String {
    let gauge = view.gauge.as_ref();
    gauge.map_or_else(|| "-".to_owned(), |g| pool_in_short(g, view.pool_max))
}

fn why(view: &WatchView) -> String {
    view.error().unwrap_or_else(|| view.health.why.clone())
}

fn show(ctx: &Context, name: &str) -> Result<u8, CliError> {
    let store = ctx.read()?;
    let now = ctx.now();
    let up = alive::daemon(ctx, &store)?.up;
    let found = view(&store, find(&store, name)?, up, now)?;
    ctx.answer_one(
        || {
            let mut item = definition(ctx, &found.row);
            let stands = watch_items::watch(&found, &ctx.zone);
            if let (Some(item), Value::Object(stands)) = (item.as_object_mut(), stands) {
                item.extend(stands);
            }
            item
        },
        |out| {
            writeln!(out, "{}", clean_all(name))?;
            write_standing(ctx, out, &found, now)?;
            write_definition(out, &found.row.watch)
        },
    )?;
    Ok(0)
}

fn line(out: &mut dyn Write, what: &str, text: &str) -> io::Result<()> {
    let mut what = what;
    for text in text.lines() {
        writeln!(out, "  {what:<9} {}", clean_all(text))?;
        what = "";
    }
    Ok(())
}

fn write_standing(
    ctx: &Context,
    out: &mut dyn Write,
    view: &WatchView,
    now: i64,
) -> io::Result<()> {
    let said = match why(view) {
        said if said.is_empty() => String::new(),
        said => format!(": {said}"),
    };
    line(out, "state", &format!("{}{said}", state_word(view)))?;
    let instant = |at: i64| format!("{} ({})", in_full(at, &ctx.zone), relative(at, now));
    if let Some(poll) = &view.last {
        let took = poll
            .took_ms
            .map_or(String::new(), |ms| format!(", took {}", span(ms)));
        let text = format!(
            "poll {} {}: {}{took}",
            poll.poll,
            instant(poll.last_at.unwrap_or(poll.started_at)),
            poll.outcome
        );
        line(out, "last", &text)?;
    }
    if let Some(at) = view.row.next_at.filter(|_| !view.row.is_paused(now)) {
        line(out, "next", &instant(at))?;
    }
    let cursor = view.cursor();
    if !cursor.is_null() {
        line(out, "cursor", &in_short(&cursor))?;
    }
    let fresh: i64 = view.hour.iter().sum();
    line(
        out,
        "last hour",
        &format!("{fresh} rows, {} runs", view.runs_1h),
    )?;
    if view.gauge.is_some() {
        line(out, "pool", &format!("in use {}", pool(view)))?;
    }
    Ok(())
}

/// A definition for people, a line for each thing there is to say.
///
/// # Errors
/// Those of writing.
pub fn write_definition(out: &mut dyn Write, watch: &Watch) -> io::Result<()> {
    line(out, "asks", &watch.source)?;
    line(out, "query", &watch.query)?;
    for (name, cell) in &watch.params {
        let value = match watch.redacts(name) {
            true => watch_items::REDACTED.to_owned(),
            false => cell.to_json().to_string(),
        };
        line(out, "with", &format!(":{name} = {value}"))?;
    }
    line(out, "mode", &mode_in_words(watch))?;
    for (what, statement) in [
        ("claim", &watch.claim),
        ("ack", &watch.ack),
        ("nack", &watch.nack),
    ] {
        if let Some(statement) = statement {
            line(out, what, statement)?;
        }
    }
    let runs = match watch.deliver {
        crate::model::Deliver::Row => "one run for each row".to_owned(),
        crate::model::Deliver::Batch => format!("one run for up to {} rows", watch.batch_max),
    };
    let advance = match watch.advance {
        crate::model::Advance::Enqueued => "",
        crate::model::Advance::Succeeded => "; goes on when they have succeeded",
    };
    line(out, "runs", &format!("{}, {runs}{advance}", watch.job))?;
    let push = watch.listen.as_ref();
    let push = push.map_or(String::new(), |c| format!(", and at once on {c}"));
    let every = format_duration(watch.every_ms);
    let limit = format_duration(watch.timeout_ms);
    line(
        out,
        "every",
        &format!("{every}{push}; at most {limit} long"),
    )?;
    let redact = match watch.redact.is_empty() {
        true => String::new(),
        false => format!(", without the values of {}", watch.redact.join(", ")),
    };
    line(out, "log", &format!("{}{redact}", watch.log))
}

fn mode_in_words(watch: &Watch) -> String {
    let key = watch.key.join(", ");
    let tail = match watch.mode {
        Mode::Rows if watch.on_empty => ", and when there is none".to_owned(),
        Mode::Rows => String::new(),
        Mode::Cursor => {
            let from = match &watch.initial {
                Initial::Now => "what was there at the first poll".to_owned(),
                Initial::Min => "nothing".to_owned(),
                Initial::Value(cells) => {
                    let parts: Vec<Value> = cells.iter().map(|c| c.to_json()).collect();
                    in_short(&Value::Array(parts))
                }
            };
            format!(" by {key}, began after {from}")
        }
        Mode::New | Mode::Consume => format!(" by {key}"),
        Mode::Changed if key.is_empty() => String::new(),
        Mode::Changed => format!(" by {key}"),
        Mode::Threshold => {
            let limit = |word: &str, limit: Option<f64>| {
                limit.map_or(String::new(), |limit| format!(" {word} {limit}"))
            };
            let (above, below) = (watch.limits.above, watch.limits.below);
            let back = limit("back by", watch.limits.rearm);
            format!("{}{}{back}", limit("above", above), limit("below", below))
        }
    };
    format!("{}{tail}", watch.mode)
}
