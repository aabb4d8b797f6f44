//! `crake alerts`: who is told of what, and what became of it.

mod add;
mod decider;
mod envelope;
mod list;
mod log;
mod process;
mod test;

use clap::Subcommand;

use crate::cli::context::Context;
use crate::cli::error::{CliError, Kind, nearest};
use crate::model::ReceiverRow;
use crate::store::Store;

pub use process::alert_main;

/// Tell people and programs what went wrong
#[derive(clap::Args)]
#[command(after_help = "\
Examples:
  crake alerts add ops --mail ops@example.org --smtp smtp://mail.example.org
  crake alerts add chat --webhook @/etc/crake/chat.url --secret-file /etc/crake/chat.key --after 3
  crake alerts add pager --command 'page-me \"$CRAKE_ALERT_SUBJECT\"' --on failed,stuck --job 'backup-*'
  crake alerts add hc --ping 'https://hc-ping.com/KEY/{job}'
  crake alerts test ops
  crake alerts log")]
pub struct AlertsArgs {
    #[command(subcommand)]
    verb: Verb,
}

#[derive(Subcommand)]
enum Verb {
    Add(Box<add::AddAlertArgs>),
    #[command(visible_alias = "list")]
    Ls(list::LsAlertArgs),
    Show(list::ShowAlertArgs),
    Test(test::TestAlertArgs),
    Log(log::LogAlertArgs),
    Rm(list::RmAlertArgs),
}

/// Keeps receivers, and shows the outbox.
///
/// # Errors
/// No such receiver, one that is taken, a definition that cannot hold, a test that fails.
pub fn alerts(ctx: &Context, args: AlertsArgs) -> Result<u8, CliError> {
    match args.verb {
        Verb::Add(args) => add::add(ctx, *args),
        Verb::Ls(_) => list::list(ctx),
        Verb::Show(args) => list::show(ctx, &args),
        Verb::Test(args) => test::test(ctx, &args),
        Verb::Log(args) => log::log(ctx, &args),
        Verb::Rm(args) => list::remove(ctx, &args),
    }
}

/// A receiver by its name; names the nearest one where there is none.
fn find(store: &Store, name: &str) -> Result<ReceiverRow, CliError> {
    if let Some(row) = store.receiver(name)? {
        return Ok(row);
    }
    let known: Vec<String> = store
        .receivers()?
        .into_iter()
        .map(|row| row.receiver.name)
        .collect();
    let error = CliError::new(Kind::NotFound, format!("no receiver named \"{name}\""));
    Err(match nearest(name, &known) {
        Some(near) => error.hint(format!("did you mean \"{near}\"?")),
        None => error.hint("`crake alerts ls` shows the receivers there are"),
    })
}
