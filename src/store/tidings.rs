//! What happened since alerts were last decided on, and what comes of it.

use rusqlite::{OptionalExtension, Transaction, params};

use crate::model::{AlertKind, RunId, ScheduleId, TidingKind};
use crate::schedule::UnixMs;
use crate::store::error::word;
use crate::store::{Result, Store};

/// When those who decide on alerts want to look again, whatever happens.
const LOOK_AT: &str = "alert_look_at";

/// The same, where a run is alive at that time.
const LIVE_AT: &str = "alert_live_at";

/// That they do not.
const NEVER: &str = "never";

/// Nothing is out of the ordinary about a run that is younger than this, milliseconds.
const YOUNG_MS: i64 = 10_000;

/// Something that happened.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Tiding {
    /// Its place in the order of what happened.
    pub seq: i64,
    /// What.
    pub kind: TidingKind,
    /// The job, where it is still known.
    pub job: Option<String>,
    /// The run.
    pub run: Option<RunId>,
    /// The schedule of the fire.
    pub schedule: Option<ScheduleId>,
    /// The instant of the fire.
    pub planned_at: Option<UnixMs>,
}

/// What a receiver was told of a job: the memory, as text, and when to look at it again.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ToldRow {
    /// The receiver.
    pub receiver: i64,
    /// The job.
    pub job: String,
    /// Nothing where there is nothing to remember.
    pub memory: Option<String>,
    /// When to look again.
    pub look_at: Option<UnixMs>,
}

/// An alert that was decided.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NewAlert {
    /// The receiver.
    pub receiver: i64,
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
    /// No other decision for the receiver has this key.
    pub dedupe: String,
    /// Not to be sent before this instant.
    pub next_at: UnixMs,
    /// Why it is not sent at all.
    pub dropped: Option<String>,
}

/// A job that may be silent: its name, and its last success or else when it was made.
pub type Since = (String, UnixMs);

impl Store {
    /// What happened and was not decided on, in order.
    ///
    /// # Errors
    /// Those of reading.
    pub fn tidings(&self, limit: usize) -> Result<Vec<Tiding>> {
        let mut statement = self.conn.prepare_cached(
            "SELECT t.seq, t.kind, t.run, t.schedule, t.planned_at, coalesce(r.job, s.job) AS job
             FROM tiding t LEFT JOIN run r ON r.id = t.run LEFT JOIN schedule s ON s.id = t.schedule
             ORDER BY t.seq LIMIT ?1",
        )?;
        let rows = statement.query_map([i64::try_from(limit).unwrap_or(i64::MAX)], |row| {
            Ok(Tiding {
                seq: row.get("seq")?,
                kind: word(row, "kind")?,
                job: row.get("job")?,
                run: row.get::<_, Option<i64>>("run")?.map(RunId),
                schedule: row.get::<_, Option<i64>>("schedule")?.map(ScheduleId),
                planned_at: row.get("planned_at")?,
            })
        })?;
        Ok(rows.collect::<rusqlite::Result<_>>()?)
    }

    /// What a receiver was told of a job.
    ///
    /// # Errors
    /// Those of reading.
    pub fn told(&self, receiver: i64, job: &str) -> Result<Option<String>> {
        Ok(self
            .conn
            .prepare_cached("SELECT memory FROM told WHERE receiver = ?1 AND job = ?2")?
            .query_row(params![receiver, job], |row| row.get(0))
            .optional()?)
    }

    /// Receivers and jobs that are to be looked at again by now.
    ///
    /// # Errors
    /// Those of reading.
    pub fn told_due(&self, now: UnixMs) -> Result<Vec<(i64, String)>> {
        let mut statement = self
            .conn
            .prepare_cached("SELECT receiver, job FROM told WHERE look_at <= ?1")?;
        let rows = statement.query_map([now], |row| Ok((row.get(0)?, row.get(1)?)))?;
        Ok(rows.collect::<rusqlite::Result<_>>()?)
    }

