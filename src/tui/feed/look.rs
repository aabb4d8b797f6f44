//! One look at the store: what every screen shows, and what the one in sight needs.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use crate::model::{RunId, RunState};
use crate::schedule::{UnixMs, Zone};
use crate::store::{CellCount, LastEnd, Result, RunFilter, RunRow, Store};
use crate::tui::data::{Bar, Data, Day, JobLine, Live, LogLine, LogPage, NextFire, Why};
use crate::tui::feed::definitions::Definitions;
use crate::tui::feed::or_nothing;
use crate::tui::feed::rules::Rules;
use crate::tui::sources::{Facts, Place};
use crate::tui::want::Want;
use crate::view::Daemon;
use crate::view::items::{missed_state, took_ms};
use crate::view::status::status_beside;
use crate::view::watches::views;
use crate::view::workers::{Pace, pace};

/// Runs that wait, at most so many of them.
const QUEUED: usize = 200;

/// Runs that ended last, and fires that come next.
const LISTED: usize = 60;

/// Runs shown as bars.
const BARS: usize = 24;

/// Lines of output that help to see why.
const TAIL: usize = 5;

/// What is looked with.
pub struct Look<'a> {
    /// The store.
    pub store: &'a Store,
    /// The zone of the clock on the screen.
    pub zone: &'a Zone,
    /// The time.
    pub now: UnixMs,
    /// The daemon as it was asked last.
    pub daemon: &'a Daemon,
    /// What the screen needs.
    pub want: &'a Want,
}

