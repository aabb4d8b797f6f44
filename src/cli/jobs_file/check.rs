//! What jobs files say, checked as `add` checks it; everything that is wrong is told at its place.

use std::collections::{BTreeMap, BTreeSet};

use toml::{Table, Value};

use crate::cli::context::Context;
use crate::cli::draft::Draft;
use crate::cli::error::{CliError, Kind};
use crate::cli::jobs_file::fault::{Fault, Spot};
use crate::cli::jobs_file::keys::TERMS;
use crate::cli::jobs_file::reading::{JobsFiles, Wanted};
use crate::cli::toml_form;
use crate::model::{Job, check_name};
use crate::schedule::UnixMs;
use crate::store::{JobRow, Store};
use crate::view::timetable::Timetable;

/// A job of a file that can be stored.
pub struct Ready {
    /// Its definition.
    pub draft: Draft,
    /// The same as a job.
    pub job: Job,
    /// Its schedules, made ready to be asked.
    pub tables: Vec<Timetable>,
    /// The job of that name there is.
    pub row: Option<JobRow>,
    /// Where it is named.
    pub spot: Spot,
    /// Whether it may fire, where that is said.
    pub enabled: Option<bool>,
}

/// Checks everything the files say; what is wrong goes to their faults.
///
/// # Errors
/// Those of reading the store.
pub fn check(ctx: &Context, store: &Store, files: &mut JobsFiles) -> Result<Vec<Ready>, CliError> {
    let queues: BTreeSet<String> = store
        .queue_rows(ctx.now(), ctx.now())?
        .into_iter()
        .map(|row| row.queue.name)
        .collect();
    let mut faults = Vec::new();
    let mut wrong_defaults = BTreeSet::new();
    for defaults in &files.defaults {
        let found = faults_of_keys(ctx, defaults, &Draft::new("defaults"), &queues);
        if !found.is_empty() {
            wrong_defaults.insert(defaults.spot.file);
        }
        faults.extend(found);
    }
    let mut ready = Vec::new();
    for wanted in files.jobs.values() {
        let row = store.job(&wanted.name)?;
        let mut old = row
            .as_ref()
            .map_or_else(|| Draft::new(&wanted.name), Draft::of);
        old.seed = wanted.seed.unwrap_or(old.seed);
        let version = row.as_ref().map_or(0, |row| row.job.version);
        match drafted(ctx, wanted, &wanted.table, &old, version, &queues) {
            Ok((draft, job, tables)) => ready.push(Ready {
                draft,
                job,
                tables,
                row,
                spot: wanted.spot.clone(),
                enabled: wanted.enabled,
            }),
            Err(error) => {
                let mut found = faults_of_keys(ctx, wanted, &old, &queues);
                let command = wanted.table.contains_key("command");
                // What is wrong with a command or with the defaults is told once.
                if !command && !wanted.spots.contains_key("command") {
                    found.push(Fault::of(&wanted.spot, without_command(wanted)));
                }
                let told = !command || wrong_defaults.contains(&wanted.spot.file);
                if found.is_empty() && !told {
                    faults.push(Fault::of(&place(wanted, &error), error));
                }
                faults.extend(found);
            }
        }
    }
    files.faults.extend(faults);
    if files.faults.is_empty() {
        files.faults = circles(store, &ready)?;
    }
    Ok(ready)
}

type Drafted = (Draft, Job, Vec<Timetable>);

fn drafted(
    ctx: &Context,
    wanted: &Wanted,
    table: &Table,
    old: &Draft,
    version: i64,
    queues: &BTreeSet<String>,
) -> Result<Drafted, CliError> {
    if !table.contains_key("command") {
        return Err(without_command(wanted));
    }
    let mut draft = toml_form::read_table(ctx, table.clone(), old)?;
    if !queues.contains(&draft.policy.queue) {
        let text = format!("queue: there is no queue \"{}\"", draft.policy.queue);
        let make = format!("`crake queue set {} --create` makes it", draft.policy.queue);
        return Err(CliError::new(Kind::Invalid, text).hint(make));
    }
    // Defaults have no name, and one that is wrong has been told of.
    let name = match check_name(&wanted.name) {
        Ok(()) => wanted.name.as_str(),
        Err(_) => "unnamed",
    };
    let (job, tables) = draft.check(ctx, name, version)?;
    draft.spec.limits = job.spec.limits.clone();
    Ok((draft, job, tables))
}

fn without_command(wanted: &Wanted) -> CliError {
    let text = format!("job {} has no command", wanted.name);
    CliError::new(Kind::Invalid, text)
        .hint("write command = \"LINE\" for the shell, or a list to execute directly")
}

/// Where an error belongs that no key has by itself: to the key it names, or to the job.
fn place(wanted: &Wanted, error: &CliError) -> Spot {
    let named = error.message.split(':').next().unwrap_or_default();
    wanted.spots.get(named).unwrap_or(&wanted.spot).clone()
}

