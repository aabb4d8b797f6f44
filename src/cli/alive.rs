//! What is known of the daemon, asked at this moment.

use crate::cli::context::Context;
use crate::cli::error::CliError;
use crate::control::{ControlError, Reply, Request, ask};
use crate::store::Store;
use crate::view::Daemon;

/// Asks the daemon; one that does not answer is a fact, not an error.
///
/// # Errors
/// Those of reading the store.
pub fn daemon(ctx: &Context, store: &Store) -> Result<Daemon, CliError> {
    let silent = match ask(&ctx.paths.socket, &Request::Ping) {
        Ok(Reply::Alive(alive)) => {
            return Ok(Daemon {
                up: true,
                pid: Some(alive.pid),
                beat_age_ms: Some(alive.beat_age_ms),
                since: Some(alive.since),
                degraded: alive.degraded,
                trouble: alive.trouble,
                silent: None,
            });
        }
        Ok(_) => Some("it answers something else".to_owned()),
        Err(ControlError::NotThere(_)) => None,
        Err(e) => Some(e.to_string()),
    };
    let last = store.last_session()?;
    Ok(Daemon {
        since: last.map(|s| s.stopped_at.unwrap_or(s.alive_at)),
        silent,
        ..Daemon::default()
    })
}

/// What the daemon says is wrong with the store.
pub fn trouble(ctx: &Context) -> Option<String> {
    match ask(&ctx.paths.socket, &Request::Ping) {
        Ok(Reply::Alive(alive)) => alive.degraded,
        _ => None,
    }
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
