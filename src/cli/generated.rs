//! What is made of the command line's own description: manual pages and the reference.

use std::io;

use clap::{Arg, Command};
use clap_mangen::Man;

use crate::cli::help::{self, GROUPS};
use crate::cli::jobs_file::page;

/// The manual: file name and text of each page, crake(1) first, those of section 5 last.
///
/// # Errors
/// None that is expected.
pub fn man_pages() -> io::Result<Vec<(String, String)>> {
    let mut root = help::root_command();
    root.build();
    let mut pages = vec![page(&root)?];
    for verb in root.get_subcommands().filter(|verb| !verb.is_hide_set()) {
        pages.push(page(verb)?);
        for part in verb.get_subcommands().filter(|part| !part.is_hide_set()) {
            pages.push(page(part)?);
        }
    }
    pages.push(("crake-jobs.5".to_owned(), page::page()));
    Ok(pages)
}

fn page(command: &Command) -> io::Result<(String, String)> {
    let name = command
        .get_display_name()
        .unwrap_or(command.get_name())
        .to_owned();
    // The global options stand in crake(1); on every page they would bury the command's own.
    let is_root = name == "crake";
    let command = command.clone().mut_args(|arg| {
        let hide = !is_root && arg.is_global_set();
        arg.hide(hide)
    });
    let mut text = Vec::new();
    Man::new(command.clone())
        .manual("crake")
        .render(&mut text)?;
    let text = String::from_utf8(text).map_err(io::Error::other)?;
    Ok((format!("{name}.1"), text))
}

/// The reference of the command line, in Markdown.
pub fn cli_reference() -> String {
    let mut root = help::root_command();
    root.build();
    let mut text = String::from(
        "# The command line\n\nMade of what the program says of itself: `CRAKE_UPDATE=1 cargo test generated` writes it anew.\n",
    );
    text.push_str("\n## Global options\n\n");
    for arg in root.get_arguments().filter(|arg| arg.is_global_set()) {
        text.push_str(&option(arg));
    }
    for (group, verbs) in GROUPS {
        let known: Vec<&Command> = verbs
            .iter()
            .filter_map(|verb| root.find_subcommand(verb))
            .filter(|verb| !verb.is_hide_set())
            .collect();
        if known.is_empty() {
            continue;
        }
        text.push_str(&format!("\n## {group}\n"));
        for verb in known {
            describe(&mut text, verb, 3);
        }
    }
    text
}

fn describe(text: &mut String, command: &Command, level: usize) {
    let name = command.get_display_name().unwrap_or(command.get_name());
    let about = command.get_about().map(ToString::to_string);
    text.push_str(&format!(
        "\n{} {}\n\n{}.\n\n",
        "#".repeat(level),
        name.replace('-', " "),
        about.unwrap_or_default()
    ));
    let usage = command.clone().render_usage().to_string();
    let usage = usage.trim_start_matches("Usage: ");
    text.push_str(&format!("    {usage}\n"));
    let own: Vec<&Arg> = command
        .get_arguments()
        .filter(|arg| !arg.is_global_set() && !arg.is_hide_set() && arg.get_id() != "help")
        .collect();
    if !own.is_empty() {
        text.push('\n');
    }
    for arg in own {
        text.push_str(&option(arg));
    }
    if let Some(examples) = command.get_after_help() {
        let examples = examples.to_string();
        text.push_str("\nExamples:\n\n");
        for line in examples.lines().skip(1) {
            text.push_str(&format!("    {}\n", line.trim_start()));
        }
    }
    for part in command.get_subcommands().filter(|part| !part.is_hide_set()) {
        describe(text, part, level + 1);
    }
}

fn option(arg: &Arg) -> String {
    let help = arg.get_help().map(ToString::to_string);
    let help = help.unwrap_or_default().replace('\n', " ");
    let values: Vec<String> = arg
        .get_possible_values()
        .iter()
        .map(|value| value.get_name().to_owned())
        .collect();
    let values = match values.is_empty() || !arg.get_action().takes_values() {
        true => String::new(),
        false => format!(" ({})", values.join(", ")),
    };
    let shown = arg.to_string();
    let short = match (arg.get_short(), arg.is_positional()) {
        (Some(short), false) if arg.get_long().is_some() => format!("-{short}, "),
        _ => String::new(),
    };
    format!("- `{short}{shown}`: {help}{values}\n")
}
