//! Which queued runs the firing side has, and under which numbers the store knows them.

use std::collections::{HashMap, HashSet};

use crate::model::RunId;

/// The queued runs that the firing side has, so that none is given to it twice.
#[derive(Debug, Default)]
pub struct Held {
    runs: HashSet<RunId>,
    /// The queue and the job of each.
    of: HashMap<RunId, (String, String)>,
    in_queue: HashMap<String, usize>,
    of_job: HashMap<String, usize>,
    /// Runs that had to be recorded under another number: the one given out, and the other.
    renumbered: HashMap<RunId, RunId>,
}

impl Held {
    /// The firing side has a queued run.
    pub fn hold(&mut self, run: RunId, queue: &str, job: &str) {
        let run = self.number_of(run);
        if self.runs.insert(run) {
            *self.in_queue.entry(queue.to_owned()).or_default() += 1;
            *self.of_job.entry(job.to_owned()).or_default() += 1;
            self.of.insert(run, (queue.to_owned(), job.to_owned()));
        }
    }

    /// The run is no longer queued. Says whether it was held.
    pub fn release(&mut self, run: RunId) -> bool {
        let run = self.number_of(run);
        if let Some((queue, job)) = self.of.remove(&run) {
            count_down(&mut self.in_queue, &queue);
            count_down(&mut self.of_job, &job);
        }
        self.runs.remove(&run)
    }

    /// Runs were recorded under other numbers.
    pub fn renumbered(&mut self, runs: Vec<(RunId, RunId)>) {
        self.renumbered.extend(runs);
    }

    /// The run is over: nobody will speak of it by the number given out any more.
    pub fn over(&mut self, run: RunId) {
        self.renumbered.remove(&run);
    }

    /// The held runs, by their numbers in the store.
    pub fn runs(&self) -> &HashSet<RunId> {
        &self.runs
    }

    /// How many of a queue are held.
    pub fn count_in(&self, queue: &str) -> usize {
        self.in_queue.get(queue).copied().unwrap_or(0)
    }

    /// How many of each job are held.
    pub fn by_job(&self) -> &HashMap<String, usize> {
        &self.of_job
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

fn count_down(counts: &mut HashMap<String, usize>, key: &str) {
    if let Some(count) = counts.get_mut(key) {
        *count = count.saturating_sub(1);
        if *count == 0 {
            counts.remove(key);
        }
    }
}

#[cfg(test)]
mod tests {
    use crate::daemon::held::Held;
    use crate::model::RunId;

    #[test]
    fn nothing_is_kept_of_a_run_that_is_over() {
        let mut held = Held::default();
        held.renumbered(vec![(RunId(1 << 40), RunId(7))]);
        held.hold(RunId(1 << 40), "normal", "job");
        assert!(held.runs().contains(&RunId(7)));
        assert_eq!(held.given_number(RunId(7)), RunId(1 << 40));
        assert!(held.release(RunId(1 << 40)));
        held.over(RunId(1 << 40));
        assert!(held.of.is_empty() && held.in_queue.is_empty() && held.of_job.is_empty());
        assert!(held.runs.is_empty() && held.renumbered.is_empty());
    }
}
