//! Definitions as the daemon takes them: one that nobody can read must not stop the others.

use std::sync::Arc;

use crate::engine::Armed;
use crate::model::Job;
use crate::store::{self, Store};

/// What the store has of a job.
#[derive(Clone, Debug)]
pub enum Definition {
    /// It is defined like this.
    Known(Arc<Job>),
    /// It is not defined.
    Gone,
    /// Its row holds what no program of ours writes; why, in words.
    Unreadable(String),
}

impl Definition {
    /// Reads a job's definition.
    ///
    /// # Errors
    /// Those of the store that are not about this row alone.
    pub fn read(store: &Store, name: &str) -> store::Result<Definition> {
        match store.job(name) {
            Ok(Some(row)) => Ok(Definition::Known(Arc::new(row.job))),
            Ok(None) => Ok(Definition::Gone),
            Err(e) if e.is_unreadable() => Ok(Definition::Unreadable(e.to_string())),
            Err(e) => Err(e),
        }
    }
}

/// Marks the schedules of a job that cannot be read. They still owe their instants, and go on when
/// the definition is mended.
///
/// # Errors
/// Those of writing.
pub fn mark_unreadable(store: &mut Store, armed: &[Armed], why: &str) -> store::Result<()> {
    for armed in armed {
        let text = format!("the job's definition cannot be read: {why}");
        store.set_schedule_error(armed.planned.id, Some(&text))?;
    }
    Ok(())
}
