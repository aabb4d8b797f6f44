//! What an import answers.

use serde_json::{Value, json};

use crate::cli::context::{Context, Form};
use crate::cli::error::CliError;
use crate::cli::import::TableRead;
use crate::cli::import_plan::{Action, Plan, Step};
use crate::cli::import_source::Scan;
use crate::cli::listing::width;
use crate::crontab::{Entry, Field, LineKind};
use crate::model::{Command, Raw};
use crate::schedule::{UnixMs, Zone};
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

/// Writes the answer of a scan: one item for each table.
///
/// # Errors
/// Those of writing.
pub fn answer_scan(
    ctx: &Context,
    scan: &Scan,
    unreadable: &[(String, String)],
    done: &[(TableRead, Plan)],
    dry_run: bool,
) -> Result<(), CliError> {
    ctx.answer(
        || {
            done.iter()
                .map(|(read, plan)| item(ctx, read, plan))
                .collect()
        },
        |out| {
            for (read, plan) in done {
                let dialect = read.dialect_word;
                writeln!(
                    out,
                    "{} ({dialect}, {})",
                    read.found.label,
                    read.found.form.as_str()
                )?;
                if !plan.steps.is_empty() {
                    table(ctx, read, plan).write(out, width(ctx))?;
                }
                writeln!(out, "{}\n", summary(read, plan, dry_run))?;
            }
            Ok(())
        },
    )?;
    for (path, why) in unreadable {
        ctx.say(&format!("warning: cannot read {path}: {why}"));
    }
    for (path, why) in &scan.passed_over {
        ctx.say(&format!("note: {path}: {why}"));
    }
    if !scan.scripts.is_empty() {
        let names: Vec<String> = scan
            .scripts
            .iter()
            .map(|path| path.display().to_string())
            .collect();
        ctx.say(&format!(
            "note: run by run-parts from the tables above, and no jobs of their own: {}",
            names.join(", ")
        ));
    }
    if ctx.form == Form::Text {
        for (read, plan) in done {
            say_more(ctx, read, plan, dry_run);
        }
    }
    Ok(())
}

fn table(ctx: &Context, read: &TableRead, plan: &Plan) -> Table {
    let mut table = Table::new(&[
        "LINE", "NAME", "SCHEDULE", "BY CRON", "BY CRAKE", "DAYS", "NOTES",
    ]);
    for step in &plan.steps {
        let entry = &step.entry;
        let short = |at| in_short(at, ctx.now(), &ctx.zone);
        let boot = entry.schedule == "@reboot";
        let shown = |at: Option<i64>| match (&entry.job, at) {
            (Err(_), _) => "-".to_owned(),
            (Ok(_), Some(at)) => short(at),
            (Ok(_), None) if boot => "at boot".to_owned(),
            (Ok(_), None) => "-".to_owned(),
        };
        let days = match entry.preview.equal() {
            None => "-".to_owned(),
            Some(true) => format!("{} equal", entry.preview.days),
            Some(false) => "DIFFER".to_owned(),
        };
        table.row([
            entry.line.to_string(),
            entry.name.clone(),
            entry.schedule.clone(),
            shown(entry.preview.by_cron),
            shown(entry.preview.next.first().copied()),
            days,
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
    if let Some(at) = step.entry.preview.differs {
        notes.push(format!(
            "only one of cron and crake fires at {}",
            rfc3339_utc(at)
        ));
    }
    for conflict in &step.conflicts {
        notes.push(format!(
            "{} was changed in the table and here: it was {}, is {} here and {} in the table",
            conflict.key, conflict.base, conflict.ours, conflict.theirs
        ));
    }
    if !step.kept.is_empty() {
        notes.push(format!("changed here and kept: {}", step.kept.join(", ")));
    }
    if step.entry.disabled {
        notes.push("commented out, so paused".to_owned());
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
        Action::Conflict,
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
    let disabled = plan.steps.iter().filter(|s| s.entry.disabled).count();
    if read.disabled > disabled {
        let n = read.disabled - disabled;
        parts.push(format!("{n} commented out (--include-disabled takes them)"));
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
            "note: no longer in this file, and {}: {}\n  tip: `crake rm` removes them",
            if read.found.label == "-" {
                "left as they are"
            } else {
                "paused"
            },
            plan.gone.join(", ")
        ));
    }
    let made = plan.steps.iter().any(|s| s.action == Action::Added);
    let label = &read.found.label;
    if made && !dry_run && read.observed {
        ctx.say(&format!(
            "note: cron goes on running {label}, so the jobs are observed: recorded and not run\n  \
             tip: `crake cutover {label}` lets crake run them instead"
        ));
    } else if made && !dry_run && label != "-" {
        ctx.say(&format!(
            "note: {label} was not changed; while cron runs it too, these jobs run twice"
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
        "file": read.found.label,
        "dialect": read.dialect_word,
        "format": read.found.form.as_str(),
        "verdict": read.table.verdict.to_string(),
        "lines": lines,
        "jobs": jobs,
        "warnings": warnings,
        "gone": plan.gone,
        "observed": read.observed,
        "disabled": read.disabled,
    })
}

fn line(number: usize, kind: &LineKind) -> Value {
    let mut value = json!({
        "line": number, "k": kind.as_str(),
        "min": null, "hour": null, "dom": null, "mon": null, "dow": null,
        "dom_star": null, "dow_star": null, "reboot": null,
        "cmd": null, "user": null, "kv": null, "error": null,
        "column": null, "explanation": null,
        "minute_star": null, "hour_star": null, "no_log": null, "mail_on_failure": null,
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
    value["minute_star"] = json!(entry.sets.minute_star);
    value["hour_star"] = json!(entry.sets.hour_star);
    value["no_log"] = json!(entry.no_log);
    value["mail_on_failure"] = json!(entry.mail_on_failure_only);
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
    let next: Vec<String> = entry
        .preview
        .next
        .iter()
        .map(|at| rfc3339(*at, &ctx.zone))
        .collect();
    let conflicts: Vec<Value> = step
        .conflicts
        .iter()
        .map(|c| json!({"key": c.key, "base": c.base, "ours": c.ours, "theirs": c.theirs}))
        .collect();
    let env = draft.map(|d| {
        let pairs = d
            .spec
            .env
            .iter()
            .map(|(name, value)| (name.clone(), json!(value)));
        pairs.collect::<serde_json::Map<String, Value>>()
    });
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
        "next_at": entry.preview.next.first().filter(|_| draft.is_some()).map(|at| rfc3339(*at, &ctx.zone)),
        "next": next,
        "next_by_cron": entry.preview.by_cron.map(|at| rfc3339(at, &ctx.zone)),
        "days": entry.preview.days,
        "equal": entry.preview.equal(),
        "id": step.id,
        "disabled": entry.disabled,
        "observed": step.observed,
        "taken_over": entry.mark.is_some(),
        "env": env,
        "shell": draft.and_then(|d| d.spec.shell.clone()),
        "mail_to": entry.mail_to,
        "mail_on_failure": entry.options.1,
        "conflicts": conflicts,
        "kept": step.kept,
        "notes": notes(read, step),
    })
}

fn rfc3339_utc(at: UnixMs) -> String {
    rfc3339(at, &Zone::utc())
}
