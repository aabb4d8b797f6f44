//! What is known of the daemon, asked at this moment.

use std::time::Duration;

use crate::cli::context::Context;
use crate::cli::error::CliError;
use crate::config::Paths;
use crate::control::{ControlError, PATIENCE, Reply, Request, SILENT, ask, ask_within};
use crate::daemon::restarts::Trouble;
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
                silent: None,
                guardian: alive.watched.guardian,
                deaths: alive.watched.deaths,
                ending: alive.watched.ending,
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
