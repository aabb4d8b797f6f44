//! Calendars read from iCalendar files (RFC 5545).

use crate::schedule::calendar::{Calendar, CalendarError};
use crate::schedule::calendar_event::{Event, LONGEST};
use crate::schedule::calendar_rule::{self, Stamp, stamp};
use crate::schedule::civil::DAY;
use crate::schedule::zone::Zone;

/// A content line, unfolded.
pub(crate) struct Line {
    /// Of its first part, counted from 1.
    pub number: usize,
    /// In upper case.
    pub name: String,
    /// Names in upper case.
    parameters: Vec<(String, String)>,
    pub value: String,
}

impl Calendar {
    /// Reads an iCalendar file; every event in it excludes the time it takes.
    ///
    /// Read are `VEVENT`s with `DTSTART` and `DTEND` or `DURATION`, whole days or times of day, with
    /// `RRULE` and `EXDATE`; the summary is the reason and `X-WR-CALNAME` the name. Times with `Z`
    /// or a `TZID` are those of that zone, all others and whole days those of the schedule. As RFC
    /// 5545 has it, the end does not belong to an event, a whole day without an end takes one day,
    /// and a time without an end takes none. Cancelled events are left out, and an event that
    /// overrides one occurrence (`RECURRENCE-ID`) takes the place of that occurrence.
    ///
    /// # Errors
    ///
    /// Bytes that are no iCalendar, and an event whose time or repetition is not understood, with
    /// the line: a holiday left out without a word would be worse.
    pub fn from_ics(bytes: &[u8]) -> Result<Calendar, CalendarError> {
        let lines = unfold(&String::from_utf8_lossy(bytes))?;
        let starts = lines
            .first()
            .is_some_and(|line| line.is("BEGIN", "VCALENDAR"));
        if !starts {
            let error = wrong(1, "an iCalendar file begins with BEGIN:VCALENDAR");
            return Err(error);
        }
        let mut calendar = Calendar::default();
        let mut drafts: Vec<Draft> = Vec::new();
        let mut open: Vec<(&str, usize)> = Vec::new();
        for line in &lines {
            let inside = open.last().map_or("", |(name, _)| *name);
            match line.name.as_str() {
                "BEGIN" => {
                    open.push((line.value.trim(), line.number));
                    if line.is("BEGIN", "VEVENT") {
                        drafts.push(Draft::new(line.number));
                    }
                }
                "END" if inside.eq_ignore_ascii_case(line.value.trim()) => {
                    open.pop();
                }
                "END" => {
                    return Err(wrong(
                        line.number,
                        &format!("END:{} without a BEGIN", line.value),
                    ));
                }
                "X-WR-CALNAME" if inside == "VCALENDAR" => calendar.name = plain(&line.value),
                _ if inside.eq_ignore_ascii_case("VEVENT") => {
                    if let Some(draft) = drafts.last_mut() {
                        draft.take(line)?;
                    }
                }
                _ => {}
            }
        }
        if let Some((name, number)) = open.pop() {
            return Err(wrong(
                number,
                &format!("BEGIN:{name} has no END; the file is cut short"),
            ));
        }
        calendar.events = events(drafts)?;
        Ok(calendar)
    }
}

/// A `VEVENT` as far as it was read.
struct Draft<'l> {
    number: usize,
    uid: String,
    summary: String,
    cancelled: bool,
    start: Option<(Stamp, Option<String>)>,
    end: Option<Stamp>,
    duration: Option<i64>,
    rule: Option<&'l Line>,
    except: Vec<i64>,
    replaces: Option<i64>,
}

