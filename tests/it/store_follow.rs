//! Jobs that follow others: each end has its followers exactly once, however often it is recorded.

use crake::model::{Drop, Exit, Follow, Outcome, Pause, Record, RunId};
use crake::store::{RunFilter, RunRow, Store, StoreError};

use crate::support::bench::{Bench, ended, job, live_run, new_run, whole_run};

fn put(store: &mut Store, name: &str, follow: Follow) -> Result<(), StoreError> {
    let mut job = job(name);
    job.spec.follow = follow;
    store.put_job(&job, &[], true, "ana", 1)
}

fn names(list: &[&str]) -> Vec<String> {
    list.iter().map(|n| (*n).to_owned()).collect()
}

fn on_success(list: &[&str]) -> Follow {
    Follow {
        on_success: names(list),
        ..Follow::default()
    }
}

fn after(list: &[&str]) -> Follow {
    Follow {
        after: names(list),
        ..Follow::default()
    }
}

fn runs(store: &Store, job: &str) -> Vec<RunRow> {
    let filter = RunFilter {
        job: Some(job.to_owned()),
        ..RunFilter::default()
    };
    store.runs(&filter).unwrap()
}

#[test]
fn an_end_has_its_followers_once_however_often_it_is_recorded() {
    let bench = Bench::new();
    let mut store = bench.store();
    put(&mut store, "b", after(&["a"])).unwrap();
    put(&mut store, "c", Follow::default()).unwrap();
    put(
        &mut store,
        "a",
        Follow {
            on_success: names(&["b"]),
            on_failure: names(&["c"]),
            ..Follow::default()
        },
    )
    .unwrap();
    let records = whole_run(1, "a", Outcome::Succeeded, Exit::Code(0), bench.now);
    for _ in 0..3 {
        store.record(&records, None, bench.now).unwrap();
    }
    let made = runs(&store, "b");
    assert_eq!(made.len(), 1, "both definitions say the same");
    assert_eq!(made[0].origin.as_str(), "run");
    assert_eq!(made[0].origin_ref.as_deref(), Some("1"));
    assert!(runs(&store, "c").is_empty());
    let env: String = rusqlite::Connection::open(bench.paths().store)
        .unwrap()
        .query_row("SELECT env FROM run WHERE job = 'b'", [], |row| row.get(0))
        .unwrap();
    assert_eq!(
        env,
        r#"{"CRAKE_UPSTREAM_JOB":"a","CRAKE_UPSTREAM_OUTCOME":"succeeded","CRAKE_UPSTREAM_RUN":"1"}"#
    );
    let records = whole_run(50, "a", Outcome::TimedOut, Exit::Signal(9), bench.now);
    store.record(&records, None, bench.now).unwrap();
    store.record(&records, None, bench.now).unwrap();
    assert_eq!((runs(&store, "b").len(), runs(&store, "c").len()), (1, 1));
}

#[test]
fn a_run_that_expires_has_failed_and_one_that_is_taken_back_has_not() {
    let bench = Bench::new();
    let mut store = bench.store();
    put(&mut store, "c", Follow::default()).unwrap();
    let follow = Follow {
        on_failure: names(&["c"]),
        ..Follow::default()
    };
    put(&mut store, "a", follow).unwrap();
    let drop = |run, outcome| {
        Record::Drop(Drop {
            run: RunId(run),
            job: "a".to_owned(),
            outcome,
            reason: "why".to_owned(),
            at: bench.now,
        })
    };
    let records = [
        Record::New(new_run(1, "a", bench.now)),
        Record::New(new_run(2, "a", bench.now)),
        drop(1, Outcome::Cancelled),
        drop(2, Outcome::Expired),
        drop(2, Outcome::Expired),
    ];
    store.record(&records, None, bench.now).unwrap();
    let made = runs(&store, "c");
    assert_eq!(made.len(), 1);
    assert_eq!(made[0].origin_ref.as_deref(), Some("2"));
    // Somebody killed it: that is no failure either.
    let mut records = live_run(40, "a", bench.now);
    records.push(ended(
        RunId(40),
        "a",
        40,
        Outcome::Killed,
        Exit::Signal(9),
        bench.now,
    ));
    store.record(&records, None, bench.now).unwrap();
    assert_eq!(runs(&store, "c").len(), 1);
}

#[test]
fn a_paused_or_unknown_follower_gets_no_run_but_a_word() {
    let bench = Bench::new();
    let mut store = bench.store();
    put(&mut store, "b", Follow::default()).unwrap();
    put(&mut store, "a", on_success(&["b", "ghost"])).unwrap();
    let pause = Pause {
        from: bench.now - 10,
        until: None,
        by: "ana".to_owned(),
        reason: None,
    };
    store.pause_job("b", &pause).unwrap();
    let records = whole_run(1, "a", Outcome::Succeeded, Exit::Code(0), bench.now);
    store.record(&records, None, bench.now).unwrap();
    assert!(runs(&store, "b").is_empty());
    let told: Vec<(String, String)> = store
        .events(0, 10)
        .unwrap()
        .into_iter()
        .filter(|e| e.kind == "follow")
        .map(|e| (e.level.to_string(), e.text))
        .collect();
    let text = |who: &str, why: &str| format!("{who} does not run after run 1 of a: {why}");
    assert_eq!(
        told,
        [
            ("info".to_owned(), text("b", "it is paused")),
            ("warn".to_owned(), text("ghost", "there is no such job")),
        ]
    );
    let status = bench.run(&["status", "--json"]).json();
    let list = status["item"]["attention"].as_array().unwrap();
    assert!(
        list.iter()
            .any(|a| a["kind"] == "follower" && a["job"] == "a"),
        "{status}"
    );
}

