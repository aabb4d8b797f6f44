//! The same schedule in strict grammar: what a dialect read, without what it dropped.

use crate::crontab::field::{Field, FieldSets};
use crate::crontab::list::{Item, List, Shape};

/// Five fields that every cron reads the way this dialect read the entry.
///
/// `None` when there is no such text: the entry never fires because a set is empty, or a value is
/// drawn at random when the table is loaded. An empty day set beside a day set that is enough on
/// its own is written as `*`, which means the same.
pub(crate) fn effective_text(lists: &[List<'_>], sets: &FieldSets) -> Option<String> {
    let random = lists
        .iter()
        .flat_map(|list| &list.items)
        .any(|item| item.shape == Shape::Random);
    if random {
        return None;
    }
    let mut fields = Vec::with_capacity(Field::ALL.len());
    for (field, list) in Field::ALL.into_iter().zip(lists) {
        let text = list_text(field, list);
        if text.is_empty() {
            let other_day = match field {
                Field::DayOfMonth => u64::from(sets.dow),
                Field::DayOfWeek => u64::from(sets.dom),
                _ => 0,
            };
            if other_day == 0 || !sets.either_day_matches() {
                return None;
            }
            fields.push("*".to_owned());
        } else {
            fields.push(text);
        }
    }
    Some(fields.join(" "))
}

/// The items that match something; a star in front only if the field started with one.
fn list_text(field: Field, list: &List<'_>) -> String {
    let mut texts = Vec::with_capacity(list.items.len());
    for item in list.items.iter().filter(|item| item.bits != 0) {
        // A star that moves to the front would change the day rule and the clock-change rule.
        let star_allowed = list.star || !texts.is_empty();
        texts.push(item_text(field, item, star_allowed));
    }
    texts.join(",")
}

fn item_text(field: Field, item: &Item<'_>, star_allowed: bool) -> String {
    let span = match item.shape {
        Shape::Star if star_allowed => "*".to_owned(),
        Shape::Single => item.low.to_string(),
        _ => format!("{}-{}", item.low, item.high),
    };
    let rewritten = match item.step {
        Some(step) => format!("{span}/{step}"),
        None => span,
    };
    // The words of the table are kept (names, leading zeros) unless the dialect read something else.
    let written = String::from_utf8_lossy(item.text);
    let overflows = written.len() > "december-december/99".len()
        || written
            .split(|c: char| !c.is_ascii_digit())
            .any(|digits| digits.len() > 4);
    let seven_for_zero = item.shape == Shape::Range && item.high == 7 && ends_in_zero(&written);
    let kept = !overflows
        && (item.shape != Shape::Star || star_allowed)
        && (!seven_for_zero || field == Field::DayOfWeek);
    if kept {
        written.into_owned()
    } else {
        rewritten
    }
}

fn ends_in_zero(written: &str) -> bool {
    written
        .rsplit_once('-')
        .is_some_and(|(_, end)| end.bytes().all(|byte| byte == b'0'))
}
