//! Six or seven fields: second, minute, hour, day of month, month, day of week and maybe year.
//!
//! The `cron` crate parses and checks them. What it does not know is taken out first: `L`, `L-3`,
//! `LW`, `15W`, `FRIL` and `FRI#2`, with the meaning they have in Quartz 2.3. Weekdays are handed
//! to it as names. A weekday written as a number counts from 1 = Sunday, as in that crate and in
//! Quartz, which is not what the same number means in a crontab; names are better.
//!
//! A day must satisfy both day fields, as in that crate; Quartz refuses two restricted ones.

use std::str::FromStr;

use cron::TimeUnitSpec;

use crate::schedule::ParseOptions;
use crate::schedule::crontab::{DOW_NAMES, FieldRule, MONTH_NAMES, parse_hash};
use crate::schedule::error::{Cursor, FieldName, ScheduleError, Word};
use crate::schedule::fields::{Fields, Specials, Years};

const FIELDS: [(FieldName, &str); 7] = [
    (FieldName::Second, "0-59"),
    (FieldName::Minute, "0-59"),
    (FieldName::Hour, "0-23"),
    (FieldName::DayOfMonth, "1-31, L, L-3, LW, 15W or ?"),
    (FieldName::Month, "1-12 or JAN-DEC"),
    (FieldName::DayOfWeek, "SUN-SAT, FRIL, FRI#2 or ?"),
    (FieldName::Year, "1970-2100"),
];
/// The fields in which `H` may stand; weekdays count from 1 here.
const HASHED: [FieldRule; 6] = [
    hashed(FieldName::Second, 0, 59, &[]),
    hashed(FieldName::Minute, 0, 59, &[]),
    hashed(FieldName::Hour, 0, 23, &[]),
    hashed(FieldName::DayOfMonth, 1, 31, &[]),
    hashed(FieldName::Month, 1, 12, MONTH_NAMES),
    hashed(FieldName::DayOfWeek, 1, 7, DOW_NAMES),
];

const fn hashed(name: FieldName, low: u32, high: u32, names: &'static [&'static str]) -> FieldRule {
    FieldRule {
        name,
        low,
        high,
        names,
    }
}

const DAY_OF_MONTH: usize = 3;
const DAY_OF_WEEK: usize = 5;

