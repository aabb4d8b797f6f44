//! What becomes of a schedule when the clocks of its zone change.
//!
//! The default is the rule of the Vixie line, measured on the main loops of cronie and Debian's
//! cron: both compare the wall minute `N` now with the last one handled `V` and act on
//! `d = N - V`. A forward jump with `d` up to 180 minutes runs fixed-time jobs once for what was
//! skipped; a backward one down to -180 holds them until `N` passes `V`; anything larger is taken
//! as a new clock. Jobs with a wildcard minute or hour always follow the clock as it is.
//!
//! Where those loops run one job several times in a row for several skipped minutes, this rule
//! answers one instant.

use std::fmt;
use std::str::FromStr;

use crate::schedule::civil::WallSecond;
use crate::schedule::offsets::{OffsetTable, Segment};
use crate::schedule::search::WallPattern;

/// What a schedule does when the clocks of its zone are changed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum DstRule {
    /// As cronie and Debian's cron: a fixed-time job in a gap of less than three hours runs at the
    /// first instant after it, one in a fold on the first pass only; a job with a wildcard minute
    /// or hour follows the clock: nothing for a gap, both passes of a fold.
    #[default]
    Vixie,
    /// As `vixie`, but what falls into a gap is not run.
    Skip,
    /// Runs whenever the clock shows a matching time, as cronie does under `CRON_TZ`: nothing for
    /// a gap, both passes of a fold.
    Both,
    /// Fields are matched against UTC; clock changes have no effect.
    Utc,
}

impl DstRule {
    /// All rules, in the order of their definition.
    pub const ALL: [DstRule; 4] = [DstRule::Vixie, DstRule::Skip, DstRule::Both, DstRule::Utc];

    /// Returns the name, as it is written and stored.
    pub fn as_str(self) -> &'static str {
        match self {
            DstRule::Vixie => "vixie",
            DstRule::Skip => "skip",
            DstRule::Both => "both",
            DstRule::Utc => "utc",
        }
    }
}

impl fmt::Display for DstRule {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// A word that names no rule for clock changes.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("unknown clock-change rule {0:?}; write vixie, skip, both or utc")]
pub struct UnknownDstRule(pub String);

impl FromStr for DstRule {
    type Err = UnknownDstRule;

    fn from_str(word: &str) -> Result<DstRule, UnknownDstRule> {
        let found = DstRule::ALL.into_iter().find(|rule| rule.as_str() == word);
        found.ok_or_else(|| UnknownDstRule(word.to_owned()))
    }
}

/// A gap this long or longer is a new clock: `d` is then above 180, as the minute before it counts.
const LONG_GAP: i64 = 180 * 60;
/// A fold longer than this is a new clock: `d` is then below -180.
const LONG_FOLD: i64 = 181 * 60;
/// How far the wall clock may ever fall behind what it has shown: more than any fold there was.
const DEEPEST_FOLD: i64 = 2 * 86_400;

/// How a pattern is walked through a zone.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Walk {
    /// Every time the clock shows a matching second.
    Clock,
    /// Each matching second once; those in a gap right after it if `catch_up`.
    Once { catch_up: bool },
}

/// Returns the first instant strictly after `after`, in Unix seconds.
pub fn next(
    pattern: &impl WallPattern,
    table: &OffsetTable,
    walk: Walk,
    after: i64,
) -> Option<i64> {
    match walk {
        Walk::Clock => next_shown(pattern, table, after),
        Walk::Once { catch_up } => next_once(pattern, table, catch_up, after),
    }
}

/// Returns the last instant strictly before `before`, in Unix seconds.
pub fn prev(
    pattern: &impl WallPattern,
    table: &OffsetTable,
    walk: Walk,
    before: i64,
) -> Option<i64> {
    match walk {
        Walk::Clock => prev_shown(pattern, table, before - 1),
        Walk::Once { catch_up } => prev_once(pattern, table, catch_up, before - 1),
    }
}

fn next_shown(pattern: &impl WallPattern, table: &OffsetTable, after: i64) -> Option<i64> {
    let mut segment = table.at(after);
    // No match lies in searched..found, so only a fold below `searched` needs a new search.
    let mut searched = after + 1 + segment.offset;
    let mut found = pattern.next_wall(searched);
    loop {
        if let Some(wall) = found.filter(|wall| *wall < segment.wall_end()) {
            return Some(wall - segment.offset);
        }
        segment = table.after(&segment)?;
        let opening = segment.wall_start();
        if opening < searched || found.is_some_and(|wall| wall < opening) {
            searched = opening;
            found = pattern.next_wall(searched);
        } else if opening > searched + DEEPEST_FOLD {
            segment = skip(table, &segment, found?);
        }
    }
}

/// Returns the stretch itself, or a later one if all that lies between shows only times before
/// `wall`: years without a match need not be walked change by change.
///
/// The stretch must begin so long after the search did that no fold leads back before that.
fn skip(table: &OffsetTable, segment: &Segment, wall: WallSecond) -> Segment {
    let surely_before = wall - segment.offset - 2 * DEEPEST_FOLD;
    if surely_before < segment.end {
        return *segment;
    }
    table.at(surely_before)
}

