//! What a cron wrote into a log: which command of which user it started when.
//!
//! Lines of syslog in the old and in the RFC 3339 form, and the export and JSON forms of journalctl.

use serde_json::Value;

use crate::schedule::{Civil, Resolved, UnixMs, Zone};

/// A start that a cron logged.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Started {
    /// When, Unix milliseconds.
    pub at: UnixMs,
    /// The user it ran as.
    pub user: String,
    /// The command as the log shows it.
    pub command: String,
}

/// A log as far as it is about cron.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct CronLog {
    /// Starts in the order of the log.
    pub started: Vec<Started>,
    /// The first and the last instant of any line.
    pub span: Option<(UnixMs, UnixMs)>,
    /// Instants at which a cron said anything at all.
    pub alive: Vec<UnixMs>,
    /// Lines of which no time could be read.
    pub unread: usize,
}

/// What crons call themselves.
const NAMES: [&str; 5] = ["CRON", "CROND", "cron", "crond", "/USR/SBIN/CRON"];

const MONTHS: [&str; 12] = [
    "Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec",
];

impl CronLog {
    /// Reads one log more. `zone` is that of times without an offset, `year` that of the last line
    /// of a log whose lines name none.
    pub fn read(&mut self, bytes: &[u8], zone: &Zone, year: i32) {
        let text = String::from_utf8_lossy(bytes);
        if text.starts_with("__CURSOR=") || text.contains("\n__REALTIME_TIMESTAMP=") {
            return self.read_export(bytes);
        }
        let mut lines: Vec<(&str, Option<Stamp<'_>>)> = text
            .lines()
            .filter(|line| !line.trim().is_empty())
            .map(|line| (line, stamp(line)))
            .collect();
        date(&mut lines, year);
        let mut last = UnixMs::MIN;
        for (line, stamp) in lines {
            if line.starts_with('{') {
                self.json_line(line);
                continue;
            }
            let read = stamp.and_then(|stamp| Some((stamp.instant(zone, last)?, stamp.rest)));
            match read {
                Some((at, rest)) => {
                    last = at;
                    self.line(at, rest);
                }
                None => self.unread += 1,
            }
        }
    }

    /// Whatever stands behind the time: host, program and message.
    fn line(&mut self, at: UnixMs, rest: &str) {
        self.cover(at);
        let Some((_, said)) = rest.split_once(' ') else {
            return;
        };
        if let Some((tag, message)) = said.split_once(": ") {
            let name = tag.split('[').next().unwrap_or(tag);
            self.message(at, name, message);
        }
    }

    fn cover(&mut self, at: UnixMs) {
        let (first, last) = self.span.unwrap_or((at, at));
        self.span = Some((first.min(at), last.max(at)));
    }

    fn message(&mut self, at: UnixMs, name: &str, message: &str) {
        if !NAMES.contains(&name) {
            return;
        }
        self.alive.push(at);
        self.started.extend(started(at, message));
    }

    fn json_line(&mut self, line: &str) {
        let Ok(value) = serde_json::from_str::<Value>(line) else {
            self.unread += 1;
            return;
        };
        let text = |key: &str| match &value[key] {
            Value::String(text) => Some(text.clone()),
            // journalctl writes a message that is no UTF-8 as its bytes.
            Value::Array(bytes) => {
                let bytes: Option<Vec<u8>> = bytes
                    .iter()
                    .map(|b| u8::try_from(b.as_u64()?).ok())
                    .collect();
                bytes.map(|bytes| String::from_utf8_lossy(&bytes).into_owned())
            }
            _ => None,
        };
        let micros = text("__REALTIME_TIMESTAMP").and_then(|text| text.parse::<i64>().ok());
        let Some(at) = micros.map(|micros| micros / 1000) else {
            self.unread += 1;
            return;
        };
        self.cover(at);
        if let (Some(name), Some(message)) = (text("SYSLOG_IDENTIFIER"), text("MESSAGE")) {
            self.message(at, &name, &message);
        }
    }

    /// The export form: `KEY=VALUE` lines, an empty line after each entry; a value with a line feed
    /// in it stands as `KEY`, a line feed, its length in 8 bytes, itself.
    fn read_export(&mut self, bytes: &[u8]) {
        let mut rest = bytes;
        let (mut at, mut name, mut message) = (None, String::new(), String::new());
        loop {
            let end = rest.iter().position(|byte| *byte == b'\n');
            let line = rest.get(..end.unwrap_or(rest.len())).unwrap_or_default();
            rest = rest
                .get(end.map_or(rest.len(), |end| end + 1)..)
                .unwrap_or_default();
            if line.is_empty() {
                if let Some(at) = at.take() {
                    self.cover(at);
                    self.message(at, &name, &message);
                }
                (name, message) = (String::new(), String::new());
                if rest.is_empty() {
                    return;
                }
                continue;
            }
            let (key, value) = match line.iter().position(|byte| *byte == b'=') {
                Some(equals) => {
                    let (key, value) = line.split_at(equals);
                    (key, value.get(1..).unwrap_or_default())
                }
                None => {
                    let (length, tail) = rest.split_at_checked(8).unwrap_or((rest, &[]));
                    let length = length.iter().rev().fold(0usize, |n, byte| {
                        n.wrapping_mul(256).wrapping_add(usize::from(*byte))
                    });
                    let (value, tail) = tail.split_at_checked(length).unwrap_or((tail, &[]));
                    rest = tail.strip_prefix(b"\n").unwrap_or(tail);
                    (line, value)
                }
            };
            let value = || String::from_utf8_lossy(value).into_owned();
            match key {
                b"__REALTIME_TIMESTAMP" => at = value().parse::<i64>().ok().map(|us| us / 1000),
                b"SYSLOG_IDENTIFIER" => name = value(),
                b"MESSAGE" => message = value(),
                _ => {}
            }
        }
    }
}

/// `(user) CMD (command)`, with a process number before the command where cron was told to log it.
fn started(at: UnixMs, message: &str) -> Option<Started> {
    let (user, rest) = message.strip_prefix('(')?.split_once(") CMD (")?;
    let command = rest.trim_end().strip_suffix(')')?;
    let numbered = command.strip_prefix('[').and_then(|rest| {
        let (number, command) = rest.split_once("] ")?;
        number
            .bytes()
            .all(|b| b.is_ascii_digit())
            .then_some(command)
    });
    Some(Started {
        at,
        user: user.to_owned(),
        command: numbered.unwrap_or(command).to_owned(),
    })
}

/// A command as cron's log shows it: control characters as `^X`, bytes above 126 in octal. Source:
/// `mkprint` of both crons.
pub fn log_text(command: &[u8]) -> String {
    let mut text = String::with_capacity(command.len());
    for &byte in command {
        match byte {
            0..0x20 => text.extend(['^', char::from(byte + b'@')]),
            0x20..0x7f => text.push(char::from(byte)),
            0x7f => text.push_str("^?"),
            _ => text.push_str(&format!("\\{byte:03o}")),
        }
    }
    text
}

/// The time of a line and what follows it.
#[derive(Debug, Clone, Copy)]
struct Stamp<'a> {
    when: When,
    rest: &'a str,
}

