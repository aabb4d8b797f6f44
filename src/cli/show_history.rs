//! The definitions a job has had, each with what it changed.

use std::io::{self, Write};

use serde_json::{Value, json};

use crate::cli::context::Context;
use crate::cli::definition_diff::{self, Change};
use crate::cli::error::CliError;
use crate::store::{Definition, HistoryRow};
use crate::view::text::clean_all;
use crate::view::time::{in_full, rfc3339};

/// One change of a definition.
pub struct Past {
    row: HistoryRow,
    /// What differs from the definition before it; none where that is not known.
    changes: Option<Vec<Change>>,
}

/// Holds each definition against the one before it; `rows` are the newest first.
///
/// # Errors
/// A zone that is no longer known.
pub fn compared(ctx: &Context, job: &str, rows: Vec<HistoryRow>) -> Result<Vec<Past>, CliError> {
    let drafts: Vec<_> = rows
        .iter()
        .map(|row| {
            let text = row.definition.as_deref()?;
            let definition: Definition = serde_json::from_str(text).ok()?;
            Some(definition_diff::draft_of(job, &definition))
        })
        .collect();
    let mut past = Vec::new();
    for (at, row) in rows.into_iter().enumerate() {
        let before = drafts.get(at + 1).and_then(Option::as_ref);
        let changes = match (before, &drafts[at]) {
            (Some(old), Some(new)) => {
                let mut changes = definition_diff::between(ctx, old, new)?;
                let (old, new) = (old.spec.origin.as_deref(), new.spec.origin.as_deref());
                if old != new {
                    changes.push(Change::of_text("origin", old, new));
                }
                Some(changes)
            }
            _ => None,
        };
        past.push(Past { row, changes });
    }
    Ok(past)
}

impl Past {
    /// For programs.
    pub fn item(&self, ctx: &Context) -> Value {
        let row = &self.row;
        let definition: Option<Value> = row
            .definition
            .as_ref()
            .and_then(|text| serde_json::from_str(text).ok());
        let changes = self.changes.as_ref();
        json!({
            "at": rfc3339(row.at, &ctx.zone),
            "by": row.by,
            "what": row.what,
            "version": row.version,
            "definition": definition,
            "changes": changes.map(|all| all.iter().map(Change::item).collect::<Vec<_>>()),
        })
    }
}

/// Writes them, the newest first.
///
/// # Errors
/// Those of writing.
pub fn write(ctx: &Context, out: &mut dyn Write, past: &[Past]) -> io::Result<()> {
    for (index, Past { row, changes }) in past.iter().enumerate() {
        let head = if index == 0 { "history" } else { "" };
        let text = format!(
            "{}  version {}  {} by {}",
            in_full(row.at, &ctx.zone),
            row.version,
            row.what,
            row.by
        );
        writeln!(out, "{head:<12} {}", clean_all(&text))?;
        let changes = changes.as_deref().unwrap_or_default();
        let width = changes.iter().map(|c| c.key.len()).max().unwrap_or(0);
        for change in changes {
            writeln!(out, "{:<12}   {}", "", change.in_words(width))?;
        }
    }
    Ok(())
}