#[test]
fn followers_of_one_job_are_bounded_by_what_may_wait() {
    let bench = Bench::new();
    let mut store = bench.store();
    let mut b = job("b");
    b.policy.queue_max = 3;
    store.put_job(&b, &[], false, "ana", 1).unwrap();
    put(&mut store, "a", on_success(&["b"])).unwrap();
    for run in (100..2_000).step_by(100) {
        let records = whole_run(run, "a", Outcome::Succeeded, Exit::Code(0), bench.now);
        store.record(&records, None, bench.now).unwrap();
    }
    assert_eq!(runs(&store, "b").len(), 3);
}

#[test]
fn a_circle_is_refused_and_named() {
    let bench = Bench::new();
    let mut store = bench.store();
    put(&mut store, "a", on_success(&["b", "x"])).unwrap();
    put(&mut store, "b", on_success(&["c"])).unwrap();
    for (name, follow, circle) in [
        ("c", on_success(&["a"]), "c -> a -> b -> c"),
        ("a", after(&["c"]), ""),
        ("c", on_success(&["b"]), "c -> b -> c"),
        ("d", on_success(&["d"]), "d -> d"),
    ] {
        match put(&mut store, name, follow) {
            Err(error) => assert!(
                error.to_string().ends_with(&format!(": {circle}")),
                "{error}"
            ),
            // With it `a` is no longer followed by `b`.
            Ok(()) => assert_eq!(circle, ""),
        }
    }
    assert!(
        store.job("d").unwrap().is_none(),
        "nothing is left of what was refused"
    );
    let refused = bench.run(&["add", "c", "-c", "true", "--on-failure", "b", "--replace"]);
    assert_eq!(refused.code, 5, "{refused:?}");
    assert!(
        refused.err.contains("in a circle: c -> b -> c"),
        "{refused:?}"
    );
}

#[test]
fn another_name_holds_in_the_definitions_of_all() {
    let bench = Bench::new();
    let mut store = bench.store();
    put(&mut store, "a", Follow::default()).unwrap();
    put(&mut store, "b", after(&["a"])).unwrap();
    put(&mut store, "a", on_success(&["c"])).unwrap();
    put(&mut store, "c", Follow::default()).unwrap();
    store.rename_job("a", "z", "ana", 2).unwrap();
    store.rename_job("c", "y", "ana", 3).unwrap();
    let of = |name: &str| store.job(name).unwrap().unwrap().job.spec.follow;
    assert_eq!(of("b"), after(&["z"]));
    assert_eq!(of("z"), on_success(&["y"]));
    let pairs: Vec<(String, String)> = store
        .follows("z")
        .unwrap()
        .into_iter()
        .map(|f| (f.upstream, f.follower))
        .collect();
    let pair = |a: &str, b: &str| (a.to_owned(), b.to_owned());
    assert_eq!(pairs, [pair("z", "b"), pair("z", "y")]);
    assert_eq!(store.unknown_follows().unwrap(), []);
}

#[test]
fn a_job_that_others_follow_is_removed_by_force_alone() {
    let bench = Bench::new();
    assert_eq!(bench.run(&["add", "a", "-c", "true"]).code, 0);
    let added = bench.run(&[
        "add",
        "b",
        "-c",
        "true",
        "--after",
        "a",
        "--on-failure",
        "mail",
    ]);
    assert_eq!(added.code, 0, "{added:?}");
    assert!(added.err.contains("no job named \"mail\" yet"), "{added:?}");
    let item = bench.run(&["show", "a", "--json"]).json()["item"].clone();
    assert_eq!(item["followers"][0]["job"], "b", "{item}");
    let shown = bench.run(&["show", "b"]).out;
    assert!(shown.contains("after        success of a"), "{shown}");
    assert!(
        shown.contains("then         failure: mail (no such job)"),
        "{shown}"
    );
    let refused = bench.run(&["rm", "a"]);
    assert_eq!(refused.code, 5, "{refused:?}");
    assert!(refused.err.contains("b runs after a"), "{refused:?}");
    assert_eq!(bench.run(&["rm", "a", "--force"]).code, 0);
    assert_eq!(bench.run(&["rm", "b"]).code, 0);
    // History keeps what it was, and so does the table beside it.
    assert_eq!(bench.run(&["rm", "--undo", "b", "a"]).code, 0);
    assert_eq!(bench.store().follows("a").unwrap().len(), 1);
    let set = bench.run(&[
        "edit",
        "b",
        "--set",
        "after=",
        "--on-failure",
        "none",
        "--keep-runs",
        "7",
    ]);
    assert_eq!(set.code, 0, "{set:?}");
    let item = bench.run(&["show", "b", "--json"]).json()["item"].clone();
    assert_eq!(
        (&item["after"], &item["keep_runs"]),
        (&serde_json::json!([]), &7.into())
    );
    assert_eq!(bench.run(&["rm", "a"]).code, 0);
}
