//! What a table says of a job, what the job says, and what both said before.

use serde_json::{Value, json};

use crate::cli::draft::Draft;
use crate::model::{Command, Engine, Raw, Said};
use crate::store::JobRow;

/// What a definition says of all that a table can say.
pub fn said(draft: &Draft) -> Said {
    let spec = &draft.spec;
    let first = draft.schedules.first();
    Said {
        schedule: first.map(|new| new.expr.clone()).unwrap_or_default(),
        zone: first.and_then(|new| new.zone.clone()),
        dst: first.map(|new| new.dst.clone()).unwrap_or_default(),
        jitter_ms: first.map_or(0, |new| new.terms.jitter_ms),
        user: spec.limits.user.clone(),
        command: match &spec.command {
            Command::Line(line) => line.clone(),
            Command::Argv(_) => Raw(spec.command.display().into_bytes()),
        },
        stdin: spec.stdin.clone(),
        shell: spec.shell.clone(),
        env: spec.env.clone(),
        engine: match &spec.engine {
            Engine::Cron(dialect) => dialect.clone(),
            Engine::Native => "native".to_owned(),
        },
    }
}

/// What the table said when the job was last imported.
pub fn base(row: &JobRow) -> Said {
    match &row.job.spec.imported {
        Some(imported) => imported.said.clone(),
        None => said(&Draft::of(row)),
    }
}

/// A key that was changed both in the table and here.
#[derive(Clone, Debug, PartialEq)]
pub struct Conflict {
    /// The key.
    pub key: &'static str,
    /// What both started from.
    pub base: Value,
    /// What the job says now.
    pub ours: Value,
    /// What the table says now.
    pub theirs: Value,
}

/// Three ways put together, or where they cannot be.
pub struct Merged {
    /// Which keys are taken from the table; the others stay as they are in the job.
    pub theirs: Vec<&'static str>,
    /// Keys that were changed here alone.
    pub ours: Vec<&'static str>,
    /// Keys that were changed in both, and not to the same.
    pub conflicts: Vec<Conflict>,
}

/// Puts the three together, key by key.
pub fn merge(base: &Said, ours: &Said, theirs: &Said) -> Merged {
    let mut merged = Merged {
        theirs: Vec::new(),
        ours: Vec::new(),
        conflicts: Vec::new(),
    };
    for ((key, base), (ours, theirs)) in keys(base)
        .into_iter()
        .zip(keys(ours).into_iter().zip(keys(theirs)))
    {
        let (ours, theirs) = (ours.1, theirs.1);
        if ours == theirs {
            continue;
        }
        if ours == base {
            merged.theirs.push(key);
        } else if theirs == base {
            merged.ours.push(key);
        } else {
            merged.conflicts.push(Conflict {
                key,
                base,
                ours,
                theirs,
            });
        }
    }
    merged
}

/// The keys with their values.
fn keys(said: &Said) -> [(&'static str, Value); 7] {
    let env: Vec<Value> = said.env.iter().map(|(k, v)| json!([k, v])).collect();
    [
        (
            "schedule",
            json!([said.schedule, said.zone, said.dst, said.jitter_ms]),
        ),
        ("user", json!(said.user)),
        ("command", json!(said.command)),
        ("stdin", json!(said.stdin)),
        ("shell", json!(said.shell)),
        ("env", json!(env)),
        ("engine", json!(said.engine)),
    ]
}

/// Takes keys of a definition read from the table into another.
pub fn take(keys: &[&'static str], from: &Draft, into: &mut Draft) {
    for key in keys {
        match *key {
            "schedule" => into.schedules.clone_from(&from.schedules),
            "user" => {
                into.spec.limits.user.clone_from(&from.spec.limits.user);
                into.spec.limits.uid = from.spec.limits.uid;
            }
            "command" => into.spec.command = from.spec.command.clone(),
            "stdin" => into.spec.stdin.clone_from(&from.spec.stdin),
            "shell" => into.spec.shell.clone_from(&from.spec.shell),
            "env" => into.spec.env.clone_from(&from.spec.env),
            _ => into.spec.engine = from.spec.engine.clone(),
        }
    }
}
