//! `crake alerts test`: sends one now, and says what happened.

use clap_complete::ArgValueCandidates;

use crate::cli::alerts::envelope::message_of;
use crate::cli::alerts::process::host;
use crate::cli::alerts::{find, log};
use crate::cli::complete;
use crate::cli::context::Context;
use crate::cli::error::{CliError, Kind};
use crate::courier::deliver;
use crate::model::AlertKind;
use crate::store::{NewAlert, Tried};
use crate::view::alert_words::{Telling, alert_words};
use crate::view::time::span;

/// Until then the daemon leaves it to this command, milliseconds.
const OURS_MS: i64 = 180_000;

/// Send a receiver an alert now, and say what happened
#[derive(clap::Args)]
#[command(after_help = "\
Examples:
  crake alerts test ops

It is sent once, by this command and in its environment, whatever the hour and the rate.")]
pub struct TestAlertArgs {
    /// Name of the receiver
    #[arg(add = ArgValueCandidates::new(complete::receiver_names))]
    name: String,
}

/// Sends a test.
///
/// # Errors
/// That the receiver did not take it, and why.
pub fn test(ctx: &Context, args: &TestAlertArgs) -> Result<u8, CliError> {
    let mut store = ctx.write()?;
    let row = find(&store, &args.name)?;
    let (host, now) = (host(), ctx.now());
    let telling = Telling {
        note: Some(format!(
            "{} asked for it. If you read this, alerts reach you.",
            ctx.user.name
        )),
        ..Telling::default()
    };
    let place = (host.as_str(), &ctx.zone);
    let (subject, text) = alert_words(&store, place, AlertKind::Test, &telling, now)?;
    let alert = NewAlert {
        receiver: row.id,
        kind: AlertKind::Test,
        job: None,
        run: None,
        subject,
        text,
        dedupe: format!("{}:test:{now}:{}", row.id, std::process::id()),
        next_at: now + OURS_MS,
        dropped: None,
    };
    let gone = || {
        CliError::new(
            Kind::NotFound,
            format!("no receiver named \"{}\"", args.name),
        )
    };
    let id = store.put_test_alert(&alert, now)?.ok_or_else(gone)?;
    store.begin_try(&[id], id, now)?;
    let kept = store.alert(id)?.ok_or_else(gone)?;
    let message = message_of(&store, &row, &host, &[kept])?;
    let result = deliver(&row.receiver, &message);
    let after = ctx.now();
    let tried = match &result {
        Ok(()) => Tried::Sent,
        Err(why) => Tried::GivenUp(why.0.clone()),
    };
    store.end_try(&[id], &tried, after)?;
    if let Err(why) = result {
        let error = CliError::new(Kind::Failed, format!("{}: {why}", args.name));
        return Err(error.hint(format!(
            "`crake alerts show {}` says where it leads",
            args.name
        )));
    }
    let kept = store.alert(id)?.ok_or_else(gone)?;
    ctx.answer_one(
        || log::item(ctx, &kept),
        |out| {
            let (target, took) = (row.receiver.means.target(), span(after - now));
            let target = crate::view::text::clean_all(&target);
            writeln!(out, "sent to {} ({target}) in {took}", args.name)
        },
    )?;
    Ok(0)
}
