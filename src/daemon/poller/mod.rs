//! Pollers: one process for each source that is watched.
//!
//! A driver may hang, spin or crash; it does so in a process of its own, which may be killed. The
//! core holds a [`Poller`] for it, which never waits; `crake __poller` is [`poller_main`].

mod assembly;
mod handle;
mod hooks;
mod message;

pub use handle::{Answer, Launch, Poller, PollerEvent, Reply};
pub use message::{Act, Acted, Ask, Beat, Wording};
