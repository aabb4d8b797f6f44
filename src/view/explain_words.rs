//! The sentences of an explanation.

use crate::model::{MissReason, Origin, Outcome, Pause, Planned, RunState, Verdict};
use crate::schedule::{Civil, DstRule, Resolved, UnixMs, Zone};
use crate::store::{AttemptRow, FireRow, RunRow};
use crate::view::explain::Question;
use crate::view::items::{late_ms, took_ms};
use crate::view::mismatch::mismatches;
use crate::view::notes::{moved_from, shifted_from};
use crate::view::time::{in_full, span};
use crate::view::timetable::Timetable;
use crate::view::words;

/// That an instant was, will be or would have been due, and by what.
pub fn due(question: &Question<'_>, table: &Timetable, at: UnixMs, in_force: bool) -> String {
    let verb = match (in_force, at > question.now) {
        (true, true) => "will be",
        (true, false) => "was",
        (false, _) => "would have been",
    };
    let Question { job, zone, .. } = question;
    let (at, expr) = (in_full(at, zone), table.schedule.text());
    format!("{job} {verb} due {at}, by `{expr}`")
}

/// That no schedule planned the instant asked for.
pub fn not_due(question: &Question<'_>) -> String {
    let verb = match question.at > question.now {
        true => "will not be",
        false => "was not",
    };
    format!("{} {verb} due {}", question.job, asked(question))
}

fn asked(question: &Question<'_>) -> String {
    match question.skipped {
        Some(civil) => format!("{} {}", date(civil), time(civil)),
        None => in_full(question.at, question.zone),
    }
}

/// That the ledger alone knows of an instant.
pub fn by_the_ledger(question: &Question<'_>, row: &FireRow) -> String {
    let at = in_full(row.planned_at, question.zone);
    format!("{} was due {at}, by `{}`", question.job, row.expr)
}

/// That a version was not in force, and when it is.
pub fn not_in_force(question: &Question<'_>, planned: &Planned) -> String {
    let full = |at| in_full(at, question.zone);
    let expr = &planned.expr;
    let terms = &planned.terms;
    match (terms.start_at, terms.end_at) {
        (Some(start), _) if question.at < start && planned.from < start => {
            format!("`{expr}` starts only {}", full(start))
        }
        (_, Some(end)) if question.at > end => format!("`{expr}` ended {}", full(end)),
        _ => format!(
            "but that schedule was not in force then: `{expr}` holds since {}",
            full(planned.from)
        ),
    }
}

/// That there is nothing that could be due.
pub fn no_schedule(never: bool) -> String {
    match never {
        true => "it has no schedule: it runs when you say `crake run`".to_owned(),
        false => "no schedule of it was in force then".to_owned(),
    }
}

/// Why a schedule did not plan the instant asked for.
pub fn why_not(question: &Question<'_>, table: &Timetable) -> Option<String> {
    let schedule = &table.schedule;
    let expr = schedule.text();
    if schedule.is_reboot() {
        return Some(format!("`{expr}` fires when the machine has started"));
    }
    let zone = match schedule.dst() {
        DstRule::Utc => Zone::utc(),
        _ => schedule.zone().clone(),
    };
    let civil = question
        .skipped
        .unwrap_or_else(|| zone.to_local(question.at));
    let wrong = mismatches(schedule, civil, question.width < 60_000);
    (!wrong.is_empty()).then(|| format!("`{expr}`: {}", wrong.join("; ")))
}

/// The fires before and after the instant asked for.
pub fn around(question: &Question<'_>, table: &Timetable) -> String {
    let last = question.at + question.width - 1;
    let full = |at: Option<UnixMs>| at.map_or("none".to_owned(), |at| in_full(at, question.zone));
    format!(
        "the fire before it: {}; after it: {}",
        full(table.prev_before(question.at)),
        full(table.next_after(last))
    )
}

/// That another instant is told of.
pub fn nearest(question: &Question<'_>, at: UnixMs) -> String {
    let (distance, side) = match at - question.at {
        later @ 0.. => (later, "later"),
        earlier => (-earlier, "earlier"),
    };
    let at = in_full(at, question.zone);
    format!("the nearest is {at}, {} {side}", span(distance))
}

