//! Which entry of a table made which job.

use crate::cli::import_entry::{TableEntry, origin};
use crate::cli::import_said::{base, said};
use crate::model::Said;
use crate::store::JobRow;

/// Whether a job was made of a table.
pub fn is_from(row: &JobRow, label: &str) -> bool {
    if let Some(imported) = &row.job.spec.imported {
        return imported.source == label;
    }
    let origin = row.job.spec.origin.as_deref().unwrap_or_default();
    let line = origin
        .strip_prefix("crontab:")
        .and_then(|rest| rest.strip_prefix(label))
        .and_then(|rest| rest.strip_prefix(':'));
    line.is_some_and(|line| !line.is_empty() && line.bytes().all(|b| b.is_ascii_digit()))
}

/// What an entry is compared by.
struct Old<'a> {
    row: &'a JobRow,
    said: Said,
}

/// Gives each entry the job it made before, the surest likeness first, so that a job is never given
/// to an entry that is less like it than another.
pub fn matches(
    label: &str,
    entries: &[TableEntry],
    known: &mut [Option<JobRow>],
) -> Vec<Option<JobRow>> {
    type Likeness = fn(&str, &TableEntry, &Said, &Old<'_>) -> bool;
    const LIKENESSES: [Likeness; 7] = [
        |_, entry, _, old| entry.mark.is_some() && entry.mark.as_deref() == id_of(old.row),
        |label, entry, new, old| *new == old.said && on_line(label, entry, old.row),
        |_, _, new, old| *new == old.said,
        |_, _, new, old| {
            new.user == old.said.user
                && new.command == old.said.command
                && new.stdin == old.said.stdin
        },
        |_, entry, _, old| name_of(old.row) == entry.name,
        |label, entry, new, old| {
            on_line(label, entry, old.row) && new.schedule == old.said.schedule
        },
        |label, entry, _, old| {
            on_line(label, entry, old.row) && name_of(old.row).starts_with(&entry.name)
        },
    ];
    let says: Vec<Option<Said>> = entries
        .iter()
        .map(|entry| entry.job.as_ref().ok().map(said))
        .collect();
    let mut found: Vec<Option<JobRow>> = entries.iter().map(|_| None).collect();
    for like in LIKENESSES {
        for ((entry, new), place) in entries.iter().zip(&says).zip(&mut found) {
            let Some(new) = new.as_ref().filter(|_| place.is_none()) else {
                continue;
            };
            let job = known.iter_mut().find(|row| {
                row.as_ref().is_some_and(|row| {
                    let said = base(row);
                    like(label, entry, new, &Old { row, said })
                })
            });
            *place = job.and_then(Option::take);
        }
    }
    found
}

/// The id of a job that was imported.
pub fn id_of(row: &JobRow) -> Option<&str> {
    row.job.spec.imported.as_ref().map(|i| i.id.as_str())
}

/// The name an entry was offered; a job may have been renamed since.
pub fn name_of(row: &JobRow) -> &str {
    let offered = row.job.spec.imported.as_ref().map(|i| i.name.as_str());
    offered.unwrap_or(&row.job.name)
}

fn on_line(label: &str, entry: &TableEntry, row: &JobRow) -> bool {
    row.job.spec.origin.as_deref() == Some(&origin(label, entry.line))
}
