//! Versions of schedules and the narrow table of what is due next.

use rusqlite::{Connection, OptionalExtension, Row, params};

use crate::model::{Planned, ScheduleId, Terms};
use crate::schedule::UnixMs;
use crate::store::error::maybe_word;
use crate::store::{Result, Store};

/// A schedule version that still owes instants, and the next of them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Armed {
    /// The version.
    pub planned: Planned,
    /// Its next instant not yet decided; 0 where it is still to be planned.
    pub next_at: UnixMs,
    /// Whether it owes instants at all.
    pub owes: bool,
    /// When it was ended or done, whatever its terms say.
    pub ended: Option<UnixMs>,
    /// Whether it was given all the runs its terms allow.
    pub done: bool,
    /// Whether it could not be read when it was last tried.
    pub failed: bool,
}

const COLUMNS: &str =
    "s.id, s.job, s.expr, s.zone, s.dst, s.anchor, s.from_at, s.until_at, d.next_at, s.shift,
  s.jitter_ms, s.start_at, s.end_at, s.max_fires, s.seed, s.calendar,
  (SELECT c.name FROM calendar c WHERE c.id = s.calendar) AS calendar_name,
  (SELECT c.spec FROM calendar c WHERE c.id = s.calendar) AS calendar_spec,
  CASE WHEN s.max_fires IS NULL THEN 0 ELSE (SELECT count(*) FROM fire f
    WHERE f.schedule = s.id AND f.verdict = 'run') END AS fired,
  s.done, s.error IS NOT NULL AS failed";

impl Store {
    /// The schedules due soonest: all that are due by `by`, and beyond that as many as make `limit`.
    /// Says whether there are more.
    ///
    /// # Errors
    /// Those of reading.
    pub fn due_soonest(&self, by: UnixMs, limit: usize) -> Result<(Vec<Armed>, bool)> {
        let by: i64 = self
            .conn
            .prepare_cached("SELECT count(*) FROM due WHERE next_at <= ?1")?
            .query_row([by], |row| row.get(0))?;
        let limit = limit.max(usize::try_from(by).unwrap_or(0));
        let sql = format!(
            "SELECT {COLUMNS} FROM due d CROSS JOIN schedule s ON s.id = d.schedule
             WHERE s.until_at IS NULL OR d.next_at <= s.until_at
             ORDER BY d.next_at, d.schedule LIMIT ?1"
        );
        let wanted = i64::try_from(limit).unwrap_or(i64::MAX - 1) + 1;
        let mut statement = self.conn.prepare_cached(&sql)?;
        let mut rows: Vec<Armed> = statement
            .query_map([wanted], read)?
            .collect::<rusqlite::Result<_>>()?;
        let more = rows.len() > limit;
        rows.truncate(limit);
        Ok((rows, more))
    }

    /// The versions of a job's schedules that still owe instants, ended ones among them.
    ///
    /// # Errors
    /// Those of reading.
    pub fn owing(&self, job: &str) -> Result<Vec<Armed>> {
        of_job(&self.conn, job, true)
    }

    /// One version by its number.
    ///
    /// # Errors
    /// Those of reading.
    pub fn schedule(&self, id: ScheduleId) -> Result<Option<Planned>> {
        let sql = format!(
            "SELECT {COLUMNS} FROM schedule s LEFT JOIN due d ON d.schedule = s.id WHERE s.id = ?1"
        );
        Ok(self
            .conn
            .prepare_cached(&sql)?
            .query_row([id.0], |row| Ok(read(row)?.planned))
            .optional()?)
    }

    /// Every version there ever was of a job's schedules.
    ///
    /// # Errors
    /// Those of reading.
    pub fn versions_of(&self, job: &str) -> Result<Vec<Planned>> {
        let sql = format!(
            "SELECT {COLUMNS} FROM schedule s LEFT JOIN due d ON d.schedule = s.id
             WHERE s.job = ?1 ORDER BY s.id"
        );
        let mut statement = self.conn.prepare(&sql)?;
        Ok(statement
            .query_map([job], |row| Ok(read(row)?.planned))?
            .collect::<rusqlite::Result<_>>()?)
    }

    /// Every version there ever was, for `audit`.
    ///
    /// # Errors
    /// Those of reading.
    pub fn every_schedule(&self) -> Result<Vec<Armed>> {
        let sql = format!(
            "SELECT {COLUMNS} FROM schedule s LEFT JOIN due d ON d.schedule = s.id ORDER BY s.id"
        );
        let mut statement = self.conn.prepare(&sql)?;
        Ok(statement
            .query_map([], read)?
            .collect::<rusqlite::Result<_>>()?)
    }

    /// Writes the first instant of a version that was still to be planned; without one, it owes
    /// nothing any more. A version that was planned meanwhile is left alone.
    ///
    /// # Errors
    /// Those of writing.
    pub fn plan_first(&mut self, planned: &[(ScheduleId, Option<UnixMs>)]) -> Result<()> {
        if planned.is_empty() {
            return Ok(());
        }
        self.write(|tx| {
            for (id, first) in planned {
                match first {
                    Some(at) => tx
                        .prepare_cached(
                            "UPDATE due SET next_at = ?2 WHERE next_at = 0 AND schedule = ?1",
                        )?
                        .execute(params![id.0, at])?,
                    None => tx
                        .prepare_cached("DELETE FROM due WHERE next_at = 0 AND schedule = ?1")?
                        .execute([id.0])?,
                };
            }
            Ok(())
        })
    }

