//! Disks that are full, frozen and read-only while jobs are due. The jobs' own files are elsewhere.

use std::collections::HashMap;

use chrono::DateTime;
use crake::control::{Alive, Reply, Request, ask};
use crake::daemon::refuge::Refuge;

use crate::support::instance::Instance;
use crate::support::volume::{Volume, skipped};
use crate::support::wait::{mono, pass, until, within};

/// Jobs that fire every second; four, so that one fire in a hundred may be late.
const JOBS: [&str; 4] = ["a", "b", "c", "d"];

/// The latest start of most fires, and of the others, milliseconds. Those of the instant in which a
/// disk stops answering wait until that is noticed, and for new workers.
const LATE_MS: i64 = 250;
const LATEST_MS: i64 = 1_000;

struct Scene {
    instance: Instance,
    volume: Volume,
}

/// One start of a job, as the job itself wrote it down.
struct Tick {
    job: String,
    planned: String,
    late: i64,
    run: String,
}

impl Scene {
    fn new() -> Scene {
        let mut instance = Instance::new();
        let sandbox = &instance.sandbox;
        let volume = Volume::mounted(&sandbox.path("image"), &sandbox.path("home"), 40);
        instance.start();
        for job in JOBS {
            let line = "echo $CRAKE_JOB $CRAKE_FIRE $(date +%s%3N) $CRAKE_RUN.$CRAKE_ATTEMPT >> ticks; echo said; exit 3";
            instance.add(job, line, &["-s", "every 1s", "--overlap", "allow"]);
        }
        let scene = Scene { instance, volume };
        // Workers are there, slots are set aside.
        scene.instance.until_lines("ticks", 12);
        scene
    }

    fn ticks(&self) -> Vec<Tick> {
        let lines = self.instance.lines("ticks");
        lines.iter().filter_map(|line| tick(line)).collect()
    }

    /// In the middle between two fires.
    fn midway(&self) {
        let before = self.ticks().len() / JOBS.len();
        self.instance
            .until_lines("ticks", (before + 1) * JOBS.len());
        pass(400);
    }

    /// Lets so many seconds pass and gives what started in them.
    fn span(&self, seconds: i64) -> Vec<Tick> {
        let before = self.ticks().len();
        pass(seconds * 1_000);
        let mut ticks = self.ticks();
        ticks.drain(..before);
        ticks
    }

    fn alive(&self) -> Option<Alive> {
        let socket = self.instance.sandbox.path("home/crake.sock");
        match ask(&socket, &Request::Ping) {
            Ok(Reply::Alive(alive)) => Some(alive),
            _ => None,
        }
    }

    /// Waits until nothing is wrong any more and everything that started is over and recorded.
    fn all_recorded(&self) {
        within(60_000, "all is well again", || {
            self.alive().filter(|a| a.degraded.is_none())
        });
        let all = self.ticks().len();
        self.instance.until_sql(&format!(
            "(SELECT count(*) FROM run WHERE job <> 'wide' AND state = 'failed' AND exit_code = 3) >= {all}"
        ));
    }

    /// Nothing started twice, nothing is missing, every end is known.
    fn check(mut self) {
        for job in JOBS {
            self.instance.sandbox.ok(&["pause", job]);
        }
        let open = "NOT EXISTS(SELECT 1 FROM run WHERE state IN ('queued', 'running'))";
        self.instance.until_sql(open);
        let ticks = self.ticks();
        let mut runs = HashMap::new();
        let mut fires = HashMap::new();
        for tick in &ticks {
            *runs.entry(tick.run.clone()).or_insert(0) += 1;
            let fire = (tick.job.clone(), tick.planned.clone());
            *fires.entry(fire).or_insert(0) += 1;
        }
        assert!(runs.values().all(|n| *n == 1), "started twice: {runs:?}");
        assert!(fires.values().all(|n| *n == 1), "fired twice: {fires:?}");
        let known: i64 = self
            .instance
            .cell("SELECT count(*) FROM run WHERE job <> 'wide' AND state = 'failed' AND exit_code = 3")
            .unwrap();
        let others: i64 = self
            .instance
            .cell("SELECT count(*) FROM run WHERE job <> 'wide' AND state <> 'failed'")
            .unwrap();
        assert_eq!((known, others), (ticks.len() as i64, 0));
        let refuge = Refuge::of(&self.instance.sandbox.path("home/spool"));
        until("nothing is left in memory", || {
            refuge.existing().is_empty().then_some(())
        });
        self.instance.stop_and_audit();
        drop(self.volume);
    }
}

fn tick(line: &str) -> Option<Tick> {
    let mut words = line.split(' ');
    let (job, planned, at, run) = (words.next()?, words.next()?, words.next()?, words.next()?);
    let due = DateTime::parse_from_rfc3339(planned)
        .ok()?
        .timestamp_millis();
    Some(Tick {
        job: job.to_owned(),
        planned: planned.to_owned(),
        late: at.parse::<i64>().ok()? - due,
        run: run.to_owned(),
    })
}

