//! The flags of what bounds a schedule beyond its expression, and whether it makes sense.

use clap::builder::PossibleValuesParser;

use crate::cli::context::Context;
use crate::cli::draft::Draft;
use crate::cli::error::{CliError, Kind};
use crate::cli::{moment, read_schedule};
use crate::model::{ShiftTo, format_duration, parse_duration};
use crate::schedule::{Dialect, UnixMs};
use crate::store::NewSchedule;
use crate::view::time::in_full;
use crate::view::timetable::Timetable;

/// Takes a bound away again.
const NONE: &str = "none";

/// A number of fires, or none.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Most(Option<i64>);

fn most(text: &str) -> Result<Most, String> {
    match (text, text.parse::<u32>()) {
        (NONE, _) => Ok(Most(None)),
        (_, Ok(n)) if n > 0 => Ok(Most(Some(i64::from(n)))),
        _ => Err("write 1 or more, or none".to_owned()),
    }
}

fn jitter(text: &str) -> Result<i64, String> {
    match text {
        NONE => Ok(0),
        text => parse_duration(text).map_err(|e| e.to_string()),
    }
}

/// The flags of what bounds a schedule.
#[derive(clap::Args, Debug, Default, PartialEq)]
pub struct TermFlags {
    /// Go by a calendar: a fire it excludes gets no run
    #[arg(long, value_name = "NAME|none", help_heading = "When")]
    pub calendar: Option<String>,
    /// Move a fire the calendar excludes to the next or the previous working day
    #[arg(long, value_name = "next|previous|none", help_heading = "When",
        value_parser = PossibleValuesParser::new(["next", "previous", NONE]))]
    pub shift: Option<String>,
    /// Start each run up to so much later than planned
    #[arg(long, value_name = "D", help_heading = "When", value_parser = jitter)]
    pub jitter: Option<i64>,
    /// Nothing fires before this instant: RFC 3339, or "YYYY-MM-DD HH:MM" in the schedule's zone;
    /// "every ..." is counted from it
    #[arg(long, value_name = "T|none", help_heading = "When")]
    pub start: Option<String>,
    /// Nothing fires after this instant
    #[arg(long, value_name = "T|none", help_heading = "When")]
    pub end: Option<String>,
    /// Most runs its fires are given in all
    #[arg(long, value_name = "N|none", help_heading = "When", value_parser = most)]
    pub max_fires: Option<Most>,
}

impl TermFlags {
    /// Writes what was given into every schedule of a definition.
    ///
    /// # Errors
    /// A definition without a schedule, what is no instant.
    pub fn apply(&self, ctx: &Context, draft: &mut Draft) -> Result<(), CliError> {
        if draft.schedules.is_empty() && *self != TermFlags::default() {
            let error = CliError::new(Kind::Usage, "there is no schedule to bound");
            return Err(error.hint("give it one with -s SCHEDULE"));
        }
        for schedule in &mut draft.schedules {
            self.apply_to(ctx, schedule)?;
        }
        Ok(())
    }

    fn apply_to(&self, ctx: &Context, new: &mut NewSchedule) -> Result<(), CliError> {
        let instant = |text: &String, new: &NewSchedule| match text.as_str() {
            NONE => Ok(None),
            text => instant(ctx, new, text).map(Some),
        };
        if let Some(text) = &self.start {
            let start = instant(text, new)?;
            // Intervals are counted from the start, unless from another instant on purpose.
            new.anchor = new.anchor.filter(|_| start.is_none());
            new.terms.start_at = start;
        }
        if let Some(text) = &self.end {
            new.terms.end_at = instant(text, new)?;
        }
        let terms = &mut new.terms;
        if let Some(name) = &self.calendar {
            terms.calendar = Some(name.clone()).filter(|name| name != NONE);
            // Without a calendar there is nothing to move away from.
            terms.shift = terms.shift.filter(|_| terms.calendar.is_some());
        }
        if let Some(word) = &self.shift {
            terms.shift = word.parse::<ShiftTo>().ok();
        }
        if let Some(jitter) = self.jitter {
            terms.jitter_ms = jitter;
        }
        if let Some(Most(most)) = self.max_fires {
            terms.max_fires = most;
        }
        Ok(())
    }
}