    /// When the next of them is to be looked at that one of these receivers was told of.
    ///
    /// # Errors
    /// Those of reading.
    pub fn next_told_look(&self, receivers: &[i64]) -> Result<Option<UnixMs>> {
        let mut statement = self
            .conn
            .prepare_cached("SELECT receiver, look_at FROM told WHERE look_at IS NOT NULL")?;
        let rows = statement.query_map([], |row| Ok((row.get(0)?, row.get(1)?)))?;
        let rows: Vec<(i64, UnixMs)> = rows.collect::<rusqlite::Result<_>>()?;
        let of = rows.iter().filter(|(id, _)| receivers.contains(id));
        Ok(of.map(|(_, at)| *at).min())
    }

    /// How many fires the row of the ledger stands for that begins at an instant; nothing where it is
    /// gone.
    ///
    /// # Errors
    /// Those of reading.
    pub fn fires_at(&self, schedule: ScheduleId, at: UnixMs) -> Result<Option<i64>> {
        Ok(self
            .conn
            .prepare_cached("SELECT count FROM fire WHERE schedule = ?1 AND planned_at = ?2")?
            .query_row([schedule.0, at], |row| row.get(0))
            .optional()?)
    }

    /// The jobs with a schedule in force that are not paused, each with its last success.
    ///
    /// # Errors
    /// Those of reading.
    pub fn last_successes(&self, now: UnixMs) -> Result<Vec<Since>> {
        let mut statement = self.conn.prepare_cached(
            "SELECT j.name, coalesce((SELECT r.ended_at FROM run r
                 WHERE r.job = j.name AND r.state = 'succeeded' ORDER BY r.id DESC LIMIT 1), j.created_at)
             FROM job j WHERE j.listed = 1
               AND EXISTS(SELECT 1 FROM schedule s WHERE s.job = j.name AND s.until_at IS NULL)
               AND NOT EXISTS(SELECT 1 FROM pause p WHERE p.job = j.name AND p.from_at <= ?1
                 AND (p.until_at IS NULL OR p.until_at > ?1))",
        )?;
        let rows = statement.query_map([now], |row| Ok((row.get(0)?, row.get(1)?)))?;
        Ok(rows.collect::<rusqlite::Result<_>>()?)
    }

    /// Records what was decided on everything that happened up to `seq`, in one transaction: nothing
    /// is decided on twice, and nothing is forgotten, whoever is killed when. Gives how many alerts
    /// are new.
    ///
    /// # Errors
    /// Those of writing; then nothing is recorded.
    pub fn decided(
        &mut self,
        seq: i64,
        told: &[ToldRow],
        alerts: &[NewAlert],
        now: UnixMs,
    ) -> Result<usize> {
        let known = |row: &ToldRow| {
            let memory = self.told(row.receiver, &row.job)?;
            Ok(memory == row.memory)
        };
        let unchanged: Vec<bool> = told.iter().map(known).collect::<Result<_>>()?;
        if seq == 0 && alerts.is_empty() && unchanged.iter().all(|same| *same) {
            return Ok(0);
        }
        self.write(|tx| {
            for row in told {
                write_told(tx, row)?;
            }
            let mut new = 0;
            for alert in alerts {
                new += write_alert(tx, alert, now)?;
            }
            tx.prepare_cached("DELETE FROM tiding WHERE seq <= ?1")?
                .execute([seq])?;
            Ok(new)
        })
    }

    /// Says when those who decide and send want to be there again, and when they want to if a run is
    /// alive then.
    ///
    /// # Errors
    /// Those of writing.
    pub fn be_there_at(&mut self, at: Option<UnixMs>, live: Option<UnixMs>) -> Result<()> {
        let text = |at: Option<UnixMs>| at.map_or(NEVER.to_owned(), |at| at.to_string());
        for (key, value) in [(LOOK_AT, text(at)), (LIVE_AT, text(live))] {
            if self.meta(key)?.as_ref() != Some(&value) {
                self.set_meta(key, &value)?;
            }
        }
        Ok(())
    }

    /// Somebody is at work, or something has changed that was not looked at: until it is said when to
    /// be there again, that is at once. So nothing waits for ever where somebody is killed.
    ///
    /// # Errors
    /// Those of writing.
    pub fn be_there_at_once(&mut self) -> Result<()> {
        self.write(forget_when)
    }

    /// When somebody must be there to decide or to send; at once where something has happened, never
    /// where there is nobody to be told.
    ///
    /// # Errors
    /// Those of reading.
    pub fn alerts_wanted_at(&self, now: UnixMs) -> Result<Option<UnixMs>> {
        let mut statement = self.conn.prepare_cached(
            "SELECT EXISTS(SELECT 1 FROM receiver), EXISTS(SELECT 1 FROM tiding),
               (SELECT value FROM meta WHERE key = ?1), (SELECT value FROM meta WHERE key = ?2),
               (SELECT min(started_at) FROM run INDEXED BY run_live WHERE state = 'running')",
        )?;
        let (any, happened, look, live, oldest): Wanted =
            statement.query_row([LOOK_AT, LIVE_AT], |row| {
                Ok((
                    row.get(0)?,
                    row.get(1)?,
                    row.get(2)?,
                    row.get(3)?,
                    row.get(4)?,
                ))
            })?;
        if !any {
            return Ok(None);
        }
        let look = look.map_or(Some(now), |at| at.parse().ok());
        let live: Option<UnixMs> = live.and_then(|at| at.parse().ok());
        let live = live
            .zip(oldest)
            .map(|(at, started)| at.max(started + YOUNG_MS));
        let happened = happened.then_some(now);
        Ok([happened, look, live].into_iter().flatten().min())
    }
}

