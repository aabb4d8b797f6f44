//! `crake explain`: what a schedule means, why a job ran or did not, why a run exists.

use clap_complete::engine::ArgValueCandidates;
use serde_json::{Map, Value, json};

use crate::cli::context::Context;
use crate::cli::error::{CliError, Kind};
use crate::cli::selector::select;
use crate::cli::{ack, alive, complete, explain_job, next_sources, read_schedule};
use crate::model::{RunState, check_name};
use crate::schedule::{DstNote, Explanation, Schedule, UnixMs};
use crate::store::{NewSchedule, RunRow, Store};
use crate::view::explain_words as words;
use crate::view::items::Items;
use crate::view::notes::note;
use crate::view::text::clean_all;
use crate::view::time::{in_full, relative, rfc3339};
use crate::view::workers::{WorkerRow, workers};

/// Explain a schedule, a job, or a run; with --at, why a job ran or did not run then
#[derive(clap::Args)]
#[command(after_help = "\
Examples:
  crake explain '0 0 13 * 5'
  crake explain backup
  crake explain backup --at '2026-03-08 02:30'
  crake explain 1842")]
pub struct ExplainArgs {
    /// A schedule (one quoted argument), a job, or a run: 1842, JOB~1, JOB@fail
    #[arg(value_name = "EXPR|JOB|RUN", allow_hyphen_values = true,
        add = ArgValueCandidates::new(complete::job_names))]
    what: String,
    /// Of a job: what happened, or will happen, at this instant; RFC 3339, or a time on the clock of
    /// its schedule: "2026-03-08 02:30", 02:30, "yesterday 02:30"
    #[arg(long, value_name = "T")]
    at: Option<String>,
    /// Time zone of the schedule; of a job, the zone times are given in
    #[arg(long, value_name = "ZONE")]
    tz: Option<String>,
}

/// Fires of a schedule that are shown.
pub const FIRES: usize = 5;

/// Explains.
///
/// # Errors
/// An invalid schedule, an unknown job, run or zone, what is no instant.
pub fn explain(ctx: &Context, args: ExplainArgs) -> Result<u8, CliError> {
    let what = args.what.as_str();
    let tz = args.tz.as_deref();
    if read_schedule::looks_like_schedule(what) {
        return of_expression(ctx, &args);
    }
    let store = ctx.read()?;
    let is_job =
        check_name(what).is_ok() && (store.job(what)?.is_some() || store.knew_job(what)?);
    match &args.at {
        Some(at) if is_job => explain_job::at_instant(ctx, &store, what, at, tz),
        None if is_job && store.job(what)?.is_some() => explain_job::explain(ctx, &store, what, tz),
        None if is_job => Err(
            CliError::new(Kind::NotFound, format!("\"{what}\" was removed"))
                .hint(format!("`crake explain {what} --at T` tells of its past")),
        ),
        None if names_run(what) => of_run(ctx, &store, what),
        _ => {
            Err(next_sources::unknown(&store, what).unwrap_or_else(|| CliError::no_job(what, &[])))
        }
    }
}

/// Whether a word can only be meant as a run.
fn names_run(what: &str) -> bool {
    let number = what.strip_prefix('#').unwrap_or(what);
    number.starts_with(|c: char| c.is_ascii_digit()) || what.contains(['~', '@'])
}

fn of_expression(ctx: &Context, args: &ExplainArgs) -> Result<u8, CliError> {
    if args.at.is_some() {
        let error = CliError::new(
            Kind::Usage,
            "--at is for a job: a schedule alone has no past",
        );
        return Err(error.hint("`crake next EXPR --from T` shows when it fires"));
    }
    let new = NewSchedule {
        zone: args.tz.clone(),
        ..NewSchedule::of(&args.what)
    };
    let schedule = read_schedule::read(ctx, &new)?;
    let now = ctx.now();
    let next: Vec<UnixMs> = schedule.upcoming(now).take(FIRES).collect();
    let told = crate::schedule::explain(&schedule, now);
    let mut lines = schedule_lines(&schedule, &told);
    for at in &next {
        lines.push(fire_line(&schedule, *at, now));
    }
    if next.is_empty() {
        lines.push(format!(
            "next  none: {}",
            read_schedule::why_none(&schedule)
        ));
    }
    let mut value = schedule_item(&schedule, &told);
    value["next"] = next.iter().map(|at| fire_item(&schedule, *at)).collect();
    tell(ctx, value, &lines)
}

