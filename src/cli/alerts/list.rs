//! `crake alerts ls`, `show` and `rm`.

use std::io::{self, Write};

use clap_complete::ArgValueCandidates;
use serde_json::{Value, json};

use crate::cli::alerts::find;
use crate::cli::complete;
use crate::cli::context::Context;
use crate::cli::error::CliError;
use crate::cli::listing::{at, width};
use crate::model::{AlertState, Means, Receiver, ReceiverRow, format_duration};
use crate::store::AlertFilter;
use crate::view::table::Table;
use crate::view::text::clean_all;
use crate::view::time::rfc3339;

/// List the receivers and how their last alert fared
#[derive(clap::Args)]
#[command(after_help = "Examples:\n  crake alerts ls")]
pub struct LsAlertArgs {}

/// Show a receiver; its secrets are never shown
#[derive(clap::Args)]
#[command(after_help = "Examples:\n  crake alerts show ops")]
pub struct ShowAlertArgs {
    /// Name of the receiver
    #[arg(add = ArgValueCandidates::new(complete::receiver_names))]
    name: String,
}

/// Remove a receiver; what it was still to be told is dropped
#[derive(clap::Args)]
#[command(after_help = "Examples:\n  crake alerts rm ops")]
pub struct RmAlertArgs {
    /// Name of the receiver
    #[arg(add = ArgValueCandidates::new(complete::receiver_names))]
    name: String,
}

/// A receiver as JSON.
pub fn item(ctx: &Context, row: &ReceiverRow) -> Value {
    let receiver = &row.receiver;
    let smtp = match &receiver.means {
        Means::Mail { smtp, .. } => smtp.as_ref().map(|place| place.redacted()),
        _ => None,
    };
    json!({
        "receiver": receiver.name,
        "means": receiver.means.as_str(),
        "target": receiver.means.target(),
        "smtp": smtp,
        "secret": receiver.means.secret().map(ToString::to_string),
        "on": on(receiver),
        "jobs": receiver.jobs,
        "after": receiver.after,
        "late_ms": receiver.late_ms,
        "silent_ms": receiver.silent_ms,
        "quiet": receiver.quiet.as_ref().map(ToString::to_string),
        "rate": receiver.rate.map(|rate| rate.to_string()),
        "group_ms": receiver.group_ms,
        "tries": receiver.tries,
        "created_at": rfc3339(row.created_at, &ctx.zone),
        "changed_at": rfc3339(row.changed_at, &ctx.zone),
    })
}

/// What it is told of; a ping has its own.
fn on(receiver: &Receiver) -> Vec<&'static str> {
    match receiver.pings() {
        true => vec!["started", "succeeded", "failed"],
        false => receiver.on.iter().map(|kind| kind.as_str()).collect(),
    }
}

/// A receiver for people, beneath its name.
///
/// # Errors
/// Those of writing.
pub fn write_receiver(out: &mut dyn Write, receiver: &Receiver) -> io::Result<()> {
    let mut lines = vec![
        (receiver.means.as_str(), receiver.means.target()),
        ("on", on(receiver).join(", ")),
        ("jobs", receiver.jobs.join(", ")),
    ];
    if let Means::Mail { smtp, from, .. } = &receiver.means {
        let server = smtp
            .as_ref()
            .map_or("sendmail".to_owned(), |p| p.redacted());
        lines.push(("server", server));
        lines.extend(from.clone().map(|from| ("from", from)));
    }
    let secret = receiver.means.secret().map(ToString::to_string);
    lines.extend(secret.map(|secret| ("secret", secret)));
    if receiver.after > 1 {
        lines.push(("after", format!("{} failures in a row", receiver.after)));
    }
    let silent = receiver.silent_ms.map(format_duration);
    lines.extend(silent.map(|d| ("silent", format!("after {d} without success"))));
    let quiet = receiver.quiet.as_ref().map(ToString::to_string);
    lines.extend(quiet.map(|hours| ("quiet", hours)));
    let rate = receiver.rate.map(|rate| rate.to_string());
    lines.extend(rate.map(|rate| ("rate", rate)));
    let group = receiver.group_ms.map(format_duration);
    lines.extend(group.map(|d| ("group", d)));
    lines.push(("tries", receiver.tries.to_string()));
    for (what, text) in lines {
        writeln!(out, "  {what:<9} {}", clean_all(&text))?;
    }
    Ok(())
}

/// Lists the receivers.
///
/// # Errors
/// Those of reading and writing.
pub fn list(ctx: &Context) -> Result<u8, CliError> {
    let store = ctx.read()?;
    let receivers = store.receivers()?;
    let mut table = Table::new(&["RECEIVER", "MEANS", "TARGET", "ON", "JOBS", "LAST", "AT"]);
    let mut items = Vec::new();
    for row in &receivers {
        let receiver = &row.receiver;
        let filter = AlertFilter {
            receiver: Some(receiver.name.clone()),
            limit: 1,
            ..AlertFilter::default()
        };
        let last = store.alerts(&filter)?.into_iter().next();
        table.row([
            receiver.name.clone(),
            receiver.means.as_str().to_owned(),
            receiver.means.target(),
            on(receiver).join(","),
            receiver.jobs.join(","),
            last.as_ref().map_or("-", |a| state(a.state)).to_owned(),
            at(ctx, last.as_ref().map(|a| a.decided_at), ctx.now()),
        ]);
        let mut item = item(ctx, row);
        item["last"] = last
            .as_ref()
            .map_or(Value::Null, |a| super::log::item(ctx, a));
        items.push(item);
    }
    ctx.answer(
        || items,
        |out| match receivers.is_empty() {
            true => Ok(()),
            false => table.write(out, width(ctx)),
        },
    )?;
    if receivers.is_empty() {
        ctx.say("nobody is told of anything yet: `crake alerts add NAME ...` makes a receiver");
    }
    Ok(0)
}

/// The word for a state in listings; what somebody has to look at is in capitals.
pub fn state(state: AlertState) -> &'static str {
    match state {
        AlertState::Failed => "FAILED",
        other => other.as_str(),
    }
}

/// Shows a receiver.
///
/// # Errors
/// No such receiver.
pub fn show(ctx: &Context, args: &ShowAlertArgs) -> Result<u8, CliError> {
    let row = find(&ctx.read()?, &args.name)?;
    ctx.answer_one(
        || item(ctx, &row),
        |out| {
            writeln!(out, "{}", row.receiver.name)?;
            write_receiver(out, &row.receiver)
        },
    )?;
    Ok(0)
}

/// Removes a receiver.
///
/// # Errors
/// No such receiver.
pub fn remove(ctx: &Context, args: &RmAlertArgs) -> Result<u8, CliError> {
    let mut store = ctx.write()?;
    let row = find(&store, &args.name)?;
    store.remove_receiver(&args.name)?;
    ctx.nudge();
    ctx.answer_one(
        || item(ctx, &row),
        |out| writeln!(out, "removed {}", args.name),
    )?;
    Ok(0)
}
