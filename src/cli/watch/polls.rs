//! `crake watch poll`, `polls` and `tail`: what was asked, with what, and what came of it.

use std::io::{self, Write};
use std::thread::sleep;
use std::time::Duration;

use clap_complete::ArgValueCandidates;
use serde_json::Value;

use crate::cli::context::{Context, Form};
use crate::cli::error::{CliError, Kind};
use crate::cli::listing::{at, width};
use crate::cli::{alive, complete, moment, watch};
use crate::model::{PollId, PollOutcome, RunId};
use crate::store::{PollFilter, PollRow, Store, WatchRow};
use crate::view::table::Table;
use crate::view::text::clean_all;
use crate::view::time::{span, stamp};
use crate::view::watch_items::{self, in_short, params_in_short};
use crate::view::watches::is_wrong;

/// How often a follower looks whether something was committed.
const LOOK: Duration = Duration::from_millis(200);

/// Runs of one poll that are named.
const RUNS: usize = 1_000;

/// How long a poll may take to begin once it was asked for, milliseconds.
const BEGINS_MS: i64 = 15_000;

/// Poll a watch now, whatever its interval says
#[derive(clap::Args)]
#[command(after_help = "\
Examples:
  crake watch poll orders
  crake watch poll orders --wait

With --wait the exit code is 1 where the poll went wrong.")]
pub struct PollArgs {
    /// Name of the watch
    #[arg(add = ArgValueCandidates::new(complete::watch_names))]
    name: String,
    /// Wait for its end and show it
    #[arg(long)]
    wait: bool,
}

/// List the polls of a watch, the newest first
#[derive(clap::Args)]
#[command(after_help = "\
Examples:
  crake watch polls orders
  crake watch polls orders --failed --since 2d
  crake watch polls orders -n 1 --json | jq '.items[0] | .query, .params'")]
pub struct PollsArgs {
    /// Name of the watch; it may have been removed
    #[arg(add = ArgValueCandidates::new(complete::watch_names))]
    name: String,
    /// At most so many
    #[arg(short = 'n', long = "lines", value_name = "N", default_value_t = 50)]
    limit: usize,
    /// Only those that went wrong
    #[arg(long)]
    failed: bool,
    /// Begun since then: 2h, "yesterday 14:00", 2026-01-31, RFC 3339
    #[arg(long, value_name = "T")]
    since: Option<String>,
}

/// Show polls as they end, of one watch or of all
#[derive(clap::Args)]
#[command(after_help = "\
Examples:
  crake watch tail
  crake watch tail orders --jsonl")]
pub struct TailArgs {
    /// Name of the watch
    #[arg(add = ArgValueCandidates::new(complete::watch_names))]
    name: Option<String>,
    /// The last so many before
    #[arg(short = 'n', long = "lines", value_name = "N", default_value_t = 10)]
    limit: usize,
}

/// Asks for a poll.
///
/// # Errors
/// No such watch, one that is paused, no daemon that would poll it.
pub fn poll(ctx: &Context, args: &PollArgs) -> Result<u8, CliError> {
    let mut store = ctx.write()?;
    let row = watch::find(&store, &args.name)?;
    let now = ctx.now();
    if row.is_paused(now) {
        let text = format!("{} is paused", args.name);
        return Err(CliError::new(Kind::Refused, text)
            .hint(format!("`crake watch resume {}` ends the pause", args.name)));
    }
    if args.wait {
        alive::required(ctx)?;
    }
    let last = newest(&store, &args.name)?;
    store.ask_watch(&args.name, now)?;
    ctx.nudge();
    if args.wait {
        return wait(ctx, &store, &row, last);
    }
    ctx.answer_one(
        || watch::definition(ctx, &row),
        |out| writeln!(out, "{} is polled as soon as may be", args.name),
    )?;
    Ok(0)
}

fn newest(store: &Store, watch: &str) -> Result<Option<PollId>, CliError> {
    let polls = store.polls(&PollFilter {
        watch: Some(watch.to_owned()),
        limit: 1,
        ..PollFilter::default()
    })?;
    Ok(polls.first().map(|p| p.poll))
}

