//! What one check of `crake doctor` finds, made into one line.

use std::cmp::Reverse;

/// Names told in one line.
const NAMES: usize = 5;

/// What one check found.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum State {
    /// Nothing is wrong.
    Ok,
    /// Look.
    Warn,
    /// Something does not work.
    Fail,
}

impl State {
    /// The word.
    pub fn as_str(self) -> &'static str {
        match self {
            State::Ok => "ok",
            State::Warn => "warn",
            State::Fail => "fail",
        }
    }
}

/// One check and what it found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Check {
    /// Its name.
    pub name: &'static str,
    /// The worst it found.
    pub state: State,
    /// What it found, the worst first.
    pub what: String,
    /// What to do, step by step; empty where nothing is wrong.
    pub fix: Vec<String>,
}

/// What one check finds, gathered.
pub(in crate::view) struct Findings {
    name: &'static str,
    found: Vec<(State, String, Vec<String>)>,
}

impl Findings {
    /// Nothing yet.
    pub(in crate::view) fn of(name: &'static str) -> Findings {
        let found = Vec::new();
        Findings { name, found }
    }

    /// Adds something that is wrong, and what to do about it.
    pub(in crate::view) fn add(&mut self, state: State, what: String, fix: Vec<String>) {
        self.found.push((state, what, fix));
    }

    /// Says that some jobs have something in common, where there are any.
    pub(in crate::view) fn jobs(
        &mut self,
        state: State,
        what: &str,
        named: &[(&str, String)],
        verb: &str,
    ) {
        if named.is_empty() {
            return;
        }
        let list: Vec<&str> = named.iter().map(|(_, text)| text.as_str()).collect();
        let fix = named.iter().take(NAMES);
        let fix = fix.map(|(job, _)| format!("crake {verb} {job}")).collect();
        self.add(state, format!("{what}: {}", some(&list)), fix);
    }

    /// The check: what was found, or what is well where nothing was.
    pub(in crate::view) fn check(mut self, well: impl FnOnce() -> String) -> Check {
        self.found.sort_by_key(|(state, ..)| Reverse(*state));
        let state = self.found.first().map_or(State::Ok, |(state, ..)| *state);
        let what: Vec<String> = self.found.iter().map(|(_, what, _)| what.clone()).collect();
        let mut fix: Vec<String> = Vec::new();
        for step in self.found.into_iter().flat_map(|(.., fix)| fix) {
            if !fix.contains(&step) {
                fix.push(step);
            }
        }
        Check {
            name: self.name,
            state,
            what: if what.is_empty() {
                well()
            } else {
                what.join("; ")
            },
            fix,
        }
    }
}

/// A few of a list, and how many more there are.
pub(in crate::view) fn some(list: &[&str]) -> String {
    let shown = list.iter().take(NAMES).copied().collect::<Vec<_>>();
    match list.len() - shown.len() {
        0 => shown.join(", "),
        more => format!("{} and {more} more", shown.join(", ")),
    }
}