impl Look<'_> {
    /// Reads what every screen shows.
    ///
    /// # Errors
    /// Those of reading.
    pub fn common(
        &self,
        definitions: &mut Definitions,
        rules: &mut Rules,
        facts: &Facts<'_>,
    ) -> Result<Data> {
        let (store, now) = (self.store, self.now);
        definitions.refresh(store, self.zone, now)?;
        let recorded = rules.recorded(store, now)?;
        let daemon = self.daemon.clone();
        let mut data = Data {
            read_at: now,
            status: Some(status_beside(recorded, store, daemon, self.zone, now)?),
            live: self.live()?,
            recent: store.ended_last(LISTED)?,
            next: self.next()?,
            day: self.day(definitions)?,
            jobs: Arc::clone(&definitions.jobs),
            ..Data::default()
        };
        self.workers(&mut data, facts);
        Ok(data)
    }

    /// Reads what changes without a commit: how the workers fare.
    pub fn workers(&self, data: &mut Data, facts: &Facts<'_>) {
        match (facts.workers)(self.store, self.daemon, self.now) {
            Ok(workers) => data.workers = workers,
            Err(e) => data.error = Some(e),
        }
    }

    /// Reads on in the output that is in sight: while a run is alive it is not in the store.
    ///
    /// # Errors
    /// Those of reading.
    pub fn follow(&self, data: &mut Data, facts: &mut Facts<'_>) -> Result<()> {
        if let Some((run, attempt, Place::End)) = self.want.log {
            data.log = Some(self.output(run, attempt, Place::End, facts)?);
        }
        Ok(())
    }

    /// Reads what the screen in sight needs.
    ///
    /// # Errors
    /// Those of reading.
    pub fn wanted(&self, data: &mut Data, facts: &mut Facts<'_>) -> Result<()> {
        let (store, now, want) = (self.store, self.now, self.want);
        if want.missed {
            data.missed = store.missed(None, i64::MIN)?;
            data.gaps = store.gaps(now - 7 * 86_400_000)?;
        }
        if want.jobs {
            data.jobs = Arc::new(self.jobs(data)?);
            data.bars = self.bars()?;
            data.lanes = if want.lanes {
                self.lanes(data)?
            } else {
                BTreeMap::new()
            };
        }
        if let Some(wanted) = &want.runs {
            (data.runs, data.more_runs) = self.runs(wanted, data)?;
        }
        if want.watches {
            data.watches = views(store, self.daemon, now)?;
        }
        data.polls = match &want.polls {
            Some((watch, limit)) => Some((watch.clone(), self.polls(watch, *limit)?)),
            None => None,
        };
        data.chosen = match &want.chosen {
            Some(job) => self.chosen(job)?,
            None => None,
        };
        data.run = match want.run {
            Some(run) => self.run_detail(run)?,
            None => None,
        };
        data.job = match &want.job {
            Some(job) => self.job_detail(job, facts)?,
            None => None,
        };
        data.log = match want.log {
            Some((run, attempt, place)) => Some(self.output(run, attempt, place, facts)?),
            None => None,
        };
        data.why = match &want.why {
            Some((job, run)) => Some(self.why(job.as_deref(), *run, facts)?),
            None => None,
        };
        Ok(())
    }

    fn output(
        &self,
        run: RunId,
        attempt: u32,
        place: Place,
        facts: &mut Facts<'_>,
    ) -> Result<LogPage> {
        let latest = self.store.run(run)?.map_or(1, |run| run.attempt.max(1));
        let attempt = if attempt == 0 { latest } else { attempt };
        Ok((facts.logs)(self.store, run, attempt, place))
    }

    fn live(&self) -> Result<Vec<Live>> {
        let filter = |state, limit| RunFilter {
            states: vec![state],
            limit,
            ..RunFilter::default()
        };
        let mut runs = self.store.runs(&filter(RunState::Running, None))?;
        runs.sort_by_key(|run| run.started_at);
        runs.extend(self.store.runs(&filter(RunState::Queued, Some(QUEUED)))?);
        let mut usual: HashMap<String, Option<i64>> = HashMap::new();
        runs.into_iter()
            .map(|run| {
                let usual_ms = match usual.get(&run.job) {
                    Some(known) => *known,
                    None => {
                        let found = self.usual(&run.job)?;
                        usual.insert(run.job.clone(), found);
                        found
                    }
                };
                Ok(Live {
                    pace: pace(self.store, &run, self.zone, self.now)?,
                    usual_ms,
                    run,
                })
            })
            .collect()
    }

    /// How long a job's good runs usually take, milliseconds.
    pub fn usual(&self, job: &str) -> Result<Option<i64>> {
        Ok(self.store.usual(job, None)?.map(|usual| usual.median_ms))
    }

    /// How a run that may be over stands to its job's next fires.
    pub fn pace(&self, run: &RunRow) -> Pace {
        pace(self.store, run, self.zone, self.now).unwrap_or(Pace::Usual)
    }

    fn next(&self) -> Result<Vec<NextFire>> {
        let (armed, _) = self.store.due_soonest(0, LISTED)?;
        let fires = armed.into_iter().filter(|armed| armed.next_at > 0);
        Ok(fires
            .map(|armed| NextFire {
                at: armed.next_at,
                job: armed.planned.job,
                expr: armed.planned.expr,
            })
            .collect())
    }

    /// The day so far, and what is planned in it.
    ///
    /// # Errors
    /// Those of reading.
    pub fn day(&self, definitions: &Definitions) -> Result<Day> {
        let mut day = definitions.day_from(self.now);
        for count in self.store.cells(day.from, day.cell_ms)? {
            add(&mut day, &count);
        }
        Ok(day)
    }

    fn jobs(&self, data: &Data) -> Result<Vec<JobLine>> {
        let next: HashMap<String, UnixMs> = self.store.next_by_job()?.into_iter().collect();
        let last: HashMap<String, LastEnd> = self.store.last_ends()?.into_iter().collect();
        let mut running: HashMap<&str, usize> = HashMap::new();
        for live in data
            .live
            .iter()
            .filter(|l| l.run.state == RunState::Running)
        {
            *running.entry(&live.run.job).or_default() += 1;
        }
        let mut missed: HashMap<&str, i64> = HashMap::new();
        for group in data.missed.iter().filter(|g| missed_state(g) == "open") {
            *missed.entry(&group.job).or_default() += group.count;
        }
        let fill = |line: &JobLine| JobLine {
            next_at: next.get(&line.name).copied(),
            last: last.get(&line.name).copied(),
            running: running.get(line.name.as_str()).copied().unwrap_or(0),
            missed: missed.get(line.name.as_str()).copied().unwrap_or(0),
            ..line.clone()
        };
        Ok(data.jobs.iter().map(fill).collect())
    }

    fn bars(&self) -> Result<BTreeMap<String, Vec<Bar>>> {
        let mut bars = BTreeMap::new();
        for job in &self.want.bars {
            let runs = self.store.runs(&RunFilter {
                job: Some(job.clone()),
                limit: Some(BARS),
                ..RunFilter::default()
            })?;
            bars.insert(
                job.clone(),
                runs.iter().rev().filter_map(|r| self.bar(r)).collect(),
            );
        }
        Ok(bars)
    }

    fn bar(&self, run: &RunRow) -> Option<Bar> {
        let at = run.started_at.or(run.ended_at)?;
        let took = took_ms(run).unwrap_or(self.now - at);
        Some(Bar {
            at,
            outcome: run.state.outcome(),
            took_ms: took.max(0),
        })
    }

    fn why(&self, job: Option<&str>, run: Option<RunId>, facts: &mut Facts<'_>) -> Result<Why> {
        let mut why = Why {
            job: job.map(str::to_owned),
            ..Why::default()
        };
        if let Some(run) = run.map(|run| self.store.run(run)).transpose()?.flatten() {
            if run.attempt > 0 {
                let page = (facts.logs)(self.store, run.run, run.attempt, Place::End);
                let from = page.lines.len().saturating_sub(TAIL);
                why.tail = page.lines[from..].iter().map(LogLine::clone).collect();
            }
            why.last_good = or_nothing(self.store.last_good(&run.job, run.run));
            if let Some(at) = run.ended_at {
                let hour = 3_600_000;
                why.also = self
                    .store
                    .failed_between(at - hour, at + hour, &run.job, 4)?;
            }
            why.run = Some(run);
        }
        if let Some(row) = job.map(|job| self.store.job(job)).transpose()?.flatten() {
            let next = row.schedules.iter().map(|(_, at)| *at).filter(|at| *at > 0);
            why.next_at = next.min();
            why.runbook = row.job.spec.runbook;
            why.owner = row.job.spec.owner;
        }
        Ok(why)
    }
}

/// Adds what was counted in a cell to it.
pub fn add(day: &mut Day, count: &CellCount) {
    let place = usize::try_from(count.cell).ok();
    if let Some(cell) = place.and_then(|i| day.cells.get_mut(i)) {
        let add = |to: &mut u32, n: i64| *to += u32::try_from(n).unwrap_or(u32::MAX);
        add(&mut cell.good, count.good);
        add(&mut cell.bad, count.bad);
        add(&mut cell.missed, count.missed);
    }
}
