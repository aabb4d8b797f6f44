//! The thread between the firing side and the workers.

use std::fs::File;
use std::io::Write;
use std::os::unix::fs::OpenOptionsExt;
use std::path::PathBuf;
use std::sync::Arc;

use crate::clock::Clock;
use crate::crash;
use crate::daemon::core::{Keep, Tell};
use crate::daemon::fact::{Carrier, Fact};
use crate::daemon::mailbox::{Mailbox, Sender};
use crate::model::{Exit, Fence, Order, Output, Report, StopCause};
use crate::process::{Event, Pool};
use crate::store::StoredOutput;
use std::os::fd::AsFd;

/// Output up to this size goes into the store; larger output keeps a file.
const SMALL: usize = 64 * 1024;

/// What the spawner is told.
#[derive(Debug)]
pub enum Errand {
    /// Start an attempt.
    Start(Box<Order>),
    /// End an attempt.
    Stop(Fence, StopCause, i64),
    /// The outcome and the output are in the store: the worker may forget them.
    Collected(Fence),
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
}

/// The spawner.
pub struct Spawner {
    /// The workers.
    pub pool: Pool,
    /// Where large output is kept.
    pub logs: PathBuf,
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
        if let Some(output) = stored_output(&self.pool, &self.logs, fence) {
            self.keeper.send(Keep::Output(fence, output));
        }
    }
}

/// The output of an attempt that ended, in the form in which it is kept: small output as bytes,
/// large output in a file of its own.
pub fn stored_output(pool: &Pool, logs: &std::path::Path, fence: Fence) -> Option<StoredOutput> {
    let captured = pool.captured(fence).ok()?;
    if captured.total == 0 {
        return None;
    }
    let bytes = captured.encode();
    if bytes.len() <= SMALL {
        return Some(StoredOutput::Here(bytes));
    }
    let path = logs.join(format!("{fence}.out"));
    match write_new(&path, &bytes) {
        Ok(()) => Some(StoredOutput::File(path.display().to_string())),
        // Without room for a file the store still takes what it can.
        Err(_) => Some(StoredOutput::Here(bytes)),
    }
}

/// Writes a file that takes the place of whatever is there: nothing is followed or waited for. Output
/// may hold secrets, whatever the directory allows.
fn write_new(path: &std::path::Path, bytes: &[u8]) -> std::io::Result<()> {
    let _ = std::fs::remove_file(path);
    let mut file = File::options()
        .write(true)
        .create_new(true)
        .mode(0o600)
        .open(path)?;
    file.write_all(bytes)
}