/// Waits for the first poll that begins after one, and for its end.
fn wait(
    ctx: &Context,
    store: &Store,
    row: &WatchRow,
    after: Option<PollId>,
) -> Result<u8, CliError> {
    let limit = ctx.now() + BEGINS_MS + row.watch.timeout_ms;
    loop {
        let polls = store.polls(&PollFilter {
            watch: Some(row.watch.name.clone()),
            after,
            limit: 100,
            ..PollFilter::default()
        })?;
        let counts =
            |p: &&PollRow| !matches!(p.outcome, PollOutcome::Running | PollOutcome::Skipped);
        if let Some(done) = polls.iter().rev().find(counts) {
            let runs = store.runs_of_poll(done.poll, RUNS)?;
            ctx.answer_one(
                || watch_items::poll(done, &runs, &ctx.zone),
                |out| write_poll(ctx, out, done, &runs),
            )?;
            return Ok(u8::from(is_wrong(done.outcome)));
        }
        if ctx.now() > limit {
            let text = format!("no poll of {} has ended", row.watch.name);
            return Err(CliError::new(Kind::Failed, text).hint(format!(
                "`crake watch show {}` says how it stands",
                row.watch.name
            )));
        }
        sleep(LOOK);
    }
}

/// Lists polls.
///
/// # Errors
/// No such watch; an instant that is none.
pub fn polls(ctx: &Context, args: &PollsArgs) -> Result<u8, CliError> {
    let store = ctx.read()?;
    let filter = PollFilter {
        watch: Some(args.name.clone()),
        failed: args.failed,
        since: args
            .since
            .as_ref()
            .map(|t| moment::past(ctx, t))
            .transpose()?,
        limit: args.limit,
        ..PollFilter::default()
    };
    let polls = store.polls(&filter)?;
    if polls.is_empty() && newest(&store, &args.name)?.is_none() {
        watch::find(&store, &args.name)?;
    }
    let runs = runs_of(&store, &polls)?;
    ctx.answer(
        || {
            let item = |(p, r): (&PollRow, &Vec<RunId>)| watch_items::poll(p, r, &ctx.zone);
            polls.iter().zip(&runs).map(item).collect()
        },
        |out| write_polls(ctx, out, &polls, &runs),
    )?;
    Ok(0)
}

fn runs_of(store: &Store, polls: &[PollRow]) -> Result<Vec<Vec<RunId>>, CliError> {
    let of = |poll: &PollRow| match poll.runs {
        0 => Ok(Vec::new()),
        _ => Ok(store.runs_of_poll(poll.poll, RUNS)?),
    };
    polls.iter().map(of).collect()
}

fn write_polls(
    ctx: &Context,
    out: &mut dyn Write,
    polls: &[PollRow],
    runs: &[Vec<RunId>],
) -> io::Result<()> {
    let now = ctx.now();
    let mut table = Table::new(&[
        "POLL", "BEGAN", "BY", "OUTCOME", "TOOK", "ROWS", "NEW", "RUNS", "DETAIL",
    ]);
    for (poll, runs) in polls.iter().zip(runs) {
        let number = |n: Option<i64>| n.map_or(String::new(), |n| n.to_string());
        let outcome = match poll.repeats {
            0 | 1 => poll.outcome.to_string(),
            times => format!("{} x{times}", poll.outcome),
        };
        table.row([
            poll.poll.to_string(),
            at(ctx, Some(poll.started_at), now),
            poll.trigger.to_string(),
            outcome,
            poll.took_ms.map_or(String::new(), span),
            number(poll.rows),
            number(poll.fresh_rows),
            some_runs(runs),
            detail(poll),
        ]);
    }
    table.write(out, width(ctx))
}

fn some_runs(runs: &[RunId]) -> String {
    match runs {
        [] => String::new(),
        [one] => format!("#{one}"),
        [first, .., last] => format!("#{first}..{last}"),
    }
}

/// What is most worth saying of a poll.
fn detail(poll: &PollRow) -> String {
    let said = poll.error.as_ref().or(poll.note.as_ref());
    if let Some(said) = said {
        return said.clone();
    }
    let mut parts = Vec::new();
    if let Some(after) = poll.cursor_after.as_ref().filter(|c| !c.is_null()) {
        parts.push(format!("cursor {}", in_short(after)));
    }
    if let Some(params) = &poll.params {
        parts.push(params_in_short(params));
    }
    parts.join("  ")
}

