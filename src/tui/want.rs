//! What the feed is to read for the screen as it is.

use crate::model::RunId;
use crate::tui::screens::CHROME;
use crate::tui::screens::{runs, watches};
use crate::tui::sources::Place;
use crate::tui::state::{Kind, Page, RowId, State, Tab};
use crate::view::attention::Attention;

/// What is to be read beside what every screen shows.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Want {
    /// What changes with every run of each job.
    pub jobs: bool,
    /// Jobs whose last runs are in sight.
    pub bars: Vec<String>,
    /// The day of those jobs as well.
    pub lanes: bool,
    /// The job under the cursor.
    pub chosen: Option<String>,
    /// So many runs, where runs are listed.
    pub runs: Option<RunsWanted>,
    /// Missed fires and gaps.
    pub missed: bool,
    /// The watches.
    pub watches: bool,
    /// The polls of a watch, so many.
    pub polls: Option<(String, usize)>,
    /// How the workers fare, as it changes.
    pub workers: bool,
    /// One run.
    pub run: Option<RunId>,
    /// One job.
    pub job: Option<String>,
    /// Output: run, attempt (0 for the latest), window.
    pub log: Option<(RunId, u32, Place)>,
    /// Why: the job, and the run where the alert has one.
    pub why: Option<(Option<String>, Option<RunId>)>,
}

/// Which runs are to be listed.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct RunsWanted {
    /// At most so many that pass.
    pub limit: usize,
    /// The filter as it was written.
    pub filter: String,
    /// Only those somebody has to look at.
    pub problems: bool,
}

/// Runs that are read before somebody moves down.
const RUNS: usize = 200;

/// What this state wants to be read.
pub fn want(state: &State) -> Want {
    let mut want = Want::default();
    let list = state.list();
    match state.page() {
        Page::Tab(Tab::Overview) => {
            want.why = match list.selected() {
                Some(RowId::Alert(_, job, run)) => Some((job.clone(), *run)),
                _ => None,
            };
        }
        Page::Tab(Tab::Jobs) => {
            let height = state.height().saturating_sub(CHROME);
            let shown = list.ids.iter().skip(list.offset).take(height.max(1));
            want.bars = shown
                .filter_map(|id| match id {
                    RowId::Job(name) => Some(name.clone()),
                    _ => None,
                })
                .collect();
        }
        Page::Tab(Tab::Runs) => {
            // More is read once the cursor comes near the end of what was.
            let near = list.at + 2 * state.height();
            want.runs = Some(RunsWanted {
                limit: near.div_ceil(RUNS).max(1) * RUNS,
                filter: state.filter().to_owned(),
                problems: state.problems,
            });
        }
        Page::Tab(Tab::Missed) => want.missed = true,
        Page::Tab(Tab::Workers) => want.workers = true,
        Page::Tab(Tab::Watches) => {
            want.watches = true;
            want.polls = watch_of(state).map(|watch| (watch, state.height()));
        }
        Page::Tab(_) => {}
        Page::Watch(watch) => {
            want.watches = true;
            let near = list.at + 2 * state.height();
            want.polls = Some((watch, near.div_ceil(RUNS).max(1) * RUNS));
        }
        Page::Run(run) => {
            want.run = Some(run);
            want.workers = true;
        }
        Page::Job(job) => want.job = Some(job),
        Page::Log(run, attempt) => {
            want.run = Some(run);
            want.log = Some((run, attempt, state.log.place));
        }
    }
    want.chosen = job_of(state);
    if state.kind() == Kind::Tab(Tab::Jobs) {
        want.lanes = state.is_other();
        want.jobs = true;
        want.missed = true;
    }
    want
}

/// The job that keys act on: the one under the cursor, or the one the page is about.
pub fn job_of(state: &State) -> Option<String> {
    let run_of = |run| runs::find(state, &RowId::Run(run)).map(|run| run.job.clone());
    match state.page() {
        Page::Job(job) => return Some(job),
        Page::Run(run) | Page::Log(run, _) => return run_of(run),
        Page::Watch(watch) => {
            return watches::find(state, &watch).map(|view| view.row.watch.job.clone());
        }
        Page::Tab(_) => {}
    }
    match state.list().selected()? {
        RowId::Watch(watch) => watches::find(state, watch).map(|view| view.row.watch.job.clone()),
        RowId::WatchAlert(what, watch) => {
            let status = state.data.status.as_ref()?;
            let named = |a: &&Attention| a.what == *what && a.watch.as_ref() == Some(watch);
            status.attention.iter().find(named)?.job.clone()
        }
        RowId::Poll(_) => None,
        RowId::Job(job) | RowId::Next(job, _) | RowId::Missed(job, ..) => Some(job.clone()),
        RowId::Alert(_, job, _) => job.clone(),
        RowId::Run(run) => run_of(*run),
        RowId::Worker(name) => {
            let worker = state
                .data
                .workers
                .iter()
                .find(|worker| worker.name == *name);
            worker.and_then(|worker| worker.job.clone())
        }
    }
}

/// The watch that keys act on.
pub fn watch_of(state: &State) -> Option<String> {
    if let Page::Watch(watch) = state.page() {
        return Some(watch);
    }
    match state.list().selected()? {
        RowId::Watch(watch) | RowId::WatchAlert(_, watch) => Some(watch.clone()),
        _ => None,
    }
}

/// The run that keys act on.
pub fn run_of(state: &State) -> Option<RunId> {
    match state.page() {
        Page::Run(run) | Page::Log(run, _) => return Some(run),
        Page::Job(job) => {
            let detail = state.data.job.as_ref().filter(|detail| detail.name == job);
            return detail
                .and_then(|detail| detail.runs.first())
                .map(|run| run.run);
        }
        Page::Tab(_) | Page::Watch(_) => {}
    }
    let list = state.list();
    match list.selected()? {
        RowId::Run(run) | RowId::Alert(_, _, Some(run)) => Some(*run),
        RowId::Worker(name) => {
            let worker = state
                .data
                .workers
                .iter()
                .find(|worker| worker.name == *name);
            worker.and_then(|worker| worker.run)
        }
        RowId::Missed(..) => None,
        RowId::WatchAlert(what, watch) => {
            let status = state.data.status.as_ref()?;
            let named = |a: &&Attention| a.what == *what && a.watch.as_ref() == Some(watch);
            status.attention.iter().find(named)?.run
        }
        id @ (RowId::Watch(_) | RowId::Poll(_)) => watches::run_of(state, id),
        RowId::Job(job) | RowId::Next(job, _) | RowId::Alert(_, Some(job), None) => {
            let live = state
                .data
                .live
                .iter()
                .rev()
                .find(|live| live.run.job == *job);
            let chosen = state
                .data
                .chosen
                .as_ref()
                .filter(|chosen| chosen.job == *job);
            live.map(|live| live.run.run)
                .or(chosen.and_then(|chosen| chosen.last))
        }
        RowId::Alert(_, None, None) => None,
    }
}
