//! Editing a definition in the user's editor.

use std::ffi::OsString;
use std::fs::{File, OpenOptions};
use std::io::{IsTerminal, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::process::Command;

use crate::cli::context::Context;
use crate::cli::draft::Draft;
use crate::cli::error::{CliError, Kind};
use crate::cli::{edit, toml_form};
use crate::store::JobRow;
use crate::view::timetable::Timetable;

/// Lets the user edit a definition until it is valid or given up. Gives the new schedules; none
/// where nothing was changed.
///
/// # Errors
/// An invalid definition, one somebody else changed meanwhile, an editor that failed. The text is
/// kept in a file then, and the error names it.
pub fn edit(ctx: &Context, row: &JobRow, old: &Draft) -> Result<Option<Vec<Timetable>>, CliError> {
    let variable = |name: &str| std::env::var_os(name).filter(|v| !v.is_empty());
    let chosen = variable("VISUAL").or_else(|| variable("EDITOR"));
    let interactive = std::io::stdin().is_terminal();
    if chosen.is_none() && !interactive {
        return Err(edit::no_editor(&row.job.name));
    }
    let editor = chosen.unwrap_or_else(|| OsString::from("vi"));
    let head = format!(
        "# {}, version {}. Save and leave to store it; leave without a change to keep it as it is.\n\
         # command: a text goes to the shell, a list is executed directly.\n",
        row.job.name, row.job.version
    );
    let first = format!("{head}{}", toml_form::write(ctx, old)?);
    let path = new_file(&row.job.name, &first)?;
    let mut shown = first;
    loop {
        open(&editor, &path)?;
        let text = std::fs::read_to_string(&path)?;
        let same = without_comments(&text) == without_comments(&shown);
        if same && !text.contains(PROBLEM) {
            // Nobody needs a copy of what is stored.
            let _ = std::fs::remove_file(&path);
            return Ok(None);
        }
        let stored =
            toml_form::read(ctx, &text, old).and_then(|draft| edit::keep(ctx, row, old, &draft));
        match stored {
            Ok(done) => {
                // It is in the store now; a copy left behind does no harm.
                let _ = std::fs::remove_file(&path);
                return Ok(done);
            }
            Err(error) if interactive && can_be_mended(error.kind) && !same => {
                shown = with_problem(&text, &error);
                std::fs::write(&path, &shown)?;
            }
            Err(mut error) => {
                let kept = format!("your text is kept in {}", path.display());
                error.hint = Some(match error.hint {
                    Some(hint) => format!("{hint}; {kept}"),
                    None => kept,
                });
                return Err(error);
            }
        }
    }
}

/// Whether another text could be stored; the store itself is no matter of the text.
fn can_be_mended(kind: Kind) -> bool {
    matches!(kind, Kind::Invalid | Kind::Usage | Kind::NotFound)
}

/// What a line about a problem begins with.
const PROBLEM: &str = "#! ";

fn with_problem(text: &str, error: &CliError) -> String {
    let mut said = error.message.clone();
    for more in [&error.detail, &error.hint].into_iter().flatten() {
        said.push('\n');
        said.push_str(more);
    }
    let said: String = said.lines().map(|l| format!("{PROBLEM}{l}\n")).collect();
    let rest: Vec<&str> = text.lines().filter(|l| !l.starts_with(PROBLEM)).collect();
    format!("{said}{}\n", rest.join("\n"))
}

fn without_comments(text: &str) -> String {
    let lines: Vec<&str> = text.lines().filter(|l| !l.starts_with('#')).collect();
    lines.join("\n")
}

/// A file that only its owner may read: environments hold secrets.
fn new_file(job: &str, text: &str) -> Result<PathBuf, CliError> {
    let name = format!("crake-{job}-{}.toml", std::process::id());
    let path = std::env::temp_dir().join(name);
    let mut file: File = OpenOptions::new()
        .write(true)
        .create_new(true)
        .mode(0o600)
        .open(&path)
        .map_err(|e| CliError::new(Kind::Failed, format!("cannot make {}: {e}", path.display())))?;
    file.write_all(text.as_bytes())?;
    Ok(path)
}

/// Runs the editor, which may be a command line with arguments.
fn open(editor: &OsString, path: &Path) -> Result<(), CliError> {
    let mut line = editor.clone();
    line.push(" \"$1\"");
    let status = Command::new("/bin/sh")
        .arg("-c")
        .arg(line)
        .arg("sh")
        .arg(path)
        .status()?;
    if status.success() {
        return Ok(());
    }
    let text = format!(
        "the editor {} ended with {status}",
        editor.to_string_lossy()
    );
    Err(CliError::new(Kind::Failed, text).hint(format!("your text is kept in {}", path.display())))
}