/// Reads six or seven words, as given, as the fields of the dialect with seconds.
pub(crate) fn parse(
    text: &str,
    words: &[Word<'_>],
    options: &ParseOptions,
) -> Result<Fields, ScheduleError> {
    let mut specials = Specials::default();
    let mut plain = Vec::new();
    for (index, word) in words.iter().enumerate() {
        plain.push(draw_hashes(text, index, *word, options)?);
    }
    let mut dom_special = false;
    let mut dow_special = false;
    for (index, word) in words.iter().enumerate() {
        refuse_bad_question_mark(text, index, *word)?;
        let drawn = plain[index].clone();
        let word = Word {
            text: &drawn,
            ..*word
        };
        if index == DAY_OF_MONTH {
            (plain[index], dom_special) = lift_dom(text, word, &mut specials)?;
        }
        if index == DAY_OF_WEEK {
            (plain[index], dow_special) = lift_dow(text, word, &mut specials)?;
        }
    }
    // A field that held nothing but specials is empty; its place is kept by a ?.
    let only_dom_specials = plain[DAY_OF_MONTH].is_empty();
    let only_dow_specials = plain[DAY_OF_WEEK].is_empty();
    for field in plain.iter_mut().filter(|field| field.is_empty()) {
        "?".clone_into(field);
    }
    let schedule =
        cron::Schedule::from_str(&plain.join(" ")).map_err(|_| locate(text, words, &plain))?;
    let mut fields = read_back(&schedule, words);
    if only_dom_specials {
        fields.dom = 0;
    }
    if only_dow_specials {
        fields.dow = 0;
    }
    fields.specials = (dom_special || dow_special).then_some(specials);
    Ok(fields)
}

fn set_of(spec: &impl TimeUnitSpec) -> u64 {
    spec.iter().fold(0, |set, value| set | 1 << value)
}

fn read_back(schedule: &cron::Schedule, words: &[Word<'_>]) -> Fields {
    let restricted_years = words.get(6).filter(|word| word.text != "*");
    let years = restricted_years.map(|_| {
        let mut years = Years::default();
        schedule
            .years()
            .iter()
            .for_each(|year| years.insert(year as i32));
        years
    });
    let starred = |index: usize| words[index].text.starts_with('*');
    let open = |index: usize| words[index].text.starts_with(['*', '?']);
    Fields {
        second: set_of(schedule.seconds()),
        minute: set_of(schedule.minutes()),
        hour: set_of(schedule.hours()) as u32,
        dom: set_of(schedule.days_of_month()) as u32,
        month: set_of(schedule.months()) as u16,
        // The crate counts weekdays from 1.
        dow: (set_of(schedule.days_of_week()) >> 1) as u8,
        years,
        minute_star: starred(1),
        hour_star: starred(2),
        dom_star: open(DAY_OF_MONTH),
        dow_star: open(DAY_OF_WEEK),
        both_days: true,
        specials: None,
    }
}

fn wrong(text: &str, index: usize, word: Word<'_>) -> ScheduleError {
    let (name, expected) = FIELDS[index];
    let mut cursor = Cursor::new(text, word, Some(name));
    cursor.take_while(|_| true);
    cursor.wrong_since(0, expected)
}

fn refuse_bad_question_mark(text: &str, index: usize, word: Word<'_>) -> Result<(), ScheduleError> {
    let day_field = index == DAY_OF_MONTH || index == DAY_OF_WEEK;
    if !word.text.contains('?') || (day_field && word.text == "?") {
        return Ok(());
    }
    Err(wrong(text, index, word).with_hint("? stands alone, in one of the two day fields"))
}

/// Splits a word at its commas, keeping columns.
fn items(word: Word<'_>) -> impl Iterator<Item = Word<'_>> {
    word.text.split(',').scan(word.column, |column, text| {
        let item = Word {
            text,
            column: *column,
        };
        *column += text.chars().count() + 1;
        Some(item)
    })
}

/// Puts numbers in the place of `H` items, if those are asked for.
fn draw_hashes(
    text: &str,
    index: usize,
    word: Word<'_>,
    options: &ParseOptions,
) -> Result<String, ScheduleError> {
    let rule = HASHED.get(index).filter(|_| options.allow_hash);
    let Some(rule) = rule.filter(|_| word.text.contains('H')) else {
        return Ok(word.text.to_owned());
    };
    let mut drawn = Vec::new();
    for item in items(word) {
        // THU holds an H and is a name.
        if !item.text.starts_with('H') {
            drawn.push(item.text.to_owned());
            continue;
        }
        let set = parse_hash(text, item, rule, options)?;
        let values = (0..64).filter(|value| set >> value & 1 == 1);
        drawn.extend(values.map(|value| value.to_string()));
    }
    Ok(drawn.join(","))
}

/// Takes `L`, `L-n`, `LW` and `nW` out of a day-of-month field.
fn lift_dom(
    text: &str,
    word: Word<'_>,
    specials: &mut Specials,
) -> Result<(String, bool), ScheduleError> {
    let mut plain = Vec::new();
    let mut lifted = false;
    for item in items(word) {
        let upper = item.text.to_ascii_uppercase();
        let number = |digits: &str, most: u32| {
            let value = digits
                .parse()
                .ok()
                .filter(|value| (1..=most).contains(value));
            value.ok_or_else(|| wrong(text, DAY_OF_MONTH, item))
        };
        if upper == "L" {
            specials.from_last |= 1;
        } else if upper == "LW" {
            specials.last_weekday = true;
        } else if let Some(back) = upper.strip_prefix("L-") {
            specials.from_last |= 1 << number(back, 30)?;
        } else if let Some(day) = upper.strip_suffix('W') {
            specials.nearest_weekday |= 1 << number(day, 31)?;
        } else {
            plain.push(item.text);
            continue;
        }
        lifted = true;
    }
    Ok((plain.join(","), lifted))
}

/// Takes `FRIL` and `FRI#2` out of a day-of-week field and turns numbers into names.
fn lift_dow(
    text: &str,
    word: Word<'_>,
    specials: &mut Specials,
) -> Result<(String, bool), ScheduleError> {
    let mut plain = Vec::new();
    let mut lifted = false;
    for item in items(word) {
        let upper = item.text.to_ascii_uppercase();
        let error = || wrong(text, DAY_OF_WEEK, item);
        if upper == "L" {
            return Err(error().with_hint("name the day, as in FRIL; Quartz reads a bare L as SAT"));
        }
        if let Some((day, week)) = upper.split_once('#') {
            let day = weekday(day).ok_or_else(error)?;
            let week = week
                .parse::<usize>()
                .ok()
                .filter(|week| (1..=5).contains(week));
            let week = week.ok_or_else(|| error().with_hint("a month has weekdays #1 to #5"))?;
            specials.nth_dow[week - 1] |= 1 << day;
        } else if let Some(day) = upper.strip_suffix('L') {
            specials.last_dow |= 1 << weekday(day).ok_or_else(error)?;
        } else {
            plain.push(name_weekdays(text, item)?);
            continue;
        }
        lifted = true;
    }
    Ok((plain.join(","), lifted))
}

/// Rewrites one weekday item with names only, in the forms the `cron` crate knows.
fn name_weekdays(text: &str, item: Word<'_>) -> Result<String, ScheduleError> {
    let error = || wrong(text, DAY_OF_WEEK, item);
    let (range, step) = match item.text.split_once('/') {
        Some((range, step)) => (range, Some(step)),
        None => (item.text, None),
    };
    if range == "*" || range == "?" {
        return Ok(item.text.to_owned());
    }
    let day = |name: &str| {
        weekday(name).ok_or_else(|| match name {
            "0" => error().with_hint("weekdays count from 1 = SUN in this form; write SUN"),
            _ => error(),
        })
    };
    let name = |day: u32| DOW_NAMES[day as usize];
    let (first, last) = match range.split_once('-') {
        Some((first, last)) => (day(first)?, day(last)?),
        // Quartz and the crate run n/step to the end of the week.
        None if step.is_some() => (day(range)?, 6),
        None => return Ok(name(day(range)?).to_owned()),
    };
    match step {
        // As in a crontab, a range may end in Sunday.
        None if last == 0 && first > 0 => Ok(format!("{}-sat,sun", name(first))),
        _ if first > last => {
            let upper = |day: u32| name(day).to_ascii_uppercase();
            let span = |a: u32, b: u32| match a == b {
                true => upper(a),
                false => format!("{}-{}", upper(a), upper(b)),
            };
            let (before, after) = (span(first, 6), span(0, last));
            let hint = format!("the range is backwards; write {before},{after}");
            Err(error().with_hint(hint))
        }
        None => Ok(format!("{}-{}", name(first), name(last))),
        Some(step) => Ok(format!("{}-{}/{step}", name(first), name(last))),
    }
}

/// Returns the weekday of a name of three letters or more, or of a number from 1 = Sunday.
fn weekday(word: &str) -> Option<u32> {
    const LONG: [&str; 7] = [
        "sunday",
        "monday",
        "tuesday",
        "wednesday",
        "thursday",
        "friday",
        "saturday",
    ];
    if let Ok(number) = word.parse::<u32>() {
        return (1..=7).contains(&number).then(|| number - 1);
    }
    let lower = word.to_ascii_lowercase();
    let long = LONG
        .iter()
        .position(|name| lower.len() >= 3 && name.starts_with(&lower));
    long.map(|index| index as u32)
}

/// Finds the field the crate refuses by giving it each one alone, then the item within it.
fn locate(text: &str, words: &[Word<'_>], plain: &[String]) -> ScheduleError {
    let accepted = |index: usize, field: &str| {
        let mut alone = vec!["*"; words.len()];
        alone[index] = field;
        cron::Schedule::from_str(&alone.join(" ")).is_ok()
    };
    let refused = (0..words.len()).find(|index| !accepted(*index, &plain[*index]));
    let index = refused.unwrap_or(0);
    let mut items = items(words[index]).filter(|item| !item.text.starts_with('H'));
    let item = items.find(|item| !accepted(index, item.text));
    let item = item.unwrap_or(words[index]);
    let error = wrong(text, index, item);
    match hint(index, item.text) {
        Some(hint) => error.with_hint(hint),
        None => error,
    }
}

fn hint(index: usize, item: &str) -> Option<String> {
    let (range, step) = match item.split_once('/') {
        Some((range, step)) => (range, Some(step)),
        None => (item, None),
    };
    if item.is_empty() {
        return Some("a list item is empty; leave the comma out".to_owned());
    }
    if step.is_some_and(|step| !step.is_empty() && step.chars().all(|c| c.is_ascii_digit())) {
        return Some("a step is from 1 to the highest value of the field".to_owned());
    }
    if let Some((first, last)) = range.split_once('-')
        && let (Ok(first), Ok(last)) = (first.parse::<u32>(), last.parse::<u32>())
        && first > last
    {
        return Some(format!(
            "{range} is backwards; list both parts of it, from low to high"
        ));
    }
    (index == 0).then(|| "six fields begin with the second".to_owned())
}