/// Reads an instant on the clock of a schedule.
///
/// # Errors
/// An unknown zone, what is no instant.
pub fn instant(ctx: &Context, new: &NewSchedule, text: &str) -> Result<UnixMs, CliError> {
    let zone = read_schedule::zone_of(ctx, new.zone.as_deref())?;
    moment::instant(text, &zone, ctx.now(), 1)
}

/// Fires looked at to find the shortest time between two.
const LOOKED_AT: usize = 100;

/// Whether the terms of a schedule make sense together.
///
/// # Errors
/// A shift without a calendar, an end before the start, more jitter than there is room for.
pub fn check(ctx: &Context, table: &Timetable) -> Result<(), CliError> {
    let (terms, schedule) = (&table.terms, &table.schedule);
    let text = schedule.text();
    if terms.shift.is_some() && terms.calendar.is_none() {
        let error = CliError::new(Kind::Usage, format!("`{text}` is shifted by no calendar"));
        return Err(error.hint("name one with --calendar NAME"));
    }
    if let (Some(start), Some(end)) = (terms.start_at, terms.end_at)
        && end <= start
    {
        let full = |at| in_full(at, schedule.zone());
        return Err(CliError::new(
            Kind::Invalid,
            format!(
                "`{text}` ends {} before it starts {}",
                full(end),
                full(start)
            ),
        ));
    }
    if terms.jitter_ms == 0 {
        return Ok(());
    }
    let now = ctx.now();
    let fires: Vec<UnixMs> = table.fires(now, now).take(LOOKED_AT).collect();
    let shortest = fires.windows(2).map(|pair| pair[1] - pair[0]).min();
    match shortest {
        Some(gap) if terms.jitter_ms > gap => Err(CliError::new(
            Kind::Invalid,
            format!(
                "`{text}` fires as little as {} apart, so it cannot start up to {} late",
                format_duration(gap),
                format_duration(terms.jitter_ms)
            ),
        )
        .hint(format!("write --jitter {} or less", format_duration(gap)))),
        _ => Ok(()),
    }
}

/// What bounds a schedule, one sentence each.
pub fn in_words(table: &Timetable) -> Vec<String> {
    let (terms, zone) = (&table.terms, table.schedule.zone());
    let mut lines = Vec::new();
    if let Some(name) = &terms.calendar {
        lines.push(match terms.shift {
            None => format!("not when the calendar {name} excludes it"),
            Some(to) => format!("moved to the {to} working day by the calendar {name}"),
        });
    }
    if terms.jitter_ms > 0 {
        let most = format_duration(terms.jitter_ms);
        lines.push(format!("starting up to {most} later than planned"));
    }
    if let Some(start) = terms.start_at {
        lines.push(format!("from {} on", in_full(start, zone)));
    }
    if let Some(end) = terms.end_at {
        lines.push(format!("until {}", in_full(end, zone)));
    }
    if let (Some(most), Some(left)) = (terms.max_fires, table.left) {
        lines.push(format!("at most {most} times in all, {left} still to come"));
    }
    lines
}

/// Why nothing fires any more, where that is so and no warning of the expression itself says it.
pub fn why_none(table: &Timetable, now: UnixMs) -> Option<String> {
    let schedule = &table.schedule;
    if schedule.is_reboot() || table.fires(now, now).next().is_some() {
        return None;
    }
    if table.left == Some(0) {
        return Some("it has had all the runs it is given".to_owned());
    }
    if schedule.next_after(now).is_none() {
        let at = schedule.dialect() == Dialect::At;
        return at.then(|| read_schedule::why_none(schedule).to_owned());
    }
    match table.next_after(now) {
        None => Some("never fires between its start and its end".to_owned()),
        Some(_) => Some("never fires: its calendar excludes every instant ahead".to_owned()),
    }
}
