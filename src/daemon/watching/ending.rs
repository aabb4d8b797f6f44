//! What the end of a poll comes to: a pure function of the watch, the answer and the keys that are
//! known.

use std::collections::HashSet;

use serde_json::{Map, Value};

use crate::daemon::poller::{Answer, Reply};
use crate::daemon::watching::wording::{cursor_text, only_reads};
use crate::engine::watch::{
    Against, Delivery, Digest, Found, Fresh, Standing, Unusable, deliveries, digest, next_poll,
};
use crate::model::{Advance, Mode, PollId, PollLog, PollOutcome, Rows, Trigger, Watch};
use crate::schedule::UnixMs;
use crate::source::{ErrorKind, SourceError};
use crate::store::{Forget, Known, NewDelivery, PollEnd, Remembered, Sighting, WatchRow};

/// Bytes of delivered rows that are kept with a poll.
const DELIVERED: usize = 64 * 1024;

/// A poll that was asked.
#[derive(Clone, Debug)]
pub struct Asking {
    /// Its number.
    pub poll: PollId,
    /// The watch as it was when it began.
    pub row: WatchRow,
    /// What caused it.
    pub trigger: Trigger,
    /// When it began, wall clock.
    pub started_at: UnixMs,
    /// When it began, clock of the boot.
    pub started_boot: i64,
    /// Whether it only tells where the cursor begins.
    pub only_begins: bool,
    /// When polls of the interval were due last.
    pub due_at: UnixMs,
    /// How many polls in a row went wrong before.
    pub fails: u32,
}

/// How a poll went wrong.
#[derive(Clone, Debug)]
pub struct Wrong {
    /// In one word.
    pub outcome: PollOutcome,
    /// In words.
    pub error: String,
}

impl Wrong {
    /// What a source's failure comes to.
    pub fn of(error: &SourceError) -> Wrong {
        let outcome = match error.kind {
            ErrorKind::Timeout => PollOutcome::Timeout,
            ErrorKind::Resolve
            | ErrorKind::Connect
            | ErrorKind::Login
            | ErrorKind::Tls
            | ErrorKind::Pool
            | ErrorKind::Gone => PollOutcome::NoConnection,
            _ => PollOutcome::Error,
        };
        let mut text = format!("{}: {error}", error.kind.as_str());
        if let Some(hint) = &error.hint {
            text.push_str(&format!(" ({hint})"));
        }
        Wrong {
            outcome,
            error: text,
        }
    }

    /// Nobody heard of its end.
    pub fn lost(why: &str) -> Wrong {
        Wrong {
            outcome: PollOutcome::Lost,
            error: why.to_owned(),
        }
    }
}

/// The end of a poll that brought nothing.
pub fn went_wrong(asking: &Asking, wrong: &Wrong, answer: Option<&Answer>, now: UnixMs) -> PollEnd {
    let fails = asking.fails.saturating_add(1);
    let standing = Standing {
        due_at: asking.due_at,
        ended_at: now,
        fails,
        ..Standing::default()
    };
    PollEnd {
        poll: asking.poll,
        watch: asking.row.watch.name.clone(),
        version: asking.row.version,
        started_at: asking.started_at,
        at: now,
        took_ms: answer.map_or((now - asking.started_at).max(0), |a| a.took_ms),
        wait_ms: answer.map(|a| a.wait_ms),
        connection: answer
            .map(|a| a.connection.clone())
            .filter(|c| !c.is_empty()),
        outcome: wrong.outcome,
        error: Some(wrong.error.clone()),
        note: None,
        fails,
        rows: None,
        fresh: None,
        cursor_after: None,
        delivered: None,
        runs: Vec::new(),
        remembered: None,
        next_at: next_poll(&asking.row.watch, &standing).map(|next| next.at),
    }
}

