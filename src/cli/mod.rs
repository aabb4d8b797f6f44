//! The command line: one file for each verb, one place for errors and for output.

pub mod context;
pub mod daemon;
pub mod error;

mod ack;
mod add;
mod after_flags;
mod alerts;
mod alive;
mod apply;
mod audit;
mod blind_status;
mod calendar;
mod calendar_add;
mod cancel;
mod check;
mod chore;
mod complete;
mod completions;
mod crontab;
mod crontab_edit;
mod crontab_words;
mod cutover;
mod cutover_answer;
mod cutover_check;
mod cutover_divert;
mod cutover_file;
mod cutover_state;
mod definition_diff;
mod demo;
mod demo_story;
mod doctor;
mod doctor_facts;
mod draft;
mod edit;
mod edit_session;
mod ending;
mod enqueue;
mod env;
mod events;
mod explain;
mod explain_job;
mod export;
mod export_crontab;
mod export_systemd;
mod export_toml;
mod fires;
mod flags;
mod generated;
mod help;
mod history;
mod import;
mod import_answer;
mod import_entry;
mod import_host;
mod import_match;
mod import_other;
mod import_other_line;
mod import_plan;
mod import_preview;
mod import_said;
mod import_source;
mod internal;
mod item;
mod jobs_file;
mod kill;
mod limit_flags;
mod lines;
mod list;
mod listing;
mod logs;
mod man;
mod missed;
pub mod moment;
mod next;
mod next_sources;
mod next_week;
mod output;
mod pause;
mod prune;
mod ps;
mod queue;
mod read_schedule;
mod resume;
mod retry;
mod rm;
mod rollback;
mod run;
mod run_as;
pub mod selector;
mod show;
mod show_history;
mod source;
mod source_add;
mod source_test;
mod status;
mod stopping;
mod terms;
mod through_daemon;
mod toml_form;
mod toml_limits;
mod toml_policy;
mod toml_terms;
mod top;
mod top_acts;
mod top_logs;
mod upgrade;
mod usage;
mod verify;
mod verify_answer;
mod wait;
mod waiting;
mod watch;
mod worker;

use std::ffi::{OsStr, OsString};
use std::io::IsTerminal;
use std::path::PathBuf;
use std::process::ExitCode;

use clap::{ColorChoice, FromArgMatches, Parser, Subcommand, ValueEnum};

use crate::cli::context::{Context, Form};
use crate::cli::error::CliError;
use crate::cli::usage::{usage, wanted_form};
use crate::clock::SystemClock;
use crate::config::{HOME_VARIABLE, Paths, User};
use crate::schedule::Zone;

pub use crate::cli::completions::{SHIMS, Shell};
pub use crate::cli::generated::{cli_reference, man_pages};
pub use crate::cli::help::{misplaced_commands, root_command};
pub use crate::cli::jobs_file::schema::schema as jobs_schema;

/// A local replacement for cron that accounts for every planned fire.
#[derive(Parser)]
#[command(name = "crake", version, disable_help_subcommand = true)]
pub struct Cli {
    #[command(flatten)]
    global: Global,
    #[command(subcommand)]
    command: Option<Command>,
}