impl<'l> Draft<'l> {
    fn new(number: usize) -> Draft<'l> {
        Draft {
            number,
            uid: String::new(),
            summary: String::new(),
            cancelled: false,
            start: None,
            end: None,
            duration: None,
            rule: None,
            except: Vec::new(),
            replaces: None,
        }
    }

    fn take(&mut self, line: &'l Line) -> Result<(), CalendarError> {
        match line.name.as_str() {
            "UID" => self.uid.clone_from(&line.value),
            "SUMMARY" => self.summary = plain(&line.value),
            "STATUS" => self.cancelled = line.is("STATUS", "CANCELLED"),
            "DTSTART" => self.start = Some((line.stamp()?, line.zone()?)),
            "DTEND" => self.end = Some(line.stamp()?),
            "DURATION" => self.duration = Some(line.duration()?),
            "RRULE" if self.rule.is_some() => {
                return Err(wrong(
                    line.number,
                    "a second RRULE in one event is not understood",
                ));
            }
            "RRULE" => self.rule = Some(line),
            "RDATE" | "EXRULE" => {
                let message = format!(
                    "{} is not understood; give each date its own VEVENT",
                    line.name
                );
                return Err(wrong(line.number, &message));
            }
            "EXDATE" => {
                for value in line.value.split(',') {
                    let stamp = line.stamp_of(value)?;
                    self.except.push(stamp.wall.div_euclid(DAY));
                }
            }
            "RECURRENCE-ID" => self.replaces = Some(line.stamp()?.wall.div_euclid(DAY)),
            _ => {}
        }
        Ok(())
    }

    fn event(&self) -> Result<Event, CalendarError> {
        let Some((start, zone)) = &self.start else {
            return Err(wrong(self.number, "the event has no DTSTART"));
        };
        let length = match (self.end, self.duration) {
            (Some(end), _) => end.wall - start.wall,
            (None, Some(duration)) => duration,
            (None, None) if start.has_time => 0,
            (None, None) => DAY,
        };
        if !(0..=LONGEST).contains(&length) {
            let message = "the event ends before it begins, or takes more than three years";
            return Err(wrong(self.number, message));
        }
        let zone = if start.utc {
            Some("UTC".to_owned())
        } else {
            zone.clone()
        };
        let repeat = self
            .rule
            .map(|rule| calendar_rule::read(rule, *start, zone.as_deref()))
            .transpose()?;
        let why = match self.summary.trim() {
            "" => "an event without a summary".to_owned(),
            summary => summary.to_owned(),
        };
        Ok(Event {
            start: start.wall,
            length,
            zone,
            repeat,
            except: self.except.clone(),
            why,
        })
    }
}

fn events(mut drafts: Vec<Draft<'_>>) -> Result<Vec<Event>, CalendarError> {
    let replaced: Vec<(String, i64)> = drafts
        .iter()
        .filter_map(|draft| Some((draft.uid.clone(), draft.replaces?)))
        .collect();
    for draft in drafts.iter_mut().filter(|draft| draft.replaces.is_none()) {
        let own = replaced.iter().filter(|(uid, _)| *uid == draft.uid);
        draft.except.extend(own.map(|(_, day)| day));
    }
    drafts
        .iter()
        .filter(|draft| !draft.cancelled)
        .map(Draft::event)
        .collect()
}

impl Line {
    pub fn is(&self, name: &str, value: &str) -> bool {
        self.name == name && self.value.trim().eq_ignore_ascii_case(value)
    }

    fn stamp(&self) -> Result<Stamp, CalendarError> {
        self.stamp_of(&self.value)
    }

    fn stamp_of(&self, value: &str) -> Result<Stamp, CalendarError> {
        stamp(value).ok_or_else(|| {
            let message = format!(
                "{} is no date such as 20261224 or 20261224T180000: {value:?}",
                self.name
            );
            wrong(self.number, &message)
        })
    }

    /// Returns the zone its time is written in; none for that of the schedule.
    fn zone(&self) -> Result<Option<String>, CalendarError> {
        let named = self.parameters.iter().find(|(name, _)| name == "TZID");
        let Some((_, name)) = named else {
            return Ok(None);
        };
        match Zone::named(name.trim_start_matches('/')) {
            Ok(zone) => Ok(Some(zone.name().to_owned())),
            Err(error) => Err(CalendarError {
                hint: Some("only names of the IANA database are understood".to_owned()),
                ..wrong(self.number, &error.to_string())
            }),
        }
    }

