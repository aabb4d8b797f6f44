//! The order a worker gets: the job's definition, the run, and what this host adds.

use chrono::{DateTime, SecondsFormat, Utc};
use serde_json::{Map, Value};

use crate::model::{Command, Engine, Job, Limits, Order, Origin, Outcome, QueuedRun, Raw, Spec};
use crate::schedule::UnixMs;

/// What this host adds to the environment of jobs. Nothing of the daemon's own environment does.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Host {
    /// Home directory of the user the jobs run as.
    pub home: String,
    /// Name of that user.
    pub user: String,
    /// The language settings of the host, handed on to our own jobs.
    pub lang: Option<String>,
}

/// What a job finds where nothing else is said. Debian's and cronie's are measured.
const PATH: &str = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";
const DEBIAN_PATH: &str = "/usr/bin:/bin";
const CRONIE_PATH: &str = "/usr/bin:/bin:/usr/sbin:/sbin";

/// The longest values of a run that are put into the environment whole, bytes. Linux takes 128 KiB for
/// one string, and starts nothing with a longer one.
const ARGS_MAX: usize = 64 * 1024;

/// By what name a client of PostgreSQL introduces itself.
const PG_NAME: &str = "PGAPPNAME";

impl Host {
    /// Builds the order for the attempt that a run's fence claims.
    pub fn order(&self, run: &QueuedRun, job: &Job) -> Order {
        let spec = &job.spec;
        let env = self.environment(run, job);
        let home = env
            .iter()
            .find(|(k, _)| k == "HOME")
            .map(|(_, home)| home.lossy())
            .or_else(|| spec.limits.user.is_none().then(|| self.home.clone()));
        let missing = |name: &&str| env.iter().all(|(known, _)| known != name);
        let login = login(spec).iter().copied().filter(missing);
        let login = login.map(str::to_owned).collect();
        Order {
            run: run.run,
            attempt: run.attempt,
            fence: run.fence,
            job: job.name.clone(),
            command: filled(&spec.command, run.args.as_deref()),
            shell: spec.shell.clone(),
            cwd: spec.cwd.clone().or(home),
            env,
            stdin: stdin(run, spec).or_else(|| cron_input(spec)),
            stdin_file: run.input_path.clone(),
            umask: spec.umask.unwrap_or(0o022),
            timeout_ms: job.policy.timeout_ms,
            silence_ms: job.policy.silence_ms,
            kill_grace_ms: job.policy.kill_grace_ms,
            output_max: spec.output_max,
            limits: self.limits(spec),
            login,
            verify: spec.verify.clone(),
            cron: dialect(&spec.engine).map(str::to_owned),
        }
    }

    /// The base for the job's engine, then the job's own, then the run's, then what names the run.
    /// A later setting takes the place of an earlier one.
    pub fn environment(&self, run: &QueuedRun, job: &Job) -> Vec<(String, Raw)> {
        let mut env: Vec<(String, Raw)> = Vec::new();
        let mut set = |name: &str, value: Raw| {
            env.retain(|(known, _)| known != name);
            env.push((name.to_owned(), value));
        };
        // What the user's entry says is not looked up here: that may hang.
        let theirs = login(&job.spec);
        for (name, value) in self.base(&job.spec.engine) {
            if !theirs.contains(&name) {
                set(name, value.as_str().into());
            }
        }
        for (name, value) in &job.spec.env {
            if !is_fixed(&job.spec.engine, name) {
                set(name, value.clone());
            }
        }
        let of_a_watch = run.env.iter().any(|(name, _)| name == "CRAKE_WATCH");
        if of_a_watch && !job.spec.env.iter().any(|(name, _)| name == PG_NAME) {
            // So that whoever looks at the server sees which run it is.
            let name = format!("crake/{}#{}", job.name, run.run);
            set(PG_NAME, name.into());
        }
        for (name, value) in &run.env {
            set(name, value.clone());
        }
        set("CRAKE_JOB", job.name.as_str().into());
        set("CRAKE_RUN", run.run.to_string().into());
        set("CRAKE_ATTEMPT", run.attempt.to_string().into());
        set("CRAKE_ORIGIN", run.origin.as_str().into());
        if let Some(at) = run.planned_at.or(Some(run.queued_at)) {
            set("CRAKE_FIRE", rfc3339(at).into());
        }
        if let Some(word) = recovery(run) {
            set("CRAKE_RECOVERY", word.into());
        }
        if let Some(args) = run.args.as_ref().filter(|args| args.len() <= ARGS_MAX) {
            set("CRAKE_ARGS", args.as_str().into());
        }
        env
    }

