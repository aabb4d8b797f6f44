//! The store side: the only writer of the store in the daemon.
//!
//! It records what the firing side decided, in the order in which it was decided, and tells the
//! firing side what it must know: changed definitions, what is due soon, queued runs that could
//! start, wishes to cancel. While the store cannot be written, what was decided waits here (and in
//! the ring) and nothing else stops.

mod numbers;
mod over;

use std::collections::{HashMap, VecDeque};
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};

use crate::daemon::cancel::cancelled;
use crate::daemon::changes::{Changes, queue_facts};
use crate::daemon::definition::{Definition, mark_unreadable};
use crate::daemon::fact::{Batch, Fact};
use crate::daemon::firing::WINDOW;
use crate::daemon::held::Held;
use crate::daemon::outputs::Outputs;
use crate::daemon::refill::{Refill, moved};
use crate::daemon::refused::one_by_one;
use crate::daemon::sequence::{record_in_order, rewind};
use crate::daemon::zones::Zones;
use crate::engine::Armed;
use crate::model::{Fence, Level, Next, Note, Record, RunId, TroubleKind};
use crate::schedule::{UnixMs, Zone};
use crate::store::{self, Store, StoreError, StoredOutput};

/// How far ahead everything that is due is kept in memory, however much that is, milliseconds.
pub const AHEAD_MS: i64 = 90_000;

/// What a step of the store side came to.
#[derive(Debug, Default)]
pub struct Kept {
    /// What the firing side must know.
    pub facts: Vec<Fact>,
    /// Attempts whose outcome and output are in the store.
    pub collected: Vec<Fence>,
    /// When to look again at the latest, because something in the store becomes due.
    pub look_at: Option<UnixMs>,
}

/// The store side.
pub struct Keeper {
    store: Store,
    zones: Zones,
    recorded: Arc<AtomicI64>,
    pending: VecDeque<Batch>,
    outputs: Arc<Outputs>,
    held: Held,
    given: Refill,
    numbers_end: i64,
    numbers_used: i64,
    numbers_at: Option<UnixMs>,
    seen: i64,
    changes: Changes,
    window_until: Option<UnixMs>,
    look_at: Option<UnixMs>,
    refill: bool,
    reload: bool,
    fault: Option<(TroubleKind, String)>,
    refused: Option<PathBuf>,
}

impl Keeper {
    /// The store side over an open store. `recorded` tells the ring how far it is recorded.
    pub fn new(store: Store, zones: Zones, recorded: Arc<AtomicI64>) -> Keeper {
        Keeper {
            store,
            zones,
            recorded,
            pending: VecDeque::new(),
            outputs: Arc::default(),
            held: Held::default(),
            given: Refill::default(),
            numbers_end: 0,
            numbers_used: 0,
            numbers_at: None,
            seen: 0,
            changes: Changes::default(),
            window_until: None,
            look_at: None,
            refill: true,
            reload: false,
            fault: None,
            refused: None,
        }
    }

    /// The store, to look at.
    pub fn store(&self) -> &Store {
        &self.store
    }

    /// The store, for what belongs to no batch.
    pub fn store_mut(&mut self) -> &mut Store {
        &mut self.store
    }

    /// Why nothing can be recorded at the moment.
    pub fn fault(&self) -> Option<&(TroubleKind, String)> {
        self.fault.as_ref()
    }

    /// Decisions that wait to be recorded.
    pub fn waiting(&self) -> usize {
        self.pending.iter().map(|b| b.records.len()).sum()
    }

    /// What the store refuses for good is put aside into this file.
    pub fn put_refused_into(&mut self, path: PathBuf) {
        self.refused = Some(path);
    }

    /// The highest run number that was put aside for the firing side.
    pub fn numbers_end(&self) -> i64 {
        self.numbers_end
    }

    /// Batches that wait to be recorded.
    pub fn behind(&self) -> usize {
        self.pending.len()
    }

    /// Everything in the ring up to this number is recorded.
    pub fn recorded_up_to(&self, number: i64) {
        self.recorded.fetch_max(number, Ordering::AcqRel);
    }

    /// A batch to be recorded.
    pub fn take(&mut self, batch: Batch) {
        self.pending.push_back(batch);
    }

