//! The JSON Schema of a jobs file, by which editors complete and check it.

use serde_json::{Map, Value, json};

use crate::cli::jobs_file::keys::{Form, KEYS, Key, OF_SCHEDULES, find};

/// The schema, as text.
pub fn schema() -> String {
    let job = |only: &[&str]| -> Map<String, Value> {
        KEYS.iter()
            .filter(|key| !only.contains(&key.name))
            .map(|key| (key.name.to_owned(), property(key)))
            .collect()
    };
    let value = json!({
        "$schema": "http://json-schema.org/draft-07/schema#",
        "title": "Jobs of crake",
        "description": "A file for `crake apply`; crake-jobs(5) describes it.",
        "type": "object",
        "additionalProperties": false,
        "properties": {
            "defaults": {
                "description": "What holds for every job of this file that does not say it itself",
                "type": "object",
                "additionalProperties": false,
                "properties": job(&["seed"]),
            },
            "job": {
                "description": "The jobs by name",
                "type": "object",
                "propertyNames": {
                    "pattern": "^(?![0-9]+$)[^-\\s~@#*?/\\\\\"'][^\\s~@#*?/\\\\\"']{0,63}$",
                },
                "additionalProperties": {"$ref": "#/definitions/job"},
            },
        },
        "definitions": {
            "job": {
                "type": "object",
                "additionalProperties": false,
                "properties": job(&[]),
            },
        },
    });
    let text = serde_json::to_string_pretty(&value).unwrap_or_default();
    format!("{text}\n")
}

fn property(key: &Key) -> Value {
    let mut value = form(key.form);
    value["description"] = format!("{}.", key.about).into();
    let example: Option<toml::Table> = toml::from_str(&format!("v = {}", key.example)).ok();
    let example = example.and_then(|mut t| serde_json::to_value(t.remove("v")?).ok());
    value["examples"] = json!([example]);
    value
}

fn form(form: Form) -> Value {
    let text = || json!({"type": "string"});
    let bytes = || json!({"type": "object", "properties": {"b64": text()}, "required": ["b64"]});
    let length = || json!({"type": "string", "pattern": LENGTH});
    match form {
        Form::Text | Form::Instant => text(),
        Form::Raw => json!({"anyOf": [text(), bytes()]}),
        Form::Command => json!({"anyOf": [text(), bytes(), {
            "type": "array", "minItems": 1, "items": {"anyOf": [text(), bytes()]},
        }]}),
        Form::Schedules => {
            let mut properties: Map<String, Value> = OF_SCHEDULES
                .iter()
                .filter_map(|name| Some(((*name).to_owned(), property(find(name)?))))
                .collect();
            properties.insert("expr".to_owned(), text());
            properties.insert(
                "anchor".to_owned(),
                json!({
                    "type": "integer",
                    "description": "Where an interval is counted from, Unix milliseconds.",
                }),
            );
            let table = json!({
                "type": "object", "additionalProperties": false, "required": ["expr"],
                "properties": properties,
            });
            let one = json!({"anyOf": [text(), table]});
            json!({"anyOf": [one.clone(), {"type": "array", "items": one}]})
        }
        Form::Texts => json!({"anyOf": [text(), {"type": "array", "items": text()}]}),
        Form::Length => length(),
        Form::Limit => json!({"anyOf": [{"const": "none"}, length()]}),
        Form::Number(i64::MIN, _) => json!({"type": "integer"}),
        Form::Number(least, most) => {
            json!({"type": "integer", "minimum": least, "maximum": most})
        }
        Form::Word(words) => json!({"enum": words}),
        Form::Bytes => json!({"anyOf": [
            {"type": "integer", "minimum": 0},
            {"type": "string", "pattern": "^[0-9]+[KkMmGg]?$"},
        ]}),
        Form::Variables => json!({
            "type": "object", "additionalProperties": {"anyOf": [text(), bytes()]},
        }),
        Form::Flag => json!({"type": "boolean"}),
        Form::Retry => json!({"anyOf": [{"type": "integer", "minimum": 0}, {
            "type": "object", "additionalProperties": false, "required": ["max"],
            "properties": {
                "max": {"type": "integer", "minimum": 0},
                "delay": length(),
                "backoff": {"enum": [1, 2, 1.0, 2.0]},
                "max_delay": length(),
            },
        }]}),
        Form::Keep => json!({
            "type": "object", "additionalProperties": false,
            "properties": {
                "runs": {"type": "integer", "minimum": 1},
                "for": length(),
                "days": {"type": "integer", "minimum": 1},
                "output": self::form(Form::Bytes),
                "log": self::form(Form::Bytes),
            },
        }),
    }
}

/// What is read as a length of time.
const LENGTH: &str = "^\\s*([0-9]+|([0-9]+(ms|s|m|h|d|w)\\s*)+)$";
