//! What an import changes: which entry is which job in the store.

use std::collections::BTreeSet;

use crate::cli::context::Context;
use crate::cli::draft::Draft;
use crate::cli::error::CliError;
use crate::cli::import_entry::TableEntry;
use crate::cli::import_match::{id_of, is_from, matches, name_of};
use crate::cli::import_said::{Conflict, base, merge, said, take};
use crate::daemon::crontabs::{BY_IMPORT, OBSERVED};
use crate::model::{Imported, Job, Pause, Raw, Said};
use crate::store::{JobRow, JobWrite, Store};

/// Its entry is gone.
pub const GONE: &str = "its entry is no longer in the table";
/// Its entry is commented out.
pub const DISABLED: &str = "its entry is commented out in the table";

/// What becomes of an entry.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Action {
    /// A new job.
    Added,
    /// The job it made before takes its new definition.
    Changed,
    /// The job it made before stands on another line now.
    Moved,
    /// The job it made before is the same.
    Unchanged,
    /// Entry and job were changed, and not to the same: nothing is written.
    Conflict,
    /// It makes none.
    NotMade,
}

impl Action {
    /// The word for it in answers.
    pub fn as_str(self) -> &'static str {
        match self {
            Action::Added => "added",
            Action::Changed => "changed",
            Action::Moved => "moved",
            Action::Unchanged => "unchanged",
            Action::Conflict => "conflict",
            Action::NotMade => "not_made",
        }
    }
}

/// An entry and what becomes of it.
pub struct Step {
    /// The entry; its name is unique in the store now.
    pub entry: TableEntry,
    /// The id it has for good.
    pub id: Option<String>,
    /// What becomes of it.
    pub action: Action,
    /// What was changed in both places.
    pub conflicts: Vec<Conflict>,
    /// Keys that were changed here, and are kept.
    pub kept: Vec<&'static str>,
    /// Whether cron goes on running it until the cutover.
    pub observed: bool,
    /// What is to be stored.
    pub write: Option<JobWrite>,
}

/// What an import changes.
pub struct Plan {
    /// The entries in order.
    pub steps: Vec<Step>,
    /// Jobs made of this table before whose entries are gone.
    pub gone: Vec<String>,
    /// What is to be stored of those.
    pub paused: Vec<JobWrite>,
}

/// What the table is, for the plan.
pub struct About<'a> {
    /// Its name in origins.
    pub label: &'a str,
    /// Cron reads it, so its jobs wait for the cutover.
    pub observed: bool,
    /// Its cron reads nothing of it today.
    pub ignored: bool,
}

/// Finds out which entry is which job. The same file again finds every entry as it was.
///
/// # Errors
/// Those of reading the store.
pub fn plan(
    ctx: &Context,
    store: &Store,
    about: &About<'_>,
    entries: Vec<TableEntry>,
) -> Result<Plan, CliError> {
    let jobs = store.jobs()?;
    let mut taken = Taken {
        names: jobs.iter().map(|row| row.job.name.clone()).collect(),
        ids: jobs
            .iter()
            .filter_map(|row| Some(row.job.spec.imported.as_ref()?.id.clone()))
            .collect(),
    };
    taken
        .ids
        .extend(entries.iter().filter_map(|entry| entry.mark.clone()));
    let mut known: Vec<Option<JobRow>> = jobs
        .into_iter()
        .filter(|row| is_from(row, about.label))
        .map(Some)
        .collect();
    let matched = matches(about.label, &entries, &mut known);
    let steps = entries
        .into_iter()
        .zip(matched)
        .map(|(entry, old)| match old {
            _ if entry.job.is_err() => not_made(entry),
            Some(row) => known_before(ctx, about, entry, row),
            None => added(ctx, about, entry, &mut taken),
        })
        .collect();
    let gone: Vec<JobRow> = match about.ignored {
        true => Vec::new(),
        false => known.into_iter().flatten().collect(),
    };
    // What comes through a pipe has no name, so nothing can be said to be gone from it.
    let paused = gone
        .iter()
        .filter(|row| about.label != "-" && needs_pause(ctx, row, GONE))
        .map(|row| JobWrite {
            job: row.job.clone(),
            schedules: Draft::of(row).schedules,
            pause: Some(pause(ctx, GONE)),
            resume: false,
        })
        .collect();
    Ok(Plan {
        steps,
        gone: gone.into_iter().map(|row| row.job.name).collect(),
        paused,
    })
}

/// What is taken already.
struct Taken {
    names: BTreeSet<String>,
    ids: BTreeSet<String>,
}

fn not_made(entry: TableEntry) -> Step {
    Step {
        entry,
        id: None,
        action: Action::NotMade,
        conflicts: Vec::new(),
        kept: Vec::new(),
        observed: false,
        write: None,
    }
}

fn added(ctx: &Context, about: &About<'_>, mut entry: TableEntry, taken: &mut Taken) -> Step {
    let Ok(mut draft) = entry.job.clone() else {
        return not_made(entry);
    };
    let offered = entry.name.clone();
    entry.name = claim(&mut taken.names, &entry.name);
    // A mark is older than the store that knows nothing of it: the entry keeps its id.
    let id = match &entry.mark {
        Some(id) => id.clone(),
        None => new_id(about.label, &entry, &mut taken.ids),
    };
    let observed = about.observed && entry.mark.is_none() && !entry.disabled;
    draft.spec.imported = Some(Box::new(imported(
        about,
        &entry,
        id.clone(),
        offered,
        said(&draft),
    )));
    let reason = match (entry.disabled, observed) {
        (true, _) => Some(DISABLED),
        (false, true) => Some(OBSERVED),
        (false, false) => None,
    };
    let write = JobWrite {
        job: job(&entry.name, &draft, 0),
        schedules: draft.schedules.clone(),
        pause: reason.map(|reason| pause(ctx, reason)),
        resume: false,
    };
    Step {
        entry,
        id: Some(id),
        action: Action::Added,
        conflicts: Vec::new(),
        kept: Vec::new(),
        observed,
        write: Some(write),
    }
}

