//! Recording what the firing thread decided.
//!
//! Every record may come twice: once from the thread itself and once more from the ring after a
//! crash. Recording it again changes nothing, because each statement is keyed by what it is about
//! and guarded by the fence.

use rusqlite::{Connection, OptionalExtension, Transaction, params};

use crate::model::{
    Drop, Ended, Fence, Fire, Gap, NewRun, Next, Note, Record, RunId, Spawned, Start,
};
use crate::schedule::UnixMs;
use crate::store::follow::run_followers;
use crate::store::mails::owe_mail;
use crate::store::touched::forget_journaled;
use crate::store::{Result, Store};

/// Numbers from here on were given out without the store; see the engine's numbers.
const PROVISIONAL: i64 = 1 << 40;

impl Store {
    /// Records a batch in one transaction, and up to which place of the ring it reaches. Gives the
    /// runs that had to be recorded under another number: the one given out and the other.
    ///
    /// # Errors
    /// Those of writing; then nothing of the batch is recorded.
    pub fn record(
        &mut self,
        records: &[Record],
        ring_seq: Option<i64>,
        now: UnixMs,
    ) -> Result<Vec<(RunId, RunId)>> {
        let journaled = self.journaled;
        self.write(|tx| {
            forget_journaled(tx, journaled)?;
            let mut renumbered = Vec::new();
            for record in records {
                if let Some(other) = record_one(tx, record)? {
                    renumbered.push(other);
                }
            }
            if let Some(seq) = ring_seq {
                tx.prepare_cached(
                    "INSERT INTO meta(key, value) VALUES('ring_seq', ?1)
                     ON CONFLICT(key) DO UPDATE SET value = excluded.value
                     WHERE CAST(excluded.value AS INT) > CAST(value AS INT)",
                )?
                .execute([seq.to_string()])?;
            }
            tx.prepare_cached(
                "UPDATE session SET alive_at = ?1 WHERE id = (SELECT max(id) FROM session) AND alive_at < ?1",
            )?
            .execute([now])?;
            Ok(renumbered)
        })
    }

    /// The number a run is recorded under: another one where the number its job has seen was
    /// provisional.
    ///
    /// # Errors
    /// Those of reading.
    pub fn number_of(&self, run: RunId) -> Result<RunId> {
        real_number(&self.conn, run)
    }

    /// The run, the number of the attempt and the job that a claim belongs to, where the attempt's
    /// end is not recorded.
    ///
    /// # Errors
    /// Those of reading.
    pub fn unended_attempt(&self, fence: Fence) -> Result<Option<(RunId, u32, String)>> {
        Ok(self
            .conn
            .prepare_cached(
                "SELECT a.run, a.n, r.job FROM attempt a JOIN run r ON r.id = a.run
                 WHERE a.fence = ?1 AND a.ended_at IS NULL",
            )?
            .query_row([fence.0], |row| {
                Ok((RunId(row.get(0)?), row.get(1)?, row.get(2)?))
            })
            .optional()?)
    }

    /// Up to which place of the ring everything is recorded.
    ///
    /// # Errors
    /// Those of reading.
    pub fn ring_seq(&self) -> Result<i64> {
        let value: Option<String> = self
            .conn
            .query_row("SELECT value FROM meta WHERE key = 'ring_seq'", [], |row| {
                row.get(0)
            })
            .optional()?;
        Ok(value.and_then(|v| v.parse().ok()).unwrap_or(0))
    }
}

fn record_one(tx: &Transaction<'_>, record: &Record) -> Result<Option<(RunId, RunId)>> {
    let (given, kept) = match record {
        Record::Fire(fire) => (fire.make.as_ref().map(|n| n.run), record_fire(tx, fire)?),
        Record::New(new) => (Some(new.run), Some(record_new(tx, new)?)),
        other => {
            record_other(tx, other)?;
            (None, None)
        }
    };
    Ok(given.zip(kept).filter(|(given, kept)| given != kept))
}

fn record_other(tx: &Transaction<'_>, record: &Record) -> Result<()> {
    match record {
        Record::Fire(_) | Record::New(_) => Ok(()),
        Record::Start(start) => record_start(tx, start),
        Record::Spawned(spawned) => record_spawned(tx, spawned),
        Record::Ended(ended) => record_ended(tx, ended),
        Record::Drop(drop) => record_drop(tx, drop),
        Record::Gap(gap) => record_gap(tx, gap),
        Record::Back(back) => crate::store::rewind::note_rewind(tx, back),
        Record::Note(note) => record_note(tx, note),
    }
}

