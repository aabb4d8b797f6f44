//! When a trigger is due.
//!
//! Every dialect becomes one internal form, a [`Schedule`], that answers two questions: the first
//! instant after a given one and the last before it. Time is always an argument; the only files
//! read are those of the zones.

mod at;
mod calendar;
mod calendar_event;
mod calendar_ics;
mod calendar_rule;
mod calendar_toml;
mod civil;
mod crontab;
mod crontab_hint;
mod describe;
mod dialect;
mod dst;
mod error;
mod every;
mod explain;
mod fields;
mod nickname;
mod offsets;
mod search;
mod seconds;
mod shift;
mod spread;
mod warn;
mod zone;
mod zone_answer;
mod zone_file;
mod zone_name;

use std::sync::Arc;

use crate::schedule::civil::{FIRST_SECOND, LAST_SECOND};
use crate::schedule::dst::Walk;
use crate::schedule::error::split_words;
use crate::schedule::every::{CalendarSteps, DailyHours, Every};
use crate::schedule::search::WallPattern;

pub use crate::schedule::calendar::{Calendar, CalendarError, Exclusion};
pub use crate::schedule::civil::{Civil, civil_of_day};
pub use crate::schedule::describe::describe;
pub use crate::schedule::dialect::{Dialect, UnknownDialect};
pub use crate::schedule::dst::{DstRule, UnknownDstRule};
pub use crate::schedule::error::{FieldName, ScheduleError};
pub use crate::schedule::explain::{DstNote, Explanation, explain, note_for};
pub use crate::schedule::fields::{Fields, Specials, Years};
pub use crate::schedule::shift::{Shift, UnknownShift};
pub use crate::schedule::spread::{jitter_ms, random_delay, seed_of};
pub use crate::schedule::warn::{Warning, WarningKind};
pub use crate::schedule::zone::{Zone, ZoneError};
pub use crate::schedule::zone_answer::{Resolved, Transition};

/// Unix time in milliseconds.
pub type UnixMs = i64;

/// What a schedule depends on besides its text.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ParseOptions {
    /// The zone whose clock the fields are matched against; UTC if not given.
    pub zone: Zone,
    /// What is done when that clock changes.
    pub dst: DstRule,
    /// The first fire of `every …`; the Unix epoch, or midnight of that day on the zone's clock for
    /// days and months, if not given. Days and months are counted from its whole second.
    pub anchor: Option<UnixMs>,
    /// Decides the numbers drawn for `~` and `H`: a number stored with the job or a hash of its
    /// name.
    pub seed: u64,
    /// Takes `H` as Jenkins does, in every field but the year: `H` is one value of the field, drawn
    /// from the seed, `H(0-29)` one of that range, `H/15` every 15th value from one of the first
    /// 15. Days of the month go to 28, which every month has. No cron knows `H`, so it is refused
    /// unless asked for.
    pub allow_hash: bool,
}

/// When a trigger is due.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Schedule {
    text: String,
    dialect: Dialect,
    zone: Zone,
    /// The zone fields are matched in: `zone`, or UTC under that rule.
    clock: Zone,
    dst: DstRule,
    anchor: Option<UnixMs>,
    when: When,
    calendar: Option<Arc<Calendar>>,
    shift: Option<Shift>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum When {
    Reboot,
    Fields(Fields),
    Elapsed { step: i64, anchor: UnixMs },
    Calendar(CalendarSteps),
    Hours(DailyHours),
    At(UnixMs),
}

impl Schedule {
    /// Reads a schedule expression of any dialect.
    ///
    /// Five fields are a crontab's, six or seven begin with the second and end with the year;
    /// beside them stand nicknames such as `@daily` and `@reboot`, `every 90s`, `every 1d`,
    /// `every 15m 09:00-17:30 mon-fri`, and `at` with an instant of RFC 3339 or a local time.
    ///
    /// Intervals do not drift: each fire is counted from the anchor, not from the one before. Days
    /// and months keep the time of day over clock changes, `every 24h` keeps 24 hours of elapsed
    /// time. A month without the anchor's day takes its last: from January 31 come February 28 and
    /// then March 31.
    ///
    /// # Errors
    ///
    /// Anything else, with the field and column at fault. Crontab fields are taken as cronie 1.7
    /// and Debian's cron 3.0pl1 take them, less what those accept and never run.
    pub fn parse(text: &str, options: &ParseOptions) -> Result<Schedule, ScheduleError> {
        let words = split_words(text);
        let clock = clock_of(&options.zone, options.dst);
        let (dialect, when) = match words.as_slice() {
            [first, ..] if first.text.starts_with('@') => {
                let fields = nickname::parse(text, &words, options)?;
                (Dialect::Nickname, fields.map_or(When::Reboot, When::Fields))
            }
            [first, rest @ ..] if first.text == "every" => (
                Dialect::Every,
                anchored(every::parse(text, rest)?, &clock, options.anchor),
            ),
            [first, rest @ ..] if first.text == "at" => {
                (Dialect::At, When::At(at::parse(text, rest, &clock)?))
            }
            [a, b, c, d, e] => {
                let fields = crontab::parse(text, &[*a, *b, *c, *d, *e], options)?;
                (Dialect::Crontab, When::Fields(fields))
            }
            [_, _, _, _, _, _] | [_, _, _, _, _, _, _] => (
                Dialect::Seconds,
                When::Fields(seconds::parse(text, &words, options)?),
            ),
            other => return Err(nickname::wrong_count(text, other)),
        };
        Ok(Schedule {
            text: text.to_owned(),
            dialect,
            zone: options.zone.clone(),
            clock,
            dst: options.dst,
            anchor: options.anchor,
            when,
            calendar: None,
            shift: None,
        })
    }

