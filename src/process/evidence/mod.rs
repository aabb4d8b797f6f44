//! Evidence: what a worker sees of the job it carries, once a second.
//!
//! A thread of the worker reads `/proc` and writes the file `evidence` of the slot, so that neither
//! a process the kernel holds nor a disk that does not answer can keep the worker from its limits
//! and its ladder. The loop itself only says that it has come round and what it knows; a loop that
//! hangs says nothing, and then the file grows old, however alive the thread is.

mod call;
mod file;
mod history;
mod look;
mod peer;
mod processes;
mod roll;
mod wait;
mod watch;

pub use roll::slot_looks;

pub(in crate::process) use file::lay_out;
pub(in crate::process) use history::Signs;
pub(in crate::process) use watch::Watch;
