//! `crake doctor`: each check on a home made for it, and the judgement on facts made by hand.

use std::fs::{Permissions, set_permissions};
use std::os::unix::fs::PermissionsExt;

use crake::model::{Command, Pause};
use crake::schedule::Zone;
use crake::view::doctor::{Facts, JobFacts, State, StoreFacts, examine};
use serde_json::Value;

use crate::support::bench::{Bench, Ran, job, schedule};
use crate::support::instance::Instance;

const CHECKS: [&str; 9] = [
    "daemon",
    "store",
    "tzdata",
    "schedules",
    "clock",
    "space",
    "cron",
    "path",
    "watches",
];
const DAY: i64 = 86_400_000;

/// A home with a daemon and a job nothing is wrong with.
fn healthy() -> Bench {
    let bench = Bench::new();
    bench.job("backup", Some("30 2 * * *"), bench.now);
    bench.session(bench.now);
    bench.daemon(|_| {});
    bench
}

/// The exit code, and what one check says.
#[track_caller]
fn check(bench: &Bench, name: &str) -> (i32, String, String, String) {
    let ran = bench.run(&["doctor", "--json"]);
    let items = ran.json()["items"].as_array().unwrap().clone();
    let item = items.iter().find(|item| item["check"] == name).unwrap();
    let text = |key: &str| item[key].as_str().unwrap_or_default().to_owned();
    (ran.code, text("state"), text("what"), text("fix"))
}

/// Gives the job a schedule that no command would take: expression and zone, as SQL.
#[track_caller]
fn plant(bench: &Bench, values: &str) {
    let store = rusqlite::Connection::open(bench.paths().store).unwrap();
    let sql = format!(
        "INSERT INTO schedule(job, expr, zone, from_at) SELECT 'backup', v.*, {} FROM (SELECT {values}) v",
        bench.now
    );
    store.execute(&sql, []).unwrap();
}

#[test]
fn a_healthy_home_fails_no_check() {
    let instance = Instance::running();
    instance
        .sandbox
        .ok(&["add", "greet", "-s", "30 2 * * *", "--", "/bin/true"]);
    let text = instance.sandbox.ok(&["doctor"]).stdout;
    let checks: Vec<&str> = text.lines().filter(|l| !l.starts_with(' ')).collect();
    assert_eq!(checks.len(), CHECKS.len(), "{text}");
    for (line, name) in checks.iter().zip(CHECKS) {
        let mut words = line.split_whitespace();
        assert!(["ok", "warn"].contains(&words.next().unwrap()), "{line}");
        assert_eq!(words.next(), Some(name), "{line}");
    }
    assert!(checks[0].starts_with("ok    daemon     up "), "{text}");
    assert!(checks[1].starts_with("ok "), "{text}");
    // A system may have zone files and nothing that tells their edition.
    let unknown = checks[2].contains("edition unknown");
    assert!(unknown || checks[2].contains(&Zone::edition()), "{text}");
    assert!(checks[3].contains("1 job, nothing wrong"), "{text}");
}

#[test]
fn every_item_has_the_same_keys() {
    let items = healthy().items(&["doctor"]);
    let names: Vec<&str> = items.iter().filter_map(|i| i["check"].as_str()).collect();
    assert_eq!(names, CHECKS);
    for item in items {
        let keys: Vec<&String> = item.as_object().unwrap().keys().collect();
        assert_eq!(keys, ["check", "fix", "state", "what"]);
        assert!(
            item["state"] != "ok" || item["fix"] == Value::Null,
            "{item}"
        );
    }
}

#[test]
fn a_home_nobody_used_yet_is_not_made_by_looking_at_it() {
    let bench = Bench::new();
    let (code, state, what, _) = check(&bench, "store");
    assert_eq!((code, state.as_str()), (0, "ok"));
    assert!(what.contains("nothing stored yet"), "{what}");
    assert!(!bench.paths().store.exists());
}

#[test]
fn no_daemon_for_a_job_fails() {
    let bench = Bench::new();
    bench.job("backup", Some("30 2 * * *"), bench.now);
    let (code, state, _, fix) = check(&bench, "daemon");
    assert_eq!(
        (code, state.as_str(), fix.as_str()),
        (1, "fail", "crake daemon")
    );
}