/// Gives an explanation: its lines, and in JSON what they were made of beside them.
fn tell(ctx: &Context, mut value: Value, lines: &[String]) -> Result<u8, CliError> {
    value["text"] = json!(lines);
    ctx.answer_one(
        || value,
        |out| {
            lines
                .iter()
                .try_for_each(|line| writeln!(out, "{}", clean_all(line)))
        },
    )?;
    Ok(0)
}

/// What a schedule means, a line each.
pub fn schedule_lines(schedule: &Schedule, told: &Explanation) -> Vec<String> {
    let mut lines = vec![format!("`{}`: {}", schedule.text(), told.words)];
    for (name, set) in &told.fields {
        lines.push(format!("  {:<13} {set}", name.as_str()));
    }
    lines.extend(told.day_rule.as_ref().map(|rule| format!("  {rule}")));
    let zone = schedule.zone();
    lines.push(format!("zone  {zone}, clock changes: {}", schedule.dst()));
    for change in &told.dst_ahead {
        lines.push(format!("  {}", change.text));
    }
    for warning in &told.warnings {
        lines.push(format!("warning: {}", warning.text));
    }
    lines
}

/// A fire ahead, in a line.
pub fn fire_line(schedule: &Schedule, at: UnixMs, now: UnixMs) -> String {
    let note = note(schedule, at).map_or(String::new(), |note| format!("  ({note})"));
    let full = in_full(at, schedule.zone());
    format!("next  {full}  {}{note}", relative(at, now))
}

/// A schedule as an item of an answer.
pub fn schedule_item(schedule: &Schedule, told: &Explanation) -> Value {
    let zone = schedule.zone();
    let fields: Map<String, Value> = told
        .fields
        .iter()
        .map(|(name, set)| (name.as_str().replace(' ', "_"), json!(set)))
        .collect();
    let change = |note: &DstNote| json!({"at": rfc3339(note.at, zone), "text": note.text});
    let warnings: Vec<&str> = told.warnings.iter().map(|w| w.text.as_str()).collect();
    json!({
        "schedule": schedule.text(),
        "zone": zone.name(),
        "dst": schedule.dst().to_string(),
        "in_words": told.words,
        "fields": (!fields.is_empty()).then_some(fields),
        "day_rule": told.day_rule,
        "dst_ahead": told.dst_ahead.iter().map(change).collect::<Vec<_>>(),
        "warnings": warnings,
    })
}

/// A fire ahead as an item of an answer.
pub fn fire_item(schedule: &Schedule, at: UnixMs) -> Value {
    json!({"at": rfc3339(at, schedule.zone()), "note": note(schedule, at)})
}

fn of_run(ctx: &Context, store: &Store, what: &str) -> Result<u8, CliError> {
    let run = select(store, what)?.run;
    let zone = &ctx.zone;
    let fires = match run.planned_at {
        Some(at) => store.fires_between(&run.job, at, at)?,
        None => Vec::new(),
    };
    let fire = fires.iter().find(|fire| fire.run == Some(run.run));
    let by = store.requested_by(run.run)?;
    let expr = fire.map(|fire| fire.expr.as_str());
    let why = words::origin(&run, expr, by.as_deref(), zone);
    let mut lines = vec![format!("run #{} of {}: {why}", run.run, run.job)];
    lines.push(words::run(&run, zone));
    let worker = carrying(ctx, store, &run)?;
    lines.extend(
        worker
            .iter()
            .map(|row| format!("{}: {}", row.judged.state, row.judged.why)),
    );
    let attempts = store.attempts(run.run)?;
    lines.extend(attempts.iter().map(|attempt| words::attempt(attempt, zone)));
    lines.extend(run.ack.as_ref().map(|ack| ack::in_words(ctx, ack)));
    lines.push(format!("`crake logs {}` shows what it wrote", run.run));
    let items = Items::new(zone);
    let mut value = items.run(&run);
    value["schedule"] = json!(expr);
    value["verdict"] = json!(fire.map(|fire| fire.verdict));
    value["requested_by"] = json!(by);
    value["carried"] = json!(worker.map(|row| items.worker(&row)));
    value["attempts"] = attempts.iter().map(|a| items.attempt(a)).collect();
    tell(ctx, value, &lines)
}

/// What its worker shows of a run that is alive.
fn carrying(ctx: &Context, store: &Store, run: &RunRow) -> Result<Option<WorkerRow>, CliError> {
    if run.state != RunState::Running {
        return Ok(None);
    }
    let daemon = alive::daemon(ctx, store)?;
    let rows = workers(store, &daemon, &ctx.zone, ctx.now())?;
    Ok(rows.into_iter().find(|row| row.run == Some(run.run)))
}
