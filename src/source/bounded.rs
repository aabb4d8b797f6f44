//! A query that ends when its time is over, whatever the driver and the server do.

use std::sync::mpsc;
use std::time::Duration;

use crate::source::error::{ErrorKind, Result, SourceError};
use crate::source::query::{Answer, Connection, Query};

/// How long after the limit a query is stopped from outside: engines that limit the time
/// themselves say more.
const STOP_AFTER_MS: i64 = 250;

/// How long a stopped query may take to end before it is left behind.
const LEAVE_AFTER_MS: i64 = 3_000;

/// Asks in a thread of its own and stops the query at its limit; what cannot be stopped is left
/// behind with its thread. Gives the connection back unless it was left behind.
///
/// # Errors
/// Those of the query; `timeout`.
pub fn run_bounded<C: Connection + 'static>(
    mut conn: C,
    query: &Query,
) -> (Option<C>, Result<Answer>) {
    let stop = conn.canceller();
    let (done, wait) = mpsc::channel();
    let asked = query.clone();
    let thread = std::thread::Builder::new().name("crake-query".to_owned());
    let started = thread.spawn(move || {
        let answer = conn.query(&asked);
        // Nobody listens any more where the query was left behind; the connection ends with it.
        let _ = done.send((conn, answer));
    });
    if let Err(e) = started {
        return (None, Err(SourceError::gone(e)));
    }
    let span = |ms: i64| Duration::from_millis(u64::try_from(ms).unwrap_or(0));
    let limit = query.timeout_ms.max(1);
    match wait.recv_timeout(span(limit.saturating_add(STOP_AFTER_MS))) {
        Ok((conn, answer)) => return (Some(conn), answer),
        Err(mpsc::RecvTimeoutError::Disconnected) => return (None, Err(broke())),
        Err(mpsc::RecvTimeoutError::Timeout) => {}
    }
    let stopper = stop.clone();
    // Reaching a server that hangs may hang as well.
    aside(move || stopper.cancel());
    match wait.recv_timeout(span(LEAVE_AFTER_MS)) {
        // It was done in that very moment.
        Ok((conn, Ok(answer))) => (Some(conn), Ok(answer)),
        Ok((conn, Err(mut error))) => {
            if matches!(error.kind, ErrorKind::Cancelled | ErrorKind::Gone) {
                error = SourceError::timeout(limit);
            }
            (Some(conn), Err(error))
        }
        Err(_) => {
            aside(move || stop.close());
            (None, Err(SourceError::timeout(limit)))
        }
    }
}

/// Does something that may take long in a thread nobody waits for; where there is no room for a
/// thread it is not done.
pub(in crate::source) fn aside(f: impl FnOnce() + Send + 'static) {
    let thread = std::thread::Builder::new().name("crake-stop".to_owned());
    // Without a thread the server's own limits have to do.
    let _ = thread.spawn(f);
}

fn broke() -> SourceError {
    SourceError::gone("the driver failed")
}
