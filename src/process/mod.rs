//! The processes that carry runs.
//!
//! A [`Pool`] (in the core) keeps worker processes, one slot directory each; a worker
//! ([`worker_main`]) carries one attempt at a time and outlives the core. What happened is decided
//! by files: whoever holds a slot's lock is its living worker, and the slot's ledger says what that
//! worker took, started and saw the end of.

mod attend;
mod capture;
mod carry;
mod event;
mod frame;
pub mod identity;
mod inherit;
mod ladder;
mod launch;
mod ledger;
mod line;
mod message;
mod obey;
pub mod own_file;
mod place;
mod pool;
mod reap;
mod slot;
mod survey;
mod sweep;
mod timer;
mod tree;
mod worker;

pub use capture::{Captured, Chunk, DecodeError, Followed, Follower, Stream, read_output};
pub use event::{Counts, Event, PoolError};
pub use launch::is_executable;
pub use ledger::{Entries, decode_ledger};
pub use line::plain_words;
pub use pool::Pool;
pub use slot::output_path;
pub use worker::worker_main;
