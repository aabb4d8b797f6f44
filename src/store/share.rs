//! The part of a store that belongs to one user: the jobs that run as that user, and what came of
//! them since they do. It is read here for somebody who may not open the file, and put into a store
//! in memory there, so that the same code looks at both. What is whose stands in `own.rs`.

use std::collections::BTreeSet;

use rusqlite::config::DbConfig;
use rusqlite::{Params, params};

use crate::model::{Outcome, RunId, RunState};
use crate::schedule::UnixMs;
use crate::store::own::runs_as;
use crate::store::rebuild::put_one;
use crate::store::touched::{Image, all_cells, tables};
use crate::store::{Result, RunFilter, Store, StoreError};

/// Bytes of rows after which a part ends and the next begins; one item more may be in it.
const ENOUGH: usize = 512 * 1024;

/// Most runs in one part, and runs of a job that go with it: the newest, those alive, those that
/// show how long it usually takes.
const RUNS: usize = 1_000;
const NEWEST: usize = 5;
const ALIVE: usize = 100;
const USUAL: usize = 20;

/// Most jobs a part of runs comes with.
const JOBS: usize = 50;

/// Steps of SQLite's machine after which a question counts as too costly, in rounds of a thousand.
const ROUNDS: u32 = 200_000;

/// Rows that belong to one user.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Part {
    /// The rows.
    pub rows: Vec<Image>,
    /// Where the next part begins: after this job, or before this run.
    pub more: Option<String>,
    weight: usize,
}

/// Which runs of one's own are wanted.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct OwnRuns {
    /// Of this job only, in these states only, and so on; the newest first.
    pub filter: RunFilter,
    /// Numbered below this one.
    pub before: Option<RunId>,
    /// With the definitions of their jobs and what is usual for these.
    pub with_jobs: bool,
}

impl Store {
    /// Looks at no more rows than a question of somebody else may cost.
    ///
    /// # Errors
    /// None that is expected.
    pub fn bound_cost(&mut self) -> Result<()> {
        let mut rounds = 0;
        let too_many = move || {
            rounds += 1;
            rounds > ROUNDS
        };
        Ok(self.conn.progress_handler(1_000, Some(too_many))?)
    }

    /// The user's own jobs in the order of their names, those after `after`.
    ///
    /// # Errors
    /// Those of reading.
    pub fn own_jobs(&self, uid: u32, after: Option<&str>) -> Result<Part> {
        let names: Vec<String> = {
            let own = runs_as("spec", "");
            let sql = format!("SELECT name FROM job WHERE name > ?1 AND {own} ORDER BY name");
            let mut statement = self.conn.prepare_cached(&sql)?;
            let rows = statement.query_map(params![after.unwrap_or(""), uid], |r| r.get(0))?;
            rows.collect::<rusqlite::Result<_>>()?
        };
        let mut part = Part::default();
        for name in names {
            if part.weight > ENOUGH {
                return Ok(part);
            }
            self.add_job(&mut part, &name, uid)?;
            part.more = Some(name);
        }
        part.more = None;
        Ok(part)
    }

    /// One of the user's own jobs, with who changed it when where that is wanted; no rows where
    /// there is none.
    ///
    /// # Errors
    /// Those of reading.
    pub fn own_job(&self, job: &str, history: bool, uid: u32) -> Result<Part> {
        let mut part = Part::default();
        let Some(since) = self.own_since(job, uid)? else {
            return Ok(part);
        };
        self.add_job(&mut part, job, uid)?;
        if history {
            let own = runs_as("definition", "spec.");
            let sql = format!("job = ?1 AND at >= ?3 AND {own} ORDER BY id DESC LIMIT 100");
            self.add(&mut part, "history", &sql, params![job, uid, since])?;
        }
        Ok(part)
    }

    /// Runs of the user's own jobs.
    ///
    /// # Errors
    /// Those of reading.
    pub fn own_runs(&self, wanted: &OwnRuns, uid: u32) -> Result<Part> {
        let jobs = match &wanted.filter.job {
            Some(job) => vec![job.clone()],
            None => self.own_names(uid)?,
        };
        let limit = wanted.filter.limit.unwrap_or(RUNS).min(RUNS);
        let mut found: BTreeSet<(std::cmp::Reverse<i64>, String)> = BTreeSet::new();
        for job in jobs {
            let Some(since) = self.own_since(&job, uid)? else {
                continue;
            };
            let since = since.max(wanted.filter.since.unwrap_or(since));
            let states = &wanted.filter.states;
            for run in self.numbers(&job, states, since, wanted.before, limit)? {
                found.insert((std::cmp::Reverse(run), job.clone()));
            }
            while found.len() > limit {
                found.pop_last();
            }
        }
        let full = found.len() == limit;
        let mut part = Part::default();
        let mut jobs = BTreeSet::new();
        for (std::cmp::Reverse(run), job) in found {
            if part.weight > ENOUGH {
                return Ok(part);
            }
            self.add_run(&mut part, run)?;
            part.more = Some(run.to_string());
            if wanted.with_jobs && jobs.len() < JOBS && jobs.insert(job.clone()) {
                self.add_job(&mut part, &job, uid)?;
                self.add_usual(&mut part, &job, uid)?;
            }
        }
        if !full {
            part.more = None;
        }
        Ok(part)
    }

    /// One run, with its job, where it is the user's own.
    ///
    /// # Errors
    /// Those of reading.
    pub fn own_run(&self, run: RunId, uid: u32) -> Result<Part> {
        let mut part = Part::default();
        if !self.is_own_run(run, uid)? {
            return Ok(part);
        }
        self.add_run(&mut part, run.0)?;
        if let Some(row) = self.run(run)? {
            self.add_job(&mut part, &row.job, uid)?;
            self.add_usual(&mut part, &row.job, uid)?;
        }
        Ok(part)
    }

