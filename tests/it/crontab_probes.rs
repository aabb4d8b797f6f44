//! Single lines on which the two crons differ, against their recorded answers.

use std::fs;
use std::path::Path;

use crake::crontab::{Dialect, Field, LineKind, Table};
use serde_json::Value;

use crate::crontab_truth::{parse, text};

const PROBES: &str = include_str!("../data/crontab/dialect-probe.tsv");

/// The records show at most 300 bytes of a line; the two longer ones repeat their last byte.
fn probe_line(shown: &str) -> String {
    serde_json::from_str(shown).unwrap_or_else(|_| {
        let shown = shown.trim_start_matches('"');
        let last = shown.chars().last().expect("a line");
        let head = shown.trim_end_matches(last);
        format!("{head}{}", last.to_string().repeat(1200))
    })
}

fn check(table: &Table, wanted: &str) -> Result<(), String> {
    let kind = &table.lines.first().ok_or("no line")?.kind;
    let Ok(wanted) = serde_json::from_str::<Value>(wanted) else {
        // Cut off in the records: a long command that cronie takes whole.
        return match kind {
            LineKind::Entry(entry) if entry.raw_command.len() == 1200 => Ok(()),
            other => Err(format!("{other:?}")),
        };
    };
    if let Some(error) = wanted.get("error") {
        return match kind {
            LineKind::Error(problem) if problem.reason == error => Ok(()),
            other => Err(format!("{other:?}")),
        };
    }
    if let Some(setting) = wanted["env"].as_str() {
        let LineKind::Env { name, value, .. } = kind else {
            return Err(format!("{kind:?}"));
        };
        let found = format!("{}={}", text(name), text(value));
        let same = match setting.split_once("…(len ") {
            Some((head, length)) => {
                found.starts_with(head) && length == format!("{})", found.len())
            }
            None => found == setting,
        };
        return if same { Ok(()) } else { Err(found) };
    }
    let (LineKind::Entry(entry), wanted) = (kind, &wanted["entry"]) else {
        return Err(format!("{kind:?}"));
    };
    let fields = ["min", "hour", "dom", "mon", "dow"]
        .into_iter()
        .zip(Field::ALL);
    for (key, field) in fields {
        let same = match wanted[key].as_str() {
            Some("random") => entry.random.contains(&field),
            _ => serde_json::json!(entry.sets.values(field)) == wanted[key],
        };
        if !same {
            return Err(format!("{key}: {:?}", entry.sets.values(field)));
        }
    }
    let flags = [
        ("reboot", entry.reboot),
        ("domstar", entry.sets.dom_star),
        ("dowstar", entry.sets.dow_star),
    ];
    for (key, found) in flags {
        if wanted[key] != u8::from(found) {
            return Err(format!("{key}: {found}"));
        }
    }
    let command = text(&entry.raw_command);
    if wanted["cmd"] == command.as_str() {
        Ok(())
    } else {
        Err(command)
    }
}

#[test]
fn probe_lines_read_as_recorded() {
    let mut rows = 0;
    for row in PROBES.lines().filter(|row| !row.starts_with('#')).skip(1) {
        let columns: Vec<&str> = row.split('\t').collect();
        let [shown, debian, cronie] = columns.as_slice() else {
            panic!("three columns: {row}")
        };
        let line = probe_line(shown) + "\n";
        for (dialect, wanted) in [(Dialect::Debian, debian), (Dialect::Cronie, cronie)] {
            let table = parse(line.as_bytes(), dialect, "user");
            if let Err(found) = check(&table, wanted) {
                panic!("{line:?} as {dialect}: wanted {wanted}, found {found}");
            }
        }
        rows += 1;
    }
    assert_eq!(rows, 79);
}

/// One line of masks as the recorder printed them: sets, then the star and reboot flags.
fn masks(table: &Table) -> String {
    match &table.lines.first().expect("a line").kind {
        LineKind::Error(problem) => format!("ERR {}", problem.reason),
        LineKind::Entry(entry) => {
            let sets = &entry.sets;
            let star = u8::from;
            format!(
                "OK {:x} {:x} {:x} {:x} {:x} {}{}{}{} {} {}",
                sets.minute,
                sets.hour,
                sets.dom,
                sets.month,
                sets.dow,
                star(sets.minute_star),
                star(sets.hour_star),
                star(sets.dom_star),
                star(sets.dow_star),
                star(entry.reboot),
                text(&entry.raw_command)
            )
        }
        other => format!("{other:?}"),
    }
}

#[test]
fn disagreements_of_the_parsers_are_kept() {
    let path =
        Path::new(env!("CARGO_MANIFEST_DIR")).join("../shared/vectors/parser-disagreements.jsonl");
    let Ok(records) = fs::read_to_string(path) else {
        println!("skipped: records of parser disagreements not present");
        return;
    };
    for record in records.lines() {
        let record: Value = serde_json::from_str(record).expect("a record");
        let expression = record["expr"].as_str().expect("an expression");
        for dialect in Dialect::ALL {
            let line = format!("{expression} cmd\n");
            let found = masks(&parse(line.as_bytes(), dialect, "root"));
            let Some(wanted) = record[dialect.as_str()].as_str() else {
                continue;
            };
            if dialect == Dialect::Cronie && expression.contains('~') {
                // A random minute: the record holds the one drawn that time.
                assert_eq!(found.get(..2), wanted.get(..2), "{expression}");
                continue;
            }
            assert_eq!(found, wanted, "{expression} as {dialect}");
        }
    }
}
