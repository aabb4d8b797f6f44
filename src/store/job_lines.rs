//! All jobs at a glance: what a list of them shows, without reading their definitions.

use crate::model::Pause;
use crate::schedule::UnixMs;
use crate::store::{Result, Store};

/// What a list shows of a job.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct JobGlance {
    /// Its name.
    pub name: String,
    /// Its queue.
    pub queue: String,
    /// Its labels.
    pub tags: Vec<String>,
    /// The expressions of its schedules, as one text.
    pub schedule: String,
    /// Whether its definition is what no program of ours writes.
    pub unreadable: bool,
}

impl Store {
    /// All listed jobs at a glance, by name.
    ///
    /// # Errors
    /// Those of reading.
    pub fn job_glances(&self) -> Result<Vec<JobGlance>> {
        let mut statement = self.conn.prepare_cached(
            "SELECT j.name, j.queue,
               CASE WHEN json_valid(j.spec) THEN ifnull(json_extract(j.spec, '$.tags'), '[]') END,
               ifnull((SELECT group_concat(expr, ', ') FROM (SELECT s.expr FROM schedule s
                 WHERE s.job = j.name AND (s.until_at IS NULL OR s.done = 1) ORDER BY s.id)), '')
             FROM job j WHERE j.listed = 1 ORDER BY j.name",
        )?;
        let rows = statement.query_map([], |row| {
            let tags: Option<String> = row.get(2)?;
            let read = tags.as_deref().map(serde_json::from_str::<Vec<String>>);
            Ok(JobGlance {
                name: row.get(0)?,
                queue: row.get(1)?,
                unreadable: !matches!(read, Some(Ok(_))),
                tags: read.and_then(std::result::Result::ok).unwrap_or_default(),
                schedule: row.get(3)?,
            })
        })?;
        Ok(rows.collect::<rusqlite::Result<_>>()?)
    }

    /// The pauses of all jobs that hold at an instant or are to come, with their jobs, the latest
    /// first.
    ///
    /// # Errors
    /// Those of reading.
    pub fn pauses_from(&self, now: UnixMs) -> Result<Vec<(String, Pause)>> {
        let mut statement = self.conn.prepare_cached(
            "SELECT job, from_at, until_at, paused_by, reason FROM pause
             WHERE until_at IS NULL OR until_at > ?1 ORDER BY from_at DESC",
        )?;
        let rows = statement.query_map([now], |row| {
            let pause = Pause {
                from: row.get(1)?,
                until: row.get(2)?,
                by: row.get(3)?,
                reason: row.get(4)?,
            };
            Ok((row.get(0)?, pause))
        })?;
        Ok(rows.collect::<rusqlite::Result<_>>()?)
    }
}
