//! The schema's history: an append-only list, numbered by `user_version`.

use std::path::Path;

use rusqlite::{Connection, TransactionBehavior};

use crate::store::{Result, StoreError};

/// The statements that lead from version N to N + 1, by N. Never edit one that was released.
const MIGRATIONS: &[&str] = &[include_str!("0001_start.sql")];

/// The version this program writes.
pub const VERSION: i64 = MIGRATIONS.len() as i64;

/// Marks the file as ours for `file(1)` and for ourselves: "crak".
const APPLICATION_ID: i64 = 0x6372_616b;

/// Brings a store up to [`VERSION`].
///
/// # Errors
/// [`StoreError::Newer`] where a newer program wrote it, [`StoreError::Foreign`] where it is the
/// database of another program.
pub(in crate::store) fn migrate(conn: &mut Connection, path: Option<&Path>) -> Result<()> {
    let found = version(conn)?;
    if found > VERSION {
        let path = path.map(Path::to_path_buf).unwrap_or_default();
        return Err(StoreError::Newer {
            path,
            found,
            known: VERSION,
        });
    }
    if found == VERSION {
        return Ok(());
    }
    if let Some(path) = path.filter(|_| found > 0) {
        let copy = format!("{}.v{found}.bak", path.display());
        conn.execute("VACUUM INTO ?1", [&copy])?;
    }
    let tx = conn.transaction_with_behavior(TransactionBehavior::Immediate)?;
    // Another process may have done it while this one waited for the lock.
    let found: i64 = tx.pragma_query_value(None, "user_version", |row| row.get(0))?;
    for step in MIGRATIONS.iter().skip(usize::try_from(found).unwrap_or(0)) {
        tx.execute_batch(step)?;
    }
    tx.pragma_update(None, "user_version", VERSION)?;
    tx.pragma_update(None, "application_id", APPLICATION_ID)?;
    tx.commit()?;
    Ok(())
}

/// The version a store was written with; 0 for an empty file.
pub(in crate::store) fn version(conn: &Connection) -> Result<i64> {
    Ok(conn.pragma_query_value(None, "user_version", |row| row.get(0))?)
}

/// Refuses the database of another program, before anything is changed in it.
///
/// Version and tables are read in one transaction: while another process of ours is making the
/// store, the two belong together.
///
/// # Errors
/// [`StoreError::Foreign`], and those of reading.
pub(in crate::store) fn refuse_foreign(conn: &mut Connection, path: Option<&Path>) -> Result<()> {
    let tx = conn.transaction_with_behavior(TransactionBehavior::Deferred)?;
    // The first read fixes what the transaction sees.
    let tables: i64 = tx.query_row("SELECT count(*) FROM sqlite_master", [], |row| row.get(0))?;
    let found: i64 = tx.pragma_query_value(None, "user_version", |row| row.get(0))?;
    tx.finish()?;
    match path {
        Some(path) if found == 0 && tables > 0 => Err(StoreError::Foreign(path.to_path_buf())),
        _ => Ok(()),
    }
}
