//! Removing what need not be kept: what goes, what stays, and that the audit still holds.

use std::fs::{self, File};
use std::time::{Duration, UNIX_EPOCH};

use crake::daemon::pruner::{Pruner, Removed, Scope};
use crake::model::{Exit, Fence, Keep, Outcome, Planned, Record, RunId, Terms, Verdict};
use crake::schedule::Zone;
use crake::store::{Ack, NewSchedule, RunFilter, StoredOutput};
use rusqlite::Connection;
use serde_json::Value;

use crate::support::bench::{Bench, fire, job, live_run, new_run, schedule, whole_run};

const DAY: i64 = 86_400_000;

fn run_ids(bench: &Bench, job: &str) -> Vec<i64> {
    let filter = RunFilter {
        job: Some(job.to_owned()),
        ..RunFilter::default()
    };
    let runs = bench.store().runs(&filter).unwrap();
    runs.into_iter().rev().map(|r| r.run.0).collect()
}

/// A run that ended so many days ago, with output.
fn ran(bench: &Bench, run: i64, job: &str, days: i64, output: StoredOutput) {
    let at = bench.now - days * DAY;
    let mut records = whole_run(run, job, Outcome::Failed, Exit::Code(1), at - 10_000);
    if let Some(Record::Ended(ended)) = records.last_mut()
        && let Some(report) = &mut ended.report
    {
        report.output.total = 1_000;
    }
    bench.record(&records);
    let kept = [(RunId(run), 1, output)];
    bench.store().keep_output(&kept).unwrap();
}

fn here() -> StoredOutput {
    StoredOutput::Here(vec![7; 1_000])
}

/// A file of output of a claim, written so many days ago.
fn file(bench: &Bench, fence: i64, days: i64) -> String {
    let logs = bench.paths().logs;
    fs::create_dir_all(&logs).unwrap();
    let path = logs.join(format!("{fence}.out"));
    fs::write(&path, "x").unwrap();
    let at = Duration::from_millis((bench.now - days * DAY).cast_unsigned());
    let opened = File::options().append(true).open(&path).unwrap();
    opened.set_modified(UNIX_EPOCH + at).unwrap();
    path.to_str().unwrap().to_owned()
}

fn pruned(bench: &Bench, args: &[&str]) -> Value {
    let ran = bench.run(&[&["prune", "--json"], args].concat());
    assert_eq!(ran.code, 0, "{ran:?}");
    ran.json()["item"].clone()
}

/// Which of these runs still have output.
fn outputs(bench: &Bench, runs: &[i64]) -> Vec<i64> {
    let store = bench.store();
    let has = |run: &i64| store.output(RunId(*run), 1).unwrap().is_some();
    runs.iter().copied().filter(has).collect()
}

#[test]
fn old_runs_go_but_for_the_newest_and_what_a_job_keeps_is_its_own() {
    let bench = Bench::new();
    bench.job("plain", None, 1);
    let keeps = |runs, days: Option<i64>| Keep {
        runs,
        for_ms: days.map(|d| d * DAY),
        output: None,
    };
    for (name, keep) in [
        ("three", keeps(Some(3), None)),
        ("week", keeps(None, Some(7))),
    ] {
        let mut job = job(name);
        job.spec.keep = keep;
        bench.store().put_job(&job, &[], false, "ana", 1).unwrap();
    }
    let mut oneoff = job("oneoff");
    oneoff.listed = false;
    let put = bench.store().put_job(&oneoff, &[], false, "ana", 1);
    put.unwrap();
    for n in 0..30 {
        ran(&bench, n + 1, "plain", 500 - n, here());
        ran(&bench, n + 101, "three", 1, here());
        ran(&bench, n + 201, "week", 40 - n, here());
    }
    ran(&bench, 301, "oneoff", 500, here());
    ran(&bench, 302, "plain", 0, here());
    let wanted = pruned(&bench, &["-n"]);
    assert_eq!(run_ids(&bench, "plain").len(), 31, "nothing was removed");
    let done = pruned(&bench, &[]);
    for key in ["runs", "outputs", "output_bytes", "files", "rows"] {
        assert_eq!(wanted[key], done[key], "{key}: {wanted} {done}");
    }
    // 20 stay of each listed job, and of `three` the newest three whatever their age.
    assert_eq!(run_ids(&bench, "plain").len(), 20);
    assert_eq!(run_ids(&bench, "three"), [128, 129, 130]);
    assert_eq!(run_ids(&bench, "week"), (211..=230).collect::<Vec<_>>());
    assert_eq!(run_ids(&bench, "oneoff"), Vec::<i64>::new());
    assert!(bench.store().job("oneoff").unwrap().is_none());
    assert_eq!(done["runs"], 11 + 27 + 10 + 1);
    // What is older than 30 days has no output any more, that of `week` none older than 7.
    assert_eq!(outputs(&bench, &[130, 302, 30, 230, 211]), [130, 302]);
    let none = pruned(&bench, &[]);
    assert_eq!((&none["runs"], &none["outputs"]), (&0.into(), &0.into()));
}

