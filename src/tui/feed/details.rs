//! What single screens need: windows of runs, one run, one job, the day of a job.

use std::collections::{BTreeMap, HashMap};

use crate::model::{Overlap, Policy, RunId, RunState, format_duration};
use crate::schedule::{UnixMs, describe};
use crate::store::{PollFilter, PollRow, Result, RunFilter, RunRow};
use crate::tui::data::{Chosen, Data, Day, JobDetail, PollLine, RunDetail};
use crate::tui::feed::look::{Look, add};
use crate::tui::filter::Filter;
use crate::tui::screens::runs::subject;
use crate::tui::sources::Facts;
use crate::tui::want::RunsWanted;
use crate::view::items::missed_state;
use crate::view::time::day_start;
use crate::view::timetable::Timetable;
use crate::view::week::{Grid, changes};
use crate::view::words::is_failure;

/// Runs read at once while those that pass a filter are looked for.
const PAGE: usize = 500;

/// Runs that are looked through for those that pass a filter.
const THROUGH: usize = 20_000;

/// Runs of one job that are listed, and changes of its definition.
const LISTED: usize = 24;

/// Runs of one poll that are named.
const NAMED: usize = 500;

/// Fires counted in a week; a grid of more says no more.
const COUNTED: usize = 200_000;

impl Look<'_> {
    /// The newest runs that pass, and whether there may be more.
    pub fn runs(&self, wanted: &RunsWanted, data: &Data) -> Result<(Vec<RunRow>, bool)> {
        let filter = Filter::parse(&wanted.filter).unwrap_or_default();
        let tags: HashMap<&str, &[String]> = data
            .jobs
            .iter()
            .map(|job| (job.name.as_str(), job.tags.as_slice()))
            .collect();
        let passes = |run: &RunRow| {
            let tags = tags.get(run.job.as_str()).copied().unwrap_or(&[]);
            let problem = run.state.outcome().is_some_and(is_failure);
            (!wanted.problems || problem) && filter.passes(&subject(run, tags, self.now), self.now)
        };
        let (mut found, mut through, mut before) = (Vec::new(), 0, None);
        while found.len() < wanted.limit && through < THROUGH {
            let page = self.store.runs(&RunFilter {
                before,
                limit: Some(PAGE),
                ..RunFilter::default()
            })?;
            through += page.len();
            before = page.last().map(|run| run.run);
            let last = page.len() < PAGE;
            found.extend(page.into_iter().filter(passes));
            if last {
                let more = found.len() > wanted.limit;
                found.truncate(wanted.limit);
                return Ok((found, more));
            }
        }
        found.truncate(wanted.limit);
        Ok((found, true))
    }

    /// The newest polls of a watch, with the runs they made.
    pub fn polls(&self, watch: &str, limit: usize) -> Result<Vec<PollLine>> {
        let polls = self.store.polls(&PollFilter {
            watch: Some(watch.to_owned()),
            limit,
            ..PollFilter::default()
        })?;
        let line = |poll: PollRow| {
            let runs = match poll.runs {
                0 => Vec::new(),
                _ => self.store.runs_of_poll(poll.poll, NAMED)?,
            };
            Ok(PollLine { poll, runs })
        };
        polls.into_iter().map(line).collect()
    }

    /// What a question about a job has to say.
    pub fn chosen(&self, name: &str) -> Result<Option<Chosen>> {
        let Some(row) = self.store.job(name)? else {
            return Ok(None);
        };
        let next = row.schedules.iter().map(|(_, at)| *at).filter(|at| *at > 0);
        let last = self.store.runs(&RunFilter {
            job: Some(name.to_owned()),
            limit: Some(5),
            ..RunFilter::default()
        })?;
        let over = last.iter().find(|run| run.state.outcome().is_some());
        let missed = self.store.missed(Some(name), i64::MIN)?;
        let open = missed.iter().filter(|group| missed_state(group) == "open");
        Ok(Some(Chosen {
            job: name.to_owned(),
            next_at: next.min(),
            kill_grace_ms: row.job.policy.kill_grace_ms,
            paused: row.job.paused_at(self.now).is_some(),
            last: over.map(|run| run.run),
            missed: open.map(|group| group.count).sum(),
            catch_up_max: row.job.policy.catch_up_max,
        }))
    }

    /// Everything about a run.
    pub fn run_detail(&self, number: RunId) -> Result<Option<RunDetail>> {
        let Some(run) = self.store.run(number)? else {
            return Ok(None);
        };
        let next = match self.store.job(&run.job)? {
            Some(row) => row
                .schedules
                .iter()
                .map(|(_, at)| *at)
                .filter(|at| *at > 0)
                .min(),
            None => None,
        };
        Ok(Some(RunDetail {
            attempts: self.store.attempts(number)?,
            events: self.store.events_of(number)?,
            requested_by: self.store.requested_by(number)?,
            pace: self.pace(&run),
            usual_ms: self.usual(&run.job)?,
            last_good: self.store.last_good(&run.job, number)?,
            next_at: next,
            run,
        }))
    }

    /// Everything about a job.
    pub fn job_detail(&self, name: &str, facts: &Facts<'_>) -> Result<Option<JobDetail>> {
        let Some(row) = self.store.job(name)? else {
            return Ok(None);
        };
        let mut schedules = Vec::new();
        let mut week = Grid::default();
        for (planned, _) in &row.schedules {
            let zone = planned
                .zone
                .clone()
                .unwrap_or_else(|| self.zone.to_string());
            match planned.schedule(self.zone) {
                Ok(schedule) => {
                    schedules.push((planned.expr.clone(), describe(&schedule), zone));
                    let table = Timetable::new(schedule, &planned.terms, planned.fired);
                    week.add(&self.week(&table));
                }
                Err(e) => schedules.push((planned.expr.clone(), format!("ERROR: {e}"), zone)),
            }
        }
        let next = row.schedules.iter().map(|(_, at)| *at).filter(|at| *at > 0);
        Ok(Some(JobDetail {
            name: name.to_owned(),
            toml: (facts.definition)(self.store, name),
            command: row.job.spec.command.display(),
            schedules,
            rules: rules(&row.job.policy, &row.job.spec),
            catch_up: row.job.policy.catch_up,
            runs: self.store.runs(&RunFilter {
                job: Some(name.to_owned()),
                limit: Some(LISTED),
                ..RunFilter::default()
            })?,
            week,
            changes: changes(self.now, self.zone),
            next_at: next.min(),
            history: self.store.history(name, LISTED)?,
        }))
    }

    fn week(&self, table: &Timetable) -> Grid {
        let from = day_start(self.now, self.zone);
        let until = from + 8 * 86_400_000;
        let fires = table.fires(self.now, self.now).take_while(|at| *at < until);
        Grid::of(fires.take(COUNTED), from, self.zone)
    }

    /// The day of each job in sight.
    pub fn lanes(&self, data: &Data) -> Result<BTreeMap<String, Day>> {
        let mut lanes = BTreeMap::new();
        for name in &self.want.bars {
            lanes.insert(name.clone(), self.lane(name, &data.day)?);
        }
        Ok(lanes)
    }

    fn lane(&self, name: &str, of: &Day) -> Result<Day> {
        let mut day = Day {
            cells: vec![Default::default(); of.cells.len()],
            ..*of
        };
        for count in self.store.cells_of(name, day.from, day.cell_ms)? {
            add(&mut day, &count);
        }
        let until = day.from + day.cell_ms * i64::try_from(day.cells.len()).unwrap_or(0);
        let cell_of = |at: UnixMs| usize::try_from((at - of.from) / of.cell_ms).unwrap_or(0);
        for group in self.store.missed(Some(name), day.from)? {
            if missed_state(&group) != "done" {
                let (from, to) = (cell_of(group.from.max(day.from)), cell_of(group.to));
                for cell in day.cells.iter_mut().take(to + 1).skip(from) {
                    cell.missed += 1;
                }
            }
        }
        let alive = |run: &RunRow| run.state == RunState::Running && run.job == name;
        let live = self.store.runs(&RunFilter {
            states: vec![RunState::Running],
            ..RunFilter::default()
        })?;
        for run in live.iter().filter(|run| alive(run)) {
            let from = cell_of(run.started_at.unwrap_or(self.now).max(day.from));
            for cell in day.cells.iter_mut().take(cell_of(self.now) + 1).skip(from) {
                cell.alive += 1;
            }
        }
        if let Some(row) = self.store.job(name)? {
            for (planned, _) in &row.schedules {
                let Ok(schedule) = planned.schedule(self.zone) else {
                    continue;
                };
                let table = Timetable::new(schedule, &planned.terms, planned.fired);
                let mut after = self.now;
                while let Some(at) = table.next_after(after).filter(|at| *at < until) {
                    let cell = cell_of(at);
                    if let Some(cell) = day.cells.get_mut(cell) {
                        cell.planned += 1;
                    }
                    after = day.from + day.cell_ms * i64::try_from(cell + 1).unwrap_or(0) - 1;
                }
            }
        }
        Ok(day)
    }
}

fn rules(policy: &Policy, spec: &crate::model::Spec) -> Vec<String> {
    let limit = |ms: Option<i64>| ms.map_or("none".to_owned(), format_duration);
    let mut rules = vec![
        format!("queue: {}, priority {}", policy.queue, policy.priority),
        format!(
            "limits: timeout {}, silence {}, {} from TERM to KILL",
            limit(policy.timeout_ms),
            limit(policy.silence_ms),
            format_duration(policy.kill_grace_ms)
        ),
        format!(
            "rules: catch-up {}, overlap {}, {} retries",
            policy.catch_up, policy.overlap, policy.retry
        ),
    ];
    if policy.overlap == Overlap::Allow {
        rules.push("note: runs may overlap".to_owned());
    }
    let mut add = |word: &str, text: &Option<String>| {
        if let Some(text) = text {
            rules.push(format!("{word}: {text}"));
        }
    };
    add("about", &spec.description);
    add("runbook", &spec.runbook);
    add("owner", &spec.owner);
    if !spec.tags.is_empty() {
        rules.push(format!("tags: {}", spec.tags.join(", ")));
    }
    rules
}
