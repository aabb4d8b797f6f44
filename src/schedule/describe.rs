//! A schedule in words.

use crate::schedule::civil::{Civil, DAY};
use crate::schedule::every::{CalendarSteps, DailyHours};
use crate::schedule::fields::{
    ALL_DOM, ALL_DOW, ALL_HOURS, ALL_MONTHS, ALL_SIXTY, Fields, Specials, bits_of,
};
use crate::schedule::{Schedule, When};

const WEEKDAYS: [&str; 7] = [
    "Sunday",
    "Monday",
    "Tuesday",
    "Wednesday",
    "Thursday",
    "Friday",
    "Saturday",
];
const MONTHS: [&str; 12] = [
    "January",
    "February",
    "March",
    "April",
    "May",
    "June",
    "July",
    "August",
    "September",
    "October",
    "November",
    "December",
];
/// Times of day are listed one by one up to this many.
const MOST_TIMES: u32 = 6;

/// Returns a schedule in words, such as `at 02:30 on the 13th of the month or on Friday`.
///
/// Times are those of the schedule's zone, which is not named.
pub fn describe(schedule: &Schedule) -> String {
    match &schedule.when {
        When::Reboot => "when the machine has started".to_owned(),
        When::Fields(fields) => fields_in_words(fields),
        When::Elapsed { step, .. } => match schedule.anchor {
            None => format!("every {}", span(*step)),
            Some(anchor) => {
                let first = date_and_time(schedule.zone.to_local(anchor));
                format!("every {}, counted from {first}", span(*step))
            }
        },
        When::Calendar(steps) => steps_in_words(steps),
        When::Hours(hours) => hours_in_words(hours),
        When::At(at) => format!("once, on {}", date_and_time(schedule.zone.to_local(*at))),
    }
}

fn fields_in_words(fields: &Fields) -> String {
    let (time, is_moment) = time_in_words(fields);
    let mut words = time;
    match days_in_words(fields) {
        Some(days) => words += &format!(" {days}"),
        None if is_moment => words += " every day",
        None => {}
    }
    if fields.month != ALL_MONTHS {
        let name = |month: u32| MONTHS[(month as usize + 11) % 12].to_owned();
        words += &format!(" in {}", list(u64::from(fields.month), name));
    }
    if let Some(years) = fields.years {
        let years = years.iter().map(|year| year.to_string()).collect();
        words += &format!(", in {} only", shortened(years));
    }
    words
}

/// Returns the time of day, and whether it names moments rather than a repetition.
fn time_in_words(fields: &Fields) -> (String, bool) {
    let number = |value: u32| value.to_string();
    let Fields {
        second,
        minute,
        hour,
        ..
    } = *fields;
    if second == 0 || minute == 0 || hour == 0 {
        return ("never".to_owned(), false);
    }
    let seconds = match second {
        1 => String::new(),
        ALL_SIXTY => "every second of ".to_owned(),
        _ => format!("at second {} of ", progression(second, 60, number)),
    };
    let times = minute.count_ones() * hour.count_ones();
    if times <= MOST_TIMES && second.count_ones() == 1 {
        let mut moments = Vec::new();
        for hour in bits_of(hour) {
            for minute in (0..60).filter(|bit| minute >> bit & 1 == 1) {
                let time = hour * 3600 + minute * 60 + second.trailing_zeros();
                moments.push(time_of_day(time));
            }
        }
        return (format!("at {}", joined(moments)), true);
    }
    let minutes = match (minute, even_step(minute, 60)) {
        (ALL_SIXTY, _) => "every minute".to_owned(),
        (_, Some(step)) => format!("every {step} minutes"),
        _ => format!("at minute {}", progression(minute, 60, number)),
    };
    let hours = match (hour, even_step(u64::from(hour), 24)) {
        (ALL_HOURS, _) if minutes.starts_with("every") => String::new(),
        (ALL_HOURS, _) => " past every hour".to_owned(),
        (_, Some(step)) => format!(" of every {}", ordinal(step) + " hour"),
        _ => format!(" past hour {}", progression(u64::from(hour), 24, number)),
    };
    (format!("{seconds}{minutes}{hours}"), false)
}

/// Returns which days, or nothing if all.
fn days_in_words(fields: &Fields) -> Option<String> {
    let specials = fields.specials.unwrap_or_default();
    let dom = (fields.dom != ALL_DOM).then(|| dom_in_words(fields.dom, &specials));
    let dow = (fields.dow != ALL_DOW).then(|| dow_in_words(fields.dow, &specials));
    Some(match (dom, dow) {
        (None, None) => return None,
        (Some(dom), None) if !fields.either_day() => format!("on {dom} of the month"),
        (None, Some(dow)) if !fields.either_day() => format!("on {dow}"),
        (Some(dom), Some(dow)) if fields.either_day() => {
            format!("on {dom} of the month or on {dow}")
        }
        (Some(dom), Some(dow)) => format!("on {dom} of the month if that is {dow}"),
        // Either field matches and one of them takes all days.
        _ => return None,
    })
}

pub(crate) fn dom_in_words(dom: u32, specials: &Specials) -> String {
    let mut parts = list_parts(u64::from(dom), |day| format!("the {}", ordinal(day)));
    for back in bits_of(specials.from_last) {
        parts.push(match back {
            0 => "the last day".to_owned(),
            1 => "the day before the last".to_owned(),
            _ => format!("the day {back} days before the last"),
        });
    }
    if specials.last_weekday {
        parts.push("the last working day".to_owned());
    }
    for day in bits_of(specials.nearest_weekday) {
        parts.push(format!("the working day nearest the {}", ordinal(day)));
    }
    or_none(joined(parts))
}

