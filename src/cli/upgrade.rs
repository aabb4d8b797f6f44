//! `crake daemon --upgrade`: the daemon goes over to the program now installed in its place.

use std::time::Duration;

use rustix::process::{Pid, Signal, kill_process};
use serde_json::json;

use crate::cli::context::Context;
use crate::cli::error::{CliError, Kind};
use crate::clock::Clock;
use crate::control::{Alive, Reply, Request, ask};

/// How long a new program may take to keep time, milliseconds: it may have to bring the store to a
/// new form first.
const PATIENCE_MS: i64 = 150_000;

/// How often the daemon is asked meanwhile.
const PAUSE: Duration = Duration::from_millis(50);

/// Asks for the upgrade and waits for what comes of it.
///
/// # Errors
/// No daemon, one of another user, and a new program that was refused.
pub fn upgrade(ctx: &Context) -> Result<u8, CliError> {
    let before = match ask(&ctx.paths.socket, &Request::Ping)? {
        Reply::Alive(alive) => alive,
        _ => {
            return Err(CliError::new(
                Kind::Failed,
                "the daemon answers something else",
            ));
        }
    };
    let guardian = before.watched.guardian.and_then(Pid::from_raw);
    let Some(guardian) = guardian else {
        return Err(CliError::new(Kind::Refused, "the daemon has no guardian")
            .hint("stop it and start it anew"));
    };
    kill_process(guardian, Signal::USR2).map_err(std::io::Error::from)?;
    let began = ctx.clock.now().mono;
    while ctx.clock.now().mono - began < PATIENCE_MS {
        std::thread::sleep(PAUSE);
        // Between the two programs nobody answers.
        let Ok(Reply::Alive(now)) = ask(&ctx.paths.socket, &Request::Ping) else {
            continue;
        };
        if let Some(done) = outcome(ctx, &before, &now) {
            return done;
        }
    }
    Err(CliError::new(
        Kind::Failed,
        "the daemon did not go over to another program",
    )
    .hint("`crake events` and what the daemon writes tell more"))
}

/// What came of it, where that is known by now.
fn outcome(ctx: &Context, before: &Alive, now: &Alive) -> Option<Result<u8, CliError>> {
    let replaced = now.pid != before.pid;
    let refused = replaced || now.watched.refusals != before.watched.refusals;
    match &now.watched.refused {
        Some(why) if refused => {
            let error = CliError::new(Kind::Refused, format!("not upgraded: {why}"));
            Some(Err(error.hint("the daemon goes on as before")))
        }
        _ if !replaced => None,
        _ => Some(
            ctx.answer_one(
                || json!({"pid": now.pid, "version": now.version, "before": before.version}),
                |out| {
                    let (pid, old, new) = (now.pid, &before.version, &now.version);
                    writeln!(out, "crake {old} -> {new}: process {pid} keeps time")
                },
            )
            .map(|()| 0),
        ),
    }
}
