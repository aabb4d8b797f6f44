//! Where crontabs are: the tables cron reads on this host, and who owns them.

use std::io::Read;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use crate::cli::context::Context;
use crate::cli::error::{CliError, Kind};
use crate::crontab::{Dialect, Format, HostFacts};
use crate::daemon::cron_program::{CronProgram, PREFIX, owner_of};
use crate::daemon::crontabs;

/// The variable that puts another directory in the place of `/`.
const ROOT_VARIABLE: &str = "CRAKE_CRON_ROOT";

/// Where users' own tables are: Debian's place, then that of cronie.
const SPOOLS: [&str; 2] = ["var/spool/cron/crontabs", "var/spool/cron"];

/// The directories whose scripts a table runs with run-parts.
pub const PARTS: [&str; 4] = ["cron.hourly", "cron.daily", "cron.weekly", "cron.monthly"];

/// Which directory the places of crontabs are looked for under.
pub fn root(flag: Option<&Path>) -> PathBuf {
    let told = std::env::var_os(ROOT_VARIABLE).filter(|value| !value.is_empty());
    flag.map(Path::to_path_buf)
        .or_else(|| told.map(PathBuf::from))
        .and_then(|dir| std::path::absolute(dir).ok())
        .unwrap_or_else(|| PathBuf::from("/"))
}

/// What kind of table a file is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Form {
    /// A crontab.
    Cron(Format),
    /// The table of anacron.
    Anacron,
    /// Six or seven fields, as supercronic reads them.
    Seconds,
}

impl Form {
    /// The word for it in answers: root's table has the form of a user's.
    pub fn as_str(self) -> &'static str {
        match self {
            Form::Cron(Format::User | Format::Root) => "user",
            Form::Cron(Format::System) => "system",
            Form::Anacron => "anacron",
            Form::Seconds => "seconds",
        }
    }
}

/// A file with crontab entries.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Found {
    /// Its path, or `-`.
    pub label: String,
    /// Whose table it is, where the lines name no user.
    pub owner: String,
    /// Its form.
    pub form: Form,
    /// A cron reads it.
    pub live: bool,
}

/// What a scan of the host found.
#[derive(Debug, Default)]
pub struct Scan {
    /// Tables, in order.
    pub tables: Vec<Found>,
    /// Scripts that run-parts would run.
    pub scripts: Vec<PathBuf>,
    /// What could not be read, and why.
    pub unreadable: Vec<(String, String)>,
    /// Files beside the tables that this cron does not read (W23, W24), and why.
    pub passed_over: Vec<(String, String)>,
}

/// What a path is, by its place.
pub fn at_place(ctx: &Context, root: &Path, path: &Path, owner: Option<&str>) -> Found {
    let label = path.display().to_string();
    let found = |owner: &str, form: Form, live: bool| Found {
        label: label.clone(),
        owner: owner.to_owned(),
        form,
        live,
    };
    let me = owner.unwrap_or(&ctx.user.name);
    let parent = path.parent();
    if path == root.join("etc/anacrontab") {
        return found("root", Form::Anacron, true);
    }
    if path == root.join("etc/crontab") || parent == Some(&root.join("etc/cron.d")) {
        return found(me, Form::Cron(Format::System), true);
    }
    if let Some(owner) = owner_of(&label) {
        return found(owner, Form::Cron(format_of(owner)), true);
    }
    let in_spool = SPOOLS.iter().any(|dir| parent == Some(&root.join(dir)));
    let name = path.file_name().and_then(|name| name.to_str());
    match name.filter(|_| in_spool) {
        Some(name) => found(
            owner.unwrap_or(name),
            Form::Cron(format_of(owner.unwrap_or(name))),
            true,
        ),
        None => found(me, Form::Cron(format_of(me)), false),
    }
}

fn format_of(owner: &str) -> Format {
    if owner == "root" {
        Format::Root
    } else {
        Format::User
    }
}

/// What names the table somebody named: a path from the root, or `crontab:NAME`.
///
/// # Errors
/// There is no current directory.
pub fn named(name: &str) -> Result<String, CliError> {
    match owner_of(name) {
        Some(_) => Ok(name.to_owned()),
        None => Ok(std::path::absolute(name)?.display().to_string()),
    }
}

/// A user's own crontab as this host lets it be read: root reads the file, everybody else asks the
/// program `crontab`.
///
/// # Errors
/// There is none that can be read.
pub fn own_table(root: &Path, owner: &str) -> Result<PathBuf, CliError> {
    let asks = root == Path::new("/") && !rustix::process::geteuid().is_root();
    if asks && CronProgram::find().is_some() {
        return Ok(PathBuf::from(format!("{PREFIX}{owner}")));
    }
    table_of(root, owner)
}

/// A user's own crontab, where Debian's cron or cronie keeps it.
///
/// # Errors
/// There is none that can be read.
pub fn table_of(root: &Path, owner: &str) -> Result<PathBuf, CliError> {
    SPOOLS
        .iter()
        .map(|dir| root.join(dir).join(owner))
        .find(|path| path.is_file())
        .ok_or_else(|| {
            let text = format!("no crontab of {owner} can be read here");
            CliError::new(Kind::Failed, text)
                .hint("name a file, or pipe it in: `crontab -l | crake import -`")
        })
}

