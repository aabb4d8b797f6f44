//! `docs/faults.md` lists every fault once, and names tests that exist.

use std::fs;

use crate::support::sandbox::in_package;
use crate::tidy::rust_files;

#[test]
fn each_fault_is_listed_with_a_test_that_exists() {
    let text = fs::read_to_string(in_package("docs/faults.md")).unwrap();
    let tests: String = rust_files("tests")
        .into_iter()
        .chain(rust_files("src"))
        .map(|f| fs::read_to_string(f).unwrap())
        .collect();
    let mut faults = Vec::new();
    let mut numbers = Vec::new();
    for line in text.lines() {
        let cells: Vec<&str> = line.split(" | ").collect();
        let [number, _, _, held] = cells[..] else {
            continue;
        };
        let Ok(number) = number.trim_start_matches("| ").parse::<u32>() else {
            continue;
        };
        numbers.push(number);
        let named: Vec<&str> = held.split('`').skip(1).step_by(2).collect();
        for name in named.iter().filter(|n| !n.contains(['.', '/'])) {
            if !tests.contains(&format!("fn {name}(")) {
                faults.push(format!(
                    "fault {number} names {name}, and there is no such test"
                ));
            }
        }
        if named.is_empty() && !held.contains("not run: ") {
            faults.push(format!(
                "fault {number} names neither a test nor why there is none"
            ));
        }
    }
    let all: Vec<u32> = (1..=54).collect();
    assert_eq!(numbers, all);
    assert!(faults.is_empty(), "{faults:#?}");
}

#[test]
fn the_sqlite_in_the_program_loses_no_commits() {
    let version = rusqlite::version_number();
    assert!(version >= 3_051_003, "{}", rusqlite::version());
}
