//! A schedule taken apart for a reader: words, sets, warnings, and the clock changes ahead.

use crate::schedule::civil::{Civil, WallSecond};
use crate::schedule::describe::{describe, dom_in_words, dow_in_words, joined};
use crate::schedule::error::FieldName;
use crate::schedule::fields::{ALL_DOM, ALL_DOW, Fields};
use crate::schedule::search::WallPattern;
use crate::schedule::warn::{self, Warning};
use crate::schedule::zone_answer::Transition;
use crate::schedule::{DstRule, Schedule, UnixMs, When};

/// What there is to say about a schedule.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Explanation {
    /// The schedule in words.
    pub words: String,
    /// The set of each field as text such as `0,15-20,30`, `all` or `none`; empty if the schedule
    /// has no fields. Weekdays count from 0 = Sunday.
    pub fields: Vec<(FieldName, String)>,
    /// How the two day fields work together, if both are restricted.
    pub day_rule: Option<String>,
    pub warnings: Vec<Warning>,
    /// The next two changes of the clock and what becomes of the fires at them.
    pub dst_ahead: Vec<DstNote>,
}

/// What a change of the clock does to a schedule.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DstNote {
    /// The instant of the change, Unix milliseconds.
    pub at: UnixMs,
    pub text: String,
}

/// Takes a schedule apart; `now` is the instant from which clock changes are looked for.
pub fn explain(schedule: &Schedule, now: UnixMs) -> Explanation {
    let fields = schedule.fields();
    Explanation {
        words: describe(schedule),
        fields: fields.map(sets).unwrap_or_default(),
        day_rule: fields.and_then(day_rule),
        warnings: warn::warnings(schedule),
        dst_ahead: changes_ahead(schedule, now),
    }
}

/// Says what is special about one fire at a change of the clock, if anything.
pub fn note_for(schedule: &Schedule, fired_at: UnixMs) -> Option<String> {
    let pattern = pattern(schedule)?;
    if let Some(jump) = schedule
        .clock
        .next_transition(fired_at.saturating_sub(1))
        .filter(|jump| jump.at == fired_at)
        && let Some(first) = skipped(pattern, &jump).first()
        && catches_up(schedule, &jump)
        && !shows(pattern, wall_of(jump.at, jump.after_seconds))
    {
        return Some(format!("moved from {}: the clock skips it", time(*first)));
    }
    let wall = schedule.clock.to_local(fired_at).to_wall();
    let shown = format!("the clock shows {} twice", time(wall));
    let back = |change: &Transition| change.after_seconds < change.before_seconds;
    let lies_in = |change: &Transition| twice(change).contains(&wall);
    let ahead = schedule.clock.next_transition(fired_at);
    if ahead.is_some_and(|change| back(&change) && lies_in(&change)) {
        return Some(match runs_once(schedule) {
            true => format!("{shown}, and this is the only run"),
            false => format!("{shown}, and this is the first run of two"),
        });
    }
    let behind = schedule.clock.prev_transition(fired_at.saturating_add(1));
    let second = behind.is_some_and(|change| back(&change) && lies_in(&change));
    second.then(|| format!("{shown}, and this is the second run of two"))
}

fn sets(fields: &Fields) -> Vec<(FieldName, String)> {
    let mut sets = Vec::new();
    let text = |set: u64, low: u32, high: u32| compact(set, low, high);
    if fields.second != 1 {
        sets.push((FieldName::Second, text(fields.second, 0, 59)));
    }
    let specials = fields.specials.unwrap_or_default();
    let only = |words: Option<String>, set: String| match (words, set.as_str()) {
        (None, _) => set,
        (Some(words), "none") => words,
        (Some(words), _) => format!("{set} and {words}"),
    };
    let dom = (specials.from_last != 0 || specials.last_weekday || specials.nearest_weekday != 0)
        .then(|| dom_in_words(0, &specials));
    let dow =
        (specials.last_dow != 0 || specials.nth_dow != [0; 5]).then(|| dow_in_words(0, &specials));
    sets.extend([
        (FieldName::Minute, text(fields.minute, 0, 59)),
        (FieldName::Hour, text(u64::from(fields.hour), 0, 23)),
        (
            FieldName::DayOfMonth,
            only(dom, text(u64::from(fields.dom), 1, 31)),
        ),
        (FieldName::Month, text(u64::from(fields.month), 1, 12)),
        (
            FieldName::DayOfWeek,
            only(dow, text(u64::from(fields.dow), 0, 6)),
        ),
    ]);
    if let Some(years) = fields.years {
        let years: Vec<String> = years.iter().map(|year| year.to_string()).collect();
        sets.push((FieldName::Year, years.join(",")));
    }
    sets
}

/// Returns a set as a crontab would write it: `0,15-20,30`.
fn compact(set: u64, low: u32, high: u32) -> String {
    let has = |value: u32| value <= high && set >> value & 1 == 1;
    if (low..=high).all(has) {
        return "all".to_owned();
    }
    let mut parts = Vec::new();
    let mut value = low;
    while value <= high {
        if has(value) {
            let end = (value..=high + 1)
                .find(|next| !has(*next))
                .unwrap_or(high + 1)
                - 1;
            match end - value {
                0 => parts.push(value.to_string()),
                1 => parts.extend([value.to_string(), end.to_string()]),
                _ => parts.push(format!("{value}-{end}")),
            }
            value = end;
        }
        value += 1;
    }
    match parts.is_empty() {
        true => "none".to_owned(),
        false => parts.join(","),
    }
}