/// Everything that a cron of this host reads.
pub fn scan(ctx: &Context, root: &Path, dialect: Dialect) -> Scan {
    let mut scan = Scan::default();
    let mut paths: Vec<PathBuf> = vec![root.join("etc/crontab")];
    paths.retain(|path| path.exists());
    for path in listed(&root.join("etc/cron.d"), &mut scan) {
        match unread_name(&path, dialect).or_else(|| unread_mode(&path, dialect)) {
            Some(why) => scan.passed_over.push((path.display().to_string(), why)),
            None => paths.push(path),
        }
    }
    for dir in SPOOLS {
        let tables = listed(&root.join(dir), &mut scan);
        paths.extend(tables.into_iter().filter(|path| {
            let name = path
                .file_name()
                .map(|name| name.to_string_lossy().into_owned());
            name.is_some_and(|name| !name.starts_with(['.', '#']) && !name.starts_with("tmp."))
        }));
    }
    let anacron = root.join("etc/anacrontab");
    paths.extend(anacron.exists().then_some(anacron));
    for path in paths {
        match std::fs::File::open(&path) {
            Ok(_) => scan.tables.push(at_place(ctx, root, &path, None)),
            Err(e) => scan
                .unreadable
                .push((path.display().to_string(), e.to_string())),
        }
    }
    for dir in PARTS {
        let scripts = listed(&root.join("etc").join(dir), &mut scan);
        scan.scripts
            .extend(scripts.into_iter().filter(|path| is_part(path)));
    }
    scan
}

/// The files of a directory in the order of their names.
fn listed(dir: &Path, scan: &mut Scan) -> Vec<PathBuf> {
    let entries = match std::fs::read_dir(dir) {
        Ok(entries) => entries,
        Err(e) if e.kind() == std::io::ErrorKind::NotFound => return Vec::new(),
        Err(e) => {
            scan.unreadable
                .push((dir.display().to_string(), e.to_string()));
            return Vec::new();
        }
    };
    let mut paths: Vec<PathBuf> = entries.flatten().map(|entry| entry.path()).collect();
    paths.retain(|path| path.is_file());
    paths.sort();
    paths
}

/// Whether run-parts runs a file: letters, digits, `_` and `-` in its name, and the right to
/// execute it. Source: run-parts(8) of Debian.
pub fn is_part(path: &Path) -> bool {
    let mode = std::fs::metadata(path).map_or(0, |found| found.permissions().mode());
    plain_name(path) && mode & 0o111 != 0
}

fn plain_name(path: &Path) -> bool {
    let name = path.file_name().unwrap_or_default().as_encoded_bytes();
    !name.is_empty()
        && name
            .iter()
            .all(|b| b.is_ascii_alphanumeric() || b"_-".contains(b))
}

/// Why a cron does not read a file of `/etc/cron.d` by its name (W23).
pub fn unread_name(path: &Path, dialect: Dialect) -> Option<String> {
    let name = path
        .file_name()
        .unwrap_or_default()
        .to_string_lossy()
        .into_owned();
    match dialect {
        Dialect::Debian if !plain_name(path) => Some(format!(
            "W23 Debian's cron reads no file named {name}: only letters, digits, _ and -"
        )),
        Dialect::Cronie => {
            let endings = ["~", ".rpmsave", ".rpmorig", ".rpmnew"];
            let skipped = name.starts_with(['.', '#']) || endings.iter().any(|e| name.ends_with(e));
            skipped.then(|| format!("W23 cronie reads no file named {name}"))
        }
        Dialect::Debian => None,
    }
}

/// Why a cron does not read a file of `/etc/cron.d` by its rights (W24).
pub fn unread_mode(path: &Path, dialect: Dialect) -> Option<String> {
    let mode = std::fs::metadata(path).ok()?.permissions().mode();
    let open = dialect == Dialect::Debian && mode & 0o022 != 0;
    open.then(|| {
        format!(
            "W24 others may write it (mode {:o}), so Debian's cron reads it not",
            mode & 0o7777
        )
    })
}

/// The bytes of a table.
///
/// # Errors
/// A file that cannot be read.
pub fn content(label: &str) -> Result<Vec<u8>, CliError> {
    if label == "-" {
        let mut bytes = Vec::new();
        std::io::stdin().lock().read_to_end(&mut bytes)?;
        return Ok(bytes);
    }
    crontabs::bytes_of(label).map_err(|e| {
        let kind = match e.kind() {
            std::io::ErrorKind::PermissionDenied => Kind::Denied,
            _ => Kind::Failed,
        };
        CliError::new(kind, format!("cannot read {label}: {e}"))
    })
}

/// The cron of this host, by what is installed.
pub fn host_dialect(root: &Path) -> Dialect {
    if root.join("etc/debian_version").exists() || Path::new("/etc/debian_version").exists() {
        Dialect::Debian
    } else {
        Dialect::Cronie
    }
}

/// What is known of the host for the hazards of a table.
pub fn host_facts() -> HostFacts {
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
