//! Keys that change the world: which command lines they mean, and what is asked before.

use crate::model::{RunId, RunState};
use crate::tui::keymap::Deed;
use crate::tui::message::Effect;
use crate::tui::screens::{missed, runs};
use crate::tui::state::{Confirm, Modal, Page, RowId, State, Tab};
use crate::tui::update::watch_deeds;
use crate::tui::want::{job_of, run_of};
use crate::tui::words::coming;
use crate::view::time::{rfc3339, short, span};

/// Does it, or asks.
pub fn deed(state: &mut State, deed: Deed) -> Vec<Effect> {
    if !matches!(deed, Deed::Explain | Deed::Try) && state.is_read_only() {
        let why = if state.is_down() {
            "the daemon does not answer: nothing is changed from here; the commands still work"
        } else {
            "read-only: nothing is changed from here"
        };
        state.say(why, true);
        return Vec::new();
    }
    match deed {
        Deed::Run => run(state),
        Deed::Retry => retry(state),
        Deed::Kill => kill(state),
        Deed::Pause => pause(state),
        Deed::Ack => ack(state),
        Deed::CatchUp => catch_up(state),
        Deed::CatchUpAll => catch_up_all(state),
        Deed::Edit => match job_of(state) {
            Some(job) => vec![Effect::OnTerminal(argv(&["edit", &job]))],
            None => nothing(state, "no job is chosen"),
        },
        Deed::Drain => drain(state),
        Deed::Poll | Deed::Try | Deed::PauseWatch | Deed::Reset => watch_deeds::deed(state, deed),
        Deed::Explain => explain(state),
    }
}

/// The words of a command.
fn argv(words: &[&str]) -> Vec<String> {
    words.iter().map(|word| (*word).to_owned()).collect()
}

fn nothing(state: &mut State, why: &str) -> Vec<Effect> {
    state.say(why, false);
    Vec::new()
}

fn ask(state: &mut State, confirm: Confirm) -> Vec<Effect> {
    state.modal = Some(Modal::Confirm(confirm));
    Vec::new()
}

/// The jobs that are marked, or the one that is chosen.
fn jobs(state: &State) -> Vec<String> {
    let mut jobs: Vec<String> = state
        .marks
        .iter()
        .filter_map(|id| match id {
            RowId::Job(job) | RowId::Next(job, _) | RowId::Missed(job, ..) => Some(job.clone()),
            RowId::Alert(_, job, _) => job.clone(),
            RowId::Run(_) => runs::find(state, id).map(|run| run.job.clone()),
            RowId::Worker(_) | RowId::Watch(_) | RowId::Poll(_) | RowId::WatchAlert(..) => None,
        })
        .collect();
    jobs.sort();
    jobs.dedup();
    if jobs.is_empty() {
        jobs.extend(job_of(state));
    }
    jobs
}

/// The runs that are marked, or the one that is chosen.
fn chosen_runs(state: &State) -> Vec<RunId> {
    let marked = state.marks.iter().filter_map(|id| match id {
        RowId::Run(run) | RowId::Alert(_, _, Some(run)) => Some(*run),
        _ => None,
    });
    let mut runs: Vec<RunId> = marked.collect();
    runs.sort();
    runs.dedup();
    if runs.is_empty() {
        runs.extend(run_of(state));
    }
    runs
}

/// When the chosen job fires next, as a line of a question.
fn next_line(state: &State, job: &str) -> String {
    let chosen = state
        .data
        .chosen
        .as_ref()
        .filter(|chosen| chosen.job == job);
    match chosen.map(|chosen| (chosen.paused, chosen.next_at)) {
        Some((true, _)) => format!("{job} is paused."),
        Some((false, Some(at))) => format!("{job} fires next {}.", coming(state, Some(at))),
        Some((false, None)) => format!("{job} has no fire planned."),
        None => String::new(),
    }
}

fn run(state: &mut State) -> Vec<Effect> {
    let jobs = jobs(state);
    let command = |job: &String| argv(&["run", job, "-d"]);
    match jobs.as_slice() {
        [] => nothing(state, "no job is chosen"),
        [job] => vec![Effect::Act(command(job))],
        many => {
            let confirm = Confirm {
                title: format!("Run {} jobs now?", many.len()),
                lines: vec![many.join(", ")],
                commands: many.iter().map(command).collect(),
                yes: "run them".to_owned(),
            };
            ask(state, confirm)
        }
    }
}

fn retry(state: &mut State) -> Vec<Effect> {
    let runs = chosen_runs(state);
    let command = |run: &RunId| argv(&["retry", &run.to_string()]);
    match runs.as_slice() {
        [] => nothing(state, "no run is chosen"),
        [run] => vec![Effect::Act(command(run))],
        many => {
            let confirm = Confirm {
                title: format!("Do {} runs again?", many.len()),
                lines: Vec::new(),
                commands: many.iter().map(command).collect(),
                yes: "do them again".to_owned(),
            };
            ask(state, confirm)
        }
    }
}