/// The end of a poll that was answered. `keys` are those of the rows.
///
/// # Errors
/// An answer that the watch cannot use.
pub fn answered(
    asking: &Asking,
    answer: &Answer,
    reply: &Reply,
    (keys, known): (Vec<String>, Known),
    now: UnixMs,
) -> Result<(PollEnd, bool), Unusable> {
    let (row, watch) = (&asking.row, &asking.row.watch);
    let against = Against {
        poll: asking.poll,
        memory: &row.memory,
        seen: &known.seen,
        transactions: reply.transactions,
        only_begins: asking.only_begins,
    };
    let found = digest(watch, &reply.rows, &against)?;
    let made = deliveries(
        watch,
        &Found {
            poll: asking.poll,
            columns: &reply.rows.columns,
            fresh: &found.fresh,
            cursor: row.memory.cursor.as_deref(),
        },
    );
    let waits = watch.advance == Advance::Succeeded && watch.mode != Mode::Consume;
    let more = found.more && (watch.mode != Mode::Consume || takes_at_once(watch));
    let standing = Standing {
        due_at: asking.due_at,
        ended_at: now,
        fails: 0,
        more,
        blocked: waits && !made.is_empty(),
    };
    let moved = found.memory != row.memory;
    let fresh = found.fresh.len();
    let end = PollEnd {
        outcome: match fresh {
            0 => PollOutcome::Empty,
            _ => PollOutcome::Ok,
        },
        took_ms: answer.took_ms,
        error: None,
        note: found.note.clone(),
        fails: 0,
        rows: Some(reply.rows.rows.len()),
        fresh: Some(fresh),
        cursor_after: found.memory.cursor.as_deref().map(cursor_text),
        delivered: delivered(watch, &reply.rows, &found.fresh),
        runs: made.into_iter().map(|d| run(watch, d)).collect(),
        remembered: Some(Remembered {
            memory: moved.then(|| found.memory.clone()),
            sighting: sighting(watch, row, found, keys, known, now),
            waits,
        }),
        next_at: next_poll(watch, &standing).map(|next| next.at),
        ..went_wrong(asking, &Wrong::lost(""), Some(answer), now)
    };
    Ok((end, more))
}

/// Whether what was read is not read again by the next poll, acknowledged or not.
fn takes_at_once(watch: &Watch) -> bool {
    watch.claim.is_some() || !only_reads(&watch.query)
}

/// Whether the source is to be told of rows.
pub fn owes(watch: &Watch) -> bool {
    watch.ack.is_some() || (watch.nack.is_some() && watch.advance == Advance::Succeeded)
}

fn run(watch: &Watch, delivery: Delivery) -> NewDelivery {
    NewDelivery {
        id: delivery.id,
        input: Some(delivery.payload),
        input_path: None,
        env: delivery.env,
        args: delivery.args,
        owed: match owes(watch) {
            true => delivery.keys,
            false => Vec::new(),
        },
    }
}

fn sighting(
    watch: &Watch,
    row: &WatchRow,
    found: Digest,
    keys: Vec<String>,
    known: Known,
    now: UnixMs,
) -> Sighting {
    let forget = match (watch.mode, found.final_through) {
        (Mode::New, _) => Forget::Old {
            before: now - watch.seen_ms,
            most: watch.seen_max,
        },
        // The last page of several shows only a part of what is still looked at again.
        (Mode::Cursor, Some(poll)) if row.memory.page.is_none() => Forget::Through(poll),
        _ => Forget::Nothing,
    };
    Sighting {
        fresh: found.seen,
        again: known.old,
        sighted: keys.into_iter().collect::<HashSet<String>>(),
        forget,
    }
}

/// The delivered rows as they are kept with the poll, where the watch wants that.
fn delivered(watch: &Watch, rows: &Rows, fresh: &[Fresh]) -> Option<String> {
    if watch.log != PollLog::Rows || fresh.is_empty() {
        return None;
    }
    let mut size = 0;
    let mut kept = Vec::new();
    for row in fresh {
        let cells = rows.columns.iter().zip(&row.row);
        let object: Map<String, Value> = cells
            .map(|(name, cell)| match watch.redacts(name) {
                true => (name.clone(), Value::from("***")),
                false => (name.clone(), cell.to_json()),
            })
            .collect();
        let value = Value::Object(object);
        size += value.to_string().len();
        if size > DELIVERED {
            kept.push(Value::from(format!(
                "and {} more",
                fresh.len() - kept.len()
            )));
            break;
        }
        kept.push(value);
    }
    Some(Value::Array(kept).to_string())
}
