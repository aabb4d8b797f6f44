//! Real crontabs through the program itself: what `import --json` says is what the crons made of them.

use crake::crontab::Dialect;
use crake::model::Raw;
use serde_json::{Value, json};

use crate::crontab_truth::{expected, text};
use crate::support::corpus::{CorpusFile, corpus};
use crate::support::sandbox::Sandbox;

/// A value of the answer as the records write it: each byte a character.
fn latin(value: &Value) -> Value {
    match serde_json::from_value::<Raw>(value.clone()) {
        Ok(raw) => json!(text(&raw.0)),
        Err(_) => Value::Null,
    }
}

/// A line of the answer in the shape of the records.
fn shaped(line: &Value, wanted: &Value) -> Value {
    let number = &line["line"];
    match line["k"].as_str() {
        Some("entry") if wanted.get("random_minute").is_some() => {
            json!({"line": number, "k": "entry", "random_minute": true})
        }
        Some("entry") => {
            let flag = |key: &str| json!(u8::from(line[key].as_bool().expect("a flag")));
            json!({
                "line": number, "k": "entry",
                "min": line["min"], "hour": line["hour"], "dom": line["dom"], "mon": line["mon"],
                "dow": line["dow"], "reboot": flag("reboot"),
                "dom_star": flag("dom_star"), "dow_star": flag("dow_star"),
                "cmd": latin(&line["cmd"]), "user": latin(&line["user"]), "n": flag("mail_on_failure"),
            })
        }
        Some("env") => json!({"line": number, "k": "env", "kv": latin(&line["kv"])}),
        _ => json!({"line": number, "k": "error", "msg": line["error"]}),
    }
}

fn differences(file: &CorpusFile, dialect: Dialect, item: &Value) -> Vec<String> {
    let mut found = Vec::new();
    let wanted: Vec<Value> = file.truth["lines"]
        .as_array()
        .expect("lines")
        .iter()
        .filter(|line| line["k"] != "noeol")
        .map(|line| expected(line, dialect))
        .collect();
    let said: Vec<&Value> = item["lines"]
        .as_array()
        .expect("lines")
        .iter()
        .filter(|line| !matches!(line["k"].as_str(), Some("blank" | "comment")))
        .collect();
    for at in 0..wanted.len().max(said.len()) {
        let none = Value::Null;
        let wanted = wanted.get(at).unwrap_or(&none);
        let is = said
            .get(at)
            .map_or(Value::Null, |line| shaped(line, wanted));
        if *wanted != is {
            found.push(format!("{} as {dialect}: {wanted} is {is}", file.name));
        }
    }
    if item["verdict"] != file.truth[dialect.as_str()] {
        found.push(format!("{} as {dialect}: {}", file.name, item["verdict"]));
    }
    found
}

/// The next ten fires of each entry as recorded from Debian's bit sets, and the 400 days of each that
/// the emulated main loop and our own search agree on.
fn wrong_fires(file: &CorpusFile, dialect: Dialect, item: &Value) -> Vec<String> {
    let mut found = Vec::new();
    let records = file.truth["lines"].as_array().expect("lines");
    for job in item["jobs"].as_array().expect("jobs") {
        if job["equal"] == false {
            found.push(format!("{} as {dialect}: {job}", file.name));
        }
        let record = records
            .iter()
            .find(|r| r["line"] == job["line"] && r["k"] == "entry");
        let own = record.is_none_or(|r| {
            dialect == Dialect::Cronie
                && r.get("cronie").is_some_and(|c| {
                    c["min"] != r["min"] || c["dow"] != r["dow"] || c["dom"] != r["dom"]
                })
        });
        let Some(record) = record.filter(|_| !own) else {
            continue;
        };
        if job["written"] == "@reboot" {
            assert_eq!(record["next_utc_after_2026_01_01"], json!(["@reboot"]));
            continue;
        }
        let next: Vec<String> = job["next"]
            .as_array()
            .expect("fires")
            .iter()
            .map(|at| format!("{}Z", &at.as_str().expect("an instant")[..16]))
            .collect();
        // What is rare was recorded over nine years only.
        let recorded = record["next_utc_after_2026_01_01"]
            .as_array()
            .map_or(0, Vec::len);
        let next = match next.get(recorded) {
            Some(at) if at.as_str() > "2034" => &next[..recorded],
            _ => &next[..],
        };
        if json!(next) != record["next_utc_after_2026_01_01"] {
            let wanted = &record["next_utc_after_2026_01_01"];
            found.push(format!("{} as {dialect}: {wanted} is {next:?}", file.name));
        }
    }
    found
}

