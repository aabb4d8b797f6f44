//! Everything the decisions depend on, in memory.
//!
//! A world is made from the store, the ring and the workers' ledgers, and kept up by facts. It
//! holds what is due soonest and what could start, not everything there is.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::Arc;

use crate::engine::known::JobState;
use crate::engine::pace::Pace;
use crate::engine::turn::{makes_up, turn};
use crate::engine::{Armed, LiveRun, Numbers, Over, Phase};
use crate::model::{Fence, Gap, Job, Queue, QueuedRun, Record, RunId, ScheduleId, StopCause};
use crate::schedule::UnixMs;

/// Everything the decisions depend on.
#[derive(Clone, Debug, Default)]
pub struct World {
    pub(in crate::engine) armed: HashMap<ScheduleId, Armed>,
    pub(in crate::engine) order: BTreeSet<(UnixMs, ScheduleId)>,
    pub(in crate::engine) jobs: HashMap<String, JobState>,
    pub(in crate::engine) queues: Vec<Queue>,
    pub(in crate::engine) queued: HashMap<RunId, QueuedRun>,
    pub(in crate::engine) waiting: HashMap<String, Waiting>,
    pub(in crate::engine) live: BTreeMap<RunId, LiveRun>,
    pub(in crate::engine) cancelled: HashMap<RunId, Option<String>>,
    pub(in crate::engine) slots: u32,
    pub(in crate::engine) pace: Pace,
    pub(in crate::engine) gaps: Vec<Gap>,
    pub(in crate::engine) numbers: Numbers,
    pub(in crate::engine) next_fence: Fence,
    pub(in crate::engine) boot_id: String,
    pub(in crate::engine) evicted: HashMap<ScheduleId, (UnixMs, u64)>,
    pub(in crate::engine) epoch: u64,
    pub(in crate::engine) draining: bool,
}

/// The waiting runs of a queue in their turn: those that are on time, and those that make up for
/// something.
pub(in crate::engine) type Waiting = [BTreeSet<(UnixMs, RunId)>; 2];

/// How many gaps are kept for instants that are decided later.
const GAPS: usize = 64;

impl World {
    /// A world in which nothing is known but how many runs may be alive at once, the host's boot,
    /// the next number of a claim and the numbers for new runs.
    pub fn new(slots: u32, boot_id: &str, next_fence: Fence, numbers: Numbers) -> World {
        World {
            slots,
            boot_id: boot_id.to_owned(),
            next_fence,
            numbers,
            ..World::default()
        }
    }

    /// A job's definition and the schedules of it that owe instants, as the store has them.
    ///
    /// The store may lag behind what was decided here; a cursor only ever moves forward.
    pub fn define(&mut self, name: &str, job: Option<Arc<Job>>, owing: Vec<Armed>) {
        let state = self.jobs.entry(name.to_owned()).or_default();
        state.job = job;
        let gone: Vec<ScheduleId> = state
            .armed
            .iter()
            .copied()
            .filter(|id| !owing.iter().any(|a| a.planned.id == *id))
            .collect();
        for id in gone {
            self.disarm(id);
        }
        for armed in owing {
            self.arm(armed);
        }
        self.forget_idle(name);
    }

    /// A schedule that owes instants; its job must be defined as well.
    pub fn arm(&mut self, mut armed: Armed) {
        let id = armed.planned.id;
        if let Some((next_at, _)) = self.evicted.get(&id) {
            armed.next_at = armed.next_at.max(*next_at);
        }
        if let Some(known) = self.armed.get(&id) {
            // Whoever decides knows best how far it has come; the store may lag behind.
            armed.next_at = known.next_at;
            armed.planned.fired = armed.planned.fired.max(known.planned.fired);
            armed.epoch = known.epoch;
            self.order.remove(&(known.next_at, id));
        }
        if armed.epoch < self.epoch {
            // Read before the clock was set back: the store will bring it again.
            return;
        }
        if armed
            .planned
            .until
            .is_some_and(|until| armed.next_at > until)
        {
            self.disarm(id);
            return;
        }
        self.order.insert((armed.next_at, id));
        self.jobs
            .entry(armed.planned.job.clone())
            .or_default()
            .armed
            .insert(id);
        self.armed.insert(id, armed);
    }

    /// Knows no more of a schedule.
    pub fn disarm(&mut self, id: ScheduleId) {
        if let Some(known) = self.armed.remove(&id) {
            self.order.remove(&(known.next_at, id));
            if let Some(state) = self.jobs.get_mut(&known.planned.job) {
                state.armed.remove(&id);
            }
        }
    }

