//! `crake watch test`: what a watch would find and deliver now. Nothing is moved, nothing is started.

use std::io::{self, Write};

use clap_complete::ArgValueCandidates;
use serde_json::{Value, json};

use crate::cli::context::Context;
use crate::cli::error::{CliError, Kind};
use crate::cli::watch::attempt::{self, Tried};
use crate::cli::{complete, watch};
use crate::engine::watch::{Change, Delivery};
use crate::model::{Cell, Mode, Watch};
use crate::view::text::clean_all;
use crate::view::time::span;
use crate::view::watch_items::{REDACTED, in_short};
use crate::view::words::count;

/// Ask once and show what would be delivered; nothing is moved or started
#[derive(clap::Args)]
#[command(after_help = "\
Examples:
  crake watch test orders
  crake --json watch test orders | jq '.item.deliveries'

It is asked from here and as you, and only reads: mode consume claims what it finds, so its claim is
not carried out. Exit code 0 if the query could be used, 1 if not.")]
pub struct TestWatchArgs {
    /// Name of the watch
    #[arg(add = ArgValueCandidates::new(complete::watch_names))]
    name: String,
    /// Show at most so many rows
    #[arg(short = 'n', long = "lines", value_name = "N", default_value_t = 20)]
    limit: usize,
}

/// Tries a watch.
///
/// # Errors
/// No such watch, no source to be asked.
pub fn test(ctx: &Context, args: &TestWatchArgs) -> Result<u8, CliError> {
    let store = ctx.read()?;
    let row = watch::find(&store, &args.name)?;
    if row.watch.mode == Mode::Consume && row.watch.claim.is_some() {
        ctx.say("mode consume: the claim is not carried out, so only rows that are claimed already are found");
    }
    let tried = attempt::attempt(ctx, store, &row)?;
    let watch = &row.watch;
    if let (Some(error), Form::Refused) = (&tried.error, form(watch, &tried)) {
        return Err(CliError::new(
            Kind::Refused,
            "the query claims what it finds, and nothing is claimed for a test",
        )
        .detail(format!("  {error}"))
        .hint("`crake watch poll --wait` does it in earnest"));
    }
    ctx.answer_one(
        || item(watch, &tried),
        |out| write(out, watch, &tried, args.limit),
    )?;
    Ok(u8::from(tried.error.is_some()))
}

enum Form {
    Refused,
    Other,
}

fn form(watch: &Watch, tried: &Tried) -> Form {
    match watch.mode == Mode::Consume && tried.would_write {
        true => Form::Refused,
        false => Form::Other,
    }
}

fn params(watch: &Watch, tried: &Tried) -> Vec<(String, Value)> {
    let shown = |(name, cell): &(String, Cell)| {
        let value = match watch.redacts(name) {
            true => json!(REDACTED),
            false => cell.to_json(),
        };
        (name.clone(), value)
    };
    tried.statement.params.iter().map(shown).collect()
}

/// A value of a row as it may be shown.
fn cell(watch: &Watch, tried: &Tried, column: usize, cell: &Cell) -> Value {
    let name = tried.columns.get(column);
    match name.is_some_and(|name| watch.redacts(name)) {
        true => json!(REDACTED),
        false => cell.to_json(),
    }
}

fn item(watch: &Watch, tried: &Tried) -> Value {
    let row = |cells: &[Cell]| -> Value {
        let named = cells.iter().enumerate().map(|(n, c)| {
            let name = tried.columns.get(n).cloned().unwrap_or_default();
            (name, cell(watch, tried, n, c))
        });
        Value::Object(named.collect())
    };
    let fresh: Vec<Value> = tried
        .fresh
        .iter()
        .map(|f| json!({"key": f.key, "change": change(f.change.as_ref()), "row": row(&f.row)}))
        .collect();
    let deliveries: Vec<Value> = tried
        .deliveries
        .iter()
        .map(|d| json!({"delivery": d.id, "rows": d.rows, "bytes": d.payload.len()}))
        .collect();
    let error = tried.error.as_ref();
    json!({
        "watch": watch.name,
        "ok": error.is_none(),
        "query": tried.statement.sql,
        "params": params(watch, tried).into_iter().collect::<serde_json::Map<_, _>>(),
        "only_begins": tried.statement.only_begins,
        "columns": tried.columns,
        "rows": tried.rows,
        "truncated": tried.truncated,
        "fresh_rows": tried.fresh.len(),
        "fresh": fresh,
        "deliveries": deliveries,
        "cursor_after": tried.cursor_after,
        "connect_ms": tried.connect_ms,
        "took_ms": tried.took_ms,
        "note": tried.note,
        "error": error,
        "hint": tried.hint,
    })
}

