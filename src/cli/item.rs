//! A job as an item of an answer: the same keys in `list`, `show`, `add` and `edit`.

use serde_json::{Map, Value, json};

use crate::cli::context::Context;
use crate::cli::error::CliError;
use crate::cli::read_schedule;
use crate::letter;
use crate::model::{Command, Engine, Outcome, Pause, Policy, RunState, Spec};
use crate::schedule::{UnixMs, describe};
use crate::store::{FollowRow, JobRow, RunFilter, RunRow, Store};
use crate::view::time::rfc3339;
use crate::view::timetable::Timetable;

/// A job with what is computed or looked up for it.
pub struct JobItem {
    /// The job.
    pub row: JobRow,
    /// Its schedules, each made ready or why it cannot be.
    pub schedules: Vec<Result<Timetable, String>>,
    /// When it fires next; pauses are left out.
    pub next_at: Option<UnixMs>,
    /// Its last run that is over.
    pub last: Option<RunRow>,
    /// The runs of it that are alive.
    pub running: usize,
    /// Who follows it and whom it follows.
    pub follows: Vec<FollowRow>,
    /// The watches that start it.
    pub watches: Vec<String>,
}

/// Who gets what a job kept from a crontab writes, in words; nothing for other jobs.
pub fn mail(ctx: &Context, spec: &Spec) -> Option<String> {
    letter::in_words(spec, spec.limits.user.as_ref().unwrap_or(&ctx.user.name))
}

impl JobItem {
    /// Looks up what belongs to a job.
    ///
    /// # Errors
    /// Those of reading the store.
    pub fn of(ctx: &Context, store: &Store, row: JobRow) -> Result<JobItem, CliError> {
        let schedules: Vec<Result<Timetable, String>> = row
            .schedules
            .iter()
            .map(|(planned, _)| read_schedule::stored(ctx, planned).map_err(|e| e.message))
            .collect();
        let ended = Outcome::ALL.iter().map(|o| RunState::Ended(*o)).collect();
        let of_job = |states: Vec<RunState>, limit: usize| RunFilter {
            job: Some(row.job.name.clone()),
            states,
            limit: Some(limit),
            ..RunFilter::default()
        };
        let last = store.runs(&of_job(ended, 1))?.pop();
        let running = store.runs(&of_job(vec![RunState::Running], 1000))?.len();
        let next_at = next_at(&row, &schedules, ctx.now());
        let follows = store.follows(&row.job.name)?;
        let watches = store.watches_of_job(&row.job.name)?;
        Ok(JobItem {
            row,
            schedules,
            next_at,
            last,
            running,
            follows,
            watches,
        })
    }

    /// The pause that holds now.
    pub fn pause(&self, now: UnixMs) -> Option<&Pause> {
        self.row.job.paused_at(now)
    }

    /// The item in JSON.
    pub fn json(&self, ctx: &Context) -> Value {
        let mut value = self.definition(ctx);
        value["mail"] = mail(ctx, &self.row.job.spec).into();
        value
    }

    fn definition(&self, ctx: &Context) -> Value {
        let (job, spec) = (&self.row.job, &self.row.job.spec);
        let at = |at: UnixMs| rfc3339(at, &ctx.zone);
        let (line, argv) = match &spec.command {
            Command::Line(line) => (json!(line), Value::Null),
            Command::Argv(argv) => (Value::Null, json!(argv)),
        };
        let schedules = self.row.schedules.iter();
        let exprs: Vec<&str> = schedules.map(|(p, _)| p.expr.as_str()).collect();
        let env: Map<String, Value> = spec
            .env
            .iter()
            .map(|(name, value)| (name.clone(), json!(value)))
            .collect();
        let engine = match &spec.engine {
            Engine::Native => "native",
            Engine::Cron(dialect) => dialect.as_str(),
        };
        let mut value = json!({
            "name": job.name,
            "schedules": exprs,
            "command": line,
            "argv": argv,
            "paused": self.pause(ctx.now()).is_some(),
            "queue": job.policy.queue,
            "next_at": self.next_at.map(at),
            "last": self.last.as_ref().map(|run| json!({
                "run": run.run,
                "outcome": run.state.outcome().map(Outcome::as_str),
                "ended_at": run.ended_at.map(at),
            })),
            "running": self.running,
            "pause": self.pause(ctx.now()).map(|p| json!({
                "from": at(p.from), "until": p.until.map(at), "by": p.by, "reason": p.reason,
            })),
            "plans": self.plans(ctx),
            "policy": policy(&job.policy),
            "engine": engine,
            "shell": spec.shell,
            "env": env,
            "cwd": spec.cwd,
            "stdin": spec.stdin,
            "umask": spec.umask.map(|mask| format!("{mask:03o}")),
            "output_max": spec.output_max,
            "user": spec.limits.user,
            "nice": spec.limits.nice,
            "ionice": spec.limits.ionice,
            "memory_max": spec.limits.memory_max,
            "cpu_max_ms": spec.limits.cpu_max_ms,
            "processes_max": spec.limits.processes_max,
            "verify": spec.verify,
            "tags": spec.tags,
            "owner": spec.owner,
            "runbook": spec.runbook,
            "description": spec.description,
            "on_success": spec.follow.on_success,
            "on_failure": spec.follow.on_failure,
            "after": spec.follow.after,
            "followers": self.followers(),
            "keep_runs": spec.keep.runs,
            "keep_for_ms": spec.keep.for_ms,
            "keep_output": spec.keep.output,
            "origin": spec.origin,
            "version": job.version,
            "created_at": at(self.row.created_at),
            "updated_at": at(self.row.updated_at),
        });
        value["watches"] = self.watches.clone().into();
        value
    }