    /// Reads `P1W`, `P2D`, `PT1H30M`. Returns seconds.
    fn duration(&self) -> Result<i64, CalendarError> {
        let error = || {
            wrong(
                self.number,
                &format!("not a DURATION such as P1D or PT8H: {:?}", self.value),
            )
        };
        let mut rest = self.value.trim();
        rest = rest.strip_prefix('+').unwrap_or(rest);
        rest = rest
            .strip_prefix('P')
            .filter(|rest| !rest.is_empty())
            .ok_or_else(error)?;
        let (mut total, mut in_time) = (0_i64, false);
        while !rest.is_empty() {
            if let (false, Some(time)) = (in_time, rest.strip_prefix('T')) {
                (rest, in_time) = (time, true);
                continue;
            }
            let end = rest.find(|c: char| !c.is_ascii_digit()).ok_or_else(error)?;
            let number: i64 = rest[..end].parse().map_err(|_| error())?;
            let size = match (&rest.as_bytes()[end], in_time) {
                (b'W', false) => 7 * DAY,
                (b'D', false) => DAY,
                (b'H', true) => 3600,
                (b'M', true) => 60,
                (b'S', true) => 1,
                _ => return Err(error()),
            };
            total = number
                .checked_mul(size)
                .and_then(|part| total.checked_add(part))
                .ok_or_else(error)?;
            rest = &rest[end + 1..];
        }
        Ok(total)
    }
}

/// Joins the lines that RFC 5545, 3.1, allows to be folded and takes them apart.
fn unfold(text: &str) -> Result<Vec<Line>, CalendarError> {
    let mut joined: Vec<(usize, String)> = Vec::new();
    for (index, line) in text.trim_start_matches('\u{feff}').lines().enumerate() {
        match (line.strip_prefix([' ', '\t']), joined.last_mut()) {
            (Some(more), Some((_, last))) => last.push_str(more),
            _ if line.trim().is_empty() => {}
            _ => joined.push((index + 1, line.to_owned())),
        }
    }
    joined
        .into_iter()
        .map(|(number, text)| take_apart(number, &text))
        .collect()
}

fn take_apart(number: usize, text: &str) -> Result<Line, CalendarError> {
    let mut quoted = false;
    let mut cuts = vec![0];
    let mut colon = None;
    for (at, c) in text.char_indices() {
        match c {
            '"' => quoted = !quoted,
            ';' if !quoted => cuts.push(at),
            ':' if !quoted => {
                colon = Some(at);
                break;
            }
            _ => {}
        }
    }
    let Some(colon) = colon else {
        return Err(wrong(
            number,
            "a line is NAME:value, and this one has no colon",
        ));
    };
    cuts.push(colon);
    let mut parts = cuts
        .windows(2)
        .map(|cut| text[cut[0]..cut[1]].trim_start_matches(';'));
    let name = parts.next().unwrap_or("").to_ascii_uppercase();
    let parameters = parts
        .filter_map(|part| part.split_once('='))
        .map(|(name, value)| {
            (
                name.to_ascii_uppercase(),
                value.trim_matches('"').to_owned(),
            )
        })
        .collect();
    Ok(Line {
        number,
        name,
        parameters,
        value: text[colon + 1..].to_owned(),
    })
}

/// Takes the escapes out of a text value and makes one line of it.
fn plain(value: &str) -> String {
    let mut text = String::new();
    let mut chars = value.trim().chars();
    while let Some(c) = chars.next() {
        match c {
            '\\' => match chars.next() {
                Some('n' | 'N') | None => text.push(' '),
                Some(escaped) => text.push(escaped),
            },
            c if c.is_control() => {}
            c => text.push(c),
        }
    }
    text
}

pub(crate) fn wrong(line: usize, message: &str) -> CalendarError {
    CalendarError {
        line,
        column: 1,
        message: message.to_owned(),
        hint: None,
    }
}
