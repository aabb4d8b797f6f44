//! `crake man`: the manual pages.

use std::path::{Path, PathBuf};

use serde_json::json;

use crate::cli::context::Context;
use crate::cli::error::{CliError, Kind};
use crate::cli::generated::man_pages;

/// Print the manual page crake(1), or write all pages into a directory
#[derive(clap::Args)]
#[command(after_help = "\
Examples:
  crake man | man -l -
  crake man /usr/local/share/man/man1")]
pub struct ManArgs {
    /// Write one page for each command here; beside a man1, those of files go into man5
    dir: Option<PathBuf>,
}

/// The directory of a page: beside `man1`, where that is asked for, there is one for each section.
fn section_dir(dir: &Path, page: &str) -> PathBuf {
    let section = page.rsplit('.').next().unwrap_or("1");
    match dir.file_name().is_some_and(|name| name == "man1") {
        true => dir.with_file_name(format!("man{section}")),
        false => dir.to_owned(),
    }
}

/// Prints or writes the manual.
///
/// # Errors
/// Those of writing.
pub fn man(ctx: &Context, args: ManArgs) -> Result<u8, CliError> {
    let pages = man_pages()?;
    let Some(dir) = args.dir else {
        let page = pages.first().map_or("", |(_, text)| text);
        ctx.answer_one(|| json!({"page": page}), |out| write!(out, "{page}"))?;
        return Ok(0);
    };
    let cannot = |e: std::io::Error| {
        CliError::new(Kind::Failed, format!("cannot write {}: {e}", dir.display()))
    };
    std::fs::create_dir_all(&dir).map_err(cannot)?;
    for (name, text) in &pages {
        let place = section_dir(&dir, name);
        std::fs::create_dir_all(&place).map_err(cannot)?;
        std::fs::write(place.join(name), text).map_err(cannot)?;
    }
    ctx.answer(
        || {
            pages
                .iter()
                .map(|(name, _)| json!({"page": name}))
                .collect()
        },
        |out| writeln!(out, "wrote {} pages into {}", pages.len(), dir.display()),
    )?;
    Ok(0)
}