/// Holds the lateness of a span against what is promised, and that nothing was left out in it.
#[track_caller]
fn on_time(what: &str, ticks: &[Tick], seconds: i64, most: usize) {
    let mut late: Vec<i64> = ticks.iter().map(|t| t.late).collect();
    late.sort_unstable();
    let at = |percent: usize| late.get((late.len() * percent).div_ceil(100).saturating_sub(1));
    println!(
        "{what}: {} starts in {seconds} s; late p50 {:?} p99 {:?} max {:?} ms",
        late.len(),
        at(50),
        at(99),
        late.last()
    );
    let least = (seconds as usize - 1) * JOBS.len();
    assert!(late.len() >= least, "{what}: only {} starts", late.len());
    let (bound, last) = (at(most).copied(), late.last().copied());
    assert!(bound.is_some_and(|ms| ms < LATE_MS), "{what}: {late:?}");
    assert!(last.is_some_and(|ms| ms < LATEST_MS), "{what}: {late:?}");
}

#[test]
fn a_disk_without_a_byte_left_delays_no_fire_and_loses_no_end() {
    if skipped() {
        return;
    }
    let scene = Scene::new();
    let line = "if [ -e filled ]; then head -c 200000 /dev/zero | tr '\\0' x; fi";
    scene.instance.add("wide", line, &["-s", "every 4s"]);
    scene.instance.succeeded("wide", 1);
    scene.volume.fill();
    scene.instance.sandbox.file("filled", b"");
    let ticks = scene.span(25);
    let status = scene.instance.status();
    scene.volume.make_room();
    on_time("full disk", &ticks, 25, 99);
    let degraded = &status["daemon"]["degraded"];
    assert!(degraded.is_string(), "{status}");
    println!("full disk: {degraded}");
    scene.all_recorded();
    scene.instance.sandbox.ok(&["pause", "wide"]);
    let lost =
        "SELECT count(*) FROM attempt JOIN run ON run.id = attempt.run WHERE run.job = 'wide'
        AND run.state = 'succeeded' AND out_bytes = 200000 AND out_dropped > 0";
    let lost: Option<i64> = scene.instance.cell(lost);
    assert!(
        lost.is_some_and(|n| n > 0),
        "what the disk refused is counted"
    );
    scene.check();
}

#[test]
fn a_frozen_disk_delays_no_fire_and_everything_is_recorded_once_after_the_thaw() {
    if skipped() {
        return;
    }
    let scene = Scene::new();
    scene.midway();
    let core = scene.instance.lock_holder();
    scene.volume.freeze();
    let ticks = scene.span(15);
    let alive = scene.alive();
    // One that reads the store would wait for the thaw.
    let text = scene.instance.sandbox.ok(&["status"]).stdout;
    let status = scene.instance.status();
    scene.volume.thaw();
    on_time("frozen disk", &ticks, 15, 90);
    let alive = alive.expect("it answers");
    let degraded = alive.degraded.expect("words");
    println!("frozen disk: {degraded}");
    assert!(text.contains("the disk does not answer since"), "{text}");
    assert!(
        status["daemon"]["degraded"].is_string() && status["jobs"].is_null(),
        "{status}"
    );
    assert!(
        degraded.contains("the disk does not answer since"),
        "{degraded}"
    );
    assert_eq!(Some(alive.pid), core, "nobody was killed for that");
    scene.all_recorded();
    scene.check();
}

#[test]
fn a_core_killed_while_the_disk_is_frozen_starts_nothing_twice_afterwards() {
    if skipped() {
        return;
    }
    let scene = Scene::new();
    scene.midway();
    scene.volume.freeze();
    let before = scene.span(6);
    let killed = scene.instance.kill_core();
    pass(2_000);
    scene.volume.thaw();
    on_time("frozen disk, then kill -9", &before, 6, 80);
    scene.instance.up_but_for(Some(killed));
    pass(3_000);
    scene.all_recorded();
    scene.check();
}

#[test]
fn a_disk_gone_read_only_delays_no_fire_and_what_memory_holds_is_recorded_after_the_repair() {
    if skipped() {
        return;
    }
    let mut scene = Scene::new();
    scene.midway();
    scene.volume.abort();
    let ticks = scene.span(15);
    let alive = scene.alive();
    on_time("read-only disk", &ticks, 15, 90);
    let degraded = alive.and_then(|a| a.degraded).expect("words");
    println!("read-only disk: {degraded}");
    assert!(
        degraded.contains("the ring cannot be written"),
        "{degraded}"
    );
    let at = mono();
    scene.instance.kill_all();
    until("nobody uses the disk", || {
        scene.volume.unmounts().then_some(())
    });
    println!("read-only disk: unused after {} ms", mono() - at);
    scene.volume.repair();
    scene.instance.start();
    scene.all_recorded();
    scene.check();
}
