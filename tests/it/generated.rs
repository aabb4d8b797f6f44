//! Files made of the command line's own description: they must be as it is now.
//!
//! `CRAKE_UPDATE=1 cargo test generated` writes them anew.

use std::collections::BTreeSet;
use std::fs;

use crate::support::sandbox::in_package;

/// Compares files of one directory with what they should be, or writes them.
fn compare(dir: &str, wanted: &[(String, String)]) {
    let dir_path = in_package(dir);
    if std::env::var_os("CRAKE_UPDATE").is_some() {
        fs::create_dir_all(&dir_path).expect("a directory");
        for (name, text) in wanted {
            fs::write(dir_path.join(name), text).expect("a file");
        }
    }
    for (name, text) in wanted {
        let found = fs::read_to_string(dir_path.join(name)).unwrap_or_default();
        assert!(
            found == *text,
            "{dir}/{name} is not as the program is: CRAKE_UPDATE=1 cargo test generated"
        );
    }
}

#[test]
fn generated_man_pages_are_as_the_program_is() {
    let pages = crake::cli::man_pages().expect("pages");
    compare("man", &pages);
    let wanted: BTreeSet<String> = pages.into_iter().map(|(name, _)| name).collect();
    let found: BTreeSet<String> = fs::read_dir(in_package("man"))
        .expect("a directory")
        .map(|entry| {
            let name = entry.expect("an entry").file_name();
            name.to_string_lossy().into_owned()
        })
        .filter(|name| name.ends_with(".1") || name.ends_with(".5"))
        .collect();
    assert_eq!(found, wanted, "a page of a command that is no more");
}

#[test]
fn generated_completions_are_as_the_program_prints_them() {
    let shims: Vec<(String, String)> = crake::cli::SHIMS
        .iter()
        .map(|(_, name, text)| ((*name).to_owned(), (*text).to_owned()))
        .collect();
    compare("completions", &shims);
}

#[test]
fn generated_reference_is_as_the_program_is() {
    let reference = ("cli.md".to_owned(), crake::cli::cli_reference());
    compare("docs", &[reference]);
}

#[test]
fn generated_schema_of_jobs_files_is_as_the_program_is() {
    let schema = (
        "crake-jobs.schema.json".to_owned(),
        crake::cli::jobs_schema(),
    );
    compare("docs", &[schema]);
}

#[test]
fn generated_help_has_every_command_in_exactly_one_group() {
    let wrong = crake::cli::misplaced_commands();
    assert!(wrong.is_empty(), "not in exactly one group: {wrong:?}");
}

#[test]
fn generated_command_line_is_sound() {
    crake::cli::root_command().debug_assert();
}
