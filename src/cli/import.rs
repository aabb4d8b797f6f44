//! `crake import`: the jobs of crontabs.

use std::path::{Path, PathBuf};

use clap::builder::{PossibleValuesParser, TypedValueParser};

use crate::cli::context::Context;
use crate::cli::error::{CliError, Kind};
use crate::cli::import_entry::{self, Source};
use crate::cli::import_host::Host;
use crate::cli::import_plan::{self, About, Plan};
use crate::cli::import_preview::Previews;
use crate::cli::import_source::{self, Form, Found, Scan};
use crate::cli::{import_answer, import_host, import_other, moment, run_as};
use crate::crontab::{Dialect, Format, LineKind, Table, Warning, unmark, warnings};
use crate::letter::SENDMAIL;
use crate::process::is_executable;
use crate::schedule::{UnixMs, Zone};
use crate::store::{CrontabRow, Store};

/// Make jobs of a crontab; the same file again changes nothing
///
/// The table is read as its cron reads it: field sets, stars, the `%` rule, the environment above each
/// line and the rule for daylight saving time. Each job gets an id that stays with it. Jobs of a table
/// that cron reads (a user's own, /etc/crontab, /etc/cron.d) are observed: their fires are recorded and
/// not run, because cron runs them, until `crake cutover`. Jobs of any other file run at once.
#[derive(clap::Args)]
#[command(after_help = "\
Examples:
  crake import -n                     what would become of my crontab
  crontab -l | crake import -
  crake import /etc/cron.d/backup --dialect cronie
  crake import --scan -n              every table of this host")]
pub struct ImportArgs {
    /// The file, or - for standard input; the user's own crontab if not given
    file: Option<String>,
    /// Whose table it is
    #[arg(long, value_name = "NAME")]
    user: Option<String>,
    /// The table has a user column, as /etc/crontab has
    #[arg(long, conflicts_with = "format")]
    system_table: bool,
    /// The form of the table; by its place if not given
    #[arg(long, value_name = "FORMAT",
        value_parser = PossibleValuesParser::new(["user", "root", "system", "seconds", "anacron"]).map(|w| form(&w)))]
    format: Option<Form>,
    /// The cron that reads the table today; the host's if not given
    #[arg(long, value_name = "CRON",
        value_parser = PossibleValuesParser::new(["debian", "cronie", "supercronic"]))]
    dialect: Option<String>,
    /// Only say what would be done
    #[arg(short = 'n', long)]
    dry_run: bool,
    /// Time zone of the table; the host's if not given
    #[arg(long, value_name = "ZONE")]
    tz: Option<String>,
    /// Take commented-out entries as paused jobs, too
    #[arg(long)]
    include_disabled: bool,
    /// Every table that cron reads on this host
    #[arg(long, conflicts_with_all = ["file", "format", "system_table"])]
    scan: bool,
    /// Keep the jobs from running until `crake cutover`, as those of tables that cron reads
    #[arg(long)]
    observe: bool,
    /// Have the jobs run at once, though cron reads the table
    #[arg(long, conflicts_with = "observe")]
    run_now: bool,
    /// Look for the tables of cron under DIR instead of / (also: CRAKE_CRON_ROOT=DIR)
    #[arg(long, value_name = "DIR")]
    root: Option<PathBuf>,
    /// Show the fires after this instant instead of now
    #[arg(long, value_name = "T")]
    from: Option<String>,
    /// Compare the fires of cron and crake over so many days
    #[arg(long, value_name = "DAYS", default_value_t = 400,
        value_parser = clap::value_parser!(i64).range(0..=3660))]
    days: i64,
}

fn form(word: &str) -> Form {
    match word {
        "seconds" => Form::Seconds,
        "anacron" => Form::Anacron,
        "root" => Form::Cron(Format::Root),
        "system" => Form::Cron(Format::System),
        _ => Form::Cron(Format::User),
    }
}

/// A table that was read, and what is to be said of it.
pub struct TableRead {
    /// What it is.
    pub found: Found,
    /// The word for the dialect in answers.
    pub dialect_word: &'static str,
    /// Its bytes as they stand there.
    pub bytes: Vec<u8>,
    /// What its cron makes of them, without the marks of lines taken over.
    pub table: Table,
    /// The hazards in it.
    pub warnings: Vec<Warning>,
    /// Whether its jobs wait for the cutover.
    pub observed: bool,
    /// Entries that are commented out.
    pub disabled: usize,
    /// The zone of the import, where one was named.
    pub zone: Option<String>,
}

