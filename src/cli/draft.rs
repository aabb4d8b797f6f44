//! A definition while it is being written: what may be said of a job before it is stored.

use crate::cli::context::Context;
use crate::cli::error::{CliError, Kind};
use crate::cli::{read_schedule, run_as, terms};
use crate::control::{self, Request};
use crate::model::{Command, Engine, Job, Policy, Raw, Spec, check_name};
use crate::schedule::{Schedule, describe, seed_of};
use crate::store::{JobRow, NewSchedule};
use crate::view::notes::note;
use crate::view::time::{in_full, relative};
use crate::view::timetable::Timetable;

/// A definition while it is being written.
#[derive(Clone, Debug, PartialEq)]
pub struct Draft {
    /// What to execute.
    pub spec: Spec,
    /// By which rules.
    pub policy: Policy,
    /// When.
    pub schedules: Vec<NewSchedule>,
    /// Decides what `~`, `H` and jitter draw; it stays when the job is changed or renamed.
    pub seed: i64,
}

impl Draft {
    /// Nothing said yet of the job of this name.
    pub fn new(name: &str) -> Draft {
        Draft {
            spec: Spec::of(Command::Argv(Vec::new())),
            policy: Policy::default(),
            schedules: Vec::new(),
            seed: seed(name),
        }
    }

    /// The definition of a stored job.
    pub fn of(row: &JobRow) -> Draft {
        let first = row.schedules.first();
        Draft {
            seed: first.map_or_else(|| seed(&row.job.name), |(p, _)| p.terms.seed),
            spec: row.job.spec.clone(),
            policy: row.job.policy.clone(),
            schedules: row
                .schedules
                .iter()
                .map(|(planned, _)| read_schedule::as_new(planned))
                .collect(),
        }
    }

    /// Checks the definition and gives the job with its schedules made ready.
    ///
    /// # Errors
    /// A name, schedule or zone that is none, and a missing command.
    pub fn check(
        &self,
        ctx: &Context,
        name: &str,
        version: i64,
    ) -> Result<(Job, Vec<Timetable>), CliError> {
        check_name(name)?;
        match &self.spec.command {
            Command::Argv(argv) if argv.first().is_none_or(|program| program.0.is_empty()) => {
                return Err(CliError::new(Kind::Usage, "there is no command to run").hint(
                    "write `-c 'LINE'` for the shell, or `-- CMD ARG...` to execute it directly",
                ));
            }
            Command::Line(line) if line.0.trim_ascii().is_empty() && native(&self.spec) => {
                return Err(CliError::new(Kind::Usage, "there is no command to run"));
            }
            Command::Line(line) if holds_nul(line) => return Err(nul("the command")),
            Command::Argv(argv) if argv.iter().any(holds_nul) => return Err(nul("the command")),
            Command::Line(_) | Command::Argv(_) => {}
        }
        if self.spec.verify.as_ref().is_some_and(holds_nul) {
            return Err(nul("the line that verifies it"));
        }
        for (variable, value) in &self.spec.env {
            if variable.is_empty() || variable.contains(['=', '\0']) || holds_nul(value) {
                let text = format!("\"{variable}\" cannot be a variable's name");
                return Err(CliError::new(Kind::Usage, text));
            }
        }
        let ready: Result<Vec<Timetable>, CliError> = self
            .schedules
            .iter()
            .map(|new| {
                let table = read_schedule::drafted(ctx, new)?;
                terms::check(ctx, &table)?;
                Ok(table)
            })
            .collect();
        let job = Job {
            name: name.to_owned(),
            spec: Spec {
                limits: run_as::checked(ctx, &self.spec.limits)?,
                ..self.spec.clone()
            },
            policy: self.policy.clone(),
            pauses: Vec::new(),
            version,
            listed: true,
        };
        Ok((job, ready?))
    }
}

/// The seed of a new job.
fn seed(name: &str) -> i64 {
    seed_of(name).cast_signed()
}

/// Debian's cron runs a line without a command; of our own jobs each has one.
fn native(spec: &Spec) -> bool {
    spec.engine == Engine::Native
}

fn holds_nul(text: &Raw) -> bool {
    text.0.contains(&0)
}

fn nul(what: &str) -> CliError {
    CliError::new(Kind::Usage, format!("{what} holds a NUL byte"))
}

/// What a job does, in words, and its next three fires: what is said of a definition just written.
pub fn in_words(ctx: &Context, tables: &[Timetable]) -> Vec<String> {
    if tables.is_empty() {
        return vec!["no schedule: it runs when you say `crake run`".to_owned()];
    }
    let now = ctx.now();
    let mut lines = Vec::new();
    for table in tables {
        let schedule = &table.schedule;
        lines.push(format!("{} ({})", describe(schedule), schedule.zone()));
        lines.extend(terms::in_words(table));
    }
    let mut fires: Vec<(i64, &Schedule)> = tables
        .iter()
        .flat_map(|t| t.fires(now, now).take(3).map(move |at| (at, &t.schedule)))
        .collect();
    fires.sort_by_key(|(at, _)| *at);
    for (index, (at, schedule)) in fires.iter().take(3).enumerate() {
        let head = if index == 0 { "next" } else { "    " };
        let full = in_full(*at, schedule.zone());
        let note = note(schedule, *at).map_or(String::new(), |n| format!("  {n}"));
        let distance = relative(*at, now);
        lines.push(format!("{head}  {full}  {distance}{note}"));
    }
    lines
}

/// Says on standard error what of a definition is seldom meant, and that nobody is there to act on
/// it, where that is so.
pub fn warn(ctx: &Context, tables: &[Timetable]) {
    let now = ctx.now();
    for table in tables {
        let schedule = &table.schedule;
        for warning in schedule.warnings() {
            ctx.say(&format!("warning: `{}`: {warning}", schedule.text()));
        }
        if let Some(why) = terms::why_none(table, now) {
            ctx.say(&format!("warning: `{}`: {why}", schedule.text()));
        }
    }
    if control::ask(&ctx.paths.socket, &Request::Ping).is_err() {
        ctx.say(
            "warning: no daemon keeps time here, so nothing is started\n  tip: start it with `crake daemon`",
        );
    }
}
