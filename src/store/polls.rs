//! Polls as they begin: a row is written before its query is asked.

use rusqlite::{Transaction, params};

use crate::model::{PollId, Trigger};
use crate::schedule::UnixMs;
use crate::store::touched::forget_journaled;
use crate::store::watches::watch_row;
use crate::store::{Result, Store, StoreError, WatchRow};

/// A poll that is about to begin.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NewPoll {
    /// The watch.
    pub watch: String,
    /// What caused it.
    pub trigger: Trigger,
    /// When it was due.
    pub due_at: UnixMs,
    /// Now.
    pub at: UnixMs,
}

/// What is kept of a poll's question.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Question {
    /// The statement.
    pub query: Option<String>,
    /// Its values, JSON.
    pub params: Option<String>,
    /// Where the cursor is, JSON.
    pub cursor: Option<String>,
}

impl Store {
    /// Begins a poll: writes its row, `running`, and takes back the wish for one that it fulfils.
    /// `ask` says what is asked, from the poll's number and the watch as it is now; what it gives
    /// beside is handed back with both.
    ///
    /// # Errors
    /// [`StoreError::NoSuchWatch`].
    pub fn begin_poll<T>(
        &mut self,
        new: &NewPoll,
        ask: impl FnOnce(PollId, &WatchRow) -> (Question, T),
    ) -> Result<(PollId, WatchRow, T)> {
        let journaled = self.journaled;
        self.write(|tx| {
            forget_journaled(tx, journaled)?;
            let row = watch_row(tx, &new.watch)?;
            let row = row.ok_or_else(|| StoreError::NoSuchWatch(new.watch.clone()))?;
            let poll = insert(tx, new, "running", None)?;
            let (question, more) = ask(poll, &row);
            tx.prepare_cached(
                "UPDATE poll SET query = ?2, params = ?3, cursor_before = ?4 WHERE id = ?1",
            )?
            .execute(params![
                poll.0,
                question.query,
                question.params,
                question.cursor
            ])?;
            if new.trigger == Trigger::Manual {
                forget_wish(tx, &new.watch, new.due_at)?;
            }
            Ok((poll, row, more))
        })
    }

    /// Records a poll that was due and is not made, and why.
    ///
    /// # Errors
    /// Those of writing.
    pub fn skip_poll(&mut self, new: &NewPoll, why: &str) -> Result<PollId> {
        let journaled = self.journaled;
        self.write(|tx| {
            forget_journaled(tx, journaled)?;
            if new.trigger == Trigger::Manual {
                forget_wish(tx, &new.watch, new.due_at)?;
            }
            insert(tx, new, "skipped", Some(why))
        })
    }

    /// Polls that run according to the store, of a core that is no more: they are lost, and asked
    /// again. Says how many.
    ///
    /// # Errors
    /// Those of writing.
    pub fn lose_polls(&mut self) -> Result<usize> {
        self.write(|tx| {
            let lost = tx.execute(
                "UPDATE poll SET outcome = 'lost', error = 'the daemon died while it was under way'
                 WHERE outcome = 'running'",
                [],
            )?;
            Ok(lost)
        })
    }

    /// Says when watches are asked next, as it turned out without a poll.
    ///
    /// # Errors
    /// Those of writing.
    pub fn set_next_polls(&mut self, next: &[(String, Option<UnixMs>)]) -> Result<()> {
        if next.is_empty() {
            return Ok(());
        }
        self.write(|tx| {
            for (watch, at) in next {
                tx.prepare_cached("UPDATE watch SET next_at = ?2 WHERE name = ?1")?
                    .execute(params![watch, at])?;
            }
            Ok(())
        })
    }
}

fn insert(
    tx: &Transaction<'_>,
    new: &NewPoll,
    outcome: &str,
    note: Option<&str>,
) -> Result<PollId> {
    tx.prepare_cached(
        "INSERT INTO poll(watch, trigger, due_at, started_at, outcome, note, fails)
         VALUES(?1, ?2, ?3, ?4, ?5, ?6, coalesce(
           (SELECT fails FROM poll WHERE watch = ?1 ORDER BY id DESC LIMIT 1), 0))",
    )?
    .execute(params![
        new.watch,
        new.trigger.as_str(),
        new.due_at,
        new.at,
        outcome,
        note
    ])?;
    Ok(PollId(tx.last_insert_rowid()))
}

fn forget_wish(tx: &Transaction<'_>, watch: &str, asked_at: UnixMs) -> Result<()> {
    tx.prepare_cached("UPDATE watch SET asked_at = NULL WHERE name = ?1 AND asked_at <= ?2")?
        .execute(params![watch, asked_at])?;
    Ok(())
}
