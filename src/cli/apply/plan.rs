//! What a jobs file changes: each job of it, and each job that came from it, held against the store.

use crate::cli::context::Context;
use crate::cli::definition_diff::{self, Change};
use crate::cli::draft::Draft;
use crate::cli::error::CliError;
use crate::cli::jobs_file::check::{Ready, first_fire};
use crate::cli::jobs_file::fault::Spot;
use crate::model::Pause;
use crate::schedule::{UnixMs, Zone};
use crate::store::{Apply, JobRow, NewSchedule, Store};
use crate::view::time::in_full;

/// How the file may be put in force.
pub struct Rules {
    /// What its jobs have as their origin.
    pub origin: String,
    /// Remove jobs of that origin that the file does not hold.
    pub prune: bool,
    /// Overwrite what was changed by hand, and remove what others follow.
    pub force: bool,
    /// Take over jobs of another origin.
    pub adopt: bool,
}

/// What becomes of a job.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Action {
    /// It is new.
    Add,
    /// It is changed.
    Change,
    /// It is removed.
    Remove,
    /// It cannot be changed or removed without being told so.
    Conflict,
    /// It is as the file says.
    Same,
    /// It came from the file, which no longer holds it, and it stays.
    Left,
}

impl Action {
    /// The word for programs.
    pub fn as_str(self) -> &'static str {
        match self {
            Action::Add => "add",
            Action::Change => "change",
            Action::Remove => "remove",
            Action::Conflict => "conflict",
            Action::Same => "same",
            Action::Left => "left",
        }
    }
}

/// A job and what becomes of it.
pub struct Entry {
    /// Its name.
    pub name: String,
    /// What becomes of it.
    pub action: Action,
    /// What differs.
    pub changes: Vec<Change>,
    /// Why it is a conflict, and what to do.
    pub why: Option<(String, String)>,
    /// When the new definition first fires, and the zone of that.
    pub first: Option<(UnixMs, Zone)>,
    /// Whether it is paused afterwards.
    pub paused: bool,
    /// Where the file names it.
    pub spot: Option<Spot>,
    /// Its origin so far.
    pub origin: Option<String>,
    /// What is to be written; the version of what is to be removed.
    pub apply: Option<Apply>,
    /// The version there is.
    pub version: i64,
    /// The schedules, each in words.
    pub schedules: Vec<String>,
}

/// Why a job is paused that its file switched off.
const OFF: &str = "enabled = false in its jobs file";

/// Holds the files against the store.
///
/// # Errors
/// Those of reading the store.
pub fn plan(
    ctx: &Context,
    store: &Store,
    ready: &[Ready],
    rules: &Rules,
) -> Result<Vec<Entry>, CliError> {
    let mut entries = Vec::new();
    for job in ready {
        entries.push(of_file(ctx, store, job, rules)?);
    }
    let gone: Vec<JobRow> = store
        .jobs()?
        .into_iter()
        .filter(|row| row.job.spec.origin.as_ref() == Some(&rules.origin))
        .filter(|row| !ready.iter().any(|r| r.job.name == row.job.name))
        .collect();
    let leaving: Vec<&str> = gone.iter().map(|row| row.job.name.as_str()).collect();
    for row in &gone {
        entries.push(not_in_file(store, row, &leaving, ready, rules)?);
    }
    entries.sort_by(|a, b| a.name.cmp(&b.name));
    Ok(entries)
}

fn of_file(ctx: &Context, store: &Store, ready: &Ready, rules: &Rules) -> Result<Entry, CliError> {
    let now = ctx.now();
    let (pause, resume) = pauses(ctx, ready);
    let first = first_fire(&ready.tables, now);
    let open = |row: &JobRow| row.job.paused_at(now).is_some();
    let mut entry = Entry {
        name: ready.job.name.clone(),
        action: Action::Add,
        changes: Vec::new(),
        why: None,
        first: first.map(|(at, table)| (at, table.schedule.zone().clone())),
        paused: pause.is_some() || (!resume && ready.row.as_ref().is_some_and(open)),
        spot: Some(ready.spot.clone()),
        origin: None,
        apply: None,
        version: ready.job.version,
        schedules: ready
            .draft
            .schedules
            .iter()
            .map(|s| s.expr.clone())
            .collect(),
    };
    let mut new = ready.draft.clone();
    let mut define = true;
    if let Some(row) = &ready.row {
        let old = Draft::of(row);
        new.schedules = in_order_of(&old.schedules, new.schedules);
        entry.changes = definition_diff::between(ctx, &old, &new)?;
        define = !entry.changes.is_empty();
        if pause.is_some() || resume {
            entry.changes.push(Change::of_flag("enabled", resume));
        }
        entry.origin.clone_from(&row.job.spec.origin);
        let ours = entry.origin.as_ref() == Some(&rules.origin);
        if !ours && rules.adopt && row.job.spec.imported.is_none() {
            let old = entry.origin.as_deref();
            let change = Change::of_text("origin", old, Some(&rules.origin));
            entry.changes.push(change);
            define = true;
        }
        entry.why = match (entry.changes.is_empty(), ours) {
            (true, _) => None,
            (false, true) => changed_by_hand(ctx, store, row, &old, rules)?,
            (false, false) => of_others(row, rules),
        };
        entry.action = match (entry.changes.is_empty(), &entry.why) {
            (true, _) => Action::Same,
            (false, None) => Action::Change,
            (false, Some(_)) => Action::Conflict,
        };
    }
    if matches!(entry.action, Action::Add | Action::Change) {
        let mut job = ready.job.clone();
        job.spec.origin = Some(rules.origin.clone());
        entry.apply = Some(Apply {
            job,
            schedules: new.schedules,
            define,
            pause,
            resume,
        });
    }
    Ok(entry)
}

