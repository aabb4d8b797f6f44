//! The outbox: what was decided, and how its delivery stands.

use rusqlite::{OptionalExtension, Row, ToSql, params, params_from_iter};

use crate::model::{AlertKind, AlertState, RunId};
use crate::schedule::UnixMs;
use crate::store::error::word;
use crate::store::ledger::record_note;
use crate::store::tidings::{forget_when, write_alert};
use crate::store::{NewAlert, Result, Store};

/// How long what was decided is kept, and how much is removed at once.
const KEPT_MS: i64 = 90 * 86_400_000;
const AT_ONCE: i64 = 1_000;

/// An alert as the outbox holds it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AlertRow {
    /// Its number.
    pub id: i64,
    /// Its receiver.
    pub receiver: i64,
    /// The receiver's name, also where that is gone.
    pub receiver_name: String,
    /// About what.
    pub kind: AlertKind,
    /// The job.
    pub job: Option<String>,
    /// The run.
    pub run: Option<RunId>,
    /// In one line.
    pub subject: String,
    /// In full.
    pub text: String,
    /// When it was decided.
    pub decided_at: UnixMs,
    /// Where it stands.
    pub state: AlertState,
    /// The message it goes with: the number of the first alert in it.
    pub message: Option<i64>,
    /// Tries so far.
    pub attempts: u32,
    /// When it is tried next.
    pub next_at: Option<UnixMs>,
    /// When the try under way, or cut short, was begun.
    pub trying_at: Option<UnixMs>,
    /// When its receiver took it.
    pub sent_at: Option<UnixMs>,
    /// What went wrong last, or why it is held or dropped.
    pub last_error: Option<String>,
}

/// Which alerts to list.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct AlertFilter {
    /// Of this receiver only.
    pub receiver: Option<String>,
    /// About this job only.
    pub job: Option<String>,
    /// In this state only.
    pub state: Option<AlertState>,
    /// At most so many, the newest.
    pub limit: usize,
}

/// How a try ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Tried {
    /// The receiver took the message.
    Sent,
    /// It is tried again at this instant.
    Again(UnixMs, String),
    /// It is given up.
    GivenUp(String),
}

/// A receiver that does not get what it is to be told.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Undelivered {
    /// The receiver.
    pub receiver: String,
    /// Alerts given up since it last took one.
    pub given_up: i64,
    /// Alerts that failed more than once and are tried again.
    pub tried: i64,
    /// The first of them was decided then.
    pub since: UnixMs,
    /// What went wrong last.
    pub error: Option<String>,
}

const COLUMNS: &str =
    "id, receiver, receiver_name, kind, job, run, subject, text, decided_at, state,
  message, attempts, next_at, trying_at, sent_at, last_error";

impl Store {
    /// The alerts that pass a filter, newest first.
    ///
    /// # Errors
    /// Those of reading.
    pub fn alerts(&self, filter: &AlertFilter) -> Result<Vec<AlertRow>> {
        let mut sql = format!("SELECT {COLUMNS} FROM alert WHERE 1 = 1");
        let mut values: Vec<Box<dyn ToSql>> = Vec::new();
        for (column, value) in [
            ("receiver_name", filter.receiver.clone()),
            ("job", filter.job.clone()),
            ("state", filter.state.map(|s| s.to_string())),
        ] {
            if let Some(value) = value {
                sql.push_str(&format!(" AND {column} = ?"));
                values.push(Box::new(value));
            }
        }
        sql.push_str(" ORDER BY id DESC LIMIT ?");
        values.push(Box::new(i64::try_from(filter.limit).unwrap_or(i64::MAX)));
        let mut statement = self.conn.prepare(&sql)?;
        let rows = statement.query_map(params_from_iter(values.iter()), read)?;
        Ok(rows.collect::<rusqlite::Result<_>>()?)
    }

    /// An alert.
    ///
    /// # Errors
    /// Those of reading.
    pub fn alert(&self, id: i64) -> Result<Option<AlertRow>> {
        let sql = format!("SELECT {COLUMNS} FROM alert WHERE id = ?1");
        Ok(self
            .conn
            .prepare_cached(&sql)?
            .query_row([id], read)
            .optional()?)
    }

