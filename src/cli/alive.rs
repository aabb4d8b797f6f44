//! What is known of the daemon, asked at this moment.

use std::time::Duration;

use crate::cli::context::Context;
use crate::cli::error::CliError;
use crate::clock::{Clock, SystemClock};
use crate::config::Paths;
use crate::control::{ControlError, PATIENCE, Reply, Request, SILENT, ask, ask_within};
use crate::daemon::refuge::Refuge;
use crate::daemon::restarts::Trouble;
use crate::model::SlotLook;
use crate::process::identity::boot_id;
use crate::process::slot_looks;
use crate::store::Store;
use crate::view::Daemon;

/// Asks the daemon; one that does not answer is a fact, not an error.
///
/// # Errors
/// Those of reading the store.
pub fn daemon(ctx: &Context, store: &Store) -> Result<Daemon, CliError> {
    let mut daemon = heard(&ctx.paths, PATIENCE);
    if !daemon.up {
        let last = store.last_session()?;
        daemon.since = last.map(|s| s.stopped_at.unwrap_or(s.alive_at));
    }
    daemon.workers = workers(&ctx.paths);
    Ok(daemon)
}

/// What the daemon itself says within this time, and what its guardian left where it says nothing.
pub fn heard(paths: &Paths, patience: Duration) -> Daemon {
    let silent = match ask_within(&paths.socket, &Request::Ping, patience) {
        Ok(Reply::Alive(alive)) => {
            return Daemon {
                up: true,
                pid: Some(alive.pid),
                beat_age_ms: Some(alive.beat_age_ms),
                since: Some(alive.since),
                degraded: alive.degraded,
                trouble: alive.trouble,
                silent: None,
                guardian: alive.watched.guardian,
                deaths: alive.watched.deaths,
                ending: alive.watched.ending,
                workers: Vec::new(),
            };
        }
        Ok(_) => Some("it answers something else".to_owned()),
        Err(ControlError::NotThere(_)) => None,
        Err(e) => Some(e.to_string()),
    };
    // A guardian that is alive and keeps trying is why nobody answers.
    match Trouble::found(&paths.trouble()) {
        Some(trouble) => Daemon {
            silent: Some(format!(
                "it is started again and again; its last ending: {}",
                trouble.ending
            )),
            guardian: Some(trouble.guardian),
            deaths: trouble.deaths,
            ending: Some(trouble.ending),
            ..Daemon::default()
        },
        None => Daemon {
            silent,
            ..Daemon::default()
        },
    }
}

/// The slots as they are now, on the disk and in memory; no daemon is needed. It waits for a disk
/// that does not answer.
pub fn workers(paths: &Paths) -> Vec<SlotLook> {
    let Ok(boot) = boot_id() else {
        return Vec::new();
    };
    let refuges = Refuge::of(&paths.spool).existing().into_iter();
    let mut dirs = vec![paths.slots()];
    dirs.extend(refuges.map(|(_, dir)| dir.join("slots")));
    let now = SystemClock.now();
    let looks = dirs.iter().flat_map(|dir| slot_looks(dir, &boot, now));
    looks.collect()
}

/// What the daemon says is wrong with the store.
pub fn trouble(ctx: &Context) -> Option<String> {
    heard(&ctx.paths, PATIENCE).degraded
}

/// The daemon, where it says that the disk of the store does not answer.
pub fn cut_off(ctx: &Context) -> Option<Daemon> {
    let daemon = heard(&ctx.paths, PATIENCE);
    let waits = |why: &String| why.contains(SILENT);
    let cut_off = daemon.up && daemon.degraded.as_ref().is_some_and(waits);
    cut_off.then_some(daemon)
}

/// Whether a daemon answers.
pub fn is_up(ctx: &Context) -> bool {
    matches!(ask(&ctx.paths.socket, &Request::Ping), Ok(Reply::Alive(_)))
}

/// Makes sure that a daemon answers.
///
/// # Errors
/// That none does.
pub fn required(ctx: &Context) -> Result<(), CliError> {
    match ask(&ctx.paths.socket, &Request::Ping) {
        Ok(_) => Ok(()),
        Err(e) => Err(e.into()),
    }
}
