//! Due instants and their verdicts.
//!
//! Each instant between a schedule's cursor and now gets exactly one verdict. Those that nobody
//! was there to fire are missed, whatever becomes of them afterwards: the job's catch-up rule may
//! give the latest of them, or each, a run. Of several instants that are merely late, the last is
//! run and stands for the others.

use crate::engine::absence;
use crate::engine::admit::{Admission, admit};
use crate::engine::{Armed, Numbers, Plan, World};
use crate::model::{CatchUp, Fire, Job, MissReason, NewRun, Origin, Record, Verdict};
use crate::schedule::{UnixMs, jitter_ms};

/// Instants decided one by one in a pass; of a longer backlog the oldest are folded into one row.
const ONE_BY_ONE: usize = 10_000;

/// Instants counted into one folded row in a pass, so that a pass takes a bounded time.
const FOLDED: i64 = 1_000_000;

/// Gives verdicts to what is due. Of each job at most one run is made in a pass, so that the next
/// pass sees it.
pub(in crate::engine) fn decide(world: &World, now: UnixMs, plan: &mut Plan) {
    let mut numbers = world.numbers;
    let mut made: std::collections::HashSet<&str> = Default::default();
    for (at, id) in &world.order {
        if *at > now {
            break;
        }
        let Some(armed) = world.armed.get(id) else {
            continue;
        };
        let name = armed.planned.job.as_str();
        if made.contains(name) {
            continue;
        }
        let mut pass = Pass {
            world,
            armed,
            job: world.job(name).map(|j| j.as_ref()),
            now,
            numbers: &mut numbers,
        };
        if pass.decide(plan) {
            made.insert(name);
        }
    }
}

struct Pass<'a> {
    world: &'a World,
    armed: &'a Armed,
    job: Option<&'a Job>,
    now: UnixMs,
    numbers: &'a mut Numbers,
}

/// An undecided instant and what is known of it before any rule is applied.
#[derive(Clone)]
struct Instant {
    at: UnixMs,
    /// Why nobody was there, and which catch-up rule holds.
    absent: Option<(MissReason, CatchUp)>,
    paused: bool,
    /// Why a calendar excludes it.
    excluded: Option<String>,
}

impl Instant {
    /// Instants of one kind can be folded into one row.
    fn kind(&self) -> (Option<MissReason>, bool, bool) {
        let reason = self.absent.map(|(reason, _)| reason);
        (reason, self.paused, self.excluded.is_some())
    }
}

