//! What is allowed but seldom meant.

use crate::schedule::error::{FieldName, split_words};
use crate::schedule::fields::{ALL_DOM, ALL_DOW, ALL_SIXTY, Fields};
use crate::schedule::{Dialect, Schedule};

/// The fields whose starred steps are looked at, with the number of values each has.
const CRONTAB_SIZES: [(FieldName, u64); 5] = [
    (FieldName::Minute, 60),
    (FieldName::Hour, 24),
    (FieldName::DayOfMonth, 31),
    (FieldName::Month, 12),
    (FieldName::DayOfWeek, 7),
];

/// Returns one sentence for each thing about `schedule` that its writer may not expect.
pub(crate) fn warnings(schedule: &Schedule) -> Vec<String> {
    let mut found = Vec::new();
    let Some(fields) = schedule.fields() else {
        return found;
    };
    if schedule.next_after(0).is_none() {
        found.push(match fields.years {
            None => "never fires: no day of any year matches".to_owned(),
            Some(_) => "never fires: no day of the years given matches".to_owned(),
        });
    }
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
        found.push(format!(
            "fires every minute from {hour:02}:00 to {hour:02}:59; write 0 in the minute field for \
             once"
        ));
    }
    found
}

/// Looks at `*/n` in the fields after the first `skip` ones.
fn step_warnings(text: &str, skip: usize, found: &mut Vec<String>) {
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
                found.push(format!(
                    "{item} in the {name} field is {first} alone, as cronie and Debian's cron read \
                     it; Vixie's own cron runs on every {name}"
                ));
            } else if size % step != 0 && matches!(name, FieldName::Minute | FieldName::Hour) {
                let last = (size - 1) / step * step;
                found.push(format!(
                    "{item} in the {name} field is uneven: after {last} comes 0, only {} later",
                    size - last
                ));
            }
        }
    }
}

fn weekday_number_warning(text: &str, found: &mut Vec<String>) {
    let words = split_words(text);
    let Some(word) = words.get(5) else {
        return;
    };
    let numbered = word
        .text
        .split(',')
        .any(|item| item.starts_with(|c: char| c.is_ascii_digit()));
    if numbered {
        found.push(format!(
            "weekday numbers in {} count from 1 = SUN with six fields, from 0 = SUN with five; \
             write names",
            word.text
        ));
    }
}

fn day_warning(fields: &Fields, found: &mut Vec<String>) {
    let dom_restricted = fields.dom != ALL_DOM;
    let dow_restricted = fields.dow != ALL_DOW;
    if !dom_restricted || !dow_restricted {
        return;
    }
    found.push(if fields.either_day() {
        "a day needs to match only one of day of month and day of week, as in every crontab"
            .to_owned()
    } else {
        "a day must match both day of month and day of week".to_owned()
    });
}