type Wanted = (bool, bool, Option<String>, Option<String>, Option<UnixMs>);

/// What is to be looked at anew by whoever decides and sends.
pub(in crate::store) fn forget_when(tx: &Transaction<'_>) -> Result<()> {
    tx.prepare_cached("DELETE FROM meta WHERE key = ?1")?
        .execute([LOOK_AT])?;
    Ok(())
}

fn write_told(tx: &Transaction<'_>, row: &ToldRow) -> Result<()> {
    let Some(memory) = &row.memory else {
        tx.prepare_cached("DELETE FROM told WHERE receiver = ?1 AND job = ?2")?
            .execute(params![row.receiver, row.job])?;
        return Ok(());
    };
    // Somebody may have removed the receiver meanwhile.
    tx.prepare_cached(
        "INSERT INTO told(receiver, job, memory, look_at) SELECT id, ?2, ?3, ?4 FROM receiver WHERE id = ?1
         ON CONFLICT(receiver, job) DO UPDATE SET memory = excluded.memory, look_at = excluded.look_at",
    )?
    .execute(params![row.receiver, row.job, memory, row.look_at])?;
    Ok(())
}

pub(in crate::store) fn write_alert(
    tx: &Transaction<'_>,
    alert: &NewAlert,
    now: UnixMs,
) -> Result<usize> {
    let (state, next_at) = match alert.dropped {
        Some(_) => ("dropped", None),
        None => ("pending", Some(alert.next_at)),
    };
    Ok(tx
        .prepare_cached(
            "INSERT OR IGNORE INTO alert(receiver, receiver_name, kind, job, run, subject, text,
               decided_at, state, next_at, last_error, dedupe)
             SELECT id, name, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11 FROM receiver WHERE id = ?1",
        )?
        .execute(params![
            alert.receiver,
            alert.kind.as_str(),
            alert.job,
            alert.run.map(|r| r.0),
            alert.subject,
            alert.text,
            now,
            state,
            next_at,
            alert.dropped,
            alert.dedupe,
        ])?)
}
