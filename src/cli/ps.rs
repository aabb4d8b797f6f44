//! `crake ps`: runs that are alive or wait.

use crate::cli::alive;
use crate::cli::context::Context;
use crate::cli::error::CliError;
use crate::cli::listing::width;
use crate::cli::through_daemon;
use crate::control::Petition;
use crate::model::{Outcome, RunId, RunState, WorkerState};
use crate::schedule::UnixMs;
use crate::store::{RunFilter, RunRow, Store};
use crate::view::items::{Items, took_ms, worker};
use crate::view::table::Table;
use crate::view::time::{relative, span};
use crate::view::words;
use crate::view::workers::{WorkerRow, workers};

/// How far back `--all` looks, milliseconds.
const LATELY_MS: i64 = 3_600_000;

/// How far back the daemon looks for runs that ended lately, by when they were made, milliseconds.
const LONGEST_MS: i64 = 7 * 86_400_000;

/// Most runs listed.
const MOST: usize = 1_000;

/// List the runs that are alive and those that wait
#[derive(clap::Args, Debug)]
#[command(after_help = "Examples:\n  crake ps\n  crake ps --all --json | jq '.items[].run'")]
pub struct PsArgs {
    /// Also those that ended within the last hour
    #[arg(short, long)]
    all: bool,
}

/// Lists the runs.
///
/// # Errors
/// Those of reading the store and of writing.
pub fn ps(ctx: &Context, args: PsArgs) -> Result<u8, CliError> {
    let now = ctx.now();
    let store = ctx.look(&petitions(args.all, now))?;
    let runs = runs(&store, args.all, now)?;
    let seen = Seen {
        // Another user's slots cannot be read, and nothing follows from that.
        workers: match store.is_through() {
            true => Vec::new(),
            false => workers(&store, &alive::daemon(ctx, &store)?, &ctx.zone, now)?,
        },
        draining: store.drain()?.is_some(),
    };
    let items = Items::new(&ctx.zone);
    let mut table = Table::new(&[
        "RUN", "JOB", "STATE", "FOR", "USUALLY", "WORKER", "QUEUE", "DETAIL",
    ]);
    for run in &runs {
        table.row([
            format!("#{}", run.run),
            run.job.clone(),
            seen.state_word(run),
            how_long(run, now),
            store
                .usual(&run.job, None)?
                .map_or(String::new(), |u| span(u.median_ms)),
            worker(run).unwrap_or_default(),
            run.queue.clone(),
            seen.detail(&store, &runs, run, now)?,
        ]);
    }
    ctx.answer(
        || runs.iter().map(|run| items.run(run)).collect(),
        |out| match table.is_empty() {
            true => Ok(()),
            false => table.write(out, width(ctx)),
        },
    )?;
    if runs.is_empty() {
        ctx.say("nothing runs and nothing waits; `crake history` shows what ended");
    }
    Ok(0)
}

/// What the daemon is asked for where the store cannot be opened.
fn petitions(all: bool, now: UnixMs) -> Vec<Petition> {
    let of = |states: Vec<RunState>, since: Option<UnixMs>| {
        let filter = RunFilter {
            states,
            since,
            limit: Some(MOST),
            ..RunFilter::default()
        };
        through_daemon::runs(&filter, true)
    };
    let mut wanted = vec![of(vec![RunState::Running], None)];
    wanted.push(of(vec![RunState::Queued], None));
    if all {
        let ended = Outcome::ALL.iter().map(|o| RunState::Ended(*o)).collect();
        wanted.push(of(ended, Some(now - LONGEST_MS)));
    }
    wanted
}

/// What runs, the longest first; then what waits, in the order of its turn; then what ended.
fn runs(store: &Store, all: bool, now: UnixMs) -> Result<Vec<RunRow>, CliError> {
    let of = |states: Vec<RunState>| RunFilter {
        states,
        limit: Some(MOST),
        ..RunFilter::default()
    };
    let mut runs = store.runs(&of(vec![RunState::Running]))?;
    runs.sort_by_key(|r| (r.started_at.unwrap_or(i64::MAX), r.run));
    let mut waiting = store.runs(&of(vec![RunState::Queued]))?;
    waiting.sort_by_key(|r| (r.run_at, r.priority, r.run));
    runs.extend(waiting);
    if all {
        let states = Outcome::ALL.iter().map(|o| RunState::Ended(*o)).collect();
        let ended = store.runs(&of(states))?.into_iter();
        runs.extend(ended.filter(|r| r.ended_at.is_some_and(|at| at >= now - LATELY_MS)));
    }
    Ok(runs)
}

/// What is known of the runs beside the store.
struct Seen {
    workers: Vec<WorkerRow>,
    draining: bool,
}

impl Seen {
    fn worker(&self, run: &RunRow) -> Option<&WorkerRow> {
        let alive = run.state == RunState::Running;
        let mut rows = self.workers.iter().filter(|_| alive);
        rows.find(|row| row.run == Some(run.run))
    }

    // The state of the worker, where it says more than that the run is alive.
    fn state_word(&self, run: &RunRow) -> String {
        match self.worker(run).map(|row| row.judged.state) {
            Some(state) if state < WorkerState::Waiting => state.as_str().to_uppercase(),
            Some(WorkerState::Waiting) => "waiting".to_owned(),
            _ => words::state(run.state).to_owned(),
        }
    }

    fn detail(
        &self,
        store: &Store,
        runs: &[RunRow],
        run: &RunRow,
        now: UnixMs,
    ) -> Result<String, CliError> {
        Ok(match run.state {
            RunState::Running if run.cancel_at.is_some() => "to be ended".to_owned(),
            RunState::Running => match (run.pid, self.worker(run)) {
                (None, _) => "starting".to_owned(),
                (Some(pid), Some(row)) if row.worker.is_none() => {
                    format!("pid {pid}, {}", row.judged.why)
                }
                (Some(_), Some(row)) => row.judged.why.clone(),
                (Some(pid), None) => format!("pid {pid}"),
            },
            RunState::Queued if run.cancel_at.is_some() => "to be taken back".to_owned(),
            RunState::Queued => match run.run_at.filter(|at| *at > now) {
                Some(at) if run.attempt > 0 => format!(
                    "attempt {}/{} {}",
                    run.attempt + 1,
                    run.max_attempts,
                    relative(at, now)
                ),
                Some(at) => format!("starts {}", relative(at, now)),
                None => match in_the_way(store, runs, run)? {
                    Some(other) => format!("waits for #{other}"),
                    None if self.draining => "waits: no run may start (drain)".to_owned(),
                    None => "waits for a slot".to_owned(),
                },
            },
            RunState::Ended(_) => words::detail(run),
        })
    }
}

fn how_long(run: &RunRow, now: UnixMs) -> String {
    let since = match run.state {
        RunState::Queued => run.queued_at.map(|at| now - at),
        RunState::Running => run.started_at.map(|at| now - at),
        RunState::Ended(_) => took_ms(run),
    };
    since.map_or(String::new(), span)
}

/// The run of the same job that has to end before this one may start.
fn in_the_way(store: &Store, runs: &[RunRow], run: &RunRow) -> Result<Option<RunId>, CliError> {
    let Some(row) = store.job(&run.job)? else {
        return Ok(None);
    };
    let mut alive = runs
        .iter()
        .filter(|r| r.state == RunState::Running && r.job == run.job);
    let first = alive.next().map(|r| r.run);
    let most = usize::try_from(row.job.policy.parallel()).unwrap_or(usize::MAX);
    Ok(first.filter(|_| 1 + alive.count() >= most))
}
