//! What `apply` says: what changes, or everything that is wrong.

use std::collections::BTreeSet;
use std::io::{self, Write};

use serde_json::{Value, json};

use crate::cli::apply::plan::{Action, Entry, Rules};
use crate::cli::context::{Context, Form};
use crate::cli::error::{CliError, Kind};
use crate::cli::jobs_file::check::Ready;
use crate::cli::jobs_file::fault::{Source, line_of};
use crate::cli::jobs_file::reading::JobsFiles;
use crate::store::Store;
use crate::view::text::{clean, clean_all};
use crate::view::time::{in_full, rfc3339};

/// What was done.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Told {
    /// It was written.
    Written,
    /// Nothing was written because only the plan was wanted.
    DryRun,
    /// Nothing was written: nothing was to be, or a conflict forbade it.
    Nothing,
}

/// Most faults that are shown.
const FAULTS: usize = 100;

/// Tells everything that is wrong with the files. Gives the exit code.
///
/// # Errors
/// Those of writing.
pub fn refuse_faults(ctx: &Context, files: &mut JobsFiles) -> Result<u8, CliError> {
    let code = Kind::Invalid.code();
    let faults = &mut files.faults;
    faults.sort_by_key(|f| (f.spot.file, f.spot.span.start));
    let count = match faults.len() {
        1 => "1 fault".to_owned(),
        n => format!("{n} faults"),
    };
    let message = format!("{count} in the jobs files; nothing was written");
    let mut words: String = faults
        .iter()
        .take(FAULTS)
        .map(|fault| fault.in_words(&files.sources))
        .collect();
    words.push_str(&format!("error: {message}\n"));
    // Nobody is left to tell where it cannot be written.
    let _ = std::io::stderr().write_all(words.as_bytes());
    if ctx.form != Form::Text {
        let items: Vec<Value> = faults.iter().map(|f| f.item(&files.sources)).collect();
        let object = json!({"v": 1, "error": {
            "code": code, "message": message, "hint": faults.first().and_then(|f| f.hint.clone()),
            "faults": items,
        }});
        writeln!(std::io::stdout(), "{object}")?;
    }
    Ok(code)
}

/// Tells what becomes of each job.
///
/// # Errors
/// Those of writing.
pub fn tell(
    ctx: &Context,
    entries: &[Entry],
    sources: &[Source],
    rules: &Rules,
    told: Told,
) -> Result<(), CliError> {
    let conflicts = count(entries, Action::Conflict);
    let items = || -> Vec<Value> {
        let written = told == Told::Written;
        let item = |e: &Entry| item(ctx, e, sources, rules, written);
        entries.iter().map(item).collect()
    };
    let message = match conflicts {
        1 => "1 conflict; nothing was written".to_owned(),
        n => format!("{n} conflicts; nothing was written"),
    };
    if conflicts > 0 && ctx.form != Form::Text {
        let mut out = std::io::stdout().lock();
        let hint = entries.iter().find_map(|e| e.why.as_ref().map(|(_, h)| h));
        let error = json!({"code": Kind::Refused.code(), "message": message, "hint": hint});
        match ctx.form {
            Form::JsonLines => {
                for item in items() {
                    writeln!(out, "{item}")?;
                }
                writeln!(out, "{}", json!({"v": 1, "error": error}))?;
            }
            _ => writeln!(out, "{}", json!({"v": 1, "items": items(), "error": error}))?,
        }
        out.flush()?;
    } else {
        ctx.answer(items, |out| text(ctx, out, entries, rules, told))?;
    }
    if conflicts > 0 {
        let words = if told == Told::DryRun {
            message.replace("was", "would be")
        } else {
            message
        };
        ctx.say(&format!("error: {words}"));
    }
    Ok(())
}

fn count(entries: &[Entry], action: Action) -> usize {
    entries.iter().filter(|e| e.action == action).count()
}

fn item(ctx: &Context, entry: &Entry, sources: &[Source], rules: &Rules, written: bool) -> Value {
    let changes: Vec<Value> = entry.changes.iter().map(|c| c.item()).collect();
    let at = entry.first.as_ref().map(|(at, _)| rfc3339(*at, &ctx.zone));
    json!({
        "job": entry.name,
        "action": entry.action.as_str(),
        "changes": changes,
        "first_effect_at": at,
        "paused": entry.paused,
        "conflict": entry.why.as_ref().map(|(text, _)| text),
        "hint": entry.why.as_ref().map(|(_, hint)| hint),
        "origin": entry.origin,
        "wanted_origin": rules.origin,
        "file": entry.spot.as_ref().map(|s| &sources[s.file].name),
        "line": entry.spot.as_ref().map(|s| line_of(sources, s)),
        "written": written && matches!(entry.action, Action::Add | Action::Change | Action::Remove),
    })
}

/// Columns of names, at most.
const NAMES: usize = 24;

