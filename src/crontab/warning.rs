//! Hazards that can be seen from the text of a table alone.

use std::collections::HashMap;

use crate::crontab::command::split_command;
use crate::crontab::dialect::{Dialect, Format};
use crate::crontab::entry::Entry;
use crate::crontab::field::{Field, all_bits};
use crate::crontab::table::{LineKind, Refusal, Table, Verdict};
use crate::crontab::warning_text::{
    bash_only, careless_value, has_backslash_pair, managed_by, secret_in, secret_name, uneven_step,
};

/// What is known of the machine the table is for; unknown facts give no warnings.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct HostFacts {
    /// Names of all users, if they could be listed.
    pub users: Option<Vec<String>>,
    /// The file `/bin/sh` leads to, such as `dash`; taken for a plain shell when unknown.
    pub system_shell: Option<String>,
}

/// One hazard.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Warning {
    /// Stable name of the kind of hazard, such as `W03`.
    pub id: &'static str,
    /// The line it is about.
    pub line: usize,
    /// One sentence for a person; never holds a secret of the table.
    pub text: String,
}

/// Lists the hazards of a table by line, then by kind.
///
/// `bytes` are those the table was read from. Decided here: W01 file (or unfinished last line) ignored today, W02 never
/// fires, W03 `%`, W04 bash under sh, W05 CR, W06 literal `$` `#` `~` in a value, W07 days joined
/// by OR, W08 days joined by AND through a star, W09 uneven step, W10 every minute of an hour, W11
/// user column in a user's table, W12 unknown user, W15 owned by a tool, W19 duplicate, W20 `\\`,
/// W21 cut setting, W22 secret.
pub fn warnings(table: &Table, bytes: &[u8], host: &HostFacts) -> Vec<Warning> {
    let mut found = Findings::default();
    whole_file(table, &mut found);
    let mut settings: Settings<'_> = Vec::new();
    let mut seen: HashMap<Signature<'_>, usize> = HashMap::new();
    for line in &table.lines {
        found.line = line.number;
        let text = bytes.get(line.span.clone()).unwrap_or_default();
        match &line.kind {
            LineKind::Env {
                name,
                value,
                truncated,
            } => {
                match settings.iter_mut().find(|(known, _)| known == name) {
                    Some((_, known)) => *known = value,
                    None => settings.push((name, value)),
                }
                setting(name, value, *truncated, table.dialect, &mut found);
            }
            LineKind::Comment => {
                if let Some(tool) = managed_by(&String::from_utf8_lossy(text)) {
                    found.add(
                        "W15",
                        format!("managed by {tool}, which will put its lines back"),
                    );
                }
            }
            LineKind::Entry(entry) => {
                schedule(entry, &mut found);
                command(entry, table.dialect, shell_of(&settings), host, &mut found);
                owner(entry, table.format, host, &mut found);
                duplicate(entry, settings.clone(), &mut seen, &mut found);
            }
            LineKind::Blank | LineKind::Error(_) => {}
        }
    }
    let mut all = found.all;
    all.sort_by_key(|warning| (warning.line, warning.id));
    all
}

/// The settings that hold at a line.
type Settings<'a> = Vec<(&'a [u8], &'a [u8])>;

fn shell_of<'a>(settings: &Settings<'a>) -> &'a [u8] {
    let set = settings
        .iter()
        .find(|(name, _)| *name == b"SHELL")
        .map(|(_, value)| *value);
    set.unwrap_or(b"/bin/sh")
}

#[derive(Default)]
struct Findings {
    line: usize,
    all: Vec<Warning>,
}

impl Findings {
    fn add(&mut self, id: &'static str, text: impl Into<String>) {
        self.all.push(Warning {
            id,
            line: self.line,
            text: text.into(),
        });
    }
}

fn whole_file(table: &Table, found: &mut Findings) {
    let Verdict::Refused(refusal) = table.verdict else {
        return;
    };
    let (line, reason) = match refusal {
        Refusal::NoFinalNewline { line } => (line, "the last line has no line feed".to_owned()),
        Refusal::BadLine { line } => (line, format!("line {line} cannot be read")),
        Refusal::TooManyLines { limit } => (limit + 1, format!("more than {limit} lines")),
        Refusal::TooManySettings { limit } => (1, format!("more than {limit} settings")),
        Refusal::TooManyEntries { limit } => (1, format!("more than {limit} entries")),
    };
    found.line = line;
    let dialect = table.dialect;
    if table.is_ignored() {
        found.add(
            "W01",
            format!("{dialect} ignores this whole file today: {reason}"),
        );
    } else if matches!(refusal, Refusal::NoFinalNewline { .. }) {
        found.add(
            "W01",
            format!("{dialect} ignores this line today: {reason}"),
        );
    }
}

fn setting(name: &[u8], value: &[u8], truncated: bool, dialect: Dialect, found: &mut Findings) {
    let shown = String::from_utf8_lossy(name);
    let text = String::from_utf8_lossy(value);
    if let Some(what) = careless_value(&text) {
        found.add(
            "W06",
            format!("{shown}: {what} in a value is kept as written"),
        );
    }
    if truncated {
        found.add(
            "W21",
            format!("{shown} is longer than {dialect} reads; the end is cut off"),
        );
    }
    if secret_name(&shown) && !value.is_empty() {
        found.add("W22", format!("{shown} looks like a secret"));
    } else if let Some(what) = secret_in(&text) {
        found.add(
            "W22",
            format!("{shown} holds what looks like a secret ({what})"),
        );
    }
}

