//! The part of a store that is one user's.

use crake::model::{Command, Job, Limits, Origin, Policy, Raw, RunId, Spec};
use crake::store::{OwnRuns, Part, Request, RunFilter, Store};

const ANA: u32 = 1000;

fn job(name: &str, user: Option<(&str, u32)>, description: &str) -> Job {
    let mut spec = Spec::of(Command::Line(Raw::from("true")));
    spec.limits = Limits {
        user: user.map(|(name, _)| name.to_owned()),
        uid: user.map(|(_, uid)| uid),
        ..Limits::default()
    };
    spec.description = Some(description.to_owned());
    Job {
        name: name.to_owned(),
        spec,
        policy: Policy::default(),
        pauses: Vec::new(),
        version: 1,
        listed: true,
    }
}

fn request(store: &mut Store, job: &str, now: i64) -> RunId {
    let request = Request {
        job: job.to_owned(),
        origin: Origin::Manual,
        origin_ref: None,
        by: "root".to_owned(),
        run_at: now,
        queue: None,
        priority: None,
        env: Vec::new(),
    };
    store.request(&request, now).unwrap()
}

fn names(part: &Part) -> Vec<String> {
    let store = Store::of_rows(&part.rows).unwrap();
    store.job_names().unwrap()
}

#[test]
fn many_own_jobs_come_in_parts_that_are_bounded() {
    let mut store = Store::in_memory().unwrap();
    let long = "x".repeat(30_000);
    for n in 0..60 {
        let ana = job(&format!("ana-{n:02}"), Some(("ana", ANA)), &long);
        store.put_job(&ana, &[], false, "root", 1).unwrap();
        let bob = job(&format!("bob-{n:02}"), Some(("bob", 1001)), &long);
        store.put_job(&bob, &[], false, "root", 1).unwrap();
    }
    let (mut found, mut after, mut parts) = (Vec::new(), None, 0);
    loop {
        let part = store.own_jobs(ANA, after.as_deref()).unwrap();
        assert!(serde_json::to_string(&part.rows).unwrap().len() < 1 << 20);
        found.extend(names(&part));
        parts += 1;
        match part.more {
            Some(more) => after = Some(more),
            None => break,
        }
    }
    assert!(parts > 1);
    assert_eq!(
        found,
        (0..60).map(|n| format!("ana-{n:02}")).collect::<Vec<_>>()
    );
}

#[test]
fn many_own_runs_come_in_parts_the_newest_first() {
    let mut store = Store::in_memory().unwrap();
    for (name, user) in [
        ("a", ("ana", ANA)),
        ("b", ("ana", ANA)),
        ("c", ("bob", 1001)),
    ] {
        store
            .put_job(&job(name, Some(user), ""), &[], false, "root", 1)
            .unwrap();
    }
    for n in 0..3_000 {
        request(&mut store, ["a", "b", "c"][n % 3], 2);
    }
    let mut wanted = OwnRuns {
        filter: RunFilter::default(),
        ..OwnRuns::default()
    };
    let mut found = Vec::new();
    loop {
        let part = store.own_runs(&wanted, ANA).unwrap();
        let here = Store::of_rows(&part.rows).unwrap();
        found.extend(
            here.runs(&RunFilter::default())
                .unwrap()
                .iter()
                .map(|r| r.run.0),
        );
        match part.more {
            Some(before) => wanted.before = Some(RunId(before.parse().unwrap())),
            None => break,
        }
    }
    let all: Vec<i64> = (1..=3_000).rev().filter(|n| n % 3 != 0).collect();
    assert_eq!(found, all);
}

#[test]
fn only_a_named_user_with_that_number_owns_a_job() {
    let mut store = Store::in_memory().unwrap();
    let mut nameless = job("nameless", None, "");
    nameless.spec.limits.uid = Some(ANA);
    let mut numberless = job("numberless", Some(("ana", ANA)), "");
    numberless.spec.limits.uid = None;
    for job in [
        nameless,
        numberless,
        job("ours", Some(("ana", ANA)), ""),
        job("roots", None, ""),
    ] {
        store.put_job(&job, &[], false, "root", 1).unwrap();
    }
    assert_eq!(names(&store.own_jobs(ANA, None).unwrap()), ["ours"]);
    for uid in [0, 1, ANA + 1] {
        assert!(store.own_jobs(uid, None).unwrap().rows.is_empty(), "{uid}");
    }
    // A name that is given to another user takes no run of the one before with it.
    let old = request(&mut store, "ours", 5);
    assert!(store.is_own_run(old, ANA).unwrap());
    store.remove_job("ours", "root", 6).unwrap();
    assert!(!store.is_own_run(old, ANA).unwrap());
    store
        .put_job(&job("ours", Some(("bob", 1001)), ""), &[], false, "root", 7)
        .unwrap();
    assert!(!store.is_own_run(old, ANA).unwrap() && !store.is_own_run(old, 1001).unwrap());
    let new = request(&mut store, "ours", 7);
    assert!(store.is_own_run(new, 1001).unwrap());
}

#[test]
fn rows_that_fit_no_table_are_refused() {
    let rows = serde_json::json!([{"t": "job; DROP TABLE job", "k": [], "r": [1]}]);
    assert!(Store::of_rows(&serde_json::from_value::<Vec<_>>(rows).unwrap()).is_err());
    let rows = serde_json::json!([{"t": "job", "k": [], "r": [1]}]);
    assert!(Store::of_rows(&serde_json::from_value::<Vec<_>>(rows).unwrap()).is_err());
}
