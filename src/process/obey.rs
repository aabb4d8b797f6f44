//! What a worker does when the core says something.

use std::io;

use rustix::net::{SocketFlags, accept_with};

use crate::clock::Now;
use crate::crash;
use crate::model::{Fence, Order, Report, StopCause};
use crate::process::as_cron::surround;
use crate::process::begin::begin;
use crate::process::capture::Recorder;
use crate::process::carry::Run;
use crate::process::conclude::not_executed;
use crate::process::form::Failure;
use crate::process::frame::{Conn, Heard};
use crate::process::identity::Identity;
use crate::process::ledger::{Child, Ended, Limit, Started};
use crate::process::message::{FromWorker, Standing, ToWorker};
use crate::process::step::Step;
use crate::process::worker::{Hand, Worker, marks};

/// After so many runs a worker makes room for a fresh one.
const MAX_RUNS: u32 = 1000;

impl Worker<'_> {
    // A new connection means that the core behind the old one is dead. What it said last is acted
    // on first, so that an order it sent before it died is either taken or was never sent whole.
    pub(in crate::process) fn greet(&mut self) {
        let flags = SocketFlags::CLOEXEC | SocketFlags::NONBLOCK;
        while let Ok(fd) = accept_with(&self.listener, flags) {
            if self.core.is_some() {
                self.hear_core();
            }
            self.core = Some(Conn::over(fd));
        }
    }

    pub(in crate::process) fn hear_core(&mut self) {
        loop {
            let Some(core) = &mut self.core else {
                return;
            };
            core.flush();
            let heard = core.listen();
            loop {
                let Some(core) = &mut self.core else {
                    return;
                };
                match core.next_message::<ToWorker<'static>>() {
                    Ok(Some(message)) => self.act(message),
                    Ok(None) => break,
                    Err(_) => return self.lose_core(),
                }
            }
            match heard {
                Heard::Some => {}
                Heard::Nothing => return,
                Heard::Closed => return self.lose_core(),
            }
        }
    }

    fn lose_core(&mut self) {
        self.core = None;
        self.alone_since = self.clock.now().boot;
    }

    fn tell(&mut self, message: &FromWorker) {
        // What cannot be told now is in the ledger.
        if let Some(core) = &mut self.core
            && core.send(message).is_err()
        {
            self.lose_core();
        }
    }

    pub(in crate::process) fn tell_steps(&mut self, fence: Fence, steps: Vec<Step>) {
        self.untold
            .extend(steps.into_iter().map(|step| (fence, step)));
        self.tell_untold();
    }

    /// Has the attempt in hand looked at and tells what was noticed. Gives when to come again.
    pub(in crate::process) fn watch(&mut self, now: Now) -> Option<i64> {
        let Hand::Attempt(run) = &self.hand else {
            return None;
        };
        let fence = run.fence;
        let signs = || run.signs(now);
        let next = self.watch.beat(now, run.started_boot, fence, signs);
        self.tell_noticed(fence);
        Some(next)
    }

    fn tell_noticed(&mut self, fence: Fence) {
        let noticed: Vec<Step> = self.watch.noticed(fence).into_iter().collect();
        if !noticed.is_empty() {
            self.tell_steps(fence, noticed);
        }
    }

    fn tell_untold(&mut self) {
        if self.core.is_none() {
            return;
        }
        for (fence, step) in std::mem::take(&mut self.untold) {
            self.tell(&FromWorker::Step { fence, step });
        }
    }

    fn act(&mut self, message: ToWorker<'_>) {
        match message {
            ToWorker::Hello => {
                let state = self.standing();
                self.tell(&FromWorker::State { state });
                self.tell_untold();
            }
            ToWorker::Run { order } => self.take(order.into_owned()),
            ToWorker::Stop {
                fence,
                cause,
                grace_ms,
            } => self.stop(fence, cause, grace_ms),
            ToWorker::Collected { fence } => self.collected(fence),
            ToWorker::Retire => self.retired = true,
            ToWorker::Unknown => {}
        }
    }

    fn standing(&self) -> Standing {
        match &self.hand {
            Hand::Nothing => Standing::Idle,
            Hand::Attempt(run) => Standing::Running {
                fence: run.fence,
                pid: run.pid,
            },
            Hand::Result { fence, report } => Standing::Ended {
                fence: *fence,
                report: report.clone(),
                leaving: self.leaving(),
            },
        }
    }

    fn leaving(&self) -> bool {
        self.soiled || self.runs >= MAX_RUNS
    }

    fn take(&mut self, order: Order) {
        let fence = order.fence;
        match &self.hand {
            Hand::Nothing if !self.leaving() => {}
            Hand::Attempt(run) if run.fence == fence => return,
            Hand::Result { fence: held, .. } if *held == fence => return,
            _ => return self.tell(&FromWorker::Refused { fence }),
        }
        // An order is stronger than an earlier word to leave: the core knows what it gave last.
        self.retired = false;
        self.runs += 1;
        let now = self.clock.now();
        match self.start(order, now) {
            Ok(run) => {
                let pid = run.pid;
                self.hand = Hand::Attempt(Box::new(run));
                let at = now.wall;
                self.tell(&FromWorker::Started { fence, pid, at });
            }
            Err(failure) => self.settle(fence, not_executed(failure, now)),
        }
    }

    fn start(&mut self, mut order: Order, now: Now) -> Result<Run, Failure> {
        surround(&mut order);
        let fence = order.fence;
        let fault = |error: io::Error| Failure {
            errno: error.raw_os_error().unwrap_or(5),
            reason: format!("its slot directory cannot be written: {error}"),
        };
        let started = Started {
            run: order.run,
            attempt: order.attempt,
            fence,
            boot_id: self.boot_id.clone(),
            job: order.job.clone(),
            worker: self.me,
            at: now.wall,
            limit: Limit::of(&order, now.boot),
        };
        crash::point("worker before started");
        self.ledger.write_started(&started).map_err(fault)?;
        crash::point("worker started");
        let out = self.slot.file("out").map_err(fault)?;
        let marks = marks(fence, &self.mark);
        let (job, grouped) = begin(&mut self.cgroup, &order, &marks)?;
        crash::point("worker child runs");
        if let Some(process) = Identity::of(job.pid) {
            // Without the entry the marks in the environment still lead to the process.
            let _ = self.ledger.write_child(Child { fence, process });
        }
        let recorder = Recorder::begin(out, fence, order.output_max);
        let whose = (self.me.pid, grouped);
        Ok(Run::of(order, job, recorder, whose, now))
    }

    fn stop(&mut self, fence: Fence, cause: StopCause, grace_ms: i64) {
        let now = self.clock.now();
        if let Hand::Attempt(run) = &mut self.hand
            && run.fence == fence
        {
            run.stop(cause, grace_ms, now);
            let steps = run.take_steps();
            self.tell_steps(fence, steps);
        }
    }

    fn collected(&mut self, fence: Fence) {
        if let Hand::Result { fence: held, .. } = &self.hand
            && *held == fence
        {
            // An end that stays in the ledger is offered again and collected again.
            let _ = self.ledger.clear();
            self.hand = Hand::Nothing;
            self.retired |= self.leaving();
            self.alone_since = self.clock.now().boot;
        }
    }

    // The end goes to disk before anyone hears of it.
    pub(in crate::process) fn settle(&mut self, fence: Fence, report: Report) {
        let ended = Ended { fence, report };
        crash::point("worker before exit");
        let _ = self.ledger.write_exit(&ended);
        crash::point("worker exit written");
        let Ended { fence, report } = ended;
        self.hand = Hand::Result {
            fence,
            report: report.clone(),
        };
        let leaving = self.leaving();
        self.tell_noticed(fence);
        self.tell(&FromWorker::Ended {
            fence,
            report,
            leaving,
        });
    }
}
