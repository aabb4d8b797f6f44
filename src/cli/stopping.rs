//! Having runs ended or taken back, and saying what came of it.

use crate::cli::alive;
use crate::cli::context::Context;
use crate::cli::ending::{title, words};
use crate::cli::error::{CliError, Kind};
use crate::cli::selector::{Prefer, select_preferred};
use crate::cli::through_daemon::{self, selected};
use crate::cli::waiting::{Waiting, is_over};
use crate::control::Petition;
use crate::model::{RunId, RunState};
use crate::store::{RunRow, Store};
use crate::view::items::Items;
use crate::view::time::span;

/// How much longer than a job's grace it may take until the end of its run is recorded.
const MARGIN_MS: i64 = 10_000;

/// Asks to have runs ended, waits for it, and says what came of it: exit code 0 where all are
/// gone. With [`Prefer::Waiting`] only runs that have not started are taken.
///
/// # Errors
/// No such run, one that is over already, no daemon that could end it, and those of the store.
pub fn stop(ctx: &Context, names: &[String], prefer: Prefer) -> Result<u8, CliError> {
    let mut petitions = Vec::new();
    for name in names {
        petitions.extend(selected(name, prefer)?);
    }
    let sight = ctx.look(&petitions)?;
    let runs = chosen(&sight, names, prefer)?;
    let numbers: Vec<RunId> = runs.iter().map(|r| r.run).collect();
    match sight.is_through() {
        true => through_daemon::stop(ctx, &numbers, prefer)?,
        false => {
            ctx.write()?.cancel(&numbers, &ctx.user.name, ctx.now())?;
            ctx.nudge();
        }
    }
    if !alive::is_up(ctx) {
        return noted(ctx, &runs);
    }
    let looks = numbers.iter().map(|run| Petition::Look { run: *run });
    let mut waiting = Waiting::begin_for(ctx, looks.collect())?;
    let limit = patience(waiting.store(), &runs)?;
    let mut open = numbers.clone();
    while !open.is_empty() && waiting.waited_ms() < limit {
        if waiting.look_again()? {
            open = gone(ctx, &waiting, &open)?;
        }
    }
    for run in &open {
        let run = waiting.run(*run)?;
        let pid = run.pid.map_or(String::new(), |pid| format!(" (pid {pid})"));
        let waited = span(waiting.waited_ms());
        ctx.say(&format!("{} still there after {waited}{pid}", title(&run)));
    }
    answer(ctx, waiting.store(), &numbers)?;
    Ok(u8::from(!open.is_empty()))
}

/// The runs that were meant; nothing is done unless all of them can be stopped.
fn chosen(store: &Store, names: &[String], prefer: Prefer) -> Result<Vec<RunRow>, CliError> {
    let mut runs: Vec<RunRow> = Vec::new();
    for name in names {
        let run = select_preferred(store, name, prefer)?.run;
        if is_over(&run) {
            let what = format!("{} is over: {}", title(&run), words(&run));
            return Err(CliError::new(Kind::Refused, what));
        }
        if prefer == Prefer::Waiting && run.state == RunState::Running {
            let what = format!("{} has started", title(&run));
            return Err(CliError::new(Kind::Refused, what).hint(format!("crake kill {}", run.run)));
        }
        if runs.iter().all(|r| r.run != run.run) {
            runs.push(run);
        }
    }
    Ok(runs)
}

/// Without a daemon: what waits will not start, but what is alive goes on.
fn noted(ctx: &Context, runs: &[RunRow]) -> Result<u8, CliError> {
    let numbers: Vec<RunId> = runs.iter().map(|r| r.run).collect();
    if let Some(run) = runs.iter().find(|r| r.state == RunState::Running) {
        let what = format!(
            "no daemon is running; {} goes on until one is, and is ended then",
            title(run)
        );
        return Err(CliError::new(Kind::NoDaemon, what).hint("start it with `crake daemon`"));
    }
    for run in runs {
        let what = "will not start; it is taken back as soon as a daemon runs";
        ctx.say(&format!("{} {what}", title(run)));
    }
    answer(ctx, &ctx.read()?, &numbers)?;
    Ok(0)
}

/// The longest grace of the jobs concerned, and what recording takes.
fn patience(store: &Store, runs: &[RunRow]) -> Result<i64, CliError> {
    let mut grace = 0;
    for run in runs.iter().filter(|r| r.state == RunState::Running) {
        let job = store.job(&run.job)?;
        grace = grace.max(job.map_or(MARGIN_MS, |row| row.job.policy.kill_grace_ms));
    }
    Ok(grace + MARGIN_MS)
}

/// Tells of those that are gone and gives those that are not.
fn gone(ctx: &Context, waiting: &Waiting<'_>, open: &[RunId]) -> Result<Vec<RunId>, CliError> {
    let mut left = Vec::new();
    for number in open {
        let run = waiting.run(*number)?;
        if !is_over(&run) {
            left.push(*number);
            continue;
        }
        let text = match run.started_at {
            Some(_) => format!(
                "{} {}, gone after {}",
                title(&run),
                words(&run),
                span(waiting.waited_ms())
            ),
            None => format!("{} {}", title(&run), words(&run)),
        };
        ctx.say(&text);
    }
    Ok(left)
}

fn answer(ctx: &Context, store: &Store, numbers: &[RunId]) -> Result<(), CliError> {
    let items = Items::new(&ctx.zone);
    let mut runs = Vec::new();
    for number in numbers {
        runs.extend(store.run(*number)?);
    }
    ctx.answer(|| runs.iter().map(|r| items.run(r)).collect(), |_| Ok(()))
}
