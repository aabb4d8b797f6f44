//! What is allowed but seldom meant.

use crate::schedule::error::{FieldName, split_words};
use crate::schedule::fields::{ALL_DOM, ALL_DOW, ALL_SIXTY, Fields};
use crate::schedule::{Dialect, Schedule};

/// What a warning is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum WarningKind {
    /// No instant matches.
    NeverFires,
    /// A field matches nothing, as `22-2` in an imported crontab.
    EmptyField,
    /// A step as large as the field or larger.
    StepTooLarge,
    /// A step that does not go evenly into the field.
    UnevenStep,
    /// A weekday written as a number where numbers count from 1.
    WeekdayNumber,
    /// One of two restricted day fields is enough.
    EitherDay,
    /// Both of two restricted day fields must match.
    BothDays,
    /// Every minute of one hour.
    EveryMinute,
}

/// Something allowed that the writer of a schedule may not expect.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Warning {
    pub kind: WarningKind,
    /// One sentence, without a full stop.
    pub text: String,
}

impl Warning {
    fn new(kind: WarningKind, text: impl Into<String>) -> Warning {
        let text = text.into();
        Warning { kind, text }
    }
}

/// The fields whose starred steps are looked at, with the number of values each has.
const CRONTAB_SIZES: [(FieldName, u64); 5] = [
    (FieldName::Minute, 60),
    (FieldName::Hour, 24),
    (FieldName::DayOfMonth, 31),
    (FieldName::Month, 12),
    (FieldName::DayOfWeek, 7),
];

/// Returns what about `schedule` its writer may not expect.
pub(crate) fn warnings(schedule: &Schedule) -> Vec<Warning> {
    let mut found = Vec::new();
    let Some(fields) = schedule.fields() else {
        return found;
    };
    if schedule.base_next(0).is_none() {
        let text = match fields.years {
            None => "never fires: no day of any year matches",
            Some(_) => "never fires: no day of the years given matches",
        };
        found.push(Warning::new(WarningKind::NeverFires, text));
    }
    empty_fields(fields, &mut found);
    match schedule.dialect() {
        Dialect::Crontab => step_warnings(schedule.text(), 0, &mut found),
        Dialect::Seconds => {
            step_warnings(schedule.text(), 1, &mut found);
            weekday_number_warning(schedule.text(), &mut found);
        }
        Dialect::Nickname | Dialect::Every | Dialect::At => {}
    }
    day_warning(fields, &mut found);
    if fields.minute == ALL_SIXTY && fields.hour.count_ones() == 1 {
        let hour = fields.hour.trailing_zeros();
        let text = format!(
            "fires every minute from {hour:02}:00 to {hour:02}:59; write 0 in the minute field for \
             once"
        );
        found.push(Warning::new(WarningKind::EveryMinute, text));
    }
    found
}

fn empty_fields(fields: &Fields, found: &mut Vec<Warning>) {
    let specials = fields.specials.is_some();
    for (name, empty) in [
        (FieldName::Minute, fields.minute == 0),
        (FieldName::Hour, fields.hour == 0),
        (FieldName::DayOfMonth, fields.dom == 0 && !specials),
        (FieldName::Month, fields.month == 0),
        (FieldName::DayOfWeek, fields.dow == 0 && !specials),
    ] {
        if empty {
            let text =
                format!("the {name} field matches nothing; crons read a range from high to low so");
            found.push(Warning::new(WarningKind::EmptyField, text));
        }
    }
}

/// Looks at `*/n` in the fields after the first `skip` ones.
fn step_warnings(text: &str, skip: usize, found: &mut Vec<Warning>) {
    for (word, (name, size)) in split_words(text).iter().skip(skip).zip(CRONTAB_SIZES) {
        for item in word.text.split(',') {
            let Some(step) = item
                .strip_prefix("*/")
                .and_then(|step| step.parse::<u64>().ok())
            else {
                continue;
            };
            let first = u64::from(matches!(name, FieldName::DayOfMonth | FieldName::Month));
            if step >= size {
                let text = format!(
                    "{item} in the {name} field is {first} alone, as cronie and Debian's cron read \
                     it; Vixie's own cron runs on every {name}"
                );
                found.push(Warning::new(WarningKind::StepTooLarge, text));
            } else if size % step != 0 && matches!(name, FieldName::Minute | FieldName::Hour) {
                let last = (size - 1) / step * step;
                let text = format!(
                    "{item} in the {name} field is uneven: after {last} comes 0, only {} later",
                    size - last
                );
                found.push(Warning::new(WarningKind::UnevenStep, text));
            }
        }
    }
}

fn weekday_number_warning(text: &str, found: &mut Vec<Warning>) {
    let words = split_words(text);
    let Some(word) = words.get(5) else {
        return;
    };
    let numbered = word
        .text
        .split(',')
        .any(|item| item.starts_with(|c: char| c.is_ascii_digit()));
    if numbered {
        let text = format!(
            "weekday numbers in {} count from 1 = SUN with six fields, from 0 = SUN with five; \
             write names",
            word.text
        );
        found.push(Warning::new(WarningKind::WeekdayNumber, text));
    }
}

fn day_warning(fields: &Fields, found: &mut Vec<Warning>) {
    let dom_restricted = fields.dom != ALL_DOM;
    let dow_restricted = fields.dow != ALL_DOW;
    if !dom_restricted || !dow_restricted {
        return;
    }
    found.push(if fields.either_day() {
        let text = "a day needs to match only one of day of month and day of week, as in every \
                    crontab";
        Warning::new(WarningKind::EitherDay, text)
    } else {
        let text = "a day must match both day of month and day of week";
        Warning::new(WarningKind::BothDays, text)
    });
}