fn schedule(entry: &Entry, found: &mut Findings) {
    let sets = &entry.sets;
    if entry.reboot {
        return;
    }
    if !sets.can_fire() {
        found.add("W02", format!("`{}` never fires", entry.schedule_text));
    }
    if entry.nickname.is_some() {
        return;
    }
    let limits = |field: Field| sets.get(field) != all_bits(field);
    let both_days = limits(Field::DayOfMonth) && limits(Field::DayOfWeek);
    if sets.either_day_matches() {
        found.add(
            "W07",
            "day of month and day of week are joined by OR: either is enough",
        );
    } else if both_days {
        found.add(
            "W08",
            "a day field starts with `*`, so both day fields must match",
        );
    }
    let fields: Vec<&str> = entry
        .schedule_text
        .split([' ', '\t'])
        .filter(|f| !f.is_empty())
        .collect();
    for (field, text) in [Field::Minute, Field::Hour].into_iter().zip(&fields) {
        if let Some(step) = uneven_step(text, field) {
            found.add(
                "W09",
                format!("the {field} step {step} starts anew each cycle"),
            );
        }
    }
    let every_minute = !limits(Field::Minute) && !entry.random.contains(&Field::Minute);
    if every_minute && limits(Field::Hour) && !sets.hour_star {
        found.add(
            "W10",
            "runs every minute of the hour; a fixed minute was likely meant",
        );
    }
}

fn command(entry: &Entry, dialect: Dialect, shell: &[u8], host: &HostFacts, found: &mut Findings) {
    let raw = &entry.raw_command;
    let split = split_command(raw, dialect);
    let text = String::from_utf8_lossy(&split.command);
    if split.command.len() < raw.len() && has_bare_percent(raw) {
        let shown = match secret_in(&text) {
            Some(_) => "only what stands before it runs".to_owned(),
            None => format!("runs `{}`", text.escape_debug()),
        };
        found.add("W03", format!("`%` ends the command: {shown}"));
    }
    if is_plain_shell(shell, host)
        && let Some(what) = bash_only(&text)
    {
        found.add(
            "W04",
            format!(
                "{what} is not understood by {}",
                String::from_utf8_lossy(shell)
            ),
        );
    }
    if raw.contains(&b'\r') {
        found.add(
            "W05",
            "a carriage return is part of the command (file with CRLF lines)",
        );
    }
    if has_backslash_pair(raw) {
        found.add(
            "W20",
            "`\\\\` becomes `\\` in Debian's cron and stays in cronie",
        );
    }
    if let Some(what) = secret_in(&String::from_utf8_lossy(raw)) {
        found.add(
            "W22",
            format!("the command holds what looks like a secret ({what})"),
        );
    }
}

fn has_bare_percent(raw: &[u8]) -> bool {
    let mut escaped = false;
    raw.iter().any(|&byte| {
        let bare = byte == b'%' && !escaped;
        escaped = byte == b'\\' && !escaped;
        bare
    })
}

fn is_plain_shell(shell: &[u8], host: &HostFacts) -> bool {
    let shell = String::from_utf8_lossy(shell);
    let name = shell.rsplit('/').next().unwrap_or_default();
    let name = match (name, &host.system_shell) {
        ("sh", Some(real)) => real.rsplit('/').next().unwrap_or_default(),
        _ => name,
    };
    matches!(name, "sh" | "dash" | "ash" | "busybox" | "")
}

fn owner(entry: &Entry, format: Format, host: &HostFacts, found: &mut Findings) {
    let known = |name: &str| {
        host.users
            .as_ref()
            .map(|users| users.iter().any(|user| user == name))
    };
    if let Some(user) = &entry.user {
        let user = String::from_utf8_lossy(user);
        if known(&user) == Some(false) {
            found.add(
                "W12",
                format!("there is no user `{}` here", user.escape_debug()),
            );
        }
    } else if !format.has_user_column() {
        let command = String::from_utf8_lossy(&entry.raw_command);
        let mut words = command.split_whitespace();
        let first = words.next().unwrap_or_default();
        if words.next().is_some() && (first == "root" || known(first) == Some(true)) {
            found.add(
                "W11",
                format!("`{first}` looks like a user column, but runs as a command"),
            );
        }
    }
}

/// What two entries share when one is a duplicate of the other.
#[derive(PartialEq, Eq, Hash)]
struct Signature<'a> {
    schedule: String,
    user: Option<&'a [u8]>,
    command: &'a [u8],
    settings: Settings<'a>,
}

fn duplicate<'a>(
    entry: &'a Entry,
    settings: Settings<'a>,
    seen: &mut HashMap<Signature<'a>, usize>,
    found: &mut Findings,
) {
    // The sets alone would take two `~` entries, which draw their own values, for one.
    let schedule = match entry.random.is_empty() {
        true => format!("{:?} {}", entry.sets, entry.reboot),
        false => entry.schedule_text.clone(),
    };
    let signature = Signature {
        schedule,
        user: entry.user.as_deref(),
        command: &entry.raw_command,
        settings,
    };
    let first = *seen.entry(signature).or_insert(found.line);
    if first != found.line {
        found.add("W19", format!("the same as line {first}: it runs twice"));
    }
}
