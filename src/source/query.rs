//! What every driver does: answer a query, be tried, be stopped.

use std::sync::Arc;

use crate::model::{Cell, Rows};
use crate::source::error::Result;

/// A question to a source.
#[derive(Clone, Debug, PartialEq)]
pub struct Query {
    /// One statement, with parameters as `:name`. To a command it is only a text.
    pub sql: String,
    /// The parameters by name. All must occur in the statement, and all in it must be given; a
    /// command gets them all.
    pub params: Vec<(String, Cell)>,
    /// Who asks, for example the name of a watch: shown by PostgreSQL as `crake/OWNER`.
    pub owner: String,
    /// How long it may take, milliseconds.
    pub timeout_ms: i64,
    /// The most rows to take.
    pub max_rows: usize,
    /// The most bytes of values to take, roughly.
    pub max_bytes: usize,
    /// Whether it changes something. Then it is committed only if all its rows were taken, and
    /// fails with `too_large` where there are more than allowed.
    pub write: bool,
}

impl Query {
    /// A question that reads: 10 s, 10,000 rows, 16 MiB.
    pub fn new(sql: impl Into<String>, owner: impl Into<String>) -> Query {
        Query {
            sql: sql.into(),
            params: Vec::new(),
            owner: owner.into(),
            timeout_ms: 10_000,
            max_rows: 10_000,
            max_bytes: 16 * 1024 * 1024,
            write: false,
        }
    }

    /// The same with one parameter more.
    pub fn param(mut self, name: impl Into<String>, value: Cell) -> Query {
        self.params.push((name.into(), value));
        self
    }
}

/// What a source answered.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Answer {
    /// The rows, and whether there were more.
    pub rows: Rows,
    /// How many rows the statement touched, as the engine counts; the rows taken, where it does not.
    pub affected: u64,
    /// How long the query took, milliseconds. Filled in by [`crate::source::Pool`].
    pub took_ms: i64,
    /// How long it waited for a connection, milliseconds. Filled in by [`crate::source::Pool`].
    pub wait_ms: i64,
    /// Which connection answered, in the server's own number: the process of the backend, the
    /// connection's id, the process of a command.
    pub connection: String,
}

/// Stops from another thread what a connection is doing.
pub trait Canceller: Send + Sync {
    /// Asks the other end to stop the query that runs; nothing where none does. It may block for
    /// as long as it takes to reach a server.
    fn cancel(&self);

    /// Ends the connection from outside, where that can be done.
    fn close(&self) {
        self.cancel();
    }
}

/// One connection to a source.
pub trait Connection: Send {
    /// The server's own number for it.
    fn id(&self) -> String;

    /// Asks and takes the rows, as far as the limits go.
    ///
    /// # Errors
    /// All kinds but `pool`. After a [`Connection::is_gone`] the connection is of no more use.
    fn query(&mut self, query: &Query) -> Result<Answer>;

    /// Whether the other end still answers.
    ///
    /// # Errors
    /// What it says instead.
    fn ping(&mut self) -> Result<()>;

    /// What stops it from another thread.
    fn canceller(&self) -> Arc<dyn Canceller>;

    /// Whether it broke, or is in a state that nobody else should find it in.
    fn is_gone(&self) -> bool;
}

impl Connection for Box<dyn Connection> {
    fn id(&self) -> String {
        (**self).id()
    }

    fn query(&mut self, query: &Query) -> Result<Answer> {
        (**self).query(query)
    }

    fn ping(&mut self) -> Result<()> {
        (**self).ping()
    }

    fn canceller(&self) -> Arc<dyn Canceller> {
        (**self).canceller()
    }

    fn is_gone(&self) -> bool {
        (**self).is_gone()
    }
}

/// Takes rows up to the limits of a query, and counts.
pub(in crate::source) struct Taken {
    /// What was taken.
    pub rows: Rows,
    max_rows: usize,
    max_bytes: usize,
    bytes: usize,
}

impl Taken {
    /// Begins with the names of the columns.
    pub fn new(columns: Vec<String>, query: &Query) -> Taken {
        let rows = Rows {
            columns,
            ..Rows::default()
        };
        Taken {
            rows,
            max_rows: query.max_rows,
            max_bytes: query.max_bytes,
            bytes: 0,
        }
    }

    /// How many rows may still come.
    pub fn room(&self) -> usize {
        self.max_rows.saturating_sub(self.rows.rows.len())
    }

    /// Takes a row, or says that it does not fit; then there is more than was taken.
    #[must_use]
    pub fn take(&mut self, row: Vec<Cell>) -> bool {
        let size: usize = row.iter().map(size).sum();
        if self.rows.rows.len() >= self.max_rows || self.bytes + size > self.max_bytes {
            self.rows.truncated = true;
            return false;
        }
        self.bytes += size;
        self.rows.rows.push(row);
        true
    }
}

fn size(cell: &Cell) -> usize {
    match cell {
        Cell::Null | Cell::Bool(_) => 1,
        Cell::Int(_) | Cell::Real(_) => 8,
        Cell::Text(text) => text.len(),
        Cell::Bytes(bytes) => bytes.len(),
    }
}
