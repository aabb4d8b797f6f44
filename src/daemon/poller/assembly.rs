//! Putting the rows of an answer together again. The other end is a process that may have gone
//! wrong, so no more is taken from it than it was asked for.

use crate::daemon::poller::message::{Answered, Ask};
use crate::model::{Cell, Rows};

/// What the form of a value may add to it at most: a control character takes six bytes in JSON.
const BLOAT: usize = 8;
/// What a long row may have beside its values.
const FRAME: usize = 1 << 20;

/// More or other than was asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::daemon::poller) struct Unasked(pub &'static str);

/// The rows of one poll, as far as they came.
pub(in crate::daemon::poller) struct Assembly {
    rows: Vec<Vec<Cell>>,
    piece: String,
    max_rows: usize,
    max_bytes: usize,
}

impl Assembly {
    /// For the answer to this.
    pub fn of(ask: &Ask) -> Assembly {
        Assembly {
            rows: Vec::new(),
            piece: String::new(),
            max_rows: ask.max_rows,
            max_bytes: ask.max_bytes,
        }
    }

    /// Takes rows.
    pub fn rows(&mut self, rows: Vec<Vec<Cell>>) -> Result<(), Unasked> {
        if self.rows.len() + rows.len() > self.max_rows {
            return Err(Unasked("more rows than it was asked for"));
        }
        self.rows.extend(rows);
        Ok(())
    }

    /// Takes a piece of a long row.
    pub fn piece(&mut self, text: &str, last: bool) -> Result<(), Unasked> {
        let most = self.max_bytes.saturating_mul(BLOAT).saturating_add(FRAME);
        if self.piece.len() + text.len() > most {
            return Err(Unasked("a longer row than it was asked for"));
        }
        self.piece.push_str(text);
        if !last {
            return Ok(());
        }
        let text = std::mem::take(&mut self.piece);
        let row = serde_json::from_str(&text).map_err(|_| Unasked("a row that cannot be read"))?;
        self.rows(vec![row])
    }

    /// The answer is complete.
    pub fn whole(self, answered: &Answered) -> Result<Rows, Unasked> {
        let came = self.rows.len() as u64;
        if came != answered.rows || !self.piece.is_empty() {
            return Err(Unasked("another number of rows than it sent"));
        }
        let width = answered.columns.len();
        if self.rows.iter().any(|row| row.len() != width) {
            return Err(Unasked("rows of another width than their columns"));
        }
        Ok(Rows {
            columns: answered.columns.clone(),
            rows: self.rows,
            truncated: answered.truncated,
        })
    }
}