fn kill(state: &mut State) -> Vec<Effect> {
    let all: Vec<_> = chosen_runs(state)
        .into_iter()
        .filter_map(|run| runs::find(state, &RowId::Run(run)).cloned())
        .filter(|run| run.state.outcome().is_none())
        .collect();
    let verb = |waits: bool| if waits { "cancel" } else { "kill" };
    let command = |run: &crate::store::RunRow| {
        argv(&[verb(run.state == RunState::Queued), &run.run.to_string()])
    };
    let confirm = match all.as_slice() {
        [] => return nothing(state, "what is chosen is not alive"),
        [run] if run.state == RunState::Queued => Confirm {
            title: format!("Take back run #{} of {}?", run.run, run.job),
            lines: vec![
                "It waits and will never start.".to_owned(),
                next_line(state, &run.job),
            ],
            commands: vec![command(run)],
            yes: "take it back".to_owned(),
        },
        [run] => {
            let pid = run.pid.map_or(String::new(), |pid| format!("pid {pid}, "));
            let age = run.started_at.map_or(0, |at| state.now - at);
            let grace = state.data.chosen.as_ref().filter(|c| c.job == run.job);
            let grace = grace.map_or_else(|| "its grace".to_owned(), |c| span(c.kill_grace_ms));
            Confirm {
                title: format!(
                    "Kill run #{} of {} ({pid}{})?",
                    run.run,
                    run.job,
                    short(age)
                ),
                lines: vec![
                    format!("SIGTERM to everything it started, SIGKILL after {grace}."),
                    "It ends as KILLED and is not tried again.".to_owned(),
                    next_line(state, &run.job),
                ],
                commands: vec![command(run)],
                yes: "kill".to_owned(),
            }
        }
        many => Confirm {
            title: format!("Kill {} runs?", many.len()),
            lines: many
                .iter()
                .map(|run| format!("#{} {}", run.run, run.job))
                .collect(),
            commands: many.iter().map(command).collect(),
            yes: "kill them all".to_owned(),
        },
    };
    ask(state, confirm)
}

fn pause(state: &mut State) -> Vec<Effect> {
    let jobs = jobs(state);
    let paused = state
        .data
        .chosen
        .as_ref()
        .is_some_and(|chosen| chosen.paused);
    match jobs.as_slice() {
        [] => nothing(state, "no job is chosen"),
        [job] if paused => vec![Effect::Act(argv(&["resume", job]))],
        _ => {
            state.modal = Some(Modal::PauseFor(jobs));
            Vec::new()
        }
    }
}

fn ack(state: &mut State) -> Vec<Effect> {
    let list = state.list();
    let target = match (state.page(), list.selected()) {
        (Page::Tab(_), Some(RowId::Missed(job, ..)))
        | (Page::Tab(_), Some(RowId::Alert("MISSED", Some(job), _))) => {
            return vec![Effect::Act(argv(&["missed", job, "--ack"]))];
        }
        (Page::Tab(_), Some(RowId::Alert(_, _, Some(run)))) => Some(run.to_string()),
        (Page::Tab(Tab::Overview | Tab::Runs) | Page::Run(_) | Page::Log(..), _) => run_of(state)
            .map(|run| run.to_string())
            .or_else(|| job_of(state)),
        _ => job_of(state),
    };
    match target {
        Some(target) => vec![Effect::Act(argv(&["ack", &target]))],
        None => nothing(state, "nothing is chosen that could be acknowledged"),
    }
}

fn catch_up(state: &mut State) -> Vec<Effect> {
    let jobs = jobs(state);
    if jobs.is_empty() {
        return nothing(state, "no job is chosen");
    }
    let command = |job: &String| Effect::Act(argv(&["missed", job, "--catch-up", "last"]));
    let effects = jobs.iter().map(command).collect();
    state.marks.clear();
    effects
}

fn catch_up_all(state: &mut State) -> Vec<Effect> {
    let jobs = jobs(state);
    let mut lines = Vec::new();
    if let [job] = jobs.as_slice() {
        if let Some(chosen) = state.data.chosen.as_ref().filter(|c| c.job == *job) {
            let most = i64::from(chosen.catch_up_max);
            let runs = chosen.missed.min(most);
            lines.push(format!(
                "{runs} runs, the oldest fire first (at most {most} at once)."
            ));
        }
        lines.push(next_line(state, job));
    }
    if jobs.is_empty() {
        return nothing(state, "no job is chosen");
    }
    let confirm = Confirm {
        title: format!("Make a run for each missed fire of {}?", jobs.join(", ")),
        lines,
        commands: jobs
            .iter()
            .map(|job| argv(&["missed", job, "--catch-up", "all"]))
            .collect(),
        yes: "make them all".to_owned(),
    };
    ask(state, confirm)
}

fn drain(state: &mut State) -> Vec<Effect> {
    let confirm = Confirm {
        title: "Let no run start until this is undone?".to_owned(),
        lines: vec![
            "What is alive may end. Fires are decided and recorded; their runs wait.".to_owned(),
            "It holds across restarts; `:worker resume` undoes it.".to_owned(),
        ],
        commands: vec![argv(&["worker", "drain"])],
        yes: "drain".to_owned(),
    };
    ask(state, confirm)
}

fn explain(state: &mut State) -> Vec<Effect> {
    let list = state.list();
    let id = list.selected();
    if let (Page::Tab(Tab::Missed), Some(group)) =
        (state.page(), id.and_then(|id| missed::find(state, id)))
    {
        let at = rfc3339(group.from, &state.setting.zone);
        return vec![Effect::Act(argv(&["explain", &group.job, "--at", &at]))];
    }
    match job_of(state) {
        Some(job) => vec![Effect::Act(argv(&["explain", &job]))],
        None => nothing(state, "no job is chosen"),
    }
}
