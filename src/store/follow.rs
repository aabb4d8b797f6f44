//! Jobs that follow others: which, and the runs made of them at the end of a run.

use std::collections::{BTreeMap, HashMap, HashSet};

use rusqlite::{OptionalExtension, Transaction, params};

use crate::model::{Job, Level, Note, Outcome, RunId, Whence};
use crate::schedule::UnixMs;
use crate::store::error::word;
use crate::store::jobs::{job_row, keep, write_job};
use crate::store::ledger::record_note;
use crate::store::{Result, Store, StoreError};

/// That one job runs after another.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FollowRow {
    /// The job that is followed.
    pub upstream: String,
    /// By which of its ends.
    pub whence: Whence,
    /// The job that runs then.
    pub follower: String,
    /// The job whose definition says so.
    pub owner: String,
}

/// Writes what a definition says of who follows whom in the place of what it said before.
pub(in crate::store) fn write_follows(tx: &Transaction<'_>, job: &Job) -> Result<()> {
    tx.prepare_cached("DELETE FROM follow WHERE owner = ?1")?
        .execute([&job.name])?;
    let edges = job.spec.follow.edges(&job.name);
    for (upstream, whence, follower) in &edges {
        tx.prepare_cached(
            "INSERT OR IGNORE INTO follow(upstream, whence, follower, owner) VALUES(?1, ?2, ?3, ?4)",
        )?
        .execute(params![upstream, whence.as_str(), follower, job.name])?;
    }
    // Every edge written touches the job, so a circle they close leads through it.
    match edges.is_empty() {
        true => Ok(()),
        false => refuse_circle(tx, &job.name),
    }
}

fn refuse_circle(tx: &Transaction<'_>, start: &str) -> Result<()> {
    let mut statement =
        tx.prepare_cached("SELECT DISTINCT follower FROM follow WHERE upstream = ?1")?;
    let mut seen: HashSet<String> = HashSet::new();
    let mut came: HashMap<String, String> = HashMap::new();
    let mut open = vec![start.to_owned()];
    while let Some(job) = open.pop() {
        let followers: Vec<String> = statement
            .query_map([&job], |row| row.get(0))?
            .collect::<rusqlite::Result<_>>()?;
        for follower in followers {
            if follower == start {
                let mut path = vec![start.to_owned()];
                let mut at = job.as_str();
                while at != start {
                    path.push(at.to_owned());
                    at = came.get(at).map_or(start, String::as_str);
                }
                path.push(start.to_owned());
                path.reverse();
                return Err(StoreError::Circle(path.join(" -> ")));
            }
            if seen.insert(follower.clone()) {
                came.insert(follower.clone(), job.clone());
                open.push(follower);
            }
        }
    }
    Ok(())
}

/// Makes the runs that follow the end of a run, in the transaction that records it.
pub(in crate::store) fn run_followers(
    tx: &Transaction<'_>,
    run: RunId,
    outcome: Outcome,
    at: UnixMs,
) -> Result<()> {
    let Some(whence) = outcome.whence() else {
        return Ok(());
    };
    let job: Option<String> = tx
        .prepare_cached("SELECT job FROM run WHERE id = ?1")?
        .query_row([run.0], |row| row.get(0))
        .optional()?;
    let Some(job) = job else {
        return Ok(());
    };
    let followers: Vec<String> = tx
        .prepare_cached(
            "SELECT DISTINCT follower FROM follow WHERE upstream = ?1 AND whence = ?2 ORDER BY follower",
        )?
        .query_map(params![job, whence.as_str()], |row| row.get(0))?
        .collect::<rusqlite::Result<_>>()?;
    for follower in followers {
        let Some((level, why)) = hindrance(tx, &follower, at)? else {
            insert(tx, &follower, &job, run, outcome, at)?;
            continue;
        };
        let text = format!("{follower} does not run after run {run} of {job}: {why}");
        let note = Note {
            at,
            level,
            kind: "follow".to_owned(),
            job: Some(follower),
            run: Some(run),
            text,
        };
        record_note(tx, &note)?;
    }
    Ok(())
}

