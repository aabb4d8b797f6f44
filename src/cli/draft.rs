//! A definition while it is being written: what may be said of a job before it is stored.

use crate::cli::context::Context;
use crate::cli::error::{CliError, Kind};
use crate::cli::read_schedule;
use crate::control::{self, Request};
use crate::model::{Command, Engine, Job, Policy, Raw, Spec, check_name};
use crate::schedule::{Dialect, Schedule, describe};
use crate::store::{JobRow, NewSchedule};
use crate::view::time::{in_full, relative};

/// A definition while it is being written.
#[derive(Clone, Debug, PartialEq)]
pub struct Draft {
    /// What to execute.
    pub spec: Spec,
    /// By which rules.
    pub policy: Policy,
    /// When.
    pub schedules: Vec<NewSchedule>,
}

impl Draft {
    /// Nothing said yet.
    pub fn new() -> Draft {
        Draft {
            spec: Spec::of(Command::Argv(Vec::new())),
            policy: Policy::default(),
            schedules: Vec::new(),
        }
    }

    /// The definition of a stored job.
    pub fn of(row: &JobRow) -> Draft {
        Draft {
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
    ) -> Result<(Job, Vec<Schedule>), CliError> {
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
        for (variable, value) in &self.spec.env {
            if variable.is_empty() || variable.contains(['=', '\0']) || holds_nul(value) {
                let text = format!("\"{variable}\" cannot be a variable's name");
                return Err(CliError::new(Kind::Usage, text));
            }
        }
        let ready: Result<Vec<Schedule>, CliError> = self
            .schedules
            .iter()
            .map(|new| read_schedule::read(ctx, new))
            .collect();
        let job = Job {
            name: name.to_owned(),
            spec: self.spec.clone(),
            policy: self.policy.clone(),
            pauses: Vec::new(),
            version,
            listed: true,
        };
        Ok((job, ready?))
    }
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
pub fn in_words(ctx: &Context, schedules: &[Schedule]) -> Vec<String> {
    if schedules.is_empty() {
        return vec!["no schedule: it runs when you say `crake run`".to_owned()];
    }
    let now = ctx.now();
    let mut lines: Vec<String> = schedules
        .iter()
        .map(|s| format!("{} ({})", describe(s), s.zone()))
        .collect();
    let mut fires: Vec<(i64, &Schedule)> = schedules
        .iter()
        .flat_map(|s| s.upcoming(now).take(3).map(move |at| (at, s)))
        .collect();
    fires.sort_by_key(|(at, _)| *at);
    for (index, (at, schedule)) in fires.iter().take(3).enumerate() {
        let head = if index == 0 { "next" } else { "    " };
        let full = in_full(*at, schedule.zone());
        let note = read_schedule::note(schedule, *at).map_or(String::new(), |n| format!("  {n}"));
        let distance = relative(*at, now);
        lines.push(format!("{head}  {full}  {distance}{note}"));
    }
    lines
}

/// Says on standard error what of a definition is seldom meant, and that nobody is there to act on
/// it, where that is so.
pub fn warn(ctx: &Context, schedules: &[Schedule]) {
    for schedule in schedules {
        for warning in schedule.warnings() {
            ctx.say(&format!("warning: `{}`: {warning}", schedule.text()));
        }
        if schedule.dialect() == Dialect::At && schedule.next_after(ctx.now()).is_none() {
            let why = read_schedule::why_none(schedule);
            ctx.say(&format!("warning: `{}`: {why}", schedule.text()));
        }
    }
    if control::ask(&ctx.paths.socket, &Request::Ping).is_err() {
        ctx.say(
            "warning: no daemon keeps time here, so nothing is started\n  tip: start it with `crake daemon`",
        );
    }
}
