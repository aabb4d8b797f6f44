//! What the pool knows of one slot.

use std::process::Child;

use crate::model::{Fence, Order, StopCause};
use crate::process::frame::Conn;
use crate::process::overdue::Patience;

/// What a slot is in use for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::process) enum Use {
    /// No worker and nothing to keep.
    Vacant,
    /// A living worker that has not said yet where it stands.
    Unknown,
    /// A worker that waits for an order.
    Idle,
    /// A worker with an order.
    Busy(Fence),
    /// The end of a run, to be collected; its worker may be alive or not.
    Held(Fence),
    /// A worker that was told to leave.
    Leaving,
}

/// An order on its way to a worker: kept until the worker has taken it for certain.
pub(in crate::process) struct Pending {
    /// The order.
    pub order: Box<Order>,
    /// Workers that died before they took it.
    pub tries: u32,
    /// That it is to be ended, should it start.
    pub stop: Option<(StopCause, i64)>,
}

/// A slot as the pool sees it.
pub(in crate::process) struct Place {
    /// What it is used for.
    pub used: Use,
    /// Whether a worker holds the lock, as far as known.
    pub lives: bool,
    /// The way to the worker.
    pub conn: Option<Conn>,
    /// The worker, where this very process started it: it has to be waited for.
    pub process: Option<Child>,
    /// What was sent and not confirmed.
    pub pending: Option<Pending>,
    /// A request to end the run that the worker may not have heard.
    pub stop: Option<(StopCause, i64)>,
    /// Whether the worker leaves after this run.
    pub leaving: bool,
    /// How long the end of its run is waited for.
    pub patience: Patience,
    /// Whether the worker was ended because that took too long.
    pub put_down: bool,
    /// Since when it is idle (boot clock).
    pub idle_since: i64,
}

impl Place {
    /// A slot nobody uses.
    pub fn vacant() -> Place {
        Place {
            used: Use::Vacant,
            lives: false,
            conn: None,
            process: None,
            pending: None,
            stop: None,
            leaving: false,
            patience: Patience::default(),
            put_down: false,
            idle_since: 0,
        }
    }

    /// Whether there is a worker nobody is connected to.
    pub fn is_cut_off(&self) -> bool {
        self.lives && self.conn.is_none()
    }
}
