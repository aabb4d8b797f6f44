//! A definition as TOML: what `edit` shows, and the keys of `edit --set`.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use toml::{Table, Value};

use crate::cli::context::Context;
use crate::cli::draft::Draft;
use crate::cli::error::{CliError, Kind};
use crate::cli::toml_limits::{self, LimitKeys};
use crate::cli::toml_policy::{self, PolicyKeys};
use crate::cli::toml_terms::{TermKeys, keep_of, keys_of, zone_name};
use crate::cli::{after_flags, flags};
use crate::model::{Command, Follow, Raw, ShiftTo, Spec, format_duration};
use crate::schedule::UnixMs;
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
    #[serde(flatten)]
    policy: PolicyKeys,
    calendar: Option<String>,
    shift: Option<ShiftTo>,
    jitter: Option<String>,
    start: Option<String>,
    end: Option<String>,
    max_fires: Option<u32>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    on_success: Vec<String>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    on_failure: Vec<String>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    after: Vec<String>,
    keep_runs: Option<u32>,
    keep_for: Option<String>,
    keep_output: Option<u64>,
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
    #[serde(flatten)]
    limits: LimitKeys,
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

/// An expression, or one with what differs from the job's zone, rule and bounds.
#[derive(Debug, Serialize, Deserialize)]
#[serde(untagged)]
enum Entry {
    Plain(String),
    Full {
        expr: String,
        timezone: Option<String>,
        dst: Option<String>,
        anchor: Option<UnixMs>,
        #[serde(flatten)]
        terms: TermKeys,
    },
}

fn vixie() -> String {
    "vixie".to_owned()
}

/// The definition as TOML text.
///
/// # Errors
/// A zone that is no longer known.
pub fn write(ctx: &Context, draft: &Draft) -> Result<String, CliError> {
    toml::to_string(&form_of(ctx, draft)?).map_err(|e| CliError::new(Kind::Failed, e.to_string()))
}

/// Reads what [`write()`] wrote and somebody changed; what the form does not hold is kept of `old`.
///
/// # Errors
/// What is wrong with the text, with its line.
pub fn read(ctx: &Context, text: &str, old: &Draft) -> Result<Draft, CliError> {
    let form: Form = toml::from_str(text).map_err(|e| invalid(&e))?;
    draft_of(ctx, form, old)
}

/// The definition as a table.
///
/// # Errors
/// A zone that is no longer known.
pub fn table_of(ctx: &Context, draft: &Draft) -> Result<Table, CliError> {
    Table::try_from(form_of(ctx, draft)?).map_err(|e| CliError::new(Kind::Failed, e.to_string()))
}