/// Tries each key by itself, so that everything that is wrong is found, where it stands.
fn faults_of_keys(
    ctx: &Context,
    wanted: &Wanted,
    old: &Draft,
    queues: &BTreeSet<String>,
) -> Vec<Fault> {
    let text = |text: &str| Value::String(text.to_owned());
    let tried = |parts: &[(&str, Value)]| {
        let mut table: Table = parts
            .iter()
            .map(|(key, value)| ((*key).to_owned(), value.clone()))
            .collect();
        table.entry("command").or_insert_with(|| text("true"));
        drafted(ctx, wanted, &table, old, 0, queues).err()
    };
    let zone = wanted.table.get("timezone").cloned();
    let zone = zone.filter(|zone| tried(&[("timezone", zone.clone())]).is_none());
    let zone = ("timezone", zone.unwrap_or_else(|| text("system")));
    let mut faults = Vec::new();
    for (key, value) in &wanted.table {
        let spot = wanted.spots.get(key);
        let Some(spot) = spot.or_else(|| written_as(wanted, key)) else {
            continue;
        };
        if let ("schedule", Value::Array(list)) = (key.as_str(), value) {
            for (entry, spot) in list.iter().zip(&wanted.schedules) {
                let one = Value::Array(vec![entry.clone()]);
                if let Some(error) = tried(&[("schedule", one), zone.clone()]) {
                    let expr = entry.as_str().or_else(|| entry.get("expr")?.as_str());
                    faults.push(in_expression(spot, expr, error));
                }
            }
            continue;
        }
        let mut parts = vec![(key.as_str(), value.clone())];
        if TERMS.contains(&key.as_str()) || key == "dst" {
            parts.push(("schedule", Value::Array(vec![text("@yearly")])));
            parts.push(zone.clone());
        }
        if key == "shift" {
            let calendar = wanted.table.get("calendar");
            parts.extend(calendar.map(|value| ("calendar", value.clone())));
            if calendar.is_none() {
                continue;
            }
        }
        if let Some(error) = tried(&parts) {
            faults.push(Fault::of(spot, error));
        }
    }
    faults
}

/// The table that stands in a file for keys of `edit`.
fn written_as<'a>(wanted: &'a Wanted, key: &str) -> Option<&'a Spot> {
    match key {
        "backoff" => wanted.spots.get("retry"),
        "keep_runs" | "keep_for" | "keep_output" => wanted.spots.get("keep"),
        _ => None,
    }
}

/// Puts the place of a fault within a schedule to the word that is wrong, where the expression
/// stands in the file as it is.
fn in_expression(spot: &Spot, expr: Option<&str>, error: CliError) -> Fault {
    let mut spot = spot.clone();
    let caret = error.detail.as_deref().and_then(|detail| {
        let line = detail.lines().find(|l| l.trim_start().starts_with('^'))?;
        let column = line.find('^')?.checked_sub(2)?;
        Some((column, line.trim().len()))
    });
    // Two quotes and no escapes: one byte of the file is one byte of the expression.
    let verbatim = expr.is_some_and(|e| e.is_ascii() && spot.span.len() == e.len() + 2);
    if let (Some((column, width)), true) = (caret, verbatim) {
        let start = spot.span.start + 1 + column;
        spot.span = start..(start + width).min(spot.span.end);
    }
    Fault::of(&spot, error)
}

/// Jobs that would follow each other in a circle.
fn circles(store: &Store, ready: &[Ready]) -> Result<Vec<Fault>, CliError> {
    let spots: BTreeMap<&str, &Spot> = ready
        .iter()
        .map(|r| (r.job.name.as_str(), &r.spot))
        .collect();
    let mut after: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
    let mut add = |job: &Job| {
        for (upstream, _, follower) in job.spec.follow.edges(&job.name) {
            let of = after.entry(upstream.to_owned()).or_default();
            of.insert(follower.to_owned());
        }
    };
    if ready.iter().all(|r| r.job.spec.follow.is_none()) {
        return Ok(Vec::new());
    }
    for row in store.jobs()? {
        if !spots.contains_key(row.job.name.as_str()) {
            add(&row.job);
        }
    }
    ready.iter().for_each(|r| add(&r.job));
    let mut faults = Vec::new();
    let mut told: BTreeSet<String> = BTreeSet::new();
    for (name, spot) in spots {
        if told.contains(name) {
            continue;
        }
        if let Some(path) = circle_from(name, &after) {
            let text = format!("jobs follow each other in a circle: {}", path.join(" -> "));
            faults.push(Fault::new(spot, text).hint("take one of them out"));
            told.extend(path);
        }
    }
    Ok(faults)
}

fn circle_from(start: &str, after: &BTreeMap<String, BTreeSet<String>>) -> Option<Vec<String>> {
    let mut came: BTreeMap<&str, &str> = BTreeMap::new();
    let mut open = vec![start];
    while let Some(at) = open.pop() {
        for next in after.get(at).into_iter().flatten() {
            if next == start {
                let mut path = vec![start.to_owned()];
                let mut back = at;
                while back != start {
                    path.push(back.to_owned());
                    back = came.get(back)?;
                }
                path.push(start.to_owned());
                path.reverse();
                return Some(path);
            }
            if !came.contains_key(next.as_str()) {
                came.insert(next, at);
                open.push(next);
            }
        }
    }
    None
}

/// When a definition first fires.
pub fn first_fire(tables: &[Timetable], now: UnixMs) -> Option<(UnixMs, &Timetable)> {
    tables
        .iter()
        .filter_map(|table| Some((table.fires(now, now).next()?, table)))
        .min_by_key(|(at, _)| *at)
}
