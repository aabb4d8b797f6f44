//! `crake rollback`: cron runs again what crake took over.

use std::path::{Path, PathBuf};

use crate::cli::context::Context;
use crate::cli::cutover::{change, forget_diversions, is_live, put, takeover};
use crate::cli::cutover_answer::{Done, answer};
use crate::cli::cutover_file;
use crate::cli::error::{CliError, Kind};
use crate::cli::import_source;
use crate::crontab::{Unmarked, mark, unmark};
use crate::daemon::crontabs::{self, Changing};
use crate::store::{CrontabRow, Intent, Store};

/// Give back to cron what was taken over
///
/// The marks go, everything else of the file stays, whoever edited it since: the table of an untouched
/// file is byte for byte as it was. The jobs are observed again from the next minute on. It needs
/// neither a daemon nor the store; the marks in the file are enough.
#[derive(clap::Args)]
#[command(after_help = "\
Examples:
  crake rollback -n
  crake rollback --job backup
  crake rollback /etc/cron.d/backup")]
pub struct RollbackArgs {
    /// Tables; all that were taken over if not given
    #[arg(value_name = "TABLE")]
    tables: Vec<String>,
    /// Only these jobs
    #[arg(long = "job", value_name = "JOB")]
    jobs: Vec<String>,
    /// Only show what would be changed
    #[arg(short = 'n', long)]
    dry_run: bool,
    /// Where the tables of cron are, instead of / (also: CRAKE_CRON_ROOT=DIR)
    #[arg(long, value_name = "DIR")]
    root: Option<PathBuf>,
}

/// Gives back to cron what was taken over.
///
/// # Errors
/// A table without marks, and those of writing.
pub fn rollback(ctx: &Context, args: RollbackArgs) -> Result<u8, CliError> {
    let root = import_source::root(args.root.as_deref());
    // A store that is gone, or cannot be opened, keeps nobody from going back.
    let mut store = match ctx.paths.store.exists() {
        true => ctx
            .write()
            .map_err(|e| ctx.say(&format!("warning: {}; the files are enough", e.message)))
            .ok(),
        false => None,
    };
    // A home that is gone has no lock, and nobody else who changes anything.
    let mut held = match ctx.paths.home.exists() && !args.dry_run {
        true => Some(Changing::take(&ctx.paths.home)?),
        false => None,
    };
    if let Some(store) = store.as_mut().filter(|_| held.is_some()) {
        crontabs::settle_held(store, ctx.now())?;
    }
    if !args.dry_run {
        forget_diversions(ctx, &root)?;
    }
    let ids = ids_of(store.as_ref(), &args.jobs)?;
    let mut done = Vec::new();
    for source in sources(ctx, store.as_ref(), &args.tables)? {
        done.push(one(
            ctx,
            store.as_mut(),
            &source,
            ids.as_deref(),
            &args,
            (&root, held.as_mut()),
        )?);
    }
    if !args.dry_run {
        forget_diversions(ctx, &root)?;
        ctx.nudge();
    }
    answer(ctx, &done, args.dry_run, "given back")?;
    Ok(0)
}

/// The ids of the jobs that were named.
fn ids_of(store: Option<&Store>, jobs: &[String]) -> Result<Option<Vec<String>>, CliError> {
    if jobs.is_empty() {
        return Ok(None);
    }
    let Some(store) = store else {
        return Err(CliError::new(
            Kind::Refused,
            "without the store nobody knows which entry is which job",
        )
        .hint("leave --job out, or take the mark away by hand"));
    };
    let ids = jobs.iter().map(|name| {
        let row = crate::cli::item::find(store, name)?;
        let imported = row.job.spec.imported.as_ref();
        imported.map(|i| i.id.clone()).ok_or_else(|| {
            CliError::new(
                Kind::Refused,
                format!("{name} was not imported from a crontab"),
            )
        })
    });
    Ok(Some(ids.collect::<Result<_, _>>()?))
}

