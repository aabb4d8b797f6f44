//! `crake enqueue`: a command once, without a job.

use std::ffi::OsString;
use std::os::unix::ffi::OsStringExt;
use std::path::Path;

use crate::cli::context::Context;
use crate::cli::env::variables;
use crate::cli::error::{CliError, Kind};
use crate::cli::flags::bytes;
use crate::cli::limit_flags::LimitFlags;
use crate::cli::moment;
use crate::cli::run::detached;
use crate::cli::run_as;
use crate::model::{Command, Job, Origin, Policy, Raw, RunId, Spec, check_name};
use crate::schedule::UnixMs;
use crate::store::{Request, StoreError};

/// Longest part of a name taken from a program.
const BASE: usize = 40;

/// Digits of the suffix that makes a name unique.
const SUFFIX: usize = 6;

/// How often another suffix is tried.
const TRIES: i64 = 16;

/// Run a command once, through a queue
#[derive(clap::Args, Debug)]
#[command(
    after_help = "Examples:\n  crake enqueue -- tar czf /backup/home.tgz /home\n  crake enqueue --in 2h --queue low --name reindex -- psql -c 'reindex table orders'\n\nPrints the run's number. Without a daemon the run waits until there is one."
)]
pub struct EnqueueArgs {
    /// The queue it waits in
    #[arg(long, value_name = "Q")]
    queue: Option<String>,
    /// 0 goes first, 9 last
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u8).range(0..=9))]
    priority: Option<u8>,
    /// Not before so long from now
    #[arg(long = "in", value_name = "D", value_parser = moment::duration, conflicts_with = "at")]
    after: Option<i64>,
    /// Not before then: 2h, "tomorrow 14:00", 2027-01-31T08:00, RFC 3339
    #[arg(long, value_name = "T")]
    at: Option<String>,
    /// What it is called; else the program's name and a few letters
    #[arg(long, value_name = "NAME")]
    name: Option<String>,
    /// End it after so long
    #[arg(long, value_name = "D", value_parser = moment::duration)]
    timeout: Option<i64>,
    /// A variable for it
    #[arg(long, value_name = "K=V")]
    env: Vec<OsString>,
    /// Where it runs; here if not given
    #[arg(long, value_name = "DIR")]
    cwd: Option<String>,
    /// Bytes of output kept, such as 64K or 1M
    #[arg(long, value_name = "BYTES", value_parser = bytes)]
    output_max: Option<u64>,
    #[command(flatten)]
    limits: LimitFlags,
    /// The program and its arguments
    #[arg(value_name = "CMD", required = true, last = true)]
    command: Vec<OsString>,
}

/// Puts a command into a queue.
///
/// # Errors
/// A name that is taken or cannot be one, no such queue, and those of the store.
pub fn enqueue(ctx: &Context, args: EnqueueArgs) -> Result<u8, CliError> {
    let now = ctx.now();
    let run_at = match (&args.at, args.after) {
        (Some(text), _) => moment::future(ctx, text)?,
        (None, Some(after)) => now + after,
        (None, None) => now,
    };
    let run = insert(ctx, &args, run_at, now)?;
    ctx.nudge();
    detached(ctx, run)
}

fn insert(
    ctx: &Context,
    args: &EnqueueArgs,
    run_at: UnixMs,
    now: UnixMs,
) -> Result<RunId, CliError> {
    let (mut spec, policy) = (spec(args)?, policy(args));
    spec.limits = run_as::checked(ctx, &spec.limits)?;
    let mut store = ctx.write()?;
    for number in now..now + TRIES {
        let name = name(args, number)?;
        let job = Job {
            name: name.clone(),
            spec: spec.clone(),
            policy: policy.clone(),
            pauses: Vec::new(),
            version: 1,
            listed: false,
        };
        let request = Request {
            job: name,
            origin: Origin::Enqueue,
            origin_ref: None,
            by: ctx.user.name.clone(),
            run_at,
            queue: None,
            priority: None,
            env: Vec::new(),
        };
        match store.enqueue(&job, &request, now) {
            Err(StoreError::NameTaken(_)) if args.name.is_none() => {}
            Err(StoreError::NameTaken(name)) => {
                let what = format!("there is a job named \"{name}\" already");
                return Err(CliError::new(Kind::Refused, what).hint("choose another --name"));
            }
            other => return Ok(other?),
        }
    }
    Err(CliError::new(Kind::Failed, "found no free name").hint("choose one with --name"))
}

fn spec(args: &EnqueueArgs) -> Result<Spec, CliError> {
    let raw = |word: &OsString| Raw(word.clone().into_vec());
    let cwd = match &args.cwd {
        Some(dir) => std::path::absolute(dir)?,
        None => std::env::current_dir()?,
    };
    let plain = Spec::of(Command::Argv(args.command.iter().map(raw).collect()));
    let mut spec = Spec {
        env: variables(&args.env)?,
        cwd: Some(cwd.to_string_lossy().into_owned()),
        origin: Some("enqueue".to_owned()),
        output_max: args.output_max.unwrap_or(plain.output_max),
        ..plain
    };
    args.limits.apply(&mut spec);
    Ok(spec)
}

fn policy(args: &EnqueueArgs) -> Policy {
    let usual = Policy::default();
    Policy {
        queue: args.queue.clone().unwrap_or(usual.queue.clone()),
        priority: args.priority.unwrap_or(usual.priority),
        timeout_ms: args.timeout.or(usual.timeout_ms),
        ..usual
    }
}

/// The name given, or the program's name and a suffix that grows with time.
fn name(args: &EnqueueArgs, number: i64) -> Result<String, CliError> {
    if let Some(name) = &args.name {
        check_name(name).map_err(|e| CliError::new(Kind::Usage, e.to_string()))?;
        return Ok(name.clone());
    }
    let program = args.command.first().map(Path::new);
    let base = program.and_then(|p| p.file_name()).unwrap_or_default();
    let allowed = |c: &char| c.is_ascii_alphanumeric() || "._+".contains(*c);
    let base: String = base
        .to_string_lossy()
        .chars()
        .filter(allowed)
        .take(BASE)
        .collect();
    let base = if base.is_empty() { "command" } else { &base };
    Ok(format!("{base}-{}", suffix(number)))
}

/// The last digits of a number in base 36.
fn suffix(number: i64) -> String {
    let digit = |place: u32| {
        let value = number.unsigned_abs() / 36_u64.pow(place) % 36;
        char::from_digit(u32::try_from(value).unwrap_or(0), 36).unwrap_or('0')
    };
    (0..SUFFIX as u32).rev().map(digit).collect()
}