    /// The jobs that run after it, by whatever definition.
    fn followers(&self) -> Vec<Value> {
        let after_it = |f: &&FollowRow| f.upstream == self.row.job.name;
        let item = |f: &FollowRow| json!({"job": f.follower, "whence": f.whence, "says": f.owner});
        self.follows.iter().filter(after_it).map(item).collect()
    }

    fn plans(&self, ctx: &Context) -> Vec<Value> {
        let at = |at: UnixMs| rfc3339(at, &ctx.zone);
        self.row
            .schedules
            .iter()
            .zip(&self.schedules)
            .map(|((planned, _), ready)| {
                let terms = &planned.terms;
                json!({
                    "id": planned.id,
                    "schedule": planned.expr,
                    "zone": planned.zone,
                    "dst": planned.dst,
                    "calendar": terms.calendar,
                    "shift": terms.shift,
                    "jitter_ms": terms.jitter_ms,
                    "start_at": terms.start_at.map(at),
                    "end_at": terms.end_at.map(at),
                    "max_fires": terms.max_fires,
                    "fired": terms.max_fires.map(|_| planned.fired),
                    "in_words": ready.as_ref().ok().map(|t| describe(&t.schedule)),
                    "error": ready.as_ref().err(),
                })
            })
            .collect()
    }
}

fn policy(policy: &Policy) -> Value {
    json!({
        "priority": policy.priority,
        "overlap": policy.overlap,
        "max_parallel": policy.max_parallel,
        "queue_max": policy.queue_max,
        "timeout_ms": policy.timeout_ms,
        "silence_ms": policy.silence_ms,
        "kill_grace_ms": policy.kill_grace_ms,
        "start_deadline_ms": policy.start_deadline_ms,
        "retry": policy.retry,
        "backoff": policy.backoff.to_string(),
        "on_lost": policy.on_lost,
        "catch_up": policy.catch_up,
        "catch_up_window_ms": policy.catch_up_window_ms,
        "catch_up_max": policy.catch_up_max,
    })
}

/// The next instant of any of a job's schedules that no pause covers. What the daemon has planned
/// is taken where it lies ahead; the rest is computed, for it may not have looked yet.
fn next_at(row: &JobRow, tables: &[Result<Timetable, String>], now: UnixMs) -> Option<UnixMs> {
    let first = |(stored, ready): (&(_, UnixMs), &Result<Timetable, String>)| {
        let table = ready.as_ref().ok()?;
        let planned = Some(stored.1).filter(|at| *at > now && table.excluded(*at).is_none());
        let mut at = planned.or_else(|| table.fires(now, now).next())?;
        while let Some(pause) = row.job.paused_at(at) {
            at = table.fires(pause.until? - 1, now).next()?;
        }
        Some(at)
    };
    row.schedules.iter().zip(tables).filter_map(first).min()
}

/// Finds a job by its name.
///
/// # Errors
/// No such job, with the nearest name there is.
pub fn find(store: &Store, name: &str) -> Result<JobRow, CliError> {
    match store.job(name)? {
        Some(row) => Ok(row),
        None => Err(CliError::no_job(name, &store.job_names()?)),
    }
}
