//! Which queued runs the firing side has, and under which numbers the store knows them.

use std::collections::{HashMap, HashSet};

use crate::model::RunId;

/// The queued runs that the firing side has, so that none is given to it twice.
#[derive(Debug, Default)]
pub struct Held {
    runs: HashSet<RunId>,
    queue_of: HashMap<RunId, String>,
    count: HashMap<String, usize>,
    /// Runs that had to be recorded under another number: the one given out, and the other.
    renumbered: HashMap<RunId, RunId>,
}

impl Held {
    /// The firing side has a queued run.
    pub fn hold(&mut self, run: RunId, queue: &str) {
        let run = self.number_of(run);
        if self.runs.insert(run) {
            *self.count.entry(queue.to_owned()).or_default() += 1;
            self.queue_of.insert(run, queue.to_owned());
        }
    }

    /// The run is no longer queued. Says whether it was held.
    pub fn release(&mut self, run: RunId) -> bool {
        let run = self.number_of(run);
        if let Some(queue) = self.queue_of.remove(&run)
            && let Some(count) = self.count.get_mut(&queue)
        {
            *count = count.saturating_sub(1);
        }
        self.runs.remove(&run)
    }

    /// Runs were recorded under other numbers.
    pub fn renumbered(&mut self, runs: Vec<(RunId, RunId)>) {
        self.renumbered.extend(runs);
    }

    /// The held runs, by their numbers in the store.
    pub fn runs(&self) -> &HashSet<RunId> {
        &self.runs
    }

    /// How many of a queue are held.
    pub fn count_in(&self, queue: &str) -> usize {
        self.count.get(queue).copied().unwrap_or(0)
    }

    /// The number a run has in the store.
    pub fn number_of(&self, run: RunId) -> RunId {
        self.renumbered.get(&run).copied().unwrap_or(run)
    }

    /// The number the firing side knows a run of the store by.
    pub fn given_number(&self, run: RunId) -> RunId {
        let given = self.renumbered.iter().find(|(_, kept)| **kept == run);
        given.map_or(run, |(given, _)| *given)
    }
}
