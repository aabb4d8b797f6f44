//! Definitions as they were read last: they change seldom and cost most to read.

use std::sync::Arc;

use crate::schedule::{UnixMs, Zone};
use crate::store::{JobRow, Result, Store};
use crate::tui::data::{Cell, Day, JobLine};
use crate::view::time::day_start;
use crate::view::timetable::Timetable;

/// How long what was read holds where no command changed a definition, milliseconds: SQL clients
/// may change them as well.
const HOLDS_MS: i64 = 60_000;

/// The length of a cell of the day, milliseconds.
const CELL_MS: i64 = 15 * 60_000;

/// What is kept of the definitions.
#[derive(Default)]
pub struct Definitions {
    version: Option<i64>,
    read_at: UnixMs,
    /// All jobs, without what changes with every run.
    pub jobs: Arc<Vec<JobLine>>,
    /// The day with what is planned in it, and nothing else.
    pub day: Day,
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
        let rows = store.jobs()?;
        let mut day = empty_day(from, zone);
        let mut lines = Vec::with_capacity(rows.len());
        for row in &rows {
            lines.push(line(row, zone, now, &mut day));
        }
        self.jobs = Arc::new(lines);
        self.day = day;
        self.version = Some(version);
        self.read_at = now;
        Ok(())
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

fn line(row: &JobRow, zone: &Zone, now: UnixMs, day: &mut Day) -> JobLine {
    let mut error = None;
    for (planned, _) in &row.schedules {
        match planned.schedule(zone) {
            Ok(schedule) => {
                let table = Timetable::new(schedule, &planned.terms, planned.fired);
                plan(&table, row, now, day);
            }
            Err(e) => error = Some(e.to_string()),
        }
    }
    let exprs: Vec<&str> = row.schedules.iter().map(|(p, _)| p.expr.as_str()).collect();
    let pause = row
        .job
        .pauses
        .iter()
        .find(|pause| pause.until.is_none_or(|at| at > now));
    JobLine {
        name: row.job.name.clone(),
        schedule: exprs.join(", "),
        pause: pause.cloned(),
        next_at: None,
        last: None,
        running: 0,
        missed: 0,
        tags: row.job.spec.tags.clone(),
        queue: row.job.policy.queue.clone(),
        error,
    }
}

/// Counts a schedule in each cell to come in which it fires.
fn plan(table: &Timetable, row: &JobRow, now: UnixMs, day: &mut Day) {
    let until = day.from + day.cell_ms * i64::try_from(day.cells.len()).unwrap_or(0);
    let mut after = now;
    // One question for each cell at most, however often it fires.
    while let Some(at) = table.next_after(after).filter(|at| *at < until) {
        let cell = (at - day.from) / day.cell_ms;
        let paused = row.job.pauses.iter().any(|pause| pause.covers(at));
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