    /// Nobody will record the end of this attempt: its output is dropped.
    pub fn forget_output(&mut self, fence: Fence) {
        self.outputs.forget(fence);
    }

    /// The output of an attempt that ended; to be kept with its record.
    pub fn take_output(&mut self, fence: Fence, output: StoredOutput) {
        self.outputs.take(fence, output);
    }

    /// The output of attempts that ended is found here.
    pub fn share_outputs(&mut self, outputs: Arc<Outputs>) {
        self.outputs = outputs;
    }

    /// Everything the firing side must know at the start.
    ///
    /// # Errors
    /// Those of the store.
    pub fn begin(&mut self, now: UnixMs) -> store::Result<Vec<Fact>> {
        rewind(&mut self.store, &self.zones, now)?;
        self.store.forget_ended()?;
        // Everything is read now, whatever has changed.
        while !self.store.take_changes()?.is_empty() {}
        let mut facts = queue_facts(&self.store)?;
        self.seen = self.store.data_version()?;
        self.load_window(now, &mut facts)?;
        self.look(true, now, &mut facts)?;
        self.numbers(now, &mut facts)?;
        Ok(facts)
    }

    /// Records what waits, then looks at what has changed.
    ///
    /// # Errors
    /// None that stops the daemon: what cannot be written now is kept and tried again. An error
    /// tells that this has just happened.
    pub fn step(&mut self, now: UnixMs) -> Result<Kept, StoreError> {
        let mut kept = Kept::default();
        let result = self.try_step(now, &mut kept);
        self.fault = result.as_ref().err().map(|e| (e.trouble(), e.to_string()));
        kept.look_at = [self.look_at, self.reload_at(), self.numbers_at]
            .into_iter()
            .flatten()
            .min();
        match result {
            Ok(()) => Ok(kept),
            // What was done before the fault is done; it must not be lost.
            Err(e) if kept.facts.is_empty() && kept.collected.is_empty() => Err(e),
            Err(_) => Ok(kept),
        }
    }

    fn try_step(&mut self, now: UnixMs, kept: &mut Kept) -> store::Result<()> {
        self.record(now, kept)?;
        if self.reload {
            self.load_window(now, &mut kept.facts)?;
            self.reload = false;
        }
        let version = self.store.data_version()?;
        let timer = self.look_at.is_some_and(|at| at <= now);
        if version != self.seen || self.changes.wait() {
            let facts = &mut kept.facts;
            self.changes.tell(&mut self.store, &self.zones, facts)?;
            moved(&mut self.store, &mut self.held, facts)?;
            self.look(true, now, facts)?;
            // Only now: what could not be looked at is looked at again.
            self.seen = version;
        } else if self.refill || timer {
            self.look(false, now, &mut kept.facts)?;
        }
        if self.reload_at().is_some_and(|at| at <= now) {
            self.load_window(now, &mut kept.facts)?;
        }
        self.numbers(now, &mut kept.facts)
    }

    /// Looks whether the rules of the zones have changed on disk. If so each schedule goes on by the
    /// new ones as a version of its own, so that its past stays what it was, and one whose zone was
    /// gone is tried again.
    ///
    /// # Errors
    /// Those of the store; it is looked at again the next time.
    pub fn look_at_zones(&mut self, now: UnixMs) -> store::Result<()> {
        let Some(count) = self.zones.renew(&mut self.store, now)? else {
            return Ok(());
        };
        // The next step tells it, which our own write brings about.
        (self.seen, self.reload) = (-1, true);
        self.store.note(&Note {
            at: now,
            level: Level::Info,
            kind: "tzdata".to_owned(),
            job: None,
            run: None,
            text: format!(
                "tzdata is now {}: {count} schedules go by it",
                Zone::edition()
            ),
        })
    }

    /// When the window of schedules in memory must be moved on.
    fn reload_at(&self) -> Option<UnixMs> {
        self.window_until.map(|until| until - AHEAD_MS / 2)
    }