/// What the zone's clock, or the calendar, did to the instant.
pub fn clock_change(
    question: &Question<'_>,
    table: &Timetable,
    at: Option<UnixMs>,
) -> Option<String> {
    let schedule = &table.schedule;
    let zone = schedule.zone();
    let written = match at {
        Some(at) => question.skipped.or_else(|| moved_from(schedule, at)),
        None => question.skipped,
    };
    if let Some(written) = written {
        let Resolved::Gap { at: jump, .. } = zone.resolve(written) else {
            return None;
        };
        let then = zone.to_local(jump);
        let before = zone.to_local(jump - 1000);
        let before = Civil::from_wall(before.to_wall() + 1);
        let story = format!(
            "{} does not exist on {} in {zone}: the clock goes from {} to {}",
            time(written),
            date(written),
            time(before),
            time(then)
        );
        let end = match at {
            Some(at) => format!("the fire is planned at {}", time(zone.to_local(at))),
            None if schedule.dst() == DstRule::Vixie => {
                "nothing is planned in its place".to_owned()
            }
            None => format!(
                "by the rule {} nothing is planned in its place",
                schedule.dst()
            ),
        };
        return Some(format!("{story}; {end}"));
    }
    let at = at?;
    if let Some((from, why)) = shifted_from(schedule, at) {
        let from = in_full(from, zone);
        return Some(format!("it stands in the place of {from}: {why}"));
    }
    let civil = zone.to_local(at);
    let Resolved::Fold { first, .. } = zone.resolve(civil) else {
        return None;
    };
    let (which, short) = match at == first {
        true => ("first", zone.abbreviation_at(at)),
        false => ("second", zone.abbreviation_at(at)),
    };
    let (time, date) = (time(civil), date(civil));
    Some(format!(
        "{time} comes twice on {date} in {zone}; the fire is planned at the {which} ({short})"
    ))
}

/// What the ledger says of an instant.
pub fn ledger(question: &Question<'_>, row: &FireRow) -> Vec<String> {
    let run = row
        .run
        .map_or("a run".to_owned(), |run| format!("run #{run}"));
    let note = row.note.clone();
    let noted = |head: &str| match &note {
        Some(note) => format!("{head}: {note}"),
        None => head.to_owned(),
    };
    let mut lines = vec![match row.verdict {
        Verdict::Run => format!("it got {run}{}", of_gap(row.reason)),
        Verdict::Coalesced => {
            format!("it came late with later fires of the same schedule; {run} stands for all")
        }
        Verdict::Missed => format!(
            "it was missed: {}",
            row.reason.map_or("nobody was there", words::reason)
        ),
        Verdict::Overlap => match row.blocked_by {
            Some(other) => format!("it got no run: run #{other} was in the way"),
            None => noted("it got no run, by the overlap rule"),
        },
        Verdict::Calendar => noted("it got no run: its calendar excludes it"),
        Verdict::Paused => noted("it got no run: the job was paused"),
        Verdict::Expired => noted("it got no run: its start deadline had passed"),
        Verdict::Error => noted("it got no run, for a fault"),
    }];
    if row.verdict == Verdict::Missed {
        lines.push(match row.run {
            Some(run) => format!("run #{run} made up for it"),
            None => format!(
                "no run was made up for it; `crake missed {} --catch-up last` makes one",
                question.job
            ),
        });
    }
    if row.count > 1 {
        let (from, until) = (row.planned_at, row.until);
        let full = |at| in_full(at, question.zone);
        lines.push(format!(
            "its row of the ledger stands for {} from {} to {}",
            words::count(row.count, "fire"),
            full(from),
            full(until)
        ));
    }
    let decided = in_full(row.decided_at, question.zone);
    let late = span(row.late_ms);
    lines.push(format!("decided {decided}, {late} after the instant"));
    lines
}

fn of_gap(reason: Option<MissReason>) -> String {
    reason.map_or(String::new(), |reason| {
        format!(
            " afterwards, by the catch-up rule: {}",
            words::reason(reason)
        )
    })
}

/// Why, as the ledger has it.
pub fn reason(row: &FireRow) -> Option<String> {
    match (row.reason, row.blocked_by) {
        (Some(reason), _) => Some(reason.as_str().to_owned()),
        (None, Some(run)) => Some(format!("run #{run} was in the way")),
        (None, None) => row.note.clone(),
    }
}