    /// Drops the schedules due last until `keep` are left, but none that is due by `by`; the store
    /// will bring them back in time.
    /// How far they were decided is remembered until the store says that it has batch `batch`, so
    /// that it cannot bring back an instant that was decided already.
    pub fn evict(&mut self, keep: usize, by: UnixMs, batch: u64) {
        while self.order.len() > keep {
            let Some((next_at, id)) = self.order.last().copied().filter(|(at, _)| *at > by) else {
                return;
            };
            let job = self.armed.get(&id).map(|a| a.planned.job.clone());
            self.disarm(id);
            self.evicted.insert(id, (next_at, batch));
            if let Some(job) = job {
                self.forget_idle(&job);
            }
        }
    }

    /// The store has everything up to this batch.
    pub fn committed(&mut self, batch: u64) {
        self.evicted.retain(|_, (_, needed)| *needed > batch);
    }

    /// The queues in the order in which they are served.
    pub fn set_queues(&mut self, queues: Vec<Queue>) {
        self.queues = queues;
    }

    /// Whether those alive may end and no other run may start.
    pub fn drain(&mut self, draining: bool) {
        self.draining = draining;
    }

    /// A definition that queued runs need.
    pub fn know_job(&mut self, job: Arc<Job>) {
        let name = job.name.clone();
        self.jobs.entry(name).or_default().job = Some(job);
    }

    /// A run that waits in the store. One that is known already is left as it is.
    pub fn enqueue(&mut self, run: QueuedRun) {
        if self.live.contains_key(&run.run) || self.queued.contains_key(&run.run) {
            return;
        }
        self.insert_queued(run);
    }

    /// A waiting run was given another priority, queue or time. One that is not known to wait is
    /// left as it is.
    pub fn moved(&mut self, run: QueuedRun) {
        if let Some(known) = self.take_queued(run.run) {
            self.insert_queued(QueuedRun {
                queue: run.queue,
                priority: run.priority,
                run_at: run.run_at,
                ..known
            });
        }
    }

    /// Runs that make up for something start at most so many a second.
    pub fn set_start_rate(&mut self, per_second: u32) {
        self.pace = Pace::of(per_second);
    }

    /// A run that was claimed before this process began.
    pub fn adopt(&mut self, run: QueuedRun, phase: Phase) {
        self.jobs
            .entry(run.job.clone())
            .or_default()
            .live
            .push(run.run);
        self.live.insert(
            run.run,
            LiveRun {
                run,
                phase,
                stop: None,
                outlived: 0,
            },
        );
    }

    /// Somebody wants a run ended.
    pub fn cancel(&mut self, run: RunId, by: Option<String>) {
        if let Some(live) = self.live.get_mut(&run) {
            live.stop.get_or_insert((StopCause::Kill, false));
        }
        if self.live.contains_key(&run) || self.queued.contains_key(&run) {
            self.cancelled.entry(run).or_insert(by);
        }
    }

    /// The process of an attempt is alive.
    pub fn spawned(&mut self, fence: Fence) {
        if let Some(live) = self.live_by_fence(fence)
            && live.phase == Phase::Starting
        {
            live.phase = Phase::Running;
        }
    }

    /// An attempt is over. A claim that is not the run's last one changes nothing.
    pub fn over(&mut self, fence: Fence, over: Over) {
        if let Some(live) = self.live_by_fence(fence)
            && !matches!(live.phase, Phase::Over(_))
        {
            live.phase = Phase::Over(over);
        }
    }

    /// Nobody was there for a while.
    pub fn gap(&mut self, gap: Gap) {
        self.gaps.push(gap);
        let surplus = self.gaps.len().saturating_sub(GAPS);
        self.gaps.drain(..surplus);
    }

    /// The store has put numbers aside for new runs: from `first` to before `end`.
    pub fn numbers_aside(&mut self, first: RunId, end: RunId) {
        self.numbers.aside(first, end);
    }

    /// Takes up a decision as a fact.
    pub fn apply(&mut self, record: &Record) {
        match record {
            Record::Fire(fire) => {
                if let Some(new) = &fire.make {
                    if let Some(armed) = self.armed.get_mut(&fire.schedule) {
                        armed.planned.fired += 1;
                    }
                    self.numbers.used(new.run);
                    self.insert_queued(crate::engine::admit::queued(new, self.deadline_of(new)));
                }
                self.advance(fire.schedule, fire.until, fire.next_at);
            }
            Record::Start(start) => self.apply_start(start),
            Record::Ended(ended) => self.apply_ended(ended),
            Record::Drop(drop) => self.forget_queued(drop.run),
            Record::Back(back) => self.rewind(back),
            Record::New(_) | Record::Spawned(_) | Record::Gap(_) | Record::Note(_) => {}
        }
    }