fn prev_shown(pattern: &impl WallPattern, table: &OffsetTable, until: i64) -> Option<i64> {
    let mut segment = table.at(until);
    let mut searched = until + segment.offset;
    let mut found = pattern.prev_wall(searched);
    loop {
        if let Some(wall) = found.filter(|wall| *wall >= segment.wall_start()) {
            return Some(wall - segment.offset);
        }
        segment = table.before(&segment)?;
        let closing = segment.wall_end() - 1;
        if closing > searched || found.is_some_and(|wall| wall > closing) {
            searched = closing;
            found = pattern.prev_wall(searched);
        } else if found.is_none() && closing < searched - DEEPEST_FOLD {
            return None;
        }
    }
}

/// How a stretch of time is entered by a walk that takes each wall second once.
#[derive(Clone, Copy, Debug)]
struct Entry {
    /// The wall second from which the stretch counts; what is below was handled before.
    floor: WallSecond,
    /// The wall second from which the clock jumped forward, if what it skipped is made up for.
    skipped_from: Option<WallSecond>,
}

/// Decides the entry into `segment` when the walk had handled all wall seconds below `handled`.
fn enter(segment: &Segment, handled: WallSecond) -> Entry {
    let opening = segment.wall_start();
    match opening - handled {
        jump if !(-LONG_FOLD..LONG_GAP).contains(&jump) => Entry {
            floor: opening,
            skipped_from: None,
        },
        jump if jump > 0 => Entry {
            floor: opening,
            skipped_from: Some(handled),
        },
        _ => Entry {
            floor: handled,
            skipped_from: None,
        },
    }
}

/// Decides the entry into `segment` from what lies before it.
fn entry_of(table: &OffsetTable, segment: &Segment) -> Entry {
    // A fold holds back at most three hours, so three stretches tell enough even if two are short.
    let mut history = [*segment; 4];
    let mut known = 0;
    while known < 3
        && let Some(before) = table.before(&history[known])
    {
        known += 1;
        history[known] = before;
    }
    let mut entry = Entry {
        floor: history[known].wall_start(),
        skipped_from: None,
    };
    for index in (0..known).rev() {
        let handled = entry.floor.max(history[index + 1].wall_end());
        entry = enter(&history[index], handled);
    }
    entry
}

/// Returns the floor of `segment`, cheaply when `wall` is too far into it for a fold to matter.
fn floor_of(table: &OffsetTable, segment: &Segment, wall: WallSecond) -> WallSecond {
    if wall >= segment.wall_start() + DEEPEST_FOLD {
        return segment.wall_start();
    }
    entry_of(table, segment).floor
}

fn next_once(
    pattern: &impl WallPattern,
    table: &OffsetTable,
    catch_up: bool,
    after: i64,
) -> Option<i64> {
    let mut segment = table.at(after);
    // The second after `after` on the old clock: it may lie in a gap, which must be made up for.
    let from = after + segment.offset + 1;
    let mut floor = floor_of(table, &segment, from);
    let mut found = pattern.next_wall(from.max(floor));
    loop {
        if let Some(wall) = found.filter(|wall| *wall < segment.wall_end()) {
            return Some(wall - segment.offset);
        }
        let handled = floor.max(segment.wall_end());
        segment = table.after(&segment)?;
        let entry = enter(&segment, handled);
        floor = entry.floor;
        let missed = found.is_some_and(|wall| wall < floor);
        if missed && catch_up && entry.skipped_from.is_some() {
            return Some(segment.start);
        }
        // A floor below what was handled is a new clock; its earlier times count again.
        if missed || floor < handled {
            found = pattern.next_wall(floor);
        } else if floor > from + DEEPEST_FOLD {
            let later = skip(table, &segment, found?);
            if later != segment {
                segment = later;
                floor = entry_of(table, &segment).floor;
            }
        }
    }
}

fn prev_once(
    pattern: &impl WallPattern,
    table: &OffsetTable,
    catch_up: bool,
    until: i64,
) -> Option<i64> {
    let mut segment = table.at(until);
    let mut searched = until + segment.offset;
    let mut found = pattern.prev_wall(searched);
    let start = searched;
    loop {
        let near_start = found.is_none_or(|wall| wall < segment.wall_start() + DEEPEST_FOLD);
        let entry = if near_start {
            entry_of(table, &segment)
        } else {
            Entry {
                floor: segment.wall_start(),
                skipped_from: None,
            }
        };
        if let Some(wall) = found.filter(|wall| *wall >= entry.floor) {
            return Some(wall - segment.offset);
        }
        if let Some(skipped_from) = entry.skipped_from.filter(|_| catch_up)
            && pattern
                .next_wall(skipped_from)
                .is_some_and(|wall| wall < entry.floor)
        {
            return Some(segment.start);
        }
        segment = table.before(&segment)?;
        let closing = segment.wall_end() - 1;
        if closing > searched || found.is_some_and(|wall| wall > closing) {
            searched = closing;
            found = pattern.prev_wall(searched);
        } else if found.is_none() && closing < start - DEEPEST_FOLD {
            return None;
        }
    }
}