fn known_before(ctx: &Context, about: &About<'_>, mut entry: TableEntry, row: JobRow) -> Step {
    let Ok(draft) = entry.job.clone() else {
        return not_made(entry);
    };
    let (base, theirs) = (base(&row), said(&draft));
    let mut new = Draft::of(&row);
    let merged = merge(&base, &said(&new), &theirs);
    let offered = name_of(&row).to_owned();
    let mut ids = BTreeSet::new();
    let id = match id_of(&row) {
        Some(id) => id.to_owned(),
        None => new_id(about.label, &entry, &mut ids),
    };
    let observed = about.observed && entry.mark.is_none() && !entry.disabled;
    let (pause, resume) = standing(ctx, &row, entry.disabled, observed);
    let was = row.job.spec.imported.as_deref().cloned();
    // What the table says takes its new value; what it cannot say stays as it was set since.
    take(&merged.theirs, &draft, &mut new);
    new.spec.description.clone_from(&draft.spec.description);
    new.spec.origin.clone_from(&draft.spec.origin);
    let is = imported(about, &entry, id.clone(), offered, theirs);
    let moved = was.as_ref() != Some(&is);
    new.spec.imported = Some(Box::new(is));
    entry.name.clone_from(&row.job.name);
    let action = if !merged.conflicts.is_empty() {
        Action::Conflict
    } else if !merged.theirs.is_empty() || pause.is_some() || resume {
        Action::Changed
    } else if moved {
        Action::Moved
    } else {
        Action::Unchanged
    };
    let write = !matches!(action, Action::Unchanged | Action::Conflict);
    let write = write.then(|| JobWrite {
        job: job(&row.job.name, &new, row.job.version),
        schedules: new.schedules.clone(),
        pause,
        resume,
    });
    Step {
        entry,
        id: Some(id),
        action,
        conflicts: merged.conflicts,
        kept: merged.ours,
        observed,
        write,
    }
}

/// What has to change about the pauses of a job: one begins, or those of an import end.
fn standing(ctx: &Context, row: &JobRow, disabled: bool, observed: bool) -> (Option<Pause>, bool) {
    // What a cutover or rollback of this minute settled counts from the next one on.
    let now = row
        .job
        .paused_at((ctx.now().div_euclid(60_000) + 1) * 60_000);
    let ours = now.filter(|pause| pause.by == BY_IMPORT);
    let wanted = match (disabled, observed) {
        (true, _) => Some(DISABLED),
        (false, true) => Some(OBSERVED),
        (false, false) => None,
    };
    match (wanted, now, ours) {
        (Some(reason), None, _) => (Some(pause(ctx, reason)), false),
        (Some(reason), _, Some(is)) if is.reason.as_deref() != Some(reason) => {
            (Some(pause(ctx, reason)), false)
        }
        (None, _, Some(_)) => (None, true),
        _ => (None, false),
    }
}

fn needs_pause(ctx: &Context, row: &JobRow, reason: &str) -> bool {
    row.job
        .paused_at(ctx.now())
        .is_none_or(|is| is.by == BY_IMPORT && is.reason.as_deref() != Some(reason))
}

fn pause(ctx: &Context, reason: &str) -> Pause {
    Pause {
        from: ctx.now(),
        until: None,
        by: BY_IMPORT.to_owned(),
        reason: Some(reason.to_owned()),
    }
}

fn imported(
    about: &About<'_>,
    entry: &TableEntry,
    id: String,
    name: String,
    said: Said,
) -> Imported {
    Imported {
        id,
        source: about.label.to_owned(),
        line: entry.line,
        text: Raw(entry.text.clone()),
        name,
        disabled: entry.disabled,
        no_log: entry.options.0,
        mail_on_failure: entry.options.1,
        mail_to: entry.mail_to.clone(),
        said,
    }
}

fn job(name: &str, draft: &Draft, version: i64) -> Job {
    Job {
        name: name.to_owned(),
        spec: draft.spec.clone(),
        policy: draft.policy.clone(),
        pauses: Vec::new(),
        version,
        listed: true,
    }
}

/// An id that no entry has: a hash of the table and the line, and of a number where that is taken.
fn new_id(label: &str, entry: &TableEntry, taken: &mut BTreeSet<String>) -> String {
    let mut number = 0u32;
    loop {
        let mut hash = crc32fast::Hasher::new();
        hash.update(label.as_bytes());
        hash.update(&entry.text);
        hash.update(&number.to_le_bytes());
        let id = format!("{:08x}", hash.finalize());
        if taken.insert(id.clone()) {
            return id;
        }
        number += 1;
    }
}

/// The name itself, or the first of name-2, name-3 and so on that is free.
fn claim(taken: &mut BTreeSet<String>, wanted: &str) -> String {
    let mut name = wanted.to_owned();
    let mut number = 2;
    while !taken.insert(name.clone()) {
        name = format!("{wanted}-{number}");
        number += 1;
    }
    name
}
