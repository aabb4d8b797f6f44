//! Lines of supercronic and anacron.

use crate::crontab::{Entry, FieldSets};
use crate::schedule::{ParseOptions, Schedule, Zone};

/// An entry before it is a job.
pub struct Read {
    /// The schedule as crake writes it.
    pub expr: String,
    /// The schedule as it stands there.
    pub written: String,
    /// What the shell gets.
    pub command: Vec<u8>,
    /// The name the table itself gives it.
    pub name: Option<String>,
    /// What is to be said of it.
    pub notes: Vec<String>,
    /// The longest delay of a start, milliseconds.
    pub jitter_ms: i64,
}

/// The settings above a line.
pub type Settings = Vec<(String, Vec<u8>)>;

/// What a line is.
pub enum Kind {
    Blank,
    Comment,
    Env(String, Vec<u8>),
    Entry(Read),
    Bad(String),
}

/// Reads a line.
pub fn kind_of(line: &[u8], anacron: bool, settings: &Settings) -> Kind {
    let text = String::from_utf8_lossy(line).into_owned();
    let text = text.trim_start_matches([' ', '\t']);
    if text.trim().is_empty() {
        return Kind::Blank;
    }
    if text.starts_with('#') {
        return Kind::Comment;
    }
    if let Some((name, value)) = setting(text) {
        return Kind::Env(name, value.into_bytes());
    }
    let read = match anacron {
        true => anacron_entry(text, settings),
        false => seconds_entry(text),
    };
    match read {
        Ok(read) => Kind::Entry(read),
        Err(why) => Kind::Bad(why),
    }
}

/// A setting as supercronic finds one: a word without blanks before the first `=`; one pair of quotes
/// around the value goes away.
fn setting(text: &str) -> Option<(String, String)> {
    let (name, value) = text.split_once('=')?;
    let name = name.trim_end();
    if name.is_empty() || name.contains(char::is_whitespace) {
        return None;
    }
    let value = value.trim();
    let quoted = ['"', '\''].iter().find_map(|quote| {
        let inside = value.strip_prefix(*quote)?.strip_suffix(*quote)?;
        (value.len() > 1).then_some(inside)
    });
    Some((name.to_owned(), quoted.unwrap_or(value).to_owned()))
}

/// Seven fields (seconds first, year last), six (year last) or five, whichever can be read first.
/// Source: `parseJobLine` of supercronic.
fn seconds_entry(text: &str) -> Result<Read, String> {
    let words: Vec<&str> = text.split_whitespace().collect();
    let mut why = "there is no schedule with a command behind it".to_owned();
    for count in [7, 6, 5, 1] {
        let Some(fields) = words.get(..count).filter(|_| words.len() > count) else {
            continue;
        };
        match expression(fields) {
            Ok(expr) => {
                let (written, command) = split_after(text, count);
                return Ok(Read {
                    expr,
                    written: written.to_owned(),
                    command: command.as_bytes().to_vec(),
                    name: None,
                    notes: Vec::new(),
                    jitter_ms: 0,
                });
            }
            Err(error) => why = error,
        }
    }
    Err(why)
}

/// The same schedule as crake writes it.
fn expression(fields: &[&str]) -> Result<String, String> {
    let expr = match fields {
        [_] | [_, _, _, _, _] => fields.join(" "),
        [minute, hour, dom, month, dow, year] => {
            let dow = weekdays(dow);
            ["0", minute, hour, dom, month, &dow, year].join(" ")
        }
        [second, minute, hour, dom, month, dow, year] => {
            let dow = weekdays(dow);
            [*second, *minute, *hour, *dom, *month, dow.as_str(), *year].join(" ")
        }
        _ => return Err("a schedule has five, six or seven fields".to_owned()),
    };
    let schedule =
        Schedule::parse(&expr, &ParseOptions::default()).map_err(|error| error.to_string())?;
    let both = fields.len() > 5 && {
        let at = fields.len() - 4;
        let limited = |field: Option<&&str>| field.is_some_and(|f| !matches!(*f, "*" | "?"));
        limited(fields.get(at)) && limited(fields.get(at + 2))
    };
    if both {
        return Err(
            "supercronic joins day of month and day of week by OR; write two lines".to_owned(),
        );
    }
    drop(schedule);
    Ok(expr)
}

