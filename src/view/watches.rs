//! How watches stand, judged from rows alone by whoever looks, so that nothing that is dead can say
//! that it is well.

use serde_json::Value;

use crate::model::{PollOutcome, RunId, WatchState};
use crate::schedule::UnixMs;
use crate::store::{GaugeRow, PollRow, Result, Store, WatchRow};
use crate::view::Daemon;
use crate::view::time::{short, span};

/// How much longer than its time limit a poll may be under way, milliseconds.
const GRACE_MS: i64 = 5_000;

/// How late a poll may be beside its interval, milliseconds, and the most of the interval.
const LATE_MS: i64 = 2_000;
const LATE_MOST_MS: i64 = 30_000;

/// What is judged.
#[derive(Clone, Copy, Debug)]
pub struct Facts<'a> {
    /// The watch.
    pub row: &'a WatchRow,
    /// Its last poll that was not skipped, under way or over.
    pub last: Option<&'a PollRow>,
    /// Its last poll that is over.
    pub ended: Option<&'a PollRow>,
    /// The oldest poll that waits for its runs.
    pub held: Option<&'a PollRow>,
    /// The run of it that ended for good and not well.
    pub blocking: Option<RunId>,
    /// The connections to its source.
    pub gauge: Option<&'a GaugeRow>,
    /// Whether its source is there.
    pub has_source: bool,
    /// Whether its job is there.
    pub has_job: bool,
    /// Whether a daemon answers.
    pub daemon_up: bool,
}

/// A judgement.
#[derive(Clone, Debug, PartialEq)]
pub struct Health {
    /// The state.
    pub state: WatchState,
    /// Why, in words.
    pub why: String,
    /// Since when.
    pub since: Option<UnixMs>,
}

/// Judges a watch.
pub fn health(facts: &Facts<'_>, now: UnixMs) -> Health {
    let of = |state, why: String, since| Health { state, why, since };
    let watch = &facts.row.watch;
    if let Some(pause) = watch.paused.as_ref().filter(|p| p.covers(now)) {
        let reason = pause.reason.as_ref();
        let reason = reason.map_or(String::new(), |r| format!(": {r}"));
        let why = format!("by {}{reason}", pause.by);
        return of(WatchState::Paused, why, Some(pause.from));
    }
    if !facts.has_source {
        let why = format!("there is no source {}", watch.source);
        return of(WatchState::NoSource, why, None);
    }
    if let Some((why, since)) = stalled(facts, now) {
        return of(WatchState::Stalled, why, since);
    }
    if !facts.has_job {
        let why = format!("there is no job {}", watch.job);
        return of(WatchState::Failing, why, None);
    }
    if let Some(held) = facts.held {
        let why = match facts.blocking {
            Some(run) => format!("run #{run} failed for good"),
            None => format!("waits for the runs of poll {}", held.poll),
        };
        return of(WatchState::Blocked, why, Some(held.started_at));
    }
    if let Some(poll) = under_way(facts) {
        let why = format!("poll {} is under way", poll.poll);
        return of(WatchState::Running, why, Some(poll.started_at));
    }
    let Some(poll) = facts.ended else {
        return of(WatchState::Idle, "it was not asked yet".to_owned(), None);
    };
    let ended_at = poll.last_at.unwrap_or(poll.started_at) + poll.took_ms.unwrap_or(0);
    if is_wrong(poll.outcome) {
        let said = poll.error.as_deref().unwrap_or(poll.outcome.as_str());
        let why = match poll.fails {
            0 | 1 => said.to_owned(),
            fails => format!("{fails} times in a row: {said}"),
        };
        return of(WatchState::Failing, why, Some(poll.started_at));
    }
    if facts.row.memory.page.is_some() {
        let why = "there is more than one poll takes; it reads on".to_owned();
        return of(WatchState::Lagging, why, Some(poll.started_at));
    }
    let fresh = poll.fresh_rows.unwrap_or(0);
    if fresh > 0 && now - ended_at <= watch.every_ms {
        let why = format!("{fresh} rows in the last poll");
        return of(WatchState::Active, why, Some(poll.started_at));
    }
    of(WatchState::Idle, String::new(), Some(poll.started_at))
}

