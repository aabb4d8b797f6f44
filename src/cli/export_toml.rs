//! Jobs as a jobs file, which `crake apply` reads back as the same.

use toml::{Table, Value};

use crate::cli::context::Context;
use crate::cli::draft::Draft;
use crate::cli::error::{CliError, Kind};
use crate::cli::export::Exported;
use crate::cli::jobs_file::keys::KEYS;
use crate::cli::toml_form;
use crate::model::Engine;
use crate::store::JobRow;

/// Writes jobs. What is as with every new job is left out.
///
/// # Errors
/// A zone that is no longer known; a job that would not be read back as it is.
pub fn jobs(ctx: &Context, rows: &[JobRow]) -> Result<Exported, CliError> {
    let mut exported = Exported::default();
    let mut texts = Vec::new();
    for row in rows {
        let name = &row.job.name;
        let draft = Draft::of(row);
        let unsaid = toml_form::table_of(ctx, &Draft::new(name))?;
        let mut table = toml_form::table_of(ctx, &draft)?;
        table.retain(|key, value| key == "command" || unsaid.get(key) != Some(value));
        // What is written is what is read back, or it is not written.
        if toml_form::read_table(ctx, table.clone(), &draft)? != draft {
            let text = format!("{name} does not come out of TOML as it went in");
            return Err(CliError::new(Kind::Failed, text));
        }
        let pause = row.job.paused_at(ctx.now());
        if pause.is_some_and(|pause| pause.until.is_none()) {
            table.insert("enabled".to_owned(), Value::Boolean(false));
        }
        if draft.seed != Draft::new(name).seed {
            table.insert("seed".to_owned(), Value::Integer(draft.seed));
        }
        texts.push(text_of(name, &table)?);
        let mut lost = |what: &str| exported.lost.push((name.clone(), what.to_owned()));
        if let Engine::Cron(dialect) = &row.job.spec.engine {
            lost(&format!(
                "in another store it keeps to our rules, not to those of {dialect}'s cron"
            ));
        }
        if pause.is_some_and(|pause| pause.until.is_some()) {
            lost("its pause, which has an end");
        }
    }
    exported.files = vec![(String::new(), texts.join("\n").into_bytes())];
    Ok(exported)
}

/// One job, its keys in the order in which people think of them.
fn text_of(name: &str, table: &Table) -> Result<String, CliError> {
    let mut text = format!("[job.{}]\n", quoted(name)?);
    for key in KEYS {
        if let Some(value) = table.get(key.name) {
            text.push_str(&format!("{} = {value}\n", key.name));
        }
    }
    Ok(text)
}

/// A name as a key: in quotes where it needs them.
fn quoted(name: &str) -> Result<String, CliError> {
    let table = Table::from_iter([(name.to_owned(), Value::Boolean(true))]);
    let text = toml::to_string(&table).map_err(|e| CliError::new(Kind::Failed, e.to_string()))?;
    let key = text.trim_end().trim_end_matches("true").trim_end();
    Ok(key.trim_end_matches('=').trim_end().to_owned())
}
