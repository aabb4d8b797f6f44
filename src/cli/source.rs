//! `crake source`: other databases, and commands that answer like one, for watches to ask.

use std::io::{self, Write};

use clap::Subcommand;
use clap_complete::ArgValueCandidates;
use serde_json::{Value, json};

use crate::cli::complete;
use crate::cli::context::Context;
use crate::cli::error::{CliError, Kind, nearest};
use crate::cli::listing::{at, width};
use crate::cli::source_add::{self, AddSourceArgs};
use crate::cli::source_test::{self, TestSourceArgs};
use crate::model::{PasswordFrom, Source, format_duration};
use crate::store::Store;
use crate::view::table::Table;
use crate::view::text::clean_all;
use crate::view::time::rfc3339;
use crate::view::watch_items::{pool, pool_in_short};

/// Keep sources: other databases that watches ask
#[derive(clap::Args)]
#[command(after_help = "\
Examples:
  crake source add shop postgres://crake@db.example.org/shop --password-file /etc/crake/shop.pw
  crake source add stock sqlite:/var/lib/stock/stock.db
  crake source add feed 'exec:curl -fsS https://example.org/feed.jsonl'
  crake source test shop
  crake source ls")]
pub struct SourceArgs {
    #[command(subcommand)]
    verb: Verb,
}

#[derive(Subcommand)]
enum Verb {
    Add(AddSourceArgs),
    #[command(visible_alias = "list")]
    Ls(LsSourceArgs),
    Show(ShowSourceArgs),
    Test(TestSourceArgs),
    Rm(RmSourceArgs),
}

/// List the sources
#[derive(clap::Args)]
#[command(after_help = "Examples:\n  crake source ls")]
struct LsSourceArgs {}

/// Show a source; its password is never shown
#[derive(clap::Args)]
#[command(after_help = "Examples:\n  crake source show shop")]
struct ShowSourceArgs {
    /// Name of the source
    #[arg(add = ArgValueCandidates::new(complete::source_names))]
    name: String,
}

/// Remove a source that no watch asks
#[derive(clap::Args)]
#[command(after_help = "Examples:\n  crake source rm shop")]
struct RmSourceArgs {
    /// Name of the source
    #[arg(add = ArgValueCandidates::new(complete::source_names))]
    name: String,
}

/// Keeps sources.
///
/// # Errors
/// No such source, one that is taken or in use, a DSN that cannot be read.
pub fn source(ctx: &Context, args: SourceArgs) -> Result<u8, CliError> {
    match args.verb {
        Verb::Add(args) => source_add::add(ctx, args),
        Verb::Ls(_) => list(ctx),
        Verb::Show(args) => show(ctx, &args.name),
        Verb::Test(args) => source_test::test(ctx, &args),
        Verb::Rm(args) => remove(ctx, &args.name),
    }
}

/// Finds a source.
///
/// # Errors
/// No such source, with the nearest name there is.
pub fn find(store: &Store, name: &str) -> Result<Source, CliError> {
    if let Some(found) = store.source(name)? {
        return Ok(found);
    }
    let names: Vec<String> = store.sources()?.into_iter().map(|s| s.name).collect();
    let error = CliError::new(Kind::NotFound, format!("no source named \"{name}\""));
    Err(match nearest(name, &names) {
        Some(near) => error.hint(format!("did you mean \"{near}\"?")),
        None => error.hint("`crake source ls` shows the sources there are"),
    })
}

/// A source as an item of an answer; the password is no part of it.
pub fn item(ctx: &Context, source: &Source) -> Value {
    json!({
        "name": source.name,
        "engine": source.engine.as_str(),
        "dsn": source.redacted(),
        "password": source.password.as_str(),
        "password_place": source.password.place(),
        "writable": source.writable,
        "pool": {
            "max": source.limits.max,
            "acquire_ms": source.limits.acquire_ms,
            "idle_ms": source.limits.idle_ms,
            "lifetime_ms": source.limits.lifetime_ms,
            "ping_idle_ms": source.limits.ping_idle_ms,
        },
        "version": source.version,
        "created_at": rfc3339(source.created_at, &ctx.zone),
        "changed_at": rfc3339(source.changed_at, &ctx.zone),
    })
}

/// A source for people, a line for each thing there is to say.
///
/// # Errors
/// Those of writing.
pub fn write_source(out: &mut dyn Write, source: &Source) -> io::Result<()> {
    let password = match (&source.password, source.password.place()) {
        (PasswordFrom::Nowhere, _) => "none".to_owned(),
        (PasswordFrom::Stored, _) => "in the store".to_owned(),
        (PasswordFrom::Env(_), place) => format!("variable {}", place.unwrap_or_default()),
        (PasswordFrom::File(_), place) => format!("file {}", place.unwrap_or_default()),
    };
    let limits = &source.limits;
    let access = if source.writable {
        "read and write"
    } else {
        "read only"
    };
    let pool = format!(
        "at most {}, waits {}, idle {}, lives {}, tried after {}",
        limits.max,
        format_duration(limits.acquire_ms),
        format_duration(limits.idle_ms),
        format_duration(limits.lifetime_ms),
        format_duration(limits.ping_idle_ms),
    );
    for (what, text) in [
        ("engine", source.engine.as_str()),
        ("dsn", &source.redacted()),
        ("password", &password),
        ("access", access),
        ("pool", &pool),
    ] {
        writeln!(out, "  {what:<9} {}", clean_all(text))?;
    }
    Ok(())
}

fn list(ctx: &Context) -> Result<u8, CliError> {
    let store = ctx.read()?;
    let (sources, gauges) = (store.sources()?, store.gauges()?);
    let gauge = |source: &Source| gauges.iter().find(|g| g.source == source.name);
    let head = [
        "SOURCE", "ENGINE", "ACCESS", "PASSWORD", "POOL", "CHANGED", "DSN",
    ];
    let mut table = Table::new(&head);
    for source in &sources {
        let access = if source.writable { "rw" } else { "ro" };
        table.row([
            source.name.clone(),
            source.engine.to_string(),
            access.to_owned(),
            source.password.as_str().to_owned(),
            gauge(source).map_or_else(
                || "-".to_owned(),
                |g| pool_in_short(g, Some(source.limits.max)),
            ),
            at(ctx, Some(source.changed_at), ctx.now()),
            source.redacted(),
        ]);
    }
    ctx.answer(
        || {
            let whole = |source: &Source| {
                let mut item = item(ctx, source);
                item["gauges"] = pool(gauge(source), &ctx.zone);
                item
            };
            sources.iter().map(whole).collect()
        },
        |out| match sources.is_empty() {
            true => Ok(()),
            false => table.write(out, width(ctx)),
        },
    )?;
    if sources.is_empty() {
        ctx.say("no sources yet: `crake source add NAME DSN` makes one");
    }
    Ok(0)
}

fn show(ctx: &Context, name: &str) -> Result<u8, CliError> {
    let source = find(&ctx.read()?, name)?;
    ctx.answer_one(
        || item(ctx, &source),
        |out| {
            writeln!(out, "{}", source.name)?;
            write_source(out, &source)
        },
    )?;
    Ok(0)
}

fn remove(ctx: &Context, name: &str) -> Result<u8, CliError> {
    let mut store = ctx.write()?;
    let source = find(&store, name)?;
    store.remove_source(name)?;
    ctx.nudge();
    ctx.answer_one(|| item(ctx, &source), |out| writeln!(out, "removed {name}"))?;
    Ok(0)
}
