//! `crake man`: the manual pages.

use std::path::PathBuf;

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
    /// Write one page for each command here
    dir: Option<PathBuf>,
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
        std::fs::write(dir.join(name), text).map_err(cannot)?;
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