/// How tables are imported.
pub struct How<'a> {
    /// What stands for `/`.
    pub root: &'a Path,
    /// The cron that reads them.
    pub dialect: Dialect,
    /// The zone they are read in.
    pub zone: Option<&'a str>,
    /// With entries that are commented out.
    pub include_disabled: bool,
    /// After when fires are shown.
    pub from: UnixMs,
    /// Days compared.
    pub days: i64,
    /// Whether jobs wait for the cutover; by the place of the table if not said.
    pub observe: Option<bool>,
}

/// Makes jobs of a crontab.
///
/// # Errors
/// A file that cannot be read, another user's table, an unknown zone.
pub fn import(ctx: &Context, args: ImportArgs) -> Result<u8, CliError> {
    let root = import_source::root(args.root.as_deref());
    let owner = args.user.as_deref();
    if let Some(owner) = owner.filter(|owner| *owner != ctx.user.name) {
        run_as::number(ctx, owner)?;
    }
    let zone = match &args.tz {
        Some(name) => Some(Zone::named(name)?.name().to_owned()),
        None => None,
    };
    let from = match &args.from {
        Some(text) => moment::instant(text, &ctx.zone, ctx.now(), 1)?,
        None => ctx.now(),
    };
    // supercronic reads another form of table, and is a dialect only in name.
    let named = args.dialect.as_deref();
    let dialect = named.and_then(|word| word.parse::<Dialect>().ok());
    let seconds = (named.is_some() && dialect.is_none()).then_some(Form::Seconds);
    let how = How {
        root: &root,
        dialect: dialect.unwrap_or_else(|| import_source::host_dialect(&root)),
        zone: zone.as_deref(),
        include_disabled: args.include_disabled,
        from,
        days: args.days,
        observe: match (args.observe, args.run_now) {
            (true, _) => Some(true),
            (_, true) => Some(false),
            _ => None,
        },
    };
    if args.scan {
        let scan = import_source::scan(ctx, &root, how.dialect);
        return scanned(ctx, &scan, &how, args.dry_run);
    }
    let mut found = chosen(ctx, &root, owner, args.file.as_deref())?;
    if args.system_table {
        found.form = Form::Cron(Format::System);
    }
    found.form = args.format.or(seconds).unwrap_or(found.form);
    let bytes = import_source::content(&found.label)?;
    let (read, plan) = one(ctx, found, bytes, &how, args.dry_run)?;
    import_answer::answer(ctx, &read, &plan, args.dry_run)?;
    // What was read is the answer of a dry run; without one, a file of which nothing can be taken
    // is an invalid file.
    let refused = read.table.is_ignored() && !args.dry_run;
    Ok(if refused { Kind::Invalid.code() } else { 0 })
}

fn chosen(
    ctx: &Context,
    root: &Path,
    owner: Option<&str>,
    file: Option<&str>,
) -> Result<Found, CliError> {
    let name = owner.unwrap_or(&ctx.user.name);
    let path = match file {
        Some("-") => PathBuf::from("-"),
        Some(file) => PathBuf::from(import_source::named(file)?),
        None => import_source::own_table(root, name)?,
    };
    Ok(import_source::at_place(ctx, root, &path, owner))
}

/// Imports every table a scan found; a table that cannot be read keeps the others from nothing.
fn scanned(ctx: &Context, scan: &Scan, how: &How<'_>, dry_run: bool) -> Result<u8, CliError> {
    let mut done = Vec::new();
    let mut unreadable = scan.unreadable.clone();
    for found in &scan.tables {
        let label = found.label.clone();
        let read = import_source::content(&label)
            .and_then(|bytes| one(ctx, found.clone(), bytes, how, dry_run));
        match read {
            Ok(one) => done.push(one),
            Err(e) => unreadable.push((label, e.message)),
        }
    }
    import_answer::answer_scan(ctx, scan, &unreadable, &done, dry_run)?;
    Ok(0)
}

