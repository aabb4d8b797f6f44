//! The thread between the firing side and the workers.

use std::sync::Arc;

use crate::clock::Clock;
use crate::crash;
use crate::daemon::core::{Keep, Tell};
use crate::daemon::fact::{Carrier, Fact};
use crate::daemon::mailbox::{Mailbox, Sender};
use crate::daemon::outputs::{Outputs, output_of};
use crate::daemon::refuge::Refuge;
use crate::model::{Exit, Fence, Order, Output, Report, StopCause};
use crate::process::{Event, Pool};
use std::os::fd::AsFd;

/// What the spawner is told.
#[derive(Debug)]
pub enum Errand {
    /// Start an attempt.
    Start(Box<Order>),
    /// End an attempt.
    Stop(Fence, StopCause, i64),
    /// The outcome and the output are in the store: the worker may forget them.
    Collected(Fence),
    /// Whether the disk of the slots is not to be touched.
    CutOff(bool),
    /// Nobody knows the attempt: the worker may forget it, and its output is dropped.
    Discard(Fence),
    /// Leave the workers to themselves and end.
    Leave,
}

/// The firing side's hand on the spawner.
pub struct Hand(pub Sender<Errand>);

impl Carrier for Hand {
    fn start(&mut self, order: Order) {
        self.0.send(Errand::Start(Box::new(order)));
    }

    fn stop(&mut self, fence: Fence, cause: StopCause, grace_ms: i64) {
        self.0.send(Errand::Stop(fence, cause, grace_ms));
    }

    fn discard(&mut self, fence: Fence) {
        self.0.send(Errand::Discard(fence));
    }

    fn collected(&mut self, fence: Fence) {
        self.0.send(Errand::Collected(fence));
    }

    fn cut_off(&mut self, cut_off: bool) {
        self.0.send(Errand::CutOff(cut_off));
    }
}

/// The spawner.
pub struct Spawner {
    /// The workers.
    pub pool: Pool,
    /// Where workers live while the disk of the slots is not to be touched.
    pub refuge: Refuge,
    /// Where output waits for the store side.
    pub outputs: Arc<Outputs>,
    /// What it is told.
    pub errands: Mailbox<Errand>,
    /// The firing side.
    pub firing: Sender<Tell>,
    /// The store side.
    pub keeper: Sender<Keep>,
    /// The clock.
    pub clock: Arc<dyn Clock>,
}

impl Spawner {
    /// Runs errands and passes on what the workers report, until told to leave.
    pub fn run(mut self) {
        loop {
            for errand in self.errands.take() {
                match errand {
                    Errand::Start(order) => {
                        self.start(&order);
                        crash::point("order sent");
                    }
                    Errand::Stop(fence, cause, grace) => self.pool.stop(fence, cause, grace),
                    Errand::Collected(fence) => self.pool.collected(fence),
                    Errand::CutOff(cut_off) => self.cut_off(cut_off),
                    Errand::Discard(fence) => {
                        self.pool.collected(fence);
                        self.keeper.send(Keep::Forget(fence));
                    }
                    Errand::Leave => return self.pool.shutdown(),
                }
            }
            for event in self.pool.wait(self.errands.as_fd(), None) {
                self.pass_on(event);
            }
        }
    }

    /// Without a refuge the disk is all there is.
    fn cut_off(&mut self, cut_off: bool) {
        if !cut_off {
            self.pool.leave_refuge();
            return;
        }
        let made = self.refuge.make();
        let taken = made.and_then(|(n, dir)| self.pool.take_refuge(n, dir.join("slots")));
        if let Err(e) = taken {
            eprintln!("crake: there is no refuge from the disk: {e}");
        }
    }

    fn start(&mut self, order: &Order) {
        if let Err(e) = self.pool.start(order) {
            let now = self.clock.now().wall;
            let report = Report {
                started_at: now,
                ended_at: now,
                // EAGAIN: what fork(2) and posix_spawn(3) say when there is no room for a process.
                exit: Exit::Unspawnable(11),
                stop: None,
                reason: Some(format!("no worker could take it: {e}")),
                cpu_ms: 0,
                max_rss: 0,
                output: Output::default(),
            };
            let fence = order.fence;
            self.firing.send(Tell::Fact(Fact::Ended { fence, report }));
        }
    }

    fn pass_on(&mut self, event: Event) {
        let fact = match event {
            Event::Started {
                fence,
                pid,
                slot,
                at,
            } => Fact::Spawned {
                fence,
                pid,
                slot,
                at,
            },
            Event::Ended { fence, report } => {
                self.hand_in(fence);
                Fact::Ended { fence, report }
            }
            Event::Step { fence, step } => Fact::Step { fence, step },
            Event::Lost { fence, reason } => {
                self.hand_in(fence);
                Fact::Lost { fence, reason }
            }
        };
        self.firing.send(Tell::Fact(fact));
    }

    /// Gives the output to the store side before the firing side hears of the end, so that the two
    /// are recorded together.
    fn hand_in(&self, fence: Fence) {
        if let Some(output) = output_of(&self.pool, fence) {
            self.outputs.take(fence, output);
        }
    }
}