    /// Forgets the next instants of versions that ended before them.
    ///
    /// # Errors
    /// Those of writing.
    pub fn forget_ended(&mut self) -> Result<usize> {
        Ok(self.conn.execute(
            "DELETE FROM due WHERE schedule IN(SELECT s.id FROM schedule s JOIN due d ON d.schedule = s.id
               WHERE s.until_at IS NOT NULL AND d.next_at > s.until_at)",
            [],
        )?)
    }

    /// The `@reboot` versions that were in force when the host booted at `boot_at` and have no
    /// fire for it.
    ///
    /// # Errors
    /// Those of reading.
    pub fn reboot_schedules(&self, boot_at: UnixMs) -> Result<Vec<Planned>> {
        let sql = format!(
            "SELECT {COLUMNS} FROM schedule s LEFT JOIN due d ON d.schedule = s.id
             WHERE s.expr = '@reboot' AND s.until_at IS NULL AND s.from_at < ?1
               AND NOT EXISTS(SELECT 1 FROM fire f WHERE f.schedule = s.id AND f.planned_at >= ?1)"
        );
        let mut statement = self.conn.prepare(&sql)?;
        Ok(statement
            .query_map([boot_at], |row| Ok(read(row)?.planned))?
            .collect::<rusqlite::Result<_>>()?)
    }

    /// Writes why a version cannot be planned, or that it can again.
    ///
    /// # Errors
    /// Those of writing.
    pub fn set_schedule_error(&mut self, id: ScheduleId, error: Option<&str>) -> Result<()> {
        self.conn
            .prepare_cached("UPDATE schedule SET error = ?2 WHERE id = ?1 AND error IS NOT ?2")?
            .execute(params![id.0, error])?;
        Ok(())
    }

    /// Schedules in force of listed jobs, by number, from after one on.
    ///
    /// # Errors
    /// Those of reading.
    pub fn in_force(&self, after: ScheduleId, limit: usize) -> Result<Vec<Planned>> {
        let sql = format!(
            "SELECT {COLUMNS} FROM schedule s CROSS JOIN job j ON j.name = s.job AND j.listed = 1
             LEFT JOIN due d ON d.schedule = s.id
             WHERE s.id > ?1 AND s.until_at IS NULL AND s.done = 0 ORDER BY s.id LIMIT ?2"
        );
        let mut statement = self.conn.prepare_cached(&sql)?;
        let limit = i64::try_from(limit).unwrap_or(i64::MAX);
        let rows = statement.query_map(params![after.0, limit], read)?;
        let rows = rows.map(|row| Ok(row?.planned));
        Ok(rows.collect::<rusqlite::Result<_>>()?)
    }

    /// The schedules that cannot be planned: their job and why.
    ///
    /// # Errors
    /// Those of reading.
    pub fn schedule_errors(&self) -> Result<Vec<(String, String, String)>> {
        let mut statement = self.conn.prepare(
            "SELECT job, expr, error FROM schedule WHERE error IS NOT NULL AND until_at IS NULL",
        )?;
        Ok(statement
            .query_map([], |row| Ok((row.get(0)?, row.get(1)?, row.get(2)?)))?
            .collect::<rusqlite::Result<_>>()?)
    }
}

/// The versions of a job's schedules: those in force, or those that still owe instants.
pub(in crate::store) fn of_job(conn: &Connection, job: &str, owing: bool) -> Result<Vec<Armed>> {
    let which = if owing {
        "d.next_at IS NOT NULL AND (s.until_at IS NULL OR d.next_at <= s.until_at)"
    } else {
        "(s.until_at IS NULL OR s.done = 1)"
    };
    let sql = format!(
        "SELECT {COLUMNS} FROM schedule s LEFT JOIN due d ON d.schedule = s.id
         WHERE s.job = ?1 AND {which} ORDER BY s.id"
    );
    let mut statement = conn.prepare_cached(&sql)?;
    let rows = statement.query_map([job], read)?;
    Ok(rows.collect::<rusqlite::Result<_>>()?)
}

fn read(row: &Row<'_>) -> rusqlite::Result<Armed> {
    let (start_at, end_at) = (
        row.get::<_, Option<i64>>("start_at")?,
        row.get::<_, Option<i64>>("end_at")?,
    );
    let calendar: Option<i64> = row.get("calendar")?;
    let spec: Option<String> = row.get("calendar_spec")?;
    let (from, until) = (row.get::<_, i64>(6)?, row.get::<_, Option<i64>>(7)?);
    Ok(Armed {
        planned: Planned {
            id: ScheduleId(row.get(0)?),
            job: row.get(1)?,
            expr: row.get(2)?,
            zone: row.get(3)?,
            dst: row.get(4)?,
            anchor: row.get(5)?,
            // Instants after `from` count, and the start itself is one that may.
            from: start_at.map_or(from, |start| from.max(start - 1)),
            until: until.into_iter().chain(end_at).min(),
            terms: Terms {
                calendar: row.get("calendar_name")?,
                shift: maybe_word(row, "shift")?,
                jitter_ms: row.get("jitter_ms")?,
                start_at,
                end_at,
                max_fires: row.get("max_fires")?,
                seed: row.get("seed")?,
            },
            calendar: calendar.zip(spec),
            fired: row.get("fired")?,
        },
        next_at: row.get::<_, Option<i64>>(8)?.unwrap_or(0),
        owes: row.get::<_, Option<i64>>(8)?.is_some(),
        ended: until,
        done: row.get("done")?,
        failed: row.get("failed")?,
    })
}