/// What can be said of an instant without a row.
pub fn undecided(question: &Question<'_>, at: UnixMs) -> Vec<String> {
    let pause = question.pauses.iter().find(|pause| pause.covers(at));
    let mut lines = Vec::new();
    if at > question.now {
        lines.extend(pause.map(paused));
        return lines;
    }
    lines.push("the ledger has no row for it: no daemon has decided it yet".to_owned());
    lines.push("`crake status` says whether one is up, `crake audit` looks for gaps".to_owned());
    lines
}

/// That a job is paused.
pub fn paused(pause: &Pause) -> String {
    match &pause.reason {
        Some(reason) => format!("it is paused then, by {}: {reason}", pause.by),
        None => format!("it is paused then, by {}", pause.by),
    }
}

/// What became of a run.
pub fn run(run: &RunRow, zone: &Zone) -> String {
    let id = run.run;
    let at = |at: Option<UnixMs>| at.map_or("?".to_owned(), |at| in_full(at, zone));
    let mut text = match run.state {
        RunState::Queued => format!("run #{id} waits in the queue {}", run.queue),
        RunState::Running => format!("run #{id} is running since {}", at(run.started_at)),
        RunState::Ended(Outcome::Succeeded) => format!("run #{id} succeeded"),
        RunState::Ended(outcome) => format!("run #{id} ended as {outcome}"),
    };
    let detail = words::detail(run);
    if !detail.is_empty() {
        text.push_str(&format!(", {detail}"));
    }
    if let Some(took) = took_ms(run) {
        text.push_str(&format!(", after {}", span(took)));
    }
    match late_ms(run) {
        Some(late) if run.state != RunState::Queued => {
            text.push_str(&format!("; it started {} late", span(late)));
        }
        _ => {}
    }
    text
}

/// Why a run exists.
pub fn origin(run: &RunRow, expr: Option<&str>, by: Option<&str>, zone: &Zone) -> String {
    let planned = run.planned_at.map(|at| in_full(at, zone));
    let planned = planned.unwrap_or_else(|| "an unknown instant".to_owned());
    let schedule = expr.map_or(String::new(), |expr| format!(" of `{expr}`"));
    let by = by.map_or(String::new(), |by| format!(" by {by}"));
    let of = run.origin_ref.as_deref().unwrap_or("another run");
    match run.origin {
        Origin::Schedule => format!("made for the fire{schedule} planned {planned}"),
        Origin::CatchUp => format!("made to catch up the fire{schedule} missed {planned}"),
        Origin::Boot => format!("made because the machine had started, {planned}"),
        Origin::Manual => format!("asked for{by} with `crake run`"),
        Origin::Enqueue => format!("put into the queue{by} with `crake enqueue`"),
        Origin::Retry => format!("asked for{by}: run {of} was to be done again"),
        Origin::Sql => format!("inserted by an SQL client{by}"),
        Origin::Run => format!("made by the outcome of run {of}"),
        Origin::Watch => {
            let watch = run.watch.as_deref().unwrap_or("that is not known");
            format!("made for rows found by the watch {watch} in poll {of}")
        }
    }
}

/// How an attempt went.
pub fn attempt(attempt: &AttemptRow, zone: &Zone) -> String {
    let at = in_full(attempt.started_at.unwrap_or(attempt.claimed_at), zone);
    let outcome = attempt.outcome.map_or("alive", |outcome| outcome.as_str());
    let how = match (attempt.exit_code, attempt.signal) {
        (Some(code), _) => format!(" exit {code}"),
        (None, Some(signal)) => format!(" signal {signal}"),
        (None, None) => String::new(),
    };
    let took = attempt
        .took_ms()
        .map_or(String::new(), |ms| format!(" after {}", span(ms)));
    let reason = attempt.reason.as_ref();
    let reason = reason.map_or(String::new(), |reason| format!(": {reason}"));
    format!("attempt {}  {at}  {outcome}{how}{took}{reason}", attempt.n)
}

/// The date a clock shows.
fn date(civil: Civil) -> String {
    format!("{:04}-{:02}-{:02}", civil.year, civil.month, civil.day)
}

/// The time a clock shows.
fn time(civil: Civil) -> String {
    match civil.second {
        0 => format!("{:02}:{:02}", civil.hour, civil.minute),
        second => format!("{:02}:{:02}:{second:02}", civil.hour, civil.minute),
    }
}
