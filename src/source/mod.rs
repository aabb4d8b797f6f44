//! Other people's databases, queried for watches: drivers, pools, and what a person is told when a
//! source does not answer.
//!
//! A query may hang, a server may vanish, a driver may be wrong: this layer runs in processes that
//! may be killed, never in the one that keeps time. It reads no clock; whoever opens a pool gives it
//! one ([`Ticks`]).

mod bind;
mod books;
mod bounded;
mod diagnose;
mod driver;
mod error;
mod exec;
mod listen;
mod mysql;
mod mysql_cells;
mod password;
mod pool;
mod postgres;
mod postgres_array;
mod postgres_cells;
mod postgres_error;
mod postgres_params;
mod postgres_time;
mod probe;
mod query;
mod sqlite;
mod tls;

pub use bind::{Bound, Marks, bind, names_of};
pub use books::{Gauges, PoolEvent};
pub use bounded::run_bounded;
pub use diagnose::{Diagnosis, Phase, PhaseOutcome, diagnose};
pub use driver::{open, pool_of};
pub use error::{ErrorKind, Result, SourceError};
pub use listen::{Heard, Listener};
pub use password::read_password;
pub use pool::{Checkout, Open, Pool, Ticks};
pub use probe::ChangeProbe;
pub use query::{Answer, Canceller, Connection, Query};
