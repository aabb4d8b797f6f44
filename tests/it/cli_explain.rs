//! `explain`, through the program.

use crake::model::{Exit, Fire, MissReason, Origin, Outcome, Record, RunId, Verdict};
use crake::schedule::Zone;
use crake::store::NewSchedule;
use serde_json::{Value, json};

use crate::support::bench::{self, Bench};
use crate::support::sandbox::Sandbox;

#[test]
fn cli_explain_says_how_the_days_of_an_expression_are_chosen() {
    let sandbox = Sandbox::new();
    let told = sandbox.item(&["explain", "0 0 13 * 5"]);
    let rule = told["day_rule"].as_str().expect("a rule");
    assert!(rule.starts_with("either day"), "{rule}");
    assert_eq!(told["fields"]["day_of_week"], "5");
    assert_eq!(told["next"].as_array().map(Vec::len), Some(5));
    let text = sandbox.ok(&["explain", "0 0 13 * 5"]).stdout;
    assert!(text.contains("  either day"), "{text}");
    let berlin = sandbox.item(&["explain", "30 2 * * *", "--tz", "Europe/Berlin"]);
    let changes = berlin["dst_ahead"].as_array().expect("changes");
    let moved = changes.iter().filter_map(|c| c["text"].as_str());
    let moved =
        moved.filter(|c| c.ends_with("02:30 does not exist in Europe/Berlin; runs at 03:00"));
    assert_eq!(moved.count(), 1, "{changes:?}");
    assert!(!sandbox.store().exists());
}

#[test]
fn cli_explain_tells_the_story_of_a_time_that_does_not_exist() {
    let bench = Bench::new();
    let zone = Zone::named("America/New_York").unwrap();
    let schedule = NewSchedule {
        zone: Some(zone.name().to_owned()),
        ..NewSchedule::of("30 2 * * *")
    };
    // Defined at the beginning of 2026.
    let defined = 1_767_225_600_000;
    let job = bench::job("backup");
    let mut store = bench.store();
    store
        .put_job(&job, &[schedule], false, "ana", defined)
        .unwrap();
    let told = &item(&bench, &["explain", "backup", "--at", "2026-03-08 02:30"]);
    assert_eq!(told["due"], true);
    assert_eq!(told["at"], "2026-03-08T03:00:00-04:00");
    assert_eq!(told["planned_at"], "2026-03-08T03:00:00-04:00");
    let story = "02:30 does not exist on 2026-03-08 in America/New_York: the clock goes from 02:00 \
                 to 03:00; the fire is planned at 03:00";
    assert!(lines(told).contains(&story), "{told}");
    let by_instant = item(
        &bench,
        &["explain", "backup", "--at", "2026-03-08T03:00:00-04:00"],
    );
    assert!(lines(&by_instant).contains(&story), "{by_instant}");
    let other = item(&bench, &["explain", "backup", "--at", "2026-03-09 03:45"]);
    assert_eq!(
        (&other["due"], &other["verdict"]),
        (&json!(false), &Value::Null)
    );
    assert_eq!(other["planned_at"], "2026-03-09T02:30:00-04:00");
    let text = lines(&other).join("\n");
    for words in [
        "the minute is 45, and its minute field names 30",
        "the hour is 3, and its hour field names 2",
        "after it: Tue 2026-03-10 02:30:00 EDT",
        "the nearest is Mon 2026-03-09 02:30:00 EDT, 1h15m earlier",
    ] {
        assert!(text.contains(words), "{words}: {text}");
    }
    let before = item(&bench, &["explain", "backup", "--at", "2025-06-01 02:30"]);
    assert_eq!(before["due"], false);
    assert!(
        lines(&before)[1].contains("was not in force then"),
        "{before}"
    );
    let ahead = item(&bench, &["explain", "backup", "--at", "2090-06-01 02:30"]);
    assert!(
        lines(&ahead)[0].starts_with("backup will be due"),
        "{ahead}"
    );
}

fn item(bench: &Bench, args: &[&str]) -> Value {
    let ran = bench.run(&[args, &["--json"]].concat());
    assert_eq!(ran.code, 0, "{ran:?}");
    ran.json()["item"].clone()
}

fn lines(item: &Value) -> Vec<&str> {
    let text = item["text"].as_array().expect("text");
    text.iter().filter_map(Value::as_str).collect()
}

/// 08:00 UTC on a day of June 2026.
fn morning(day: i64) -> i64 {
    1_780_300_800_000 + (day - 1) * 86_400_000
}

/// A job whose fires of the 3rd to the 8th of June 2026 got no run, each for another reason.
fn ledger() -> Bench {
    let bench = Bench::new();
    let planned = bench.job("report", Some("0 8 * * *"), morning(1));
    let row = |day: i64, verdict: Verdict| bench::fire(&planned[0], morning(day), verdict);
    let overlap = Fire {
        blocked_by: Some(RunId(7)),
        ..row(4, Verdict::Overlap)
    };
    let paused = Fire {
        note: Some("paused by ana: upgrade".to_owned()),
        ..row(5, Verdict::Paused)
    };
    let folded = Fire {
        reason: Some(MissReason::HostOff),
        count: 3,
        until: morning(8),
        ..row(6, Verdict::Missed)
    };
    let rows = [row(3, Verdict::Missed), overlap, paused, folded];
    let records: Vec<Record> = rows.into_iter().map(Record::Fire).collect();
    bench.record(&records);
    bench
}

