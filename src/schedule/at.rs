//! `at …`: one instant.

use chrono::{DateTime, NaiveDateTime};

use crate::schedule::UnixMs;
use crate::schedule::civil::{FIRST_SECOND, LAST_SECOND};
use crate::schedule::error::{Cursor, ScheduleError, Word};
use crate::schedule::zone::Zone;
use crate::schedule::zone_answer::Resolved;

const EXPECTED: &str = "an instant such as 2027-01-31T08:00:00+01:00 or 2027-01-31 08:00";

/// Reads what follows the word `at`.
///
/// That is an instant of RFC 3339, or a date and time without offset on the clock of `zone`. A
/// local time the clock skips means the first instant after the gap; one it shows twice means the
/// first pass.
pub(crate) fn parse(text: &str, words: &[Word<'_>], zone: &Zone) -> Result<UnixMs, ScheduleError> {
    let [first, rest @ ..] = words else {
        let end = Word {
            text: "",
            column: text.chars().count() + 1,
        };
        return Err(Cursor::new(text, end, None).wrong_here(EXPECTED));
    };
    let error = || Cursor::new(text, *first, None).wrong_here(EXPECTED);
    let instant = match rest {
        [] => first.text.to_owned(),
        [time] => format!("{}T{}", first.text, time.text),
        [_, more, ..] => {
            return Err(Cursor::new(text, *more, None).wrong_here("the end of the schedule"));
        }
    };
    let at = match DateTime::parse_from_rfc3339(&instant) {
        Ok(at) => at.timestamp_millis(),
        Err(_) => local(&instant, zone).ok_or_else(error)?,
    };
    let years = FIRST_SECOND * 1000..=LAST_SECOND * 1000;
    if years.contains(&at) {
        Ok(at)
    } else {
        Err(error())
    }
}

fn local(text: &str, zone: &Zone) -> Option<UnixMs> {
    let forms = ["%Y-%m-%dT%H:%M", "%Y-%m-%dT%H:%M:%S%.f"];
    // Four digits of year, as RFC 3339 has it: chrono alone would take any number.
    let dated = text.as_bytes().get(4) == Some(&b'-');
    let parsed = forms
        .iter()
        .find_map(|form| NaiveDateTime::parse_from_str(text, form).ok());
    let wall = parsed.filter(|_| dated)?.and_utc();
    let at = match zone.resolve_wall(wall.timestamp()) {
        Resolved::Unambiguous(at) => at,
        Resolved::Fold { first, .. } => first,
        Resolved::Gap { at, .. } => return Some(at),
    };
    Some(at + i64::from(wall.timestamp_subsec_millis()))
}
