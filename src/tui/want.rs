//! What the feed is to read for the screen as it is.

use crate::model::RunId;
use crate::tui::screens::CHROME;
use crate::tui::sources::Place;
use crate::tui::state::{Kind, Page, RowId, State, Tab};

/// What is to be read beside what every screen shows.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Want {
    /// What changes with every run of each job.
    pub jobs: bool,
    /// Jobs whose last runs are in sight.
    pub bars: Vec<String>,
    /// So many runs, where runs are listed.
    pub runs: Option<RunsWanted>,
    /// Missed fires and gaps.
    pub missed: bool,
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
        Page::Tab(_) => {}
        Page::Run(run) => want.run = Some(run),
        Page::Job(job) => want.job = Some(job),
        Page::Log(run, attempt) => {
            want.run = Some(run);
            want.log = Some((run, attempt, state.log.place));
        }
    }
    if state.kind() == Kind::Tab(Tab::Jobs) {
        want.jobs = true;
        want.missed = true;
    }
    want
}
