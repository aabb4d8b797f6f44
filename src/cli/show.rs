//! `crake show`: everything about one job.

use std::io::{self, Write};

use clap_complete::engine::ArgValueCandidates;

use crate::cli::context::Context;
use crate::cli::error::CliError;
use crate::cli::item::{self, JobItem};
use crate::cli::toml_limits::in_units;
use crate::cli::{after_flags, complete, show_history, terms};
use crate::control::Petition;
use crate::model::{Engine, Limits, Policy, format_duration};
use crate::schedule::describe;
use crate::store::{RunFilter, RunRow};
use crate::view::notes::note;
use crate::view::text::clean_all;
use crate::view::time::{in_full, relative};

/// Show everything about a job
#[derive(clap::Args)]
#[command(after_help = "\
Examples:
  crake show backup
  crake show backup --history")]
pub struct ShowArgs {
    /// Name of the job
    #[arg(add = ArgValueCandidates::new(complete::job_names))]
    job: String,
    /// The definitions it has had: who changed what when
    #[arg(long)]
    history: bool,
}

/// Last runs shown.
const RUNS: usize = 5;

/// Most changes of a definition shown.
const CHANGES: usize = 100;

/// Shows a job.
///
/// # Errors
/// No such job.
pub fn show(ctx: &Context, args: ShowArgs) -> Result<u8, CliError> {
    let store = ctx.look(&[Petition::Show {
        job: args.job.clone(),
        history: args.history,
    }])?;
    let item = JobItem::of(ctx, &store, item::find(&store, &args.job)?)?;
    let runs = store.runs(&RunFilter {
        job: Some(args.job.clone()),
        limit: Some(RUNS),
        ..RunFilter::default()
    })?;
    let history = match args.history {
        true => show_history::compared(ctx, &args.job, store.history(&args.job, CHANGES)?)?,
        false => Vec::new(),
    };
    let then = after_flags::in_words(&store, &args.job, &item.row.job.spec.keep)?;
    ctx.answer_one(
        || {
            let mut value = item.json(ctx);
            if args.history {
                value["history"] = history.iter().map(|past| past.item(ctx)).collect();
            }
            value
        },
        |out| {
            head(out, &item)?;
            if let Some(text) = item::mail(ctx, &item.row.job.spec) {
                line(out, "mail", &text)?;
            }
            schedules(ctx, out, &item)?;
            rules(out, &item.row.job.policy)?;
            for watch in &item.watches {
                line(
                    out,
                    "watch",
                    &format!("{watch} starts it for what it finds"),
                )?;
            }
            for (head, text) in &then {
                line(out, head, text)?;
            }
            pauses(ctx, out, &item)?;
            last_runs(ctx, out, &runs)?;
            show_history::write(ctx, out, &history)
        },
    )?;
    Ok(0)
}

fn line(out: &mut dyn Write, head: &str, text: &str) -> io::Result<()> {
    writeln!(out, "{head:<12} {}", clean_all(text))
}

fn head(out: &mut dyn Write, item: &JobItem) -> io::Result<()> {
    let (job, spec) = (&item.row.job, &item.row.job.spec);
    line(out, "job", &job.name)?;
    if let Some(text) = &spec.description {
        line(out, "", text)?;
    }
    line(out, "command", &spec.command.display())?;
    if let Engine::Cron(dialect) = &spec.engine {
        line(out, "rules", &format!("those of {dialect}'s cron"))?;
    }
    let umask = spec.umask.map(|mask| format!("{mask:03o}"));
    let stdin = spec.stdin.as_ref().map(|text| text.lossy());
    let verify = spec.verify.as_ref().map(|line| line.lossy());
    let most = Some(may_use(&spec.limits)).filter(|text| !text.is_empty());
    let tags = Some(spec.tags.join(", ")).filter(|tags| !tags.is_empty());
    for (head, text) in [
        ("shell", &spec.shell),
        ("directory", &spec.cwd),
        ("umask", &umask),
        ("input", &stdin),
        ("user", &spec.limits.user),
        ("may use", &most),
        ("verified by", &verify),
        ("tags", &tags),
        ("owner", &spec.owner),
        ("runbook", &spec.runbook),
        ("origin", &spec.origin),
    ] {
        if let Some(text) = text {
            line(out, head, text)?;
        }
    }
    for (name, value) in &spec.env {
        line(out, "variable", &format!("{name}={}", value.lossy()))?;
    }
    Ok(())
}