pub(crate) fn dow_in_words(dow: u8, specials: &Specials) -> String {
    let name = |day: u32| WEEKDAYS[day as usize % 7].to_owned();
    let mut parts = list_parts(u64::from(dow), name);
    for (week, days) in specials.nth_dow.iter().enumerate() {
        let nth = ordinal(week as u32 + 1);
        parts.extend(bits_of(u32::from(*days)).map(|day| format!("the {nth} {}", name(day))));
    }
    let last = bits_of(u32::from(specials.last_dow));
    parts.extend(last.map(|day| format!("the last {}", name(day))));
    or_none(joined(parts))
}

fn or_none(words: String) -> String {
    if words.is_empty() {
        "no day".to_owned()
    } else {
        words
    }
}

fn steps_in_words(steps: &CalendarSteps) -> String {
    let anchor = Civil::from_wall(steps.anchor);
    let time = time_of_day(steps.anchor.rem_euclid(DAY) as u32);
    let from = format!(
        "counted from {:04}-{:02}-{:02}",
        anchor.year, anchor.month, anchor.day
    );
    match (steps.months, steps.step) {
        (false, 1) => format!("every day at {time}"),
        (false, 7) => format!(
            "every {} at {time}",
            WEEKDAYS[anchor.weekday() as usize % 7]
        ),
        (false, days) => format!("every {days} days at {time}, {from}"),
        (true, 1) => format!("every month on the {} at {time}", ordinal(anchor.day)),
        (true, months) => format!("every {months} months at {time}, {from}"),
    }
}

fn hours_in_words(hours: &DailyHours) -> String {
    let step = span(i64::from(hours.step) * 1000);
    let (open, close) = (time_of_day(hours.open), time_of_day(hours.close));
    let days = match hours.weekdays {
        ALL_DOW => "every day".to_owned(),
        days => format!("on {}", dow_in_words(days, &Specials::default())),
    };
    format!("every {step} from {open} to {close} {days}")
}

/// Returns the step of a set that runs evenly round the whole field from 0.
fn even_step(set: u64, size: u32) -> Option<u32> {
    let step = (set & !1)
        .checked_ilog2()
        .map(|_| (set & !1).trailing_zeros())?;
    let whole = (0..size)
        .step_by(step as usize)
        .fold(0, |whole, value| whole | 1_u64 << value);
    (step > 1 && size.is_multiple_of(step) && whole == set).then_some(step)
}

/// Returns a set in words, as `0 to 56 in steps of 7` where that is shorter.
fn progression(set: u64, size: u32, name: impl Fn(u32) -> String) -> String {
    let values: Vec<u32> = (0..size).filter(|bit| set >> bit & 1 == 1).collect();
    if let [first, second, .., last] = values[..]
        && values.len() > 3
        && second - first > 1
        && values
            .windows(2)
            .all(|pair| pair[1] - pair[0] == second - first)
    {
        return format!(
            "{} to {} in steps of {}",
            name(first),
            name(last),
            second - first
        );
    }
    list(set, name)
}

fn list(set: u64, name: impl Fn(u32) -> String) -> String {
    joined(list_parts(set, name))
}

/// Returns the values of a set, three or more in a row as a range.
fn list_parts(set: u64, name: impl Fn(u32) -> String) -> Vec<String> {
    let mut parts = Vec::new();
    let mut value = 0;
    while value < 64 {
        if set >> value & 1 == 0 {
            value += 1;
            continue;
        }
        let end = (value..64).find(|bit| set >> bit & 1 == 0).unwrap_or(64);
        if end - value > 2 {
            parts.push(format!("{} to {}", name(value), name(end - 1)));
        } else {
            parts.extend((value..end).map(&name));
        }
        value = end;
    }
    parts
}

fn shortened(mut parts: Vec<String>) -> String {
    if let [first, .., last] = parts.as_slice()
        && parts.len() > 4
    {
        parts = vec![first.clone(), "…".to_owned(), last.clone()];
        return parts.join(", ");
    }
    joined(parts)
}

pub(crate) fn joined(mut parts: Vec<String>) -> String {
    match parts.pop() {
        None => String::new(),
        Some(only) if parts.is_empty() => only,
        Some(last) => format!("{} and {last}", parts.join(", ")),
    }
}

fn ordinal(number: u32) -> String {
    let ending = match (number % 10, number % 100) {
        (_, 11..=13) => "th",
        (1, _) => "st",
        (2, _) => "nd",
        (3, _) => "rd",
        _ => "th",
    };
    format!("{number}{ending}")
}

/// Returns seconds after midnight as `HH:MM`, with seconds if there are any.
fn time_of_day(time: u32) -> String {
    let (hour, minute, second) = (time / 3600, time / 60 % 60, time % 60);
    match second {
        0 => format!("{hour:02}:{minute:02}"),
        _ => format!("{hour:02}:{minute:02}:{second:02}"),
    }
}

fn date_and_time(civil: Civil) -> String {
    let time = time_of_day(civil.hour * 3600 + civil.minute * 60 + civil.second);
    format!(
        "{:04}-{:02}-{:02} at {time}",
        civil.year, civil.month, civil.day
    )
}

/// Returns a length of time in words, largest units first.
fn span(milliseconds: i64) -> String {
    let units = [
        (3_600_000, "hour", "hours"),
        (60_000, "minute", "minutes"),
        (1000, "second", "seconds"),
        (1, "millisecond", "milliseconds"),
    ];
    let mut rest = milliseconds;
    let mut parts = Vec::new();
    for (size, one, many) in units {
        match rest / size {
            0 => {}
            1 if rest % size == 0 && parts.is_empty() => parts.push(one.to_owned()),
            1 => parts.push(format!("1 {one}")),
            count => parts.push(format!("{count} {many}")),
        }
        rest %= size;
    }
    parts.join(" ")
}
