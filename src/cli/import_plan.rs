//! What an import changes: which entry is which job in the store.

use std::collections::BTreeSet;

use crate::cli::context::Context;
use crate::cli::draft::Draft;
use crate::cli::error::CliError;
use crate::cli::import_entry::{TableEntry, origin};
use crate::model::{Command, Job};
use crate::store::{JobRow, NewSchedule, Store};

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
            Action::NotMade => "not_made",
        }
    }
}

/// An entry and what becomes of it.
pub struct Step {
    /// The entry; its name is unique in the store now.
    pub entry: TableEntry,
    /// What becomes of it.
    pub action: Action,
    /// The definition to be stored, and the version it takes the place of (0 for none).
    pub job: Option<(Draft, i64)>,
}

/// What an import changes.
pub struct Plan {
    /// The entries in order.
    pub steps: Vec<Step>,
    /// Jobs made of this file before whose entries are gone.
    pub gone: Vec<String>,
}

/// Finds out which entry is which job. The same file again finds every entry as it was.
///
/// # Errors
/// Those of reading the store.
pub fn plan(store: &Store, label: &str, entries: Vec<TableEntry>) -> Result<Plan, CliError> {
    let jobs = store.jobs()?;
    let mut taken: BTreeSet<String> = jobs.iter().map(|row| row.job.name.clone()).collect();
    let mut known: Vec<Option<JobRow>> = jobs
        .into_iter()
        .filter(|row| is_from(row, label))
        .map(Some)
        .collect();
    let matched = matches(label, &entries, &mut known);
    let steps = entries
        .into_iter()
        .zip(matched)
        .map(|(entry, old)| step(entry, old, &mut taken))
        .collect();
    let gone = known
        .into_iter()
        .flatten()
        .map(|row| row.job.name)
        .collect();
    Ok(Plan { steps, gone })
}

/// Whether a job was made of a file.
fn is_from(row: &JobRow, label: &str) -> bool {
    let origin = row.job.spec.origin.as_deref().unwrap_or_default();
    let line = origin
        .strip_prefix("crontab:")
        .and_then(|rest| rest.strip_prefix(label))
        .and_then(|rest| rest.strip_prefix(':'));
    line.is_some_and(|line| !line.is_empty() && line.bytes().all(|b| b.is_ascii_digit()))
}

/// Gives each entry the job it made before, the surest likeness first, so that a job is never given
/// to an entry that is less like it than another.
fn matches(
    label: &str,
    entries: &[TableEntry],
    known: &mut [Option<JobRow>],
) -> Vec<Option<JobRow>> {
    type Likeness = fn(&str, &TableEntry, &Draft, &JobRow) -> bool;
    const LIKENESSES: [Likeness; 6] = [
        |label, entry, draft, row| same_work(draft, row) && on_line(label, entry, row),
        |_, _, draft, row| same_work(draft, row),
        |_, entry, _, row| row.job.name == entry.name,
        |_, _, draft, row| row.job.spec.command == draft.spec.command,
        |label, entry, draft, row| on_line(label, entry, row) && same_plans(&draft.schedules, row),
        |label, entry, _, row| on_line(label, entry, row) && row.job.name.starts_with(&entry.name),
    ];
    let mut found: Vec<Option<JobRow>> = entries.iter().map(|_| None).collect();
    for like in LIKENESSES {
        for (entry, place) in entries.iter().zip(&mut found) {
            let Ok(draft) = &entry.job else {
                continue;
            };
            if place.is_some() {
                continue;
            }
            let job = known.iter_mut().find(|row| {
                row.as_ref()
                    .is_some_and(|row| like(label, entry, draft, row))
            });
            *place = job.and_then(Option::take);
        }
    }
    found
}

fn on_line(label: &str, entry: &TableEntry, row: &JobRow) -> bool {
    row.job.spec.origin.as_deref() == Some(&origin(label, entry.line))
}

/// Whether a job does the same at the same times as an entry.
fn same_work(draft: &Draft, row: &JobRow) -> bool {
    let (new, old) = (&draft.spec, &row.job.spec);
    let is_line = matches!(old.command, Command::Line(_));
    is_line
        && new.command == old.command
        && new.stdin == old.stdin
        && new.env == old.env
        && new.shell == old.shell
        && new.engine == old.engine
        && same_plans(&draft.schedules, row)
}

fn same_plans(new: &[NewSchedule], row: &JobRow) -> bool {
    Draft::of(row).schedules == new
}

fn step(mut entry: TableEntry, old: Option<JobRow>, taken: &mut BTreeSet<String>) -> Step {
    let Ok(draft) = &entry.job else {
        return Step {
            entry,
            action: Action::NotMade,
            job: None,
        };
    };
    let Some(row) = old else {
        let draft = draft.clone();
        entry.name = claim(taken, &entry.name);
        return Step {
            entry,
            action: Action::Added,
            job: Some((draft, 0)),
        };
    };
    let mut new = Draft::of(&row);
    let action = if !same_work(draft, &row) {
        Action::Changed
    } else if new.spec.origin != draft.spec.origin {
        Action::Moved
    } else {
        Action::Unchanged
    };
    // What the table says takes its new value; what it cannot say stays as it was set since.
    new.schedules.clone_from(&draft.schedules);
    new.spec.command = draft.spec.command.clone();
    new.spec.stdin = draft.spec.stdin.clone();
    new.spec.env = draft.spec.env.clone();
    new.spec.shell = draft.spec.shell.clone();
    new.spec.engine = draft.spec.engine.clone();
    new.spec.description = draft.spec.description.clone();
    new.spec.origin = draft.spec.origin.clone();
    let version = row.job.version;
    entry.name = row.job.name;
    let job = (action != Action::Unchanged).then_some((new, version));
    Step { entry, action, job }
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

/// Writes what is to be written. Says whether anything was.
///
/// # Errors
/// Those of writing; what was written before stays, and the next import goes on from there.
pub fn carry_out(ctx: &Context, store: &mut Store, plan: &Plan) -> Result<bool, CliError> {
    let mut wrote = false;
    for step in &plan.steps {
        let Some((draft, version)) = &step.job else {
            continue;
        };
        let job = Job {
            name: step.entry.name.clone(),
            spec: draft.spec.clone(),
            policy: draft.policy.clone(),
            pauses: Vec::new(),
            version: *version,
            listed: true,
        };
        let (by, now) = (&ctx.user.name, ctx.now());
        match step.action {
            Action::Added => store.put_job(&job, &draft.schedules, false, by, now)?,
            _ => store.change_job(&job, &draft.schedules, by, now)?,
        }
        wrote = true;
    }
    Ok(wrote)
}
