//! Whether the file itself is sound.

use crate::store::{Result, Store};

/// Faults told of; a file with one usually has thousands.
const FAULTS: usize = 5;

impl Store {
    /// What SQLite finds wrong with the file, a few faults at most. It reads every page.
    ///
    /// # Errors
    /// Those of reading; a file too broken to be read at all is one of them.
    pub fn quick_check(&self) -> Result<Vec<String>> {
        let sql = format!("PRAGMA quick_check({FAULTS})");
        let mut statement = self.conn.prepare(&sql)?;
        let told: Vec<String> = statement
            .query_map([], |row| row.get(0))?
            .collect::<rusqlite::Result<_>>()?;
        Ok(told.into_iter().filter(|fault| fault != "ok").collect())
    }
}
