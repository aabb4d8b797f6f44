//! Where each imported entry is live: in cron, in crake, and whether that is one place.

use crate::cli::context::Context;
use crate::cli::error::CliError;
use crate::cli::import_match::is_from;
use crate::crontab::unmark;
use crate::daemon::crontabs::{self, BY_IMPORT};
use crate::schedule::UnixMs;
use crate::store::{CrontabRow, JobRow, Store};

/// Entries that are not live in exactly one place.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Astray {
    /// Live in cron and in crake.
    pub both: Vec<String>,
    /// Live in neither.
    pub neither: Vec<String>,
    /// Tables of which a change was begun and cannot be settled.
    pub unsettled: Vec<String>,
    /// Tables that cannot be read.
    pub unreadable: Vec<String>,
}

/// Ends the changes of tables that were begun by whoever died, where the files tell how. What cannot
/// be settled is found by [`astray`].
pub fn settle(ctx: &Context) {
    let begun = ctx.read().and_then(|store| Ok(store.begun_crontabs()?));
    if begun.is_ok_and(|begun| !begun.is_empty())
        && let Ok(mut store) = ctx.write()
        && crontabs::settle(&mut store, ctx.now()).is_ok_and(|settled| settled > 0)
    {
        ctx.nudge();
    }
}

/// Looks at every table that cron reads, or of which something was taken over.
///
/// # Errors
/// Those of the store.
pub fn astray(ctx: &Context, store: &Store) -> Result<Astray, CliError> {
    let mut found = Astray::default();
    let rows = store.jobs()?;
    // A file that was changed in this minute counts from the next one on, and so does a pause.
    let at = (ctx.now().div_euclid(60_000) + 1) * 60_000;
    for table in store.crontabs()? {
        if table.intent.is_some() {
            found.unsettled.push(table.source.clone());
        } else if table.observed {
            look(&table, &rows, at, &mut found);
        }
    }
    Ok(found)
}

fn look(table: &CrontabRow, rows: &[JobRow], at: UnixMs, found: &mut Astray) {
    let Ok(bytes) = crontabs::bytes_of(&table.source) else {
        found.unreadable.push(table.source.clone());
        return;
    };
    let all = unmark(&bytes, |_| true);
    let cron: Vec<&[u8]> = bytes.split(|byte| *byte == b'\n').collect();
    for row in rows.iter().filter(|row| is_from(row, &table.source)) {
        let Some(imported) = row.job.spec.imported.as_deref().filter(|i| !i.disabled) else {
            continue;
        };
        let marked = all.marks.values().any(|id| *id == imported.id);
        let in_cron = !marked && cron.contains(&imported.text.0.as_slice());
        let pause = row.job.paused_at(at);
        match (in_cron, pause) {
            (true, None) => found.both.push(row.job.name.clone()),
            // What somebody else paused is nobody's mistake.
            (false, Some(pause)) if marked && pause.by == BY_IMPORT => {
                found.neither.push(row.job.name.clone());
            }
            _ => {}
        }
    }
}
