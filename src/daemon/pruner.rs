//! Removing what need not be kept any longer, a little at a time.
//!
//! A round goes through the runs job by job, through the output from the newest to the oldest, through
//! what grows with time, and through the files of the logs. The daemon goes a few steps whenever it
//! has nothing else to do; `crake prune` goes through a whole round.

use std::collections::{HashMap, HashSet};
use std::fs;
use std::path::{Path, PathBuf};
use std::time::UNIX_EPOCH;

use crate::daemon::poll_pruner::PollRound;
use crate::daemon::watching::inputs::dir_of;
use crate::model::{Fence, Keep, Retention, RunId, RunLimits};
use crate::schedule::UnixMs;
use crate::store::{self, KeptOutput, Store};

/// Runs removed in one transaction: some milliseconds on a slow disk.
const RUNS: usize = 200;

/// Attempts looked at in a step.
const ATTEMPTS: usize = 500;

/// Rows of one table removed in one transaction.
const ROWS: usize = 500;

/// Files looked at in a step.
const FILES: usize = 200;

/// A file younger than this may still be waited for by an attempt that is being recorded,
/// milliseconds.
const ORPHAN_MS: i64 = 86_400_000;

/// What is to be removed beyond what is due.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Scope {
    /// Of this job only.
    pub job: Option<String>,
    /// What is older than this, milliseconds.
    pub older_ms: Option<i64>,
    /// All but so many runs of each job.
    pub most: Option<u32>,
    /// Output alone.
    pub output_only: bool,
    /// Nothing: it is only counted.
    pub dry: bool,
}

/// What was removed, or would be.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Removed {
    /// Runs.
    pub runs: u64,
    /// Outputs of attempts whose runs stay.
    pub outputs: u64,
    /// Bytes of those.
    pub output_bytes: u64,
    /// Files that nothing names.
    pub files: u64,
    /// Rows of the ledger, events and the like.
    pub rows: u64,
}

impl Removed {
    /// Adds what another step removed.
    pub fn add(&mut self, other: Removed) {
        self.runs += other.runs;
        self.outputs += other.outputs;
        self.output_bytes += other.output_bytes;
        self.files += other.files;
        self.rows += other.rows;
    }
}

/// How far a round has come.
#[derive(Debug)]
enum Stage {
    /// After this job and this run of it.
    Runs(String, RunId),
    /// Before this attempt.
    Output((RunId, u32)),
    Rows,
    Polls(PollRound),
    Files(Option<fs::ReadDir>),
}

/// Goes through rounds.
#[derive(Debug)]
pub struct Pruner {
    scope: Scope,
    logs: PathBuf,
    /// Where long inputs of runs are.
    inputs: PathBuf,
    stage: Stage,
    /// Output seen in this round, newer than where it is: in all, and of jobs with a bound.
    total: u64,
    by_job: HashMap<String, u64>,
    keeps: HashMap<String, Keep>,
    /// Runs that would have been removed, in a round in which nothing is.
    spared: HashSet<RunId>,
}

const FIRST: Stage = Stage::Runs(String::new(), RunId(0));

impl Pruner {
    /// At the beginning of a round.
    pub fn new(logs: &Path, scope: Scope) -> Pruner {
        Pruner {
            scope,
            logs: logs.to_path_buf(),
            inputs: PathBuf::new(),
            stage: FIRST,
            total: 0,
            by_job: HashMap::new(),
            keeps: HashMap::new(),
            spared: HashSet::new(),
        }
    }

    /// The same, which looks through the files with long inputs of runs as well.
    pub fn with_inputs(mut self, spool: &Path) -> Pruner {
        self.inputs = dir_of(spool);
        self
    }

    /// Goes back to the beginning.
    fn begin_again(&mut self) {
        let inputs = std::mem::take(&mut self.inputs);
        *self = Pruner::new(&self.logs, self.scope.clone());
        self.inputs = inputs;
    }

