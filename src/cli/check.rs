//! `crake check`: for monitoring systems.

use std::sync::mpsc::{Receiver, RecvTimeoutError, channel};
use std::time::Duration;

use serde_json::{Value, json};

use crate::cli::alive;
use crate::cli::context::{Context, Form};
use crate::cli::error::CliError;
use crate::clock::{Clock, SystemClock};
use crate::config::Paths;
use crate::schedule::Zone;
use crate::store::Store;
use crate::view::Daemon;
use crate::view::check::{Check, Seen, State, check as judge};
use crate::view::items::Items;
use crate::view::status::status as look;

/// How long the daemon may take to answer.
const DAEMON: Duration = Duration::from_millis(1_000);

/// How long everything may take. Monitoring systems give up on what hangs, and tell nobody why.
const ALL_MS: i64 = 1_700;

/// How long another program that holds the store is waited for.
const STORE: Duration = Duration::from_millis(500);

/// Say in one line whether all is well, as monitoring systems want it
///
/// The line is a state, a sentence and, after a bar, numbers; each thing that needs attention has a
/// line beneath. Answers within two seconds whatever hangs. A daemon that is down or does not answer
/// while there are jobs is critical, and so is one that works without its store.
#[derive(clap::Args, Debug)]
#[command(
    after_help = "Examples:\n  crake check\n  crake check backup-db\n  crake check --json | jq .item.state\n\nExit code, as monitoring plugins have it: 0 ok, 1 warning, 2 critical, 3 unknown: neither the store\nnor the daemon can be looked at, or there is no such job."
)]
pub struct CheckArgs {
    /// Only what concerns this job, or the whole instance
    #[arg(value_name = "JOB")]
    job: Option<String>,
}

/// Says whether all is well.
///
/// # Errors
/// Those of writing.
pub fn check(ctx: &Context, args: CheckArgs) -> Result<u8, CliError> {
    let began = ctx.clock.now().mono;
    let left = || {
        let ms = ALL_MS - (ctx.clock.now().mono - began);
        Duration::from_millis(ms.max(0).unsigned_abs())
    };
    let (paths, zone, job) = (ctx.paths.clone(), ctx.zone.clone(), args.job.clone());
    let (to_look, heard) = channel();
    let (answer, seen) = channel();
    // Each of the two may hang for as long as a disk or another program likes. They are not waited
    // for then, and end with the process.
    std::thread::spawn(move || {
        let _ = answer.send(look_at(&paths, &zone, job.as_deref(), &heard));
    });
    let (paths, (tell, daemon)) = (ctx.paths.clone(), channel());
    std::thread::spawn(move || {
        let _ = tell.send(alive::heard(&paths, DAEMON));
    });
    let daemon = daemon.recv_timeout(left().min(DAEMON)).unwrap_or(Daemon {
        silent: Some("it does not answer".to_owned()),
        ..Daemon::default()
    });
    // Whoever looks at the store may be gone already, because it cannot.
    let _ = to_look.send(daemon.clone());
    let seen = match seen.recv_timeout(left()) {
        Ok(found) => found,
        Err(RecvTimeoutError::Timeout) => Err("it does not answer".to_owned()),
        Err(RecvTimeoutError::Disconnected) => Err("looking at it failed".to_owned()),
    };
    let (found, daemon) = match seen {
        Ok(Found::Seen(found)) => (Ok(found.0), found.1),
        Ok(Found::NoJob(name)) => return no_job(ctx, &name),
        Err(why) => (Err(why), daemon),
    };
    tell_of(ctx, &judge(args.job, daemon, found))
}

/// What was found in the store.
enum Found {
    Seen(Box<(Seen, Daemon)>),
    NoJob(String),
}

fn look_at(
    paths: &Paths,
    zone: &Zone,
    job: Option<&str>,
    heard: &Receiver<Daemon>,
) -> Result<Found, String> {
    let in_words = |e: crate::store::StoreError| e.to_string();
    // A directory that may not be entered has no files in it for `exists`.
    match std::fs::metadata(&paths.store) {
        Err(e) if e.kind() != std::io::ErrorKind::NotFound => return Err(e.to_string()),
        _ => {}
    }
    let store = Store::open_to_read_within(&paths.store, STORE).map_err(in_words)?;
    if let Some(job) = job
        && store.job(job).map_err(in_words)?.is_none()
    {
        return Ok(Found::NoJob(job.to_owned()));
    }
    let mut daemon = heard.recv().map_err(|e| e.to_string())?;
    if !daemon.up {
        let last = store.last_session().map_err(in_words)?;
        daemon.since = last.map(|s| s.stopped_at.unwrap_or(s.alive_at));
    }
    daemon.workers = alive::workers(paths);
    let now = SystemClock.now().wall;
    let status = look(&store, daemon.clone(), zone, now).map_err(in_words)?;
    let seen = Seen {
        counts: status.counts,
        today: status.today,
        attention: status.attention,
    };
    Ok(Found::Seen(Box::new((seen, daemon))))
}

fn no_job(ctx: &Context, name: &str) -> Result<u8, CliError> {
    let error = CliError::no_job(name, &[]);
    if ctx.form != Form::Text {
        return Err(error);
    }
    let state = State::Unknown;
    let check = Check {
        job: Some(name.to_owned()),
        state,
        text: error.message,
        daemon: Daemon::default(),
        seen: None,
    };
    tell_of(ctx, &check)
}

fn tell_of(ctx: &Context, check: &Check) -> Result<u8, CliError> {
    ctx.answer_one(|| item(ctx, check), |out| check.write(out))?;
    Ok(check.state.code())
}

fn item(ctx: &Context, check: &Check) -> Value {
    let items = Items::new(&ctx.zone);
    let attention = check.seen.as_ref().map(|seen| {
        let list = seen.attention.iter();
        list.map(|a| items.attention(a)).collect::<Vec<Value>>()
    });
    let counts = check.seen.as_ref().map(|seen| seen.counts);
    json!({
        "state": check.state.as_str(),
        "code": check.state.code(),
        "text": check.text,
        "job": check.job,
        "daemon": items.daemon(&check.daemon),
        "jobs": counts.map(|c| c.jobs),
        "running": counts.map(|c| c.running),
        "queued": counts.map(|c| c.queued),
        "attention": attention,
    })
}
