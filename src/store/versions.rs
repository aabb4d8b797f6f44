//! Versions of schedules and calendars: what is changed is ended and made anew, so that the past can
//! be computed again.

use rusqlite::{OptionalExtension, Transaction, params};
use serde::{Deserialize, Serialize};

use crate::model::{Planned, Terms};
use crate::schedule::UnixMs;
use crate::store::{JobRow, Result, Store, StoreError};

/// A schedule to be given to a job.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct NewSchedule {
    /// The expression.
    pub expr: String,
    /// Time zone by name; the system's where none is given.
    pub zone: Option<String>,
    /// The rule for daylight saving changes.
    pub dst: String,
    /// Where intervals are counted from.
    pub anchor: Option<UnixMs>,
    /// What bounds it beyond its expression.
    #[serde(default)]
    pub terms: Terms,
}

impl NewSchedule {
    /// A schedule of an expression and nothing else.
    pub fn of(expr: &str) -> NewSchedule {
        NewSchedule {
            expr: expr.to_owned(),
            zone: None,
            dst: "vixie".to_owned(),
            anchor: None,
            terms: Terms::default(),
        }
    }
}

impl From<&Planned> for NewSchedule {
    fn from(planned: &Planned) -> NewSchedule {
        NewSchedule {
            expr: planned.expr.clone(),
            zone: planned.zone.clone(),
            dst: planned.dst.clone(),
            anchor: planned.anchor,
            terms: planned.terms.clone(),
        }
    }
}

/// Ends a version now; or, where the clock was set back since, with the last instant that was
/// decided for it, so that no row of the ledger lies outside the time in which it was in force.
pub(in crate::store) const END: &str =
    "until_at = max(?2, coalesce((SELECT max(f.until_at) FROM fire f
  WHERE f.schedule = schedule.id), ?2))";

/// Ends the schedules that are no longer wanted and adds the new ones; one that stays the same
/// keeps its number, so that its ledger goes on without a seam.
pub(in crate::store) fn change_schedules(
    tx: &Transaction<'_>,
    job: &str,
    old: Option<&JobRow>,
    wanted: &[NewSchedule],
    now: UnixMs,
) -> Result<()> {
    let mut wanted: Vec<(&NewSchedule, Option<i64>)> = wanted
        .iter()
        .map(|new| Ok((new, calendar_of(tx, new.terms.calendar.as_deref())?)))
        .collect::<Result<_>>()?;
    for (planned, _) in old.map(|o| o.schedules.as_slice()).unwrap_or_default() {
        let calendar = planned.calendar.as_ref().map(|(id, _)| *id);
        let same = |(new, id): &(&NewSchedule, Option<i64>)| {
            **new == NewSchedule::from(planned) && *id == calendar
        };
        match wanted.iter().position(same) {
            Some(index) => {
                wanted.remove(index);
            }
            None => end(tx, planned, now)?,
        }
    }
    for (schedule, calendar) in wanted {
        insert(tx, job, schedule, calendar, now)?;
    }
    Ok(())
}

fn end(tx: &Transaction<'_>, planned: &Planned, now: UnixMs) -> Result<()> {
    tx.execute(
        &format!("UPDATE schedule SET {END} WHERE id = ?1 AND until_at IS NULL"),
        params![planned.id.0, now],
    )?;
    tx.execute("UPDATE schedule SET done = 0 WHERE id = ?1", [planned.id.0])?;
    Ok(())
}

fn insert(
    tx: &Transaction<'_>,
    job: &str,
    schedule: &NewSchedule,
    calendar: Option<i64>,
    now: UnixMs,
) -> Result<()> {
    let terms = &schedule.terms;
    tx.execute(
        "INSERT INTO schedule(job, expr, zone, dst, anchor, calendar, shift, jitter_ms, start_at,
           end_at, max_fires, seed, from_at) VALUES(?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13)",
        params![
            job,
            schedule.expr,
            schedule.zone,
            schedule.dst,
            schedule.anchor,
            calendar,
            terms.shift.map(|s| s.as_str()),
            terms.jitter_ms,
            terms.start_at,
            terms.end_at,
            terms.max_fires,
            terms.seed,
            now,
        ],
    )?;
    Ok(())
}

/// The version in force of a calendar.
fn calendar_of(tx: &Transaction<'_>, name: Option<&str>) -> Result<Option<i64>> {
    let Some(name) = name else {
        return Ok(None);
    };
    let id: Option<i64> = tx
        .query_row(
            "SELECT id FROM calendar WHERE name = ?1 AND until_at IS NULL",
            [name],
            |row| row.get(0),
        )
        .optional()?;
    match id {
        Some(id) => Ok(Some(id)),
        None => Err(StoreError::NoSuchCalendar(name.to_owned())),
    }
}

/// A calendar as it is stored.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CalendarRow {
    /// Its name.
    pub name: String,
    /// What it says, as JSON text.
    pub spec: String,
    /// Where it came from, for example a file.
    pub source: Option<String>,
    /// When it was put in force.
    pub from: UnixMs,
    /// The jobs that go by it.
    pub jobs: Vec<String>,
}

