//! What an import answers.

use serde_json::{Value, json};

use crate::cli::context::{Context, Form};
use crate::cli::error::CliError;
use crate::cli::import::TableRead;
use crate::cli::import_entry::form_word;
use crate::cli::import_plan::{Action, Plan, Step};
use crate::cli::listing::width;
use crate::crontab::{Entry, Field, LineKind};
use crate::model::{Command, Raw};
use crate::view::table::Table;
use crate::view::time::{in_short, rfc3339};

/// Writes the answer.
///
/// # Errors
/// Those of writing.
pub fn answer(ctx: &Context, read: &TableRead, plan: &Plan, dry_run: bool) -> Result<(), CliError> {
    ctx.answer_one(
        || item(ctx, read, plan),
        |out| {
            if !plan.steps.is_empty() {
                table(ctx, read, plan).write(out, width(ctx))?;
            }
            writeln!(out, "{}", summary(read, plan, dry_run))
        },
    )?;
    if ctx.form == Form::Text {
        say_more(ctx, read, plan, dry_run);
    }
    Ok(())
}

fn table(ctx: &Context, read: &TableRead, plan: &Plan) -> Table {
    let mut table = Table::new(&["LINE", "NAME", "SCHEDULE", "NEXT", "NOTES"]);
    for step in &plan.steps {
        let entry = &step.entry;
        let next = match (&entry.job, entry.next_at) {
            (Err(_), _) => "-".to_owned(),
            (Ok(_), Some(at)) => in_short(at, ctx.now(), &ctx.zone),
            (Ok(_), None) => "at boot".to_owned(),
        };
        table.row([
            entry.line.to_string(),
            entry.name.clone(),
            entry.schedule.clone(),
            next,
            notes(read, step).join("; "),
        ]);
    }
    table
}

/// What is to be said of an entry: what becomes of it, and the hazards of its line.
fn notes(read: &TableRead, step: &Step) -> Vec<String> {
    let mut notes = Vec::new();
    match &step.entry.job {
        Err(why) => notes.push(format!("NOT MADE: {}", why.why())),
        Ok(_) if step.action != Action::Added => notes.push(step.action.as_str().to_owned()),
        Ok(_) => {}
    }
    notes.extend(step.entry.notes.iter().cloned());
    for warning in &read.warnings {
        if warning.line == step.entry.line && warning.id != "W01" {
            notes.push(format!("{} {}", warning.id, warning.text));
        }
    }
    notes
}

fn summary(read: &TableRead, plan: &Plan, dry_run: bool) -> String {
    let count = |action: Action| plan.steps.iter().filter(|s| s.action == action).count();
    let mut parts: Vec<String> = Vec::new();
    for action in [
        Action::Added,
        Action::Changed,
        Action::Moved,
        Action::Unchanged,
    ] {
        let n = count(action);
        if n > 0 {
            parts.push(format!("{n} {}", action.as_str()));
        }
    }
    let not_made = count(Action::NotMade);
    if not_made > 0 {
        parts.push(format!("{not_made} not made"));
    }
    let bad = read.table.complaints().count();
    if bad > 0 {
        parts.push(format!("{bad} not understood"));
    }
    let what = match plan.steps.len() {
        1 => "1 entry".to_owned(),
        n => format!("{n} entries"),
    };
    let done = match parts.is_empty() {
        true => what,
        false => format!("{what}: {}", parts.join(", ")),
    };
    let same = count(Action::Unchanged) == plan.steps.len() && !plan.steps.is_empty();
    match (dry_run, same) {
        (true, _) => format!("{done}. Nothing written (dry run)."),
        (false, true) => format!("{done}. Nothing changed."),
        (false, false) => format!("{done}."),
    }
}

