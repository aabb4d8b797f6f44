//! What must hold of the store after a simulation.

use std::collections::{BTreeMap, BTreeSet};

use crake::model::{Outcome, RunState};
use crake::schedule::Zone;
use crake::store::{FireFilter, RunFilter, Store};

use super::scene::Scene;

/// Holds the promise against the store.
pub fn check(scene: &mut Scene) {
    let store = scene.store();
    every_instant_has_one_row(scene, &store);
    no_fire_has_two_runs(scene, &store);
    every_run_has_ended(scene, &store);
    no_attempt_started_twice(scene);
    outcomes_are_true(scene, &store);
    only_what_lost_its_worker_is_lost(scene, &store);
    no_schedule_fires_more_often_than_its_terms_allow(scene, &store);
    every_end_has_its_follower_once(scene, &store);
    let fires = store.fires(&FireFilter::default()).expect("fires");
    scene.told.fires = fires.len() as u64;
    scene.told.cut_offs = scene.fakes.cut_offs;
    scene.told.early = scene.fakes.collected_early;
    scene.told.starts = scene.fakes.starts.len() as u64;
}

fn every_instant_has_one_row(scene: &Scene, store: &Store) {
    for armed in store.every_schedule().expect("schedules") {
        let planned = &armed.planned;
        let schedule = planned.schedule(&Zone::utc()).expect("a schedule");
        let until = planned.until.map_or(scene.now(), |at| at.min(scene.now()));
        let instants: BTreeSet<i64> = schedule
            .upcoming(planned.from)
            .take_while(|at| *at <= until)
            .collect();
        let mut covered: BTreeMap<i64, i64> = BTreeMap::new();
        for (from, to, count) in store
            .fires_of(planned.id, i64::MIN, i64::MAX)
            .expect("fires")
        {
            let within: Vec<i64> = instants.range(from..=to).copied().collect();
            if schedule.is_reboot() {
                continue;
            }
            assert_eq!(
                within.len() as i64,
                count,
                "seed {}: the row of {} ({}) at {from} stands for {count} instants",
                scene.seed,
                planned.job,
                planned.expr
            );
            for at in within {
                *covered.entry(at).or_default() += 1;
            }
        }
        let missing: Vec<i64> = instants
            .iter()
            .filter(|at| !covered.contains_key(at))
            .copied()
            .collect();
        assert!(
            missing.is_empty(),
            "seed {}: {} ({}, version {}) from {} until {until} lacks {missing:?}; cursor {}",
            scene.seed,
            planned.job,
            planned.expr,
            planned.id,
            planned.from,
            armed.next_at
        );
        assert!(
            covered.values().all(|n| *n == 1),
            "seed {}: {} has an instant with two rows",
            scene.seed,
            planned.job
        );
    }
}

fn no_fire_has_two_runs(scene: &Scene, store: &Store) {
    let twice = store.duplicate_runs(i64::MIN).expect("a count");
    assert_eq!(twice, 0, "seed {}: a fire has two runs", scene.seed);
}

fn every_run_has_ended(scene: &Scene, store: &Store) {
    let filter = RunFilter {
        states: vec![RunState::Queued, RunState::Running],
        ..RunFilter::default()
    };
    let open = store.runs(&filter).expect("runs");
    assert!(
        open.is_empty(),
        "seed {}: still open at {}: {open:?}; workers: {:?}",
        scene.seed,
        scene.now(),
        scene.fakes.attempts
    );
    assert!(
        scene.fakes.attempts.is_empty(),
        "seed {}: not collected: {:?}",
        scene.seed,
        scene.fakes.attempts
    );
}

fn no_attempt_started_twice(scene: &Scene) {
    let mut seen = BTreeSet::new();
    for (run, attempt, fence) in &scene.fakes.starts {
        assert!(
            seen.insert((*run, *attempt)),
            "seed {}: run {run} attempt {attempt} was started twice (claim {fence})",
            scene.seed
        );
    }
}

fn no_schedule_fires_more_often_than_its_terms_allow(scene: &Scene, store: &Store) {
    for armed in store.every_schedule().expect("schedules") {
        let planned = &armed.planned;
        if let Some(most) = planned.terms.max_fires {
            assert!(
                planned.fired <= most,
                "seed {}: {} fired {} times of {most}",
                scene.seed,
                planned.job,
                planned.fired
            );
        }
    }
}

fn every_end_has_its_follower_once(scene: &mut Scene, store: &Store) {
    let of = |job: &str| {
        let filter = RunFilter {
            job: Some(job.to_owned()),
            ..RunFilter::default()
        };
        store.runs(&filter).expect("runs")
    };
    let ends = of("head").into_iter().filter(|r| {
        let outcome = r.state.outcome().expect("an end");
        outcome.whence().is_some()
    });
    let ends: BTreeSet<String> = ends.map(|r| r.run.to_string()).collect();
    let made: Vec<String> = of("tail")
        .into_iter()
        .filter_map(|r| r.origin_ref)
        .collect();
    let followed: BTreeSet<String> = made.iter().cloned().collect();
    let seed = scene.seed;
    assert_eq!(
        made.len(),
        followed.len(),
        "seed {seed}: a follower was made twice"
    );
    assert_eq!(ends, followed, "seed {seed}: not each end has its follower");
    scene.told.followers = made.len() as u64;
}

/// A claim that never reached a worker is started after a crash, not given up.
fn only_what_lost_its_worker_is_lost(scene: &Scene, store: &Store) {
    for run in store.runs(&RunFilter::default()).expect("runs") {
        for attempt in store.attempts(run.run).expect("attempts") {
            let lost = attempt.outcome == Some(Outcome::Lost);
            assert!(
                !lost || scene.fakes.killed.contains(&attempt.fence),
                "seed {}: run {} attempt {} is lost and its worker was not",
                scene.seed,
                run.run,
                attempt.n
            );
        }
    }
}

/// What ended by itself is recorded with the code it ended with.
fn outcomes_are_true(scene: &Scene, store: &Store) {
    for (run, n, fence) in &scene.fakes.starts {
        let Some(code) = scene.fakes.codes.get(fence) else {
            continue;
        };
        let number = store.number_of(*run).expect("a number");
        let attempts = store.attempts(number).expect("attempts");
        let attempt = attempts.iter().find(|a| a.n == *n);
        let known = attempt.and_then(|a| a.exit_code);
        assert_eq!(
            known,
            Some(*code),
            "seed {}: run {run} attempt {n} ended with {code}: {attempt:?}",
            scene.seed
        );
    }
}
