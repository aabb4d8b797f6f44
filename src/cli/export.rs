//! `crake export`: definitions for other programs, and what those cannot say.

use std::path::{Path, PathBuf};

use clap_complete::engine::ArgValueCandidates;
use serde_json::json;

use crate::cli::context::{Context, Form};
use crate::cli::error::{CliError, Kind};
use crate::cli::{complete, export_crontab, export_systemd, export_toml, item};
use crate::crontab::Dialect;
use crate::store::{JobRow, Store};
use clap::builder::{PossibleValuesParser, TypedValueParser};

/// Write jobs as a crontab, a file of cron.d, systemd units or TOML
///
/// A table that was imported and is unchanged comes out byte for byte. Everything else is read back by
/// the reader of that cron and its fires are compared over 400 days before it is written. What the
/// other program cannot say is refused, job by job, unless --lossy.
#[derive(clap::Args)]
#[command(after_help = "\
Examples:
  crake export --as crontab > table
  crake export --as cron.d --source /etc/cron.d/backup
  crake export --as systemd backup -o units/")]
pub struct ExportArgs {
    /// Jobs; all if not given
    #[arg(value_name = "JOB", add = ArgValueCandidates::new(complete::job_names))]
    jobs: Vec<String>,
    /// The form
    #[arg(long = "as", value_enum, value_name = "FORM", default_value_t = As::Toml)]
    form: As,
    /// Only the jobs of this imported table
    #[arg(long, value_name = "TABLE")]
    source: Option<String>,
    /// The cron that will read it; that of the imported table, or debian
    #[arg(long, value_name = "CRON",
        value_parser = PossibleValuesParser::new(["debian", "cronie"]).try_map(|w| w.parse::<Dialect>()))]
    dialect: Option<Dialect>,
    /// Write it though something is lost
    #[arg(long)]
    lossy: bool,
    /// Into this file; for systemd, this directory
    #[arg(short, long, value_name = "PATH")]
    output: Option<PathBuf>,
}

/// What definitions are written as.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
enum As {
    /// A jobs file in TOML, for `crake apply`
    Toml,
    /// A user's crontab
    Crontab,
    /// A file of /etc/cron.d, with a user column
    #[value(name = "cron.d")]
    CronD,
    /// A timer and a service for each job
    Systemd,
}

/// What was written, and what was not.
#[derive(Default)]
pub struct Exported {
    /// Files by name; one without a name is standard output.
    pub files: Vec<(String, Vec<u8>)>,
    /// What is lost, by job.
    pub lost: Vec<(String, String)>,
    /// Jobs that are left out, and why.
    pub refused: Vec<(String, String)>,
}

/// Writes jobs for another program.
///
/// # Errors
/// No such job or table; jobs that the form cannot hold.
pub fn export(ctx: &Context, args: ExportArgs) -> Result<u8, CliError> {
    let store = ctx.read()?;
    let rows = chosen(&store, &args)?;
    let exported = match args.form {
        As::Toml => export_toml::jobs(ctx, &rows)?,
        As::Systemd => export_systemd::units(ctx, &rows, args.lossy),
        As::Crontab | As::CronD => {
            let wanted = export_crontab::Wanted {
                system: args.form == As::CronD,
                dialect: args.dialect,
                lossy: args.lossy,
                source: args.source.as_deref(),
                everything: args.jobs.is_empty(),
            };
            export_crontab::table(ctx, &store, &rows, &wanted)?
        }
    };
    write(
        ctx,
        &exported,
        args.output.as_deref(),
        args.form == As::Systemd,
    )?;
    for (job, what) in &exported.lost {
        ctx.say(&format!("note: {job}: lost: {what}"));
    }
    for (job, why) in &exported.refused {
        ctx.say(&format!("warning: {job}: left out: {why}"));
    }
    let left_out = !exported.refused.is_empty();
    if left_out {
        ctx.say("  tip: --lossy writes what can be said of it");
    }
    Ok(if left_out { Kind::Refused.code() } else { 0 })
}

fn chosen(store: &Store, args: &ExportArgs) -> Result<Vec<JobRow>, CliError> {
    let source = args.source.as_deref();
    if let Some(source) = source.filter(|s| !matches!(store.crontab(s), Ok(Some(_)))) {
        let text = format!("no table {source} was imported");
        return Err(CliError::new(Kind::NotFound, text));
    }
    if args.jobs.is_empty() {
        let mut rows = store.jobs()?;
        rows.retain(|row| {
            source.is_none()
                || row
                    .job
                    .spec
                    .imported
                    .as_ref()
                    .is_some_and(|i| Some(i.source.as_str()) == source)
        });
        return Ok(rows);
    }
    args.jobs
        .iter()
        .map(|name| item::find(store, name))
        .collect()
}

fn write(
    ctx: &Context,
    exported: &Exported,
    output: Option<&Path>,
    many: bool,
) -> Result<(), CliError> {
    if ctx.form != Form::Text {
        let items = exported.files.iter().map(
            |(name, bytes)| json!({"file": name, "content": crate::model::Raw(bytes.clone())}),
        );
        return ctx.answer(|| items.collect(), |_| Ok(()));
    }
    match output {
        Some(dir) if many => {
            std::fs::create_dir_all(dir)?;
            for (name, bytes) in &exported.files {
                std::fs::write(dir.join(name), bytes)?;
            }
        }
        Some(path) => {
            let bytes: Vec<u8> = exported.files.iter().flat_map(|(_, b)| b.clone()).collect();
            std::fs::write(path, bytes)?;
        }
        None => {
            use std::io::Write;
            let mut out = std::io::stdout().lock();
            for (name, bytes) in &exported.files {
                if many {
                    writeln!(out, "# {name}")?;
                }
                out.write_all(bytes)?;
            }
            out.flush()?;
        }
    }
    Ok(())
}

/// What a job asks for that no cron and no plain timer does.
pub fn beyond_cron(row: &JobRow) -> Vec<String> {
    let (spec, policy) = (&row.job.spec, &row.job.policy);
    let plain = crate::model::Policy::cron();
    let mut lost = Vec::new();
    let mut says = |different: bool, what: &str| {
        if different {
            lost.push(what.to_owned());
        }
    };
    says(policy.overlap != plain.overlap, "overlap rule");
    says(policy.catch_up != plain.catch_up, "catch-up rule");
    says(policy.timeout_ms != plain.timeout_ms, "time limit");
    says(policy.silence_ms.is_some(), "limit of silence");
    says(policy.retry > 0, "retries");
    says(policy.max_parallel.is_some(), "bound of parallel runs");
    says(policy.start_deadline_ms.is_some(), "latest start");
    says(
        policy.queue != plain.queue || policy.priority != plain.priority,
        "queue and priority",
    );
    says(spec.verify.is_some(), "verification");
    says(
        spec.umask.is_some() || spec.cwd.is_some(),
        "umask or working directory",
    );
    let limits = &spec.limits;
    let limited = limits.nice.is_some()
        || limits.ionice.is_some()
        || limits.memory_max.is_some()
        || limits.cpu_max_ms.is_some()
        || limits.processes_max.is_some();
    says(limited, "limits");
    says(!spec.follow.is_none(), "jobs that follow");
    let terms = |(planned, _): &(crate::model::Planned, i64)| {
        let neutral = crate::model::Terms {
            seed: planned.terms.seed,
            ..crate::model::Terms::default()
        };
        planned.terms != neutral
    };
    says(
        row.schedules.iter().any(terms),
        "jitter, calendar, start or end",
    );
    lost
}