fn text(
    ctx: &Context,
    out: &mut dyn Write,
    entries: &[Entry],
    rules: &Rules,
    told: Told,
) -> io::Result<()> {
    let quiet = |e: &&Entry| !matches!(e.action, Action::Same | Action::Left);
    let shown: Vec<&Entry> = entries.iter().filter(quiet).collect();
    let width = shown
        .iter()
        .map(|e| e.name.len())
        .max()
        .unwrap_or(0)
        .min(NAMES);
    for entry in &shown {
        lines(ctx, out, entry, width, told)?;
    }
    let parts: Vec<String> = [
        (Action::Change, "change", "changes"),
        (Action::Add, "new", "new"),
        (Action::Remove, "removed", "removed"),
        (Action::Conflict, "conflict", "conflicts"),
    ]
    .into_iter()
    .filter_map(|(action, one, many)| match count(entries, action) {
        0 => None,
        1 => Some(format!("1 {one}")),
        n => Some(format!("{n} {many}")),
    })
    .collect();
    let same = count(entries, Action::Same);
    if parts.is_empty() {
        writeln!(out, "nothing to do; {same} the same")?;
    } else {
        let end = match told {
            Told::Written => "",
            Told::DryRun => " Nothing written (dry run).",
            Told::Nothing => " Nothing written.",
        };
        writeln!(out, "{}; {same} the same.{end}", parts.join(", "))?;
    }
    let left: Vec<&str> = entries
        .iter()
        .filter(|e| e.action == Action::Left)
        .map(|e| e.name.as_str())
        .collect();
    if !left.is_empty() {
        let names = clean(&left.join(", "), 100);
        writeln!(out, "no longer in the file: {names}; --prune removes them")?;
    }
    let others = entries
        .iter()
        .filter(|e| e.action == Action::Same && e.origin.as_ref() != Some(&rules.origin));
    match others.count() {
        0 => Ok(()),
        n => writeln!(
            out,
            "{n} of the same are not of this file, and --prune never removes them; --adopt takes them over"
        ),
    }
}

fn lines(
    ctx: &Context,
    out: &mut dyn Write,
    entry: &Entry,
    width: usize,
    told: Told,
) -> io::Result<()> {
    let name = clean_all(&entry.name);
    let indent = " ".repeat(width + 4);
    let fire = entry.first.as_ref().map(|(at, zone)| in_full(*at, zone));
    let paused = if entry.paused { " (paused)" } else { "" };
    match entry.action {
        Action::Add => {
            let when = match entry.schedules.as_slice() {
                [] => "no schedule".to_owned(),
                some => clean_all(&some.join(", ")),
            };
            let next = fire.map_or(String::new(), |at| format!("  next {at}{paused}"));
            writeln!(out, "+ {name:<width$}  {when}{next}")
        }
        Action::Remove => {
            let origin = clean_all(entry.origin.as_deref().unwrap_or("-"));
            let back = match told {
                Told::Written => format!("; `crake rm --undo {name}` brings it back"),
                _ => String::new(),
            };
            writeln!(out, "- {name:<width$}  no longer in {origin}{back}")
        }
        Action::Conflict | Action::Change => {
            let mut head = format!("~ {name:<width$}  ");
            if let Some((text, hint)) = &entry.why {
                writeln!(out, "! {name:<width$}  {}", clean_all(text))?;
                writeln!(out, "{indent}tip: {}", clean_all(hint))?;
                head.clone_from(&indent);
            }
            let keys = entry.changes.iter().map(|c| c.key.len()).max();
            for change in &entry.changes {
                writeln!(out, "{head}{}", change.in_words(keys.unwrap_or(0)))?;
                head.clone_from(&indent);
            }
            match fire.filter(|_| entry.action == Action::Change) {
                Some(at) => writeln!(out, "{indent}first effect: {at}{paused}"),
                None => Ok(()),
            }
        }
        Action::Same | Action::Left => {
            let _ = ctx;
            Ok(())
        }
    }
}

/// Says which jobs the written definitions name that there are not.
///
/// # Errors
/// Those of reading the store.
pub fn warn_of_unknown(
    ctx: &Context,
    store: &Store,
    ready: &[Ready],
    entries: &[Entry],
) -> Result<(), CliError> {
    let mut known: BTreeSet<String> = store.job_names()?.into_iter().collect();
    known.extend(ready.iter().map(|r| r.job.name.clone()));
    for entry in entries.iter().filter(|e| e.action == Action::Remove) {
        known.remove(&entry.name);
    }
    for job in ready.iter().map(|r| &r.job) {
        let follow = &job.spec.follow;
        let names = [&follow.on_success, &follow.on_failure, &follow.after];
        for name in names.into_iter().flatten().filter(|n| !known.contains(*n)) {
            ctx.say(&format!(
                "warning: {} names \"{name}\", and there is no such job yet",
                job.name
            ));
        }
    }
    Ok(())
}