    /// Makes a schedule of ready field sets, as a crontab reader of another dialect made them.
    ///
    /// The sets may be ones no expression here can name, such as an empty one; bits outside a
    /// field's bounds are dropped. The dialect is `crontab`.
    pub fn from_fields(text: &str, fields: Fields, zone: Zone, dst: DstRule) -> Schedule {
        let clock = clock_of(&zone, dst);
        let when = When::Fields(fields.within_bounds());
        let (text, dialect) = (text.to_owned(), Dialect::Crontab);
        Schedule {
            text,
            dialect,
            zone,
            clock,
            dst,
            anchor: None,
            when,
            calendar: None,
            shift: None,
        }
    }

    /// Returns the same schedule under a calendar.
    ///
    /// Its days and hours are those of the clock the fields are matched against: that of the zone,
    /// or UTC under that rule. What the calendar excludes stays planned: [`Schedule::excluded`] tells it apart. With a
    /// shift, an excluded instant plans another one besides, at the same time of day on the next or
    /// previous day on which the calendar allows that time, at most 366 days away; a time the clock
    /// skips becomes the first instant after the gap, one it shows twice the first pass, and a day
    /// the clock skips whole is no such day. Where several come to the same instant there is one.
    pub fn with_calendar(self, calendar: Arc<Calendar>, shift: Option<Shift>) -> Schedule {
        Schedule {
            calendar: Some(calendar),
            shift,
            ..self
        }
    }

    /// Says why the calendar excludes an instant, as `NAME: REASON`; none if it does not.
    pub fn excluded(&self, at: UnixMs) -> Option<String> {
        let calendar = self.calendar.as_ref()?;
        let why = calendar.excludes(at, &self.clock)?.why;
        Some(match calendar.name.as_str() {
            "" => why,
            name => format!("{name}: {why}"),
        })
    }

    /// Returns the calendar and the shift, if the schedule has one.
    pub fn calendar(&self) -> Option<(&Arc<Calendar>, Option<Shift>)> {
        self.calendar
            .as_ref()
            .map(|calendar| (calendar, self.shift))
    }

    /// Returns the first instant strictly later than `after`; none if it never comes.
    pub fn next_after(&self, after: UnixMs) -> Option<UnixMs> {
        match self.shift {
            None => self.base_next(after),
            Some(shift) => shift::next(self, shift, after),
        }
    }

    /// Returns the last instant strictly earlier than `before`; none if there was none.
    pub fn prev_before(&self, before: UnixMs) -> Option<UnixMs> {
        match self.shift {
            None => self.base_prev(before),
            Some(shift) => shift::prev(self, shift, before),
        }
    }

    /// [`Schedule::next_after`] without what a calendar adds.
    fn base_next(&self, after: UnixMs) -> Option<UnixMs> {
        let next = match &self.when {
            When::Reboot => None,
            When::Fields(fields) => self.next_of(fields, fields.is_wild(), after),
            When::Hours(hours) => self.next_of(hours, true, after),
            When::Calendar(steps) => self.next_of(steps, false, after),
            When::Elapsed { step, anchor } => every::next_elapsed(*step, *anchor, after),
            When::At(at) => (*at > after).then_some(*at),
        };
        next.filter(|next| *next <= LAST_SECOND * 1000)
    }

