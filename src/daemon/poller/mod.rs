//! Pollers: one process for each source that is watched.
//!
//! A driver may hang, spin or crash; it does so in a process of its own, which may be killed. The
//! core holds a [`Poller`] for it, which never waits; `crake __poller` is [`poller_main`].

mod assembly;
mod desk;
mod ear;
mod event;
mod handle;
mod hooks;
mod launch;
mod message;
mod outgoing;
mod postbox;
mod process;
mod roster;
mod work;

pub use event::{Answer, PollerEvent, Reply};
pub use handle::Poller;
pub use launch::Launch;
pub use message::{Act, Acted, Ask, Beat, Wording};
pub use process::poller_main;