#[test]
fn an_unknown_zone_fails_and_names_the_job() {
    let bench = healthy();
    plant(&bench, "'5 4 * * *', 'Mars/Olympus'");
    let (code, state, what, fix) = check(&bench, "tzdata");
    assert_eq!((code, state.as_str()), (1, "fail"));
    assert!(
        what.ends_with("unknown zone of: backup (Mars/Olympus)"),
        "{what}"
    );
    assert_eq!(fix, "crake edit backup");
}

#[test]
fn an_expression_nobody_can_plan_fails() {
    let bench = healthy();
    plant(&bench, "'61 * * * *', NULL");
    let (code, state, what, _) = check(&bench, "schedules");
    assert_eq!((code, state.as_str()), (1, "fail"));
    assert!(
        what.starts_with("cannot be planned: backup (\"61 "),
        "{what}"
    );
}

#[test]
fn a_schedule_that_never_fires_again_is_warned_of() {
    let bench = healthy();
    bench.job("leap", Some("0 0 30 2 *"), bench.now);
    let (code, state, what, fix) = check(&bench, "schedules");
    assert_eq!((code, state.as_str()), (0, "warn"));
    assert_eq!(what, "never fires again: leap (\"0 0 30 2 *\")");
    assert_eq!(fix, "crake edit leap");
}

#[test]
fn a_schedule_that_came_to_its_end_is_not_dead() {
    let bench = healthy();
    bench.job("once", Some("at 2024-02-01T08:00:00Z"), 1_700_000_000_000);
    let (_, state, what, _) = check(&bench, "schedules");
    assert_eq!(state, "ok", "{what}");
}

#[test]
fn a_pause_of_more_than_a_week_is_warned_of() {
    let bench = healthy();
    let pause = |days: i64| Pause {
        from: bench.now - days * DAY,
        until: None,
        by: "ana".to_owned(),
        reason: None,
    };
    bench.store().pause_job("backup", &pause(6)).unwrap();
    assert_eq!(check(&bench, "schedules").1, "ok");
    bench.store().pause_job("backup", &pause(8)).unwrap();
    let (code, state, what, fix) = check(&bench, "schedules");
    assert_eq!((code, state.as_str()), (0, "warn"));
    assert_eq!(what, "paused for long: backup (8d)");
    assert_eq!(fix, "crake resume backup");
}

#[test]
fn a_program_that_is_not_there_is_warned_of() {
    let bench = healthy();
    let put = |name: &str, command: Command| {
        let mut job = job(name);
        job.spec.command = command;
        let at = [schedule("0 3 * * *")];
        bench
            .store()
            .put_job(&job, &at, false, "ana", bench.now)
            .unwrap();
    };
    let line = |text: &str| Command::Line(text.into());
    put("gone", line("no-such-program --all"));
    put("far", line("/no/such/program"));
    put("words", Command::Argv(vec!["no-such-word".into()]));
    put("there", line("ls /"));
    put("shell", line("no-such-program | sort"));
    let (code, state, what, fix) = check(&bench, "path");
    assert_eq!((code, state.as_str()), (0, "warn"));
    let named = "far (/no/such/program), gone (no-such-program), words (no-such-word)";
    assert_eq!(what, format!("program not found: {named}"));
    assert_eq!(fix.lines().count(), 3);
}

#[test]
fn the_path_a_job_sets_for_itself_is_the_one_searched() {
    let bench = healthy();
    let mut job = job("own");
    job.spec.command = Command::Line("ls /".into());
    job.spec.env = vec![("PATH".to_owned(), "/no/such/directory".into())];
    bench
        .store()
        .put_job(&job, &[], false, "ana", bench.now)
        .unwrap();
    assert_eq!(check(&bench, "path").2, "program not found: own (ls)");
}