/// A poll in full, for people.
fn write_poll(
    ctx: &Context,
    out: &mut dyn Write,
    poll: &PollRow,
    runs: &[RunId],
) -> io::Result<()> {
    let began = stamp(poll.started_at, &ctx.zone, ctx.now());
    let took = poll
        .took_ms
        .map_or(String::new(), |ms| format!(", took {}", span(ms)));
    let rows = poll.rows.unwrap_or(0);
    let fresh = poll.fresh_rows.unwrap_or(0);
    writeln!(
        out,
        "poll {} of {} at {began}: {}{took}, {rows} rows, {fresh} new",
        poll.poll,
        clean_all(&poll.watch),
        poll.outcome
    )?;
    let cursor = |value: &Option<Value>| in_short(value.as_ref().unwrap_or(&Value::Null));
    let moved = match poll.cursor_before == poll.cursor_after {
        true => String::new(),
        false => format!(
            "{} -> {}",
            cursor(&poll.cursor_before),
            cursor(&poll.cursor_after)
        ),
    };
    let params = poll.params.as_ref().map(params_in_short);
    for (what, text) in [
        ("error", poll.error.clone().unwrap_or_default()),
        ("note", poll.note.clone().unwrap_or_default()),
        ("query", poll.query.clone().unwrap_or_default()),
        ("with", params.unwrap_or_default()),
        ("cursor", moved),
        ("runs", some_runs(runs)),
    ] {
        for (n, line) in text.lines().enumerate() {
            let what = if n == 0 { what } else { "" };
            writeln!(out, "  {what:<7} {}", clean_all(line))?;
        }
    }
    Ok(())
}

/// Follows polls.
///
/// # Errors
/// No such watch, and those of reading the store and of writing.
pub fn tail(ctx: &Context, args: &TailArgs) -> Result<u8, CliError> {
    // One object that never ends is none: who follows gets one a line.
    let form = match ctx.form {
        Form::Json => Form::JsonLines,
        form => form,
    };
    let ctx = &Context {
        form,
        paths: ctx.paths.clone(),
        user: ctx.user.clone(),
        zone: ctx.zone.clone(),
        ..*ctx
    };
    let store = ctx.read()?;
    if let Some(name) = &args.name {
        watch::find(&store, name)?;
    }
    let mut seen = store.data_version()?;
    let mut filter = PollFilter {
        watch: args.name.clone(),
        limit: args.limit.max(1),
        ..PollFilter::default()
    };
    let mut first = store.polls(&filter)?;
    filter.limit = 10_000;
    filter.after = first.first().map(|p| p.poll);
    first.reverse();
    first.truncate(args.limit);
    let mut under_way = told(ctx, &store, first)?;
    loop {
        sleep(LOOK);
        let version = store.data_version()?;
        if version == seen {
            continue;
        }
        seen = version;
        let mut polls = Vec::new();
        for poll in &under_way {
            polls.extend(store.poll(*poll)?);
        }
        let mut fresh = store.polls(&filter)?;
        filter.after = fresh.first().map_or(filter.after, |p| Some(p.poll));
        fresh.reverse();
        polls.extend(fresh);
        under_way = told(ctx, &store, polls)?;
    }
}

/// Tells of polls that are over. Gives the others.
fn told(ctx: &Context, store: &Store, polls: Vec<PollRow>) -> Result<Vec<PollId>, CliError> {
    let (wait, over): (Vec<PollRow>, Vec<PollRow>) = polls
        .into_iter()
        .partition(|p| p.outcome == PollOutcome::Running);
    let runs = runs_of(store, &over)?;
    ctx.answer(
        || {
            let item = |(p, r): (&PollRow, &Vec<RunId>)| watch_items::poll(p, r, &ctx.zone);
            over.iter().zip(&runs).map(item).collect()
        },
        |out| {
            for (poll, runs) in over.iter().zip(&runs) {
                write_line(ctx, out, poll, runs)?;
            }
            Ok(())
        },
    )?;
    Ok(wait.into_iter().map(|p| p.poll).collect())
}

fn write_line(
    ctx: &Context,
    out: &mut dyn Write,
    poll: &PollRow,
    runs: &[RunId],
) -> io::Result<()> {
    let began = stamp(poll.started_at, &ctx.zone, ctx.now());
    let rows = match (poll.rows, poll.fresh_rows) {
        (Some(rows), Some(fresh)) => format!("{rows} rows, {fresh} new"),
        _ => String::new(),
    };
    let line = format!(
        "{began}  {}  {:<13} {:>6}  {rows}  {}  {}",
        clean_all(&poll.watch),
        poll.outcome.as_str(),
        poll.took_ms.map_or("-".to_owned(), span),
        some_runs(runs),
        clean_all(&detail(poll)),
    );
    writeln!(out, "{}", line.trim_end())
}
