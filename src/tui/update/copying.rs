//! What `y` and `Y` put into the clipboard.

use crate::tui::message::Effect;
use crate::tui::screens::run::incident;
use crate::tui::screens::{runs, watches};
use crate::tui::state::{Kind, Page, RowId, State};
use crate::tui::want::{job_of, run_of, watch_of};
use crate::view::text::clean_all;
use crate::view::words::{detail, state as word_of};

/// Lines of output that go with an incident.
const TAIL: usize = 10;

/// What names the row.
pub fn id(state: &mut State) -> Vec<Effect> {
    let run = match (state.page(), state.list().selected()) {
        (Page::Job(_), _) | (Page::Tab(_), Some(RowId::Job(_) | RowId::Next(..))) => None,
        _ => run_of(state),
    };
    let run = run.filter(|_| watch_of(state).is_none());
    let text = run.map(|run| run.to_string());
    let text = text.or_else(|| watch_of(state)).or_else(|| job_of(state));
    copy(state, text)
}

/// What the row says; of a run on its own page, everything somebody needs to be told.
pub fn line(state: &mut State) -> Vec<Effect> {
    let text = match state.kind() {
        Kind::Run => state.data.run.as_ref().map(|detail| {
            let tail = state.data.why.iter().flat_map(|why| &why.tail);
            let tail: Vec<String> = tail.map(|line| clean_all(&line.text)).collect();
            incident(state, detail, &tail[tail.len().saturating_sub(TAIL)..])
        }),
        Kind::Log => output_line(state),
        _ => row(state),
    };
    copy(state, text)
}

fn output_line(state: &State) -> Option<String> {
    let page = state.data.log.as_ref()?;
    let line = page.lines.get(state.log.top.checked_sub(page.first)?)?;
    Some(clean_all(&line.text))
}

fn row(state: &State) -> Option<String> {
    let list = state.list();
    match list.selected()? {
        RowId::Alert(what, job, run) => {
            let alerts = &state.data.status.as_ref()?.attention;
            let alert = alerts
                .iter()
                .find(|a| a.what == *what && a.job == *job && a.run == *run)?;
            let job = job.as_deref().unwrap_or("-");
            Some(format!("{what} {job}: {} ({})", alert.text, alert.hint))
        }
        RowId::Watch(watch) => {
            let view = watches::find(state, watch)?;
            let (health, error) = (&view.health, view.error().unwrap_or_default());
            Some(format!("watch {watch} {} {error}", health.state))
        }
        RowId::WatchAlert(what, watch) => {
            let alerts = &state.data.status.as_ref()?.attention;
            let alert = alerts
                .iter()
                .find(|a| a.what == *what && a.watch.as_ref() == Some(watch))?;
            Some(format!("{what} {watch}: {} ({})", alert.text, alert.hint))
        }
        id @ RowId::Run(_) => {
            let run = runs::find(state, id)?;
            let said = detail(run);
            Some(format!(
                "#{} {} {} {said}",
                run.run,
                run.job,
                word_of(run.state)
            ))
        }
        _ => job_of(state),
    }
}

fn copy(state: &mut State, text: Option<String>) -> Vec<Effect> {
    let Some(text) = text else {
        state.say("there is nothing to copy", false);
        return Vec::new();
    };
    let first = text.lines().next().unwrap_or_default();
    state.say(format!("copied: {first}"), false);
    vec![Effect::Copy(text)]
}
