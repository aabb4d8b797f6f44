//! `crake crontab`, and the program when it is called `crontab`: what crontab(1) does, with our jobs.
//!
//! Three habits of the originals are not kept: nothing is destroyed by an empty standard input that
//! nobody named, an edit is told from none by its bytes and not by the clock, and every table that
//! was ever replaced or removed is kept and can be brought back.

use std::ffi::OsString;
use std::io::{IsTerminal, Read, Write};
use std::path::Path;

use crate::cli::context::Context;
use crate::cli::crontab_edit;
use crate::cli::crontab_words::{USAGE, Verb, read};
use crate::cli::error::{CliError, Kind};
use crate::cli::import::{self, How};
use crate::cli::import_source::{self, Form, Found};
use crate::cli::run_as;
use crate::crontab::{Dialect, Format, Table};
use crate::daemon::cron_program::without_head;
use crate::view::time::in_full;

/// Do what crontab(1) does, with the jobs of crake
#[derive(clap::Args)]
#[command(after_help = "\
Examples:
  crake crontab -l
  crake crontab -e
  crake crontab -l | sed 's/^0 3/0 4/' | crake crontab -
  crake crontab --undo

Called as `crontab` (by a link of that name) it takes the same arguments.")]
pub struct CrontabArgs {
    /// As for crontab: FILE, -, -l, -e, -r, -i, -u USER, -n FILE, -T FILE, -V; --undo, --log
    #[arg(
        trailing_var_arg = true,
        allow_hyphen_values = true,
        value_name = "ARGS"
    )]
    args: Vec<OsString>,
}

/// Whose table is dealt with, and how.
pub struct Owner<'a> {
    /// What every command is given.
    pub ctx: &'a Context,
    /// The user.
    pub name: String,
    /// What names the table in the store.
    pub source: String,
    /// The cron whose grammar it has.
    pub dialect: Dialect,
}

/// Does what crontab(1) does. Its exit codes are 0 and 1.
///
/// # Errors
/// Those of the store.
pub fn crontab(ctx: &Context, args: CrontabArgs) -> Result<u8, CliError> {
    let words: Vec<String> = args
        .args
        .iter()
        .map(|word| word.to_string_lossy().into_owned())
        .collect();
    let wish = match read(&words) {
        Ok(wish) => wish,
        Err(why) => {
            ctx.say(&format!("crontab: usage error: {why}\n{USAGE}"));
            return Ok(1);
        }
    };
    let name = wish.user.clone().unwrap_or_else(|| ctx.user.name.clone());
    if name != ctx.user.name {
        if !rustix::process::geteuid().is_root() {
            ctx.say("must be privileged to use -u");
            return Ok(1);
        }
        if run_as::number(ctx, &name).is_err() {
            ctx.say(&format!("crontab: user `{name}' unknown"));
            return Ok(1);
        }
    }
    let root = import_source::root(None);
    if !allowed(&root, &ctx.user.name) {
        let user = &ctx.user.name;
        ctx.say(&format!(
            "You ({user}) are not allowed to use this program (crontab)\nSee crontab(1) for more information"
        ));
        return Ok(1);
    }
    let owner = Owner {
        ctx,
        source: format!("user:{name}"),
        name,
        dialect: import_source::host_dialect(&root),
    };
    match wish.verb.clone() {
        None => from_nowhere(&owner),
        Some(Verb::List) => list(&owner),
        Some(Verb::Edit) => crontab_edit::edit(&owner),
        Some(Verb::Remove) => remove(&owner, wish.ask),
        Some(Verb::Undo) => undo(&owner),
        Some(Verb::Log) => log(&owner),
        Some(Verb::Check(file)) => check_only(&owner, &file),
        Some(Verb::Install(file)) => install_file(&owner, &file),
        Some(Verb::Version) => {
            println!("crake {} (crontab)", env!("CARGO_PKG_VERSION"));
            Ok(0)
        }
        Some(Verb::Help) => {
            println!("{USAGE}");
            Ok(0)
        }
    }
}

