//! Definitions as they were read last: they change seldom and cost most to read.

use std::collections::HashMap;
use std::sync::Arc;

use crate::model::{Pause, Planned, ScheduleId};
use crate::schedule::{UnixMs, Zone};
use crate::store::{JobGlance, Result, Store};
use crate::tui::data::{Cell, Day, JobLine};
use crate::view::time::day_start;
use crate::view::timetable::Timetable;

/// How long what was read holds where no command changed a definition, milliseconds: SQL clients
/// may change them as well.
const HOLDS_MS: i64 = 600_000;

/// The length of a cell of the day, milliseconds.
const CELL_MS: i64 = 15 * 60_000;

/// Schedules whose fires of the day are found in one go: some milliseconds.
const GO: usize = 250;

/// What is kept of the definitions.
#[derive(Default)]
pub struct Definitions {
    version: Option<i64>,
    read_at: UnixMs,
    /// All jobs, without what changes with every run.
    pub jobs: Arc<Vec<JobLine>>,
    /// The day with what is planned in it, and nothing else.
    pub day: Day,
    pauses: HashMap<String, Vec<Pause>>,
    partial: Option<Partial>,
}

/// A day of which not all fires are found yet.
struct Partial {
    /// The last schedule whose fires are.
    after: ScheduleId,
    /// From this instant on.
    from: UnixMs,
    day: Day,
}

impl Definitions {
    /// Reads what has changed.
    ///
    /// # Errors
    /// Those of reading.
    pub fn refresh(&mut self, store: &Store, zone: &Zone, now: UnixMs) -> Result<()> {
        let version = store.definitions_version()?;
        let from = day_start(now, zone);
        let fresh = self.version == Some(version)
            && self.day.from == from
            && (0..HOLDS_MS).contains(&(now - self.read_at));
        if fresh {
            return Ok(());
        }
        self.pauses = HashMap::new();
        for (job, pause) in store.pauses_from(now)? {
            self.pauses.entry(job).or_default().push(pause);
        }
        let glances = store.job_glances()?;
        let mut errors: HashMap<String, String> = HashMap::new();
        for (job, _, error) in store.schedule_errors()? {
            errors.insert(job, error);
        }
        let line = |glance| self.line(glance, &mut errors);
        self.jobs = Arc::new(glances.into_iter().map(line).collect());
        // What was found before is shown until it is found anew.
        if self.day.from != from {
            self.day = empty_day(from, zone);
        }
        self.partial = Some(Partial {
            after: ScheduleId(0),
            from: now,
            day: empty_day(from, zone),
        });
        self.version = Some(version);
        self.read_at = now;
        // Of few schedules everything is found at once.
        self.go_on(store, zone)
    }

    /// Whether there are schedules left whose fires of the day are to be found.
    pub fn is_partial(&self) -> bool {
        self.partial.is_some()
    }

    /// Finds the fires of the day of some more schedules.
    ///
    /// # Errors
    /// Those of reading; then all is read anew at the next look.
    pub fn go_on(&mut self, store: &Store, zone: &Zone) -> Result<()> {
        let Some(mut partial) = self.partial.take() else {
            return Ok(());
        };
        let version = self.version.take();
        let some = store.in_force(partial.after, GO)?;
        for planned in &some {
            let pauses = self.pauses.get(&planned.job);
            partial.plan(planned, pauses.map_or(&[], Vec::as_slice), zone);
        }
        self.version = version;
        match some.last().filter(|_| some.len() == GO) {
            Some(last) => {
                partial.after = last.id;
                self.partial = Some(partial);
            }
            None => self.day = partial.day,
        }
        Ok(())
    }

    fn line(&self, glance: JobGlance, errors: &mut HashMap<String, String>) -> JobLine {
        let unreadable = "its definition cannot be read".to_owned();
        let pauses = self.pauses.get(&glance.name);
        JobLine {
            pause: pauses.and_then(|pauses| pauses.first()).cloned(),
            error: match glance.unreadable {
                true => Some(unreadable),
                false => errors.remove(&glance.name),
            },
            name: glance.name,
            schedule: glance.schedule,
            next_at: None,
            last: None,
            running: 0,
            missed: 0,
            tags: glance.tags,
            queue: glance.queue,
        }
    }

    /// The day with what is planned from now on.
    pub fn day_from(&self, now: UnixMs) -> Day {
        let mut day = self.day.clone();
        let gone = usize::try_from((now - day.from) / day.cell_ms.max(1)).unwrap_or(0);
        for cell in day.cells.iter_mut().take(gone) {
            cell.planned = 0;
        }
        day
    }
}

impl Partial {
    /// Counts a schedule in each cell to come in which it fires.
    fn plan(&mut self, planned: &Planned, pauses: &[Pause], zone: &Zone) {
        // What cannot be planned is said where the job is shown.
        let Ok(schedule) = planned.schedule(zone) else {
            return;
        };
        let table = Timetable::new(schedule, &planned.terms, planned.fired);
        let day = &mut self.day;
        let until = day.from + day.cell_ms * i64::try_from(day.cells.len()).unwrap_or(0);
        let mut after = self.from;
        // One question for each cell at most, however often it fires.
        while let Some(at) = table.next_after(after).filter(|at| *at < until) {
            let cell = (at - day.from) / day.cell_ms;
            let paused = pauses.iter().any(|pause| pause.covers(at));
            if !paused
                && table.excluded(at).is_none()
                && let Some(cell) = usize::try_from(cell)
                    .ok()
                    .and_then(|i| day.cells.get_mut(i))
            {
                cell.planned += 1;
            }
            after = day.from + (cell + 1) * day.cell_ms - 1;
        }
    }
}

/// The local day an instant lies in: 23, 24 or 25 hours.
fn empty_day(from: UnixMs, zone: &Zone) -> Day {
    // 30 hours on is always the next day.
    let until = day_start(from + 30 * 3_600_000, zone);
    let cells = usize::try_from((until - from) / CELL_MS)
        .unwrap_or(96)
        .min(200);
    Day {
        from,
        cell_ms: CELL_MS,
        cells: vec![Cell::default(); cells],
    }
}