#[test]
fn a_directory_others_may_enter_is_warned_of() {
    let bench = healthy();
    let dir = bench.paths().home;
    set_permissions(&dir, Permissions::from_mode(0o700)).unwrap();
    assert_eq!(check(&bench, "store").1, "ok");
    set_permissions(&dir, Permissions::from_mode(0o755)).unwrap();
    let (code, state, what, fix) = check(&bench, "store");
    assert_eq!((code, state.as_str()), (0, "warn"));
    assert_eq!(what, "the directory has mode 0755, not 0700");
    assert_eq!(fix, format!("chmod 700 {}", dir.display()));
}

#[test]
fn a_clock_before_the_last_session_fails() {
    let bench = healthy();
    bench.session(bench.now + 3_600_000);
    let (code, state, ..) = check(&bench, "clock");
    assert_eq!((code, state.as_str()), (1, "fail"));
}

#[test]
fn a_store_that_is_none_fails_and_the_rest_is_still_told() {
    let bench = Bench::new();
    std::fs::write(
        bench.paths().store,
        "no database, but long enough ".repeat(100),
    )
    .unwrap();
    let Ran { code, out, .. } = bench.run(&["doctor"]);
    assert_eq!(code, 1, "{out}");
    assert!(out.contains("fail  store      "), "{out}");
    assert!(out.contains("is not a database"), "{out}");
    assert!(out.contains("fail  daemon     "), "{out}");
    for name in [
        "tzdata   ",
        "schedules",
        "clock    ",
        "cron     ",
        "path     ",
    ] {
        let line = format!("warn  {name}  not looked at");
        assert!(out.contains(&line), "{out}");
    }
    assert!(out.contains("  space  "), "{out}");
}

/// What the check of that name makes of facts.
fn judged(facts: &Facts, name: &str) -> (State, String) {
    let checks = examine(facts);
    let check = checks.into_iter().find(|check| check.name == name).unwrap();
    (check.state, check.what)
}

#[test]
fn a_cron_matters_only_where_imported_jobs_are_in_force() {
    let imported = |in_force| JobFacts {
        name: "nightly".to_owned(),
        imported: true,
        in_force,
        ..JobFacts::default()
    };
    let facts = |crons: &[i32], in_force| Facts {
        jobs: Some(vec![imported(in_force)]),
        crons: crons.to_vec(),
        ..Facts::default()
    };
    let (state, what) = judged(&facts(&[77], true), "cron");
    assert_eq!(state, State::Warn);
    assert!(
        what.contains("pid 77") && what.ends_with(": nightly"),
        "{what}"
    );
    assert_eq!(judged(&facts(&[77], false), "cron").0, State::Ok);
    assert_eq!(judged(&facts(&[], true), "cron").0, State::Ok);
}

#[test]
fn little_space_and_a_long_log_are_warned_of() {
    let facts = |space, wal| Facts {
        space: Some(space),
        store: StoreFacts {
            wal,
            ..StoreFacts::default()
        },
        ..Facts::default()
    };
    let mib = 1 << 20;
    let full = facts((4_000 * mib, 100_000 * mib), 65 * mib);
    assert_eq!(judged(&full, "space").0, State::Warn);
    assert_eq!(judged(&full, "store").0, State::Warn);
    let small = facts((99 * mib, 1_000 * mib), 64 * mib);
    assert_eq!(judged(&small, "space").0, State::Warn);
    assert_eq!(judged(&small, "store").0, State::Ok);
    assert_eq!(
        judged(&facts((101 * mib, 1_000 * mib), 0), "space").0,
        State::Ok
    );
}

#[test]
fn a_long_list_is_cut_and_the_worst_stands_first() {
    let job = |number: i32| JobFacts {
        name: format!("job{number}"),
        dead: vec!["x".to_owned()],
        unplanned: vec!["y".to_owned()],
        ..JobFacts::default()
    };
    let facts = Facts {
        jobs: Some((0..7).map(job).collect()),
        ..Facts::default()
    };
    let (state, what) = judged(&facts, "schedules");
    assert_eq!(state, State::Fail);
    assert!(what.starts_with("cannot be planned: job0 (y), "), "{what}");
    assert!(what.ends_with("job4 (x) and 2 more"), "{what}");
}
