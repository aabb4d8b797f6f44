//! Which jobs and runs are a user's own, and what that user may have done with them.
//!
//! A job is a user's own where its definition names a user and has that user's number beside it.
//! Runs from the time when it ran as somebody else are not: they and their output were others'.

use rusqlite::{Connection, OptionalExtension, params};

use crate::model::RunId;
use crate::schedule::UnixMs;
use crate::store::{Request, Result, Store, StoreError};

/// Whether a definition, as JSON text in a column, runs as the user numbered `?2`.
pub(in crate::store) fn runs_as(column: &str, path: &str) -> String {
    format!(
        "CASE WHEN json_valid({column}) THEN coalesce(
           json_extract({column}, '$.{path}user') IS NOT NULL
           AND json_extract({column}, '$.{path}uid') = ?2, 0) ELSE 0 END"
    )
}

impl Store {
    /// Since when a job is the user's own; nothing where it is not, or is not there at all.
    ///
    /// # Errors
    /// Those of reading.
    pub fn own_since(&self, job: &str, uid: u32) -> Result<Option<UnixMs>> {
        own_since(&self.conn, job, uid)
    }

    /// A run, where it is the user's own.
    ///
    /// # Errors
    /// Those of reading.
    pub fn is_own_run(&self, run: RunId, uid: u32) -> Result<bool> {
        is_own_run(&self.conn, run, uid)
    }

    /// Asks for a run of a job that is the user's own.
    ///
    /// # Errors
    /// [`StoreError::NoSuchJob`] also where it is somebody else's.
    pub fn request_own(&mut self, request: &Request, uid: u32, now: UnixMs) -> Result<RunId> {
        self.write(|tx| {
            if own_since(tx, &request.job, uid)?.is_none() {
                return Err(StoreError::NoSuchJob(request.job.clone()));
            }
            crate::store::runs::insert_request(tx, request, now)
        })
    }

    /// Asks to have runs of the user's own ended, or only those that still wait. Says how many; all
    /// others are passed over.
    ///
    /// # Errors
    /// Those of writing.
    pub fn cancel_own(
        &mut self,
        runs: &[RunId],
        waiting_only: bool,
        by: &str,
        uid: u32,
        now: UnixMs,
    ) -> Result<usize> {
        self.write(|tx| {
            let mut asked = 0;
            for run in runs {
                if !is_own_run(tx, *run, uid)? {
                    continue;
                }
                asked += tx
                    .prepare_cached(
                        "UPDATE run SET cancel_at = ?2, cancelled_by = ?3 WHERE id = ?1
                         AND (state = 'queued' OR (state = 'running' AND NOT ?4))",
                    )?
                    .execute(params![run.0, now, by, waiting_only])?;
            }
            Ok(asked)
        })
    }
}

fn own_since(conn: &Connection, job: &str, uid: u32) -> Result<Option<UnixMs>> {
    let (own, then) = (runs_as("j.spec", ""), runs_as("h.definition", "spec."));
    let sql = format!(
        "WITH others(id, at) AS (SELECT max(h.id), max(h.at) FROM history h
           WHERE h.job = ?1 AND NOT {then})
         SELECT coalesce((SELECT min(h.at) FROM history h, others o
             WHERE h.job = ?1 AND h.id > coalesce(o.id, 0)),
           (SELECT at FROM others), j.created_at)
         FROM job j WHERE j.name = ?1 AND {own}"
    );
    let mut statement = conn.prepare_cached(&sql)?;
    Ok(statement
        .query_row(params![job, uid], |row| row.get(0))
        .optional()?)
}

fn is_own_run(conn: &Connection, run: RunId, uid: u32) -> Result<bool> {
    let found: Option<(String, Option<UnixMs>)> = conn
        .prepare_cached("SELECT job, queued_at FROM run WHERE id = ?1")?
        .query_row([run.0], |row| Ok((row.get(0)?, row.get(1)?)))
        .optional()?;
    let Some((job, Some(queued_at))) = found else {
        return Ok(false);
    };
    Ok(own_since(conn, &job, uid)?.is_some_and(|since| queued_at >= since))
}