    /// [`Schedule::prev_before`] without what a calendar adds.
    fn base_prev(&self, before: UnixMs) -> Option<UnixMs> {
        match &self.when {
            When::Reboot => None,
            When::Fields(fields) => self.prev_of(fields, fields.is_wild(), before),
            When::Hours(hours) => self.prev_of(hours, true, before),
            When::Calendar(steps) => self.prev_of(steps, false, before),
            When::Elapsed { step, anchor } => {
                every::prev_elapsed(*step, *anchor, before.min(LAST_SECOND * 1000 + 1))
            }
            When::At(at) => (*at < before).then_some(*at),
        }
    }

    /// Returns the instants strictly later than `after`, in order.
    pub fn upcoming(&self, after: UnixMs) -> impl Iterator<Item = UnixMs> + '_ {
        std::iter::successors(self.next_after(after), |last| self.next_after(*last))
    }

    /// Whether it follows the wall clock wherever that is set: one whose minute or hour is a
    /// wildcard, and every interval. The others name fixed times, which both crons hold back while
    /// the clock stands before where it was (crond(8): changes of less than three hours).
    pub fn follows_the_clock(&self) -> bool {
        match &self.when {
            When::Fields(fields) => fields.is_wild(),
            When::Elapsed { .. } | When::Calendar(_) | When::Hours(_) => true,
            When::Reboot | When::At(_) => false,
        }
    }

    /// Says whether this is `@reboot`, which no time makes due.
    pub fn is_reboot(&self) -> bool {
        self.when == When::Reboot
    }

    /// Returns the expression as it was given.
    pub fn text(&self) -> &str {
        &self.text
    }

    /// Returns the zone the schedule was given.
    pub fn zone(&self) -> &Zone {
        &self.zone
    }

    /// Returns the rule for changes of the zone's clock.
    pub fn dst(&self) -> DstRule {
        self.dst
    }

    /// Returns the anchor of `every …`, if one was given.
    pub fn anchor(&self) -> Option<UnixMs> {
        self.anchor
    }

    /// Returns the way the expression is written.
    pub fn dialect(&self) -> Dialect {
        self.dialect
    }

    /// Returns the field sets, if the schedule is made of fields.
    pub fn fields(&self) -> Option<&Fields> {
        match &self.when {
            When::Fields(fields) => Some(fields),
            _ => None,
        }
    }

    /// Returns what is allowed but seldom meant, one sentence each.
    pub fn warnings(&self) -> Vec<String> {
        let all = warn::warnings(self).into_iter();
        all.map(|warning| warning.text).collect()
    }

    fn next_of(&self, pattern: &impl WallPattern, wild: bool, after: UnixMs) -> Option<UnixMs> {
        let after = after.div_euclid(1000).max(FIRST_SECOND - 1);
        if after >= LAST_SECOND {
            return None;
        }
        dst::next(pattern, self.clock.table(), self.walk(wild), after).map(|next| next * 1000)
    }

    fn prev_of(&self, pattern: &impl WallPattern, wild: bool, before: UnixMs) -> Option<UnixMs> {
        let before = before.saturating_sub(1).div_euclid(1000).min(LAST_SECOND) + 1;
        if before <= FIRST_SECOND {
            return None;
        }
        dst::prev(pattern, self.clock.table(), self.walk(wild), before).map(|prev| prev * 1000)
    }

    fn walk(&self, wild: bool) -> Walk {
        match self.dst {
            DstRule::Both | DstRule::Utc => Walk::Clock,
            DstRule::Vixie | DstRule::Skip if wild => Walk::Clock,
            DstRule::Vixie => Walk::Once { catch_up: true },
            DstRule::Skip => Walk::Once { catch_up: false },
        }
    }
}

fn clock_of(zone: &Zone, dst: DstRule) -> Zone {
    if dst == DstRule::Utc {
        Zone::utc()
    } else {
        zone.clone()
    }
}

fn anchored(every: Every, clock: &Zone, anchor: Option<UnixMs>) -> When {
    // An anchor beyond the years searched would overflow the arithmetic and answers nothing.
    let anchor = anchor.map(|anchor| anchor.clamp(FIRST_SECOND * 1000, LAST_SECOND * 1000));
    let wall = anchor.map_or(0, |anchor| {
        anchor.div_euclid(1000) + i64::from(clock.offset_seconds_at(anchor))
    });
    match every {
        Every::Elapsed(step) => When::Elapsed {
            step,
            anchor: anchor.unwrap_or(0),
        },
        Every::Days(step) => When::Calendar(CalendarSteps {
            anchor: wall,
            step,
            months: false,
        }),
        Every::Months(step) => When::Calendar(CalendarSteps {
            anchor: wall,
            step,
            months: true,
        }),
        Every::Hours(hours) => When::Hours(hours),
    }
}