fn record_fire(tx: &Transaction<'_>, fire: &Fire) -> Result<Option<RunId>> {
    let run = match &fire.make {
        Some(new) => Some(record_new(tx, new)?),
        None => fire.run.map(|run| real_number(tx, run)).transpose()?,
    };
    tx.prepare_cached(
        "INSERT OR IGNORE INTO fire(schedule, planned_at, verdict, run, blocked_by, late_ms, reason,
           note, decided_at, count, until_at) VALUES(?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11)",
    )?
    .execute(params![
        fire.schedule.0,
        fire.planned_at,
        fire.verdict.as_str(),
        run.map(|r| r.0),
        fire.blocked_by.map(|r| r.0),
        fire.late_ms,
        fire.reason.map(|r| r.as_str()),
        fire.note,
        fire.decided_at,
        fire.count,
        fire.until,
    ])?;
    // A version that was ended a moment before the firing side heard of it was in force until then.
    tx.prepare_cached("UPDATE schedule SET until_at = ?2 WHERE id = ?1 AND until_at < ?2")?
        .execute(params![fire.schedule.0, fire.until])?;
    match fire.next_at {
        // The cursor only ever moves forward, so an old record cannot make the past due again.
        Some(next) => tx
            .prepare_cached("UPDATE due SET next_at = ?2 WHERE schedule = ?1 AND next_at < ?2")?
            .execute(params![fire.schedule.0, next])?,
        None => {
            tx.prepare_cached(
                "UPDATE schedule SET until_at = ?2, done = 1
                 WHERE id = ?1 AND until_at IS NULL AND max_fires IS NOT NULL",
            )?
            .execute(params![fire.schedule.0, fire.until])?;
            tx.prepare_cached("DELETE FROM due WHERE schedule = ?1 AND next_at <= ?2")?
                .execute(params![fire.schedule.0, fire.until])?
        }
    };
    Ok(run)
}

/// Makes a run and gives its number: the one the store had put aside, or a new one in the place of
/// a provisional one, which is kept beside it because its job has seen it.
fn record_new(tx: &Transaction<'_>, new: &NewRun) -> Result<RunId> {
    let known = real_number(tx, new.run)?;
    if known != new.run {
        return Ok(known);
    }
    let exists: bool = tx
        .prepare_cached("SELECT EXISTS(SELECT 1 FROM run WHERE id = ?1)")?
        .query_row([new.run.0], |row| row.get(0))?;
    if exists {
        return Ok(new.run);
    }
    if new.run.0 < PROVISIONAL {
        return insert_run(tx, new, Some(new.run));
    }
    let number = insert_run(tx, new, None)?;
    tx.prepare_cached("INSERT INTO meta(key, value) VALUES('renumbered.' || ?1, ?2)")?
        .execute(params![new.run.0, number.0.to_string()])?;
    Ok(number)
}

fn insert_run(tx: &Transaction<'_>, new: &NewRun, number: Option<RunId>) -> Result<RunId> {
    tx.prepare_cached(
        "INSERT INTO run(id, job, queue, priority, run_at, origin, origin_ref, schedule, planned_at,
           accepted, max_attempts, queued_at, deadline_at)
         VALUES(?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, 1, ?10, ?11,
           (SELECT coalesce(?9, ?11) + start_deadline_ms FROM job WHERE name = ?2))",
    )?
    .execute(params![
        number.map(|n| n.0),
        new.job,
        new.queue,
        new.priority,
        new.run_at,
        new.origin.as_str(),
        new.origin_ref,
        new.schedule.map(|s| s.0),
        new.planned_at,
        new.max_attempts,
        new.queued_at,
    ])?;
    Ok(RunId(tx.last_insert_rowid()))
}

/// The number a run is recorded under.
pub(in crate::store) fn real_number(conn: &Connection, run: RunId) -> Result<RunId> {
    if run.0 < PROVISIONAL {
        return Ok(run);
    }
    let other: Option<String> = conn
        .prepare_cached("SELECT value FROM meta WHERE key = 'renumbered.' || ?1")?
        .query_row([run.0], |row| row.get(0))
        .optional()?;
    Ok(other.and_then(|v| v.parse().ok()).map_or(run, RunId))
}

fn record_start(tx: &Transaction<'_>, start: &Start) -> Result<()> {
    let run = real_number(tx, start.run)?;
    let changed = tx
        .prepare_cached(
            "UPDATE run SET state = 'running', attempt = ?2, fence = ?3
             WHERE id = ?1 AND fence < ?3 AND state IN('queued', 'running')",
        )?
        .execute(params![run.0, start.attempt, start.fence.0])?;
    if changed == 0 {
        return Ok(());
    }
    tx.prepare_cached(
        "INSERT OR IGNORE INTO attempt(run, n, fence, boot_id, claimed_at) VALUES(?1, ?2, ?3, ?4, ?5)",
    )?
    .execute(params![
        run.0,
        start.attempt,
        start.fence.0,
        start.boot_id,
        start.at
    ])?;
    Ok(())
}