impl Pass<'_> {
    /// Decides the backlog of one schedule, or the first part of it. Says whether it made a run.
    fn decide(&mut self, plan: &mut Plan) -> bool {
        let (instants, next_at) = self.backlog(plan);
        let mut rest = instants.as_slice();
        let mut made = 0;
        while let Some(chosen) = self.which_run(rest) {
            let absent = rest[chosen].absent.is_some();
            if made > 0 && !absent {
                return true;
            }
            let next = rest.get(chosen + 1).map_or(next_at, |i| Some(i.at));
            let mut fire = self.fire_run(&rest[chosen], next, made, plan);
            if fire.make.is_some() && self.left() == Some(1) {
                // The last run its terms allow: nothing is planned after it.
                fire.next_at = None;
            }
            self.push_others(rest, chosen, Some(&fire), plan, next_at);
            made += usize::from(fire.make.is_some());
            plan.records.push(Record::Fire(fire));
            if !absent || self.left().is_some() {
                // The rest is decided in the next pass, when this run can be seen.
                return true;
            }
            // Runs that make up wait their turn whatever is alive, so they can be made together.
            rest = &rest[chosen + 1..];
        }
        self.push_others(rest, rest.len(), None, plan, next_at);
        made > 0
    }

    /// Runs that the schedule's terms leave, where they bound them.
    fn left(&self) -> Option<i64> {
        let planned = &self.armed.planned;
        let most = planned.terms.max_fires?;
        Some((most - planned.fired).max(0))
    }

    /// Which instant is to have a run: where each missed one is made up for, the first that
    /// qualifies, else the last.
    fn which_run(&self, instants: &[Instant]) -> Option<usize> {
        let job = self.job.filter(|_| self.left() != Some(0))?;
        let qualifies = |i: &Instant| {
            !i.paused && i.excluded.is_none() && (i.absent.is_none() || self.made_up(i))
        };
        if job.policy.catch_up != CatchUp::All {
            return instants.iter().rposition(qualifies);
        }
        let missed = instants.iter().filter(|i| i.absent.is_some()).count();
        // Beyond the limit the oldest stay missed; what comes after the first is left for the next
        // pass.
        let mut skip = missed.saturating_sub(job.policy.catch_up_max as usize);
        instants.iter().position(|i| {
            if i.absent.is_some() && skip > 0 {
                skip -= 1;
                return false;
            }
            qualifies(i)
        })
    }

    /// Whether a missed instant is made up for.
    fn made_up(&self, instant: &Instant) -> bool {
        let window = self.job.and_then(|j| j.policy.catch_up_window_ms);
        instant
            .absent
            .is_some_and(|(_, rule)| rule != CatchUp::None)
            && window.is_none_or(|w| self.now - instant.at <= w)
    }

    /// The undecided instants up to now, oldest first, and the one after them.
    fn backlog(&self, plan: &mut Plan) -> (Vec<Instant>, Option<UnixMs>) {
        let mut at = Some(self.armed.next_at);
        let due = |at: &UnixMs| *at <= self.now;
        let mut instants: Vec<Instant> = Vec::new();
        while let Some(instant) = at.filter(due).filter(|_| instants.len() < ONE_BY_ONE) {
            instants.push(self.look_at(instant));
            at = self.after(instant);
        }
        if at.is_none_or(|at| !due(&at)) {
            return (instants, at);
        }
        let lead = self.lead(&instants);
        plan.records.push(Record::Fire(self.fold(lead)));
        (Vec::new(), None)
    }

    /// One row for the oldest part of a long backlog: instants of one kind, up to `lead`.
    fn fold(&self, lead: UnixMs) -> Fire {
        let first = self.look_at(self.armed.next_at);
        let mut last = first.at;
        let mut count = 1;
        let mut at = self.after(first.at);
        while let Some(instant) = at.filter(|at| *at < lead).filter(|_| count < FOLDED) {
            let look = self.look_at(instant);
            if look.kind() != first.kind() {
                break;
            }
            last = instant;
            count += 1;
            at = self.after(instant);
        }
        let (reason, paused, excluded) = first.kind();
        let verdict = match (excluded, paused) {
            (true, _) => Verdict::Calendar,
            (false, true) => Verdict::Paused,
            (false, false) => Verdict::Missed,
        };
        let missed = verdict == Verdict::Missed;
        Fire {
            count,
            until: last,
            reason: missed.then(|| reason.unwrap_or(MissReason::Overload)),
            note: (count > 1).then(|| format!("{count} instants folded into one row")),
            next_at: at,
            ..self.row(first.at, verdict, None)
        }
    }

    /// The schedule's instant after another, as long as this version of it is in force.
    fn after(&self, at: UnixMs) -> Option<UnixMs> {
        let until = self.armed.planned.until.unwrap_or(UnixMs::MAX);
        self.armed
            .schedule
            .next_after(at)
            .filter(|next| *next <= until)
    }

    /// The instant from which on a backlog is decided one by one: as far before now as the last
    /// 10,000 instants reach, judged by the spacing of the first.
    fn lead(&self, instants: &[Instant]) -> UnixMs {
        let span = match (instants.first(), instants.last()) {
            (Some(first), Some(last)) => last.at - first.at,
            _ => 0,
        };
        self.now - span / 2
    }

    fn look_at(&self, at: UnixMs) -> Instant {
        let gap = self
            .world
            .gaps
            .iter()
            .rev()
            .find(|g| g.from < at && at < g.until);
        // A boot is never missed: whoever is told of it is there.
        let boot = self.armed.schedule.is_reboot();
        let schedule = &self.armed.schedule;
        let rule = |gap| match self.job {
            Some(job) => absence::rule(job, schedule, gap),
            None => CatchUp::None,
        };
        Instant {
            at,
            absent: gap.filter(|_| !boot).map(|g| (g.reason, rule(g))),
            paused: self.job.is_some_and(|j| j.paused_at(at).is_some()),
            excluded: schedule.excluded(at),
        }
    }

    /// The row for the instant that is to have a run: the overlap rule and the start deadline may
    /// still say no.
    fn fire_run(
        &mut self,
        instant: &Instant,
        next_at: Option<UnixMs>,
        made: usize,
        plan: &mut Plan,
    ) -> Fire {
        let Some(job) = self.job else {
            return self.row(instant.at, Verdict::Error, next_at);
        };
        let late = self.now - instant.at;
        let row = Fire {
            reason: instant.absent.map(|(reason, _)| reason),
            ..self.row(instant.at, Verdict::Run, next_at)
        };
        if job
            .policy
            .start_deadline_ms
            .is_some_and(|limit| late > limit)
        {
            return Fire {
                verdict: Verdict::Expired,
                note: Some("found after its start deadline".to_owned()),
                ..row
            };
        }
        let waits = instant.absent.is_some();
        match admit(self.world, job, waits, made, self.now, plan) {
            Admission::No(blocked_by, note) => Fire {
                verdict: Verdict::Overlap,
                blocked_by,
                note,
                ..row
            },
            Admission::Yes => {
                let new = self.new_run(job, instant, next_at);
                Fire {
                    run: Some(new.run),
                    make: Some(new),
                    ..row
                }
            }
        }
    }

    fn new_run(&mut self, job: &Job, instant: &Instant, next_at: Option<UnixMs>) -> NewRun {
        let run = self.numbers.take();
        let origin = match instant.absent {
            Some(_) => Origin::CatchUp,
            None if self.armed.schedule.is_reboot() => Origin::Boot,
            None => Origin::Schedule,
        };
        NewRun {
            run,
            job: job.name.clone(),
            queue: job.policy.queue.clone(),
            priority: job.policy.priority,
            origin,
            origin_ref: None,
            schedule: Some(self.armed.planned.id),
            planned_at: Some(instant.at),
            queued_at: self.now,
            run_at: self.starts_at(instant, next_at),
            max_attempts: job.policy.max_attempts(),
        }
    }

    /// When the run may start: jitter delays those that are on time.
    fn starts_at(&self, instant: &Instant, next_at: Option<UnixMs>) -> UnixMs {
        let terms = &self.armed.planned.terms;
        if terms.jitter_ms == 0 || instant.absent.is_some() {
            return instant.at;
        }
        let seed = terms.seed.cast_unsigned();
        instant.at + jitter_ms(seed, instant.at, terms.jitter_ms, next_at)
    }

    /// The rows for the first instants, which have no run of their own. What was decided for `chosen`, the
    /// last of them, holds for the others that were due with it.
    fn push_others(
        &self,
        instants: &[Instant],
        which: usize,
        chosen: Option<&Fire>,
        plan: &mut Plan,
        last_next: Option<UnixMs>,
    ) {
        let run = chosen.and_then(|fire| fire.run);
        for (index, instant) in instants.iter().take(which).enumerate() {
            let next = instants.get(index + 1).map_or(last_next, |i| Some(i.at));
            let row = self.row(instant.at, Verdict::Missed, next);
            let verdict = (&instant.excluded, instant.paused, instant.absent);
            plan.records.push(Record::Fire(match verdict {
                (Some(why), ..) => Fire {
                    verdict: Verdict::Calendar,
                    note: Some(why.clone()),
                    ..row
                },
                (None, true, _) => Fire {
                    verdict: Verdict::Paused,
                    note: self.paused_note(instant.at),
                    ..row
                },
                (None, false, Some((reason, _))) => Fire {
                    reason: Some(reason),
                    run: run.filter(|_| self.made_up(instant)),
                    ..row
                },
                (None, false, None) => Fire {
                    run,
                    ..same_verdict(row, chosen)
                },
            }));
        }
    }

    fn paused_note(&self, at: UnixMs) -> Option<String> {
        let pause = self.job?.paused_at(at)?;
        Some(match &pause.reason {
            Some(reason) => format!("paused by {}: {reason}", pause.by),
            None => format!("paused by {}", pause.by),
        })
    }

    fn row(&self, at: UnixMs, verdict: Verdict, next_at: Option<UnixMs>) -> Fire {
        Fire {
            schedule: self.armed.planned.id,
            job: self.armed.planned.job.clone(),
            planned_at: at,
            verdict,
            run: None,
            make: None,
            late_ms: self.now - at,
            reason: None,
            note: None,
            blocked_by: None,
            decided_at: self.now,
            count: 1,
            until: at,
            next_at,
        }
    }
}

/// The verdict for an instant that was due together with `chosen`.
fn same_verdict(row: Fire, chosen: Option<&Fire>) -> Fire {
    match chosen {
        None => Fire {
            verdict: Verdict::Error,
            note: Some("its job was removed".to_owned()),
            ..row
        },
        Some(fire) => Fire {
            verdict: match fire.verdict {
                Verdict::Run => Verdict::Coalesced,
                other => other,
            },
            note: fire.note.clone(),
            blocked_by: fire.blocked_by,
            ..row
        },
    }
}