    /// What waits to be sent to a receiver, oldest first.
    ///
    /// # Errors
    /// Those of reading.
    pub fn alerts_waiting(&self, receiver: i64, limit: usize) -> Result<Vec<AlertRow>> {
        let sql = format!(
            "SELECT {COLUMNS} FROM alert WHERE receiver = ?1 AND state IN('pending', 'held')
             ORDER BY id LIMIT ?2"
        );
        let limit = i64::try_from(limit).unwrap_or(i64::MAX);
        let mut statement = self.conn.prepare_cached(&sql)?;
        let rows = statement.query_map([receiver, limit], read)?;
        Ok(rows.collect::<rusqlite::Result<_>>()?)
    }

    /// When a receiver took a message after an instant, oldest first.
    ///
    /// # Errors
    /// Those of reading.
    pub fn messages_since(&self, receiver: i64, since: UnixMs) -> Result<Vec<UnixMs>> {
        let mut statement = self.conn.prepare_cached(
            "SELECT max(sent_at) AS at FROM alert
             WHERE receiver = ?1 AND state = 'sent' AND sent_at > ?2 AND kind <> 'test'
             GROUP BY message ORDER BY at",
        )?;
        let rows = statement.query_map([receiver, since], |row| row.get(0))?;
        Ok(rows.collect::<rusqlite::Result<_>>()?)
    }

    /// Notes that alerts are about to be sent as one message. Says which of them still wait: somebody
    /// may have removed the receiver.
    ///
    /// # Errors
    /// Those of writing.
    pub fn begin_try(&mut self, ids: &[i64], message: i64, now: UnixMs) -> Result<Vec<i64>> {
        self.write(|tx| {
            let mut begun = Vec::new();
            let mut statement = tx.prepare_cached(
                "UPDATE alert SET state = 'pending', attempts = attempts + 1, trying_at = ?3, message = ?2
                 WHERE id = ?1 AND state IN('pending', 'held')",
            )?;
            for id in ids {
                if statement.execute([*id, message, now])? > 0 {
                    begun.push(*id);
                }
            }
            Ok(begun)
        })
    }

    /// Notes how a try ended; that alerts are given up is an event as well.
    ///
    /// # Errors
    /// Those of writing.
    pub fn end_try(&mut self, ids: &[i64], tried: &Tried, now: UnixMs) -> Result<()> {
        let (state, next_at, error) = match tried {
            Tried::Sent => (AlertState::Sent, None, None),
            Tried::Again(at, why) => (AlertState::Pending, Some(*at), Some(why)),
            Tried::GivenUp(why) => (AlertState::Failed, None, Some(why)),
        };
        let at = |of: AlertState| (state == of).then_some(now);
        let (sent_at, failed_at) = (at(AlertState::Sent), at(AlertState::Failed));
        self.write(|tx| {
            for id in ids {
                let changed = tx
                    .prepare_cached(
                        "UPDATE alert SET state = ?2, next_at = ?3, sent_at = ?4, last_error = ?5,
                           failed_at = ?6, trying_at = NULL WHERE id = ?1 AND state = 'pending'",
                    )?
                    .execute(params![
                        id,
                        state.as_str(),
                        next_at,
                        sent_at,
                        error,
                        failed_at
                    ])?;
                if changed > 0 && state == AlertState::Failed {
                    note_given_up(tx, *id, now)?;
                }
            }
            Ok(())
        })
    }

    /// Keeps alerts back.
    ///
    /// # Errors
    /// Those of writing.
    pub fn hold_alerts(&mut self, ids: &[i64], until: UnixMs, why: &str) -> Result<()> {
        self.write(|tx| {
            for id in ids {
                tx.prepare_cached(
                    "UPDATE alert SET state = 'held', next_at = ?2, last_error = ?3, trying_at = NULL
                     WHERE id = ?1 AND state IN('pending', 'held')",
                )?
                .execute(params![id, until, why])?;
            }
            Ok(())
        })
    }