/// What every command takes.
#[derive(clap::Args)]
#[command(next_help_heading = "Global options")]
struct Global {
    /// Keep store, socket and logs under DIR (also: CRAKE_HOME=DIR)
    #[arg(long, global = true, value_name = "DIR")]
    home: Option<PathBuf>,
    /// Use the instance of the whole system
    #[arg(long, global = true, conflicts_with = "home")]
    system: bool,
    /// Answer with one JSON object
    #[arg(long, global = true)]
    json: bool,
    /// Answer with one JSON object a line
    #[arg(long, global = true, conflicts_with = "json")]
    jsonl: bool,
    /// Take every question for answered with yes
    #[arg(short, long, global = true)]
    yes: bool,
    /// Ask nothing
    #[arg(long, global = true)]
    no_input: bool,
    /// When to use colours
    #[arg(long, global = true, value_enum, value_name = "WHEN", default_value_t = Color::Auto)]
    color: Color,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Color {
    Auto,
    Always,
    Never,
}

/// Every verb; the groups they are shown in stand in `help.rs`.
#[derive(Subcommand)]
enum Command {
    Add(add::AddArgs),
    Edit(edit::EditArgs),
    Show(show::ShowArgs),
    #[command(visible_alias = "ls")]
    List(list::ListArgs),
    Rm(rm::RmArgs),
    #[command(alias = "disable")]
    Pause(pause::PauseArgs),
    #[command(alias = "enable")]
    Resume(resume::ResumeArgs),
    Apply(apply::ApplyArgs),
    Import(import::ImportArgs),
    Export(export::ExportArgs),
    Run(run::RunArgs),
    Enqueue(enqueue::EnqueueArgs),
    Ps(ps::PsArgs),
    History(history::HistoryArgs),
    Logs(logs::LogsArgs),
    Kill(kill::KillArgs),
    Cancel(cancel::CancelArgs),
    Retry(retry::RetryArgs),
    Wait(wait::WaitArgs),
    Next(next::NextArgs),
    Explain(explain::ExplainArgs),
    Calendar(calendar::CalendarArgs),
    Fires(fires::FiresArgs),
    Missed(missed::MissedArgs),
    Audit(audit::AuditArgs),
    Status(status::StatusArgs),
    #[command(visible_alias = "tui")]
    Top(top::TopArgs),
    Check(check::CheckArgs),
    Doctor(doctor::DoctorArgs),
    Ack(ack::AckArgs),
    Alerts(alerts::AlertsArgs),
    Events(events::EventsArgs),
    Source(source::SourceArgs),
    Watch(watch::WatchArgs),
    Daemon(daemon::DaemonArgs),
    Worker(worker::WorkerArgs),
    Queue(queue::QueueArgs),
    Crontab(crontab::CrontabArgs),
    Verify(verify::VerifyArgs),
    Cutover(cutover::CutoverArgs),
    Rollback(rollback::RollbackArgs),
    Prune(prune::PruneArgs),
    Demo(demo::DemoArgs),
    Completions(completions::CompletionsArgs),
    Man(man::ManArgs),
}

fn dispatch(ctx: &Context, command: Command) -> Result<u8, CliError> {
    match command {
        Command::Add(args) => add::add(ctx, args),
        Command::Edit(args) => edit::edit(ctx, args),
        Command::Show(args) => show::show(ctx, args),
        Command::List(args) => list::list(ctx, args),
        Command::Rm(args) => rm::rm(ctx, args),
        Command::Pause(args) => pause::pause(ctx, args),
        Command::Resume(args) => resume::resume(ctx, args),
        Command::Apply(args) => apply::apply(ctx, args),
        Command::Import(args) => import::import(ctx, args),
        Command::Export(args) => export::export(ctx, args),
        Command::Run(args) => run::run(ctx, args),
        Command::Enqueue(args) => enqueue::enqueue(ctx, args),
        Command::Ps(args) => ps::ps(ctx, args),
        Command::History(args) => history::history(ctx, args),
        Command::Logs(args) => logs::logs(ctx, args),
        Command::Kill(args) => kill::kill(ctx, args),
        Command::Cancel(args) => cancel::cancel(ctx, args),
        Command::Retry(args) => retry::retry(ctx, args),
        Command::Wait(args) => wait::wait(ctx, args),
        Command::Next(args) => next::next(ctx, args),
        Command::Explain(args) => explain::explain(ctx, args),
        Command::Calendar(args) => calendar::calendar(ctx, args),
        Command::Fires(args) => fires::fires(ctx, args),
        Command::Missed(args) => missed::missed(ctx, args),
        Command::Audit(args) => audit::audit(ctx, args),
        Command::Status(args) => status::status(ctx, args),
        Command::Top(args) => top::top(ctx, args),
        Command::Check(args) => check::check(ctx, args),
        Command::Doctor(args) => doctor::doctor(ctx, args),
        Command::Ack(args) => ack::ack(ctx, args),
        Command::Alerts(args) => alerts::alerts(ctx, args),
        Command::Events(args) => events::events(ctx, args),
        Command::Source(args) => source::source(ctx, args),
        Command::Watch(args) => watch::watch(ctx, args),
        Command::Daemon(args) => daemon::daemon(ctx, args),
        Command::Worker(args) => worker::worker(ctx, args),
        Command::Queue(args) => queue::queue(ctx, args),
        Command::Crontab(args) => crontab::crontab(ctx, args),
        Command::Verify(args) => verify::verify(ctx, args),
        Command::Cutover(args) => cutover::cutover(ctx, args),
        Command::Rollback(args) => rollback::rollback(ctx, args),
        Command::Prune(args) => prune::prune(ctx, args),
        Command::Demo(args) => demo::demo(ctx, args),
        Command::Completions(args) => completions::completions(ctx, args),
        Command::Man(args) => man::man(ctx, args),
    }
}

/// What `crake` alone does: how things are, and where to go on from there.
fn without_a_command(ctx: &Context) -> Result<u8, CliError> {
    let code = status::status(ctx, status::StatusArgs::default())?;
    if ctx.form == Form::Text {
        ctx.say("\n`crake list` shows the jobs, `crake --help` the commands");
    }
    Ok(code)
}

/// Runs the command that the arguments name; the first of them is the program's own name.
pub fn run(args: impl Iterator<Item = OsString>) -> ExitCode {
    let args = crontab_words::as_crontab(args.collect());
    if let Some(code) = internal::internal(&args) {
        return ExitCode::from(code);
    }
    if complete::answered(&args) {
        return ExitCode::SUCCESS;
    }
    let code = match parse(&args) {
        Ok(cli) => carry_out(cli),
        Err(e) => usage(&e, wanted_form(&args)),
    };
    ExitCode::from(code)
}

fn parse(args: &[OsString]) -> Result<Cli, clap::Error> {
    let mut command = help::root_command().color(help_color(args));
    let mut matches = command.try_get_matches_from_mut(asking_for_help(args))?;
    Cli::from_arg_matches_mut(&mut matches).map_err(|e| e.format(&mut command))
}

/// `crake help VERB` is what many type first; it is no command beside the others, but `--help`.
fn asking_for_help(args: &[OsString]) -> Vec<OsString> {
    let mut args = args.to_vec();
    if args.get(1).is_some_and(|word| word == "help") {
        args.remove(1);
        args.push("--help".into());
    }
    args
}

/// Help and usage errors are written before the arguments are understood, so what was said of
/// colours is looked for in them as they are; clap itself honours `NO_COLOR`.
fn help_color(args: &[OsString]) -> ColorChoice {
    let text: Vec<&str> = args.iter().filter_map(|arg| arg.to_str()).collect();
    let said = |word: &str| {
        text.contains(&format!("--color={word}").as_str())
            || text.windows(2).any(|pair| pair == ["--color", word])
    };
    match (said("never"), said("always")) {
        (true, _) => ColorChoice::Never,
        (_, true) => ColorChoice::Always,
        _ => ColorChoice::Auto,
    }
}

fn carry_out(cli: Cli) -> u8 {
    let form = match (cli.global.json, cli.global.jsonl) {
        (true, _) => Form::Json,
        (_, true) => Form::JsonLines,
        _ => Form::Text,
    };
    let done = context_of(&cli.global, form).and_then(|ctx| match cli.command {
        Some(command) => dispatch(&ctx, command).map_err(|e| e.of_store(&ctx.paths)),
        None => without_a_command(&ctx),
    });
    done.unwrap_or_else(|error| error::tell(&error, form))
}

fn context_of(global: &Global, form: Form) -> Result<Context, CliError> {
    let variable = |name: &str| std::env::var_os(name).filter(|v| !v.is_empty());
    let paths = Paths::chosen(
        global.home.as_deref(),
        global.system,
        variable(HOME_VARIABLE),
    )?;
    let zone = match std::env::var_os("TZ") {
        None => Zone::system_from(None),
        Some(value) => Zone::system_from(Some(&value.to_string_lossy())),
    };
    let zone = zone.map_err(|e| {
        let mut error = CliError::from(e);
        error.message = format!("the variable TZ: {}", error.message);
        error
    })?;
    let (input, output) = (std::io::stdin(), std::io::stdout());
    let color = match global.color {
        Color::Always => true,
        Color::Never => false,
        Color::Auto if variable("NO_COLOR").is_some() => false,
        Color::Auto if variable("CLICOLOR_FORCE").is_some() => true,
        Color::Auto => {
            output.is_terminal() && variable("TERM").as_deref() != Some(OsStr::new("dumb"))
        }
    };
    Ok(Context {
        paths,
        user: User::current(variable("HOME"), variable("USER")),
        clock: SystemClock,
        zone,
        form,
        color: color && form == Form::Text,
        ask: !global.yes && !global.no_input && input.is_terminal() && output.is_terminal(),
    })
}
