//! `crake wait`: until runs are over.

use crate::cli::context::{Context, Form};
use crate::cli::ending::{TIMED_OUT, exit_code, words};
use crate::cli::error::CliError;
use crate::cli::selector::select;
use crate::cli::waiting::{Waiting, is_over};
use crate::cli::{alive, moment};
use crate::store::RunRow;
use crate::view::items::Items;
use crate::view::text::clean_all;
use crate::view::time::clock;

/// Wait until runs are over, and exit with the job's exit code
#[derive(clap::Args, Debug)]
#[command(
    after_help = "Examples:\n  crake wait 1851 && echo done\n  crake wait backup-db report --timeout 1h\n\nExit code: the job's own; of several runs the first that is not 0; 124 when the time is up."
)]
pub struct WaitArgs {
    /// The runs: 1842, JOB (its latest), JOB~1, JOB@fail
    #[arg(value_name = "RUN", required = true)]
    runs: Vec<String>,
    /// Wait no longer than this
    #[arg(long, value_name = "D", value_parser = moment::duration)]
    timeout: Option<i64>,
    /// Until the first of them is over
    #[arg(long)]
    any: bool,
}

/// Waits.
///
/// # Errors
/// No such run, no daemon that could bring them to an end, and those of the store.
pub fn wait(ctx: &Context, args: WaitArgs) -> Result<u8, CliError> {
    let mut waiting = Waiting::begin(ctx)?;
    let mut runs: Vec<RunRow> = Vec::new();
    for text in &args.runs {
        let run = select(waiting.store(), text)?.run;
        if is_over(&run) {
            tell(ctx, None, &run)?;
        }
        runs.push(run);
    }
    if !enough(&runs, args.any) && args.timeout.is_none() {
        // Without a limit and without anybody who could bring them to an end it would be for ever.
        alive::required(ctx)?;
    }
    let mut told = false;
    while !enough(&runs, args.any) {
        if args.timeout.is_some_and(|t| waiting.waited_ms() >= t) {
            answer(ctx, &runs)?;
            ctx.say("the time is up");
            return Ok(TIMED_OUT);
        }
        if !told && waiting.is_abandoned() {
            // It may only be being restarted, and the runs outlive it.
            ctx.say("no daemon answers; waiting for one");
            told = true;
        }
        if !waiting.look_again()? {
            continue;
        }
        for run in &mut runs {
            let now = waiting.run(run.run)?;
            if now.state != run.state {
                tell(ctx, Some(run), &now)?;
            }
            *run = now;
        }
    }
    answer(ctx, &runs)?;
    let mut codes = runs.iter().filter(|r| is_over(r)).map(exit_code);
    Ok(codes.find(|code| *code != 0).unwrap_or(0))
}

fn enough(runs: &[RunRow], any: bool) -> bool {
    if any {
        runs.iter().any(is_over)
    } else {
        runs.iter().all(is_over)
    }
}

/// Writes a transition; programs get only the end.
fn tell(ctx: &Context, before: Option<&RunRow>, run: &RunRow) -> Result<(), CliError> {
    if ctx.form != Form::Text {
        return Ok(());
    }
    let from = before.map_or(String::new(), |r| format!("{} -> ", r.state.as_str()));
    let time = clock(ctx.now(), &ctx.zone);
    let job = clean_all(&run.job);
    ctx.answer(Vec::new, |out| {
        writeln!(out, "{time} #{} {job} {from}{}", run.run, words(run))
    })
}

fn answer(ctx: &Context, runs: &[RunRow]) -> Result<(), CliError> {
    let items = Items::new(&ctx.zone);
    ctx.answer(|| runs.iter().map(|r| items.run(r)).collect(), |_| Ok(()))
}
