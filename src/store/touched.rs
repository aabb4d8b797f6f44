//! Which rows changed, whoever changed them: the source of the journal.
//!
//! Triggers on every table note the key of each row that is added, changed or removed, in the same
//! transaction, so that what any SQL client does is seen as well. The daemon reads the rows as they
//! are then, writes them down elsewhere, and forgets the marks.

use rusqlite::types::{Value, ValueRef};
use rusqlite::{Connection, OptionalExtension, Row, Transaction, params_from_iter};
use serde::{Deserialize, Serialize};

use crate::store::{Result, Store};

/// Tables nobody has to bring back: marks that are only looked at once, and what a process says of
/// itself every few seconds.
const UNMARKED: [&str; 3] = ["change", "touched", "gauge"];

/// A watch changed in more than when it was asked and is to be asked.
const MORE_THAN_TIMES: &str = "OLD.version IS NOT NEW.version OR OLD.memory IS NOT NEW.memory
  OR OLD.spec IS NOT NEW.spec OR OLD.job IS NOT NEW.job OR OLD.source IS NOT NEW.source
  OR OLD.paused_at IS NOT NEW.paused_at OR OLD.paused_until IS NOT NEW.paused_until
  OR OLD.asked_at IS NOT NEW.asked_at";

/// Output longer than this, in base64, is left out of an image: some 16 KiB, bytes.
const OUTPUT_MAX: usize = 22 * 1024;

/// Marks read at once.
const AT_ONCE: i64 = 10_000;

/// A row as it is now, or that it is gone.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Image {
    /// Its table.
    #[serde(rename = "t")]
    pub table: String,
    /// The values of its key.
    #[serde(rename = "k")]
    pub key: Vec<Cell>,
    /// All its values in the order of the columns; none where the row is gone.
    #[serde(rename = "r", default, skip_serializing_if = "Option::is_none")]
    pub row: Option<Vec<Cell>>,
}

/// One value of a row.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(untagged)]
pub enum Cell {
    /// NULL.
    Null,
    /// An integer.
    Int(i64),
    /// A floating-point number.
    Real(f64),
    /// Text.
    Text(String),
    /// Bytes, in base64.
    Bytes {
        /// The base64 text.
        b: String,
    },
}

impl Cell {
    fn of(value: ValueRef<'_>) -> Cell {
        match value {
            ValueRef::Null => Cell::Null,
            ValueRef::Integer(i) => Cell::Int(i),
            ValueRef::Real(r) => Cell::Real(r),
            ValueRef::Text(t) => Cell::Text(String::from_utf8_lossy(t).into_owned()),
            ValueRef::Blob(b) => Cell::Bytes { b: encode(b) },
        }
    }

    /// The value SQLite is given.
    pub(in crate::store) fn value(&self) -> Value {
        match self {
            Cell::Null => Value::Null,
            Cell::Int(i) => Value::Integer(*i),
            Cell::Real(r) => Value::Real(*r),
            Cell::Text(t) => Value::Text(t.clone()),
            Cell::Bytes { b } => Value::Blob(decode(b)),
        }
    }
}

fn encode(bytes: &[u8]) -> String {
    use base64::Engine;
    base64::engine::general_purpose::STANDARD_NO_PAD.encode(bytes)
}

fn decode(text: &str) -> Vec<u8> {
    use base64::Engine;
    let engine = base64::engine::general_purpose::STANDARD_NO_PAD;
    engine.decode(text).unwrap_or_default()
}

/// The tables that are noted, each with the columns of its key.
pub(in crate::store) fn tables(conn: &Connection) -> Result<Vec<(String, Vec<String>)>> {
    let mut statement = conn.prepare(
        "SELECT name FROM sqlite_master WHERE type = 'table' AND name NOT LIKE 'sqlite~_%' ESCAPE '~'
         ORDER BY name",
    )?;
    let names: Vec<String> = statement
        .query_map([], |row| row.get(0))?
        .collect::<rusqlite::Result<_>>()?;
    let mut found = Vec::new();
    for name in names {
        if !UNMARKED.contains(&name.as_str()) {
            let key = key_of(conn, &name)?;
            found.push((name, key));
        }
    }
    Ok(found)
}

/// The columns of a table's key; `rowid` where it has none of its own.
pub(in crate::store) fn key_of(conn: &Connection, table: &str) -> Result<Vec<String>> {
    let mut statement =
        conn.prepare_cached("SELECT name FROM pragma_table_info(?1) WHERE pk > 0 ORDER BY pk")?;
    let key: Vec<String> = statement
        .query_map([table], |row| row.get(0))?
        .collect::<rusqlite::Result<_>>()?;
    Ok(if key.is_empty() {
        vec!["rowid".to_owned()]
    } else {
        key
    })
}

