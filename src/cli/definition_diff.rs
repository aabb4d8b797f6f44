//! What differs between two definitions, key by key, as a file would say it.

use serde_json::{Value as Json, json};
use toml::{Table, Value};

use crate::cli::context::Context;
use crate::cli::draft::Draft;
use crate::cli::error::CliError;
use crate::cli::jobs_file::keys::KEYS;
use crate::cli::toml_form;
use crate::store::Definition;
use crate::view::text::{clean, clean_all};

/// A key whose value differs.
#[derive(Clone, Debug, PartialEq)]
pub struct Change {
    /// The key; a variable is `env.NAME`.
    pub key: String,
    /// What it was; none where it was not there.
    pub old: Option<Value>,
    /// What it is.
    pub new: Option<Value>,
}

/// Columns a value is shown in.
const WIDTH: usize = 60;

impl Change {
    /// A change of a text that is no key of a definition.
    pub fn of_text(key: &str, old: Option<&str>, new: Option<&str>) -> Change {
        let value = |text: Option<&str>| text.map(|t| Value::String(t.to_owned()));
        Change {
            key: key.to_owned(),
            old: value(old),
            new: value(new),
        }
    }

    /// A change of a flag.
    pub fn of_flag(key: &str, new: bool) -> Change {
        Change {
            key: key.to_owned(),
            old: Some(Value::Boolean(!new)),
            new: Some(Value::Boolean(new)),
        }
    }

    /// For people: `timeout  20m -> 30m`.
    pub fn in_words(&self, width: usize) -> String {
        let (old, new) = (shown(self.old.as_ref()), shown(self.new.as_ref()));
        format!("{:<width$}  {old} -> {new}", clean_all(&self.key))
    }

    /// For programs.
    pub fn item(&self) -> Json {
        json!({"key": self.key, "old": self.old, "new": self.new})
    }
}

fn shown(value: Option<&Value>) -> String {
    let plain = |text: &String| !text.is_empty() && !text.contains(char::is_whitespace);
    match value {
        None => "-".to_owned(),
        Some(Value::String(text)) if plain(text) => clean(text, WIDTH),
        Some(value) => clean(&value.to_string(), WIDTH),
    }
}

/// What differs between two definitions, in the order of the keys.
///
/// # Errors
/// A zone that is no longer known.
pub fn between(ctx: &Context, old: &Draft, new: &Draft) -> Result<Vec<Change>, CliError> {
    let (before, after) = (
        toml_form::table_of(ctx, old)?,
        toml_form::table_of(ctx, new)?,
    );
    let mut changes = Vec::new();
    for key in KEYS.iter().filter(|key| key.name != "env") {
        let (old, new) = (before.get(key.name), after.get(key.name));
        if old != new {
            changes.push(Change {
                key: key.name.to_owned(),
                old: old.cloned(),
                new: new.cloned(),
            });
        }
    }
    variables(&before, &after, &mut changes);
    if old.seed != new.seed && !old.schedules.is_empty() && !new.schedules.is_empty() {
        changes.push(Change {
            key: "seed".to_owned(),
            old: Some(Value::Integer(old.seed)),
            new: Some(Value::Integer(new.seed)),
        });
    }
    Ok(changes)
}

fn variables(before: &Table, after: &Table, changes: &mut Vec<Change>) {
    let empty = Table::new();
    let of = |table: &Table| {
        table
            .get("env")
            .and_then(Value::as_table)
            .unwrap_or(&empty)
            .clone()
    };
    let (before, after) = (of(before), of(after));
    let mut names: Vec<&String> = before.keys().chain(after.keys()).collect();
    names.sort();
    names.dedup();
    for name in names {
        let (old, new) = (before.get(name), after.get(name));
        if old != new {
            changes.push(Change {
                key: format!("env.{name}"),
                old: old.cloned(),
                new: new.cloned(),
            });
        }
    }
}

/// A definition of the past; its schedules say which seed it had.
pub fn draft_of(job: &str, definition: &Definition) -> Draft {
    let first = definition.schedules.first();
    Draft {
        spec: definition.spec.clone(),
        policy: definition.policy.clone(),
        seed: first.map_or_else(|| Draft::new(job).seed, |s| s.terms.seed),
        schedules: definition.schedules.clone(),
    }
}