    /// The limits of a job. A cron run by root gives the jobs of root its groups as well.
    fn limits(&self, spec: &Spec) -> Limits {
        let mut limits = spec.limits.clone();
        if self.user == "root" && spec.engine != Engine::Native {
            limits.user.get_or_insert_with(|| self.user.clone());
        }
        limits
    }

    /// Where the programs of a job are looked for: the `PATH` it finds.
    pub fn search_path(spec: &Spec) -> Raw {
        let own = spec.env.iter().rev().find(|(name, _)| name == "PATH");
        own.map_or_else(
            || base_path(&spec.engine).into(),
            |(_, value)| value.clone(),
        )
    }

    fn base(&self, engine: &Engine) -> Vec<(&'static str, String)> {
        let debian = matches!(engine, Engine::Cron(dialect) if dialect != "cronie");
        let mut base = vec![
            ("HOME", self.home.clone()),
            ("LOGNAME", self.user.clone()),
            ("PATH", base_path(engine).to_owned()),
            ("SHELL", "/bin/sh".to_owned()),
        ];
        if !debian {
            base.push(("USER", self.user.clone()));
            if let Some(lang) = &self.lang {
                base.push(("LANG", lang.clone()));
            }
        }
        base
    }
}

/// The cron whose rules hold.
fn dialect(engine: &Engine) -> Option<&str> {
    match engine {
        Engine::Native => None,
        Engine::Cron(dialect) => Some(dialect),
    }
}

/// Whether a table cannot set a variable. Source: crontab(5), and both daemons as measured.
pub fn is_fixed(engine: &Engine, name: &str) -> bool {
    match dialect(engine) {
        None => false,
        Some("cronie") => name == "LOGNAME" || name == "USER",
        Some(_) => name == "LOGNAME",
    }
}

/// What a cron gives to a job that reads nothing: a pipe at its end, and no `/dev/null`.
fn cron_input(spec: &Spec) -> Option<Raw> {
    dialect(&spec.engine).map(|_| Raw::default())
}

/// What a run reads on standard input: its own, or what the definition gives to each.
fn stdin(run: &QueuedRun, spec: &Spec) -> Option<Raw> {
    match &run.input {
        Some(input) => Some(input.as_str().into()),
        None => spec.stdin.clone(),
    }
}

/// A command with the run's own values in the place of those arguments that are `{NAME}` and nothing
/// else. A line for the shell is left as it is: there a value could become a command.
fn filled(command: &Command, args: Option<&str>) -> Command {
    let known = args.and_then(|text| serde_json::from_str::<Map<String, Value>>(text).ok());
    let (Command::Argv(argv), Some(known)) = (command, known) else {
        return command.clone();
    };
    let value = |word: &Raw| {
        let word = std::str::from_utf8(&word.0).ok()?;
        let name = word.strip_prefix('{')?.strip_suffix('}')?;
        match known.get(name)? {
            Value::String(text) => Some(Raw::from(text.as_str())),
            Value::Null => Some(Raw::default()),
            other => Some(other.to_string().into()),
        }
    };
    // The program itself is never a value.
    let argv = argv.iter().enumerate().map(|(n, word)| match n {
        0 => word.clone(),
        _ => value(word).unwrap_or_else(|| word.clone()),
    });
    Command::Argv(argv.collect())
}

/// The variables that come from the entry of the user a job names. A cron says `/bin/sh` for every
/// user, and Debian's does not set `USER`.
fn login(spec: &Spec) -> &'static [&'static str] {
    match (&spec.limits.user, &spec.engine) {
        (None, _) => &[],
        (Some(_), Engine::Native) => &["HOME", "LOGNAME", "SHELL", "USER"],
        (Some(_), Engine::Cron(dialect)) if dialect == "cronie" => &["HOME", "LOGNAME", "USER"],
        (Some(_), Engine::Cron(_)) => &["HOME", "LOGNAME"],
    }
}

/// What an attempt makes up for, in one word; most make up for nothing.
fn recovery(run: &QueuedRun) -> Option<&'static str> {
    match (run.after, run.origin) {
        (Some(Outcome::Lost), _) => Some("lost"),
        (Some(Outcome::Interrupted), _) => Some("interrupted"),
        (Some(_), _) | (None, Origin::Retry) => Some("retry"),
        (None, Origin::CatchUp) => Some("catch_up"),
        (None, _) => None,
    }
}

fn base_path(engine: &Engine) -> &'static str {
    match engine {
        Engine::Native => PATH,
        Engine::Cron(dialect) if dialect == "cronie" => CRONIE_PATH,
        Engine::Cron(_) => DEBIAN_PATH,
    }
}

fn rfc3339(at: UnixMs) -> String {
    DateTime::<Utc>::from_timestamp_millis(at)
        .map(|t| t.to_rfc3339_opts(SecondsFormat::AutoSi, true))
        .unwrap_or_default()
}