fn change(change: Option<&Change>) -> Option<&'static str> {
    change.map(|change| match change {
        Change::Added => "added",
        Change::Removed => "removed",
        Change::Changed(_) => "changed",
    })
}

fn rows(number: usize) -> String {
    count(i64::try_from(number).unwrap_or(i64::MAX), "row")
}

fn line(out: &mut dyn Write, what: &str, text: &str) -> io::Result<()> {
    let mut what = what;
    for text in text.lines() {
        writeln!(out, "  {what:<8} {}", clean_all(text))?;
        what = "";
    }
    Ok(())
}

fn write(out: &mut dyn Write, watch: &Watch, tried: &Tried, limit: usize) -> io::Result<()> {
    writeln!(
        out,
        "{} asks {}",
        clean_all(&watch.name),
        clean_all(&watch.source)
    )?;
    line(out, "query", &tried.statement.sql)?;
    for (name, value) in params(watch, tried) {
        line(out, "with", &format!(":{name} = {value}"))?;
    }
    if let Some(error) = &tried.error {
        line(out, "error", error)?;
        return match &tried.hint {
            Some(hint) => line(out, "tip", hint),
            None => Ok(()),
        };
    }
    let more = match tried.truncated {
        true => ", and there are more",
        false => "",
    };
    let (connect, took) = (span(tried.connect_ms), span(tried.took_ms));
    line(
        out,
        "answer",
        &format!(
            "{}{more}; connected in {connect}, asked {took}",
            rows(tried.rows)
        ),
    )?;
    if let Some(note) = &tried.note {
        line(out, "note", note)?;
    }
    if tried.statement.only_begins {
        let at = in_short(&tried.cursor_after);
        let text = format!("nothing: the first poll only notes where it begins, after {at}");
        return line(out, "delivers", &text);
    }
    write_fresh(out, watch, tried, limit)
}

fn write_fresh(out: &mut dyn Write, watch: &Watch, tried: &Tried, limit: usize) -> io::Result<()> {
    let runs = tried.deliveries.len();
    if runs == 0 {
        return line(out, "delivers", "nothing: there is nothing new");
    }
    let runs = count(i64::try_from(runs).unwrap_or(i64::MAX), "run");
    let text = format!("{} to {runs} of {}", rows(tried.fresh.len()), watch.job);
    line(out, "delivers", &text)?;
    let shown = |delivery: &Delivery| format!("{} ({})", delivery.id, rows(delivery.rows));
    let ids: Vec<String> = tried.deliveries.iter().take(3).map(shown).collect();
    line(out, "named", &ids.join(", "))?;
    if !tried.cursor_after.is_null() {
        line(
            out,
            "cursor",
            &format!("then {}", in_short(&tried.cursor_after)),
        )?;
    }
    for fresh in tried.fresh.iter().take(limit) {
        let cells = fresh.row.iter().enumerate().map(|(n, c)| {
            let name = tried.columns.get(n).map_or("", String::as_str);
            format!("{name}={}", in_short(&cell(watch, tried, n, c)))
        });
        let cells: Vec<String> = cells.collect();
        let change = change(fresh.change.as_ref()).map_or(String::new(), |c| format!("{c} "));
        writeln!(out, "    {change}{}", clean_all(&cells.join("  ")))?;
    }
    match tried.fresh.len().saturating_sub(limit) {
        0 => Ok(()),
        more => writeln!(out, "    and {more} more"),
    }
}
