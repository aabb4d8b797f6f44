//! `crake cutover`: from now on crake runs what cron ran.

use std::collections::BTreeMap;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use clap_complete::engine::ArgValueCandidates;

use crate::cli::complete;
use crate::cli::context::Context;
use crate::cli::cutover_answer::{Done, answer};
use crate::cli::cutover_check::{ask_crontab, check};
use crate::cli::cutover_divert;
use crate::cli::cutover_file::{self, Manifest, package_of};
use crate::cli::error::{CliError, Kind};
use crate::cli::import_source;
use crate::cli::item;
use crate::crash;
use crate::crontab::{put_marks, unmark};
use crate::daemon::cron_program::owner_of;
use crate::daemon::crontabs::{self, Changing};
use crate::schedule::UnixMs;
use crate::store::{CrontabRow, Intent, JobRow, Store};

/// Let crake run what cron runs now
///
/// Each entry that a job was made of becomes a comment in its table (`#crake:ID: `); nothing else of
/// the file changes. The file is replaced in one step, between seconds 5 and 45 of a minute: cron
/// fires for the last time in that minute, the jobs from the next one on. Owner, rights and the old
/// bytes are kept. `crake rollback` puts everything back; so does
/// `sed -i 's/^#crake:[0-9a-f]*: //' FILE`, without crake.
#[derive(clap::Args)]
#[command(after_help = "\
Examples:
  crake cutover -n                        what would be changed, as a diff
  crake cutover --job backup              one job first
  crake cutover                           everything that was imported and is observed")]
pub struct CutoverArgs {
    /// Imported tables; all that are observed if not given
    #[arg(value_name = "TABLE")]
    tables: Vec<String>,
    /// Only these jobs
    #[arg(long = "job", value_name = "JOB", add = ArgValueCandidates::new(complete::job_names))]
    jobs: Vec<String>,
    /// Only show what would be changed
    #[arg(short = 'n', long)]
    dry_run: bool,
    /// Change files that belong to a package as well; dpkg is told to leave them alone (dpkg-divert)
    #[arg(long)]
    include_packaged: bool,
    /// Where the tables of cron are, instead of / (also: CRAKE_CRON_ROOT=DIR)
    #[arg(long, value_name = "DIR")]
    root: Option<PathBuf>,
}

const MINUTE: i64 = 60_000;

/// Lets crake run what cron ran.
///
/// # Errors
/// No such table or job, a table that was changed since it was imported, and those of writing.
pub fn cutover(ctx: &Context, args: CutoverArgs) -> Result<u8, CliError> {
    let root = import_source::root(args.root.as_deref());
    let mut store = ctx.write()?;
    let mut held = match args.dry_run {
        true => None,
        false => Some(Changing::take(&ctx.paths.home)?),
    };
    if held.is_some() {
        crontabs::settle_held(&mut store, ctx.now())?;
        forget_diversions(ctx, &root)?;
    }
    for name in &args.jobs {
        item::find(&store, name)?;
    }
    let tables = chosen(&store, &args.tables, |table| table.observed)?;
    let mut done = Vec::new();
    for table in &tables {
        done.push(one(ctx, &mut store, table, &args, (&root, held.as_mut()))?);
    }
    if !args.dry_run {
        ctx.nudge();
    }
    answer(ctx, &done, args.dry_run, "taken over")?;
    Ok(0)
}

/// Has dpkg forget what nothing is taken over of, and says what packages brought meanwhile.
///
/// # Errors
/// What dpkg-divert says.
pub fn forget_diversions(ctx: &Context, root: &Path) -> Result<(), CliError> {
    for newer in cutover_divert::forget(root, &ctx.paths.home)? {
        ctx.say(&format!(
            "note: its package brought another version meanwhile: {}",
            newer.display()
        ));
    }
    Ok(())
}

