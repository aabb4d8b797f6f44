//! What is known of the daemon, asked at this moment.

use crate::cli::context::Context;
use crate::cli::error::CliError;
use crate::clock::Clock;
use crate::control::{ControlError, Reply, Request, ask};
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
    let silent = match ask(&ctx.paths.socket, &Request::Ping) {
        Ok(Reply::Alive(alive)) => {
            return Ok(Daemon {
                up: true,
                pid: Some(alive.pid),
                beat_age_ms: Some(alive.beat_age_ms),
                since: Some(alive.since),
                degraded: alive.degraded,
                silent: None,
                workers: workers(ctx),
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
        workers: workers(ctx),
        ..Daemon::default()
    })
}

/// The slots as they are now; they can be looked at without a daemon.
fn workers(ctx: &Context) -> Vec<SlotLook> {
    match boot_id() {
        Ok(boot) => slot_looks(&ctx.paths.slots(), &boot, ctx.clock.now()),
        Err(_) => Vec::new(),
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