/// Whether a poll went wrong.
pub fn is_wrong(outcome: PollOutcome) -> bool {
    matches!(
        outcome,
        PollOutcome::Error | PollOutcome::Timeout | PollOutcome::NoConnection | PollOutcome::Lost
    )
}

fn under_way<'a>(facts: &Facts<'a>) -> Option<&'a PollRow> {
    facts.last.filter(|p| p.outcome == PollOutcome::Running)
}

/// Why nothing happens that should, and since when.
fn stalled(facts: &Facts<'_>, now: UnixMs) -> Option<(String, Option<UnixMs>)> {
    let (row, watch) = (facts.row, &facts.row.watch);
    if !facts.daemon_up {
        return Some(("no daemon is there to ask".to_owned(), None));
    }
    if let Some(poll) = under_way(facts) {
        let age = now - poll.started_at;
        if age > watch.timeout_ms + GRACE_MS {
            let limit = span(watch.timeout_ms);
            let why = format!(
                "poll {} is under way for {}, its limit is {limit}",
                poll.poll,
                span(age)
            );
            return Some((why, Some(poll.started_at)));
        }
    }
    if let Some(since) = facts.gauge.and_then(|g| g.silent_since) {
        let age = short(now - since);
        let why = format!("what asks {} is silent for {age}", watch.source);
        return Some((why, Some(since)));
    }
    if under_way(facts).is_some() || facts.held.is_some() {
        return None;
    }
    let due = row.next_at.unwrap_or(row.updated_at);
    // A pause that has run out by itself: it was not due before its end.
    let until = watch.paused.as_ref().and_then(|p| p.until);
    let due = until.map_or(due, |until| due.max(until));
    let late = now - due;
    (late > LATE_MS + watch.every_ms.min(LATE_MOST_MS)).then(|| {
        let why = format!("its poll is {} late", span(late));
        (why, Some(due))
    })
}

/// A watch as the views show it.
#[derive(Clone, Debug, PartialEq)]
pub struct WatchView {
    /// The watch.
    pub row: WatchRow,
    /// How it stands.
    pub health: Health,
    /// Its last poll that was not skipped, under way or over.
    pub last: Option<PollRow>,
    /// Its last poll that is over.
    pub ended: Option<PollRow>,
    /// The oldest poll that waits for its runs.
    pub held: Option<PollRow>,
    /// The run of it that ended for good and not well.
    pub blocking: Option<RunId>,
    /// The connections to its source.
    pub gauge: Option<GaugeRow>,
    /// The most connections there may be to its source.
    pub pool_max: Option<u32>,
    /// Fresh rows of the last hour, in cells of five minutes, the oldest first.
    pub hour: Vec<i64>,
    /// Runs caused within the last hour.
    pub runs_1h: i64,
}

/// Cells of the last hour, and the length of each, milliseconds.
const CELLS: usize = 12;
const CELL_MS: i64 = 300_000;

impl WatchView {
    /// How many polls in a row went wrong.
    pub fn fails(&self) -> i64 {
        let wrong = self.ended.as_ref().filter(|p| is_wrong(p.outcome));
        wrong.map_or(0, |p| p.fails.max(1))
    }

    /// What went wrong in the last poll, or stands in the way.
    pub fn error(&self) -> Option<String> {
        let said = || {
            let wrong = self.ended.as_ref().filter(|p| is_wrong(p.outcome))?;
            wrong.error.clone()
        };
        match self.health.state {
            WatchState::Stalled | WatchState::NoSource => Some(self.health.why.clone()),
            WatchState::Failing => said().or_else(|| Some(self.health.why.clone())),
            WatchState::Blocked if self.blocking.is_some() => Some(self.health.why.clone()),
            _ => said(),
        }
    }