#[test]
fn cli_explain_joins_the_schedule_and_the_ledger() {
    let bench = ledger();
    let at = |day: &str| {
        let at = format!("{day} 08:00");
        item(&bench, &["explain", "report", "--at", &at])
    };
    let told = at("2026-06-03");
    assert_eq!(
        (&told["verdict"], &told["reason"]),
        (&json!("missed"), &json!("asleep"))
    );
    assert_eq!(told["schedule"], "0 8 * * *");
    assert!(
        lines(&told).contains(&"it was missed: host asleep"),
        "{told}"
    );
    let told = at("2026-06-04");
    let blocked = "it got no run: run #7 was in the way";
    assert!(lines(&told).contains(&blocked), "{told}");
    let told = at("2026-06-05");
    assert_eq!(told["reason"], "paused by ana: upgrade");
    let told = at("2026-06-07");
    assert_eq!(told["verdict"], "missed");
    let fold = "its row of the ledger stands for 3 fires";
    assert!(lines(&told).iter().any(|l| l.starts_with(fold)), "{told}");
    let told = at("2026-06-20");
    assert_eq!(
        (&told["due"], &told["verdict"]),
        (&json!(true), &Value::Null)
    );
    let none = "the ledger has no row for it";
    assert!(lines(&told)[1].starts_with(none), "{told}");
    let mut store = bench.store();
    store.remove_job("report", "ana", bench.now).unwrap();
    let told = at("2026-06-03");
    assert!(
        lines(&told).contains(&"the job was removed since"),
        "{told}"
    );
    assert_eq!(bench.run(&["explain", "report"]).code, 3);
}

#[test]
fn cli_explain_tells_what_became_of_the_run() {
    let bench = Bench::new();
    let planned = bench.job("report", Some("0 8 * * *"), morning(1));
    let mut records = vec![Record::Fire(bench::fire_run(&planned[0], morning(2), 1))];
    records.extend(bench::started(RunId(1), "report", 1, 1, morning(2) + 400));
    let exit = Exit::Code(3);
    let end = morning(2) + 3_400;
    records.push(bench::ended(
        RunId(1),
        "report",
        1,
        Outcome::Failed,
        exit,
        end,
    ));
    bench.record(&records);
    let told = item(
        &bench,
        &["explain", "report", "--at", "2026-06-02T08:00:00Z"],
    );
    assert_eq!((&told["verdict"], &told["run"]), (&json!("run"), &json!(1)));
    let run = "run #1 ended as failed, exit 3";
    assert!(lines(&told).iter().any(|l| l.starts_with(run)), "{told}");
    let told = item(&bench, &["explain", "1"]);
    assert_eq!(
        (&told["schedule"], &told["verdict"]),
        (&json!("0 8 * * *"), &json!("run"))
    );
    let made = "run #1 of report: made for the fire of `0 8 * * *` planned Tue 2026-06-02";
    assert!(lines(&told)[0].starts_with(made), "{told}");
}

#[test]
fn cli_explain_of_a_job_and_of_a_run() {
    let bench = Bench::new();
    bench.job("report", Some("0 8 * * *"), bench.now - 5_000);
    let told = item(&bench, &["explain", "report"]);
    assert!(told["next_at"].is_string(), "{told}");
    assert_eq!(told["schedules"][0]["in_words"], "at 08:00 every day");
    assert!(lines(&told).contains(&"it has not run yet"), "{told}");
    assert!(
        lines(&told).contains(&"no daemon is up: nothing is started"),
        "{told}"
    );
    let run = bench.command(&["run", "report", "-d", "--json"]).output();
    run.unwrap();
    let told = item(&bench, &["explain", "report~0"]);
    assert_eq!(told["origin"], Origin::Manual.as_str());
    assert!(lines(&told)[0].contains("with `crake run`"), "{told}");
    assert!(
        lines(&told)[1].contains("waits in the queue normal"),
        "{told}"
    );
    assert_ne!(told["outcome"], Outcome::Succeeded.as_str());
}

#[test]
fn cli_explain_errors() {
    let sandbox = Sandbox::new();
    sandbox.ok(&["add", "backup", "-s", "@daily", "-c", "x"]);
    let code = |args: &[&str], code: i32, words: &str| {
        let answer = sandbox.run(args);
        assert_eq!(answer.code, code, "{args:?}: {answer:?}");
        assert!(answer.stderr.contains(words), "{args:?}: {answer:?}");
    };
    code(&["explain", "bakcup"], 3, "did you mean \"backup\"?");
    code(&["explain", "1842"], 3, "no run #1842");
    code(&["explain", "backup~3"], 3, "no run that far back");
    code(&["explain", "* * *"], 6, "month field");
    code(&["explain", "H 0 * * *"], 6, "H needs the name of a job");
    code(
        &["explain", "@daily", "--at", "02:00"],
        2,
        "--at is for a job",
    );
    code(&["explain", "backup", "--at", "nonsense"], 2, "no instant");
    code(
        &["explain", "backup", "--at", "02:00", "--tz", "Nowhere"],
        6,
        "time zone",
    );
}
