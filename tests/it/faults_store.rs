//! Whatever happens to the file of the store, fires go on, and nothing of what was recorded is lost.

use std::fs::{self, File};

use crate::support::ticking::{mended, overwrite, put_aside, ticking, whole};
use crate::support::wait::{pass, until};

fn damaged_while_running(part: impl Fn(u64) -> (u64, u64)) {
    let mut instance = ticking();
    // Defined after the copy was made: the journal alone has it.
    instance.add("late", "true", &["-s", "@daily"]);
    // What is destroyed in the instant in which it was written is lost; the journal follows at once.
    instance.until_sql("NOT EXISTS(SELECT 1 FROM touched WHERE name = 'job' AND k1 = 'late')");
    overwrite(&instance, part);
    mended(&instance, 0);
    let doctor = instance.sandbox.run(&["doctor"]);
    assert!(doctor.stdout.contains("put aside"), "{doctor:?}");
    whole(&mut instance);
    let late = instance.sandbox.run(&["show", "late"]);
    assert_eq!(late.code, 0, "{late:?}");
    assert!(
        put_aside(&instance)
            .iter()
            .any(|p| p.to_str().unwrap().ends_with("Z"))
    );
}

#[test]
fn a_store_overwritten_whole_is_made_anew() {
    damaged_while_running(|size| (0, size));
}

#[test]
fn a_store_whose_header_is_overwritten_is_made_anew() {
    damaged_while_running(|_| (0, 100));
}

#[test]
fn a_store_with_damaged_pages_in_the_middle_is_made_anew() {
    // Half of it, so that pages are among them that are read all the time.
    damaged_while_running(|size| (size / 4 / 4096 * 4096, size / 2 / 4096 * 4096));
}

#[test]
fn a_store_cut_to_nothing_is_made_anew() {
    let mut instance = ticking();
    File::create(instance.sandbox.store()).unwrap();
    mended(&instance, 0);
    whole(&mut instance);
}

#[test]
fn a_deleted_store_comes_back() {
    let mut instance = ticking();
    fs::remove_file(instance.sandbox.store()).unwrap();
    // A command that comes meanwhile makes no empty one.
    let answer = instance.sandbox.run(&["add", "new", "-c", "true"]);
    if answer.code != 0 {
        assert!(answer.stderr.contains("gone"), "{answer:?}");
    }
    mended(&instance, 0);
    whole(&mut instance);
}

#[test]
fn a_copy_put_in_the_place_of_the_store_is_put_aside() {
    let mut instance = ticking();
    let store = instance.sandbox.store();
    let old = instance.sandbox.path("old.db");
    fs::copy(&store, &old).unwrap();
    pass(1_500);
    fs::rename(&old, &store).unwrap();
    mended(&instance, 0);
    whole(&mut instance);
}

#[test]
fn a_daemon_starts_over_a_damaged_store() {
    let mut instance = ticking();
    assert_eq!(instance.stop(), 0);
    overwrite(&instance, |size| (0, size));
    let answer = instance.sandbox.run(&["list"]);
    assert_eq!(answer.code, 1, "{answer:?}");
    assert!(answer.stderr.contains("crake daemon"), "{answer:?}");
    let runs = instance.lines("fires").len();
    instance.start_blindly();
    mended(&instance, 0);
    instance.until_lines("fires", runs + 2);
    whole(&mut instance);
}

/// Without the journal nobody knows which claims ended: none of them may be started again.
#[test]
fn no_fire_runs_twice_when_the_journal_is_lost_as_well() {
    let mut instance = ticking();
    assert_eq!(instance.stop(), 0);
    overwrite(&instance, |size| (0, size));
    for entry in fs::read_dir(instance.sandbox.path("home/spool")).unwrap() {
        let path = entry.unwrap().path();
        if path.to_str().unwrap().contains("journal.") {
            fs::remove_file(path).unwrap();
        }
    }
    instance.start_blindly();
    mended(&instance, 0);
    let seen = instance.lines("fires").len();
    let mut started = instance.until_lines("fires", seen + 2);
    let all = started.len();
    started.sort();
    started.dedup();
    assert_eq!(started.len(), all, "a fire ran twice");
    instance
        .until_sql("EXISTS(SELECT 1 FROM event WHERE level = 'error' AND text LIKE '%lost: %')");
    instance.stop_and_audit();
}

/// As a last resort what can still be read of the damaged file is taken.
#[test]
fn what_can_still_be_read_is_taken_where_there_is_no_copy() {
    let mut instance = ticking();
    assert_eq!(instance.stop(), 0);
    let query = "SELECT rootpage FROM sqlite_master WHERE name = 'history'";
    let page: i64 = instance.cell(query).unwrap();
    let from = (u64::try_from(page).unwrap() - 1) * 4096;
    overwrite(&instance, |_| (from, 4096));
    fs::remove_dir_all(instance.sandbox.path("home/backup")).unwrap();
    instance.start_blindly();
    mended(&instance, 0);
    assert_eq!(instance.sandbox.items(&["list"]).len(), 2);
    let seen = instance.lines("fires").len();
    instance.until_lines("fires", seen + 2);
}

/// A directory that was moved away takes the store with it, and what is recorded goes there.
#[test]
fn a_directory_that_is_moved_away_and_back_loses_nothing() {
    let mut instance = ticking();
    let (home, away) = (instance.sandbox.path("home"), instance.sandbox.path("away"));
    fs::rename(&home, &away).unwrap();
    // Two looks of the store side, and more than one fire.
    pass(5_000);
    fs::rename(&away, &home).unwrap();
    until("the daemon is well again", || {
        let answer = instance.sandbox.run(&["status", "--json"]);
        let well = answer.code == 0 && answer.json()["item"]["daemon"]["degraded"].is_null();
        well.then_some(())
    });
    assert!(put_aside(&instance).is_empty());
    let seen = instance.lines("fires").len();
    instance.until_lines("fires", seen + 2);
    instance.stop_and_audit();
}
