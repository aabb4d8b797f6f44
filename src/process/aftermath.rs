//! Clearing away after workers that died, beside everything else: what cannot be killed is tried for
//! seconds, and no start waits for that.

use std::sync::Arc;
use std::sync::mpsc::{Receiver, Sender, channel};
use std::thread;

use crate::clock::Clock;
use crate::model::Fence;
use crate::process::event::Event;
use crate::process::sweep::{Target, sweep};

/// The clearing under way.
pub(in crate::process) struct Aftermath {
    done: Sender<Event>,
    heard: Receiver<Event>,
    under_way: usize,
}

impl Aftermath {
    /// None under way.
    pub fn none() -> Aftermath {
        let (done, heard) = channel();
        Aftermath {
            done,
            heard,
            under_way: 0,
        }
    }

    /// Ends what is left of a run, and then tells that it is lost, with `reason`.
    pub fn begin(
        &mut self,
        fence: Fence,
        target: Option<Target>,
        reason: String,
        clock: Arc<dyn Clock>,
    ) {
        self.under_way += 1;
        let done = self.done.clone();
        let mut reason = reason;
        let clear = move || {
            for (_, pid) in sweep(target.as_slice(), &*clock) {
                reason.push_str(&format!("; process {pid} of it is still alive"));
            }
            // Nobody listens any more where the pool is gone; the next one finds the same ledger.
            let _ = done.send(Event::Lost { fence, reason });
        };
        if let Err(error) = thread::Builder::new().name("sweep".to_owned()).spawn(clear) {
            // Without a thread nothing is cleared away, and that is told.
            let reason = format!("its worker vanished, and what it left was not ended: {error}");
            let _ = self.done.send(Event::Lost { fence, reason });
        }
    }

    /// What is done by now.
    pub fn over(&mut self) -> Vec<Event> {
        let over: Vec<Event> = self.heard.try_iter().collect();
        self.under_way -= over.len().min(self.under_way);
        over
    }

    /// Whether there is something to ask for.
    pub fn is_under_way(&self) -> bool {
        self.under_way > 0
    }
}
