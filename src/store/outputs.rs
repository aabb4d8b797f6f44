//! What jobs wrote: small output in a row, large output in a file named by a row.

use rusqlite::{OptionalExtension, params};

use crate::model::RunId;
use crate::store::{Result, Store};

/// Where the output of an attempt is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum StoredOutput {
    /// Here, in the form in which it was captured.
    Here(Vec<u8>),
    /// In this file, in the same form.
    File(String),
}

impl Store {
    /// Keeps the output of an attempt. Keeping it again changes nothing.
    ///
    /// # Errors
    /// Those of writing.
    pub fn keep_output(&mut self, kept: &[(RunId, u32, StoredOutput)]) -> Result<()> {
        if kept.is_empty() {
            return Ok(());
        }
        self.write(|tx| {
            for (run, attempt, output) in kept {
                match output {
                    StoredOutput::Here(data) => tx
                        .prepare_cached(
                            "INSERT OR IGNORE INTO output(run, attempt, data) VALUES(?1, ?2, ?3)",
                        )?
                        .execute(params![run.0, attempt, data])?,
                    StoredOutput::File(path) => tx
                        .prepare_cached(
                            "UPDATE attempt SET out_path = ?3 WHERE run = ?1 AND n = ?2",
                        )?
                        .execute(params![run.0, attempt, path])?,
                };
            }
            Ok(())
        })
    }

    /// Where the output of an attempt is; nothing where it wrote nothing or is not over.
    ///
    /// # Errors
    /// Those of reading.
    pub fn output(&self, run: RunId, attempt: u32) -> Result<Option<StoredOutput>> {
        let data: Option<Vec<u8>> = self
            .conn
            .prepare_cached("SELECT data FROM output WHERE run = ?1 AND attempt = ?2")?
            .query_row(params![run.0, attempt], |row| row.get(0))
            .optional()?;
        if let Some(data) = data {
            return Ok(Some(StoredOutput::Here(data)));
        }
        let path: Option<Option<String>> = self
            .conn
            .prepare_cached("SELECT out_path FROM attempt WHERE run = ?1 AND n = ?2")?
            .query_row(params![run.0, attempt], |row| row.get(0))
            .optional()?;
        Ok(path.flatten().map(StoredOutput::File))
    }
}