/// Why a follower gets no run.
fn hindrance(tx: &Transaction<'_>, job: &str, at: UnixMs) -> Result<Option<(Level, &'static str)>> {
    let found: Option<(bool, bool)> = tx
        .prepare_cached(
            "SELECT EXISTS(SELECT 1 FROM pause p WHERE p.job = j.name AND p.from_at <= ?2
                 AND (p.until_at IS NULL OR p.until_at > ?2)),
               j.queue_max <= (SELECT count(*) FROM run r
                 WHERE r.state = 'queued' AND r.queue = j.queue AND r.job = j.name)
             FROM job j WHERE j.name = ?1",
        )?
        .query_row(params![job, at], |row| Ok((row.get(0)?, row.get(1)?)))
        .optional()?;
    Ok(match found {
        None => Some((Level::Warn, "there is no such job")),
        Some((true, _)) => Some((Level::Info, "it is paused")),
        Some((_, true)) => Some((Level::Warn, "as many of its runs wait as may")),
        Some((false, false)) => None,
    })
}

fn insert(
    tx: &Transaction<'_>,
    follower: &str,
    upstream: &str,
    run: RunId,
    outcome: Outcome,
    at: UnixMs,
) -> Result<()> {
    let env: BTreeMap<&str, String> = [
        ("CRAKE_UPSTREAM_JOB", upstream.to_owned()),
        ("CRAKE_UPSTREAM_RUN", run.to_string()),
        ("CRAKE_UPSTREAM_OUTCOME", outcome.to_string()),
    ]
    .into();
    let env = serde_json::to_string(&env).map_err(|e| StoreError::Unreadable(e.to_string()))?;
    tx.prepare_cached(
        "INSERT INTO run(job, env, queue, priority, run_at, origin, origin_ref, planned_at,
           queued_at, accepted, max_attempts, deadline_at)
         SELECT name, ?2, queue, priority, ?3, 'run', ?4, ?3, ?3, 1, retry + 1, ?3 + start_deadline_ms
         FROM job WHERE name = ?1",
    )?
    .execute(params![follower, env, at, run.to_string()])?;
    Ok(())
}

/// Gives a job another name in the definitions of those that follow it or that it follows.
pub(in crate::store) fn rename_follows(
    tx: &Transaction<'_>,
    old: &str,
    new: &str,
    by: &str,
    now: UnixMs,
) -> Result<()> {
    let owners: Vec<String> = tx
        .prepare(
            "SELECT DISTINCT owner FROM follow WHERE upstream = ?1 OR follower = ?1 OR owner = ?1",
        )?
        .query_map([old], |row| row.get(0))?
        .collect::<rusqlite::Result<_>>()?;
    for owner in owners {
        let own = owner == old;
        let Some(mut row) = job_row(tx, if own { new } else { &owner })? else {
            continue;
        };
        if own {
            tx.execute("DELETE FROM follow WHERE owner = ?1", [old])?;
        }
        if row.job.spec.follow.rename(old, new) {
            row.job.version += 1;
            write_job(tx, &row.job, now)?;
            let what = format!("{old} is now {new}");
            keep(tx, &row.job, &row.schedules, &what, by, now)?;
        } else {
            write_follows(tx, &row.job)?;
        }
    }
    Ok(())
}

impl Store {
    /// Who follows a job and whom it follows, by whatever definition.
    ///
    /// # Errors
    /// Those of reading.
    pub fn follows(&self, job: &str) -> Result<Vec<FollowRow>> {
        self.follow_rows("upstream = ?1 OR follower = ?1", job)
    }

    /// What the definitions of others say of a job: who would miss it.
    ///
    /// # Errors
    /// Those of reading.
    pub fn missed_by(&self, job: &str) -> Result<Vec<FollowRow>> {
        self.follow_rows("(upstream = ?1 OR follower = ?1) AND owner <> ?1", job)
    }

    /// What definitions say of jobs that there are not.
    ///
    /// # Errors
    /// Those of reading.
    pub fn unknown_follows(&self) -> Result<Vec<FollowRow>> {
        let gone = "NOT EXISTS(SELECT 1 FROM job WHERE name = follower)
          OR NOT EXISTS(SELECT 1 FROM job WHERE name = upstream)";
        self.follow_rows(&format!("?1 = '' AND ({gone})"), "")
    }

    fn follow_rows(&self, which: &str, job: &str) -> Result<Vec<FollowRow>> {
        let sql = format!(
            "SELECT upstream, whence, follower, owner FROM follow WHERE {which}
             ORDER BY upstream, whence, follower, owner"
        );
        let mut statement = self.conn.prepare(&sql)?;
        let rows = statement.query_map([job], |row| {
            Ok(FollowRow {
                upstream: row.get("upstream")?,
                whence: word(row, "whence")?,
                follower: row.get("follower")?,
                owner: row.get("owner")?,
            })
        })?;
        Ok(rows.collect::<rusqlite::Result<_>>()?)
    }
}
