//! The command line: one file for each verb, one place for errors and for output.

pub mod alive;
pub mod audit;
pub mod cancel;
pub mod context;
pub mod ending;
pub mod enqueue;
pub mod env;
pub mod error;
pub mod events;
pub mod fires;
pub mod history;
pub mod kill;
pub mod lines;
pub mod listing;
pub mod logs;
pub mod missed;
pub mod moment;
pub mod output;
pub mod ps;
pub mod retry;
pub mod run;
pub mod selector;
pub mod status;
pub mod stopping;
pub mod wait;
pub mod waiting;

use std::ffi::OsString;
use std::path::PathBuf;
use std::process::ExitCode;

use clap::Parser;
use serde_json::json;

use crate::cli::context::{Context, Form};
use crate::cli::error::CliError;
use crate::clock::SystemClock;
use crate::config::{HOME_VARIABLE, Paths, User};
use crate::schedule::Zone;

/// A local replacement for cron that accounts for every planned fire
#[derive(Parser)]
#[command(name = "crake", version)]
struct Cli {
    /// Keep everything under DIR
    #[arg(long, global = true, value_name = "DIR")]
    home: Option<PathBuf>,
    /// Answer with one JSON object
    #[arg(long, global = true)]
    json: bool,
    /// Answer with one JSON object a line
    #[arg(long, global = true, conflicts_with = "json")]
    jsonl: bool,
    #[command(subcommand)]
    verb: Option<Verb>,
}

#[derive(clap::Subcommand)]
enum Verb {
    Run(run::RunArgs),
    Enqueue(enqueue::EnqueueArgs),
    Ps(ps::PsArgs),
    History(history::HistoryArgs),
    Fires(fires::FiresArgs),
    Logs(logs::LogsArgs),
    Kill(kill::KillArgs),
    Cancel(cancel::CancelArgs),
    Retry(retry::RetryArgs),
    Wait(wait::WaitArgs),
    Missed(missed::MissedArgs),
    Audit(audit::AuditArgs),
    Status(status::StatusArgs),
    Events(events::EventsArgs),
}

/// Runs the command that the arguments name.
pub fn run(args: impl Iterator<Item = OsString>) -> ExitCode {
    let cli = match Cli::try_parse_from(args) {
        Ok(cli) => cli,
        Err(e) => e.exit(),
    };
    let form = match (cli.json, cli.jsonl) {
        (true, _) => Form::Json,
        (_, true) => Form::JsonLines,
        _ => Form::Text,
    };
    let done = context(cli.home, form).and_then(|ctx| dispatch(&ctx, cli.verb));
    ExitCode::from(done.unwrap_or_else(|e| tell(&e, form)))
}

fn dispatch(ctx: &Context, verb: Option<Verb>) -> Result<u8, CliError> {
    match verb {
        Some(Verb::Run(args)) => run::run(ctx, args),
        Some(Verb::Enqueue(args)) => enqueue::enqueue(ctx, args),
        Some(Verb::Ps(args)) => ps::ps(ctx, args),
        Some(Verb::History(args)) => history::history(ctx, args),
        Some(Verb::Fires(args)) => fires::fires(ctx, args),
        Some(Verb::Logs(args)) => logs::logs(ctx, args),
        Some(Verb::Kill(args)) => kill::kill(ctx, args),
        Some(Verb::Cancel(args)) => cancel::cancel(ctx, args),
        Some(Verb::Retry(args)) => retry::retry(ctx, args),
        Some(Verb::Wait(args)) => wait::wait(ctx, args),
        Some(Verb::Missed(args)) => missed::missed(ctx, args),
        Some(Verb::Audit(args)) => audit::audit(ctx, args),
        Some(Verb::Status(args)) => status::status(ctx, args),
        Some(Verb::Events(args)) => events::events(ctx, args),
        None => status::status(ctx, status::StatusArgs::default()),
    }
}

fn context(home: Option<PathBuf>, form: Form) -> Result<Context, CliError> {
    let variable = std::env::var_os(HOME_VARIABLE);
    let tz = std::env::var("TZ").ok();
    Ok(Context {
        paths: Paths::chosen(home.as_deref(), false, variable)?,
        user: User::current(std::env::var_os("HOME"), std::env::var_os("USER")),
        clock: SystemClock,
        zone: Zone::system_from(tz.as_deref()).unwrap_or_default(),
        form,
        color: false,
        ask: false,
    })
}

fn tell(e: &CliError, form: Form) -> u8 {
    if form != Form::Text {
        let error = json!({"code": e.kind.code(), "message": e.message, "hint": e.hint});
        println!("{}", json!({"v": 1, "error": error}));
    }
    eprintln!("error: {}", e.message);
    if let Some(hint) = &e.hint {
        eprintln!("  tip: {hint}");
    }
    e.kind.code()
}
