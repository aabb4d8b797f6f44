//! A whole table: its lines in order and what its cron makes of it.

use std::fmt;
use std::ops::Range;

use crate::crontab::cursor::is_blank;
use crate::crontab::dialect::{Dialect, Format, Rules};
use crate::crontab::entry::{Entry, read_entry};
use crate::crontab::env::read_setting;
use crate::crontab::problem::Problem;

/// A crontab as one cron reads it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Table {
    pub dialect: Dialect,
    pub format: Format,
    /// Every line in order; their spans tile the file without gap or overlap.
    pub lines: Vec<Line>,
    /// Whether this cron's own check accepts the file.
    pub verdict: Verdict,
}

/// One line of a table.
///
/// A NUL byte ends a command or setting in both crons and what follows it is read as a new line,
/// so such a line appears as two with the same number.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Line {
    /// Counted from 1.
    pub number: usize,
    /// The bytes of the file, with the line feed.
    pub span: Range<usize>,
    pub kind: LineKind,
}

/// What a line is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum LineKind {
    Blank,
    Comment,
    /// A setting for the entries below it.
    Env {
        name: Vec<u8>,
        value: Vec<u8>,
        /// The line was longer than this cron looks at, so the value is not what was written.
        truncated: bool,
    },
    Entry(Box<Entry>),
    /// Neither a setting nor an entry.
    Error(Problem),
}

/// Whether the cron's own check (`crontab -n`, `crontab -T`) accepts the whole file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verdict {
    Accepted,
    Refused(Refusal),
}

/// Why a file is refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Refusal {
    /// The last line does not end in a line feed. A comment or blank line may end the file so.
    NoFinalNewline {
        line: usize,
    },
    /// The first bad line.
    BadLine {
        line: usize,
    },
    TooManyLines {
        limit: usize,
    },
    TooManySettings {
        limit: usize,
    },
    TooManyEntries {
        limit: usize,
    },
}

impl LineKind {
    /// The word for the kind in listings: `blank`, `comment`, `env`, `entry` or `error`.
    pub fn as_str(&self) -> &'static str {
        match self {
            LineKind::Blank => "blank",
            LineKind::Comment => "comment",
            LineKind::Env { .. } => "env",
            LineKind::Entry(_) => "entry",
            LineKind::Error(_) => "error",
        }
    }
}

impl Verdict {
    /// Whether the file is accepted.
    pub fn is_accepted(self) -> bool {
        self == Verdict::Accepted
    }
}

impl fmt::Display for Verdict {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Verdict::Accepted => out.write_str("ok"),
            Verdict::Refused(Refusal::NoFinalNewline { .. }) => {
                out.write_str("reject(no final newline)")
            }
            Verdict::Refused(_) => out.write_str("reject"),
        }
    }
}

impl Table {
    /// Reads a table; it never fails, since a line that cannot be read is a line of its own kind.
    ///
    /// A last line without line feed is read as if it had one, and the verdict says so.
    pub fn parse(bytes: &[u8], dialect: Dialect, format: Format) -> Table {
        let rules = dialect.rules();
        let mut lines = Vec::new();
        let mut settings = 0;
        let mut number = 1;
        let mut start = 0;
        while let Some(rest) = bytes.get(start..).filter(|rest| !rest.is_empty()) {
            let feed = rest.iter().position(|&byte| byte == b'\n');
            let text = rest.get(..feed.unwrap_or(rest.len())).unwrap_or(rest);
            let (kind, cut) = read_line(text, format, rules, settings);
            settings += usize::from(matches!(kind, LineKind::Env { .. }));
            let length = cut.unwrap_or(text.len() + usize::from(feed.is_some()));
            lines.push(Line {
                number,
                span: start..start + length,
                kind,
            });
            start += length;
            number += usize::from(cut.is_none());
        }
        let verdict = judge(bytes, &lines, rules);
        Table {
            dialect,
            format,
            lines,
            verdict,
        }
    }

    /// The entries in file order with their lines.
    pub fn entries(&self) -> impl Iterator<Item = (&Line, &Entry)> {
        self.lines.iter().filter_map(|line| match &line.kind {
            LineKind::Entry(entry) => Some((line, entry.as_ref())),
            _ => None,
        })
    }

    /// The lines this cron cannot read, with the reasons.
    pub fn complaints(&self) -> impl Iterator<Item = (&Line, &Problem)> {
        self.lines.iter().filter_map(|line| match &line.kind {
            LineKind::Error(problem) => Some((line, problem)),
            _ => None,
        })
    }

