//! What a key does.

use ratatui::crossterm::event::{KeyCode, KeyEvent, KeyModifiers};

use crate::tui::keymap::{Wish, wish, wish_on_watches};
use crate::tui::message::Effect;
use crate::tui::screens::{CHROME, jobs, log, runs};
use crate::tui::state::{Input, Kind, List, Modal, Page, RowId, State, Tab, Times};
use crate::tui::update::{copying, deeds, modals};
use crate::tui::want::{job_of, run_of};

/// Takes a key in.
pub fn key(state: &mut State, key: &KeyEvent) -> Vec<Effect> {
    state.flash = None;
    // Whatever is in front, this leaves.
    if key.modifiers.contains(KeyModifiers::CONTROL) && key.code == KeyCode::Char('c') {
        return vec![Effect::Quit];
    }
    if state.modal.is_some() {
        return modals::key(state, key);
    }
    let on_watches = matches!(state.kind(), Kind::Watch | Kind::Tab(Tab::Watches));
    let own = on_watches.then(|| wish_on_watches(key)).flatten();
    match own.or_else(|| wish(key)) {
        Some(wish) => carry_out(state, wish),
        None => Vec::new(),
    }
}

/// Does what a key outside of modals asks for.
pub fn carry_out(state: &mut State, wish: Wish) -> Vec<Effect> {
    let screen = i64::try_from(state.height().saturating_sub(CHROME + 1)).unwrap_or(1);
    match wish {
        Wish::Quit => return vec![Effect::Quit],
        Wish::Move(by) => go_by(state, i64::from(by)),
        Wish::Half(by) => go_by(state, i64::from(by) * (screen / 2).max(1)),
        Wish::Whole(by) => go_by(state, i64::from(by) * screen.max(1)),
        Wish::First => go_by(state, i64::MIN / 4),
        Wish::Last => go_by(state, i64::MAX / 4),
        Wish::Open => open(state),
        Wish::Back => back(state),
        Wish::Go(tab) => go(state, tab),
        Wish::Step(by) => step(state, by),
        Wish::Find => find(state),
        Wish::Found(by) => found(state, by > 0),
        Wish::Problems => state.problems = !state.problems,
        Wish::Freeze => freeze(state),
        Wish::Mark => mark(state),
        Wish::Sort => sort(state),
        Wish::Reverse => {
            let list = state.list_mut();
            list.reverse = !list.reverse;
        }
        Wish::Times => {
            state.times = match state.times {
                Times::Relative => Times::Local,
                Times::Local => Times::Utc,
                Times::Utc => Times::Relative,
            };
        }
        Wish::View => other_view(state),
        Wish::Wrap => state.log.wrap = !state.log.wrap,
        Wish::Log => output(state),
        Wish::Missed => missed(state),
        Wish::Help => state.modal = Some(Modal::Help),
        Wish::Palette => state.modal = Some(Modal::Palette(Input::default())),
        Wish::Redraw => return vec![Effect::Clear],
        Wish::Suspend => return vec![Effect::Suspend],
        Wish::Copy => return copying::id(state),
        Wish::CopyLine => return copying::line(state),
        Wish::Pager => return pager(state),
        Wish::Act(deed) => return deeds::deed(state, deed),
    }
    Vec::new()
}

/// To a screen.
pub fn go(state: &mut State, tab: Tab) {
    state.tab = tab;
    state.stack.clear();
}

fn step(state: &mut State, by: i32) {
    let count = Tab::ALL.len();
    let here = Tab::ALL
        .iter()
        .position(|tab| *tab == state.tab)
        .unwrap_or(0);
    let next = if by > 0 { here + 1 } else { here + count - 1 } % count;
    go(state, Tab::ALL[next]);
}

/// Moves by so many rows, or lines.
pub fn go_by(state: &mut State, by: i64) {
    let moved = |at: usize| {
        let at = i64::try_from(at).unwrap_or(i64::MAX / 2).saturating_add(by);
        usize::try_from(at.max(0)).unwrap_or(0)
    };
    match state.kind() {
        Kind::Job | Kind::Run => {
            let list = state.list_mut();
            list.offset = moved(list.offset);
        }
        Kind::Log => {
            let Page::Log(run, _) = state.page() else {
                return;
            };
            let total = log::page(state, run).map_or(0, |page| page.total);
            let last = total.saturating_sub(log::shown(state));
            state.log.top = moved(state.log.top).min(last);
            state.log.follow = by > 0 && state.log.top == last;
        }
        Kind::Tab(_) | Kind::Watch => {
            let list = state.list_mut();
            list.at = moved(list.at).min(list.ids.len().saturating_sub(1));
        }
    }
}