/// The tables that were named, or all with marks that the store or a backup knows of.
fn sources(
    ctx: &Context,
    store: Option<&Store>,
    named: &[String],
) -> Result<Vec<String>, CliError> {
    if !named.is_empty() {
        let paths = named.iter().map(|name| import_source::named(name));
        return paths.collect();
    }
    let mut all: Vec<String> = match store {
        Some(store) => store
            .crontabs()?
            .into_iter()
            .map(|row| row.source)
            .collect(),
        None => Vec::new(),
    };
    let backups = cutover_file::manifests(&ctx.paths.home);
    all.extend(backups.into_iter().map(|(_, manifest)| manifest.source));
    all.sort();
    all.dedup();
    let marked = |source: &String| {
        crontabs::bytes_of(source).is_ok_and(|bytes| !unmark(&bytes, |_| true).marks.is_empty())
    };
    all.retain(marked);
    Ok(all)
}

fn one(
    ctx: &Context,
    store: Option<&mut Store>,
    source: &str,
    ids: Option<&[String]>,
    args: &RollbackArgs,
    (root, held): (&Path, Option<&mut Changing>),
) -> Result<Done, CliError> {
    let bytes = import_source::content(source)?;
    let chosen = |id: &str| ids.is_none_or(|ids| ids.iter().any(|known| known == id));
    let wanted = unmark(&bytes, chosen);
    let mut done = Done {
        source: source.to_owned(),
        jobs: Vec::new(),
        skipped: None,
        at: None,
        backup: None,
        diff: diff(&wanted),
    };
    if wanted.marks.is_empty() {
        done.skipped = Some("nothing of it was taken over".to_owned());
        return Ok(done);
    }
    let row = match &store {
        Some(store) => store.crontab(source)?,
        None => None,
    };
    if let Some(store) = &store {
        done.jobs = jobs_of(store, source, &wanted)?;
    }
    if args.dry_run {
        return Ok(done);
    }
    let at = takeover(ctx, is_live(ctx, root, source));
    done.at = Some(at);
    match (store, row) {
        (Some(store), Some(row)) => {
            let intent = Intent {
                cutover: false,
                wanted: wanted.bytes,
                at,
                jobs: done.jobs.clone(),
                backup: String::new(),
            };
            let edited = row.bytes != bytes;
            let row = kept_as_is(ctx, store, row, &bytes, edited)?;
            change(ctx, store, &row, &intent, held)?;
        }
        _ => put(source, &wanted.bytes, held)?,
    }
    Ok(done)
}

/// What somebody changed in the file since is kept; the store has to know it to see what was made.
fn kept_as_is(
    ctx: &Context,
    store: &mut Store,
    row: CrontabRow,
    bytes: &[u8],
    edited: bool,
) -> Result<CrontabRow, CliError> {
    if !edited {
        return Ok(row);
    }
    ctx.say(&format!(
        "note: {} was edited since; the edits are kept",
        row.source
    ));
    let row = CrontabRow {
        bytes: bytes.to_vec(),
        ..row
    };
    store.write_import(&row, &[], &ctx.user.name, ctx.now())?;
    Ok(row)
}

fn jobs_of(store: &Store, source: &str, wanted: &Unmarked) -> Result<Vec<String>, CliError> {
    let rows = store.jobs()?.into_iter();
    Ok(rows
        .filter(|row| {
            row.job.spec.imported.as_ref().is_some_and(|imported| {
                imported.source == source && wanted.marks.values().any(|id| *id == imported.id)
            })
        })
        .map(|row| row.job.name)
        .collect())
}

fn diff(wanted: &Unmarked) -> Vec<(String, String)> {
    let lines: Vec<&[u8]> = wanted.bytes.split(|byte| *byte == b'\n').collect();
    wanted
        .marks
        .iter()
        .map(|(line, id)| {
            let text = lines.get(line - 1).copied().unwrap_or_default();
            let text = String::from_utf8_lossy(text).into_owned();
            (format!("{}{text}", mark(id)), text)
        })
        .collect()
}
