//! The schema's history: an append-only list, numbered by `user_version`.

use std::path::Path;
use std::time::Duration;

use rusqlite::{Connection, TransactionBehavior};

use crate::store::{Result, StoreError};

/// The statements that lead from version N to N + 1, by N. Never edit one that was released.
const MIGRATIONS: &[&str] = &[
    include_str!("0001_start.sql"),
    include_str!("0002_supervision.sql"),
    include_str!("0003_sources.sql"),
    include_str!("0004_watches.sql"),
    include_str!("0005_looks.sql"),
    include_str!("0006_crontab.sql"),
    include_str!("0007_alerts.sql"),
    include_str!("0008_mail.sql"),
];

/// The version this program writes.
pub const VERSION: i64 = MIGRATIONS.len() as i64;

/// How often, and how far apart, the change to write-ahead logging is tried.
const TRIES: u32 = 1_000;
const PAUSE: Duration = Duration::from_millis(5);

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
    crate::store::touched::make_triggers(&tx)?;
    tx.pragma_update(None, "user_version", VERSION)?;
    tx.pragma_update(None, "application_id", APPLICATION_ID)?;
    tx.commit()?;
    Ok(())
}

/// The version a store was written with; 0 for an empty file.
pub(in crate::store) fn version(conn: &Connection) -> Result<i64> {
    Ok(conn.pragma_query_value(None, "user_version", |row| row.get(0))?)
}

/// Whether nobody has written anything yet, or the maker is just about to.
///
/// # Errors
/// [`StoreError::Foreign`] where it is the database of another program.
pub(in crate::store) fn is_fresh(conn: &Connection, path: Option<&Path>) -> Result<bool> {
    // One statement sees one state, so that a store that is made meanwhile is not taken for foreign.
    let (version, tables): (i64, i64) = conn.query_row(
        "SELECT user_version, (SELECT count(*) FROM sqlite_master) FROM pragma_user_version",
        [],
        |row| Ok((row.get(0)?, row.get(1)?)),
    )?;
    match path {
        Some(path) if version == 0 && tables > 0 => Err(StoreError::Foreign(path.to_path_buf())),
        _ => Ok(version == 0),
    }
}

/// Writes ahead from now on. The change of mode is refused, and not waited for, while somebody else
/// has the file open, as happens where two make it at once.
pub(in crate::store) fn write_ahead(conn: &Connection) -> Result<()> {
    let mut tries = 0;
    loop {
        match conn
            .pragma_update(None, "journal_mode", "WAL")
            .map_err(StoreError::from)
        {
            Err(e) if e.is_busy() && tries < TRIES => tries += 1,
            done => return done,
        }
        std::thread::sleep(PAUSE);
    }
}