/// Reads a table; what it cannot hold is kept of `old`.
///
/// # Errors
/// What is wrong with it.
pub fn read_table(ctx: &Context, table: Table, old: &Draft) -> Result<Draft, CliError> {
    let form = Form::deserialize(Value::Table(table))
        .map_err(|e| CliError::new(Kind::Invalid, e.message()))?;
    draft_of(ctx, form, old)
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
pub fn set(ctx: &Context, draft: &Draft, setting: &str) -> Result<Draft, CliError> {
    let (key, value) = setting.split_once('=').ok_or_else(|| {
        CliError::new(Kind::Usage, format!("\"{setting}\" sets nothing")).hint("write KEY=VALUE")
    })?;
    let key = key.trim();
    let mut table: Table = toml::from_str(&write(ctx, draft)?).map_err(|e| invalid(&e))?;
    let read_back = |table: &Table| {
        let form = Form::deserialize(Value::Table(table.clone())).map_err(|e| invalid(&e))?;
        draft_of(ctx, form, draft)
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
        "schedule" | "tags" | "on_success" | "on_failure" | "after" => Value::Array(vec![text]),
        _ => text,
    };
    table.insert(key.to_owned(), text);
    read_back(&table).map_err(|error| as_toml.unwrap_or(error))
}

fn form_of(ctx: &Context, draft: &Draft) -> Result<Form, CliError> {
    let spec = &draft.spec;
    let first = draft.schedules.first();
    let timezone = first.and_then(|s| s.zone.clone());
    let dst = first.map_or_else(vixie, |s| s.dst.clone());
    let (schedule, bounds) = entries_of(ctx, &draft.schedules, &timezone, &dst)?;
    Ok(Form {
        description: spec.description.clone(),
        command: match &spec.command {
            Command::Line(line) => Commanded::Line(line.clone()),
            Command::Argv(argv) => Commanded::List(argv.clone()),
        },
        schedule,
        timezone,
        dst,
        policy: toml_policy::keys_of(&draft.policy),
        calendar: bounds.calendar.clone(),
        shift: bounds.shift,
        jitter: bounds.jitter.clone(),
        start: bounds.start.clone(),
        end: bounds.end.clone(),
        max_fires: bounds.max_fires,
        on_success: spec.follow.on_success.clone(),
        on_failure: spec.follow.on_failure.clone(),
        after: spec.follow.after.clone(),
        keep_runs: spec.keep.runs,
        keep_for: spec.keep.for_ms.map(format_duration),
        keep_output: spec.keep.output,
        shell: spec.shell.clone(),
        cwd: spec.cwd.clone(),
        umask: spec.umask.map(|mask| format!("{mask:03o}")),
        stdin: spec.stdin.clone(),
        output_max: Some(spec.output_max),
        limits: toml_limits::keys_of(spec),
        tags: spec.tags.clone(),
        owner: spec.owner.clone(),
        runbook: spec.runbook.clone(),
        env: spec.env.iter().cloned().collect(),
    })
}

/// The schedules, each with what differs from the job's zone and rule; and what bounds all of them
/// alike, which is said once, for the job.
fn entries_of(
    ctx: &Context,
    schedules: &[NewSchedule],
    timezone: &Option<String>,
    dst: &str,
) -> Result<(Vec<Entry>, TermKeys), CliError> {
    let own: Result<Vec<TermKeys>, CliError> =
        schedules.iter().map(|new| keys_of(ctx, new)).collect();
    let own = own?;
    let shared = own.first().filter(|first| own.iter().all(|o| o == *first));
    let entry = |(new, own): (&NewSchedule, &TermKeys)| {
        let plain = new.zone == *timezone && new.dst == dst && new.anchor.is_none();
        if plain && shared.is_some() {
            return Entry::Plain(new.expr.clone());
        }
        Entry::Full {
            expr: new.expr.clone(),
            timezone: Some(new.zone.clone().unwrap_or_else(|| "system".to_owned())),
            dst: Some(new.dst.clone()),
            anchor: new.anchor,
            terms: match shared {
                Some(_) => TermKeys::default(),
                None => own.clone(),
            },
        }
    };
    let entries = schedules.iter().zip(&own).map(entry).collect();
    Ok((entries, shared.cloned().unwrap_or_default()))
}

fn draft_of(ctx: &Context, form: Form, old: &Draft) -> Result<Draft, CliError> {
    let wrong = |text: String| CliError::new(Kind::Invalid, text);
    let policy = form.policy.policy()?;
    let schedules = schedules_of(ctx, &form, old.seed)?;
    let mut spec = Spec::of(match form.command {
        Commanded::Line(line) => Command::Line(line),
        Commanded::List(argv) => Command::Argv(argv),
    });
    spec.engine = old.spec.engine.clone();
    spec.origin = old.spec.origin.clone();
    spec.imported = old.spec.imported.clone();
    spec.keep = keep_of(form.keep_runs, form.keep_for.as_deref(), form.keep_output)?;
    spec.follow = Follow {
        on_success: form.on_success,
        on_failure: form.on_failure,
        after: form.after,
    };
    after_flags::check(&spec.follow)?;
    spec.description = form.description;
    spec.shell = form.shell;
    spec.cwd = form.cwd;
    let mask = form.umask.as_deref().map(flags::umask).transpose();
    spec.umask = mask.map_err(wrong)?;
    spec.stdin = form.stdin;
    spec.output_max = form.output_max.unwrap_or(spec.output_max);
    form.limits.limit(&mut spec, &old.spec.limits)?;
    spec.tags = form.tags;
    spec.owner = form.owner;
    spec.runbook = form.runbook;
    spec.env = in_old_order(form.env, &old.spec.env);
    Ok(Draft {
        spec,
        policy,
        schedules,
        seed: old.seed,
    })
}

fn schedules_of(ctx: &Context, form: &Form, seed: i64) -> Result<Vec<NewSchedule>, CliError> {
    let timezone = zone_name(form.timezone.as_deref())?;
    let shared = TermKeys {
        calendar: form.calendar.clone(),
        shift: form.shift,
        jitter: form.jitter.clone(),
        start: form.start.clone(),
        end: form.end.clone(),
        max_fires: form.max_fires,
    };
    let mut schedules = Vec::new();
    for entry in &form.schedule {
        let mut new = NewSchedule {
            zone: timezone.clone(),
            dst: form.dst.clone(),
            ..NewSchedule::of("")
        };
        let mut keys = shared.clone();
        match entry {
            Entry::Plain(expr) => new.expr.clone_from(expr),
            Entry::Full {
                expr,
                timezone: own,
                dst,
                anchor,
                terms,
            } => {
                new.expr.clone_from(expr);
                new.anchor = *anchor;
                if own.is_some() {
                    new.zone = zone_name(own.as_deref())?;
                }
                if let Some(dst) = dst {
                    new.dst.clone_from(dst);
                }
                keys = terms.clone().or(&shared);
            }
        }
        keys.bound(ctx, &mut new, seed)?;
        schedules.push(new);
    }
    if schedules.is_empty() && shared != TermKeys::default() {
        let error = CliError::new(Kind::Invalid, "there is no schedule to bound");
        return Err(error.hint("give it one in schedule = [...]"));
    }
    Ok(schedules)
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