#[test]
fn import_corpus_is_read_through_the_program_as_the_real_crons_read_it() {
    let sandbox = Sandbox::new();
    let (mut lines, mut fires) = (Vec::new(), Vec::new());
    let files = corpus();
    for file in &files {
        for dialect in Dialect::ALL {
            let path = file.path.display().to_string();
            let args = [
                "import",
                &path,
                "-n",
                "--dialect",
                dialect.as_str(),
                "--format",
                &file.format,
                "--from",
                "2026-01-01T00:00:00Z",
            ];
            let item = sandbox.item(&args);
            lines.extend(differences(file, dialect, &item));
            fires.extend(wrong_fires(file, dialect, &item));
        }
    }
    eprintln!(
        "{} files, two dialects: {} differences",
        files.len(),
        lines.len() + fires.len()
    );
    assert!(lines.is_empty(), "{}", lines.join("\n"));
    assert!(fires.is_empty(), "{}", fires.join("\n"));
}

#[test]
fn import_corpus_of_other_programs_is_read() {
    let dir = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("../shared/corpus");
    let Ok(index) = std::fs::read_to_string(dir.join("index.tsv")) else {
        eprintln!("SKIPPED: the corpus of real crontabs is not there");
        return;
    };
    let sandbox = Sandbox::new();
    for row in index.lines() {
        let columns: Vec<&str> = row.split('\t').collect();
        let [name, kind @ ("anacron" | "seconds"), _, entries, ..] = columns.as_slice() else {
            continue;
        };
        let path = dir.join("files").join(name).display().to_string();
        let item = sandbox.item(&["import", &path, "-n", "--format", kind]);
        assert_eq!(item["verdict"], "ok", "{item}");
        let jobs = item["jobs"].as_array().expect("jobs");
        assert_eq!(jobs.len().to_string(), *entries, "{item}");
        assert!(
            jobs.iter()
                .all(|job| job["action"] == "added" && job["next"][0].is_string()),
            "{item}"
        );
    }
}

const PROBES: &str = include_str!("../data/crontab/dialect-probe.tsv");

#[test]
fn import_probes_are_read_through_the_program_as_recorded() {
    let sandbox = Sandbox::new();
    let mut rows = 0;
    for row in PROBES.lines().filter(|row| !row.starts_with('#')).skip(1) {
        let columns: Vec<&str> = row.split('\t').collect();
        let [shown, debian, cronie] = columns.as_slice() else {
            panic!("three columns: {row}")
        };
        rows += 1;
        // Two lines are cut off in the records; the reader's own test puts them together again.
        let Ok(line) = serde_json::from_str::<String>(shown) else {
            continue;
        };
        for (dialect, wanted) in [("debian", debian), ("cronie", cronie)] {
            let wanted: Value = serde_json::from_str(wanted).expect("a record");
            let bytes = format!("{line}\n").into_bytes();
            let args = [
                "import",
                "-",
                "-n",
                "--json",
                "--dialect",
                dialect,
                "--format",
                "user",
            ];
            let item = sandbox.feed(&bytes, &args).json()["item"].clone();
            let is = &item["lines"][0];
            let same = match (wanted.get("error"), wanted["env"].as_str()) {
                (Some(error), _) => is["error"] == *error,
                (None, Some(env)) => latin(&is["kv"]) == json!(env) || env.contains("…(len "),
                (None, None) => same_entry(is, &wanted["entry"]),
            };
            assert!(same, "{line:?} as {dialect}: {is} should be {wanted}");
        }
    }
    assert_eq!(rows, 79);
}

fn same_entry(is: &Value, wanted: &Value) -> bool {
    let sets = ["min", "hour", "dom", "mon", "dow"]
        .iter()
        .all(|key| wanted[*key] == "random" || is[*key] == wanted[*key]);
    let flags = [
        ("reboot", "reboot"),
        ("dom_star", "domstar"),
        ("dow_star", "dowstar"),
    ];
    let flags = flags.iter().all(|(ours, theirs)| {
        json!(u8::from(is[*ours].as_bool() == Some(true))) == wanted[*theirs]
    });
    sets && flags && latin(&is["cmd"]) == wanted["cmd"]
}