    /// Puts an alert into the outbox that somebody sends by hand. Gives its number; nothing where
    /// the receiver is gone.
    ///
    /// # Errors
    /// Those of writing.
    pub fn put_test_alert(&mut self, alert: &NewAlert, now: UnixMs) -> Result<Option<i64>> {
        self.write(|tx| {
            let new = write_alert(tx, alert, now)?;
            forget_when(tx)?;
            Ok((new > 0).then(|| tx.last_insert_rowid()))
        })
    }

    /// The receivers that do not get what they are to be told.
    ///
    /// # Errors
    /// Those of reading.
    pub fn undelivered(&self) -> Result<Vec<Undelivered>> {
        // What was given up counts until the receiver takes something afterwards.
        let mut statement = self.conn.prepare_cached(
            "WITH bad AS(
               SELECT id, receiver, 1 AS given_up, decided_at, failed_at FROM alert WHERE state = 'failed'
               UNION ALL
               SELECT id, receiver, 0, decided_at, NULL FROM alert
                 WHERE state IN('pending', 'held') AND attempts > 2)
             SELECT g.*, a.last_error AS error FROM (
             SELECT r.name, sum(b.given_up) AS given_up, sum(1 - b.given_up) AS tried,
               min(b.decided_at) AS since, max(b.id) AS last
             FROM bad b JOIN receiver r ON r.id = b.receiver
             WHERE b.given_up = 0 OR NOT EXISTS(SELECT 1 FROM alert s WHERE s.receiver = b.receiver
               AND s.state = 'sent' AND s.sent_at > b.failed_at)
             GROUP BY r.name) g JOIN alert a ON a.id = g.last ORDER BY g.name",
        )?;
        let rows = statement.query_map([], |row| {
            Ok(Undelivered {
                receiver: row.get("name")?,
                given_up: row.get("given_up")?,
                tried: row.get("tried")?,
                since: row.get("since")?,
                error: row.get("error")?,
            })
        })?;
        Ok(rows.collect::<rusqlite::Result<_>>()?)
    }

    /// Removes what was decided long ago and is settled; some at a time. Says how many.
    ///
    /// # Errors
    /// Those of writing.
    pub fn tidy_alerts(&mut self, now: UnixMs) -> Result<usize> {
        let before = now - KEPT_MS;
        let any: bool = self.conn.query_row(
            "SELECT EXISTS(SELECT 1 FROM alert WHERE decided_at < ?1 AND state NOT IN('pending', 'held'))",
            [before],
            |row| row.get(0),
        )?;
        if !any {
            return Ok(0);
        }
        self.write(|tx| {
            Ok(tx.execute(
                "DELETE FROM alert WHERE id IN(SELECT id FROM alert
                   WHERE decided_at < ?1 AND state NOT IN('pending', 'held') LIMIT ?2)",
                [before, AT_ONCE],
            )?)
        })
    }
}

fn note_given_up(tx: &rusqlite::Transaction<'_>, id: i64, now: UnixMs) -> Result<()> {
    let alert = tx
        .prepare_cached(&format!("SELECT {COLUMNS} FROM alert WHERE id = ?1"))?
        .query_row([id], read)?;
    let note = crate::model::Note {
        at: now,
        level: crate::model::Level::Error,
        kind: "alert".to_owned(),
        job: alert.job,
        run: alert.run,
        text: format!(
            "alert {id} for {} is given up after {} tries: {}",
            alert.receiver_name,
            alert.attempts,
            alert.last_error.unwrap_or_default()
        ),
    };
    record_note(tx, &note)
}

fn read(row: &Row<'_>) -> rusqlite::Result<AlertRow> {
    Ok(AlertRow {
        id: row.get("id")?,
        receiver: row.get("receiver")?,
        receiver_name: row.get("receiver_name")?,
        kind: word(row, "kind")?,
        job: row.get("job")?,
        run: row.get::<_, Option<i64>>("run")?.map(RunId),
        subject: row.get("subject")?,
        text: row.get("text")?,
        decided_at: row.get("decided_at")?,
        state: word(row, "state")?,
        message: row.get("message")?,
        attempts: row.get("attempts")?,
        next_at: row.get("next_at")?,
        trying_at: row.get("trying_at")?,
        sent_at: row.get("sent_at")?,
        last_error: row.get("last_error")?,
    })
}
