//! What people, SQL clients and other programs do to the store meanwhile.

use crake::model::{
    CatchUp, Command, Job, OnLost, Origin, Overlap, Pause, Policy, RunId, Spec, Terms,
};
use crake::store::{NewSchedule, Request};

use super::scene::Scene;

fn job(name: &str, policy: Policy) -> Job {
    Job {
        name: name.to_owned(),
        spec: Spec::of(Command::Line("true".into())),
        policy,
        pauses: Vec::new(),
        version: 1,
        listed: true,
    }
}

impl Scene {
    pub fn define_all(&mut self) {
        let schedules = [
            "every 7s",
            "* * * * *",
            "*/5 * * * *",
            "30 2 * * *",
            "0 * * * *",
            "every 90s",
            "15,45 3-6 * * *",
            "@hourly",
            "@reboot",
        ];
        for index in 0..8 {
            let expr = *self.dice.pick(&schedules).expect("a schedule");
            self.define(&format!("job{index}"), expr);
        }
        self.define_followed();
    }

    /// Two jobs that nobody edits or pauses: each end of the one has a run of the other.
    fn define_followed(&mut self) {
        let mut tail = job("tail", Policy::default());
        tail.policy.queue_max = 100_000;
        let mut head = job("head", Policy::default());
        (head.policy.overlap, head.policy.retry) = (Overlap::Queue, 1);
        head.spec.follow.on_success = vec!["tail".to_owned()];
        head.spec.follow.on_failure = vec!["tail".to_owned()];
        let (now, mut store) = (self.now(), self.store());
        store.put_job(&tail, &[], true, "sim", now).expect("a job");
        let often = NewSchedule::of("every 40s");
        let put = store.put_job(&head, &[often], true, "sim", now);
        put.expect("a job");
    }

    fn define(&mut self, name: &str, expr: &str) {
        let mut policy = Policy {
            overlap: *self.dice.pick(Overlap::ALL).expect("a rule"),
            catch_up: *self.dice.pick(CatchUp::ALL).expect("a rule"),
            on_lost: *self.dice.pick(OnLost::ALL).expect("a rule"),
            retry: u32::try_from(self.dice.below(3)).unwrap_or(0),
            catch_up_max: 5,
            queue_max: 10,
            ..Policy::default()
        };
        if self.dice.one_in(4) {
            policy.start_deadline_ms = Some(20_000);
        }
        if policy.overlap == Overlap::Allow {
            policy.max_parallel = Some(2);
        }
        if self.dice.one_in(3) {
            policy.queue = "high".to_owned();
        }
        let job = job(name, policy);
        let mut schedule = NewSchedule {
            zone: Some("America/New_York".to_owned()),
            ..NewSchedule::of(expr)
        };
        schedule.terms = Terms {
            jitter_ms: if self.dice.one_in(4) { 3_000 } else { 0 },
            max_fires: self.dice.one_in(6).then_some(7),
            start_at: self.dice.one_in(8).then_some(self.now() + 600_000),
            end_at: self.dice.one_in(8).then_some(self.now() + 7_200_000),
            ..Terms::default()
        };
        let now = self.now();
        let put = self.store().put_job(&job, &[schedule], true, "sim", now);
        put.expect("a definition");
    }

    pub fn client_inserts(&mut self) {
        if self.lock.is_some() {
            return;
        }
        let name = format!("job{}", self.dice.below(8));
        let (now, later) = (self.now(), self.dice.below(20_000));
        let mut store = self.store();
        if store.job(&name).expect("a look").is_none() {
            return;
        }
        let request = Request {
            job: name,
            origin: Origin::Manual,
            origin_ref: None,
            by: "sim".to_owned(),
            run_at: now + later,
            queue: None,
            priority: None,
            env: Vec::new(),
        };
        store.request(&request, now).expect("a request");
    }

    pub fn somebody_cancels(&mut self) {
        if self.lock.is_some() {
            return;
        }
        let now = self.now();
        let mut store = self.store();
        let live = store.live().expect("a look");
        let runs: Vec<RunId> = live.iter().map(|l| l.run.run).collect();
        if let Some(run) = self.dice.pick(&runs) {
            store.cancel(&[*run], "sim", now).expect("a cancel");
        }
    }

    pub fn somebody_pauses(&mut self) {
        if self.lock.is_some() {
            return;
        }
        let name = format!("job{}", self.dice.below(8));
        let now = self.now();
        let mut store = self.store();
        if self.dice.one_in(2) {
            let _ = store.resume_job(&name, "sim", now);
            return;
        }
        let until = self.dice.one_in(2).then_some(now + 120_000);
        let pause = Pause {
            from: now,
            until,
            by: "sim".to_owned(),
            reason: None,
        };
        let _ = store.pause_job(&name, &pause);
    }

    pub fn somebody_edits(&mut self) {
        if self.lock.is_some() {
            return;
        }
        let name = format!("job{}", self.dice.below(8));
        match self.dice.below(3) {
            0 => {
                let now = self.now();
                let _ = self.store().remove_job(&name, "sim", now);
            }
            1 => self.define(&name, "every 11s"),
            _ => self.define(&name, "*/2 * * * *"),
        }
    }

    /// Another program takes the write lock and sits on it.
    pub fn stranger_locks(&mut self) {
        if self.lock.is_some() {
            return;
        }
        let path = self.dir.path().join("crake.db");
        let conn = rusqlite::Connection::open(path).expect("a stranger");
        if conn.execute_batch("BEGIN IMMEDIATE").is_ok() {
            self.lock = Some(conn);
        }
    }
}
