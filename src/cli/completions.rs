//! `crake completions`: what a shell needs to ask crake for completions.

use clap::ValueEnum;

use crate::cli::context::Context;
use crate::cli::error::CliError;

/// Print what a shell needs to complete crake's commands and the names of jobs
#[derive(clap::Args)]
#[command(after_help = "\
Examples:
  crake completions bash > /usr/share/bash-completion/completions/crake
  crake completions zsh > /usr/share/zsh/site-functions/_crake
  crake completions fish > ~/.config/fish/completions/crake.fish")]
pub struct CompletionsArgs {
    /// The shell
    #[arg(value_enum)]
    shell: Shell,
}

/// A shell that can be told.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Shell {
    Bash,
    Zsh,
    Fish,
}

/// The shells, the usual names of their files, and what stands in them. The words come from the
/// program that is installed, so they never lag behind it.
pub const SHIMS: [(Shell, &str, &str); 3] = [
    (Shell::Bash, "crake.bash", "source <(COMPLETE=bash crake)\n"),
    (
        Shell::Zsh,
        "_crake",
        "#compdef crake\nsource <(COMPLETE=zsh crake)\n",
    ),
    (Shell::Fish, "crake.fish", "COMPLETE=fish crake | source\n"),
];

/// Prints what a shell needs.
///
/// # Errors
/// Those of writing.
pub fn completions(ctx: &Context, args: CompletionsArgs) -> Result<u8, CliError> {
    let text = SHIMS
        .iter()
        .find(|(shell, _, _)| *shell == args.shell)
        .map_or("", |(_, _, text)| text);
    ctx.answer_one(
        || serde_json::json!({"script": text}),
        |out| write!(out, "{text}"),
    )?;
    Ok(0)
}