/// Makes the triggers anew, as the tables are now.
pub(in crate::store) fn make_triggers(conn: &Connection) -> Result<()> {
    for (table, key) in tables(conn)? {
        // What changes with every record is told by the journal in its own way.
        let (add, change) = match table.as_str() {
            "meta" => ("NEW.key <> 'ring_seq'", "NEW.key <> 'ring_seq'"),
            "session" => ("1", "OLD.stopped_at IS NOT NEW.stopped_at"),
            // When a watch is asked next changes with each poll and is found again by asking, and a
            // row may hold a large result.
            "watch" => ("1", MORE_THAN_TIMES),
            _ => ("1", "1"),
        };
        let mark = |row: &str| {
            let of = |n: usize| {
                key.get(n)
                    .map_or("NULL".to_owned(), |column| format!("{row}.{column}"))
            };
            let (first, second) = (of(0), of(1));
            format!("INSERT INTO touched(name, k1, k2) VALUES('{table}', {first}, {second});")
        };
        let moved: Vec<String> = key
            .iter()
            .map(|column| format!("OLD.{column} IS NOT NEW.{column}"))
            .collect();
        let (new, old, moved) = (mark("NEW"), mark("OLD"), moved.join(" OR "));
        conn.execute_batch(&format!(
            "DROP TRIGGER IF EXISTS touched_add_{table};
             DROP TRIGGER IF EXISTS touched_change_{table};
             DROP TRIGGER IF EXISTS touched_move_{table};
             DROP TRIGGER IF EXISTS touched_remove_{table};
             CREATE TRIGGER touched_add_{table} AFTER INSERT ON {table} WHEN {add} BEGIN {new} END;
             CREATE TRIGGER touched_change_{table} AFTER UPDATE ON {table} WHEN {change} BEGIN {new} END;
             CREATE TRIGGER touched_move_{table} AFTER UPDATE ON {table} WHEN {moved} BEGIN {old} END;
             CREATE TRIGGER touched_remove_{table} AFTER DELETE ON {table} BEGIN {old} END;"
        ))?;
    }
    Ok(())
}

/// Forgets the marks of what is written down elsewhere.
pub(in crate::store) fn forget_journaled(tx: &Transaction<'_>, journaled: i64) -> Result<()> {
    if journaled > 0 {
        tx.prepare_cached("DELETE FROM touched WHERE seq <= ?1")?
            .execute([journaled])?;
    }
    Ok(())
}

impl Store {
    /// The rows that were touched after a mark, as they are now, with the mark to go on from; some
    /// thousands at most, and none where there is no more.
    ///
    /// # Errors
    /// Those of reading.
    pub fn touched_after(&self, mark: i64) -> Result<Option<(i64, Vec<Image>)>> {
        let last: Option<i64> = self
            .conn
            .prepare_cached(
                "SELECT max(seq) FROM (SELECT seq FROM touched WHERE seq > ?1 ORDER BY seq LIMIT ?2)",
            )?
            .query_row([mark, AT_ONCE], |row| row.get(0))?;
        let Some(last) = last else {
            return Ok(None);
        };
        let mut statement = self.conn.prepare_cached(
            "SELECT name, k1, k2 FROM touched WHERE seq > ?1 AND seq <= ?2
             GROUP BY name, k1, k2 ORDER BY max(seq)",
        )?;
        let marks: Vec<(String, Vec<Cell>)> = statement
            .query_map([mark, last], |row| Ok((row.get(0)?, key_cells(row)?)))?
            .collect::<rusqlite::Result<_>>()?;
        let mut images = Vec::new();
        for (table, mut key) in marks {
            let columns = self.key_of(&table)?;
            key.truncate(columns.len());
            let row = self.row_of(&table, &columns, &key)?;
            images.push(Image { table, key, row });
        }
        Ok(Some((last, images)))
    }

    /// Everything up to this mark is written down elsewhere; the marks go with the next record.
    pub fn journaled_up_to(&mut self, mark: i64) {
        self.journaled = mark;
    }

    fn key_of(&self, table: &str) -> Result<Vec<String>> {
        if let Some(known) = self.keys.borrow().get(table) {
            return Ok(known.clone());
        }
        let key = key_of(&self.conn, table)?;
        self.keys.borrow_mut().insert(table.to_owned(), key.clone());
        Ok(key)
    }

    fn row_of(&self, table: &str, columns: &[String], key: &[Cell]) -> Result<Option<Vec<Cell>>> {
        let sql = format!("SELECT * FROM {table} WHERE {}", condition(columns));
        let row = self
            .conn
            .prepare_cached(&sql)?
            .query_row(params_from_iter(key.iter().map(Cell::value)), all_cells)
            .optional()?;
        let too_long = |cell: &Cell| matches!(cell, Cell::Bytes { b } if b.len() > OUTPUT_MAX);
        Ok(row.filter(|cells| !cells.iter().any(too_long)))
    }
}

/// `a = ?1 AND b = ?2`, by the columns of a key.
pub(in crate::store) fn condition(columns: &[String]) -> String {
    let parts: Vec<String> = columns
        .iter()
        .enumerate()
        .map(|(n, column)| format!("{column} = ?{}", n + 1))
        .collect();
    parts.join(" AND ")
}

fn key_cells(row: &Row<'_>) -> rusqlite::Result<Vec<Cell>> {
    Ok(vec![Cell::of(row.get_ref(1)?), Cell::of(row.get_ref(2)?)])
}

pub(in crate::store) fn all_cells(row: &Row<'_>) -> rusqlite::Result<Vec<Cell>> {
    let count = row.as_ref().column_count();
    (0..count).map(|n| Ok(Cell::of(row.get_ref(n)?))).collect()
}
