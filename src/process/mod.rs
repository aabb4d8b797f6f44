//! The processes that carry runs.
//!
//! A [`Pool`] (in the core) keeps worker processes, one slot directory each; a worker
//! ([`worker_main`]) carries one attempt at a time and outlives the core. What happened is decided
//! by files: whoever holds a slot's lock is its living worker, and the slot's ledger says what that
//! worker took, started and saw the end of.

mod aftermath;
mod as_cron;
mod attend;
mod begin;
mod capture;
mod carry;
mod cgroup;
mod cgroup_place;
mod conclude;
mod dirs;
mod event;
mod evidence;
mod exec;
mod form;
pub mod frame;
mod holder;
pub mod identity;
mod inherit;
mod ladder;
mod launch;
mod ledger;
mod line;
mod mail;
mod message;
mod meter;
mod obey;
mod oom;
mod overdue;
pub mod own_file;
mod place;
mod pool;
mod reap;
mod refuge;
mod session;
mod slot;
mod stage;
mod step;
mod survey;
mod sweep;
mod timer;
mod tree;
mod trouble;
mod user;
mod worker;

pub use as_cron::{drain_main, files_of_pam, pam_variables};
pub use capture::{Captured, Chunk, DecodeError, Followed, Follower, Stream, read_output};
pub use dirs::refuge_of;
pub use event::{Counts, Event, PoolError};
pub use evidence::slot_looks;
pub use exec::stage_main;
pub use form::is_executable;
pub use holder::{readers, writer};
pub use inherit::{close_strange_files, default_signals, unblock_signals};
pub use ledger::{Entries, decode_ledger};
pub use line::plain_words;
pub use mail::{Mail, mail_main};
pub use oom::shield;
pub use pool::Pool;
pub use session::end_session;
pub use slot::output_path;
pub use step::Step;
pub use user::{fault_of_user_name, number_of_user};
pub use worker::worker_main;