    /// Goes one step. Says what was removed, and whether the round is over.
    ///
    /// # Errors
    /// Those of the store; the step is gone again the next time.
    pub fn step(&mut self, store: &mut Store, now: UnixMs) -> store::Result<(Removed, bool)> {
        let retention = store.retention()?;
        let stage = std::mem::replace(&mut self.stage, FIRST);
        let result = match stage {
            Stage::Runs(job, run) => self.runs(store, &retention, &job, run, now),
            Stage::Output(before) => self.output(store, &retention, before, now),
            Stage::Rows => self.rows(store, &retention, now),
            Stage::Polls(round) => self.polls(store, round, now),
            Stage::Files(dir) => self.files(store, dir, now),
        };
        match result {
            Ok((removed, Some(next))) => {
                self.stage = next;
                Ok((removed, false))
            }
            Ok((removed, None)) => {
                self.begin_again();
                Ok((removed, true))
            }
            Err(e) => {
                // Whatever it was, the next round begins anew.
                self.begin_again();
                Err(e)
            }
        }
    }

    fn runs(
        &mut self,
        store: &mut Store,
        retention: &Retention,
        job: &str,
        after: RunId,
        now: UnixMs,
    ) -> store::Result<(Removed, Option<Stage>)> {
        let first = Stage::Output((RunId(i64::MAX), u32::MAX));
        if self.scope.output_only {
            return Ok((Removed::default(), Some(first)));
        }
        let Some((name, keep, listed)) = store.next_job_with_runs(job)? else {
            return Ok((Removed::default(), Some(first)));
        };
        if self.scope.job.as_ref().is_some_and(|only| *only != name) {
            return Ok((Removed::default(), Some(Stage::Runs(name, RunId(0)))));
        }
        let limits = self.limits(retention, &keep, listed, now);
        let found = store.prunable(&name, &limits, after, RUNS)?;
        let mut removed = Removed::default();
        if self.scope.dry {
            self.spared.extend(&found.runs);
            removed.runs = found.runs.len() as u64;
        } else {
            removed.runs = store.remove_runs(&found.runs)? as u64;
            found.files.iter().for_each(|file| remove_file(file));
        }
        // A full hand means that there are more: the same job again.
        let next = match found.runs.last().filter(|_| found.runs.len() == RUNS) {
            Some(last) => Stage::Runs(job.to_owned(), *last),
            None => Stage::Runs(name, RunId(0)),
        };
        Ok((removed, Some(next)))
    }

    fn limits(&self, retention: &Retention, keep: &Keep, listed: bool, now: UnixMs) -> RunLimits {
        let limits = retention.runs_of(keep, listed, now);
        RunLimits {
            before: self.scope.older_ms.map_or(limits.before, |ms| now - ms),
            least: self
                .scope
                .most
                .map_or(limits.least, |most| most.min(limits.least)),
            most: self.scope.most.or(limits.most),
        }
    }

    fn output(
        &mut self,
        store: &mut Store,
        retention: &Retention,
        before: (RunId, u32),
        now: UnixMs,
    ) -> store::Result<(Removed, Option<Stage>)> {
        let (kept, last) = store.kept_output(before, ATTEMPTS)?;
        let mut gone: Vec<KeptOutput> = Vec::new();
        for output in kept {
            if self.spared.contains(&output.run) {
                continue;
            }
            if !self.keeps.contains_key(&output.job) {
                let keep = keep_of(store, &output.job)?;
                self.keeps.insert(output.job.clone(), keep);
            }
            if self.too_much(retention, &output, now) {
                gone.push(output);
            }
        }
        if !self.scope.dry {
            store.remove_output(&gone)?;
            let files = gone.iter().filter_map(|output| output.path.as_deref());
            files.for_each(remove_file);
        }
        let removed = Removed {
            outputs: gone.len() as u64,
            output_bytes: gone.iter().map(|output| output.bytes).sum(),
            ..Removed::default()
        };
        let rest = self.scope.job.is_none() && !self.scope.output_only;
        let then = if rest {
            Stage::Rows
        } else {
            Stage::Files(None)
        };
        Ok((removed, Some(last.map_or(then, Stage::Output))))
    }