fn open(state: &mut State) {
    let job_page = |state: &State| job_of(state).map(Page::Job);
    let next = match state.page() {
        Page::Run(_) => job_page(state),
        Page::Log(run, _) => Some(Page::Run(run)),
        Page::Job(_) | Page::Watch(_) => run_of(state).map(Page::Run),
        Page::Tab(_) => match state.list().selected() {
            Some(RowId::Run(run) | RowId::Alert(_, _, Some(run))) => Some(Page::Run(*run)),
            Some(RowId::Watch(watch) | RowId::WatchAlert(_, watch)) => {
                Some(Page::Watch(watch.clone()))
            }
            Some(RowId::Worker(_)) => run_of(state).map(Page::Run),
            Some(_) => job_page(state),
            None => None,
        },
    };
    if let Some(page) = next {
        push(state, page);
    }
}

/// Opens a page over the one that is there; where it was open before, goes back to it.
pub fn push(state: &mut State, page: Page) {
    let known = state.stack.iter().position(|open| *open == page);
    state.stack.truncate(known.unwrap_or(state.stack.len()));
    state.stack.push(page);
    if matches!(state.kind(), Kind::Job | Kind::Run) {
        state.list_mut().offset = 0;
    }
    // Another watch has other polls.
    if state.kind() == Kind::Watch && known.is_none() {
        *state.list_mut() = List::default();
    }
}

fn back(state: &mut State) {
    if state.stack.pop().is_some() {
        return;
    }
    if !state.marks.is_empty() {
        state.marks.clear();
    } else if state.filters.remove(&state.kind()).is_none() {
        state.problems = false;
    }
}

fn find(state: &mut State) {
    let text = match state.kind() {
        Kind::Log => state.log.search.clone(),
        Kind::Tab(Tab::Jobs | Tab::Runs | Tab::Missed | Tab::Workers | Tab::Watches) => {
            state.filter().to_owned()
        }
        _ => {
            state.say(
                "there is nothing to filter here; 2 shows the jobs, 3 the runs",
                false,
            );
            return;
        }
    };
    state.modal = Some(Modal::Filter(Input { text, error: None }));
}

/// To the next or the previous line that holds what is searched for.
pub fn found(state: &mut State, forward: bool) {
    let Page::Log(run, _) = state.page() else {
        return;
    };
    let words = state.log.search.clone();
    let Some(page) = log::page(state, run).filter(|_| !words.is_empty()) else {
        return;
    };
    match log::search(page, &words, state.log.top, forward) {
        Some(line) => {
            state.log.top = line;
            state.log.follow = false;
        }
        None => state.say(
            format!("no further line with \"{words}\" in what was read"),
            false,
        ),
    }
}

fn freeze(state: &mut State) {
    if state.kind() == Kind::Log {
        state.log.follow = !state.log.follow;
        return;
    }
    state.frozen = !state.frozen;
    if let Some(newer) = state.newer.take() {
        state.data = *newer;
    }
}

fn mark(state: &mut State) {
    if let Some(id) = state.list().selected().cloned() {
        if !state.marks.remove(&id) {
            state.marks.insert(id);
        }
        go_by(state, 1);
    }
}

fn sort(state: &mut State) {
    let columns = match state.page() {
        Page::Tab(Tab::Jobs) => jobs::SORTED,
        Page::Tab(Tab::Runs) => runs::SORTED,
        _ => return,
    };
    let list = state.list_mut();
    list.sort = (list.sort + 1) % columns;
}

fn other_view(state: &mut State) {
    let kind = state.kind();
    if !matches!(kind, Kind::Job | Kind::Tab(Tab::Jobs)) {
        return;
    }
    if !state.other.remove(&kind) {
        state.other.insert(kind);
    }
}

fn output(state: &mut State) {
    let Some(run) = run_of(state) else {
        state.say("there is no run whose output could be shown", false);
        return;
    };
    if state.kind() == Kind::Log {
        return;
    }
    state.log.of = Some((run, 0));
    state.log.follow = true;
    state.log.search.clear();
    state.log.place = crate::tui::sources::Place::End;
    push(state, Page::Log(run, 0));
}

fn missed(state: &mut State) {
    let job = job_of(state);
    go(state, Tab::Missed);
    match job {
        Some(job) => state
            .filters
            .insert(Kind::Tab(Tab::Missed), format!("job:{job}")),
        None => state.filters.remove(&Kind::Tab(Tab::Missed)),
    };
}

fn pager(state: &mut State) -> Vec<Effect> {
    match run_of(state) {
        Some(run) => vec![Effect::OnTerminal(vec!["logs".to_owned(), run.to_string()])],
        None => Vec::new(),
    }
}