impl Store {
    /// Puts a calendar in force; with `replace`, in the place of one of the same name, and the
    /// schedules that go by that one go by this from now on.
    ///
    /// # Errors
    /// [`StoreError::NameTaken`] without `replace`.
    pub fn put_calendar(
        &mut self,
        name: &str,
        spec: &str,
        source: Option<&str>,
        replace: bool,
        now: UnixMs,
    ) -> Result<()> {
        self.write(|tx| {
            let old = calendar_of(tx, Some(name)).ok().flatten();
            if old.is_some() && !replace {
                return Err(StoreError::NameTaken(name.to_owned()));
            }
            tx.execute(
                "UPDATE calendar SET until_at = ?2 WHERE name = ?1 AND until_at IS NULL",
                params![name, now],
            )?;
            tx.execute(
                "INSERT INTO calendar(name, spec, source, from_at) VALUES(?1, ?2, ?3, ?4)",
                params![name, spec, source, now],
            )?;
            let new = tx.last_insert_rowid();
            if let Some(old) = old {
                renew(tx, "calendar = ?2", &old, Some(new), now)?;
            }
            Ok(())
        })
    }

    /// Removes a calendar that no schedule goes by.
    ///
    /// # Errors
    /// [`StoreError::NoSuchCalendar`], [`StoreError::CalendarInUse`].
    pub fn remove_calendar(&mut self, name: &str, now: UnixMs) -> Result<()> {
        let row = self
            .calendars()?
            .into_iter()
            .find(|c| c.name == name)
            .ok_or_else(|| StoreError::NoSuchCalendar(name.to_owned()))?;
        if let Some(job) = row.jobs.first() {
            return Err(StoreError::CalendarInUse(name.to_owned(), job.clone()));
        }
        self.conn.execute(
            "UPDATE calendar SET until_at = ?2 WHERE name = ?1 AND until_at IS NULL",
            params![name, now],
        )?;
        Ok(())
    }

    /// The calendars in force, by name.
    ///
    /// # Errors
    /// Those of reading.
    pub fn calendars(&self) -> Result<Vec<CalendarRow>> {
        let mut statement = self.conn.prepare(
            "SELECT name, spec, source, from_at, (SELECT group_concat(DISTINCT s.job) FROM schedule s
               WHERE s.calendar = c.id AND s.until_at IS NULL)
             FROM calendar c WHERE until_at IS NULL ORDER BY name",
        )?;
        let rows = statement.query_map([], |row| {
            let jobs: Option<String> = row.get(4)?;
            Ok(CalendarRow {
                name: row.get(0)?,
                spec: row.get(1)?,
                source: row.get(2)?,
                from: row.get(3)?,
                jobs: jobs.map_or_else(Vec::new, |j| j.split(',').map(str::to_owned).collect()),
            })
        })?;
        Ok(rows.collect::<rusqlite::Result<_>>()?)
    }

    /// The zones that schedules in force go by; none stands for the host's own.
    ///
    /// # Errors
    /// Those of reading.
    pub fn zones_in_force(&self) -> Result<Vec<Option<String>>> {
        let mut statement = self
            .conn
            .prepare("SELECT DISTINCT zone FROM schedule WHERE until_at IS NULL")?;
        Ok(statement
            .query_map([], |row| row.get(0))?
            .collect::<rusqlite::Result<_>>()?)
    }

    /// Ends the schedules that go by a zone, or by the host's own where none is named, and makes
    /// them anew from now on: the zone's rules have changed. Says how many.
    ///
    /// # Errors
    /// Those of writing.
    pub fn renew_zone(&mut self, zone: Option<&str>, now: UnixMs) -> Result<usize> {
        self.write(|tx| renew(tx, "zone IS ?2", &zone, None, now))
    }
}

/// Ends the versions in force that a condition names and makes the same anew from now on, by
/// another version of their calendar where one is given.
fn renew(
    tx: &Transaction<'_>,
    which: &str,
    value: &dyn rusqlite::ToSql,
    calendar: Option<i64>,
    now: UnixMs,
) -> Result<usize> {
    let sql =
        format!("SELECT id FROM schedule WHERE until_at IS NULL AND ?1 IS NOT NULL AND {which}");
    let ids: Vec<i64> = tx
        .prepare(&sql)?
        .query_map(params![now, value], |row| row.get(0))?
        .collect::<rusqlite::Result<_>>()?;
    for id in &ids {
        tx.execute(
            "INSERT INTO schedule(job, expr, zone, dst, anchor, calendar, shift, jitter_ms, start_at,
               end_at, max_fires, seed, from_at)
             SELECT job, expr, zone, dst, anchor, coalesce(?2, calendar), shift, jitter_ms, start_at,
               end_at, CASE WHEN max_fires IS NULL THEN NULL ELSE max(1, max_fires -
                 (SELECT count(*) FROM fire f WHERE f.schedule = schedule.id AND f.verdict = 'run')) END,
               seed, ?3 FROM schedule WHERE id = ?1",
            params![id, calendar, now],
        )?;
        tx.execute(
            &format!("UPDATE schedule SET {END} WHERE id = ?1"),
            params![id, now],
        )?;
    }
    Ok(ids.len())
}
