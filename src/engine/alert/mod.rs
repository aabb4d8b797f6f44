//! Alerts: what of all that happens somebody is told of, and when the message goes out.
//!
//! Pure. [`decide`] turns what happened to a job into decisions for one receiver; [`send`] says what
//! to do with what was decided and not sent yet.

mod decide;
mod quiet;
mod send;

pub use decide::{Decision, Happening, Told, calm, decide, silence};
pub use send::{BACKOFF, Rules, Step, Waiting, send};
