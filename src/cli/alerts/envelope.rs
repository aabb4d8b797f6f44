//! From rows of the outbox to the message that a receiver gets.

use crate::courier::{Item, Message};
use crate::engine::alert::Waiting;
use crate::model::ReceiverRow;
use crate::schedule::Zone;
use crate::store::{AlertRow, Result, Store};
use crate::view::time::rfc3339;

/// The message that these alerts make; it is the same in each try.
///
/// # Errors
/// Those of reading.
pub fn message_of(
    store: &Store,
    row: &ReceiverRow,
    host: &str,
    alerts: &[AlertRow],
) -> Result<Message> {
    let mut items = Vec::new();
    for alert in alerts {
        let run = alert.run.map(|run| store.run(run)).transpose()?.flatten();
        items.push(Item {
            alert: alert.id,
            kind: alert.kind.as_str(),
            job: alert.job.clone(),
            run: alert.run.map(|run| run.0),
            exit_code: run.and_then(|run| run.exit_code),
            subject: alert.subject.clone(),
            text: alert.text.clone(),
            decided_at: rfc3339(alert.decided_at, &Zone::utc()),
        });
    }
    let first = alerts.first();
    let number = first.map_or(0, |a| a.message.unwrap_or(a.id));
    let at = first.map_or(0, |a| a.decided_at);
    Ok(Message {
        // The numbers of a store that was made anew begin again; with the instant no id does.
        id: format!("{host}-{number}-{at}"),
        receiver: row.receiver.name.clone(),
        host: host.to_owned(),
        items,
    })
}

/// What the rules look at.
pub fn waiting(alert: &AlertRow) -> Waiting {
    Waiting {
        id: alert.id,
        job: alert.job.clone(),
        state: alert.state,
        message: alert.message,
        next_at: alert.next_at.unwrap_or(alert.decided_at),
    }
}
