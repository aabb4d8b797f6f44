//! `crake explain JOB`: its definition, and with `--at` what became of an instant.

use serde_json::{Value, json};

use crate::cli::context::Context;
use crate::cli::error::CliError;
use crate::cli::explain::{FIRES, fire_item, fire_line, schedule_item, schedule_lines};
use crate::cli::item::{self, JobItem};
use crate::cli::{after_flags, alive, moment, read_schedule, terms};
use crate::model::{Overlap, RunState};
use crate::schedule::{Civil, Resolved, UnixMs, Zone};
use crate::store::{RunFilter, Store};
use crate::view::explain::{Evidence, NEAR, Question, Version, answer};
use crate::view::explain_words as words;
use crate::view::text::clean_all;
use crate::view::time::{in_full, rfc3339};

/// Tells whether a job was due at an instant, and what became of it.
///
/// # Errors
/// What is no instant, an unknown zone, those of reading the store.
pub fn at_instant(
    ctx: &Context,
    store: &Store,
    job: &str,
    text: &str,
    tz: Option<&str>,
) -> Result<u8, CliError> {
    let now = ctx.now();
    let row = store.job(job)?;
    let versions: Vec<Version> = store
        .versions_of(job)?
        .into_iter()
        .map(|planned| Version {
            table: read_schedule::stored(ctx, &planned).map_err(|e| e.message),
            planned,
        })
        .collect();
    let own = versions.iter().rev().find_map(|v| v.table.as_ref().ok());
    let zone = match (tz, own) {
        (Some(name), _) => Zone::named(name)?,
        (None, Some(table)) => table.schedule.zone().clone(),
        (None, None) => ctx.zone.clone(),
    };
    let (at, skipped) = instant(text, &zone, now)?;
    let width = if at % 60_000 == 0 { 60_000 } else { 1000 };
    let at = at.div_euclid(width) * width;
    let fires = store.fires_between(job, at - NEAR, at + width + NEAR)?;
    let mut runs = Vec::new();
    for run in fires.iter().filter_map(|fire| fire.run) {
        runs.extend(store.run(run)?);
    }
    let question = Question {
        job,
        at,
        width,
        skipped,
        pauses: row.as_ref().map_or(&[], |row| row.job.pauses.as_slice()),
        zone: &zone,
        now,
    };
    let known = Evidence {
        versions,
        fires,
        runs,
    };
    let mut told = answer(&question, &known);
    if row.is_none() {
        told.text.push("the job was removed since".to_owned());
    }
    ctx.answer_one(
        || {
            json!({
                "job": job,
                "at": rfc3339(at, &zone),
                "due": told.due,
                "schedule": told.schedule,
                "planned_at": told.planned_at.map(|at| rfc3339(at, &zone)),
                "verdict": told.verdict,
                "run": told.run,
                "reason": told.reason,
                "text": told.text,
            })
        },
        |out| {
            let mut text = told.text.iter();
            text.try_for_each(|line| writeln!(out, "{}", clean_all(line)))
        },
    )?;
    Ok(0)
}

/// The instant a text means on a zone's clock, and what it says where that clock never shows it.
fn instant(text: &str, zone: &Zone, now: UnixMs) -> Result<(UnixMs, Option<Civil>), CliError> {
    let at = moment::instant(text, zone, now, 1)?;
    // Read as a time of UTC a local time becomes another instant; all others stay the same.
    let is_local = moment::instant(text, &Zone::utc(), now, 1)? != at;
    let here = zone.to_local(now).to_wall() * 1000;
    let wall = moment::instant(text, &Zone::utc(), here, 1)?;
    let written = Zone::utc().to_local(wall);
    let skipped = is_local && matches!(zone.resolve(written), Resolved::Gap { .. });
    Ok((at, skipped.then_some(written)))
}

