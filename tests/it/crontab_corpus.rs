//! Real crontabs of strangers against what the real crons made of them.
//!
//! The files are third-party text and no part of the package; without them the test says so.

use std::fs;
use std::path::{Path, PathBuf};

use crake::crontab::{Dialect, suggest_names, warnings};
use serde_json::Value;

use crate::crontab_truth::{expected, parse, records};

fn corpus() -> Option<PathBuf> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../shared/corpus");
    path.join("truth.jsonl").is_file().then_some(path)
}

#[test]
fn every_file_reads_as_the_real_crons_read_it() {
    let Some(corpus) = corpus() else {
        eprintln!("SKIPPED: the corpus of real crontabs is not there");
        return;
    };
    let truth = fs::read_to_string(corpus.join("truth.jsonl")).expect("the records");
    let (mut files, mut lines) = (0, 0);
    let mut differences = Vec::new();
    for object in truth.lines() {
        let object: Value = serde_json::from_str(object).expect("a record");
        let name = object["file"].as_str().expect("a file name");
        let bytes = fs::read(corpus.join("files").join(name)).expect("a file of the corpus");
        let format = object["format"].as_str().expect("a format");
        files += 1;
        for dialect in Dialect::ALL {
            let table = parse(&bytes, dialect, format);
            let wanted: Vec<Value> = object["lines"]
                .as_array()
                .expect("lines")
                .iter()
                .filter(|line| line["k"] != "noeol")
                .map(|line| expected(line, dialect))
                .collect();
            lines += wanted.len();
            let found = records(&table);
            for at in 0..wanted.len().max(found.len()) {
                if wanted.get(at) != found.get(at) {
                    let pair = (wanted.get(at), found.get(at));
                    differences.push(format!("{name} as {dialect}: {pair:?}"));
                }
            }
            let verdict = table.verdict.to_string();
            if object[dialect.as_str()] != verdict.as_str() {
                let wanted = &object[dialect.as_str()];
                differences.push(format!(
                    "{name} as {dialect}: {verdict}, should be {wanted}"
                ));
            }
        }
    }
    println!(
        "{files} files, {lines} lines in two dialects, {} differences",
        differences.len()
    );
    assert!(files > 0, "the corpus is empty");
    assert!(differences.is_empty(), "{}", differences.join("\n"));
}

#[test]
fn every_file_gets_usable_names_and_no_panic() {
    let Some(corpus) = corpus() else {
        eprintln!("SKIPPED: the corpus of real crontabs is not there");
        return;
    };
    let truth = fs::read_to_string(corpus.join("truth.jsonl")).expect("the records");
    for object in truth.lines() {
        let object: Value = serde_json::from_str(object).expect("a record");
        let name = object["file"].as_str().expect("a file name");
        let bytes = fs::read(corpus.join("files").join(name)).expect("a file of the corpus");
        for dialect in Dialect::ALL {
            let table = parse(
                &bytes,
                dialect,
                object["format"].as_str().expect("a format"),
            );
            let names = suggest_names(&table, &bytes);
            assert_eq!(names.len(), table.entries().count());
            let mut unique: Vec<&str> = names.iter().map(|named| named.name.as_str()).collect();
            if std::env::var_os("CRAKE_SHOW_NAMES").is_some() {
                println!("{unique:?}");
            }
            unique.sort_unstable();
            unique.dedup();
            assert_eq!(unique.len(), names.len(), "{names:?}");
            assert!(names.iter().all(|named| is_name(&named.name)), "{names:?}");
            warnings(&table, &bytes, &crake::crontab::HostFacts::default());
        }
    }
}

fn is_name(name: &str) -> bool {
    let plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '_' | '-');
    !name.is_empty() && name.len() <= 60 && name.chars().all(plain)
}
