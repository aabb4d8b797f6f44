//! `crontab -e`.

use std::fs;
use std::io::{BufRead, Write};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::process::Command;

use crate::cli::crontab::Owner;
use crate::cli::error::CliError;

/// Lets the user edit the table until its cron would take it, or they give up. What was written is
/// never thrown away.
///
/// # Errors
/// Those of the store and of the draft.
pub fn edit(owner: &Owner<'_>) -> Result<u8, CliError> {
    let before = owner.current()?;
    let first = before.clone().unwrap_or_default();
    let draft = new_draft(&first)?;
    loop {
        if let Err(why) = open(&draft) {
            owner.ctx.say(&format!(
                "crontab: {why}\ncrontab: edits left in {}",
                draft.display()
            ));
            return Ok(1);
        }
        let bytes = fs::read(&draft)?;
        if bytes == first {
            owner.ctx.say("No modification made");
            forget(&draft);
            return Ok(0);
        }
        if !owner.refused(&bytes, &draft.display().to_string()) {
            if owner.current()? != before {
                owner.ctx.say(&format!(
                    "crontab: somebody else installed another table meanwhile; edits left in {}",
                    draft.display()
                ));
                return Ok(1);
            }
            owner.install(&bytes)?;
            owner.ctx.say("crontab: installing new crontab");
            forget(&draft);
            return Ok(0);
        }
        if !yes("Do you want to retry the same edit? (y/n) ")? {
            owner
                .ctx
                .say(&format!("crontab: edits left in {}", draft.display()));
            return Ok(0);
        }
    }
}

/// Asks until the answer is yes or no; the end of the input is a no.
///
/// # Errors
/// Those of reading.
pub fn yes(question: &str) -> Result<bool, CliError> {
    let mut line = String::new();
    loop {
        let mut error = std::io::stderr();
        write!(error, "{question}")?;
        error.flush()?;
        line.clear();
        if std::io::stdin().lock().read_line(&mut line)? == 0 {
            return Ok(false);
        }
        match line.trim().chars().next() {
            Some('y' | 'Y') => return Ok(true),
            Some('n' | 'N') => return Ok(false),
            _ => writeln!(error, "Enter Y or N")?,
        }
    }
}

/// A file that only its owner can read, in a directory that only its owner can enter; editors know
/// the form by the end of its name.
fn new_draft(bytes: &[u8]) -> Result<PathBuf, CliError> {
    let mut number = 0;
    let dir = loop {
        let name = format!("crontab.{}-{number}", std::process::id());
        let dir = std::env::temp_dir().join(name);
        match fs::DirBuilder::new().mode(0o700).create(&dir) {
            Err(e) if e.kind() == std::io::ErrorKind::AlreadyExists => number += 1,
            done => break done.map(|()| dir)?,
        }
    };
    let path = dir.join("table.crontab");
    let mut file = fs::OpenOptions::new()
        .write(true)
        .create_new(true)
        .mode(0o600)
        .open(&path)?;
    file.write_all(bytes)?;
    Ok(path)
}

fn forget(draft: &Path) {
    // What was stored, or was not changed, nobody needs again; a copy left behind does no harm.
    let _ = fs::remove_file(draft);
    let _ = draft.parent().map(fs::remove_dir);
}

fn open(draft: &Path) -> Result<(), String> {
    let variable = |name: &str| std::env::var_os(name).filter(|value| !value.is_empty());
    let editor = variable("VISUAL").or_else(|| variable("EDITOR"));
    let usual = ["/usr/bin/editor", "/usr/bin/vi"];
    let usual = usual.into_iter().find(|path| Path::new(path).exists());
    let editor = editor.unwrap_or_else(|| usual.unwrap_or("vi").into());
    let mut line = editor.clone();
    line.push(" \"$1\"");
    let status = Command::new("/bin/sh")
        .arg("-c")
        .arg(line)
        .arg("sh")
        .arg(draft)
        .status();
    let editor = editor.to_string_lossy().into_owned();
    match status {
        Ok(status) if status.success() => Ok(()),
        Ok(status) => Err(format!("\"{editor}\" ended with {status}")),
        Err(e) => Err(format!("\"{editor}\" cannot be started: {e}")),
    }
}