/// Explains a job as it stands.
///
/// # Errors
/// An unknown zone, those of reading the store.
pub fn explain(ctx: &Context, store: &Store, job: &str, tz: Option<&str>) -> Result<u8, CliError> {
    let item = JobItem::of(ctx, store, item::find(store, job)?)?;
    let now = ctx.now();
    let zone = read_schedule::zone_of(ctx, tz)?;
    let mut lines = vec![format!(
        "{job} runs `{}`",
        item.row.job.spec.command.display()
    )];
    if item.schedules.is_empty() {
        lines.push("no schedule: it runs when you say `crake run`".to_owned());
    }
    let mut schedules: Vec<Value> = Vec::new();
    for ((planned, _), ready) in item.row.schedules.iter().zip(&item.schedules) {
        let table = match ready {
            Ok(table) => table,
            Err(error) => {
                lines.push(format!("`{}` cannot be read: {error}", planned.expr));
                schedules.push(json!({"schedule": planned.expr, "error": error}));
                continue;
            }
        };
        let told = crate::schedule::explain(&table.schedule, now);
        lines.extend(schedule_lines(&table.schedule, &told));
        lines.extend(terms::in_words(table).iter().map(|t| format!("  {t}")));
        let next: Vec<UnixMs> = table.fires(now, now).take(FIRES).collect();
        lines.extend(next.iter().map(|at| fire_line(&table.schedule, *at, now)));
        lines.extend(terms::why_none(table, now).map(|why| format!("next  none: {why}")));
        let mut value = schedule_item(&table.schedule, &told);
        value["next"] = next
            .iter()
            .map(|at| fire_item(&table.schedule, *at))
            .collect();
        schedules.push(value);
    }
    let then = after_flags::in_words(store, job, &item.row.job.spec.keep)?;
    lines.extend(then.iter().map(|(head, text)| format!("{head:<5} {text}")));
    let at_next = at_next_fire(ctx, store, &item)?;
    lines.extend(at_next.iter().cloned());
    lines.push(match &item.last {
        Some(run) => format!("last: {}", words::run(run, &zone)),
        None => "it has not run yet".to_owned(),
    });
    ctx.answer_one(
        || {
            json!({
                "job": job,
                "command": item.row.job.spec.command.display(),
                "schedules": schedules,
                "next_at": item.next_at.map(|at| rfc3339(at, &zone)),
                "at_next": at_next,
                "last": item.json(ctx)["last"],
                "text": lines,
            })
        },
        |out| {
            lines
                .iter()
                .try_for_each(|line| writeln!(out, "{}", clean_all(line)))
        },
    )?;
    Ok(0)
}

/// What would happen if a fire came now.
fn at_next_fire(ctx: &Context, store: &Store, item: &JobItem) -> Result<Vec<String>, CliError> {
    let (job, policy) = (&item.row.job, &item.row.job.policy);
    let now = ctx.now();
    let mut lines = Vec::new();
    if let Some(pause) = item.pause(now) {
        let until = match pause.until {
            Some(until) => format!(" until {}", in_full(until, &ctx.zone)),
            None => String::new(),
        };
        let reason = pause.reason.as_ref();
        let reason = reason.map_or(String::new(), |reason| format!(": {reason}"));
        lines.push(format!("paused by {}{until}{reason}", pause.by));
    }
    if !alive::daemon(ctx, store)?.up {
        lines.push("no daemon is up: nothing is started".to_owned());
    }
    let waiting = store.runs(&RunFilter {
        states: vec![RunState::Queued],
        ..RunFilter::default()
    })?;
    let own = waiting.iter().filter(|run| run.job == job.name).count();
    let full = item.running + own >= policy.parallel() as usize;
    let what = match policy.overlap {
        Overlap::Skip => "a fire would be skipped",
        Overlap::Queue => "a fire would wait for its turn",
        Overlap::Replace => "a fire would end it and take its place",
        Overlap::Allow => "a fire would start beside it",
    };
    if full && item.running + own > 0 {
        let (running, overlap) = (item.running, policy.overlap);
        lines.push(format!(
            "{running} running and {own} waiting now: {what}, by the overlap rule {overlap}"
        ));
    }
    let ahead = waiting
        .iter()
        .filter(|run| run.queue == policy.queue)
        .count();
    if ahead > 0 {
        lines.push(format!("{ahead} waiting in the queue {}", policy.queue));
    }
    if lines.is_empty() {
        lines.push("a fire would start at once".to_owned());
    }
    Ok(lines)
}
