//! `crake apply`: jobs as a file says them.

mod answer;
mod plan;

use std::io::{BufRead, Write};
use std::path::{Component, Path, PathBuf};

use crate::cli::apply::answer::Told;
use crate::cli::apply::plan::{Action, Entry, Rules};
use crate::cli::context::Context;
use crate::cli::draft;
use crate::cli::error::{CliError, Kind};
use crate::cli::jobs_file::{check, reading, schema};
use crate::crash;
use crate::model::check_name;
use crate::store::Apply;

/// Make jobs be as a TOML file or folder says
///
/// Nothing is written unless everything is valid and nothing stands against it, and then all in one
/// transaction. What would change is shown key by key; crake-jobs(5) has the keys. A job that was
/// changed by hand since, or that is not of this file, is a conflict.
#[derive(clap::Args)]
#[command(after_help = "\
Examples:
  crake apply -f jobs.toml -n
  crake apply -f /etc/crake/jobs.d --prune
  crake export > jobs.toml; crake apply -f jobs.toml --adopt
  crake apply --schema > crake-jobs.schema.json")]
pub struct ApplyArgs {
    /// A file, a folder whose *.toml are read, or - for standard input; may be given more than once
    #[arg(
        short,
        long = "file",
        value_name = "FILE|DIR",
        required_unless_present = "schema"
    )]
    files: Vec<PathBuf>,
    /// Write nothing, and show what would change
    #[arg(short = 'n', long)]
    dry_run: bool,
    /// Remove jobs of this origin that the file no longer holds
    #[arg(long)]
    prune: bool,
    /// Exit with 8 where something changes
    #[arg(long)]
    exit_code: bool,
    /// Overwrite what was changed by hand, and remove jobs that others follow
    #[arg(long)]
    force: bool,
    /// Take over jobs that are not of this origin
    #[arg(long)]
    adopt: bool,
    /// What the jobs are said to come from; the path of the file or folder if not given
    #[arg(long, value_name = "NAME")]
    origin: Option<String>,
    /// Print the JSON Schema of a jobs file, for editors
    #[arg(long, conflicts_with_all = ["files", "dry_run", "prune", "exit_code", "force", "adopt", "origin"])]
    schema: bool,
}

/// Makes jobs be as files say.
///
/// # Errors
/// Everything that is wrong in the files; conflicts. Nothing is written then.
pub fn apply(ctx: &Context, args: ApplyArgs) -> Result<u8, CliError> {
    if args.schema {
        let mut out = std::io::stdout().lock();
        out.write_all(schema::schema().as_bytes())?;
        return Ok(0);
    }
    let rules = Rules {
        origin: origin(&args)?,
        prune: args.prune,
        force: args.force,
        adopt: args.adopt,
    };
    let mut files = reading::read(&args.files)?;
    // A store that is not there yet is made, unless nothing is to be written.
    let store = if args.dry_run {
        ctx.read()?
    } else {
        ctx.write()?
    };
    let ready = check::check(ctx, &store, &mut files)?;
    if !files.faults.is_empty() {
        return answer::refuse_faults(ctx, &mut files);
    }
    let entries = plan::plan(ctx, &store, &ready, &rules)?;
    let conflicts = entries.iter().any(|e| e.action == Action::Conflict);
    let changes = entries.iter().any(|e| changes(e.action));
    let names: Vec<&str> = entries
        .iter()
        .filter(|e| e.action == Action::Remove)
        .map(|e| e.name.as_str())
        .collect();
    if ready.is_empty() && !names.is_empty() && !args.force {
        let text = format!(
            "the file holds no job at all, and --prune would remove {}",
            names.join(", ")
        );
        return Err(CliError::new(Kind::Refused, text).hint("say --force if that is meant"));
    }
    let writes = !args.dry_run && !conflicts && changes;
    if writes && ctx.ask && !names.is_empty() && !agreed(&names)? {
        return Err(CliError::new(Kind::Failed, "nothing was written"));
    }
    if writes {
        write(ctx, &entries)?;
    }
    let told = match (writes, args.dry_run) {
        (true, _) => Told::Written,
        (false, true) => Told::DryRun,
        (false, false) => Told::Nothing,
    };
    answer::tell(ctx, &entries, &files.sources, &rules, told)?;
    if writes {
        let tables: Vec<_> = ready
            .iter()
            .filter(|r| written(&entries, &r.job.name))
            .flat_map(|r| r.tables.iter().cloned())
            .collect();
        draft::warn(ctx, &tables);
    }
    if !conflicts {
        answer::warn_of_unknown(ctx, &store, &ready, &entries)?;
    }
    Ok(match (conflicts, changes && args.exit_code) {
        (true, _) => Kind::Refused.code(),
        (false, true) => Kind::Differs.code(),
        (false, false) => 0,
    })
}

fn changes(action: Action) -> bool {
    matches!(action, Action::Add | Action::Change | Action::Remove)
}

fn written(entries: &[Entry], name: &str) -> bool {
    entries.iter().any(|e| e.name == name && changes(e.action))
}

fn write(ctx: &Context, entries: &[Entry]) -> Result<(), CliError> {
    let jobs: Vec<Apply> = entries.iter().filter_map(|e| e.apply.clone()).collect();
    let removed: Vec<(String, i64)> = entries
        .iter()
        .filter(|e| e.action == Action::Remove)
        .map(|e| (e.name.clone(), e.version))
        .collect();
    let mut store = ctx.write()?;
    store.apply_jobs(&jobs, &removed, &ctx.user.name, ctx.now(), crash::point)?;
    ctx.nudge();
    Ok(())
}

/// What the jobs have as their origin. Two files of one name in different folders are two origins,
/// or pruning by one would take the jobs of the other.
fn origin(args: &ApplyArgs) -> Result<String, CliError> {
    if let Some(name) = &args.origin {
        let fault = |e: crate::model::NameError| {
            CliError::new(Kind::Usage, format!("\"{name}\" cannot be an origin"))
                .hint(e.1.replace("a name", "an origin"))
        };
        check_name(name).map_err(fault)?;
        return Ok(format!("file:{name}"));
    }
    let named = |text: &str| {
        CliError::new(Kind::Usage, format!("{text} have no name"))
            .hint("give them one, so that --prune knows them again: --origin NAME")
    };
    match args.files.as_slice() {
        [one] if one.as_os_str() == "-" => Err(named("jobs from standard input")),
        [one] => Ok(format!("file:{}", full(one)?.display())),
        _ => Err(named("jobs from several files")),
    }
}

/// A path written in full. Links are kept: what is behind them changes with each deployment, and the
/// place does not.
fn full(path: &Path) -> Result<PathBuf, CliError> {
    let mut full = PathBuf::new();
    for part in std::path::absolute(path)?.components() {
        match part {
            Component::ParentDir => drop(full.pop()),
            part => full.push(part),
        }
    }
    Ok(full)
}

/// Asks; anything but yes is no.
fn agreed(names: &[&str]) -> Result<bool, CliError> {
    let mut error = std::io::stderr();
    write!(error, "Remove {}? [y/N] ", names.join(", "))?;
    error.flush()?;
    let mut answer = String::new();
    std::io::stdin().lock().read_line(&mut answer)?;
    Ok(matches!(answer.trim(), "y" | "Y" | "yes" | "Yes"))
}
