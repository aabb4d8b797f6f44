//! `crake events`: what was worth telling.

use std::thread::sleep;
use std::time::Duration;

use clap_complete::ArgValueCandidates;

use crate::cli::complete;
use crate::cli::context::{Context, Form};
use crate::cli::error::CliError;
use crate::store::EventRow;
use crate::view::items::Items;
use crate::view::text::clean_all;
use crate::view::time::stamp;

/// How often a follower looks whether something was committed.
const LOOK: Duration = Duration::from_millis(200);

/// How many events are read at one go.
const AT_ONCE: usize = 10_000;

/// Show what happened: starts and stops of the daemon, kills, gaps, faults
#[derive(clap::Args, Debug)]
#[command(
    after_help = "Examples:\n  crake events -n 50\n  crake events -f --jsonl\n  crake events --watch orders"
)]
pub struct EventsArgs {
    /// Go on and show what happens
    #[arg(short, long)]
    follow: bool,
    /// Only those about this watch
    #[arg(long, value_name = "WATCH", add = ArgValueCandidates::new(complete::watch_names))]
    watch: Option<String>,
    /// The last so many
    #[arg(short = 'n', long = "lines", value_name = "N", default_value_t = 100)]
    limit: usize,
}

/// Shows events, oldest first.
///
/// # Errors
/// Those of reading the store and of writing.
pub fn events(ctx: &Context, args: EventsArgs) -> Result<u8, CliError> {
    // One object that never ends is none: who follows gets one a line.
    let form = match ctx.form {
        Form::Json if args.follow => Form::JsonLines,
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
    let mut seen = store.data_version()?;
    let read = |after, limit| match &args.watch {
        Some(watch) => store.events_of_watch(watch, after, limit),
        None => store.events(after, limit),
    };
    let events = read(0, args.limit)?;
    let mut last = match events.last() {
        Some(event) => event.id,
        None => read(0, 1)?.last().map_or(0, |e| e.id),
    };
    show(ctx, &events)?;
    if !args.follow {
        return Ok(0);
    }
    loop {
        sleep(LOOK);
        let version = store.data_version()?;
        if version == seen {
            continue;
        }
        seen = version;
        let fresh = read(last, AT_ONCE)?;
        if let Some(event) = fresh.last() {
            last = event.id;
            show(ctx, &fresh)?;
        }
    }
}

fn show(ctx: &Context, events: &[EventRow]) -> Result<(), CliError> {
    let items = Items::new(&ctx.zone);
    let now = ctx.now();
    ctx.answer(
        || events.iter().map(|e| items.event(e)).collect(),
        |out| {
            for event in events {
                writeln!(
                    out,
                    "{}  {:5}  {}  {}",
                    stamp(event.at, &ctx.zone, now),
                    event.level.as_str(),
                    clean_all(&event.kind),
                    clean_all(&event.text)
                )?;
            }
            Ok(())
        },
    )
}
