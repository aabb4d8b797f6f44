//! Calendars written in TOML.

use serde::Deserialize;
use toml::Spanned;

use crate::schedule::calendar::{Calendar, CalendarError, Rules, day_of};
use crate::schedule::crontab::DOW_NAMES;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Form {
    #[serde(default)]
    name: String,
    #[serde(default)]
    exclude: RulesForm,
    #[serde(default)]
    include: RulesForm,
}

#[derive(Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
struct RulesForm {
    weekdays: Vec<Spanned<String>>,
    dates: Vec<Spanned<String>>,
    ranges: Vec<Spanned<String>>,
    yearly: Vec<Spanned<String>>,
    hours: Vec<Spanned<String>>,
}

impl Calendar {
    /// Reads a calendar written in TOML.
    ///
    /// ```toml
    /// name = "office"
    ///
    /// [exclude]
    /// weekdays = ["sat", "sun"]
    /// dates = ["2026-12-24"]
    /// ranges = ["2026-08-01..2026-08-15"]
    /// yearly = ["12-25", "01-01"]
    /// hours = ["00:00-06:00"]
    ///
    /// [include]
    /// dates = ["2026-12-19"]
    /// hours = ["09:00-12:00"]
    /// ```
    ///
    /// Every key may be missing. Both ends of a range of dates belong to it, the end of a range of
    /// hours does not; `22:00-06:00` runs over midnight and `24:00` is the end of the day. Any rule
    /// of `exclude` that matches excludes. `include` wins over it and takes one of its days within
    /// its hours: with days only the whole day, with hours only every day. Without `exclude`, what
    /// is not included is excluded.
    ///
    /// # Errors
    ///
    /// Text that is no TOML, an unknown key, and a day or time that does not exist, with line and
    /// column.
    pub fn from_toml(text: &str) -> Result<Calendar, CalendarError> {
        let form: Form = toml::from_str(text).map_err(|error| {
            let at = error.span().map_or(0, |span| span.start);
            let message = error.message().to_owned();
            let quoted = message.contains("expected a string");
            let hint = quoted.then(|| "write days and times in quotes".to_owned());
            wrong(text, at, message, hint)
        })?;
        let calendar = Calendar {
            name: form.name,
            exclude: rules(text, &form.exclude)?,
            include: rules(text, &form.include)?,
            events: Vec::new(),
        };
        if calendar == Calendar::default().with_name(calendar.name.clone()) {
            let message = "the calendar excludes and includes nothing".to_owned();
            let hint = Some("write exclude = { weekdays = [\"sat\", \"sun\"] }".to_owned());
            return Err(wrong(text, 0, message, hint));
        }
        Ok(calendar)
    }
}

fn rules(text: &str, form: &RulesForm) -> Result<Rules, CalendarError> {
    let mut rules = Rules::default();
    for word in &form.weekdays {
        let (first, last) = split(word, "-");
        let expected = "a weekday, sun to sat, or a range such as mon-fri";
        let [first, last] = [first, last.unwrap_or(first)]
            .map(|name| weekday(name).ok_or_else(|| refuse(text, word, expected)));
        let (mut day, last) = (first?, last?);
        rules.weekdays |= 1 << day;
        while day != last {
            day = (day + 1) % 7;
            rules.weekdays |= 1 << day;
        }
    }
    for word in &form.dates {
        let day = date(word.get_ref()).ok_or_else(|| refuse(text, word, DATE))?;
        rules.days.push((day, day));
    }
    for word in &form.ranges {
        let (first, last) = split(word, "..");
        let expected = "a range of dates, first..last, such as 2026-08-01..2026-08-15";
        let range = date(first).zip(last.and_then(date));
        let range = range.filter(|(first, last)| first <= last);
        rules
            .days
            .push(range.ok_or_else(|| refuse(text, word, expected))?);
    }
    for word in &form.yearly {
        let expected = "a month and a day, MM-DD, such as 12-25";
        let day = yearly(word.get_ref()).ok_or_else(|| refuse(text, word, expected))?;
        rules.yearly.push(day);
    }
    for word in &form.hours {
        let (open, close) = split(word, "-");
        let expected = "a range of hours, HH:MM-HH:MM, such as 00:00-06:00";
        let range = time(open).zip(close.and_then(time));
        match range.filter(|(open, close)| open != close) {
            Some((open, close)) if open < close => rules.hours.push((open, close)),
            Some((open, close)) => rules.hours.extend([(open, 86_400), (0, close)]),
            None => return Err(refuse(text, word, expected)),
        }
    }
    rules.hours.retain(|(open, close)| open < close);
    Ok(rules)
}

const DATE: &str = "a date that exists, YYYY-MM-DD, such as 2026-12-24";

fn split<'w>(word: &'w Spanned<String>, between: &str) -> (&'w str, Option<&'w str>) {
    match word.get_ref().split_once(between) {
        Some((first, last)) => (first.trim(), Some(last.trim())),
        None => (word.get_ref().trim(), None),
    }
}

fn refuse(text: &str, word: &Spanned<String>, expected: &str) -> CalendarError {
    let message = format!("expected {expected}, found {:?}", word.get_ref());
    wrong(text, word.span().start, message, None)
}

fn wrong(text: &str, at: usize, message: String, hint: Option<String>) -> CalendarError {
    let before = text.get(..at).unwrap_or(text);
    let line_start = before.rfind('\n').map_or(0, |end| end + 1);
    CalendarError {
        line: before.matches('\n').count() + 1,
        column: before[line_start..].chars().count() + 1,
        message: message.replace('\n', " "),
        hint,
    }
}

/// Returns a number written in exactly as many digits.
fn digits(text: &str, count: usize) -> Option<u32> {
    let plain = text.len() == count && text.bytes().all(|byte| byte.is_ascii_digit());
    text.parse().ok().filter(|_| plain)
}

fn weekday(name: &str) -> Option<u32> {
    let lower = name.to_ascii_lowercase();
    let known = |short: &&str| lower == **short || long(short) == lower;
    DOW_NAMES.iter().position(known).map(|day| day as u32)
}

fn long(short: &str) -> String {
    let rest = match short {
        "tue" => "s",
        "wed" => "nes",
        "thu" => "rs",
        "sat" => "ur",
        _ => "",
    };
    format!("{short}{rest}day")
}

fn date(text: &str) -> Option<i64> {
    let mut parts = text.splitn(3, '-');
    let year = digits(parts.next()?, 4)?;
    let month = digits(parts.next()?, 2)?;
    day_of(year as i32, month, digits(parts.next()?, 2)?)
}

fn yearly(text: &str) -> Option<(u32, u32)> {
    let (month, day) = text.split_once('-')?;
    let (month, day) = (digits(month, 2)?, digits(day, 2)?);
    // 2000 has every day a year can have.
    day_of(2000, month, day).map(|_| (month, day))
}

fn time(text: &str) -> Option<u32> {
    let (hour, minute) = text.split_once(':')?;
    let (hour, minute) = (digits(hour, 2)?, digits(minute, 2)?);
    let second = hour * 3600 + minute * 60;
    (minute < 60 && second <= 86_400).then_some(second)
}
