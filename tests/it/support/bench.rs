//! A store in a directory of its own, filled by hand, and the binary run on it.

use std::process::{Command, Output, Stdio};
use std::sync::{Arc, Mutex};

use crake::clock::{Clock, SystemClock};
use crake::config::Paths;
use crake::control::{Alive, Handler, Reply, Request, Server, Watched};
use crake::model::{
    self, Ended, Exit, Fence, Fire, Job, MissReason, NewRun, Next, Origin, Outcome, Planned,
    Policy, Record, Report, RunId, Spawned, Spec, Start, Verdict,
};
use crake::schedule::UnixMs;
use crake::store::{NewSchedule, Session, Store};
use serde_json::Value;
use tempfile::TempDir;

/// A directory with a store in it.
pub struct Bench {
    dir: TempDir,
    /// When it was made; tests place what they write around it.
    pub now: UnixMs,
}

impl Bench {
    /// An empty one.
    pub fn new() -> Bench {
        Bench {
            dir: TempDir::new().unwrap(),
            now: SystemClock.now().wall,
        }
    }

    /// Its files.
    pub fn paths(&self) -> Paths {
        Paths::under(self.dir.path())
    }

    /// Its store.
    pub fn store(&self) -> Store {
        Store::open(&self.paths().store).unwrap()
    }

    /// Writes records.
    pub fn record(&self, records: &[Record]) {
        self.store().record(records, None, self.now).unwrap();
    }

    /// Says that a daemon ran until `alive_at`.
    pub fn session(&self, alive_at: UnixMs) {
        let mut store = self.store();
        let session = Session {
            pid: 1,
            boot_id: "boot".to_owned(),
            version: "0".to_owned(),
            started_at: alive_at - 1_000,
            alive_at,
            stopped_at: None,
        };
        store.open_session(&session).unwrap();
        store.touch_session(alive_at, true).unwrap();
    }

    /// Defines a job, with an expression where one is given, as if it had been done at `at`.
    pub fn job(&self, name: &str, expr: Option<&str>, at: UnixMs) -> Vec<Planned> {
        let schedules: Vec<NewSchedule> = expr.into_iter().map(schedule).collect();
        let mut store = self.store();
        store
            .put_job(&job(name), &schedules, false, "ana", at)
            .unwrap();
        let row = store.job(name).unwrap().unwrap();
        row.schedules.into_iter().map(|(p, _)| p).collect()
    }

    /// The command, ready to be run.
    pub fn command(&self, args: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_crake"));
        command
            .args(args)
            .env_clear()
            .env("CRAKE_HOME", self.dir.path())
            .env("TZ", "Europe/Berlin")
            .stdin(Stdio::null());
        command
    }

    /// Runs the command.
    pub fn run(&self, args: &[&str]) -> Ran {
        Ran::of(self.command(args).output().unwrap())
    }

    /// Runs the command and gives the items of its JSON answer.
    pub fn items(&self, args: &[&str]) -> Vec<Value> {
        let ran = self.run(&[args, &["--json"]].concat());
        assert_eq!(ran.code, 0, "{ran:?}");
        ran.json()["items"].as_array().unwrap().clone()
    }

    /// Answers for a daemon from now on. `work` is called with the store on every nudge.
    pub fn daemon(&self, work: impl FnMut(&mut Store) + Send + 'static) {
        let server = Server::bind(&self.paths().socket).unwrap();
        let mut stand_in = StandIn {
            store: self.store(),
            since: self.now,
            work,
        };
        // It serves until the test's process ends.
        std::thread::spawn(move || server.serve(&mut stand_in));
    }

    /// Answers for a daemon on a socket bound by the test.
    pub fn serve(&self, server: Server) {
        let since = self.now;
        std::thread::spawn(move || server.serve(&mut Answering(since)));
    }

    /// Answers for a daemon that has no store.
    pub fn stand_in(&self) {
        self.serve(Server::bind(&self.paths().socket).unwrap());
    }

    /// A daemon that starts and ends whatever waits, with this outcome, and keeps what it is told.
    pub fn daemon_that_ends(&self, outcome: Outcome, exit: Exit) -> Arc<Mutex<Vec<RunId>>> {
        let done = Arc::new(Mutex::new(Vec::new()));
        let told = Arc::clone(&done);
        let now = self.now;
        self.daemon(move |store| {
            let filter = crake::store::RunFilter {
                states: vec![model::RunState::Queued],
                ..Default::default()
            };
            for run in store.runs(&filter).unwrap() {
                let mut records = started(run.run, &run.job, 1, run.run.0, now);
                records.push(ended(
                    run.run,
                    &run.job,
                    run.run.0,
                    outcome,
                    exit,
                    now + 3_100,
                ));
                store.record(&records, None, now).unwrap();
                told.lock().unwrap().push(run.run);
            }
        });
        done
    }
}

struct StandIn<F> {
    store: Store,
    since: UnixMs,
    work: F,
}

impl<F: FnMut(&mut Store) + Send> Handler for StandIn<F> {
    fn handle(&mut self, request: Request) -> Reply {
        if request == Request::Nudge {
            (self.work)(&mut self.store);
            return Reply::Done;
        }
        alive(self.since)
    }
}