/// The tables that were named, or those that are meant where none was.
///
/// # Errors
/// A table that was not imported.
pub fn chosen(
    store: &Store,
    named: &[String],
    usual: impl Fn(&CrontabRow) -> bool,
) -> Result<Vec<CrontabRow>, CliError> {
    if named.is_empty() {
        let mut all = store.crontabs()?;
        all.retain(usual);
        return Ok(all);
    }
    named
        .iter()
        .map(|name| {
            let path = import_source::named(name)?;
            let row = match store.crontab(&path)? {
                None => store.crontab(name)?,
                found => found,
            };
            row.ok_or_else(|| {
                let text = format!("{name} was not imported");
                CliError::new(Kind::NotFound, text).hint(format!("`crake import {name}` first"))
            })
        })
        .collect()
}

fn one(
    ctx: &Context,
    store: &mut Store,
    table: &CrontabRow,
    args: &CutoverArgs,
    (root, held): (&Path, Option<&mut Changing>),
) -> Result<Done, CliError> {
    let skipped = |why: String| Done {
        source: table.source.clone(),
        jobs: Vec::new(),
        skipped: Some(why),
        at: None,
        backup: None,
        diff: Vec::new(),
    };
    if let Some(why) = left_alone(table, root, args.include_packaged) {
        return Ok(skipped(why));
    }
    let bytes = import_source::content(&table.source)?;
    if bytes != table.bytes {
        let text = format!("{} was changed since it was imported", table.source);
        return Err(CliError::new(Kind::Differs, text).hint(format!(
            "`crake import {}` reads it anew; then cut over",
            table.source
        )));
    }
    let taken = entries(store, table, &bytes, &args.jobs)?;
    if taken.is_empty() {
        return Ok(skipped("nothing of it is left to take over".to_owned()));
    }
    let ids = taken
        .iter()
        .map(|(line, id, _)| (*line, id.clone()))
        .collect();
    let after = put_marks(&bytes, &ids);
    check(table, &bytes, &after, taken.len())?;
    ask_crontab(table, &bytes, &after)?;
    let mut done = skipped(String::new());
    done.skipped = None;
    done.jobs = taken.iter().map(|(_, _, job)| job.clone()).collect();
    done.diff = diff(&bytes, &ids);
    if args.dry_run {
        return Ok(done);
    }
    let ids: Vec<String> = ids.into_values().collect();
    write(
        ctx,
        store,
        table,
        (&bytes, after),
        ids,
        (root, held),
        &mut done,
    )?;
    Ok(done)
}

/// Why nothing of a table is taken over.
fn left_alone(table: &CrontabRow, root: &Path, packaged: bool) -> Option<String> {
    if table.intent.is_some() {
        let why = "a change of it was begun, and the file is neither old nor new";
        return Some(why.to_owned());
    }
    if owner_of(&table.source).is_some() {
        return None;
    }
    let path = Path::new(&table.source);
    if !path.is_absolute() {
        return Some("it is no file".to_owned());
    }
    let package = package_of(root, path).filter(|_| !packaged)?;
    Some(format!(
        "W16 it belongs to the package {package} and stays with cron (--include-packaged changes it)"
    ))
}

/// Backs the table up and replaces it.
fn write(
    ctx: &Context,
    store: &mut Store,
    table: &CrontabRow,
    (bytes, after): (&[u8], Vec<u8>),
    ids: Vec<String>,
    (root, held): (&Path, Option<&mut Changing>),
    done: &mut Done,
) -> Result<(), CliError> {
    let at = takeover(ctx, is_live(ctx, root, &table.source));
    let rights = match owner_of(&table.source) {
        // The program looks after them.
        Some(_) => None,
        None => Some(std::fs::metadata(&table.source)?),
    };
    let number = |of: fn(&std::fs::Metadata) -> u32| rights.as_ref().map_or(0, of);
    let manifest = Manifest {
        source: table.source.clone(),
        at: ctx.now(),
        takeover_at: at,
        mode: number(MetadataExt::mode) & 0o7777,
        uid: number(MetadataExt::uid),
        gid: number(MetadataExt::gid),
        ids,
        jobs: done.jobs.clone(),
    };
    crash::point("cutover planned");
    let backup = cutover_file::back_up(&ctx.paths.home, &manifest, bytes, &after)?;
    crash::point("cutover backed up");
    if package_of(root, Path::new(&table.source)).is_some() {
        cutover_divert::divert(root, &table.source)?;
        crash::point("cutover diverted");
    }
    let intent = Intent {
        cutover: true,
        wanted: after,
        at,
        jobs: done.jobs.clone(),
        backup: backup.display().to_string(),
    };
    change(ctx, store, table, &intent, held)?;
    done.at = Some(at);
    done.backup = Some(backup.display().to_string());
    Ok(())
}

