//! Which queued runs of the store the firing side is given: those that go first, of every job some.
//!
//! A queue may hold any number of runs; the firing side has a few thousand of them at most. What is
//! looked at for that is bounded as well, so that a long queue makes the store side neither large
//! nor slow.

use std::collections::HashMap;
use std::sync::Arc;

use crate::daemon::definition::Definition;
use crate::daemon::fact::Fact;
use crate::daemon::held::Held;
use crate::engine::turn::PRIORITY_MS;
use crate::model::QueuedRun;
use crate::schedule::UnixMs;
use crate::store::{self, Store, Wanted};

/// Queued runs kept in memory for each queue: many jobs' worth, so that no job keeps others out.
const QUEUED: usize = 4096;

/// Queued runs of one job kept in memory.
const QUEUED_PER_JOB: usize = 16;

/// How far a look goes down a queue beyond the runs that are in memory.
const LOOK: usize = 1_000;

/// Jobs looked at one by one where that was not far enough.
const JOBS: usize = 500;

/// Before it is looked for more, milliseconds.
const AGAIN_MS: i64 = 50;

/// Where a look ended, so that the next goes on from there.
#[derive(Debug, Default)]
pub struct Refill {
    /// Of each queue the last job looked at.
    after: HashMap<String, String>,
}

impl Refill {
    /// Adds the queued runs that could start to what the firing side is told. `news` says that
    /// somebody wrote: then a queue of which enough is in memory is looked at as well, for runs that
    /// go before those. Gives when to look again, where there is more.
    ///
    /// # Errors
    /// Those of the store.
    pub fn look(
        &mut self,
        store: &mut Store,
        held: &mut Held,
        news: bool,
        now: UnixMs,
        facts: &mut Vec<Fact>,
    ) -> store::Result<Option<UnixMs>> {
        let mut more = store.accept()?;
        let mut jobs: HashMap<String, Definition> = HashMap::new();
        for queue in store.queues()? {
            let have = held.count_in(&queue.name);
            let full = have * 2 > QUEUED;
            if full && (!news || have > 2 * QUEUED) {
                continue;
            }
            let wanted = Wanted {
                queue: &queue.name,
                now,
                limit: if full { LOOK } else { QUEUED - have },
                look: if full { have } else { have + LOOK },
                step_ms: PRIORITY_MS,
                held: held.runs(),
                per_job: QUEUED_PER_JOB,
                by_job: held.by_job(),
            };
            let found = store.startable(&wanted)?;
            let short = found.cut && !full && found.runs.len() < wanted.limit;
            tell(store, held, found.runs, &mut jobs, facts)?;
            if short {
                let (runs, cut) = self.by_job(store, held, &queue.name, now)?;
                tell(store, held, runs, &mut jobs, facts)?;
                more |= cut;
            }
        }
        Ok(more.then_some(now + AGAIN_MS))
    }

    /// Goes on through the jobs of a queue where the first rows are of jobs of which enough is in
    /// memory. Says whether there are more jobs.
    fn by_job(
        &mut self,
        store: &Store,
        held: &Held,
        queue: &str,
        now: UnixMs,
    ) -> store::Result<(Vec<QueuedRun>, bool)> {
        let wanted = Wanted {
            queue,
            now,
            limit: QUEUED.saturating_sub(held.count_in(queue)),
            look: LOOK,
            step_ms: PRIORITY_MS,
            held: held.runs(),
            per_job: QUEUED_PER_JOB,
            by_job: held.by_job(),
        };
        let after = self.after.remove(queue).unwrap_or_default();
        let (found, last) = store.startable_by_job(&wanted, &after, JOBS)?;
        let more = last.is_some();
        if let Some(last) = last {
            self.after.insert(queue.to_owned(), last);
        }
        Ok((found, more))
    }
}

/// Tells the firing side of the waiting runs it has that clients have changed.
///
/// # Errors
/// Those of the store.
pub fn moved(store: &mut Store, held: &mut Held, facts: &mut Vec<Fact>) -> store::Result<()> {
    let mut moved = store.take_moved(held.runs())?;
    for run in &mut moved {
        held.release(run.run);
        held.hold(run.run, &run.queue, &run.job);
        run.run = held.given_number(run.run);
    }
    if !moved.is_empty() {
        facts.push(Fact::Moved(moved));
    }
    Ok(())
}

fn tell(
    store: &Store,
    held: &mut Held,
    runs: Vec<QueuedRun>,
    jobs: &mut HashMap<String, Definition>,
    facts: &mut Vec<Fact>,
) -> store::Result<()> {
    let (mut known, mut given) = (Vec::new(), Vec::new());
    for run in runs {
        if !jobs.contains_key(&run.job) {
            let job = Definition::read(store, &run.job)?;
            jobs.insert(run.job.clone(), job);
        }
        match jobs.get(&run.job) {
            // It waits until somebody mends the definition.
            Some(Definition::Unreadable(_)) => continue,
            Some(Definition::Known(job)) => known.push(Arc::clone(job)),
            Some(Definition::Gone) | None => {}
        }
        held.hold(run.run, &run.queue, &run.job);
        given.push(run);
    }
    if !given.is_empty() {
        facts.push(Fact::Queued(known, given));
    }
    Ok(())
}
