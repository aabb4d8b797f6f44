//! Turns what the reader found into the shape of the recorded answers of the real crons.

use crake::crontab::{Dialect, Entry, Field, Format, LineKind, Table};
use serde_json::{Value, json};

/// Reads a table in the format the records name.
pub fn parse(bytes: &[u8], dialect: Dialect, format: &str) -> Table {
    let format: Format = format.parse().expect("a format of the records");
    Table::parse(bytes, dialect, format)
}

/// One record for each line that is neither blank nor a comment.
pub fn records(table: &Table) -> Vec<Value> {
    table
        .lines
        .iter()
        .filter_map(|line| record(line.number, &line.kind))
        .collect()
}

fn record(number: usize, kind: &LineKind) -> Option<Value> {
    Some(match kind {
        LineKind::Blank | LineKind::Comment => return None,
        LineKind::Env { name, value, .. } => {
            let kv = [text(name), text(value)].join("=");
            json!({"line": number, "k": "env", "kv": kv})
        }
        LineKind::Error(problem) => json!({"line": number, "k": "error", "msg": problem.reason}),
        LineKind::Entry(entry) => entry_record(number, entry),
    })
}

fn entry_record(number: usize, entry: &Entry) -> Value {
    if entry.random.contains(&Field::Minute) {
        return json!({"line": number, "k": "entry", "random_minute": true});
    }
    let values = |field| entry.sets.values(field);
    json!({
        "line": number, "k": "entry",
        "min": values(Field::Minute), "hour": values(Field::Hour),
        "dom": values(Field::DayOfMonth), "mon": values(Field::Month),
        "dow": values(Field::DayOfWeek),
        "reboot": u8::from(entry.reboot),
        "dom_star": u8::from(entry.sets.dom_star), "dow_star": u8::from(entry.sets.dow_star),
        "cmd": text(&entry.raw_command),
        "user": entry.user.as_deref().map(text),
        "n": u8::from(entry.mail_on_failure_only),
    })
}

/// The records write each byte as the character of that number (Latin-1).
pub fn text(bytes: &[u8]) -> String {
    bytes.iter().map(|&byte| char::from(byte)).collect()
}

/// Brings a recorded line into the shape of [`records`].
pub fn expected(recorded: &Value, dialect: Dialect) -> Value {
    let line = &recorded["line"];
    let own = match (dialect, recorded.get("cronie")) {
        (Dialect::Cronie, Some(differs)) => differs,
        _ => recorded,
    };
    match own["k"].as_str() {
        Some("entry") if own.get("random_minute").is_some() => {
            json!({"line": line, "k": "entry", "random_minute": true})
        }
        Some("entry") => {
            let star = |long: &str, short: &str| own.get(long).unwrap_or(&own[short]).clone();
            json!({
                "line": line, "k": "entry",
                "min": own["min"], "hour": own["hour"], "dom": own["dom"], "mon": own["mon"],
                "dow": own["dow"], "reboot": own["reboot"],
                "dom_star": star("dom_star", "domstar"), "dow_star": star("dow_star", "dowstar"),
                "cmd": own["cmd"], "user": own["user"],
                "n": own.get("n").cloned().unwrap_or(json!(0)),
            })
        }
        Some("env") => json!({"line": line, "k": "env", "kv": own["kv"]}),
        _ => json!({"line": line, "k": "error", "msg": own["msg"]}),
    }
}
