//! Mail that is owed for the output of jobs kept from a crontab.

use rusqlite::{Transaction, params};

use crate::model::{Ended, Exit, Note, RunId};
use crate::schedule::UnixMs;
use crate::store::ledger::record_note;
use crate::store::{Result, Store};

/// Mail that is owed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct MailRow {
    /// The run.
    pub run: RunId,
    /// The attempt whose output it is.
    pub attempt: u32,
    /// When the attempt ended.
    pub made_at: UnixMs,
    /// When the mail program was started; what became of that is not known yet.
    pub begun_at: Option<UnixMs>,
}

/// Notes that mail is owed for an attempt that wrote something, where its job came from a crontab;
/// in the transaction that records its end.
pub(in crate::store) fn owe_mail(tx: &Transaction<'_>, run: RunId, ended: &Ended) -> Result<()> {
    let wrote = ended.report.as_ref().is_some_and(|report| {
        // A shell that is not there is something cron itself writes about.
        report.output.total > 0 || matches!(report.exit, Exit::Unspawnable(_))
    });
    if !wrote {
        return Ok(());
    }
    tx.prepare_cached(
        "INSERT OR IGNORE INTO mail(run, attempt, made_at)
         SELECT r.id, ?2, ?3 FROM run r JOIN job j ON j.name = r.job
         WHERE r.id = ?1 AND json_extract(j.spec, '$.engine.cron') IS NOT NULL",
    )?
    .execute(params![run.0, ended.attempt, ended.at])?;
    Ok(())
}

impl Store {
    /// Whether any mail is owed.
    ///
    /// # Errors
    /// Those of reading.
    pub fn owes_mail(&self) -> Result<bool> {
        let mut statement = self
            .conn
            .prepare_cached("SELECT EXISTS(SELECT 1 FROM mail)")?;
        Ok(statement.query_row([], |row| row.get(0))?)
    }

    /// Mail that is owed, the oldest first.
    ///
    /// # Errors
    /// Those of reading.
    pub fn mails(&self, limit: usize) -> Result<Vec<MailRow>> {
        let mut statement = self.conn.prepare_cached(
            "SELECT run, attempt, made_at, begun_at FROM mail ORDER BY made_at, run LIMIT ?1",
        )?;
        let limit = i64::try_from(limit).unwrap_or(i64::MAX);
        let rows = statement.query_map([limit], |row| {
            Ok(MailRow {
                run: RunId(row.get(0)?),
                attempt: row.get(1)?,
                made_at: row.get(2)?,
                begun_at: row.get(3)?,
            })
        })?;
        Ok(rows.collect::<rusqlite::Result<_>>()?)
    }

    /// Notes that the mail program is about to be started. Says whether it may be: nobody began it
    /// before.
    ///
    /// # Errors
    /// Those of writing.
    pub fn begin_mail(&mut self, mail: &MailRow, now: UnixMs) -> Result<bool> {
        self.write(|tx| {
            let begun = tx.execute(
                "UPDATE mail SET begun_at = ?3 WHERE run = ?1 AND attempt = ?2 AND begun_at IS NULL",
                params![mail.run.0, mail.attempt, now],
            )?;
            Ok(begun > 0)
        })
    }

    /// Nothing more is owed of it; with what is to be told of that.
    ///
    /// # Errors
    /// Those of writing.
    pub fn end_mail(&mut self, mail: &MailRow, note: Option<&Note>) -> Result<()> {
        self.write(|tx| {
            let gone = tx.execute(
                "DELETE FROM mail WHERE run = ?1 AND attempt = ?2",
                params![mail.run.0, mail.attempt],
            )?;
            match note.filter(|_| gone > 0) {
                Some(note) => record_note(tx, note),
                None => Ok(()),
            }
        })
    }
}
