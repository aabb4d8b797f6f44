//! A definition as TOML: what `edit` shows, and the keys of `edit --set`.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use toml::{Table, Value};

use crate::cli::draft::Draft;
use crate::cli::error::{CliError, Kind};
use crate::cli::flags;
use crate::model::{
    CatchUp, Command, OnLost, Overlap, Policy, Raw, Spec, Terms, format_duration, parse_duration,
};
use crate::schedule::{UnixMs, Zone};
use crate::store::NewSchedule;

/// A definition as people edit it. A key left out means what it means for a new job.
#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Form {
    #[serde(default)]
    description: Option<String>,
    command: Commanded,
    #[serde(default)]
    schedule: Vec<Entry>,
    #[serde(default)]
    timezone: Option<String>,
    #[serde(default = "vixie")]
    dst: String,
    queue: Option<String>,
    priority: Option<u8>,
    overlap: Option<Overlap>,
    max_parallel: Option<u32>,
    queue_max: Option<u32>,
    timeout: Option<String>,
    silence: Option<String>,
    kill_grace: Option<String>,
    start_deadline: Option<String>,
    retry: Option<u32>,
    backoff: Option<String>,
    on_lost: Option<OnLost>,
    catch_up: Option<CatchUp>,
    catch_up_window: Option<String>,
    catch_up_max: Option<u32>,
    #[serde(default)]
    shell: Option<String>,
    #[serde(default)]
    cwd: Option<String>,
    #[serde(default)]
    umask: Option<String>,
    #[serde(default)]
    stdin: Option<Raw>,
    #[serde(default)]
    output_max: Option<u64>,
    #[serde(default)]
    tags: Vec<String>,
    #[serde(default)]
    owner: Option<String>,
    #[serde(default)]
    runbook: Option<String>,
    #[serde(default)]
    env: BTreeMap<String, Raw>,
}

/// A text for the shell, or a list to execute directly.
#[derive(Debug, Serialize, Deserialize)]
#[serde(untagged)]
enum Commanded {
    List(Vec<Raw>),
    Line(Raw),
}

/// An expression, or one with what differs from the job's zone and rule.
#[derive(Debug, Serialize, Deserialize)]
#[serde(untagged)]
enum Entry {
    Plain(String),
    Full {
        expr: String,
        timezone: Option<String>,
        dst: Option<String>,
        anchor: Option<UnixMs>,
    },
}

fn vixie() -> String {
    "vixie".to_owned()
}

/// The definition as TOML text.
///
/// # Errors
/// None that is expected.
pub fn write(draft: &Draft) -> Result<String, CliError> {
    toml::to_string(&form_of(draft)).map_err(|e| CliError::new(Kind::Failed, e.to_string()))
}

/// Reads what [`write()`] wrote and somebody changed; what the form does not hold is kept of `old`.
///
/// # Errors
/// What is wrong with the text, with its line.
pub fn read(text: &str, old: &Draft) -> Result<Draft, CliError> {
    let form: Form = toml::from_str(text).map_err(|e| invalid(&e))?;
    draft_of(form, old)
}

fn invalid(e: &toml::de::Error) -> CliError {
    CliError::new(
        Kind::Invalid,
        format!("invalid definition: {}", e.to_string().trim_end()),
    )
}