    /// A worker was told to end a run.
    pub fn told(&mut self, run: RunId, cause: StopCause) {
        if let Some(live) = self.live.get_mut(&run) {
            live.stop = Some((cause, true));
        }
    }

    /// A live run.
    pub fn live(&self, run: RunId) -> Option<&LiveRun> {
        self.live.get(&run)
    }

    /// All live runs.
    pub fn live_runs(&self) -> impl Iterator<Item = &LiveRun> {
        self.live.values()
    }

    /// The definition of a job, where it is known.
    pub fn job(&self, name: &str) -> Option<&Arc<Job>> {
        self.jobs.get(name).and_then(|s| s.job.as_ref())
    }

    /// Counts: schedules armed, runs queued, runs alive.
    pub fn counts(&self) -> (usize, usize, usize) {
        (self.armed.len(), self.queued.len(), self.live.len())
    }

    /// The next number of a claim.
    pub fn next_fence(&self) -> Fence {
        self.next_fence
    }

    fn live_by_fence(&mut self, fence: Fence) -> Option<&mut LiveRun> {
        self.live.values_mut().find(|l| l.run.fence == fence)
    }

    fn deadline_of(&self, new: &crate::model::NewRun) -> Option<UnixMs> {
        let limit = self.job(&new.job)?.policy.start_deadline_ms?;
        Some(new.planned_at.unwrap_or(new.queued_at) + limit)
    }

    fn insert_queued(&mut self, run: QueuedRun) {
        self.jobs
            .entry(run.job.clone())
            .or_default()
            .queued
            .insert(run.run);
        self.waiting.entry(run.queue.clone()).or_default()[usize::from(makes_up(&run))]
            .insert((turn(&run), run.run));
        self.queued.insert(run.run, run);
    }

    fn take_queued(&mut self, id: RunId) -> Option<QueuedRun> {
        let run = self.queued.remove(&id)?;
        if let Some(set) = self.waiting.get_mut(&run.queue) {
            set[usize::from(makes_up(&run))].remove(&(turn(&run), id));
        }
        if let Some(state) = self.jobs.get_mut(&run.job) {
            state.queued.remove(&id);
        }
        Some(run)
    }

    fn forget_queued(&mut self, id: RunId) {
        self.cancelled.remove(&id);
        if let Some(run) = self.take_queued(id) {
            self.forget_idle(&run.job);
        }
    }

    fn advance(&mut self, id: ScheduleId, decided: UnixMs, next_at: Option<UnixMs>) {
        let Some(armed) = self.armed.get(&id) else {
            return;
        };
        if armed.next_at > decided {
            return;
        }
        match next_at {
            None => self.disarm(id),
            Some(next_at) => {
                let mut armed = armed.clone();
                self.disarm(id);
                armed.next_at = next_at;
                self.arm(armed);
            }
        }
    }

    fn apply_start(&mut self, start: &crate::model::Start) {
        self.next_fence = self.next_fence.max(Fence(start.fence.0 + 1));
        let Some(mut run) = self.take_queued(start.run) else {
            return;
        };
        if makes_up(&run) {
            self.pace
                .take(crate::engine::dispatch::burst(self), start.at);
        }
        run.attempt = start.attempt;
        run.fence = start.fence;
        self.adopt(run, Phase::Starting);
    }

    fn apply_ended(&mut self, ended: &crate::model::Ended) {
        let Some(live) = self.live.remove(&ended.run) else {
            return;
        };
        if let Some(state) = self.jobs.get_mut(&live.run.job) {
            state.live.retain(|r| *r != ended.run);
        }
        match ended.next {
            crate::model::Next::Final => {
                self.cancelled.remove(&ended.run);
                self.forget_idle(&live.run.job);
            }
            crate::model::Next::Retry(at) => {
                let mut run = live.run;
                run.run_at = at;
                run.after = Some(ended.outcome);
                self.insert_queued(run);
            }
        }
    }

    fn forget_idle(&mut self, name: &str) {
        let idle = |s: &JobState| s.live.is_empty() && s.queued.is_empty() && s.armed.is_empty();
        if self.jobs.get(name).is_some_and(idle) {
            self.jobs.remove(name);
        }
    }
}