    /// Records all batches that wait in one transaction.
    fn record(&mut self, now: UnixMs, kept: &mut Kept) -> store::Result<()> {
        let Some(last) = self.pending.back() else {
            return Ok(());
        };
        let (number, ring_seq) = (last.number, last.ring_seq);
        let mut records: Vec<Record> = self
            .pending
            .iter()
            .flat_map(|b| b.records.iter().cloned())
            .collect();
        self.outputs.account(&mut records);
        let (seq, zones) = (Some(ring_seq), &self.zones);
        let renumbered = match record_in_order(&mut self.store, zones, &records, seq, now) {
            Err(e) if e.is_refusal() => {
                let aside = self.refused.as_deref();
                one_by_one(&mut self.store, zones, &records, seq, now, aside)?
            }
            done => done?,
        };
        self.held.renumbered(renumbered);
        // The attempt must be there first. After a crash in between the slot still has the output.
        let outputs: Vec<(RunId, u32, StoredOutput)> =
            records.iter().filter_map(|r| self.outputs.of(r)).collect();
        self.store.keep_output(&outputs)?;
        self.pending.clear();
        self.recorded_up_to(ring_seq);
        kept.facts.push(Fact::Committed(number));
        for record in &records {
            self.recorded(record, kept);
        }
        Ok(())
    }

    /// Keeps count of the queued runs that the firing side has.
    fn recorded(&mut self, record: &Record, kept: &mut Kept) {
        match record {
            Record::Fire(fire) => {
                if let Some(new) = &fire.make {
                    self.number_used(new.run);
                    self.held.hold(new.run, &new.queue, &new.job);
                }
            }
            Record::New(new) => {
                self.number_used(new.run);
            }
            Record::Start(start) => self.refill |= self.held.release(start.run),
            Record::Drop(drop) => {
                // Its followers may wait now, whether it was held or not.
                self.refill = true;
                self.held.release(drop.run);
                self.held.over(drop.run);
            }
            Record::Ended(ended) => {
                self.refill = true;
                match ended.next {
                    Next::Final => self.held.over(ended.run),
                    Next::Retry(_) => {
                        if let Some(queue) = self.queue_of_run(ended.run) {
                            self.held.hold(ended.run, &queue, &ended.job);
                        }
                    }
                }
                self.outputs.forget(ended.fence);
                if ended.collect {
                    kept.collected.push(ended.fence);
                }
            }
            Record::Back(_) => {
                self.zones.rewound_once();
                self.reload = true;
            }
            Record::Spawned(_) | Record::Gap(_) | Record::Note(_) => {}
        }
    }

    fn queue_of_run(&self, run: RunId) -> Option<String> {
        let run = self.store.run(self.held.number_of(run)).ok()??;
        Some(run.queue)
    }

    /// Queued runs that could start, and wishes to cancel.
    fn look(&mut self, news: bool, now: UnixMs, facts: &mut Vec<Fact>) -> store::Result<()> {
        let again = self
            .given
            .look(&mut self.store, &mut self.held, news, now, facts)?;
        let cancelled = cancelled(&mut self.store, &self.held, now)?;
        if !cancelled.is_empty() {
            facts.push(Fact::Cancelled(cancelled));
        }
        let later = self.store.next_run_at(now)?;
        self.look_at = [again, later].into_iter().flatten().min();
        self.refill = false;
        Ok(())
    }

    /// The schedules due soonest, with their jobs.
    fn load_window(&mut self, now: UnixMs, facts: &mut Vec<Fact>) -> store::Result<()> {
        let (rows, more) = self.store.due_soonest(now + AHEAD_MS, WINDOW)?;
        // However many are due at once, all that are due by then have been read.
        self.window_until = rows
            .last()
            .map(|r| r.next_at.max(now + AHEAD_MS))
            .filter(|_| more);
        let mut by_job: HashMap<String, Vec<Armed>> = HashMap::new();
        for armed in self.zones.arm(&mut self.store, rows)? {
            by_job
                .entry(armed.planned.job.clone())
                .or_default()
                .push(armed);
        }
        let mut due = Vec::new();
        for (name, armed) in by_job {
            match Definition::read(&self.store, &name)? {
                Definition::Known(job) => due.push((job, armed)),
                Definition::Gone => facts.push(Fact::Orphaned(armed)),
                Definition::Unreadable(why) => mark_unreadable(&mut self.store, &armed, &why)?,
            }
        }
        facts.push(Fact::Due(due));
        Ok(())
    }
}