/// The pause that begins, and whether one ends. One that somebody made by hand is left alone.
fn pauses(ctx: &Context, ready: &Ready) -> (Option<Pause>, bool) {
    let now = ctx.now();
    let held = ready.row.as_ref().and_then(|row| row.job.paused_at(now));
    if ready.enabled == Some(false) {
        let pause = Pause {
            from: now,
            until: None,
            by: ctx.user.name.clone(),
            reason: Some(OFF.to_owned()),
        };
        let stays = held.is_some_and(|pause| pause.until.is_none());
        return ((!stays).then_some(pause), false);
    }
    let by_file = held.is_some_and(|pause| pause.reason.as_deref() == Some(OFF));
    (None, by_file)
}

/// The schedules in the order they are stored in, new ones behind: their order means nothing.
fn in_order_of(old: &[NewSchedule], mut new: Vec<NewSchedule>) -> Vec<NewSchedule> {
    let mut ordered = Vec::new();
    for schedule in old {
        if let Some(at) = new.iter().position(|n| n == schedule) {
            ordered.push(new.remove(at));
        }
    }
    ordered.extend(new);
    ordered
}

type Why = Option<(String, String)>;

fn changed_by_hand(
    ctx: &Context,
    store: &Store,
    row: &JobRow,
    now: &Draft,
    rules: &Rules,
) -> Result<Why, CliError> {
    let name = &row.job.name;
    let Some(base) = store.last_applied(name)?.filter(|_| !rules.force) else {
        return Ok(None);
    };
    let mut base = definition_diff::draft_of(name, &base);
    base.schedules = in_order_of(&now.schedules, base.schedules);
    let by_hand = definition_diff::between(ctx, &base, now)?;
    if by_hand.is_empty() {
        return Ok(None);
    }
    let last = store.history(name, 100)?.into_iter();
    let last = last
        .into_iter()
        .find(|h| h.what != "paused" && h.what != "resumed");
    let who = last.map_or(String::new(), |h| {
        format!(" by {} {}", h.by, in_full(h.at, &ctx.zone))
    });
    let what: Vec<String> = by_hand.iter().map(|c| c.in_words(0)).collect();
    let text = format!(
        "changed here{who}, since the file was last applied: {}",
        what.join(", ")
    );
    let hint = "put that into the file, or overwrite it with --force";
    Ok(Some((text, hint.to_owned())))
}

fn of_others(row: &JobRow, rules: &Rules) -> Why {
    if row.job.spec.imported.is_some() {
        let from = row.job.spec.origin.as_deref().unwrap_or("a crontab");
        return Some((
            format!("it came from {from}"),
            "change it there, or give it another name in the file".to_owned(),
        ));
    }
    if rules.adopt {
        return None;
    }
    let text = match &row.job.spec.origin {
        Some(origin) => format!("it is of {origin}, not of {}", rules.origin),
        None => "it was added by hand".to_owned(),
    };
    let hint = "--adopt lets this file have it, or give it another name in the file";
    Some((text, hint.to_owned()))
}

fn not_in_file(
    store: &Store,
    row: &JobRow,
    leaving: &[&str],
    ready: &[Ready],
    rules: &Rules,
) -> Result<Entry, CliError> {
    let name = &row.job.name;
    let mut entry = Entry {
        name: name.clone(),
        action: if rules.prune {
            Action::Remove
        } else {
            Action::Left
        },
        changes: Vec::new(),
        why: None,
        first: None,
        paused: false,
        spot: None,
        origin: row.job.spec.origin.clone(),
        apply: None,
        version: row.job.version,
        schedules: Vec::new(),
    };
    if !rules.prune || rules.force {
        return Ok(entry);
    }
    // What the file says of others counts as it will be.
    let stays = |owner: &str| {
        let new = ready.iter().find(|r| r.job.name == owner);
        let named = |r: &Ready| {
            let edges = r.job.spec.follow.edges(owner);
            edges.iter().any(|(up, _, down)| up == name || down == name)
        };
        !leaving.contains(&owner) && new.is_none_or(named)
    };
    let follower = store.missed_by(name)?.into_iter().find(|f| stays(&f.owner));
    let watch = store.watches_of_job(name)?.into_iter().next();
    let needed = follower
        .map(|f| format!("{} names it", f.owner))
        .or(watch.map(|w| format!("the watch {w} starts it")));
    if let Some(text) = needed {
        entry.action = Action::Conflict;
        entry.why = Some((
            format!("not in the file, but {text}"),
            "change that first, or remove it with --force".to_owned(),
        ));
    }
    Ok(entry)
}