    /// Where its cursor is, as JSON: one value, or an array of several.
    pub fn cursor(&self) -> Value {
        let Some(cells) = &self.row.memory.cursor else {
            return Value::Null;
        };
        match cells.as_slice() {
            [one] => one.to_json(),
            many => many.iter().map(crate::model::Cell::to_json).collect(),
        }
    }
}

/// A watch with everything that is shown of it.
///
/// # Errors
/// Those of reading.
pub fn view(store: &Store, row: WatchRow, daemon_up: bool, now: UnixMs) -> Result<WatchView> {
    let gauges = store.gauges()?;
    let gauge = gauges.into_iter().find(|g| g.source == row.watch.source);
    look(store, row, gauge, daemon_up, now)
}

/// All watches with everything that is shown of them.
///
/// # Errors
/// Those of reading.
pub fn views(store: &Store, daemon: &Daemon, now: UnixMs) -> Result<Vec<WatchView>> {
    let gauges = store.gauges()?;
    let look = |row: WatchRow| {
        let gauge = gauges.iter().find(|g| g.source == row.watch.source);
        look(store, row, gauge.cloned(), daemon.up, now)
    };
    store.watches()?.into_iter().map(look).collect()
}

/// All watches, without what they did within the last hour.
///
/// # Errors
/// Those of reading.
pub fn standings(store: &Store, daemon: &Daemon, now: UnixMs) -> Result<Vec<WatchView>> {
    let rows = store.watches()?;
    if rows.is_empty() {
        return Ok(Vec::new());
    }
    let gauges = store.gauges()?;
    let look = |row: WatchRow| {
        let gauge = gauges.iter().find(|g| g.source == row.watch.source);
        judged(store, row, gauge.cloned(), daemon.up, now)
    };
    rows.into_iter().map(look).collect()
}

fn look(
    store: &Store,
    row: WatchRow,
    gauge: Option<GaugeRow>,
    daemon_up: bool,
    now: UnixMs,
) -> Result<WatchView> {
    let mut view = judged(store, row, gauge, daemon_up, now)?;
    // Whole cells, so that a sparkline moves in steps and not at every look.
    let cells = i64::try_from(CELLS).unwrap_or(0);
    let from = (now / CELL_MS + 1 - cells) * CELL_MS;
    view.hour = vec![0; CELLS];
    for (cell, fresh, runs) in store.poll_cells(&view.row.watch.name, from, CELL_MS)? {
        view.runs_1h += runs;
        if let Some(place) = view.hour.get_mut(cell) {
            *place += fresh;
        }
    }
    Ok(view)
}

fn judged(
    store: &Store,
    row: WatchRow,
    gauge: Option<GaugeRow>,
    daemon_up: bool,
    now: UnixMs,
) -> Result<WatchView> {
    let name = row.watch.name.clone();
    // Polls of another watch that had the name before say nothing of this one.
    let last = store.last_poll(&name, false, row.created_at)?;
    let ended = store.last_poll(&name, true, row.created_at)?;
    let held = store.held_polls(&name)?.into_iter().next();
    let blocking = match held {
        Some(_) => store.blocking_run(&name)?,
        None => None,
    };
    let source = store.source(&row.watch.source)?;
    let health = health(
        &Facts {
            row: &row,
            last: last.as_ref(),
            ended: ended.as_ref(),
            held: held.as_ref(),
            blocking,
            gauge: gauge.as_ref(),
            has_source: source.is_some(),
            has_job: store.has_job(&row.watch.job)?,
            daemon_up,
        },
        now,
    );
    Ok(WatchView {
        row,
        health,
        last,
        ended,
        held,
        blocking,
        gauge,
        pool_max: source.map(|s| s.limits.max),
        hour: Vec::new(),
        runs_1h: 0,
    })
}
