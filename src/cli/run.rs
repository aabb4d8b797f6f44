//! `crake run`: a job now.

use std::ffi::OsString;

use crate::cli::alive;
use crate::cli::context::{Context, Form};
use crate::cli::ending::{OURS, exit_code, title, words};
use crate::cli::env::variables;
use crate::cli::error::CliError;
use crate::cli::lines::pass_on;
use crate::cli::output::Reader;
use crate::cli::through_daemon::{self, Sight};
use crate::cli::waiting::{Waiting, is_over};
use crate::control::Petition;
use crate::model::{Origin, RunId, RunState};
use crate::store::{Request, RunRow, Store};
use crate::view::items::Items;
use crate::view::time::span;

/// What a program exits with that Ctrl-C ended.
const INTERRUPTED: u8 = 130;

/// Run a job now, follow its output, and exit with its exit code
#[derive(clap::Args, Debug)]
#[command(
    after_help = "Examples:\n  crake run backup-db; echo $?\n  crake run backup-db -d\n  crake run report --env DAY=2026-01-31\n\nExit code: the job's own; 124 timed out, 125 crake itself, 126 and 127 cannot be executed and not\nfound, 128+n ended by signal n, 137 killed. Ctrl-C leaves the run alive."
)]
pub struct RunArgs {
    /// The job
    #[arg(value_name = "JOB")]
    job: String,
    /// Only print the run's number, and do not wait
    #[arg(short, long)]
    detach: bool,
    /// A variable for this run only
    #[arg(long, value_name = "K=V")]
    env: Vec<OsString>,
}

/// Runs a job.
///
/// # Errors
/// No such job, no daemon (unless it need not be waited for), and those of the store.
pub fn run(ctx: &Context, args: RunArgs) -> Result<u8, CliError> {
    let env = variables(&args.env)?;
    let mut waiting = Waiting::begin_for(ctx, vec![through_daemon::job(&args.job)])?;
    if waiting.store().job(&args.job)?.is_none() {
        return Err(CliError::no_job(&args.job, &waiting.store().job_names()?));
    }
    if !args.detach {
        // Before anything is asked for: a run nobody starts would be started later, unasked.
        alive::required(ctx)?;
    }
    if !args.detach {
        // From the moment it is asked for, Ctrl-C leaves it alive and says so.
        waiting.catch_interrupt()?;
    }
    if waiting.store().is_through() {
        let run = through_daemon::request(ctx, &args.job, env)?;
        if args.detach {
            return detached(ctx, run);
        }
        waiting.only_for(run);
        waiting.look_again()?;
        return follow(ctx, waiting, run);
    }
    let now = ctx.now();
    let request = Request {
        job: args.job,
        origin: Origin::Manual,
        origin_ref: None,
        by: ctx.user.name.clone(),
        run_at: now,
        queue: None,
        priority: None,
        env,
    };
    let run = ctx.write()?.request(&request, now)?;
    ctx.nudge();
    if args.detach {
        return detached(ctx, run);
    }
    follow(ctx, waiting, run)
}

/// Says which run was asked for, and that it waits where nobody keeps time.
///
/// # Errors
/// Those of reading the store and of writing.
pub fn detached(ctx: &Context, run: RunId) -> Result<u8, CliError> {
    let row = ctx.look(&[Petition::Look { run }])?.run(run)?;
    let items = Items::new(&ctx.zone);
    ctx.answer_one(
        || row.as_ref().map(|r| items.run(r)).unwrap_or_default(),
        |out| writeln!(out, "{run}"),
    )?;
    if !alive::is_up(ctx) {
        ctx.say(&format!("no daemon is running; #{run} waits until one is"));
    }
    Ok(0)
}

/// Waits for the end of a run and passes its output on as it comes.
fn follow(ctx: &Context, mut waiting: Waiting<'_>, number: RunId) -> Result<u8, CliError> {
    let mut run = waiting.run(number)?;
    let mut passing = Passing::new(ctx, number);
    let mut started = false;
    while !is_over(&run) || !passing.is_done(&run) {
        if let Some(code) = given_up(ctx, &waiting, &run) {
            return Ok(code);
        }
        if waiting.look_again()? {
            run = waiting.run(number)?;
        }
        if !started && run.state == RunState::Running && run.pid.is_some() {
            started = true;
            ctx.say(&began(waiting.store(), &run)?);
        }
        passing.pass(waiting.store(), &run)?;
    }
    ctx.say(&format!("{} {}", title(&run), words(&run)));
    if ctx.form != Form::Text {
        let items = Items::new(&ctx.zone);
        ctx.answer_one(|| items.run(&run), |_| Ok(()))?;
    }
    Ok(exit_code(&run))
}

/// The exit code where there is no point in waiting any longer, or no wish to.
fn given_up(ctx: &Context, waiting: &Waiting<'_>, run: &RunRow) -> Option<u8> {
    let number = run.run;
    if waiting.is_interrupted() {
        ctx.say(&format!(
            "{} goes on\n  follow it: crake logs -f {number}\n  end it: crake kill {number}",
            title(run)
        ));
        return Some(INTERRUPTED);
    }
    if !is_over(run) && waiting.is_abandoned() {
        ctx.say(&format!(
            "the daemon is gone; {} is {}\n  follow it: crake wait {number} --timeout 1h",
            title(run),
            run.state.as_str()
        ));
        return Some(OURS);
    }
    None
}

/// Passes the output of all attempts on, one after the other.
struct Passing<'a> {
    ctx: &'a Context,
    reader: Reader<'a>,
    done: bool,
}

impl<'a> Passing<'a> {
    fn new(ctx: &'a Context, run: RunId) -> Passing<'a> {
        Passing {
            ctx,
            reader: Reader::new(ctx, run, 1),
            done: false,
        }
    }

    fn is_done(&self, run: &RunRow) -> bool {
        run.attempt < self.reader.attempt() || (self.done && run.attempt == self.reader.attempt())
    }

    fn pass(&mut self, store: &Sight, run: &RunRow) -> Result<(), CliError> {
        if self.done && run.attempt > self.reader.attempt() {
            self.reader = Reader::new(self.ctx, run.run, self.reader.attempt() + 1);
            self.done = false;
        }
        if self.done {
            return Ok(());
        }
        let piece = self.reader.read(store)?;
        self.done = piece.done;
        if self.ctx.form != Form::Text {
            // Standard output is the answer's.
            return Ok(());
        }
        if piece.dropped > 0 {
            self.ctx
                .say(&format!("= {} bytes of the output not kept", piece.dropped));
        }
        for chunk in &piece.chunks {
            pass_on(chunk)?;
        }
        Ok(())
    }
}

fn began(store: &Store, run: &RunRow) -> Result<String, CliError> {
    let mut text = title(run);
    if let Some(pid) = run.pid {
        text.push_str(&format!("  pid {pid}"));
    }
    if let Some(usual) = store.usual(&run.job, None)?.map(|u| u.median_ms) {
        text.push_str(&format!("  (usually {})", span(usual)));
    }
    Ok(text)
}