/// Whether a user may use crontab: one that is listed where there is a list of those who may, else
/// one that is not on the list of those who may not. Source: crontab(1).
fn allowed(root: &Path, user: &str) -> bool {
    let list = |name: &str| std::fs::read_to_string(root.join("etc").join(name)).ok();
    let on = |text: String| text.lines().any(|line| line.trim() == user);
    match (list("cron.allow"), list("cron.deny")) {
        _ if rustix::process::geteuid().is_root() => true,
        (Some(allow), _) => on(allow),
        (None, Some(deny)) => !on(deny),
        (None, None) => true,
    }
}

impl Owner<'_> {
    /// The bytes of the table as it was last installed; none where there is none.
    ///
    /// # Errors
    /// Those of the store.
    pub fn current(&self) -> Result<Option<Vec<u8>>, CliError> {
        let versions = self.ctx.read()?.crontab_versions(&self.source)?;
        let newest = versions.into_iter().next();
        Ok(newest
            .filter(|version| !version.removed)
            .map(|version| version.bytes))
    }

    /// Says what of a table its cron would refuse, as crontab says it. The line numbers are those of
    /// the file.
    pub fn refused(&self, bytes: &[u8], file: &str) -> bool {
        let format = if self.name == "root" {
            Format::Root
        } else {
            Format::User
        };
        let table = Table::parse(bytes, self.dialect, format);
        if table.verdict.is_accepted() {
            return false;
        }
        let mut said = false;
        for (line, problem) in table.complaints() {
            let (number, why) = (line.number, problem.reason);
            self.ctx.say(&format!(
                "\"{file}\":{number}: {why}\n  {}",
                problem.explanation
            ));
            said = true;
        }
        match said {
            true => self.ctx.say("errors in crontab file, can't install."),
            false => self
                .ctx
                .say("new crontab file is missing newline before EOF, can't install."),
        }
        true
    }

    /// Puts a table in the place of the one there is; entries keep their jobs and ids.
    ///
    /// # Errors
    /// Those of the store.
    pub fn install(&self, bytes: &[u8]) -> Result<(), CliError> {
        self.write(bytes)?;
        let now = self.ctx.now();
        let mut store = self.ctx.write()?;
        store.keep_crontab_version(&self.source, Some(bytes), &self.ctx.user.name, now)?;
        Ok(())
    }

    fn write(&self, bytes: &[u8]) -> Result<(), CliError> {
        let format = if self.name == "root" {
            Format::Root
        } else {
            Format::User
        };
        let found = Found {
            label: self.source.clone(),
            owner: self.name.clone(),
            form: Form::Cron(format),
            live: false,
        };
        let root = import_source::root(None);
        let how = How {
            root: &root,
            dialect: self.dialect,
            zone: None,
            include_disabled: false,
            from: self.ctx.now(),
            days: 0,
            observe: Some(false),
        };
        let (read, plan) = import::one(self.ctx, found, bytes.to_vec(), &how, false)?;
        for step in &plan.steps {
            for conflict in &step.conflicts {
                self.ctx.say(&format!(
                    "crontab: {}: {} was changed by `crake edit` as well, and that is kept",
                    step.entry.name, conflict.key
                ));
            }
        }
        if std::io::stderr().is_terminal() {
            for warning in read.warnings.iter().filter(|w| w.id != "mail") {
                self.ctx.say(&format!(
                    "note: line {}: {} {}",
                    warning.line, warning.id, warning.text
                ));
            }
        }
        Ok(())
    }
}

/// Neither a file nor a wish: an empty input that nobody named replaces nothing.
fn from_nowhere(owner: &Owner<'_>) -> Result<u8, CliError> {
    let mut input = std::io::stdin();
    if input.is_terminal() {
        owner
            .ctx
            .say(&format!("crontab: no file and no option\n{USAGE}"));
        return Ok(1);
    }
    let mut bytes = Vec::new();
    input.read_to_end(&mut bytes)?;
    if bytes.is_empty() {
        owner.ctx.say(
            "crontab: standard input is empty, so nothing was changed\n  tip: `crontab -r` removes a table",
        );
        return Ok(1);
    }
    replace(owner, &bytes, "-")
}