/// Says what belongs to no entry: lines not understood, hazards of the file, jobs left behind.
fn say_more(ctx: &Context, read: &TableRead, plan: &Plan, dry_run: bool) {
    for (line, problem) in read.table.complaints() {
        ctx.say(&format!(
            "line {}, column {}: {}: {}",
            line.number, problem.column, problem.reason, problem.explanation
        ));
    }
    let of_entry = |line: usize| plan.steps.iter().any(|s| s.entry.line == line);
    for warning in &read.warnings {
        if warning.id == "W01" || !of_entry(warning.line) {
            ctx.say(&format!(
                "line {}: {} {}",
                warning.line, warning.id, warning.text
            ));
        }
    }
    if !plan.gone.is_empty() {
        ctx.say(&format!(
            "note: no longer in this file, and left as they are: {}\n  tip: `crake rm` removes them",
            plan.gone.join(", ")
        ));
    }
    let made = plan.steps.iter().any(|s| s.action == Action::Added);
    if made && !dry_run && read.label != "-" {
        ctx.say(&format!(
            "note: {} was not changed; while cron runs it too, these jobs run twice",
            read.label
        ));
    }
}

fn item(ctx: &Context, read: &TableRead, plan: &Plan) -> Value {
    let lines: Vec<Value> = read
        .table
        .lines
        .iter()
        .map(|l| line(l.number, &l.kind))
        .collect();
    let jobs: Vec<Value> = plan.steps.iter().map(|step| job(ctx, read, step)).collect();
    let warnings: Vec<Value> = read
        .warnings
        .iter()
        .map(|w| json!({"id": w.id, "line": w.line, "text": w.text}))
        .collect();
    json!({
        "file": read.label,
        "dialect": read.table.dialect.as_str(),
        "format": form_word(read.table.format),
        "verdict": read.table.verdict.to_string(),
        "lines": lines,
        "jobs": jobs,
        "warnings": warnings,
        "gone": plan.gone,
    })
}

fn line(number: usize, kind: &LineKind) -> Value {
    let mut value = json!({
        "line": number, "k": kind.as_str(),
        "min": null, "hour": null, "dom": null, "mon": null, "dow": null,
        "dom_star": null, "dow_star": null, "reboot": null,
        "cmd": null, "user": null, "kv": null, "error": null,
        "column": null, "explanation": null,
    });
    match kind {
        LineKind::Blank | LineKind::Comment => {}
        LineKind::Env {
            name, value: set, ..
        } => {
            value["kv"] = json!(Raw([name.as_slice(), set].join(&b'=')));
        }
        LineKind::Error(problem) => {
            value["error"] = json!(problem.reason);
            value["column"] = json!(problem.column);
            value["explanation"] = json!(problem.explanation);
        }
        LineKind::Entry(entry) => entry_line(&mut value, entry),
    }
    value
}

fn entry_line(value: &mut Value, entry: &Entry) {
    for (key, field) in ["min", "hour", "dom", "mon", "dow"].iter().zip(Field::ALL) {
        value[*key] = json!(entry.sets.values(field));
    }
    value["dom_star"] = json!(entry.sets.dom_star);
    value["dow_star"] = json!(entry.sets.dow_star);
    value["reboot"] = json!(entry.reboot);
    value["cmd"] = json!(Raw(entry.raw_command.clone()));
    value["user"] = json!(entry.user.clone().map(Raw));
}

fn job(ctx: &Context, read: &TableRead, step: &Step) -> Value {
    let entry = &step.entry;
    let draft = entry.job.as_ref().ok();
    let command = draft.and_then(|d| match &d.spec.command {
        Command::Line(line) => Some(line),
        Command::Argv(_) => None,
    });
    let planned = draft.and_then(|d| d.schedules.first());
    let action = match &entry.job {
        Ok(_) => step.action.as_str(),
        Err(why) => why.as_str(),
    };
    json!({
        "line": entry.line,
        "name": entry.name,
        "action": action,
        "reason": entry.job.as_ref().err().map(|why| why.why()),
        "schedule": planned.map_or(&entry.schedule, |p| &p.expr),
        "written": entry.schedule,
        "zone": planned.and_then(|p| p.zone.as_ref()),
        "user": entry.user,
        "command": command,
        "stdin": draft.and_then(|d| d.spec.stdin.as_ref()),
        "next_at": entry.next_at.map(|at| rfc3339(at, &ctx.zone)),
        "notes": notes(read, step),
    })
}
