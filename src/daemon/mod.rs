//! The loop that joins the parts: guardian, core, firing, store, workers.
//!
//! [`guardian`] starts [`core`]; the core recovers ([`recovery`]) and runs its threads: [`firing`]
//! decides and writes the [`ring`], [`scribe`] around [`keeper`] writes the store, [`spawner`]
//! hands orders to the workers, [`api`] answers the socket. No decision is made here; those are in
//! `engine`.

pub mod adoption;
pub mod ailment;
pub mod alarm;
pub mod alerts;
pub mod api;
pub mod ballast;
pub mod cancel;
pub mod care;
pub mod changes;
pub mod chore;
pub mod condition;
pub mod core;
pub mod cron_program;
pub mod crontabs;
pub mod definition;
pub mod ends;
pub mod fact;
pub mod firing;
pub mod guardian;
pub mod held;
pub mod journal;
pub mod keeper;
pub mod link;
mod lock;
pub mod mailbox;
pub mod mailer;
pub mod mend;
pub mod notify;
pub mod opening;
pub mod order;
pub mod outputs;
pub mod petitions;
pub mod poll_pruner;
pub mod poller;
pub mod program;
pub mod pruner;
pub mod pulse;
pub mod recovery;
mod refill;
pub mod refuge;
pub mod refused;
pub mod restarts;
pub mod ring;
pub mod scribe;
pub mod sequence;
pub mod spawner;
pub mod successor;
pub mod transcript;
pub mod ward;
pub mod watching;
pub mod zones;