/// Imports one table.
///
/// # Errors
/// Those of the store.
pub fn one(
    ctx: &Context,
    found: Found,
    bytes: Vec<u8>,
    how: &How<'_>,
    dry_run: bool,
) -> Result<(TableRead, Plan), CliError> {
    // Once it was taken over, a table is one that cron reads, wherever it lies.
    let before = ctx.read()?.crontab(&found.label)?;
    let before = before.is_some_and(|row| row.observed);
    let observed = how.observe.unwrap_or(found.live || before);
    let unmarked = unmark(&bytes, |_| true);
    let mut previews = Previews::new(ctx, how.from, how.days);
    let (read, entries) = match found.form {
        Form::Cron(format) => {
            let table = Table::parse(&unmarked.bytes, how.dialect, format);
            let hazards = hazards(ctx, &found, &table, &unmarked.bytes, how)?;
            let commented: Vec<usize> = table
                .disabled_entries(&unmarked.bytes)
                .map(|(line, _)| line.span.start)
                .collect();
            let wanted = how.include_disabled && !table.is_ignored();
            let taken = match wanted {
                true => table.with_disabled(&unmarked.bytes),
                false => table.clone(),
            };
            let source = Source {
                label: &found.label,
                bytes: &unmarked.bytes,
                table: &taken,
                owner: &found.owner,
                zone: how.zone,
                marks: &unmarked.marks,
                disabled: &commented,
            };
            let entries = import_entry::entries(ctx, &source, &mut previews);
            let read = TableRead {
                found,
                dialect_word: how.dialect.as_str(),
                bytes,
                table,
                warnings: hazards,
                observed,
                disabled: commented.len(),
                zone: how.zone.map(str::to_owned),
            };
            (read, entries)
        }
        Form::Anacron | Form::Seconds => {
            import_other::read(ctx, found, bytes, observed, how, &mut previews)?
        }
    };
    let about = About {
        label: &read.found.label,
        observed,
        ignored: read.table.is_ignored(),
    };
    let plan = if dry_run {
        import_plan::plan(ctx, &ctx.read()?, &about, entries)?
    } else {
        let mut store = ctx.write()?;
        let plan = import_plan::plan(ctx, &store, &about, entries)?;
        if carry_out(ctx, &mut store, &read, &plan)? {
            ctx.nudge();
        }
        plan
    };
    Ok((read, plan))
}

/// The hazards of a table, by line: those in its text, and those its host decides.
fn hazards(
    ctx: &Context,
    found: &Found,
    table: &Table,
    bytes: &[u8],
    how: &How<'_>,
) -> Result<Vec<Warning>, CliError> {
    let mut hazards = warnings(table, bytes, &import_source::host_facts());
    hazards.extend(mail(table));
    let named = how.zone.map(Zone::named).transpose()?;
    let host = Host {
        root: how.root,
        zone: named.as_ref().unwrap_or(&ctx.zone),
        from: how.from,
    };
    hazards.extend(import_host::hazards(&host, found, table));
    hazards.sort_by_key(|warning| warning.line);
    Ok(hazards)
}

/// Writes what is to be written, all or nothing. Says whether anything was.
fn carry_out(
    ctx: &Context,
    store: &mut Store,
    read: &TableRead,
    plan: &Plan,
) -> Result<bool, CliError> {
    let jobs: Vec<_> = plan
        .steps
        .iter()
        .filter_map(|step| step.write.clone())
        .chain(plan.paused.iter().cloned())
        .collect();
    let before = store.crontab(&read.found.label)?;
    let same = before.is_some_and(|row| {
        row.bytes == read.bytes && row.dialect == read.dialect_word && row.observed == read.observed
    });
    if same && jobs.is_empty() {
        return Ok(false);
    }
    let row = CrontabRow {
        source: read.found.label.clone(),
        owner: read.found.owner.clone(),
        dialect: read.dialect_word.to_owned(),
        format: read.format_word().to_owned(),
        zone: read.zone.clone(),
        bytes: read.bytes.clone(),
        read_at: ctx.now(),
        entries: plan
            .steps
            .iter()
            .filter_map(|step| Some((step.entry.line, step.id.clone()?)))
            .collect(),
        observed: read.observed,
        intent: None,
    };
    store.write_import(&row, &jobs, &ctx.user.name, ctx.now())?;
    Ok(true)
}

impl TableRead {
    /// The word for the form that is stored; unlike that in answers it tells root's table.
    fn format_word(&self) -> &'static str {
        match self.found.form {
            Form::Cron(format) => format.as_str(),
            other => other.as_str(),
        }
    }
}

/// Tables whose output goes somewhere by mail, where there is no program for it.
fn mail(table: &Table) -> impl Iterator<Item = Warning> + '_ {
    let lines = table
        .lines
        .iter()
        .filter(|_| !is_executable(SENDMAIL.as_ref()));
    lines.filter_map(|line| match &line.kind {
        LineKind::Env { name, value, .. } if name == b"MAILTO" && !value.is_empty() => {
            Some(Warning {
                id: "mail",
                line: line.number,
                text: format!("there is no {SENDMAIL}: what the job writes is kept and not mailed"),
            })
        }
        _ => None,
    })
}