    /// Whether an output is too old or there is too much of it with what is newer.
    fn too_much(&mut self, retention: &Retention, output: &KeptOutput, now: UnixMs) -> bool {
        let default = Keep::default();
        let keep = self.keeps.get(&output.job).unwrap_or(&default);
        let wanted = self.scope.job.as_ref().is_none_or(|job| *job == output.job);
        let before = match self.scope.older_ms {
            Some(ms) => now - ms,
            None => retention.output_before(keep, now),
        };
        let old = output.ended_at < before;
        self.total = self.total.saturating_add(output.bytes);
        let of_job = self.by_job.entry(output.job.clone()).or_default();
        *of_job = of_job.saturating_add(output.bytes);
        let most = keep.output.unwrap_or(u64::MAX);
        wanted && (old || self.total > retention.output_bytes || *of_job > most)
    }

    fn rows(
        &mut self,
        store: &mut Store,
        retention: &Retention,
        now: UnixMs,
    ) -> store::Result<(Removed, Option<Stage>)> {
        let since = retention.ledger_since(now);
        let before = self.scope.older_ms.map_or(since, |ms| now - ms);
        let removed = Removed {
            rows: match self.scope.dry {
                true => store.rows_before(before)?,
                false => store.remove_rows_before(before, ROWS)?,
            },
            ..Removed::default()
        };
        let done = self.scope.dry || removed.rows == 0;
        // What is old enough says the round itself, but for a round somebody asked for.
        let plain = self.scope == Scope::default();
        let next = if done && plain {
            Stage::Polls(PollRound::begin())
        } else if done {
            Stage::Files(None)
        } else {
            Stage::Rows
        };
        Ok((removed, Some(next)))
    }

    fn polls(
        &mut self,
        store: &mut Store,
        round: PollRound,
        now: UnixMs,
    ) -> store::Result<(Removed, Option<Stage>)> {
        let ((rows, files), next) = round.step(store, &self.inputs, now)?;
        let removed = Removed {
            rows,
            files,
            ..Removed::default()
        };
        let next = next.map_or(Stage::Files(None), Stage::Polls);
        Ok((removed, Some(next)))
    }

    /// Removes files of output that no attempt names: its row was removed, or a crash came between.
    fn files(
        &mut self,
        store: &mut Store,
        dir: Option<fs::ReadDir>,
        now: UnixMs,
    ) -> store::Result<(Removed, Option<Stage>)> {
        let mut removed = Removed::default();
        // Without a directory there are no files.
        let Some(mut dir) = dir.or_else(|| fs::read_dir(&self.logs).ok()) else {
            return Ok((removed, None));
        };
        for _ in 0..FILES {
            let Some(entry) = dir.next() else {
                return Ok((removed, None));
            };
            let Ok(entry) = entry else { continue };
            let path = entry.path();
            let Some(fence) = fence_of(&path).filter(|_| is_old(&entry, now)) else {
                continue;
            };
            if !store.has_output_file(fence)? {
                removed.files += 1;
                if !self.scope.dry {
                    // What cannot be removed now is found again.
                    let _ = fs::remove_file(&path);
                }
            }
        }
        Ok((removed, Some(Stage::Files(Some(dir)))))
    }
}

fn keep_of(store: &Store, job: &str) -> store::Result<Keep> {
    match store.job(job) {
        Ok(row) => Ok(row.map(|row| row.job.spec.keep).unwrap_or_default()),
        Err(e) if e.is_unreadable() => Ok(Keep::default()),
        Err(e) => Err(e),
    }
}

/// The claim a file of output is named by.
fn fence_of(path: &Path) -> Option<Fence> {
    let name = path.file_name()?.to_str()?.strip_suffix(".out")?;
    name.parse().ok().map(Fence)
}

pub(in crate::daemon) fn is_old(entry: &fs::DirEntry, now: UnixMs) -> bool {
    let written = entry.metadata().and_then(|m| m.modified()).ok();
    let since = written.and_then(|at| at.duration_since(UNIX_EPOCH).ok());
    let ms = since.and_then(|at| i64::try_from(at.as_millis()).ok());
    ms.is_some_and(|ms| now - ms > ORPHAN_MS)
}

fn remove_file(path: &str) {
    // Nothing names it any more: if it stays, the next round finds it.
    let _ = fs::remove_file(path);
}