fn record_spawned(tx: &Transaction<'_>, spawned: &Spawned) -> Result<()> {
    let run = real_number(tx, spawned.run)?;
    tx.prepare_cached(
        "UPDATE attempt SET pid = ?2, slot = ?3, started_at = ?4
         WHERE run = ?5 AND fence = ?1 AND started_at IS NULL",
    )?
    .execute(params![
        spawned.fence.0,
        spawned.pid,
        spawned.slot,
        spawned.at,
        run.0
    ])?;
    started(tx, run, spawned.fence, spawned.at)
}

fn started(tx: &Transaction<'_>, run: RunId, fence: Fence, at: UnixMs) -> Result<()> {
    tx.prepare_cached(
        "UPDATE run SET started_at = ?3 WHERE id = ?1 AND fence = ?2 AND started_at IS NULL",
    )?
    .execute(params![run.0, fence.0, at])?;
    Ok(())
}

fn record_ended(tx: &Transaction<'_>, ended: &Ended) -> Result<()> {
    let run = real_number(tx, ended.run)?;
    let report = ended.report.as_ref();
    let (code, signal) = (
        report.and_then(|r| r.exit_code()),
        report.and_then(|r| r.signal()),
    );
    if let Some(report) = report {
        tx.prepare_cached(
            "UPDATE attempt SET started_at = ?3 WHERE run = ?1 AND fence = ?2 AND started_at IS NULL",
        )?
        .execute(params![run.0, ended.fence.0, report.started_at])?;
        started(tx, run, ended.fence, report.started_at)?;
    }
    let told = tx
        .prepare_cached(
        "UPDATE attempt SET ended_at = ?3, outcome = ?4, exit_code = ?5, signal = ?6, reason = ?7,
           cpu_ms = ?8, max_rss = ?9, out_bytes = ?10, out_dropped = ?11
         WHERE run = ?1 AND fence = ?2 AND ended_at IS NULL",
    )?
    .execute(params![
        run.0,
        ended.fence.0,
        ended.at,
        ended.outcome.as_str(),
        code,
        signal,
        ended.reason,
        report.map(|r| r.cpu_ms),
        report.map(|r| r.max_rss),
        report.map(|r| r.output.total.cast_signed()),
        report.map(|r| r.output.dropped.cast_signed()),
    ])?;
    if told > 0 {
        owe_mail(tx, run, ended)?;
    }
    match ended.next {
        Next::Final => {
            let over = tx
                .prepare_cached(
                "UPDATE run SET state = ?3, ended_at = ?4, exit_code = ?5, signal = ?6, reason = ?7
                 WHERE id = ?1 AND fence = ?2 AND state = 'running'",
            )?
            .execute(params![
                run.0,
                ended.fence.0,
                ended.outcome.as_str(),
                ended.at,
                code,
                signal,
                ended.reason
            ])?;
            // Whoever records the end again finds it recorded, and its followers with it.
            if over > 0 {
                run_followers(tx, run, ended.outcome, ended.at)?;
            }
        }
        Next::Retry(at) => {
            tx.prepare_cached(
                "UPDATE run SET state = 'queued', run_at = ?3, reason = ?4
                 WHERE id = ?1 AND fence = ?2 AND state = 'running'",
            )?
            .execute(params![run.0, ended.fence.0, at, ended.reason])?;
        }
    };
    Ok(())
}

fn record_drop(tx: &Transaction<'_>, drop: &Drop) -> Result<()> {
    let run = real_number(tx, drop.run)?;
    let over = tx
        .prepare_cached(
            "UPDATE run SET state = ?2, ended_at = ?3, reason = ?4 WHERE id = ?1 AND state = 'queued'",
        )?
        .execute(params![run.0, drop.outcome.as_str(), drop.at, drop.reason])?;
    match over {
        0 => Ok(()),
        _ => run_followers(tx, run, drop.outcome, drop.at),
    }
}

fn record_gap(tx: &Transaction<'_>, gap: &Gap) -> Result<()> {
    tx.prepare_cached("INSERT OR IGNORE INTO gap(from_at, until_at, reason) VALUES(?1, ?2, ?3)")?
        .execute(params![gap.from, gap.until, gap.reason.as_str()])?;
    Ok(())
}

pub(in crate::store) fn record_note(tx: &Transaction<'_>, note: &Note) -> Result<()> {
    tx.prepare_cached(
        "INSERT INTO event(at, level, kind, job, run, text) VALUES(?1, ?2, ?3, ?4, ?5, ?6)",
    )?
    .execute(params![
        note.at,
        note.level.as_str(),
        note.kind,
        note.job,
        note.run.map(|r| r.0),
        note.text
    ])?;
    Ok(())
}