#[test]
fn output_goes_the_oldest_first_until_it_fits() {
    let bench = Bench::new();
    let mut small = job("small");
    small.spec.keep.output = Some(2_500);
    bench.store().put_job(&small, &[], false, "ana", 1).unwrap();
    bench.job("plain", None, 1);
    for n in 1..=5 {
        ran(&bench, n, "small", 0, here());
        ran(&bench, n + 10, "plain", 0, here());
    }
    assert_eq!(pruned(&bench, &["small", "-n"])["outputs"], 3);
    assert_eq!(pruned(&bench, &[])["output_bytes"], 3_000);
    assert_eq!(outputs(&bench, &[1, 2, 3, 4, 5]), [4, 5]);
    let set = ["prune", "--set", "output-bytes=3K"];
    assert_eq!(bench.run(&set).code, 0);
    pruned(&bench, &["--output-only"]);
    assert_eq!(outputs(&bench, &[4, 5, 11, 12, 13, 14, 15]), [13, 14, 15]);
    assert_eq!(run_ids(&bench, "plain").len(), 5, "the runs stay");
    let refused = bench.run(&["prune", "--set", "output=sometimes"]);
    assert_eq!(refused.code, 2, "{refused:?}");
}

#[test]
fn files_go_with_their_runs_and_those_nobody_names_after_a_day() {
    let bench = Bench::new();
    bench.job("big", None, 1);
    for n in 1..=3 {
        let path = file(&bench, n, 100);
        ran(&bench, n, "big", 100 - n * 30, StoredOutput::File(path));
    }
    ran(&bench, 9, "big", 0, here());
    let (orphan, young) = (file(&bench, 77, 2), file(&bench, 78, 0));
    let stranger = bench.paths().logs.join("notes.out");
    fs::write(&stranger, "not ours").unwrap();
    assert_eq!(pruned(&bench, &["-n"])["files"], 1);
    assert!(fs::exists(&orphan).unwrap());
    let done = pruned(&bench, &["--keep", "3"]);
    let count = |key: &str| done[key].as_i64().unwrap();
    assert_eq!([count("runs"), count("outputs"), count("files")], [1, 1, 1]);
    let there = |path: &str| fs::exists(path).unwrap();
    let of = |n: i64| bench.paths().logs.join(format!("{n}.out")).exists();
    // The first went with its run, the second for its age; the third is ten days old.
    assert_eq!([of(1), of(2), of(3)], [false, false, true]);
    assert_eq!([there(&orphan), there(&young)], [false, true]);
    assert!(stranger.exists());
}

/// A job on the hour for 500 days, so many of its fires in the ledger.
fn with_ledger(bench: &Bench, name: &str, terms: Terms, count: usize) {
    let from = bench.now - 500 * DAY;
    let new = NewSchedule {
        terms,
        ..schedule("0 * * * *")
    };
    let put = bench
        .store()
        .put_job(&job(name), &[new], false, "ana", from);
    put.unwrap();
    let planned: Planned = bench.store().versions_of(name).unwrap().remove(0);
    let schedule = planned.schedule(&Zone::utc()).unwrap();
    let instants = schedule.upcoming(from).take_while(|at| *at <= bench.now);
    let records: Vec<Record> = instants
        .take(count)
        .map(|at| {
            let mut row = fire(&planned, at, Verdict::Paused);
            row.next_at = schedule.next_after(at);
            Record::Fire(row)
        })
        .collect();
    bench.record(&records);
}

#[test]
fn the_audit_says_since_when_the_ledger_is_kept_and_holds() {
    let bench = Bench::new();
    with_ledger(&bench, "hourly", Terms::default(), 20_000);
    bench.session(bench.now);
    let audit = |args: &[&str]| {
        let ran = bench.run(&[&["audit", "--json"], args].concat());
        (ran.code, ran.json()["item"].clone())
    };
    let (code, before) = audit(&[]);
    assert_eq!((code, &before["kept_since"]), (0, &Value::Null), "{before}");
    let would = pruned(&bench, &["-n"]);
    let done = pruned(&bench, &[]);
    assert_eq!(done["rows"], would["rows"]);
    assert!(done["rows"].as_i64().unwrap() >= 2_399, "{done}");
    for args in [&[][..], &["--since", "2000-01-01"]] {
        let (code, after) = audit(args);
        assert_eq!(code, 0, "{after}");
        assert_eq!((&after["missing"], &after["extra"]), (&0.into(), &0.into()));
        assert_eq!(after["kept_since"], done["ledger_since"]);
        assert_eq!(after["since"], done["ledger_since"]);
        assert!(after["planned"].as_i64() < before["planned"].as_i64());
    }
    let words = bench.run(&["audit"]).out;
    assert!(words.contains("the ledger is kept since"), "{words}");
    // What lies after the mark is as strictly held as ever.
    let client = Connection::open(bench.paths().store).unwrap();
    let sql = "DELETE FROM fire WHERE planned_at = (SELECT max(planned_at) FROM fire)";
    client.execute(sql, []).unwrap();
    assert_eq!(audit(&[]).0, 1);
}