/// Sets one key of a definition; a value that is no TOML is taken as text, and an empty one takes
/// the key away.
///
/// # Errors
/// An unknown key, a value it cannot have.
pub fn set(draft: &Draft, setting: &str) -> Result<Draft, CliError> {
    let (key, value) = setting.split_once('=').ok_or_else(|| {
        CliError::new(Kind::Usage, format!("\"{setting}\" sets nothing")).hint("write KEY=VALUE")
    })?;
    let key = key.trim();
    let mut table: Table = toml::from_str(&write(draft)?).map_err(|e| invalid(&e))?;
    let read_back = |table: &Table| {
        let form = Form::deserialize(Value::Table(table.clone())).map_err(|e| invalid(&e))?;
        draft_of(form, draft)
    };
    if value.is_empty() {
        table.remove(key);
        return read_back(&table);
    }
    let parsed: Option<Table> = toml::from_str(&format!("value = {value}")).ok();
    let mut as_toml = None;
    if let Some(value) = parsed.and_then(|mut t| t.remove("value")) {
        table.insert(key.to_owned(), value);
        match read_back(&table) {
            Ok(draft) => return Ok(draft),
            Err(error) => as_toml = Some(error),
        }
    }
    let text = Value::String(value.to_owned());
    // A list of one need not be written as a list.
    let text = match key {
        "schedule" | "tags" => Value::Array(vec![text]),
        _ => text,
    };
    table.insert(key.to_owned(), text);
    read_back(&table).map_err(|error| as_toml.unwrap_or(error))
}

fn form_of(draft: &Draft) -> Form {
    let (spec, policy) = (&draft.spec, &draft.policy);
    let first = draft.schedules.first();
    let timezone = first.and_then(|s| s.zone.clone());
    let dst = first.map_or_else(vixie, |s| s.dst.clone());
    let limit = |ms: Option<i64>| Some(ms.map_or_else(|| "none".to_owned(), format_duration));
    let entry = |new: &NewSchedule| {
        if new.zone == timezone && new.dst == dst && new.anchor.is_none() {
            return Entry::Plain(new.expr.clone());
        }
        Entry::Full {
            expr: new.expr.clone(),
            timezone: Some(new.zone.clone().unwrap_or_else(|| "system".to_owned())),
            dst: Some(new.dst.clone()),
            anchor: new.anchor,
        }
    };
    Form {
        description: spec.description.clone(),
        command: match &spec.command {
            Command::Line(line) => Commanded::Line(line.clone()),
            Command::Argv(argv) => Commanded::List(argv.clone()),
        },
        schedule: draft.schedules.iter().map(entry).collect(),
        timezone: timezone.clone(),
        dst: dst.clone(),
        queue: Some(policy.queue.clone()),
        priority: Some(policy.priority),
        overlap: Some(policy.overlap),
        max_parallel: policy.max_parallel,
        queue_max: Some(policy.queue_max),
        timeout: limit(policy.timeout_ms),
        silence: limit(policy.silence_ms),
        kill_grace: Some(format_duration(policy.kill_grace_ms)),
        start_deadline: limit(policy.start_deadline_ms),
        retry: Some(policy.retry),
        backoff: Some(policy.backoff.to_string()),
        on_lost: Some(policy.on_lost),
        catch_up: Some(policy.catch_up),
        catch_up_window: limit(policy.catch_up_window_ms),
        catch_up_max: Some(policy.catch_up_max),
        shell: spec.shell.clone(),
        cwd: spec.cwd.clone(),
        umask: spec.umask.map(|mask| format!("{mask:03o}")),
        stdin: spec.stdin.clone(),
        output_max: Some(spec.output_max),
        tags: spec.tags.clone(),
        owner: spec.owner.clone(),
        runbook: spec.runbook.clone(),
        env: spec.env.iter().cloned().collect(),
    }
}