/// Weekdays by name: supercronic counts them from 0 for Sunday, seconds schedules from 1.
fn weekdays(field: &str) -> String {
    const NAMES: [&str; 8] = ["SUN", "MON", "TUE", "WED", "THU", "FRI", "SAT", "SUN"];
    let mut named = String::with_capacity(field.len());
    let mut literal = false;
    for c in field.chars() {
        let name = c.to_digit(10).and_then(|digit| NAMES.get(digit as usize));
        match name.filter(|_| !literal) {
            Some(name) => named.push_str(name),
            None => named.push(c),
        }
        // What follows is a count and no weekday.
        literal = match c {
            '/' | '#' => true,
            ',' | '-' => false,
            _ => literal,
        };
    }
    named
}

/// The first words of a text, and what follows them.
fn split_after(text: &str, words: usize) -> (&str, &str) {
    let mut at = 0;
    for _ in 0..words {
        let rest = text.get(at..).unwrap_or_default();
        let begin = rest.len() - rest.trim_start().len();
        let word = rest.trim_start();
        let length = word.find(char::is_whitespace).unwrap_or(word.len());
        at += begin + length;
    }
    let (head, tail) = text.split_at_checked(at).unwrap_or((text, ""));
    (head.trim_start(), tail.trim_start())
}

/// A line of anacron: period in days, delay in minutes, name, command. Source: anacrontab(5).
fn anacron_entry(text: &str, settings: &Settings) -> Result<Read, String> {
    let words: Vec<&str> = text.split_whitespace().collect();
    let [period, delay, name, _, ..] = words.as_slice() else {
        return Err("expected a period, a delay, a name and a command".to_owned());
    };
    let number = |name: &str| {
        let value = settings
            .iter()
            .find(|(known, _)| known == name)
            .map(|(_, value)| value);
        value.and_then(|value| String::from_utf8_lossy(value).trim().parse::<i64>().ok())
    };
    let hours = settings
        .iter()
        .find(|(known, _)| known == "START_HOURS_RANGE");
    let first = hours.and_then(|(_, value)| {
        let text = String::from_utf8_lossy(value).into_owned();
        text.split('-').next()?.trim().parse::<i64>().ok()
    });
    let delay: i64 = delay
        .parse()
        .map_err(|_| format!("`{delay}` is no delay in minutes"))?;
    let minute = (first.unwrap_or(0).clamp(0, 23) * 60 + delay.max(0)).min(1_439);
    let at = format!("{} {}", minute % 60, minute / 60);
    let expr = match *period {
        "1" | "@daily" => format!("{at} * * *"),
        "7" | "@weekly" => format!("{at} * * 0"),
        "@monthly" => format!("{at} 1 * *"),
        "@yearly" => format!("{at} 1 1 *"),
        days => {
            let days: u32 = days
                .parse()
                .map_err(|_| format!("`{days}` is no period in days"))?;
            format!("every {}d", days.max(1))
        }
    };
    let (_, command) = split_after(text, 3);
    let note = "anacron counts days from the last run; here it has a fixed time, and the last one \
                missed is made up for";
    Ok(Read {
        expr,
        written: period.to_string(),
        command: command.as_bytes().to_vec(),
        name: Some((*name).to_owned()),
        notes: vec![note.to_owned()],
        jitter_ms: number("RANDOM_DELAY").unwrap_or(0).clamp(0, 1_440) * 60_000,
    })
}

/// The line as the listing of lines shows it.
pub fn entry_of(read: &Read) -> Entry {
    let options = ParseOptions {
        zone: Zone::utc(),
        ..ParseOptions::default()
    };
    let schedule = Schedule::parse(&read.expr, &options).ok();
    let fields = schedule.as_ref().and_then(Schedule::fields);
    let sets = fields.map_or_else(FieldSets::default, |fields| FieldSets {
        minute: fields.minute,
        hour: fields.hour,
        dom: fields.dom,
        month: u32::from(fields.month),
        dow: fields.dow | (fields.dow & 1) << 7,
        ..FieldSets::default()
    });
    Entry {
        sets,
        reboot: schedule.is_some_and(|s| s.is_reboot()),
        nickname: None,
        schedule_text: read.written.clone(),
        effective: Some(read.expr.clone()),
        random: Vec::new(),
        user: None,
        raw_command: read.command.clone(),
        no_log: false,
        mail_on_failure_only: false,
        settings_above: 0,
    }
}