#[derive(Debug, Clone, Copy)]
enum When {
    Instant(UnixMs),
    /// A time on the clock of the host; the year is put in once the whole log is known.
    Wall(Civil),
}

impl Stamp<'_> {
    /// A time that the clock showed twice is the first of the two, unless the log is past that.
    fn instant(&self, zone: &Zone, last: UnixMs) -> Option<UnixMs> {
        match self.when {
            When::Instant(at) => Some(at),
            When::Wall(civil) => match zone.resolve(civil) {
                Resolved::Unambiguous(at) => Some(at),
                Resolved::Fold { first, second } if first < last => Some(second),
                Resolved::Fold { first, .. } => Some(first),
                Resolved::Gap { at, .. } => Some(at),
            },
        }
    }
}

fn stamp(line: &str) -> Option<Stamp<'_>> {
    let (first, rest) = line.split_once(' ')?;
    if let Ok(time) = chrono::DateTime::parse_from_rfc3339(first) {
        let when = When::Instant(time.timestamp_millis());
        return Some(Stamp { when, rest });
    }
    let month = MONTHS.iter().position(|known| *known == first)?;
    let rest = rest.trim_start();
    let (day, rest) = rest.split_once(' ')?;
    let (time, rest) = rest.trim_start().split_once(' ')?;
    let mut parts = time.split(':').map(|part| part.parse::<u32>().ok());
    let (hour, minute, second) = (parts.next()??, parts.next()??, parts.next()??);
    let day: u32 = day.parse().ok()?;
    let sound = (1..=31).contains(&day) && hour < 24 && minute < 60 && second < 61;
    let civil = Civil {
        year: 0,
        month: u32::try_from(month).ok()? + 1,
        day,
        hour,
        minute,
        second: second.min(59),
        millisecond: 0,
    };
    sound.then_some(Stamp {
        when: When::Wall(civil),
        rest,
    })
}

/// Puts the year into times that name none, from the last line back: a month that is later than the
/// one of the line after it belongs to the year before.
fn date(lines: &mut [(&str, Option<Stamp<'_>>)], last: i32) {
    let (mut year, mut after) = (last, 12);
    for (_, stamp) in lines.iter_mut().rev() {
        if let Some(Stamp {
            when: When::Wall(civil),
            ..
        }) = stamp
        {
            if civil.month > after {
                year -= 1;
            }
            (after, civil.year) = (civil.month, year);
        }
    }
}