fn draft_of(form: Form, old: &Draft) -> Result<Draft, CliError> {
    let wrong = |text: String| CliError::new(Kind::Invalid, text);
    let policy = policy_of(&form)?;
    let timezone = zone_name(form.timezone.as_deref())?;
    let mut schedules = Vec::new();
    for entry in form.schedule {
        schedules.push(match entry {
            Entry::Plain(expr) => NewSchedule {
                expr,
                zone: timezone.clone(),
                dst: form.dst.clone(),
                anchor: None,
                terms: Terms::default(),
            },
            Entry::Full {
                expr,
                timezone: own,
                dst,
                anchor,
            } => NewSchedule {
                expr,
                zone: match own {
                    Some(name) => zone_name(Some(&name))?,
                    None => timezone.clone(),
                },
                dst: dst.unwrap_or_else(|| form.dst.clone()),
                anchor,
                terms: Terms::default(),
            },
        });
    }
    let mut spec = Spec::of(match form.command {
        Commanded::Line(line) => Command::Line(line),
        Commanded::List(argv) => Command::Argv(argv),
    });
    spec.engine = old.spec.engine.clone();
    spec.origin = old.spec.origin.clone();
    spec.description = form.description;
    spec.shell = form.shell;
    spec.cwd = form.cwd;
    let mask = form.umask.as_deref().map(flags::umask).transpose();
    spec.umask = mask.map_err(wrong)?;
    spec.stdin = form.stdin;
    spec.output_max = form.output_max.unwrap_or(spec.output_max);
    spec.tags = form.tags;
    spec.owner = form.owner;
    spec.runbook = form.runbook;
    spec.env = in_old_order(form.env, &old.spec.env);
    Ok(Draft {
        spec,
        policy,
        schedules,
    })
}

/// The variables in the order they had; new ones behind them.
fn in_old_order(mut env: BTreeMap<String, Raw>, old: &[(String, Raw)]) -> Vec<(String, Raw)> {
    let mut ordered: Vec<(String, Raw)> = old
        .iter()
        .filter_map(|(name, _)| env.remove_entry(name))
        .collect();
    ordered.extend(env);
    ordered
}

fn zone_name(name: Option<&str>) -> Result<Option<String>, CliError> {
    match name {
        None | Some("system") => Ok(None),
        Some(name) => Ok(Some(Zone::named(name)?.name().to_owned())),
    }
}

fn policy_of(rules: &Form) -> Result<Policy, CliError> {
    let wrong = |key: &str, text: String| CliError::new(Kind::Invalid, format!("{key}: {text}"));
    let limit = |key: &str, text: &Option<String>, unsaid: Option<i64>| match text.as_deref() {
        None => Ok(unsaid),
        Some("none") => Ok(None),
        Some(text) => parse_duration(text)
            .map(Some)
            .map_err(|e| wrong(key, e.to_string())),
    };
    let base = Policy::default();
    let priority = rules.priority.unwrap_or(base.priority);
    if priority > 9 {
        return Err(wrong("priority", "write 0 to 9".to_owned()));
    }
    if rules.max_parallel == Some(0) {
        return Err(wrong("max_parallel", "write 1 or more".to_owned()));
    }
    let grace = limit("kill_grace", &rules.kill_grace, Some(base.kill_grace_ms))?;
    let backoff = rules.backoff.as_deref().map(str::parse).transpose();
    Ok(Policy {
        queue: rules.queue.clone().unwrap_or(base.queue),
        priority,
        overlap: rules.overlap.unwrap_or(base.overlap),
        max_parallel: rules.max_parallel,
        queue_max: rules.queue_max.unwrap_or(base.queue_max),
        timeout_ms: limit("timeout", &rules.timeout, base.timeout_ms)?,
        silence_ms: limit("silence", &rules.silence, base.silence_ms)?,
        kill_grace_ms: grace.unwrap_or(base.kill_grace_ms),
        start_deadline_ms: limit("start_deadline", &rules.start_deadline, None)?,
        retry: rules.retry.unwrap_or(base.retry),
        backoff: backoff
            .map_err(|e: crate::model::DurationError| wrong("backoff", e.to_string()))?
            .unwrap_or(base.backoff),
        on_lost: rules.on_lost.unwrap_or(base.on_lost),
        catch_up: rules.catch_up.unwrap_or(base.catch_up),
        catch_up_window_ms: limit("catch_up_window", &rules.catch_up_window, None)?,
        catch_up_max: rules.catch_up_max.unwrap_or(base.catch_up_max),
    })
}