fn day_rule(fields: &Fields) -> Option<String> {
    if fields.dom == ALL_DOM || fields.dow == ALL_DOW {
        return None;
    }
    let specials = fields.specials.unwrap_or_default();
    let dom = dom_in_words(fields.dom, &specials);
    let dow = dow_in_words(fields.dow, &specials);
    Some(if fields.either_day() {
        format!(
            "either day is enough: {dom} of the month, whatever weekday that is, or {dow}, \
             whatever date that is"
        )
    } else {
        format!("both must match: {dom} of the month, and only if that is {dow}")
    })
}

fn pattern(schedule: &Schedule) -> Option<&dyn WallPattern> {
    match &schedule.when {
        When::Fields(fields) => Some(fields),
        When::Calendar(steps) => Some(steps),
        When::Hours(hours) => Some(hours),
        When::Reboot | When::Elapsed { .. } | When::At(_) => None,
    }
}

/// Says whether a time the clock shows twice is run on the first pass only.
fn runs_once(schedule: &Schedule) -> bool {
    let wild = match &schedule.when {
        When::Fields(fields) => fields.is_wild(),
        When::Hours(_) => true,
        _ => false,
    };
    !wild && matches!(schedule.dst, DstRule::Vixie | DstRule::Skip)
}

fn catches_up(schedule: &Schedule, jump: &Transition) -> bool {
    let shift = jump.after_seconds - jump.before_seconds;
    schedule.dst == DstRule::Vixie && runs_once(schedule) && shift < 3 * 3600
}

fn wall_of(at: UnixMs, offset_seconds: i32) -> WallSecond {
    at.div_euclid(1000) + i64::from(offset_seconds)
}

fn shows(pattern: &dyn WallPattern, wall: WallSecond) -> bool {
    pattern.next_wall(wall) == Some(wall)
}

/// Returns the wall seconds a clock set back shows twice.
fn twice(change: &Transition) -> std::ops::Range<WallSecond> {
    wall_of(change.at, change.after_seconds)..wall_of(change.at, change.before_seconds)
}

/// Returns the matching times a jump of the clock leaves out; none if it is set back.
fn skipped(pattern: &dyn WallPattern, jump: &Transition) -> Vec<WallSecond> {
    let from = wall_of(jump.at, jump.before_seconds);
    times(pattern, from..wall_of(jump.at, jump.after_seconds))
}

fn times(pattern: &dyn WallPattern, span: std::ops::Range<WallSecond>) -> Vec<WallSecond> {
    let next = |from: WallSecond| pattern.next_wall(from).filter(|wall| span.contains(wall));
    std::iter::successors(next(span.start), |wall| next(wall + 1)).collect()
}

fn changes_ahead(schedule: &Schedule, now: UnixMs) -> Vec<DstNote> {
    if matches!(schedule.when, When::Reboot | When::At(_)) {
        return Vec::new();
    }
    let zone = &schedule.zone;
    let first = zone.next_transition(now);
    let changes = std::iter::successors(first, |change| zone.next_transition(change.at));
    changes
        .take(2)
        .map(|change| DstNote {
            at: change.at,
            text: note_of_change(schedule, &change),
        })
        .collect()
}

fn note_of_change(schedule: &Schedule, change: &Transition) -> String {
    let zone = &schedule.zone;
    let before = wall_of(change.at, change.before_seconds);
    let after = wall_of(change.at, change.after_seconds);
    let date = |wall: WallSecond| {
        let civil = Civil::from_wall(wall);
        format!("{:04}-{:02}-{:02}", civil.year, civil.month, civil.day)
    };
    let (day, forward) = (date(before), after > before);
    let Some(pattern) = pattern(schedule).filter(|_| schedule.dst != DstRule::Utc) else {
        let minutes = (after - before).abs() / 60;
        let side = if forward { "later" } else { "earlier" };
        return format!(
            "{day}: the clock of {zone} is set {} by {minutes} minutes; fires go on as before, \
             which is {minutes} minutes {side} on that clock",
            if forward { "forward" } else { "back" }
        );
    };
    let shown = if forward {
        skipped(pattern, change)
    } else {
        times(pattern, twice(change))
    };
    let (from, until) = (time(before.min(after)), time(before.max(after)));
    let what = if forward {
        "does not exist"
    } else {
        "comes twice"
    };
    if shown.is_empty() {
        return format!("{day}: {from} to {until} {what} in {zone}; no fire falls into it");
    }
    let many = shown.len() > 1;
    let verb = match (forward, many) {
        (true, true) => "do not exist",
        (true, false) => "does not exist",
        (false, true) => "come twice",
        (false, false) => "comes twice",
    };
    let fate = match (forward, many) {
        (true, _) if !catches_up(schedule, change) => "not run that day".to_owned(),
        (true, _) if shows(pattern, after) => format!("run as one with {}", time(after)),
        (true, true) => format!("run once, at {}", time(after)),
        (true, false) => format!("runs at {}", time(after)),
        (false, _) if runs_once(schedule) => "only the first pass is run".to_owned(),
        (false, _) => "both passes are run".to_owned(),
    };
    format!("{day}: {} {verb} in {zone}; {fate}", listed(&shown))
}

fn listed(walls: &[WallSecond]) -> String {
    match walls {
        [first, .., last] if walls.len() > 4 => {
            format!(
                "{} to {} ({} times)",
                time(*first),
                time(*last),
                walls.len()
            )
        }
        _ => joined(walls.iter().map(|wall| time(*wall)).collect()),
    }
}

fn time(wall: WallSecond) -> String {
    let civil = Civil::from_wall(wall);
    match civil.second {
        0 => format!("{:02}:{:02}", civil.hour, civil.minute),
        second => format!("{:02}:{:02}:{second:02}", civil.hour, civil.minute),
    }
}
