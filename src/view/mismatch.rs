//! Which field of a schedule an instant fails.

use crate::schedule::{Civil, FieldName, Fields, Schedule, explain};

const WEEKDAYS: [&str; 7] = [
    "Sunday",
    "Monday",
    "Tuesday",
    "Wednesday",
    "Thursday",
    "Friday",
    "Saturday",
];

/// Which fields do not match what a clock shows, each in words; none of a schedule without fields.
/// `to_the_second` where the second was asked for as well.
pub fn mismatches(schedule: &Schedule, civil: Civil, to_the_second: bool) -> Vec<String> {
    let Some(fields) = schedule.fields() else {
        return Vec::new();
    };
    let sets = explain(schedule, 0).fields;
    let set = |field: FieldName| {
        let found = sets.iter().find(|(name, _)| *name == field);
        // Of the second it says nothing where it is 0.
        found.map_or("0", |(_, set)| set.as_str())
    };
    let mut wrong = Vec::new();
    for (field, bits, value) in [
        (FieldName::Second, fields.second, civil.second),
        (FieldName::Minute, fields.minute, civil.minute),
        (FieldName::Hour, u64::from(fields.hour), civil.hour),
        (FieldName::Month, u64::from(fields.month), civil.month),
    ] {
        let asked = field != FieldName::Second || to_the_second;
        if asked && bits >> value & 1 == 0 {
            let set = set(field);
            wrong.push(format!(
                "the {field} is {value}, and its {field} field names {set}"
            ));
        }
    }
    if fields
        .years
        .is_some_and(|years| !years.contains(civil.year))
    {
        wrong.push(format!(
            "the year is {}, which it does not name",
            civil.year
        ));
    }
    let days = (set(FieldName::DayOfMonth), set(FieldName::DayOfWeek));
    wrong.extend(wrong_day(fields, civil, days));
    wrong
}

fn wrong_day(fields: &Fields, civil: Civil, (dom, dow): (&str, &str)) -> Option<String> {
    let first_weekday = (civil.weekday() + 35 - (civil.day - 1)) % 7;
    let days = fields.day_mask(civil.year, civil.month, first_weekday);
    if days >> civil.day & 1 == 1 {
        return None;
    }
    let weekday = WEEKDAYS[civil.weekday() as usize % 7];
    let is = format!("the day is {weekday} the {}", ordinal(civil.day));
    Some(match (dom, dow) {
        (_, "all") => format!("{is}, and its day of month field names {dom}"),
        ("all", _) => format!("{is}, and its day of week field names {dow} (0 is Sunday)"),
        _ => format!("{is}, and its day fields name {dom} and {dow} (0 is Sunday)"),
    })
}

fn ordinal(number: u32) -> String {
    let ending = match (number % 10, number) {
        (1, 1 | 21 | 31) => "st",
        (2, 2 | 22) => "nd",
        (3, 3 | 23) => "rd",
        _ => "th",
    };
    format!("{number}{ending}")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::schedule::ParseOptions;

    #[test]
    fn the_field_that_does_not_match_is_named() {
        // Sunday 2026-03-08 02:45.
        let civil = Civil {
            year: 2026,
            month: 3,
            day: 8,
            hour: 2,
            minute: 45,
            second: 0,
            millisecond: 0,
        };
        let wrong = |text: &str| {
            let schedule = Schedule::parse(text, &ParseOptions::default()).unwrap();
            mismatches(&schedule, civil, false).join("; ")
        };
        let minute = "the minute is 45, and its minute field names 0,30";
        assert_eq!(wrong("0,30 2 * * *"), minute);
        let day = "the day is Sunday the 8th, and its day of week field names 1-5 (0 is Sunday)";
        assert_eq!(wrong("45 2 * * 1-5"), day);
        assert_eq!(wrong("45 2 8 * *"), "");
        assert_eq!(wrong("every 90s"), "");
        assert!(wrong("45 2 1 4 *").contains("the month is 3"));
    }
}