fn may_use(limits: &Limits) -> String {
    let said = [
        limits
            .memory_max
            .map(|n| format!("{} of memory", in_units(n))),
        limits
            .cpu_max_ms
            .map(|ms| format!("{} of CPU time", format_duration(ms))),
        limits.processes_max.map(|n| format!("{n} processes")),
        limits.nice.map(|n| format!("nice {n}")),
        limits.ionice.map(|io| format!("ionice {io}")),
    ];
    let said: Vec<String> = said.into_iter().flatten().collect();
    said.join(", ")
}

fn schedules(ctx: &Context, out: &mut dyn Write, item: &JobItem) -> io::Result<()> {
    let now = ctx.now();
    if item.schedules.is_empty() {
        line(out, "schedule", "none: it runs when you say `crake run`")?;
    }
    for ((planned, _), ready) in item.row.schedules.iter().zip(&item.schedules) {
        line(out, "schedule", &planned.expr)?;
        match ready {
            Err(error) => line(out, "", &format!("ERROR: {error}"))?,
            Ok(table) => {
                let schedule = &table.schedule;
                let text = format!(
                    "{} ({}, clock changes: {})",
                    describe(schedule),
                    schedule.zone(),
                    schedule.dst()
                );
                line(out, "", &text)?;
                for bound in terms::in_words(table) {
                    line(out, "", &bound)?;
                }
                for at in table.fires(now, now).take(3) {
                    let full = in_full(at, schedule.zone());
                    let note = note(schedule, at).unwrap_or_default();
                    let text = format!("{full}  {}  {note}", relative(at, now));
                    line(out, "  next", text.trim_end())?;
                }
            }
        }
    }
    Ok(())
}

fn rules(out: &mut dyn Write, policy: &Policy) -> io::Result<()> {
    let limit = |ms: Option<i64>| ms.map_or_else(|| "none".to_owned(), format_duration);
    let parallel = match policy.parallel() {
        u32::MAX => "any number of runs at once".to_owned(),
        1 => "one run at once".to_owned(),
        n => format!("{n} runs at once"),
    };
    line(
        out,
        "queue",
        &format!(
            "{}, priority {}, at most {} waiting",
            policy.queue, policy.priority, policy.queue_max
        ),
    )?;
    line(out, "overlap", &format!("{}, {parallel}", policy.overlap))?;
    let window = match policy.catch_up_window_ms {
        Some(ms) => format!(", not older than {}", format_duration(ms)),
        None => String::new(),
    };
    line(
        out,
        "catch up",
        &format!(
            "{}{window}, at most {} at once",
            policy.catch_up, policy.catch_up_max
        ),
    )?;
    line(
        out,
        "limits",
        &format!(
            "timeout {}, silence {}, start deadline {}, {} from TERM to KILL",
            limit(policy.timeout_ms),
            limit(policy.silence_ms),
            limit(policy.start_deadline_ms),
            format_duration(policy.kill_grace_ms)
        ),
    )?;
    let retry = match policy.retry {
        0 => "none".to_owned(),
        n => format!("{n} times, waiting {}", policy.backoff),
    };
    line(
        out,
        "retry",
        &format!(
            "{retry}; a lost run is {}",
            match policy.on_lost {
                crate::model::OnLost::Fail => "not run again",
                crate::model::OnLost::Retry => "run again",
            }
        ),
    )
}

fn pauses(ctx: &Context, out: &mut dyn Write, item: &JobItem) -> io::Result<()> {
    let now = ctx.now();
    for pause in &item.row.job.pauses {
        if pause.until.is_some_and(|until| until <= now) {
            continue;
        }
        let until = match pause.until {
            Some(until) => format!("until {}", in_full(until, &ctx.zone)),
            None => "until resumed".to_owned(),
        };
        let reason = pause
            .reason
            .as_ref()
            .map_or(String::new(), |r| format!(": {r}"));
        let from = in_full(pause.from, &ctx.zone);
        line(
            out,
            "PAUSED",
            &format!("since {from} {until} by {}{reason}", pause.by),
        )?;
    }
    Ok(())
}

fn last_runs(ctx: &Context, out: &mut dyn Write, runs: &[RunRow]) -> io::Result<()> {
    for (index, run) in runs.iter().enumerate() {
        let head = if index == 0 { "last runs" } else { "" };
        let at = run
            .ended_at
            .or(run.started_at)
            .or(run.queued_at)
            .map_or(String::new(), |at| in_full(at, &ctx.zone));
        let code = run.exit_code.map_or(String::new(), |c| format!(" {c}"));
        let text = format!("#{} {}{code} {at}", run.run, run.state.as_str());
        line(out, head, text.trim_end())?;
    }
    Ok(())
}
