//! Ends of attempts that the store has not taken yet.
//!
//! A worker keeps the end of its run until it is told that somebody else has it. That must not be
//! for long: where the store is behind, the end goes into the ring, and the worker may take another
//! run.

use std::collections::VecDeque;

use crate::model::{Ended, Fence};

/// How long the store may take to record an end, milliseconds.
const PATIENCE_MS: i64 = 2_000;

/// The ends that the store has not taken yet, oldest first.
#[derive(Debug, Default)]
pub struct Ends {
    waiting: VecDeque<Waiting>,
}

#[derive(Debug)]
struct Waiting {
    batch: u64,
    since: i64,
    ended: Ended,
    /// Whether it is in the ring.
    safe: bool,
}

impl Ends {
    /// An attempt ended; `batch` will tell the store.
    pub fn wait(&mut self, batch: u64, mono: i64, ended: &Ended) {
        if ended.collect {
            self.waiting.push_back(Waiting {
                batch,
                since: mono,
                ended: ended.clone(),
                safe: false,
            });
        }
    }

    /// The store has everything up to this batch.
    pub fn committed(&mut self, batch: u64) {
        while self.waiting.front().is_some_and(|w| w.batch <= batch) {
            self.waiting.pop_front();
        }
    }

    /// The ends to be put into the ring now. Once one has waited too long, none is waited for.
    pub fn overdue(&mut self, mono: i64) -> Vec<Ended> {
        let late = |w: &Waiting| mono - w.since >= PATIENCE_MS;
        if !self.waiting.front().is_some_and(late) {
            return Vec::new();
        }
        let mut ends = Vec::new();
        // Those that are safe stand before those that are not.
        let from = self.waiting.partition_point(|w| w.safe);
        for waiting in self.waiting.iter_mut().skip(from) {
            waiting.safe = true;
            ends.push(waiting.ended.clone());
        }
        ends
    }

    /// These could not be put anywhere safe; they are tried again.
    pub fn not_yet(&mut self, fences: Vec<Fence>) {
        let unsafe_again = |w: &&mut Waiting| fences.contains(&w.ended.fence);
        self.waiting
            .iter_mut()
            .filter(unsafe_again)
            .for_each(|w| w.safe = false);
    }

    /// In how many milliseconds one becomes overdue.
    pub fn look_in(&self, mono: i64) -> Option<i64> {
        let first = self.waiting.front()?;
        let all_safe = self.waiting.back().is_some_and(|w| w.safe);
        (!all_safe).then(|| (first.since + PATIENCE_MS - mono).max(LOOK_AGAIN_MS))
    }
}

/// What could not be put anywhere safe is tried again after this, milliseconds.
const LOOK_AGAIN_MS: i64 = 100;
