//! What somebody should look at among the receivers of alerts.

use crate::store::{Result, Store, Undelivered};
use crate::view::attention::{Attention, Kind, Level};
use crate::view::words::count;

/// Receivers that do not get what they are to be told.
///
/// # Errors
/// Those of reading.
pub(in crate::view) fn of_receivers(store: &Store) -> Result<Vec<Attention>> {
    Ok(store.undelivered()?.iter().map(of_receiver).collect())
}

fn of_receiver(of: &Undelivered) -> Attention {
    let name = &of.receiver;
    let why = of.error.as_deref().unwrap_or("nobody knows why");
    let (level, text) = match (of.given_up, of.tried) {
        (0, n) => (
            Level::Warning,
            format!("{} tried again: {why}", alerts(n, "is", "are")),
        ),
        (n, _) => (
            Level::Urgent,
            format!("{} given up: {why}", alerts(n, "was", "were")),
        ),
    };
    Attention {
        level,
        kind: Kind::Alert,
        what: "ALERT",
        job: None,
        run: None,
        watch: None,
        since: Some(of.since),
        text: format!("{name} gets no alerts: {text}"),
        hint: format!("crake alerts test {name}"),
    }
}

fn alerts(n: i64, one: &str, more: &str) -> String {
    let verb = if n == 1 { one } else { more };
    format!("{} {verb}", count(n, "alert"))
}