    /// The entries this cron's daemon really runs: none if an error spoils the whole table
    /// (Debian), all but a last line without line feed otherwise (cronie).
    pub fn live_entries(&self) -> impl Iterator<Item = (&Line, &Entry)> {
        let unfinished = match self.verdict {
            Verdict::Refused(Refusal::NoFinalNewline { .. }) => self.lines.len().checked_sub(1),
            _ => None,
        };
        let none = self.is_ignored();
        let last = unfinished
            .and_then(|at| self.lines.get(at))
            .map(|line| line.span.start);
        self.entries()
            .filter(move |(line, _)| !none && Some(line.span.start) != last)
    }

    /// Whether this cron's daemon ignores the whole table.
    pub fn is_ignored(&self) -> bool {
        match self.verdict {
            Verdict::Accepted => false,
            Verdict::Refused(Refusal::BadLine { .. } | Refusal::NoFinalNewline { .. }) => {
                self.dialect.error_spoils_table()
            }
            Verdict::Refused(_) => true,
        }
    }

    /// The settings that hold for an entry: those above it, each name once at the place of its
    /// first setting with the value of its last, as the originals keep them.
    pub fn environment_of(&self, line: &Line) -> Vec<(Vec<u8>, Vec<u8>)> {
        let mut settings: Vec<(Vec<u8>, Vec<u8>)> = Vec::new();
        for above in self
            .lines
            .iter()
            .take_while(|above| above.span.start < line.span.start)
        {
            if let LineKind::Env { name, value, .. } = &above.kind {
                match settings.iter_mut().find(|(known, _)| known == name) {
                    Some((_, known)) => known.clone_from(value),
                    None => settings.push((name.clone(), value.clone())),
                }
            }
        }
        settings
    }
}

/// Reads the line `text` (no line feed); with a length if a NUL ended it before the line feed.
fn read_line(
    text: &[u8],
    format: Format,
    rules: &Rules,
    settings: usize,
) -> (LineKind, Option<usize>) {
    let start = text
        .iter()
        .position(|&byte| !is_blank(byte))
        .unwrap_or(text.len());
    let content = text.get(start..).unwrap_or_default();
    match content.first() {
        None => return (LineKind::Blank, None),
        Some(b'#') => return (LineKind::Comment, None),
        Some(_) => {}
    }
    if let Some(setting) = read_setting(content, rules) {
        let cut = setting.cut.map(|length| start + length);
        let (name, value, truncated) = (setting.name, setting.value, setting.truncated);
        return (
            LineKind::Env {
                name,
                value,
                truncated,
            },
            cut,
        );
    }
    match read_entry(text, start, format, rules) {
        Ok(mut read) => {
            read.entry.settings_above = settings;
            (LineKind::Entry(Box::new(read.entry)), read.cut)
        }
        Err(problem) => (LineKind::Error(problem), None),
    }
}

fn judge(bytes: &[u8], lines: &[Line], rules: &Rules) -> Verdict {
    let count = |wanted: fn(&LineKind) -> bool| lines.iter().filter(|l| wanted(&l.kind)).count();
    if lines
        .last()
        .is_some_and(|last| last.number > rules.max_lines)
    {
        return Verdict::Refused(Refusal::TooManyLines {
            limit: rules.max_lines,
        });
    }
    if count(|kind| matches!(kind, LineKind::Env { .. })) > rules.max_settings {
        return Verdict::Refused(Refusal::TooManySettings {
            limit: rules.max_settings,
        });
    }
    if count(|kind| matches!(kind, LineKind::Entry(_))) > rules.max_entries {
        return Verdict::Refused(Refusal::TooManyEntries {
            limit: rules.max_entries,
        });
    }
    let unfinished = lines.last().filter(|last| {
        !bytes.ends_with(b"\n") && !matches!(last.kind, LineKind::Blank | LineKind::Comment)
    });
    let bad = lines
        .iter()
        .find(|line| matches!(line.kind, LineKind::Error(_)));
    // Both checks stop at the first bad line. The unfinished last line is never read as a line at
    // all, unless a NUL ends what the setting reader sees of it.
    let is_read = |bad: &Line| {
        unfinished.is_none_or(|last| last.span != bad.span)
            || bytes
                .get(bad.span.clone())
                .is_some_and(|text| text.contains(&0))
    };
    match (bad, unfinished) {
        (Some(bad), _) if is_read(bad) => Verdict::Refused(Refusal::BadLine { line: bad.number }),
        (_, Some(last)) => Verdict::Refused(Refusal::NoFinalNewline { line: last.number }),
        (_, None) => Verdict::Accepted,
    }
}