/// Makes a change of a table: noted, written in one step, settled.
///
/// # Errors
/// Those of writing; what was noted is then settled by what the file holds.
pub fn change(
    ctx: &Context,
    store: &mut Store,
    table: &CrontabRow,
    intent: &Intent,
    held: Option<&mut Changing>,
) -> Result<(), CliError> {
    store.begin_crontab(&table.source, intent)?;
    crash::point("cutover noted");
    let written = put(&table.source, &intent.wanted, held);
    crontabs::settle_held(store, ctx.now())?;
    crash::point("cutover settled");
    written
}

/// Puts bytes in the place of a table.
///
/// # Errors
/// Those of writing; the table is then as it was.
pub fn put(source: &str, bytes: &[u8], held: Option<&mut Changing>) -> Result<(), CliError> {
    let written = match (owner_of(source), held) {
        (None, _) => cutover_file::replace(Path::new(source), bytes),
        (Some(owner), Some(held)) => {
            crash::point("cutover staged");
            held.install(owner, bytes)
                .inspect(|()| crash::point("cutover installed"))
        }
        (Some(_), None) => Err(std::io::Error::other("the home of crake is gone")),
    };
    written.map_err(|e| {
        let kind = match e.kind() {
            std::io::ErrorKind::PermissionDenied => Kind::Denied,
            _ => Kind::Failed,
        };
        CliError::new(kind, format!("cannot write {source}: {e}"))
            .hint("nothing was changed; a table of cron takes the right of its owner or root")
    })
}

/// The entries to be taken over: line, id and job of each.
fn entries(
    store: &Store,
    table: &CrontabRow,
    bytes: &[u8],
    named: &[String],
) -> Result<Vec<(usize, String, String)>, CliError> {
    let unmarked = unmark(bytes, |_| true);
    let lines: Vec<&[u8]> = unmarked.bytes.split(|byte| *byte == b'\n').collect();
    let mut found = Vec::new();
    for JobRow { job, .. } in store.jobs()? {
        let Some(imported) = job.spec.imported.as_deref() else {
            continue;
        };
        let here = imported.source == table.source && !imported.disabled;
        let wanted = named.is_empty() || named.contains(&job.name);
        let marked = unmarked.marks.values().any(|id| *id == imported.id);
        let line = lines
            .get(imported.line.wrapping_sub(1))
            .copied()
            .unwrap_or_default();
        if here && wanted && !marked && line == imported.text.0 {
            found.push((imported.line, imported.id.clone(), job.name.clone()));
        }
    }
    found.sort();
    Ok(found)
}

/// The minute from which on the jobs fire. A table that cron reads is written between seconds 5 and
/// 45: cron looks for changes at the start of a minute, before it looks for what is due.
pub fn takeover(ctx: &Context, live: bool) -> UnixMs {
    let second = |now: UnixMs| now.rem_euclid(MINUTE) / 1_000;
    while live && !(5..45).contains(&second(ctx.now())) {
        std::thread::sleep(std::time::Duration::from_millis(200));
    }
    (ctx.now().div_euclid(MINUTE) + 1) * MINUTE
}

/// Whether a cron of this host reads a file.
pub fn is_live(ctx: &Context, root: &Path, source: &str) -> bool {
    let found = import_source::at_place(ctx, root, Path::new(source), None);
    found.live && root == Path::new("/")
}

fn diff(bytes: &[u8], ids: &BTreeMap<usize, String>) -> Vec<(String, String)> {
    bytes
        .split(|byte| *byte == b'\n')
        .enumerate()
        .filter_map(|(index, line)| {
            let id = ids.get(&(index + 1))?;
            let line = String::from_utf8_lossy(line).into_owned();
            Some((line.clone(), format!("{}{line}", crate::crontab::mark(id))))
        })
        .collect()
}