fn list(owner: &Owner<'_>) -> Result<u8, CliError> {
    match owner.current()? {
        Some(bytes) => {
            let mut out = std::io::stdout().lock();
            out.write_all(&bytes)?;
            out.flush()?;
            Ok(0)
        }
        None => {
            owner.ctx.say(&format!("no crontab for {}", owner.name));
            Ok(1)
        }
    }
}

fn install_file(owner: &Owner<'_>, file: &str) -> Result<u8, CliError> {
    match input_of(file) {
        Ok(bytes) => replace(owner, &bytes, file),
        Err(why) => {
            owner.ctx.say(&format!("{file}: {why}"));
            Ok(1)
        }
    }
}

fn input_of(file: &str) -> std::io::Result<Vec<u8>> {
    match file {
        "-" => {
            let mut bytes = Vec::new();
            std::io::stdin().lock().read_to_end(&mut bytes)?;
            Ok(bytes)
        }
        file => std::fs::read(file),
    }
}

/// Installs a table that its cron would take. The three lines that Debian's crontab puts in front
/// of what it lists go.
fn replace(owner: &Owner<'_>, bytes: &[u8], file: &str) -> Result<u8, CliError> {
    let bytes = without_head(bytes);
    if owner.refused(bytes, file) {
        return Ok(1);
    }
    owner.install(bytes)?;
    Ok(0)
}

fn check_only(owner: &Owner<'_>, file: &str) -> Result<u8, CliError> {
    match input_of(file) {
        Ok(bytes) if owner.refused(&bytes, file) => Ok(1),
        Ok(_) => {
            owner
                .ctx
                .say("The syntax of the crontab file was successfully checked.");
            Ok(0)
        }
        Err(why) => {
            owner.ctx.say(&format!("{file}: {why}"));
            Ok(1)
        }
    }
}

fn remove(owner: &Owner<'_>, ask: bool) -> Result<u8, CliError> {
    if owner.current()?.is_none() {
        owner.ctx.say(&format!("no crontab for {}", owner.name));
        return Ok(1);
    }
    if ask {
        let question = format!("crontab: really delete {}'s crontab? (y/n) ", owner.name);
        if !crontab_edit::yes(&question)? {
            return Ok(0);
        }
    }
    owner.write(b"")?;
    let (by, now) = (&owner.ctx.user.name, owner.ctx.now());
    owner
        .ctx
        .write()?
        .keep_crontab_version(&owner.source, None, by, now)?;
    Ok(0)
}

/// Brings back the table before the present one; once more, the present one again.
fn undo(owner: &Owner<'_>) -> Result<u8, CliError> {
    let versions = owner.ctx.read()?.crontab_versions(&owner.source)?;
    let Some(before) = versions.get(1) else {
        owner
            .ctx
            .say(&format!("there is no earlier crontab for {}", owner.name));
        return Ok(1);
    };
    match before.removed {
        true => remove(owner, false),
        false => {
            owner.install(&before.bytes)?;
            Ok(0)
        }
    }
}

fn log(owner: &Owner<'_>) -> Result<u8, CliError> {
    let versions = owner.ctx.read()?.crontab_versions(&owner.source)?;
    let mut out = std::io::stdout().lock();
    for version in &versions {
        let what = match version.removed {
            true => "removed".to_owned(),
            false => format!(
                "{} lines",
                version.bytes.split_inclusive(|b| *b == b'\n').count()
            ),
        };
        let at = in_full(version.at, &owner.ctx.zone);
        writeln!(out, "{}  {at}  {what}, by {}", version.id, version.by)?;
    }
    if versions.is_empty() {
        let text = format!("no crontab was ever installed for {}", owner.name);
        return Err(CliError::new(Kind::Failed, text));
    }
    Ok(0)
}