/// A daemon that answers and does nothing.
struct Answering(UnixMs);

impl Handler for Answering {
    fn handle(&mut self, request: Request) -> Reply {
        match request {
            Request::Ping => alive(self.0),
            Request::Nudge | Request::Petition(_) => Reply::Done,
        }
    }
}

fn alive(since: UnixMs) -> Reply {
    Reply::Alive(Alive {
        pid: 812,
        version: "0".to_owned(),
        since,
        beat_age_ms: 300,
        degraded: None,
        trouble: None,
        armed: 0,
        live: 0,
        watched: Watched::default(),
    })
}

/// What came of running the command.
#[derive(Debug)]
pub struct Ran {
    pub code: i32,
    pub out: String,
    pub err: String,
}

impl Ran {
    pub fn of(output: Output) -> Ran {
        Ran {
            code: output.status.code().unwrap_or(-1),
            out: String::from_utf8(output.stdout).unwrap(),
            err: String::from_utf8(output.stderr).unwrap(),
        }
    }

    pub fn json(&self) -> Value {
        serde_json::from_str(&self.out).unwrap_or_else(|e| panic!("{e}: {self:?}"))
    }
}

/// A job with the rules of a new one.
pub fn job(name: &str) -> Job {
    Job {
        name: name.to_owned(),
        spec: Spec::of(model::Command::Line("true".into())),
        policy: Policy::default(),
        pauses: Vec::new(),
        version: 1,
        listed: true,
    }
}

/// A schedule in UTC.
pub fn schedule(expr: &str) -> NewSchedule {
    NewSchedule {
        zone: Some("UTC".to_owned()),
        ..NewSchedule::of(expr)
    }
}

/// A row of the ledger without a run.
pub fn fire(planned: &Planned, at: UnixMs, verdict: Verdict) -> Fire {
    Fire {
        schedule: planned.id,
        job: planned.job.clone(),
        planned_at: at,
        verdict,
        run: None,
        make: None,
        late_ms: 96,
        reason: (verdict == Verdict::Missed).then_some(MissReason::Asleep),
        note: None,
        blocked_by: None,
        decided_at: at + 96,
        count: 1,
        until: at,
        next_at: Some(at + 60_000),
    }
}

/// A row of the ledger with a run.
pub fn fire_run(planned: &Planned, at: UnixMs, run: i64) -> Fire {
    let made = new_run(run, &planned.job, at);
    Fire {
        run: Some(RunId(run)),
        make: Some(NewRun {
            origin: Origin::Schedule,
            schedule: Some(planned.id),
            planned_at: Some(at),
            ..made
        }),
        ..fire(planned, at, Verdict::Run)
    }
}

/// A run that waits.
pub fn new_run(run: i64, job: &str, at: UnixMs) -> NewRun {
    NewRun {
        run: RunId(run),
        job: job.to_owned(),
        queue: "normal".to_owned(),
        priority: 5,
        origin: Origin::Manual,
        origin_ref: None,
        schedule: None,
        planned_at: Some(at),
        queued_at: at,
        run_at: at,
        max_attempts: 1,
    }
}

/// An attempt that started, carried by the worker in slot 3.
pub fn started(run: RunId, job: &str, attempt: u32, fence: i64, at: UnixMs) -> Vec<Record> {
    let start = Start {
        run,
        job: job.to_owned(),
        attempt,
        fence: Fence(fence),
        at,
        boot_id: "boot".to_owned(),
    };
    let spawned = Spawned {
        run,
        attempt,
        fence: Fence(fence),
        pid: 4711,
        slot: 3,
        at,
    };
    vec![Record::Start(start), Record::Spawned(spawned)]
}

/// The end of a run's first attempt.
pub fn ended(
    run: RunId,
    job: &str,
    fence: i64,
    outcome: Outcome,
    exit: Exit,
    at: UnixMs,
) -> Record {
    let report = Report {
        started_at: at - 3_100,
        ended_at: at,
        exit,
        stop: None,
        reason: None,
        cpu_ms: 1,
        max_rss: 1,
        output: Default::default(),
    };
    Record::Ended(Box::new(Ended {
        run,
        job: job.to_owned(),
        attempt: 1,
        fence: Fence(fence),
        outcome,
        report: Some(report),
        reason: None,
        at,
        next: Next::Final,
        collect: false,
    }))
}

/// A run from its making to its end.
pub fn whole_run(run: i64, job: &str, outcome: Outcome, exit: Exit, at: UnixMs) -> Vec<Record> {
    let mut records = vec![Record::New(new_run(run, job, at))];
    records.extend(started(RunId(run), job, 1, run, at + 100));
    records.push(ended(RunId(run), job, run, outcome, exit, at + 3_200));
    records
}

/// A run that is alive.
pub fn live_run(run: i64, job: &str, at: UnixMs) -> Vec<Record> {
    let mut records = vec![Record::New(new_run(run, job, at))];
    records.extend(started(RunId(run), job, 1, run, at));
    records
}
