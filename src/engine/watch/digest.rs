//! What is new in the result of a poll.

use std::collections::HashSet;
use std::fmt;

use crate::engine::watch::changed::changed;
use crate::engine::watch::cursor::after_cursor;
use crate::engine::watch::key::key_text;
use crate::engine::watch::threshold::crossed;
use crate::model::{Cell, Memory, Mode, PollId, Rows, Watch};

/// A result that the watch cannot use, in words.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Unusable(pub String);

impl fmt::Display for Unusable {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for Unusable {}

/// How a row differs from the result before.
#[derive(Clone, Debug, PartialEq)]
pub enum Change {
    /// It was not there.
    Added,
    /// It is no longer there; the row is what it was.
    Removed,
    /// It was this.
    Changed(Vec<Cell>),
}

/// A row to be delivered.
#[derive(Clone, Debug, PartialEq)]
pub struct Fresh {
    /// What tells it apart, as text.
    pub key: String,
    /// The values of the key columns.
    pub key_cells: Vec<Cell>,
    /// The row.
    pub row: Vec<Cell>,
    /// How it differs, in mode `changed`.
    pub change: Option<Change>,
}

/// What a poll found.
#[derive(Clone, Debug, PartialEq)]
pub struct Digest {
    /// Rows to be delivered.
    pub fresh: Vec<Fresh>,
    /// What is remembered afterwards.
    pub memory: Memory,
    /// Keys not to be delivered again.
    pub seen: Vec<String>,
    /// Keys seen up to this poll can be forgotten, but for the latest so many of the look-back.
    pub final_through: Option<PollId>,
    /// Whether there is more to be read at once.
    pub more: bool,
    /// In words, where something is worth saying.
    pub note: Option<String>,
}

/// What a result is held against.
#[derive(Clone, Copy, Debug)]
pub struct Against<'a> {
    /// The poll.
    pub poll: PollId,
    /// What was remembered before it.
    pub memory: &'a Memory,
    /// Those of the result's keys that were seen before.
    pub seen: &'a HashSet<String>,
    /// Of PostgreSQL: the oldest transaction under way before the query, and the first not begun
    /// after it.
    pub transactions: Option<(i64, i64)>,
    /// Whether the statement only told where the cursor begins.
    pub only_begins: bool,
}

/// The keys of the rows as text, for looking up which of them were seen.
///
/// # Errors
/// A key column that the result does not have.
pub fn keys_of(watch: &Watch, rows: &Rows) -> Result<Vec<String>, Unusable> {
    if !matches!(watch.mode, Mode::Cursor | Mode::New) {
        return Ok(Vec::new());
    }
    let at = key_columns(watch, rows)?;
    let key = |row: &Vec<Cell>| key_text(&cells_at(row, &at));
    Ok(rows.rows.iter().map(key).collect())
}

/// Says what of a result is to be delivered and what is to be remembered.
///
/// # Errors
/// A result that the mode cannot use.
pub fn digest(watch: &Watch, rows: &Rows, against: &Against<'_>) -> Result<Digest, Unusable> {
    let mut digest = match watch.mode {
        Mode::Rows => plain(rows, against),
        Mode::Consume => claimed(watch, rows, against)?,
        Mode::New => unseen(watch, rows, against)?,
        Mode::Cursor => after_cursor(watch, rows, against)?,
        Mode::Changed => changed(watch, rows, against)?,
        Mode::Threshold => crossed(watch, rows, against)?,
    };
    digest.memory.begun = true;
    if rows.truncated && digest.note.is_none() {
        let count = rows.rows.len();
        digest.note = Some(format!("only the first {count} rows were taken"));
    }
    Ok(digest)
}

pub(in crate::engine::watch) fn nothing(against: &Against<'_>) -> Digest {
    Digest {
        fresh: Vec::new(),
        memory: against.memory.clone(),
        seen: Vec::new(),
        final_through: None,
        more: false,
        note: None,
    }
}

fn plain(rows: &Rows, against: &Against<'_>) -> Digest {
    let fresh = rows.rows.iter().enumerate().map(|(n, row)| Fresh {
        key: format!("{}:{n}", against.poll),
        key_cells: Vec::new(),
        row: row.clone(),
        change: None,
    });
    Digest {
        fresh: fresh.collect(),
        ..nothing(against)
    }
}

pub(in crate::engine::watch) fn keyed(watch: &Watch, rows: &Rows) -> Result<Vec<Fresh>, Unusable> {
    let at = key_columns(watch, rows)?;
    let fresh = rows.rows.iter().map(|row| {
        let key_cells = cells_at(row, &at);
        Fresh {
            key: key_text(&key_cells),
            key_cells,
            row: row.clone(),
            change: None,
        }
    });
    Ok(fresh.collect())
}

fn claimed(watch: &Watch, rows: &Rows, against: &Against<'_>) -> Result<Digest, Unusable> {
    let fresh = keyed(watch, rows)?;
    Ok(Digest {
        more: rows.rows.len() >= watch.max_rows as usize,
        fresh,
        ..nothing(against)
    })
}

fn unseen(watch: &Watch, rows: &Rows, against: &Against<'_>) -> Result<Digest, Unusable> {
    let mut met = HashSet::new();
    let mut fresh = keyed(watch, rows)?;
    fresh.retain(|f| !against.seen.contains(&f.key) && met.insert(f.key.clone()));
    Ok(Digest {
        seen: fresh.iter().map(|f| f.key.clone()).collect(),
        fresh,
        ..nothing(against)
    })
}

fn key_columns(watch: &Watch, rows: &Rows) -> Result<Vec<usize>, Unusable> {
    // A command that prints nothing has told no columns either.
    if rows.columns.is_empty() && rows.rows.is_empty() {
        return Ok(Vec::new());
    }
    let find = |name: &String| {
        rows.column(name).ok_or_else(|| {
            Unusable(format!(
                "the result has no column \"{name}\", which is a key; it has {}",
                rows.columns.join(", ")
            ))
        })
    };
    watch.key.iter().map(find).collect()
}

fn cells_at(row: &[Cell], at: &[usize]) -> Vec<Cell> {
    let cell = |n: &usize| row.get(*n).cloned().unwrap_or(Cell::Null);
    at.iter().map(cell).collect()
}