    /// A store in memory that holds these rows and nothing else.
    ///
    /// # Errors
    /// Rows that do not fit this program's tables.
    pub fn of_rows(rows: &[Image]) -> Result<Store> {
        let store = Store::in_memory()?;
        // What is put in was decided elsewhere.
        let conn = &store.conn;
        conn.set_db_config(DbConfig::SQLITE_DBCONFIG_ENABLE_TRIGGER, false)?;
        let known = tables(conn)?;
        for row in rows {
            if !known.iter().any(|(name, _)| *name == row.table) {
                return Err(StoreError::Unreadable(format!("no table {}", row.table)));
            }
            put_one(conn, row)?;
        }
        Ok(store)
    }

    fn own_names(&self, uid: u32) -> Result<Vec<String>> {
        let own = runs_as("spec", "");
        let sql = format!("SELECT name FROM job WHERE ?1 IS NULL AND {own}");
        let mut statement = self.conn.prepare_cached(&sql)?;
        let rows = statement.query_map(params![None::<i64>, uid], |r| r.get(0))?;
        Ok(rows.collect::<rusqlite::Result<_>>()?)
    }

    /// Numbers of runs of one job, the newest first.
    fn numbers(
        &self,
        job: &str,
        states: &[RunState],
        since: UnixMs,
        before: Option<RunId>,
        limit: usize,
    ) -> Result<Vec<i64>> {
        let words: Vec<String> = states.iter().map(|s| format!("'{}'", s.as_str())).collect();
        let of_states = match words.is_empty() {
            true => String::new(),
            false => format!("AND state IN({})", words.join(", ")),
        };
        let sql = format!(
            "SELECT id FROM run WHERE job = ?1 AND id < ?2 AND queued_at >= ?3 {of_states}
             ORDER BY id DESC LIMIT ?4"
        );
        let before = before.map_or(i64::MAX, |run| run.0);
        let limit = i64::try_from(limit).unwrap_or(i64::MAX);
        let mut statement = self.conn.prepare_cached(&sql)?;
        let rows = statement.query_map(params![job, before, since, limit], |r| r.get(0))?;
        Ok(rows.collect::<rusqlite::Result<_>>()?)
    }

    fn add_job(&self, part: &mut Part, job: &str, uid: u32) -> Result<()> {
        let Some(since) = self.own_since(job, uid)? else {
            return Ok(());
        };
        let now = "SELECT id FROM schedule WHERE job = ?1 AND until_at IS NULL";
        for (table, condition) in [
            ("job", "name = ?1".to_owned()),
            ("schedule", "job = ?1 AND until_at IS NULL".to_owned()),
            ("due", format!("schedule IN({now})")),
            (
                "calendar",
                "id IN(SELECT calendar FROM schedule WHERE job = ?1 AND until_at IS NULL)".into(),
            ),
            (
                "pause",
                "job = ?1 ORDER BY from_at DESC LIMIT 16".to_owned(),
            ),
            // A bounded number of fires counts those that were given a run.
            (
                "fire",
                format!(
                    "schedule IN({now} AND max_fires IS NOT NULL) AND verdict = 'run' LIMIT 1000"
                ),
            ),
        ] {
            self.add(part, table, &condition, [job])?;
        }
        self.add_follows(part, job, uid)?;
        let ended: Vec<RunState> = Outcome::ALL.iter().map(|o| RunState::Ended(*o)).collect();
        let mut runs: BTreeSet<i64> = BTreeSet::new();
        runs.extend(self.numbers(job, &[], since, None, NEWEST)?);
        runs.extend(self.numbers(job, &ended, since, None, 1)?);
        runs.extend(self.numbers(job, &[RunState::Running], since, None, ALIVE)?);
        for run in runs {
            self.add_run(part, run)?;
        }
        Ok(())
    }

    fn add_usual(&self, part: &mut Part, job: &str, uid: u32) -> Result<()> {
        if let Some(since) = self.own_since(job, uid)? {
            let good = [RunState::Ended(Outcome::Succeeded)];
            for run in self.numbers(job, &good, since, None, USUAL)? {
                self.add_run(part, run)?;
            }
        }
        Ok(())
    }

    /// Who follows whom, where all of them are the user's own.
    fn add_follows(&self, part: &mut Part, job: &str, uid: u32) -> Result<()> {
        for row in self.follows(job)? {
            let mut own = true;
            for name in [&row.upstream, &row.follower, &row.owner] {
                own = own && (name == job || self.own_since(name, uid)?.is_some());
            }
            if own {
                let key = params![row.upstream, row.whence.as_str(), row.follower, row.owner];
                let condition = "upstream = ?1 AND whence = ?2 AND follower = ?3 AND owner = ?4";
                self.add(part, "follow", condition, key)?;
            }
        }
        Ok(())
    }

    fn add_run(&self, part: &mut Part, run: i64) -> Result<()> {
        self.add(part, "run", "id = ?1", [run])?;
        self.add(part, "attempt", "run = ?1 ORDER BY n DESC LIMIT 100", [run])?;
        self.add(part, "ack", "run = ?1", [run])
    }

    fn add(&self, part: &mut Part, table: &str, which: &str, of: impl Params) -> Result<()> {
        let sql = format!("SELECT * FROM {table} WHERE {which}");
        let mut statement = self.conn.prepare_cached(&sql)?;
        for row in statement.query_map(of, all_cells)? {
            let image = Image {
                table: table.to_owned(),
                key: Vec::new(),
                row: Some(row?),
            };
            part.weight += serde_json::to_string(&image).map_or(0, |text| text.len());
            part.rows.push(image);
        }
        Ok(())
    }
}
