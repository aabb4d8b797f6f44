//! `crake import`: the jobs of a crontab.

use std::io::Read;
use std::path::Path;

use clap::builder::{PossibleValuesParser, TypedValueParser};

use crate::cli::context::Context;
use crate::cli::error::{CliError, Kind};
use crate::cli::import_entry::{self, Source};
use crate::cli::{import_answer, import_plan, run_as};
use crate::crontab::{Dialect, Format, HostFacts, LineKind, Table, Warning, warnings};
use crate::schedule::Zone;

/// Make jobs of a crontab; the same file again changes nothing
#[derive(clap::Args)]
#[command(after_help = "\
Examples:
  crake import -n                     what would become of my crontab
  crontab -l | crake import -
  crake import /etc/cron.d/backup --dialect cronie")]
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
        value_parser = PossibleValuesParser::new(["user", "root", "system"]).try_map(|w| w.parse::<Format>()))]
    format: Option<Format>,
    /// The cron that reads the table today; the host's if not given
    #[arg(long, value_name = "CRON",
        value_parser = PossibleValuesParser::new(["debian", "cronie"]).try_map(|w| w.parse::<Dialect>()))]
    dialect: Option<Dialect>,
    /// Only say what would be done
    #[arg(short = 'n', long)]
    dry_run: bool,
    /// Time zone of the table; the host's if not given
    #[arg(long, value_name = "ZONE")]
    tz: Option<String>,
}

/// A table that was read, and what is to be said of it.
pub struct TableRead {
    /// The file's name in answers and origins.
    pub label: String,
    /// Its bytes.
    pub bytes: Vec<u8>,
    /// What its cron makes of them.
    pub table: Table,
    /// The hazards in it.
    pub warnings: Vec<Warning>,
}

/// Makes jobs of a crontab.
///
/// # Errors
/// A file that cannot be read, another user's table, an unknown zone.
pub fn import(ctx: &Context, args: ImportArgs) -> Result<u8, CliError> {
    let owner = args.user.as_deref().unwrap_or(&ctx.user.name);
    if owner != ctx.user.name {
        run_as::number(ctx, owner)?;
    }
    let zone = match &args.tz {
        Some(name) => Some(Zone::named(name)?.name().to_owned()),
        None => None,
    };
    let (label, bytes) = content(owner, args.file.as_deref())?;
    let dialect = args.dialect.unwrap_or_else(host_dialect);
    let format = args
        .format
        .or(args.system_table.then_some(Format::System))
        .unwrap_or_else(|| format_of(owner, &label));
    let table = Table::parse(&bytes, dialect, format);
    let mut hazards = warnings(&table, &bytes, &host_facts());
    hazards.extend(mail(&table));
    let read = TableRead {
        label,
        bytes,
        table,
        warnings: hazards,
    };
    let source = Source {
        label: &read.label,
        bytes: &read.bytes,
        table: &read.table,
        owner,
        zone: zone.as_deref(),
    };
    let entries = import_entry::entries(ctx, &source);
    let plan = if args.dry_run {
        import_plan::plan(&ctx.read()?, &read.label, entries)?
    } else {
        let mut store = ctx.write()?;
        let plan = import_plan::plan(&store, &read.label, entries)?;
        if import_plan::carry_out(ctx, &mut store, &plan)? {
            ctx.nudge();
        }
        plan
    };
    import_answer::answer(ctx, &read, &plan, args.dry_run)?;
    // What was read is the answer of a dry run; without one, a file of which nothing can be taken
    // is an invalid file.
    let refused = read.table.is_ignored() && !args.dry_run;
    Ok(if refused { Kind::Invalid.code() } else { 0 })
}

fn content(owner: &str, file: Option<&str>) -> Result<(String, Vec<u8>), CliError> {
    if file == Some("-") {
        let mut bytes = Vec::new();
        std::io::stdin().lock().read_to_end(&mut bytes)?;
        return Ok(("-".to_owned(), bytes));
    }
    let path = match file {
        Some(file) => std::path::absolute(file)?,
        None => table_of(owner)?,
    };
    let bytes = std::fs::read(&path).map_err(|e| {
        let kind = match e.kind() {
            std::io::ErrorKind::PermissionDenied => Kind::Denied,
            _ => Kind::Failed,
        };
        CliError::new(kind, format!("cannot read {}: {e}", path.display()))
    })?;
    Ok((path.display().to_string(), bytes))
}

/// A user's own crontab, where Debian's cron or cronie keeps it.
fn table_of(owner: &str) -> Result<std::path::PathBuf, CliError> {
    let places = ["/var/spool/cron/crontabs", "/var/spool/cron"];
    places
        .iter()
        .map(|dir| Path::new(dir).join(owner))
        .find(|path| path.is_file())
        .ok_or_else(|| {
            let text = format!("no crontab of {owner} can be read here");
            CliError::new(Kind::Failed, text)
                .hint("name a file, or pipe it in: `crontab -l | crake import -`")
        })
}

fn host_dialect() -> Dialect {
    if Path::new("/etc/debian_version").exists() {
        Dialect::Debian
    } else {
        Dialect::Cronie
    }
}

fn format_of(owner: &str, label: &str) -> Format {
    let path = Path::new(label);
    let in_cron_d = path.parent() == Some(Path::new("/etc/cron.d"));
    if path == Path::new("/etc/crontab") || in_cron_d {
        Format::System
    } else if owner == "root" {
        Format::Root
    } else {
        Format::User
    }
}

fn host_facts() -> HostFacts {
    let users = std::fs::read_to_string("/etc/passwd").ok().map(|table| {
        table
            .lines()
            .filter_map(|line| line.split(':').next())
            .map(str::to_owned)
            .collect()
    });
    let system_shell = std::fs::canonicalize("/bin/sh")
        .ok()
        .map(|path| path.display().to_string());
    HostFacts {
        users,
        system_shell,
    }
}

/// Tables whose output goes somewhere by mail.
fn mail(table: &Table) -> impl Iterator<Item = Warning> + '_ {
    table.lines.iter().filter_map(|line| match &line.kind {
        LineKind::Env { name, value, .. } if name == b"MAILTO" && !value.is_empty() => {
            Some(Warning {
                id: "mail",
                line: line.number,
                text: "mail is not sent yet; the output is kept with each run".to_owned(),
            })
        }
        _ => None,
    })
}
