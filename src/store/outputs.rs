//! What jobs wrote: small output in a row, large output in a file named by a row.

use rusqlite::{OptionalExtension, params};

use crate::model::{Fence, RunId};
use crate::store::ledger::real_number;
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
    /// Keeps the output of attempts that are recorded, whose runs may go by provisional numbers.
    /// Keeping it again changes nothing.
    ///
    /// # Errors
    /// Those of writing.
    pub fn keep_output(&mut self, kept: &[(RunId, u32, StoredOutput)]) -> Result<()> {
        if kept.is_empty() {
            return Ok(());
        }
        self.write(|tx| {
            for (run, attempt, output) in kept {
                let run = real_number(tx, *run)?;
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

    /// Keeps the output of the attempt that a claim belongs to, where it is recorded.
    ///
    /// # Errors
    /// Those of writing.
    pub fn keep_output_of(&mut self, fence: Fence, output: StoredOutput) -> Result<()> {
        let attempt: Option<(i64, u32)> = self
            .conn
            .prepare_cached("SELECT run, n FROM attempt WHERE fence = ?1")?
            .query_row([fence.0], |row| Ok((row.get(0)?, row.get(1)?)))
            .optional()?;
        match attempt {
            Some((run, n)) => self.keep_output(&[(RunId(run), n, output)]),
            None => Ok(()),
        }
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