#[test]
fn fires_that_are_counted_stay() {
    let bench = Bench::new();
    let terms = Terms {
        max_fires: Some(50_000),
        ..Terms::default()
    };
    with_ledger(&bench, "counted", terms, 100);
    assert_eq!(pruned(&bench, &[])["rows"], 0);
}

#[test]
fn no_number_is_given_out_twice_whatever_is_removed() {
    let bench = Bench::new();
    bench.job("a", None, 1);
    for n in 1..=5 {
        ran(&bench, n * 10, "a", 1, here());
    }
    let fence = bench.store().last_fence().unwrap();
    assert_eq!(fence, Fence(50));
    let ack = Ack {
        at: 1,
        by: "ana".to_owned(),
        note: None,
        until: None,
    };
    bench.store().acknowledge_run(RunId(10), &ack).unwrap();
    assert_eq!(pruned(&bench, &["--keep", "0"])["runs"], 4);
    let mut store = bench.store();
    assert_eq!(store.last_fence().unwrap(), fence);
    store.give_back_numbers().unwrap();
    assert!(store.reserve_numbers(1).unwrap() > RunId(50));
    let client = Connection::open(bench.paths().store).unwrap();
    let count = "SELECT count(*) FROM ack";
    let left: i64 = client.query_row(count, [], |row| row.get(0)).unwrap();
    assert_eq!(left, 0);
    // The highest claim goes as well once its run is not the newest.
    let mut records = vec![Record::New(new_run(60, "a", bench.now))];
    records.extend(crate::support::bench::started(
        RunId(60),
        "a",
        1,
        2,
        bench.now,
    ));
    bench.record(&records);
    assert_eq!(pruned(&bench, &["--keep", "0"])["runs"], 1);
    assert_eq!(bench.store().last_fence().unwrap(), fence);
}

#[test]
fn what_is_alive_or_waits_is_never_removed() {
    let bench = Bench::new();
    bench.job("a", None, 1);
    let old = bench.now - 900 * DAY;
    bench.record(&[Record::New(new_run(1, "a", old))]);
    bench.record(&live_run(2, "a", old));
    ran(&bench, 3, "a", 900, here());
    ran(&bench, 4, "a", 0, here());
    let args = ["--keep", "0", "--older", "1h"];
    assert_eq!(pruned(&bench, &args)["runs"], 1);
    assert_eq!(run_ids(&bench, "a"), [1, 2, 4]);
}

#[test]
fn each_step_is_small_and_a_round_comes_to_its_end() {
    let bench = Bench::new();
    let mut few = job("few");
    few.spec.keep.runs = Some(1);
    bench.store().put_job(&few, &[], false, "ana", 1).unwrap();
    let runs =
        (1..=1_000).flat_map(|n| whole_run(n, "few", Outcome::Succeeded, Exit::Code(0), bench.now));
    bench.record(&runs.collect::<Vec<Record>>());
    let mut pruner = Pruner::new(&bench.paths().logs, Scope::default());
    let (mut store, mut all) = (bench.store(), Removed::default());
    for step in 0..100 {
        let (removed, done) = pruner.step(&mut store, bench.now).unwrap();
        assert!(removed.runs <= 200, "{removed:?}");
        all.add(removed);
        if done {
            assert!(step >= 5);
            break;
        }
    }
    assert_eq!(all.runs, 999);
    assert_eq!(run_ids(&bench, "few"), [1_000]);
    let words = bench.run(&["logs", "1000"]).err;
    assert!(words.contains("wrote nothing"), "{words}");
}

#[test]
fn output_that_is_gone_is_not_taken_for_none() {
    let bench = Bench::new();
    bench.job("a", None, 1);
    ran(&bench, 1, "a", 40, here());
    pruned(&bench, &[]);
    let words = bench.run(&["logs", "1"]).err;
    assert!(words.contains("no longer kept"), "{words}");
}
