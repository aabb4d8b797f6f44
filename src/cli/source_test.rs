//! `crake source test`: whether a source answers, step by step, and what to do where it does not.

use std::io::{self, Write};

use clap_complete::ArgValueCandidates;
use serde_json::{Value, json};

use crate::cli::complete;
use crate::cli::context::Context;
use crate::cli::error::CliError;
use crate::cli::source;
use crate::clock::Clock;
use crate::source::{Diagnosis, PhaseOutcome, diagnose, read_password};
use crate::view::text::clean_all;

/// Try a source: find it, reach it, log in, ask it something
#[derive(clap::Args)]
#[command(after_help = "\
Examples:
  crake source test shop
  crake --json source test shop

It is tried from here and as you; the daemon may run elsewhere or as another user. The command of an
exec source is run once, with SELECT 1 as its query. Exit code 0 if all went well, 1 if not.")]
pub struct TestSourceArgs {
    /// Name of the source
    #[arg(add = ArgValueCandidates::new(complete::source_names))]
    name: String,
}

/// Tries a source.
///
/// # Errors
/// No such source.
pub fn test(ctx: &Context, args: &TestSourceArgs) -> Result<u8, CliError> {
    let store = ctx.read()?;
    let found = source::find(&store, &args.name)?;
    let stored = store.source_password(&args.name)?;
    // Trying may take long; whoever writes need not wait for it.
    drop(store);
    let now = || ctx.clock.now().mono;
    let diagnosis = match read_password(&found, stored) {
        Ok(secret) => diagnose(&found, secret.as_ref(), &now),
        Err(e) => Diagnosis::of_error(e),
    };
    ctx.answer_one(
        || item(&args.name, &diagnosis),
        |out| write(out, &args.name, &found.redacted(), &diagnosis),
    )?;
    Ok(u8::from(!diagnosis.is_well()))
}

fn item(name: &str, diagnosis: &Diagnosis) -> Value {
    let phases: Vec<Value> = diagnosis
        .phases
        .iter()
        .map(|phase| {
            json!({
                "phase": phase.name,
                "outcome": phase.outcome.as_str(),
                "took_ms": phase.took_ms,
                "detail": phase.detail,
            })
        })
        .collect();
    let error = diagnosis.error.as_ref();
    json!({
        "name": name,
        "ok": diagnosis.is_well(),
        "phases": phases,
        "error": error.map(|e| json!({
            "kind": e.kind.as_str(),
            "message": e.message,
            "code": e.code,
            "position": e.position,
        })),
        "tip": error.and_then(|e| e.hint.clone()),
    })
}

fn write(out: &mut dyn Write, name: &str, dsn: &str, diagnosis: &Diagnosis) -> io::Result<()> {
    writeln!(out, "{name}  {}", clean_all(dsn))?;
    for phase in &diagnosis.phases {
        let took = match phase.outcome {
            PhaseOutcome::Skipped => "-".to_owned(),
            _ => format!("{} ms", phase.took_ms),
        };
        let detail = clean_all(phase.detail.as_deref().unwrap_or_default());
        let line = format!(
            "  {:<8} {:<7} {took:>8}  {detail}",
            phase.name,
            phase.outcome.as_str()
        );
        writeln!(out, "{}", line.trim_end())?;
    }
    if let Some(error) = &diagnosis.error {
        let kind = error.kind.as_str();
        writeln!(out, "  {kind}: {}", clean_all(&error.to_string()))?;
        if let Some(hint) = &error.hint {
            writeln!(out, "  tip: {}", clean_all(hint))?;
        }
    }
    Ok(())
}
